"""Restoring a backup into a deployment that has nothing.

Streams keep their sequences, which logs and marks name. The oplog stream comes last: with it, what
is scheduled fires, and executors find all that logs refer to.

While it goes on a mark says so. Whoever finds it, and no more in the oplog streams than was saved,
comes during an attempt or after one that was killed; nothing has been done with what that one has
left, so that whoever knows that none is going on may begin again. How much is there says nothing:
a server makes a stream of what it had received, also in the middle of one.
"""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Raw, Struct

from broker.errors import BrokerError
from broker.jetstream.archive import Archive, Snapshot
from broker.sharding import is_oplog_stream
from broker.subjects import BLOBS_BUCKET
from shem.backup.creating import LEFT_OUT, Progress
from shem.backup.manifest import (
    BackupError,
    LaterMessage,
    Manifest,
    SavedStream,
    check,
    read_later,
    read_manifest,
)

__all__ = ["Restored", "restore"]

_PIECE_BYTES: Final = 256 * 1024
_OBJECTS: Final = f"OBJ_{BLOBS_BUCKET}"


class Restored(Struct, frozen=True, kw_only=True):
    """What was restored: up to sequence `cut` of the oplog stream."""

    cut: int
    streams: int
    messages: int
    objects: int


class _Meta(Struct, frozen=True):
    """What a message says that makes an object of its chunks."""

    nuid: str = ""
    chunks: int = 0
    deleted: bool = False


async def restore(
    archive: Archive,
    folder: Path,
    *,
    replicas: int | None,
    progress: Progress,
    again: bool = False,
) -> Restored:
    """Restore a backup, of which every file is compared with its digest before.

    If something fails on the way, what was restored so far is removed again; after a kill, by the
    next attempt that is told so by `again`.

    Raises:
        BackupError: the backup is damaged, executors run, or there is something already.
        UnavailableError: the broker does not answer.
    """
    manifest = read_manifest(folder)
    check(folder, manifest)
    later = _objects_of(read_later(folder))
    await _make_room(archive, manifest, again=again)
    begun: list[str] = []
    messages = 0
    try:
        await archive.mark()
        # What logs refer to is there before they are.
        for stream in (each for each in manifest.streams if not is_oplog_stream(each.name)):
            begun.append(stream.name)
            messages += await _load(archive, folder, stream, replicas, progress)
        await _add_later(archive, later)
        for stream in (each for each in manifest.streams if is_oplog_stream(each.name)):
            begun.append(stream.name)
            messages += await _load(archive, folder, stream, replicas, progress)
    except BaseException:
        await _remove(archive, begun)
        raise
    await archive.unmark()
    return Restored(
        cut=manifest.cut,
        streams=len(manifest.streams),
        messages=messages,
        objects=sum(".M." in each.subject for each in later),
    )


async def _make_room(archive: Archive, manifest: Manifest, *, again: bool) -> None:
    """Remove the empty streams that executors have made; refuse if anything is not empty.

    What an attempt has left that was killed is removed, too, if we are to begin again.
    """
    living = await archive.living_executors()
    if living:
        raise BackupError(
            f"executors run ({', '.join(living)}): stop them, or wait for the marks of those that "
            "were killed to expire",
            kind="executors-run",
        )
    there = [name for name in await archive.streams() if name not in LEFT_OUT]
    saved = {each.name: each.last_sequence for each in manifest.streams}
    states = {name: await archive.state(name) for name in there}
    is_marked = await archive.is_marked()
    worked_on = any(
        state is not None and is_oplog_stream(name) and state.last_seq > saved.get(name, 0)
        for name, state in states.items()
    )
    is_unfinished = is_marked and not worked_on
    if is_unfinished and not again:
        raise BackupError(
            "a backup is being restored here, or was, until it was killed: if nobody is about it "
            "any more, --again removes what is there of it and begins anew",
            kind="unfinished",
        )
    for name, state in states.items():
        is_ours = is_unfinished and name in saved
        if state is not None and state.last_seq and not is_ours:
            raise BackupError(
                f"stream {name} is in use, up to sequence {state.last_seq}: a backup is restored "
                "into an empty deployment, such as a new server or account",
                kind="not-empty",
            )
    for name in there:
        if name in saved:
            await archive.delete(name)


async def _load(
    archive: Archive, folder: Path, stream: SavedStream, replicas: int | None, progress: Progress
) -> int:
    state = await archive.load(
        stream.name,
        Snapshot(Raw(stream.config), Raw(stream.state)),
        _pieces(folder / stream.file.name, stream.name, progress),
        replicas=replicas,
    )
    if state.last_seq < stream.last_sequence:
        raise BackupError(
            f"stream {stream.name} was restored up to sequence {state.last_seq} instead of "
            f"{stream.last_sequence}",
            kind="not-restored",
        )
    return state.messages


async def _pieces(file: Path, name: str, progress: Progress) -> AsyncIterator[bytes]:
    done = 0
    with file.open("rb") as opened:
        while piece := opened.read(_PIECE_BYTES):
            yield piece
            done += len(piece)
            progress(name, done)


def _objects_of(messages: list[LaterMessage]) -> list[LaterMessage]:
    """Return the messages of the objects that are whole; removals after the cut do not count."""
    chunks: dict[str, list[LaterMessage]] = {}
    whole: list[LaterMessage] = []
    for message in messages:
        if ".C." in message.subject:
            chunks.setdefault(message.subject.rpartition(".")[2], []).append(message)
            continue
        meta = msgspec.json.decode(message.data, type=_Meta)
        found = chunks.get(meta.nuid, [])
        if not meta.deleted and len(found) == meta.chunks:
            whole += [*found, message]
    return whole


async def _add_later(archive: Archive, messages: list[LaterMessage]) -> None:
    for message in messages:
        await archive.store(_OBJECTS, message.subject, message.data, message.headers)


async def _remove(archive: Archive, streams: list[str]) -> None:
    """Remove what was begun, and the mark once that is done."""
    try:
        for name in streams:
            if await archive.state(name) is not None:
                await archive.delete(name)
        if await archive.is_marked():
            await archive.unmark()
    except BrokerError:
        # The mark is there, so that the next attempt removes what is left.
        return
