"""Keys and passwords as hashes: what is stored tells nobody what to send."""

import base64
import hashlib
import hmac
import re
import secrets
from typing import Final

__all__ = ["hash_key", "hash_password", "is_hash", "matches_key", "matches_password"]

_HASH: Final = re.compile(r"sha256\$[0-9a-f]{64}|scrypt\$[A-Za-z0-9+/]{22}==\$[A-Za-z0-9+/]{43}=")
_KEY: Final = "sha256$"
_PASSWORD: Final = "scrypt$"  # noqa: S105 - the name of a function
# 32 MiB and some 50 ms a guess.
_COST: Final = {"n": 2**15, "r": 8, "p": 1, "maxmem": 64 * 1024 * 1024}


def is_hash(text: str) -> bool:
    """Return whether a text is one of ours already."""
    return _HASH.fullmatch(text) is not None


def hash_key(key: str) -> str:
    """Return the hash of a key; keys are long and random, so a fast one is enough."""
    return _KEY + hashlib.sha256(key.encode()).hexdigest()


def matches_key(stored: str, key: str) -> bool:
    """Return whether a key is the stored one, in time that does not tell how nearly."""
    return hmac.compare_digest(stored, hash_key(key))


def hash_password(password: str) -> str:
    """Return the hash of a password with a salt of its own."""
    salt = secrets.token_bytes(16)
    return f"{_PASSWORD}{_text(salt)}${_text(_derived(password, salt))}"


def matches_password(stored: str, password: str) -> bool:
    """Return whether a password is the stored one; takes long."""
    _, salt, expected = stored.split("$")
    return hmac.compare_digest(_text(_derived(password, base64.b64decode(salt))), expected)


def _derived(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, dklen=32, **_COST)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
