"""What ephemeral workers leave behind, removed when it has been there long enough to be looked at.

Each of them leaves a log that only people read, and the key that it was invoked with. Their owner
remembers them when they are done, and finds those of its predecessors when it takes a partition.
While one is removed it stands in its partition like a worker in memory, so that none of that name
begins meanwhile; the tombstone is fenced like any commit, so that an owner of old removes nothing.
"""

import asyncio
import heapq
from collections.abc import Callable
from typing import Final, final

import structlog

from actors.components import ComponentStore
from actors.errors import ComponentUnknownError
from actors.identity import Address, WorkerId, worker_id_of_log
from actors.options import ExecutorOptions
from actors.partition import Partition
from actors.retention import kept_s
from actors.waits import Answer
from broker import subjects
from broker.errors import BrokerError, FencedError
from broker.ports import Broker, Message
from oplog import payloads
from oplog.entries import Create
from oplog.errors import CorruptLogError
from oplog.headers import peek
from oplog.reader import LoadedLog, load
from oplog.tombstone import bury

__all__ = ["SWEEPS_KNOWN_MAX", "Sweeper"]

# Logs that wait to be removed, in memory; what is beyond is found by looking again.
SWEEPS_KNOWN_MAX: Final = 100_000
SWEEPS_AT_ONCE_MAX: Final = 4
# When to try again what could not be removed now.
RETRY_MS: Final = 10_000

log = structlog.get_logger(__name__)


