"""Short logs of idle workers that left memory to make room: they come back without being read.

    idle ─▶ leaves memory, its log is remembered ─▶ delivery ─▶ next life begins from what is here

Whoever stays in memory trusts what it read once, since the fence tells it if somebody else has
written, and its partition's consumer brings all that comes in; where that may have missed something
the mailbox is read again. What is remembered is trusted exactly as long, so that a worker that
comes back from it is one that has never left.
"""

from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Final, final

import msgspec
import zstandard
from msgspec import Raw, Struct

from actors.identity import WorkerId
from actors.limits import REMEMBERED_COMMITS_MAX, REMEMBERED_LOG_BYTES_MAX
from broker.ports import Message
from oplog.codec import Encoded
from oplog.commit import GENESIS_HASH
from oplog.reader import LoadedLog, StoredCommit

__all__ = ["Leaving", "LogCopy", "Remembered", "messages_of"]

# Names, hashes and places of one remembered log, besides its bytes.
_OVERHEAD_BYTES: Final = 400
# What is smaller is not worth a compressor's time.
_SQUEEZED_BYTES_MIN: Final = 4 << 10

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[tuple[int, bytes, dict[str, str]]]).decode
_compress = zstandard.ZstdCompressor(level=1, write_checksum=False).compress
_decompress = zstandard.ZstdDecompressor().decompress


class Leaving(Struct, frozen=True, gc=False):
    """What a worker leaves behind: its log, and the trust in which it had seen its mailbox."""

    log: tuple[bytes, ...]
    trust: int

    @property
    def bytes(self) -> int:
        """How much memory it takes, more or less."""
        return sum(map(len, self.log)) + _OVERHEAD_BYTES


@final
class LogCopy:
    """The whole log of a worker in memory as the broker has it, as long as that is short.

    Without snapshots, which are more than a log, and without a tombstone before it.
    """

    __slots__ = ("_bytes", "_count", "_own", "_own_bytes", "_pieces", "_read")

    def __init__(self, loaded: LoadedLog, *, has_snapshots: bool) -> None:
        self._read: Sequence[StoredCommit] = loaded.stored
        self._pieces: list[bytes] = []
        self._count = len(loaded.stored)
        self._bytes = sum(len(each.data) for each in loaded.stored)
        self._own_bytes = 0
        before = loaded.stored[0].previous if loaded.stored else loaded.head.hash
        is_whole = loaded.base is None and before == GENESIS_HASH and not has_snapshots
        # None: the copy has been given up.
        self._own: list[Raw] | None = [] if is_whole and self._is_short else None

    @property
    def _is_short(self) -> bool:
        return self._count <= REMEMBERED_COMMITS_MAX and self._bytes <= REMEMBERED_LOG_BYTES_MAX

    def stored(self, sequence: int, commit: Encoded) -> None:
        """A commit was appended."""
        own = self._own
        if own is None:
            return
        self._count += 1
        self._bytes += len(commit.data)
        if not self._is_short:
            self._own = None
            self._pieces.clear()
            return
        packed = _encode((sequence, commit.data, commit.headers))
        own.append(Raw(packed))
        self._own_bytes += len(packed)
        if self._own_bytes >= _SQUEEZED_BYTES_MIN:
            self._pieces.append(_squeezed(own))
            own.clear()
            self._own_bytes = 0

    def packed(self) -> tuple[bytes, ...] | None:
        """Return all of it in few bytes; None if it is too long, or not known."""
        if self._own is None:
            return None
        read = [(each.sequence, each.data, each.headers) for each in self._read]
        if not self._pieces:
            return (_squeezed([*read, *self._own]),)
        return (_squeezed(read), *self._pieces, _squeezed(self._own))


def _squeezed(commits: Sequence[Raw | tuple[int, bytes, Mapping[str, str]]]) -> bytes:
    data = _encode(commits)
    return _compress(data) if len(data) >= _SQUEEZED_BYTES_MIN else data


async def messages_of(subject: str, packed: Sequence[bytes]) -> AsyncIterator[Message]:
    """Yield the messages of a log that was packed."""
    for piece in packed:
        # No array of MessagePack begins like a frame of zstd.
        data = _decompress(piece) if piece.startswith(zstandard.FRAME_HEADER) else piece
        for sequence, body, headers in _decode(data):
            yield Message(subject, sequence, body, headers)


@final
class Remembered:
    """The logs of one executor, at most `bytes_max` of them; those kept longest are forgotten.

    Each belongs to a partition as long as that is ours, its `tenure`, and is of no use in another.
    """

    def __init__(self, *, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._bytes = 0
        self._logs: OrderedDict[WorkerId, tuple[object, Leaving]] = OrderedDict()

    def keep(self, worker: WorkerId, tenure: object, leaving: Leaving) -> None:
        """Keep the log of a worker that leaves memory."""
        self.forget(worker)
        self._logs[worker] = tenure, leaving
        self._bytes += leaving.bytes
        while self._bytes > self._bytes_max:
            self.forget(next(iter(self._logs)))

    def recall(self, worker: WorkerId, tenure: object) -> Leaving | None:
        """Return what a worker left that comes back; it is kept no longer."""
        kept_in, leaving = self._logs.get(worker, (None, None))
        self.forget(worker)
        return leaving if kept_in is tenure else None

    def forget(self, worker: WorkerId) -> None:
        """Keep the log of a worker no longer."""
        _, leaving = self._logs.pop(worker, (None, None))
        if leaving is not None:
            self._bytes -= leaving.bytes
