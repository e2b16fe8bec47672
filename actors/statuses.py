"""The status of workers, read from their logs: true at the moment of reading, whoever owns them.

Reading never disturbs a worker: it neither loads it nor writes anything. A small cache keeps the
status of logs that have not grown.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final, final

from msgspec import Struct, structs

from actors.errors import ApiError
from broker import subjects
from broker.ports import Broker
from oplog.entries import CancelPendingInvocation, ExportedFunctionCompleted, InvocationRejected
from oplog.errors import CorruptLogError
from oplog.headers import peek
from oplog.plan import refuses_what_waits
from oplog.reader import LoadedLog, load, load_from
from oplog.snapshots import read_pointer
from oplog.status import Status, StatusFold

__all__ = ["PENDING_MAX", "Statuses", "Summary"]

CACHED_MAX: Final = 20_000
READS_AT_ONCE_MAX: Final = 16
LOG_KEPT_S: Final = 5.0
# How many waiting messages are counted before we say "at least".
PENDING_MAX: Final = 1_000
# Decoding is CPU work on the executor's loop: guests get their turn every so many commits.
COMMITS_PER_TURN_MAX: Final = 50
ENTRIES_PER_TURN_MAX: Final = 500


class Summary(Struct, frozen=True):
    """A worker and its status."""

    worker: str
    status: Status


@final
class Statuses:
    """Finds workers and tells how they are."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._cache: OrderedDict[str, tuple[int, Status | None]] = OrderedDict()
        self._recent: tuple[str, int, LoadedLog] | None = None
        self._forgetting: asyncio.TimerHandle | None = None
        self._slots = asyncio.Semaphore(READS_AT_ONCE_MAX)

    async def names(self, component: str, *, prefix: str = "", after: str = "") -> list[str]:
        """Return the workers that have a log, sorted, those of deleted workers included.

        Only names that begin with `prefix` and are greater than `after`.
        """
        pattern = f"shem.oplog.*.{subjects.encode_token(component)}.*.log"
        found = await self._broker.journal.subjects(pattern)
        names = (subjects.decode_token(subject.split(".")[4]) for subject in found)
        return sorted(name for name in names if name.startswith(prefix) and name > after)

    async def find(self, component: str, worker: str) -> Status | None:
        """Return a worker's status without counting its mailbox; None if there is no such worker.

        Raises:
            ApiError: its log is damaged.
        """
        status, _ = await self.find_at(component, worker)
        return status

    async def find_at(self, component: str, worker: str) -> tuple[Status | None, int]:
        """Return a worker's status and the stream sequence of the commit that it is of.

        None and 0 where there is no log, None and the sequence of the tombstone if it was deleted.

        Raises:
            ApiError: its log is damaged.
        """
        subject = subjects.log(component, worker, self._broker.partitions)
        async with self._slots:
            last = await self._broker.journal.last(subject)
            if last is None:
                return None, 0
            known = self._cache.get(subject)
            if known is not None and known[0] == last.sequence:
                self._cache.move_to_end(subject)
                return known[1], known[0]
            log = await self._newest_part(component, worker)
            status = None if log is None else await _fold(log, component, worker)
            sequence = last.sequence if log is None else log.head.log_sequence
        self._cache[subject] = (sequence, status)
        while len(self._cache) > CACHED_MAX:
            self._cache.popitem(last=False)
        return status, sequence

    async def find_all(self, component: str, workers: Sequence[str]) -> list[Summary]:
        """Return the status of each worker that exists, in the given order."""
        found = await asyncio.gather(*(self.find(component, worker) for worker in workers))
        pairs = zip(workers, found, strict=True)
        return [Summary(worker, status) for worker, status in pairs if status is not None]

    async def get(self, component: str, worker: str) -> Status:
        """Return a worker's status with what waits in its mailbox, counted up to `PENDING_MAX`.

        Raises:
            ApiError: there is no such worker, or its log is damaged.
        """
        status = await self.find(component, worker)
        if status is None:
            raise unknown_worker(component, worker)
        keys = await self._waiting_keys(component, worker)
        pending = len(keys)
        # What only asked again for an outcome is consumed without a commit of its own, which would
        # say so: in the log of a worker that does nothing else it seems to wait for ever.
        if keys and status.state == "idle":
            decided = await self._decided(component, worker)
            pending = len([key for key in keys if key not in decided])
        return structs.replace(status, pending=pending)

    async def _newest_part(self, component: str, worker: str) -> LoadedLog | None:
        """Read a worker's log behind its newest snapshot, or all of it."""
        broker = self._broker
        pointed = subjects.snapshot(component, worker, broker.partitions)
        pointer, _ = await read_pointer(broker.journal, pointed)
        subject = subjects.log(component, worker, broker.partitions)
        for base in pointer.snapshots:
            try:
                found = await load_from(broker.journal, broker.blobs, subject, base)
            except CorruptLogError as error:
                raise damaged(component, worker, error) from error
            if found is not None:
                return found
        return await self.log(component, worker)

    async def log(self, component: str, worker: str) -> LoadedLog | None:
        """Read a worker's log; None if there is no such worker.

        Raises:
            ApiError: it is damaged.
        """
        subject = subjects.log(component, worker, self._broker.partitions)
        last = await self._broker.journal.last(subject)
        recent = self._recent
        if recent is not None and last is not None and recent[:2] == (subject, last.sequence):
            return recent[2]
        try:
            log = await load(self._broker.journal, self._broker.blobs, subject)
        except CorruptLogError as error:
            raise damaged(component, worker, error) from error
        if log.deleted or not log.stored:
            return None
        self._remember(subject, log)
        return log

    def _remember(self, subject: str, log: LoadedLog) -> None:
        """Keep the log that was read last for a moment: long ones are asked for page by page."""
        if self._forgetting is not None:
            self._forgetting.cancel()
        self._recent = subject, log.head.log_sequence, log
        self._forgetting = asyncio.get_running_loop().call_later(LOG_KEPT_S, self._forget)

    def _forget(self) -> None:
        self._recent = None

    async def users_of(self, component: str, version: int | None) -> list[str]:
        """Name the workers that run a version (None: any) of a component."""
        names = await self.names(component)
        return [
            each.worker
            for each in await self.find_all(component, names)
            if version is None or each.status.component_version == version
        ]

    async def _waiting_keys(self, component: str, worker: str) -> list[str]:
        journal, partitions = self._broker.journal, self._broker.partitions
        last = await journal.last(subjects.log(component, worker, partitions))
        if last is None:
            return []
        start = peek(last.headers, sequence=last.sequence).marks.invoked + 1
        subject = subjects.mailbox(component, worker, partitions, "invoke")
        keys: list[str] = []
        async for message in journal.read(subject, from_sequence=start):
            keys.append(message.headers.get("Shem-Key", f"seq-{message.sequence}"))
            if len(keys) >= PENDING_MAX:
                break
        return keys

    async def _decided(self, component: str, worker: str) -> frozenset[str]:
        """Return the keys that have an outcome, but for those in purged parts of the log."""
        log = await self.log(component, worker)
        try:
            return frozenset() if log is None else await _decided_keys(log)
        except CorruptLogError as error:
            raise damaged(component, worker, error) from error


