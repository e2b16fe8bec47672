"""Making a backup while everything works.

    index of workers ─▶ objects ─▶ the stream ─▶ components, settings, guests' buckets ─▶ objects

The index comes first, since its marks must not be ahead of the stream.
The snapshot of the oplog stream is the cut: what has a sequence up to its end is in the backup, and
a worker is restored to what its log says then. What logs refer to is stored before they do, so what
is saved behind the cut holds all of it, and perhaps more, which nobody refers to. Objects may be
removed again while the stream is saved: what is stored meanwhile is followed and kept.

Several streams are each of a moment of their own, one just after the other: a call between workers
of two of them may be in one log and not in the other.
"""

import asyncio
import hashlib
import os
import time
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final, final

import msgspec

from broker.errors import BrokerError
from broker.jetstream.archive import Archive, Snapshot
from broker.sharding import Sharding, is_oplog_stream
from broker.subjects import (
    BLOBS_BUCKET,
    CODE_BUCKET,
    MEMBERS_BUCKET,
    SESSIONS_BUCKET,
    STREAM,
    WORKERS_BUCKET,
)
from shem.backup.manifest import (
    FORMAT,
    LATER_FILE,
    MANIFEST_FILE,
    BackupError,
    LaterMessage,
    Manifest,
    SavedFile,
    SavedStream,
    create_private,
    write_manifest,
)

__all__ = ["LEFT_OUT", "Progress", "create"]

LEFT_OUT: Final = frozenset({f"KV_{MEMBERS_BUCKET}", f"KV_{SESSIONS_BUCKET}", f"OBJ_{CODE_BUCKET}"})
"""Who lives, who is logged in, and what was compiled: all of it comes again by itself."""

_OBJECTS: Final = f"OBJ_{BLOBS_BUCKET}"
_FIRST: Final = (f"KV_{WORKERS_BUCKET}", _OBJECTS)
_FOLLOW_S: Final = 0.1

Progress = Callable[[str, int], None]
"""Is told the stream that is being worked on and how many bytes of it are done."""


async def create(archive: Archive, folder: Path, *, progress: Progress) -> Manifest:
    """Write a backup into a folder that is empty or does not exist.

    Whatever ends it before, the folder is as it was.

    Raises:
        BackupError: the folder is in use, the disk is full, or there is nothing to save.
        UnavailableError: the broker does not answer.
    """
    with _new_folder(folder):
        return await _fill(archive, folder, progress)


async def _fill(archive: Archive, folder: Path, progress: Progress) -> Manifest:
    streams = await archive.streams()
    if STREAM not in streams:
        raise BackupError(f"there is no stream {STREAM}: nothing to save", kind="nothing-to-save")
    oplogs = [name for name in streams if is_oplog_stream(name)]
    rest = [name for name in streams if name not in {*LEFT_OUT, *_FIRST, *oplogs}]
    saved: list[SavedStream] = []
    sharding: Sharding | None = None
    try:
        async with _Follower(archive, folder / LATER_FILE).following() as follower:
            for name in (*_FIRST, *oplogs, *rest):
                if name not in streams:
                    continue
                stream, snapshot = await _save(archive, folder, name, progress)
                saved.append(stream)
                if name == _OBJECTS:
                    follower.begin(stream.last_sequence)
                if name == STREAM:
                    sharding = snapshot.sharding()
        manifest = _manifest(archive, saved, sharding, follower.saved())
        write_manifest(folder, manifest)
    except OSError as error:
        raise BackupError(f"cannot write the backup: {error}", kind="cannot-write") from error
    return manifest


def _manifest(
    archive: Archive, saved: Sequence[SavedStream], sharding: Sharding | None, later: SavedFile
) -> Manifest:
    cut = next(each.last_sequence for each in saved if each.name == STREAM)
    return Manifest(
        format=FORMAT,
        created_ms=time.time_ns() // 1_000_000,
        server_version=archive.server_version,
        partitions=0 if sharding is None else sharding.partitions,
        cut=cut,
        streams=tuple(saved),
        later=later,
    )


@contextmanager
def _new_folder(folder: Path) -> Generator[None]:
    """Make the folder, and take it away again with all that is in it if the body fails."""
    try:
        was_there = folder.exists()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        names = {each.name for each in folder.iterdir()}
    except OSError as error:
        raise BackupError(f"cannot write to {folder}: {error}", kind="cannot-write") from error
    if names:
        what = "is not empty"
        if LATER_FILE in names and MANIFEST_FILE not in names:
            what = "holds a backup that was killed before it was finished"
        raise BackupError(f"{folder} {what}: remove it, or name a new folder", kind="not-empty")
    try:
        yield
    except BaseException:
        for file in folder.iterdir():
            file.unlink(missing_ok=True)
        if not was_there:
            folder.rmdir()
        raise


async def _save(
    archive: Archive, folder: Path, name: str, progress: Progress
) -> tuple[SavedStream, Snapshot]:
    file = folder / f"{name}.tar.s2"
    digest, size = hashlib.sha256(), 0
    with os.fdopen(create_private(file), "wb") as opened:

        def write(piece: bytes) -> None:
            nonlocal size
            opened.write(piece)
            digest.update(piece)
            size += len(piece)
            progress(name, size)

        snapshot = await archive.save(name, write)
        opened.flush()
        os.fsync(opened.fileno())
    state = snapshot.stream_state()
    saved = SavedStream(
        name=name,
        file=SavedFile(name=file.name, size=size, sha256=digest.hexdigest()),
        messages=state.messages,
        last_sequence=state.last_seq,
        config=snapshot.config,
        state=snapshot.state,
    )
    return saved, snapshot


@final
class _Follower:
    """Keeps what is stored in the object store from its snapshot until the end."""

    def __init__(self, archive: Archive, file: Path) -> None:
        self._archive = archive
        self._file = file
        self._digest = hashlib.sha256()
        self._size = 0
        self._behind: int | None = None
        self._encode = msgspec.msgpack.Encoder().encode

    @asynccontextmanager
    async def following(self) -> AsyncGenerator["_Follower"]:
        """Follow while inside, and once more at the end.

        Raises:
            UnavailableError: the broker does not answer.
        """
        with os.fdopen(create_private(self._file), "wb") as opened:

            async def follow() -> None:
                while True:
                    await asyncio.sleep(_FOLLOW_S)
                    await self._catch_up(opened.write)

            following = asyncio.ensure_future(follow())
            try:
                yield self
            finally:
                following.cancel()
                await asyncio.wait([following])
            if not following.cancelled() and isinstance(
                following.exception(), BrokerError | OSError
            ):
                following.result()
            await self._catch_up(opened.write)
            opened.flush()
            os.fsync(opened.fileno())

    def begin(self, sequence: int) -> None:
        """Follow from behind a sequence."""
        self._behind = sequence

    def saved(self) -> SavedFile:
        """Return what was written."""
        return SavedFile(name=self._file.name, size=self._size, sha256=self._digest.hexdigest())

    async def _catch_up(self, write: Callable[[bytes], object]) -> None:
        if self._behind is None:
            return
        subject = f"$O.{BLOBS_BUCKET}.>"
        for message in await self._archive.messages(_OBJECTS, subject, behind=self._behind):
            kept = LaterMessage(message.subject, message.raw_headers, message.data)
            encoded = self._encode(kept)
            piece = len(encoded).to_bytes(4) + encoded
            write(piece)
            self._digest.update(piece)
            self._size += len(piece)
            self._behind = message.sequence
