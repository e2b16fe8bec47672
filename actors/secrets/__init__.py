"""Secrets of components: encrypted where they are stored, read by guests, in no log."""

from actors.secrets.keys import KEY_FILE_VARIABLE, KeyRing, KeysError, new_key
from actors.secrets.store import (
    Pinned,
    SecretGoneError,
    SecretInfo,
    SecretKeyError,
    SecretStore,
    check_name,
)

__all__ = [
    "KEY_FILE_VARIABLE",
    "KeyRing",
    "KeysError",
    "Pinned",
    "SecretGoneError",
    "SecretInfo",
    "SecretKeyError",
    "SecretStore",
    "check_name",
    "new_key",
]
