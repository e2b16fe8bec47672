"""Key pairs of NATS, made once and kept in files that their owner alone reads."""

import os
from enum import IntEnum
from pathlib import Path
from typing import Protocol, cast

import nkeys  # type: ignore[import-untyped]  # ships no type information
from msgspec import Struct

from shem.errors import RefusedError

__all__ = ["Key", "KeyKind", "kept_key", "write_file"]

_PRIVATE = 0o600
_PUBLIC = 0o644
_SEED_BYTES = 32


class KeyKind(IntEnum):
    """Whose key it is, which its text begins with."""

    USER = 20 << 3
    ACCOUNT = 0
    OPERATOR = 14 << 3


class _KeyPair(Protocol):
    """What we use of the untyped library's key pair."""

    @property
    def public_key(self) -> bytes: ...

    def sign(self, input: bytes) -> bytes: ...  # noqa: A002  # the library's name


class Key(Struct, frozen=True, kw_only=True):
    """A key pair as text: the public half names its owner, the seed proves it."""

    public: str
    seed: str

    def sign(self, data: bytes) -> bytes:
        """Return the signature of `data`."""
        return _pair(self.seed).sign(data)


def kept_key(file: Path, kind: KeyKind) -> Key:
    """Return the key of a file, which is made if it is not there.

    Raises:
        OSError: the file cannot be read or written.
        RefusedError: it holds no key.
    """
    if not file.exists():
        seed = nkeys.encode_seed(os.urandom(_SEED_BYTES), kind)  # pyright: ignore[reportUnknownMemberType]  # untyped library
        write_file(file, seed + b"\n", private=True)
    text = file.read_text().strip()
    try:
        return Key(public=_pair(text).public_key.decode(), seed=text)
    except nkeys.NkeysError as error:
        raise RefusedError(
            f"{file} holds no key: put it back, or remove the file to have another key made",
            kind="bad-key",
        ) from error


def write_file(file: Path, content: str | bytes, *, private: bool = False) -> None:
    """Write a file; a private one is made with its rights, so that nobody reads it in between.

    A new one is there as a whole or not at all: half a key would be kept for ever. One that is
    there keeps its owner and its rights, which somebody may have chosen.
    """
    data = content.encode() if isinstance(content, str) else content
    mode = _PRIVATE if private else _PUBLIC
    written = file if file.exists() else file.with_name(f"{file.name}.new")
    with os.fdopen(os.open(written, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as opened:
        opened.write(data)
    if written != file:
        written.replace(file)


def _pair(seed: str) -> _KeyPair:
    return cast("_KeyPair", nkeys.from_seed(bytearray(seed.encode())))  # pyright: ignore[reportUnknownMemberType]  # untyped library