@final
class Sweeper:
    """Removes the logs of ephemeral workers in the partitions of one executor."""

    def __init__(
        self,
        broker: Broker,
        components: ComponentStore,
        options: ExecutorOptions,
        *,
        wall_ns: Callable[[], int],
        next_message_id: Callable[[], str],
        partition_of: Callable[[WorkerId], Partition | None],
        on_buried: Callable[[WorkerId, int], None],
    ) -> None:
        self._broker = broker
        self._components = components
        self._options = options
        self._wall_ns = wall_ns
        self._next_message_id = next_message_id
        self._partition_of = partition_of
        self._on_buried = on_buried
        self._due: list[tuple[int, str, str]] = []
        self._known: set[tuple[str, str]] = set()
        self._overflowed = False
        self._news = asyncio.Event()

    def done(self, worker: WorkerId, kept_for_s: float) -> None:
        """Remember an ephemeral worker that has nothing to do any more."""
        self._remember(worker, self._now_ms() + round(kept_for_s * 1_000))

    async def find(self, partition: int) -> None:
        """Remember what ephemeral workers have left in a partition that is ours now."""
        try:
            for name in await self._components.names():
                record = await self._components.get(name)
                if record.kind != "ephemeral":
                    continue
                pattern = f"shem.oplog.{partition}.{subjects.encode_token(name)}.*.log"
                due_ms = self._now_ms() + round(kept_s(record.env.items(), self._options) * 1_000)
                for subject in await self._broker.journal.subjects(pattern):
                    # Its age is looked at when it is due: most are removed in one go.
                    self._remember(worker_id_of_log(subject), due_ms)
        except (BrokerError, ComponentUnknownError, ValueError) as error:
            log.info("cannot look for what ephemeral workers have left", error=str(error))

    async def run(self) -> None:
        """Remove what is due, for ever."""
        while True:
            self._news.clear()
            now_ms = self._now_ms()
            if not self._due or self._due[0][0] > now_ms:
                delay_s = (self._due[0][0] - now_ms) / 1_000 if self._due else None
                try:
                    async with asyncio.timeout(delay_s):
                        await self._news.wait()
                except TimeoutError:
                    pass
                continue
            batch: list[WorkerId] = []
            while self._due and self._due[0][0] <= now_ms and len(batch) < SWEEPS_AT_ONCE_MAX:
                _, component, worker = heapq.heappop(self._due)
                self._known.discard((component, worker))
                batch.append(WorkerId(component, worker))
            await asyncio.gather(*map(self._sweep, batch))

    def _remember(self, worker: WorkerId, due_ms: int) -> None:
        name = worker.component, worker.worker
        if name in self._known:
            return
        if len(self._known) >= SWEEPS_KNOWN_MAX:
            if not self._overflowed:
                log.warning("too many logs of ephemeral workers: some wait for the next owner")
                self._overflowed = True
            return
        self._known.add(name)
        is_next = not self._due or due_ms < self._due[0][0]
        heapq.heappush(self._due, (due_ms, *name))
        if is_next:
            self._news.set()

    async def _sweep(self, worker: WorkerId) -> None:
        partition = self._partition_of(worker)
        if partition is None:
            return
        stand_in = _StandIn()
        if not partition.occupy(worker, stand_in):
            # It is at work again, and will be remembered again when it is done.
            return
        again_ms: int | None = None
        is_asked = False
        try:
            is_asked = await self._is_asked(worker)
            if not is_asked:
                again_ms = await self._remove(worker, stand_in)
        except (BrokerError, CorruptLogError) as error:
            log.info("cannot remove an ephemeral worker now", worker=str(worker), error=str(error))
            again_ms = None if isinstance(error, FencedError) else self._now_ms() + RETRY_MS
        finally:
            partition.ended(worker, reload=is_asked)
        if again_ms is not None:
            self._remember(worker, again_ms)

    async def _is_asked(self, worker: WorkerId) -> bool:
        """Whether its mailbox holds what no commit says is consumed.

        What asked again for an outcome is answered without one. Without the log it would be an
        invocation like any other: the worker comes back for it, and takes it away.
        """
        address = Address.of(worker, self._broker.partitions)
        journal = self._broker.journal
        newest = await journal.last(address.mailbox_invoke, leader=True)
        last = None if newest is None else await journal.last(address.log, leader=True)
        if newest is None or last is None:
            return False
        return newest.sequence > peek(last.headers, sequence=last.sequence).marks.invoked

    async def _remove(self, worker: WorkerId, stand_in: "_StandIn") -> int | None:
        """Remove what a worker has left; return when to look again, if it is too early."""
        broker = self._broker
        address = Address.of(worker, broker.partitions)
        last = await broker.journal.last(address.log, leader=True)
        if last is None:
            return None
        if peek(last.headers, sequence=last.sequence).is_tombstone:
            await self._forget(address, last.sequence)
            return None
        loaded = await load(broker.journal, broker.blobs, address.log)
        created = _creation(loaded)
        if created is None or not await self._is_ephemeral(created):
            return None
        kept_ms = round(kept_s(created.env, self._options) * 1_000)
        due_ms = last.time_ns // 1_000_000 + kept_ms
        if due_ms > self._now_ms():
            return due_ms
        if stand_in.is_dropped:
            return None
        buried = await bury(
            broker.journal,
            subject=address.log,
            head=loaded.head,
            marks=loaded.head.marks,
            message_id=self._next_message_id(),
            at_ms=self._now_ms(),
        )
        self._on_buried(worker, buried.log_sequence)
        await payloads.sweep(broker.blobs, loaded.head.incarnation)
        # What it has consumed is above no watermark any more once the tombstone is gone.
        marks = loaded.head.marks
        for subject, mark in (
            (address.mailbox_invoke, marks.invoked),
            (address.mailbox_control, marks.control),
            (address.mailbox_reply, buried.log_sequence),
        ):
            await broker.journal.purge(subject, up_to_sequence=mark)
        if not stand_in.is_dropped:
            await self._forget(address, buried.log_sequence)
        return None

    async def _forget(self, address: Address, tombstone: int) -> None:
        """Remove the tombstone: the mailbox holds nothing that it would keep from running again."""
        last = await self._broker.journal.last(address.log, leader=True)
        if last is not None and last.sequence == tombstone:
            await self._broker.journal.remove(address.log, tombstone)

    async def _is_ephemeral(self, created: Create) -> bool:
        try:
            record = await self._components.get(created.component, created.component_version)
        except ComponentUnknownError:
            # Nothing else of the component is left either, and nothing can run.
            return True
        return record.kind == "ephemeral"

    def _now_ms(self) -> int:
        return self._wall_ns() // 1_000_000


def _creation(loaded: LoadedLog) -> Create | None:
    for _, entry, _ in loaded.entries():
        return entry if isinstance(entry, Create) else None
    return None


@final
class _StandIn:
    """Stands in a partition for a worker that is being removed.

    Messages that come meanwhile are delivered, and wake a worker afterwards.
    """

    def __init__(self) -> None:
        self.is_dropped = False

    def offer(self, kind: str, message: Message) -> None:
        """It lies in the mailbox."""

    def answer(self, answer: Answer, observed: Callable[[], None] | None) -> bool:
        """Nobody asks."""
        del answer, observed
        return False

    def distrust_deliveries(self) -> None:
        """Nothing is trusted."""

    def drain(self) -> None:
        """It ends soon."""
        self.is_dropped = True

    def drop(self) -> None:
        """Somebody else owns the partition: nothing more may be removed."""
        self.is_dropped = True
