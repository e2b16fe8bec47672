"""The part of a log that snapshots stand for, moved out of the stream into compressed chunks.

    archive/<component>/<worker>/<first>-<last>-<hash of the last commit>

A chunk holds commits as they were stored, uncompressed one by one and compressed together. It is
written before the stream is purged, so that a crash in between leaves both, and the stream counts.
Which chunks belong to a log is told by the chain of hashes, from the first commit that is still in
the stream backwards: whatever else lies there is left over and is never read.
"""

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec
import zstandard
from msgspec import Struct

from broker.errors import NotFoundError
from broker.ports import Blobs, Journal, Message
from oplog import headers as commit_headers
from oplog.codec import body_of, previous_of
from oplog.errors import CorruptLogError

__all__ = ["archive", "archived_before", "archived_commit", "sweep_archive"]

_MAGIC: Final = b"SHEMLOG1"
_LEVEL: Final = 9
# A chunk is read as a whole: it holds commits up to this many bytes together, uncompressed.
CHUNK_BYTES_MAX: Final = 8 << 20
_CHUNK_SIZE_MAX: Final = 2 * CHUNK_BYTES_MAX
_DIGITS: Final = 12
_HASH_CHARACTERS: Final = 16


class _Stored(Struct, frozen=True, array_like=True):
    sequence: int
    headers: dict[str, str]
    body: bytes


class _Chunk(Struct, frozen=True):
    """What the name of a chunk says."""

    name: str
    first: int
    last: int
    hash: str


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(tuple[_Stored, ...]).decode


async def archive(journal: Journal, blobs: Blobs, subject: str, *, before: int) -> int:
    """Move the commits of a log before stream sequence `before` into chunks.

    Returns the last index that was moved, 0 if nothing was. A crash at any point loses nothing.

    Raises:
        CorruptLogError: a commit is damaged; what lies before it has been moved.
        UnavailableError: the broker does not answer now.
    """
    batch: list[_Stored] = []
    size = moved = last = 0
    async for message in journal.read(subject):
        if message.sequence >= before:
            break
        peek = commit_headers.peek(message.headers, sequence=message.sequence)
        if last and peek.first > last + 1:
            # A commit that this replica cannot read would go with what is moved around it.
            problem = f"a commit begins with entry {peek.first} where {last + 1} should follow"
            raise CorruptLogError(problem, index=last + 1, sequence=message.sequence)
        last = peek.last
        if peek.is_tombstone:
            # It voids everything before it, and goes by itself.
            batch.clear()
            size = 0
            continue
        body = body_of(message.data, message.headers, sequence=message.sequence)
        headers = dict(message.headers)
        headers.pop(commit_headers.ENCODING, None)
        batch.append(_Stored(message.sequence, headers, body))
        size += len(body)
        if size >= CHUNK_BYTES_MAX:
            moved = await _move(journal, blobs, subject, batch)
            batch, size = [], 0
    if batch:
        moved = await _move(journal, blobs, subject, batch)
    return moved


async def _move(journal: Journal, blobs: Blobs, subject: str, batch: Sequence[_Stored]) -> int:
    first = commit_headers.peek(batch[0].headers)
    last = commit_headers.peek(batch[-1].headers)
    place = f"{first.first:0{_DIGITS}}-{last.last:0{_DIGITS}}-{last.hash[:_HASH_CHARACTERS]}"
    data = _MAGIC + zstandard.ZstdCompressor(level=_LEVEL).compress(_encode(tuple(batch)))
    await blobs.put(_prefix(subject) + place, data)
    await journal.purge(subject, up_to_sequence=batch[-1].sequence)
    return last.last


async def archived_before(
    blobs: Blobs, subject: str, *, first: int, previous: str
) -> list[Message]:
    """Return the commits before entry `first`, the last of which has hash `previous`.

    As many as are there: whoever reads on looks whether they begin with entry 1.

    Raises:
        CorruptLogError: a chunk of them is damaged.
    """
    chunks = await _chunks(blobs, subject)
    parts: list[tuple[_Stored, ...]] = []
    while first > 1:
        wanted = [
            chunk for chunk in chunks if chunk.last == first - 1 and previous.startswith(chunk.hash)
        ]
        if not wanted:
            break
        # The longest: others are of a move that was cut short.
        chunk = min(wanted, key=lambda each: each.first)
        stored = await _read(blobs, chunk)
        if not stored:
            raise CorruptLogError(f"the chunk {chunk.name} is empty", index=chunk.first)
        parts.append(stored)
        first, previous = chunk.first, previous_of(stored[0].body, stored[0].headers)
    return [_message(subject, each) for part in reversed(parts) for each in part]


async def archived_commit(blobs: Blobs, subject: str, index: int) -> Message | None:
    """Return the archived commit that holds entry `index`; None if there is none."""
    for chunk in await _chunks(blobs, subject):
        if chunk.first <= index <= chunk.last:
            for each in await _read(blobs, chunk):
                if commit_headers.peek(each.headers).last >= index:
                    return _message(subject, each)
    return None


async def sweep_archive(blobs: Blobs, subject: str) -> None:
    """Delete all chunks of a deleted worker's log."""
    for name in await blobs.names(_prefix(subject)):
        await blobs.delete(name)


def _prefix(subject: str) -> str:
    _, _, _, component, worker, *_ = subject.split(".")
    return f"archive/{component}/{worker}/"


async def _chunks(blobs: Blobs, subject: str) -> list[_Chunk]:
    return list(_understood(await blobs.names(_prefix(subject))))


def _understood(names: Sequence[str]) -> Iterator[_Chunk]:
    for name in names:
        parts = name.rpartition("/")[2].split("-")
        if len(parts) == 3 and parts[0].isdecimal() and parts[1].isdecimal():
            yield _Chunk(name, int(parts[0]), int(parts[1]), parts[2])


async def _read(blobs: Blobs, chunk: _Chunk) -> tuple[_Stored, ...]:
    try:
        data = await blobs.get(chunk.name)
    except NotFoundError as error:
        raise CorruptLogError(f"the chunk {chunk.name} is gone", index=chunk.first) from error
    problem = "it is no chunk of a log"
    if data[: len(_MAGIC)] == _MAGIC:
        packed = data[len(_MAGIC) :]
        try:
            size = zstandard.frame_content_size(packed)
            if 0 < size <= _CHUNK_SIZE_MAX:
                return _decode(zstandard.ZstdDecompressor().decompress(packed))
            problem = f"it says that it has {size} bytes"
        except (zstandard.ZstdError, msgspec.DecodeError) as error:
            problem = str(error)
    raise CorruptLogError(f"the chunk {chunk.name} is damaged: {problem}", index=chunk.first)


def _message(subject: str, stored: _Stored) -> Message:
    return Message(subject, stored.sequence, stored.body, stored.headers)
