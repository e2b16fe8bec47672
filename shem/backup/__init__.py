"""Backups of a whole deployment: made while it works, verified, restored into an empty one."""

from shem.backup.creating import create
from shem.backup.manifest import BackupError, Manifest, SavedStream, check, read_manifest
from shem.backup.restoring import Restored, restore
from shem.backup.trying import try_out

__all__ = [
    "BackupError",
    "Manifest",
    "Restored",
    "SavedStream",
    "check",
    "create",
    "read_manifest",
    "restore",
    "try_out",
]
