"""The keys that executors encrypt secrets with: AES-256-GCM, several so that they can be changed.

A key file has a key per line, 32 bytes in base64; blank lines and those that begin with `#` are
nothing. The first encrypts, all decrypt. What is encrypted names its key by the beginning of the
key's own digest, and is bound to what it belongs to, so that nothing can be put in another's place.
"""

import os
from base64 import b64decode, b64encode
from collections.abc import Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Final, Self, final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from actors.errors import TerminalError

__all__ = ["KEY_FILE_VARIABLE", "KeyRing", "KeysError", "MissingKeyError", "new_key"]

KEY_FILE_VARIABLE: Final = "SHEM_SECRETS_KEY_FILE"
KEYS_MAX: Final = 100
_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_ID_BYTES: Final = 8


class KeysError(TerminalError):
    """A key file that is none, or something encrypted that no key opens."""


class MissingKeyError(KeysError):
    """Something is encrypted by a key that is not here; it may be elsewhere, or come."""


def new_key() -> str:
    """Return a line for a key file."""
    return b64encode(os.urandom(_KEY_BYTES)).decode()


@final
class KeyRing:
    """Encrypts with the first key, decrypts with all. Without keys it does neither.

    `file` is read again where a key is missing: another executor may know it already.
    """

    def __init__(self, keys: tuple[bytes, ...] = (), *, file: Path | None = None) -> None:
        self._ciphers: Mapping[bytes, AESGCM] = {_id(key): AESGCM(key) for key in keys}
        self._first = _id(keys[0]) if keys else b""
        self._file = file

    @classmethod
    def parse(cls, text: str, *, where: str) -> Self:
        """Read the text of a key file.

        Raises:
            KeysError: a line is no key; it says which.
        """
        return cls(_keys_of(text, where=where))

    @classmethod
    def of_file(cls, file: Path) -> Self:
        """Read a key file, and again where a key is missing.

        Raises:
            KeysError: it cannot be read.
        """
        return cls(_keys_in(file), file=file)

    @classmethod
    def from_environment(cls) -> Self:
        """Read the file that the environment names; no keys if it names none.

        Raises:
            KeysError: it cannot be read.
        """
        name = os.environ.get(KEY_FILE_VARIABLE)
        return cls.of_file(Path(name)) if name else cls()

    def reread(self) -> None:
        """Take over what the file says by now; keys that left it go on to decrypt until the end.

        Raises:
            KeysError: it cannot be read, and nothing has changed.
        """
        if self._file is not None:
            keys = _keys_in(self._file)
            self._ciphers = {**self._ciphers, **{_id(key): AESGCM(key) for key in keys}}
            self._first = _id(keys[0])

    @property
    def can_encrypt(self) -> bool:
        """Whether there are keys."""
        return bool(self._ciphers)

    @property
    def first(self) -> str:
        """How the key is called that encrypts; empty: there is none."""
        return self._first.hex()

    def is_newest(self, sealed: bytes) -> bool:
        """Whether the first key encrypted it."""
        return sealed[:_ID_BYTES] == self._first

    def seal(self, data: bytes, *, bound_to: str) -> bytes:
        """Encrypt.

        Raises:
            KeysError: there are no keys.
        """
        cipher = self._ciphers.get(self._first)
        if cipher is None:
            raise KeysError(
                f"this executor has no keys for secrets: make some by `shem secret keygen FILE`, "
                f"and name the file in {KEY_FILE_VARIABLE} of every executor"
            )
        nonce = os.urandom(_NONCE_BYTES)
        return self._first + nonce + cipher.encrypt(nonce, data, bound_to.encode())

    def open(self, sealed: bytes, *, bound_to: str) -> bytes:
        """Decrypt.

        Raises:
            MissingKeyError: no key fits.
            KeysError: it was changed, or belongs elsewhere.
        """
        key, rest = sealed[:_ID_BYTES], sealed[_ID_BYTES:]
        if key not in self._ciphers:
            # What cannot be read now says no more than that the key is missing.
            with suppress(KeysError):
                self.reread()
        cipher = self._ciphers.get(key)
        if cipher is None:
            raise MissingKeyError(
                f"{bound_to} is encrypted by the key {key.hex()}, which is not in the file that "
                f"{KEY_FILE_VARIABLE} names"
            )
        try:
            return cipher.decrypt(rest[:_NONCE_BYTES], rest[_NONCE_BYTES:], bound_to.encode())
        except (InvalidTag, ValueError) as error:
            raise KeysError(f"{bound_to} does not decrypt: it was changed") from error


def _keys_in(file: Path) -> tuple[bytes, ...]:
    try:
        text = file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise KeysError(f"{KEY_FILE_VARIABLE} names {file}: {error}") from error
    return _keys_of(text, where=str(file))


def _keys_of(text: str, *, where: str) -> tuple[bytes, ...]:
    keys: list[bytes] = []
    for number, line in enumerate(text.splitlines(), 1):
        told = line.strip()
        if not told or told.startswith("#"):
            continue
        try:
            key = b64decode(told, validate=True)
        except ValueError:
            key = b""
        if len(key) != _KEY_BYTES:
            raise KeysError(
                f"{where}, line {number}: expected {_KEY_BYTES} bytes in base64, as "
                "`shem secret keygen` makes them"
            )
        keys.append(key)
    if not 0 < len(keys) <= KEYS_MAX:
        raise KeysError(f"{where}: expected 1 to {KEYS_MAX} keys, found {len(keys)}")
    return tuple(keys)


def _id(key: bytes) -> bytes:
    return sha256(b"shem secrets key" + key).digest()[:_ID_BYTES]
