"""Short logs of idle workers that left memory to make room: they come back without being read.

    idle ─▶ leaves memory, its log is remembered ─▶ delivery ─▶ next life begins from what is here

Whoever stays in memory trusts what it read once, since its partition's consumer brings all that
comes in, and the fence tells it if somebody else has written. What is remembered is trusted exactly
as long, so that a worker that comes back from it is one that has never left.
"""

from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from typing import Final, final

import msgspec
from msgspec import Raw

from actors.identity import WorkerId
from actors.limits import REMEMBERED_COMMITS_MAX, REMEMBERED_LOG_BYTES_MAX
from broker.ports import Message
from oplog.codec import Encoded
from oplog.commit import GENESIS_HASH
from oplog.reader import LoadedLog, StoredCommit

__all__ = ["LogCopy", "Remembered", "messages_of"]

# Names, hashes and places of one remembered log, besides its bytes.
_OVERHEAD_BYTES: Final = 400

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[tuple[int, bytes, dict[str, str]]]).decode


@final
class LogCopy:
    """The whole log of a worker in memory as the broker has it, as long as that is short.

    Without snapshots, which are more than a log, and without a tombstone before it.
    """

    __slots__ = ("_commits", "_read", "_room_bytes")

    def __init__(self, loaded: LoadedLog, *, has_snapshots: bool) -> None:
        stored = loaded.stored
        before = stored[0].previous if stored else loaded.head.hash
        is_whole = loaded.base is None and before == GENESIS_HASH and not has_snapshots
        self._read: Sequence[StoredCommit] = stored
        self._room_bytes = REMEMBERED_LOG_BYTES_MAX - sum(len(each.data) for each in stored)
        self._commits: list[Raw] | None = [] if is_whole else None
        self._limit()

    def stored(self, sequence: int, commit: Encoded) -> None:
        """A commit was appended."""
        if self._commits is not None:
            self._room_bytes -= len(commit.data)
            self._commits.append(Raw(_encode((sequence, commit.data, commit.headers))))
            self._limit()

    def packed(self) -> bytes | None:
        """Return all of it in few bytes; None if it is too long, or not known."""
        if self._commits is None:
            return None
        read = ((each.sequence, each.data, each.headers) for each in self._read)
        return _encode([*read, *self._commits])

    def _limit(self) -> None:
        commits = self._commits
        if commits is None:
            return
        if self._room_bytes < 0 or len(self._read) + len(commits) > REMEMBERED_COMMITS_MAX:
            self._commits = None


async def messages_of(subject: str, packed: bytes) -> AsyncIterator[Message]:
    """Yield the messages of a log that was packed."""
    for sequence, data, headers in _decode(packed):
        yield Message(subject, sequence, data, headers)


@final
class Remembered:
    """The logs of one executor, at most `bytes_max` of them; those kept longest are forgotten.

    Each is kept under a `trust` of its partition, and is of no use under another one.
    """

    def __init__(self, *, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._bytes = 0
        self._logs: OrderedDict[WorkerId, tuple[object, bytes]] = OrderedDict()

    def keep(self, worker: WorkerId, trust: object, log: bytes) -> None:
        """Keep the log of a worker that leaves memory."""
        self.forget(worker)
        self._logs[worker] = trust, log
        self._bytes += len(log) + _OVERHEAD_BYTES
        while self._bytes > self._bytes_max:
            self.forget(next(iter(self._logs)))

    def recall(self, worker: WorkerId, trust: object) -> bytes | None:
        """Return the log of a worker that comes back; it is kept no longer."""
        kept_under, log = self._logs.get(worker, (None, b""))
        self.forget(worker)
        return log if kept_under is trust else None

    def forget(self, worker: WorkerId) -> None:
        """Keep the log of a worker no longer."""
        _, log = self._logs.pop(worker, (None, None))
        if log is not None:
            self._bytes -= len(log) + _OVERHEAD_BYTES
