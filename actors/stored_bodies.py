"""Bodies that no message carries: pieces in the object store, and a record of where they lie.

A piece is an object of its own, `<name>/<number>`, so that whoever writes or reads a body has one
piece in memory, however long it is, and can go on anywhere. The record is made when all pieces are
there; it stands in a request or a response in place of the bytes, and so in the log of the worker.
Names begin with the worker's, whose deletion removes the pieces.
"""

import hashlib
from collections.abc import AsyncIterator
from typing import Final, final

import msgspec
from msgspec import Struct

from broker.errors import NotFoundError
from broker.ports import Blobs
from wit.types import Field, Primitive, RecordType
from wit.values import Value

__all__ = ["PIECE_BYTES", "STORED_BODY", "BodyWriter", "StoredBody", "pieces_of", "read_piece"]

# What is in memory of a body on its way, at each end.
PIECE_BYTES: Final = 512 * 1024

STORED_BODY: Final = RecordType(
    (
        Field("name", Primitive.STRING),
        Field("size", Primitive.U64),
        Field("sha256", Primitive.STRING),
        Field("piece-bytes", Primitive.U32),
    )
)


class StoredBody(Struct, frozen=True, rename="kebab"):
    """Where a body of `size` bytes lies; each piece but the last has `piece_bytes`."""

    name: str
    size: int
    sha256: str
    piece_bytes: int

    @staticmethod
    def of(value: Value) -> "StoredBody":
        """Return what a value of the type `STORED_BODY` says."""
        return StoredBody(value["name"], value["size"], value["sha256"], value["piece-bytes"])

    @property
    def value(self) -> Value:
        """The record as a value of the type `STORED_BODY`."""
        return msgspec.to_builtins(self)

    @property
    def pieces(self) -> int:
        """How many pieces there are."""
        return -(-self.size // max(1, self.piece_bytes))


@final
class BodyWriter:
    """Takes a body as it comes and stores piece after piece.

    With `is_stored` the pieces are there already, as at replay: it only says where.
    """

    def __init__(self, blobs: Blobs, name: str, *, is_stored: bool = False) -> None:
        self.size = 0
        self.held = bytearray()
        self._blobs = blobs
        self._name = name
        self._is_stored = is_stored
        self._pieces = 0
        self._digest = hashlib.sha256()

    @property
    def has_stored(self) -> bool:
        """Whether a part of it has left memory."""
        return self._pieces > 0

    def append(self, data: bytes) -> None:
        """Take more; `pass_on` keeps memory bounded."""
        self.size += len(data)
        self._digest.update(data)
        self.held += data

    async def pass_on(self) -> None:
        """Store what makes whole pieces. Raises what the object store does; then it is no more."""
        while len(self.held) >= PIECE_BYTES:
            piece = bytes(memoryview(self.held)[:PIECE_BYTES])
            del self.held[:PIECE_BYTES]
            await self._store(piece)

    async def finish(self) -> StoredBody:
        """Store the rest and return where all of it lies."""
        await self.pass_on()
        if self.held:
            piece = bytes(self.held)
            self.held.clear()
            await self._store(piece)
        return StoredBody(self._name, self.size, self._digest.hexdigest(), PIECE_BYTES)

    async def discard(self) -> None:
        """Remove the pieces of a body that never became whole."""
        for number in range(self._pieces):
            await self._blobs.delete(_piece_name(self._name, number))

    async def _store(self, piece: bytes) -> None:
        number, self._pieces = self._pieces, self._pieces + 1
        if not self._is_stored:
            await self._blobs.put(_piece_name(self._name, number), piece)


async def read_piece(blobs: Blobs, body: StoredBody, number: int) -> bytes:
    """Return a piece, counted from 0.

    Raises:
        NotFoundError: it is gone, or not what was stored.
    """
    data = await blobs.get(_piece_name(body.name, number))
    expected = min(body.piece_bytes, body.size - number * body.piece_bytes)
    if len(data) != expected:
        text = f"piece {number} of {body.name!r} has {len(data)} bytes, expected {expected}"
        raise NotFoundError(text)
    return data


async def pieces_of(blobs: Blobs, body: StoredBody) -> AsyncIterator[bytes]:
    """Yield a body piece by piece. Raises as `read_piece`."""
    for number in range(body.pieces):
        yield await read_piece(blobs, body, number)


def _piece_name(name: str, number: int) -> str:
    return f"{name}/{number:06}"
