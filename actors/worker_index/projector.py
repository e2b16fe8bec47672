"""The writing side of the index: what the workers of one executor have become, once a second.

A commit costs a place in a dictionary. What is written is how a worker is when the flush comes
along, and only if that matters: another state, version or pending update at once, counts alone when
it has done nothing for a moment, or every `REFRESH_S`. A worker that runs for less than a flush
interval is not told as running, so that one which is invoked all the time costs one row every
`REFRESH_S`.

A flush that took long makes the next one wait: all of it takes one twentieth of the time at most.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Final, final

import structlog
from msgspec import Struct

from actors.errors import ApiError
from actors.history import Gist, History
from actors.identity import WorkerId
from actors.statuses import Statuses
from actors.worker_index.chunks import Chunks
from actors.worker_index.marks import move_marks, read_marks
from actors.worker_index.rows import Place, Row, place_of, row_of
from actors.worker_index.together import together
from broker import subjects
from broker.errors import BrokerError, TerminalError
from broker.ports import Broker
from oplog.status import Status

__all__ = ["Projector"]

FLUSH_S: Final = 1.0
FLUSH_SHARE_MAX: Final = 0.05
FLUSH_WAIT_MAX_S: Final = 30.0
REFRESH_S: Final = 15.0
# An executor without commits of its own moves its marks that often, since others have some.
IDLE_MARK_S: Final = 5.0
FINISH_S: Final = 2.0
NAMES_AT_ONCE: Final = 200
ROWS_PER_TURN_MAX: Final = 200
TOLD_MAX: Final = 20_000

log = structlog.get_logger(__name__)


class _Change(Struct):
    """A worker to be written: as its history is then, or `status` (None: deleted).

    `looked_at` is the sequence that it had when it was left for later.
    """

    sequence: int
    history: History | None = None
    status: Status | None = None
    looked_at: int = 0


@final
class Projector:
    """Keeps the rows of the workers whose logs this process writes."""

    def __init__(
        self, broker: Broker, *, wall_ms: Callable[[], int], monotonic_s: Callable[[], float]
    ) -> None:
        self._broker = broker
        self._wall_ms = wall_ms
        self._monotonic_s = monotonic_s
        self._chunks = Chunks(broker)
        self._statuses = Statuses(broker)
        self._changes: dict[WorkerId, _Change] = {}
        # What was written of a worker, when, and of which commit: lives are short, and each would
        # write a row.
        self._told: OrderedDict[WorkerId, tuple[Gist, float, int]] = OrderedDict()
        self._sharding = broker.sharding
        self._is_single = broker.sharding.is_single
        # Of each stream.
        self._newest = [0] * self._sharding.streams
        # The newest sequence at the end of the last turn: what had a smaller one is known by now,
        # though its acknowledgement may have come after that of others.
        self._before = [0] * self._sharding.streams
        self._marked = [0] * self._sharding.streams
        self._idle_since_s = monotonic_s()
        # With the newest sequence as it was when they became ours.
        self._new: dict[int, int] = {}
        self._complete: set[int] = set()
        # Complete partitions without a mark of ours, and how far they were read.
        self._unmarked: dict[int, int] = {}

    def committed(self, worker: WorkerId, history: History, sequence: int) -> None:
        """A commit of a worker is stored at `sequence`."""
        self._note(worker, sequence)
        change = self._changes.get(worker)
        if change is None:
            self._changes[worker] = _Change(sequence, history)
        else:
            change.sequence = sequence
            change.history = history

    def loaded(self, worker: WorkerId, history: History, sequence: int, *, copy: bool) -> None:
        """A worker was loaded; the log of a copy was written by the owner of the original."""
        if copy:
            self.committed(worker, history, sequence)

    def buried(self, worker: WorkerId, sequence: int) -> None:
        """A worker was deleted; its tombstone stands at `sequence`."""
        self._note(worker, sequence)
        self._changes[worker] = _Change(sequence)

    def acquired(self, partition: int) -> None:
        """A partition is ours: what its last owner has not written is written by us."""
        self._new[partition] = self._newest[self._stream_of(partition)]

    def lost(self, partition: int) -> None:
        """A partition is ours no more. What we know is written all the same: the newer row counts.

        Its mark is moved by somebody else from now on.
        """
        self._new.pop(partition, None)
        self._complete.discard(partition)
        self._unmarked.pop(partition, None)

    async def run(self) -> None:
        """Write what is due, for ever."""
        wait_s = FLUSH_S
        waits = False
        while True:
            await asyncio.sleep(wait_s)
            begun_s = self._monotonic_s()
            try:
                await self._catch_up()
                begun_s = self._monotonic_s()
                await self.flush()
                await self._move_marks()
                waits = False
            except* BrokerError as group:
                if not waits:
                    log.info("the index of workers waits", error=str(group.exceptions[0]))
                waits = True
            took_s = self._monotonic_s() - begun_s
            wait_s = min(max(FLUSH_S, took_s / FLUSH_SHARE_MAX), FLUSH_WAIT_MAX_S)

    async def finish(self) -> None:
        """Write what is left, if that is quickly done."""
        try:
            async with asyncio.timeout(FINISH_S):
                await self.flush(everything=True)
        except* (BrokerError, TimeoutError) as group:
            log.info("the index of workers is left behind", error=str(group.exceptions[0]))

    async def flush(self, *, everything: bool = False) -> None:
        """Write what is due, or everything that has changed.

        Raises:
            ExceptionGroup: of retryable broker errors; what was not written is tried again.
        """
        now_s, now_ms = self._monotonic_s(), self._wall_ms()
        news: dict[Place, dict[str, Row]] = {}
        written: list[tuple[WorkerId, _Change, int, Gist | None]] = []
        for number, (worker, change) in enumerate(list(self._changes.items()), 1):
            if number % ROWS_PER_TURN_MAX == 0:
                await asyncio.sleep(0)
            if not everything and not self._is_due(worker, change, now_s, now_ms):
                continue
            history, sequence = change.history, change.sequence
            status = change.status if history is None else history.now()
            place = place_of(worker.component, worker.worker, self._broker.partitions)
            row = row_of(status, sequence=sequence, at_ms=now_ms)
            news.setdefault(place, {})[worker.worker] = row
            written.append((worker, change, sequence, history and history.gist))
        if not news:
            return
        try:
            await self._chunks.merge(news, now_ms=now_ms)
        except* TerminalError as group:
            log.exception("rows do not fit into the index", error=str(group.exceptions[0]))
        for worker, change, sequence, gist in written:
            if self._changes.get(worker) is change and change.sequence == sequence:
                del self._changes[worker]
            if gist is not None:
                self._told[worker] = gist, now_s, sequence
                self._told.move_to_end(worker)
        while len(self._told) > TOLD_MAX:
            self._told.popitem(last=False)

    def _is_due(self, worker: WorkerId, change: _Change, now_s: float, now_ms: int) -> bool:
        history = change.history
        told = self._told.get(worker)
        if history is None or told is None:
            return True
        gist, at_s, _ = told
        if gist == history.gist:
            is_quiet, change.looked_at = change.looked_at == change.sequence, change.sequence
            return is_quiet or now_s - at_s >= REFRESH_S
        since_ms = history.running_since_ms
        return since_ms is None or now_ms - since_ms >= FLUSH_S * 1_000

    def _note(self, worker: WorkerId, sequence: int) -> None:
        stream = 0
        if not self._is_single:
            stream = self._stream_of(
                subjects.partition_of(worker.component, worker.worker, self._sharding.partitions)
            )
        self._newest[stream] = max(self._newest[stream], sequence)

    def _stream_of(self, partition: int) -> int:
        return self._sharding.stream_of(partition)

    async def _move_marks(self) -> None:
        if self._newest != self._before:
            self._idle_since_s = self._monotonic_s()
        elif self._complete and self._monotonic_s() - self._idle_since_s >= IDLE_MARK_S:
            # Nothing of ours, but a listing reads everything behind the least mark.
            self._idle_since_s = self._monotonic_s()
            await self._look_ahead()
        settled, self._before = self._before, list(self._newest)
        fresh = [
            number
            for number, read in self._unmarked.items()
            if read <= settled[self._stream_of(number)]
        ]
        if settled != self._marked or fresh:
            ready = (self._complete - self._unmarked.keys()) | set(fresh)
            await move_marks(
                self._broker.workers, {number: settled[self._stream_of(number)] for number in ready}
            )
            self._marked = settled
            for number in fresh:
                self._unmarked.pop(number, None)

    async def _look_ahead(self) -> tuple[int, ...]:
        """Learn, and return, how far each stream has come."""
        found = await self._broker.journal.newest(subjects.LOGS)
        self._newest = [max(pair) for pair in zip(self._newest, found, strict=True)]
        return found

    async def _catch_up(self) -> None:
        """Learn what new partitions' workers did behind their marks; of all of them without one."""
        if not self._new:
            return
        journal = self._broker.journal
        marks = await read_marks(self._broker.workers)
        ends = await self._look_ahead()
        for partition in sorted(self._new):
            read = ends[self._stream_of(partition)]
            pattern = subjects.logs_of(partition)
            since = marks.get(partition)
            found: set[str] = set()
            if since is None:
                found.update(await journal.subjects(pattern))
            elif since < read:
                async for message in journal.read(pattern, from_sequence=since + 1):
                    found.add(message.subject)
            names = [subjects.worker_of(subject) for subject in sorted(found)]
            await self._learn(names, self._new.get(partition, read))
            if self._new.pop(partition, None) is not None:
                self._complete.add(partition)
                self._unmarked[partition] = read

    async def _learn(self, names: Sequence[tuple[str, str]], before: int) -> None:
        """Read what workers did that have committed nothing to us since `before`."""
        for start in range(0, len(names), NAMES_AT_ONCE):
            workers = [WorkerId(*name) for name in names[start : start + NAMES_AT_ONCE]]
            unknown = [worker for worker in workers if self._known_at(worker) <= before]
            await together(self._look_at(worker) for worker in unknown)
            await self.flush()

    def _known_at(self, worker: WorkerId) -> int:
        change = self._changes.get(worker)
        if change is not None:
            return change.sequence
        told = self._told.get(worker)
        return 0 if told is None else told[2]

    async def _look_at(self, worker: WorkerId) -> None:
        try:
            status, sequence = await self._statuses.find_at(worker.component, worker.worker)
        except ApiError as error:
            log.warning("not in the index", worker=str(worker), error=str(error))
            return
        change = self._changes.get(worker)
        if sequence and (change is None or change.sequence < sequence):
            self._changes[worker] = _Change(sequence, None, status)
