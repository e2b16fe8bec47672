"""Rows of the index and the chunks that hold them.

A row says what a worker's log said at a stream sequence. The rows of a component's workers in one
partition lie in a few chunks, by a hash of the names: one message tells of many workers, and a
listing of a hundred thousand reads some hundred messages.

    chunk = zstd( MessagePack [version, {name: [sequence, at_ms, status or nil]}] )

`nil` is a worker that was deleted: kept for a while, lest somebody late writes it back.
"""

import zlib
from collections.abc import Mapping
from typing import Final

import msgspec
import zstandard
from msgspec import Raw, Struct

from broker import subjects
from oplog.status import Status

__all__ = ["CHUNKS", "Place", "Row", "decode_chunk", "encode_chunk", "merged", "place_of", "row_of"]

VERSION: Final = 1
# Per partition of a component. Never changed: a worker would have two places.
CHUNKS: Final = 16
CHUNK_BYTES_MAX: Final = 64 << 20
# How long nobody may forget that a worker was deleted: far longer than a flush can be late.
BURIED_KEPT_MS: Final = 600_000
_LEVEL: Final = 1
_NOTHING: Final = Raw(b"\xc0")


class Row(Struct, frozen=True, array_like=True):
    """What the log said at `sequence`, written at `at_ms` (Unix time). `body` is a `Status`."""

    sequence: int
    at_ms: int
    body: Raw

    @property
    def is_buried(self) -> bool:
        """Whether the worker was deleted."""
        return bytes(self.body) == b"\xc0"

    def status(self) -> Status | None:
        """Return how the worker was; None if it was deleted."""
        status: Status | None = _decode_status(self.body)
        return status


class Place(Struct, frozen=True):
    """Where a row lies."""

    component: str
    partition: int
    chunk: int

    @property
    def key(self) -> str:
        """The key in the bucket of the component."""
        return f"{self.partition}/{self.chunk}"


class _Chunk(Struct, frozen=True, array_like=True):
    v: int
    rows: dict[str, Row]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Chunk).decode
_decode_status = msgspec.msgpack.Decoder(Status | None).decode


def place_of(component: str, worker: str, partitions: int) -> Place:
    """Return where the row of a worker lies."""
    partition = subjects.partition_of(component, worker, partitions)
    return Place(component, partition, zlib.crc32(worker.encode()) % CHUNKS)


def row_of(status: Status | None, *, sequence: int, at_ms: int) -> Row:
    """Return the row that says how a worker is, None: that it was deleted."""
    body = _NOTHING if status is None else Raw(_encode(status))
    return Row(sequence, at_ms, body)


def merged(
    present: Mapping[str, Row], news: Mapping[str, Row], *, now_ms: int, corrects: bool = False
) -> dict[str, Row] | None:
    """Return the rows with the newer of each two; None if nothing changes.

    Of the same sequence the one that was written later counts, and the end of a worker most.
    News that `corrects` counts whatever its sequence is.
    """
    rows = dict(present)
    for name, row in news.items():
        old = rows.get(name)
        if old is None or corrects or _counts(row, old):
            rows[name] = row
    if all(rows[name] is present.get(name) for name in news):
        return None
    return {
        name: row
        for name, row in rows.items()
        if not (row.is_buried and row.at_ms < now_ms - BURIED_KEPT_MS)
    }


def _counts(row: Row, old: Row) -> bool:
    if row.sequence != old.sequence:
        return row.sequence > old.sequence
    return row.is_buried or (not old.is_buried and row.body != old.body)


def encode_chunk(rows: Mapping[str, Row]) -> bytes:
    """Return the bytes of a chunk."""
    return zstandard.ZstdCompressor(level=_LEVEL).compress(_encode(_Chunk(VERSION, dict(rows))))


def decode_chunk(data: bytes) -> dict[str, Row]:
    """Return the rows of a chunk; none if it is damaged or of another release: logs have them."""
    try:
        size = zstandard.frame_content_size(data)
        if not 0 <= size <= CHUNK_BYTES_MAX:
            return {}
        chunk = _decode(zstandard.ZstdDecompressor().decompress(data))
    except (zstandard.ZstdError, msgspec.DecodeError):
        return {}
    return chunk.rows if chunk.v == VERSION else {}
