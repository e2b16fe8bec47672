"""Backups of a whole deployment: made while it works, verified, restored into an empty one."""

from shem.backup.creating import create
from shem.backup.manifest import BackupError, Manifest, SavedStream, check, read_manifest
from shem.backup.new_data import restore_new
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
    "restore_new",
    "try_out",
]
