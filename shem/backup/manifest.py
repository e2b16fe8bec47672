"""What lies in a backup: a folder with a file for each stream, and `backup.json` about them.

`backup.json` is written last: a folder without it holds no backup, however much else is in it.
"""

import hashlib
import os
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Raw, Struct

from broker.sharding import is_oplog_stream
from shem.errors import TerminalError

__all__ = [
    "FORMAT",
    "LATER_FILE",
    "BackupError",
    "LaterMessage",
    "Manifest",
    "SavedFile",
    "SavedStream",
    "check",
    "create_private",
    "digest_of",
    "read_later",
    "read_manifest",
    "write_manifest",
]

FORMAT: Final = 1
MANIFEST_FILE: Final = "backup.json"
LATER_FILE: Final = "later.msgpack"
_READ_BYTES: Final = 1 << 20


class BackupError(TerminalError):
    """A backup that cannot be made or restored, is none, or is damaged."""


class SavedFile(Struct, frozen=True, kw_only=True):
    """A file of a backup with its size in bytes and its SHA-256 in hex."""

    name: str
    size: int
    sha256: str


class SavedStream(Struct, frozen=True, kw_only=True):
    """A stream as it was: the file of its snapshot, and the server's settings and state of it."""

    name: str
    file: SavedFile
    messages: int
    last_sequence: int
    config: Raw
    state: Raw


class LaterMessage(Struct, frozen=True, array_like=True):
    """A message of the object store that was stored while the other streams were saved."""

    subject: str
    headers: dict[str, str]
    data: bytes


class Manifest(Struct, frozen=True, kw_only=True):
    """What a backup is of. `cut`: it holds everything up to this sequence of the oplog stream.

    `streams` stand in the order in which they were saved, `later` are objects stored meanwhile.
    """

    format: int
    created_ms: int
    server_version: str
    partitions: int
    cut: int
    streams: tuple[SavedStream, ...]
    later: SavedFile

    @property
    def size(self) -> int:
        """How many bytes all files have."""
        return sum(each.file.size for each in self.streams) + self.later.size

    @property
    def mapped_partitions(self) -> int | None:
        """Into how many partitions a server has to sort by itself for it, None: it has not to."""
        several = sum(is_oplog_stream(each.name) for each in self.streams) > 1
        return self.partitions if several else None


def create_private(file: Path) -> int:
    """Open a new file that its owner alone reads."""
    return os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write `backup.json`, which makes the folder a backup."""
    data = msgspec.json.format(msgspec.json.encode(manifest), indent=2)
    unfinished = folder / f"{MANIFEST_FILE}.new"
    with os.fdopen(create_private(unfinished), "wb") as opened:
        opened.write(data)
        opened.flush()
        os.fsync(opened.fileno())
    unfinished.replace(folder / MANIFEST_FILE)


def read_manifest(folder: Path) -> Manifest:
    """Return what a backup says of itself.

    Raises:
        BackupError: there is none, or one of a newer release.
    """
    file = folder / MANIFEST_FILE
    try:
        manifest = msgspec.json.decode(file.read_bytes(), type=Manifest)
    except OSError as error:
        raise BackupError(
            f"{folder} is no backup, or one that was not finished: {error}", kind="no-backup"
        ) from error
    except msgspec.DecodeError as error:
        raise BackupError(f"{file} cannot be read: {error}", kind="damaged-backup") from error
    if manifest.format != FORMAT:
        raise BackupError(
            f"{folder} has format {manifest.format}, this release reads {FORMAT}: use the one that "
            "made it, or a newer one",
            kind="newer-format",
        )
    return manifest


def check(folder: Path, manifest: Manifest) -> None:
    """Compare every file with its digest.

    Raises:
        BackupError: one is missing or damaged.
    """
    for saved in (*(each.file for each in manifest.streams), manifest.later):
        file = folder / saved.name
        try:
            size, digest = file.stat().st_size, digest_of(file)
        except OSError as error:
            raise BackupError(f"{file} cannot be read: {error}", kind="damaged-backup") from error
        if (size, digest) != (saved.size, saved.sha256):
            raise BackupError(
                f"{file} is damaged: {size} of {saved.size} bytes, digest {digest} instead of "
                f"{saved.sha256}",
                kind="damaged-backup",
            )


def digest_of(file: Path) -> str:
    """Return the SHA-256 of a file in hex."""
    digest = hashlib.sha256()
    with file.open("rb") as opened:
        while piece := opened.read(_READ_BYTES):
            digest.update(piece)
    return digest.hexdigest()


def read_later(folder: Path) -> list[LaterMessage]:
    """Return the objects that were stored while the backup was made, as messages in order.

    Raises:
        BackupError: the file is damaged.
    """
    found: list[LaterMessage] = []
    decoder = msgspec.msgpack.Decoder(LaterMessage)
    data = memoryview((folder / LATER_FILE).read_bytes())
    place = 0
    while place < len(data):
        size = int.from_bytes(data[place : place + 4])
        try:
            found.append(decoder.decode(data[place + 4 : place + 4 + size]))
        except msgspec.DecodeError as error:
            text = f"{LATER_FILE} is damaged at byte {place}: {error}"
            raise BackupError(text, kind="damaged-backup") from error
        place += 4 + size
    return found