async def _decided_keys(log: LoadedLog) -> frozenset[str]:
    deleted = log.plan().deleted
    decided: set[str] = set()
    for number, (index, entry, _) in enumerate(log.entries()):
        if number % ENTRIES_PER_TURN_MAX == 0:
            await asyncio.sleep(0)
        match entry:
            case ExportedFunctionCompleted() | InvocationRejected() | CancelPendingInvocation():
                if index not in deleted or refuses_what_waits(entry, log.head.marks.invoked):
                    decided.add(entry.idempotency_key)
            case _:
                pass
    return frozenset(decided)


async def _fold(log: LoadedLog, component: str, worker: str) -> Status:
    base = log.base
    folded = StatusFold() if base is None else StatusFold.resumed(base.status)
    try:
        deleted = log.plan().deleted
        for number, (commit, _) in enumerate(log.commits()):
            for index, entry in enumerate(commit.entries, commit.first):
                if index not in deleted:
                    folded.apply(index, entry)
            if number % COMMITS_PER_TURN_MAX == 0:
                await asyncio.sleep(0)
    except CorruptLogError as error:
        raise damaged(component, worker, error) from error
    return folded.status()


def unknown_worker(component: str, worker: str) -> ApiError:
    """Return the error for a worker that does not exist."""
    return ApiError(
        "unknown-worker",
        f"component {component!r} has no worker {worker!r}; the first invocation creates it",
    )


def damaged(component: str, worker: str, error: CorruptLogError) -> ApiError:
    """Return the error for a log that cannot be read."""
    return ApiError("log-damaged", f"the log of {component}/{worker} is damaged: {error}")
