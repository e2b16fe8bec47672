"""Counting the workers of components that may have so many.

Several executors count what the others have created as the index of workers tells it, so that as
many more may come to be as are created within its second.
"""

from typing import Final, final

from actors.errors import QuotaError
from actors.identity import WorkerId
from actors.quota_policy import Quota
from actors.worker_index.rows import decode_chunk
from broker import subjects
from broker.ports import Broker
from oplog.headers import peek

__all__ = ["WorkerQuota"]

LOOKED_AT_MAX: Final = 2_000


@final
class _Counted:
    """The workers of one component: those in the index, and those created here since."""

    def __init__(self) -> None:
        self.behind = 0
        self.chunks: dict[str, frozenset[str]] = {}
        self.here: set[str] = set()

    def __contains__(self, worker: str) -> bool:
        return worker in self.here or any(worker in names for names in self.chunks.values())

    async def refresh(self, broker: Broker, component: str) -> None:
        for entry in await broker.workers_of(component).changes(behind=self.behind):
            rows = {} if entry.data is None else decode_chunk(entry.data)
            # One that was deleted counts no more, however it was counted.
            self.here -= rows.keys()
            self.chunks[entry.key] = frozenset(
                name for name, row in rows.items() if not row.is_buried
            )
            self.behind = max(self.behind, entry.revision)

    async def learn(self, broker: Broker, component: str) -> None:
        """Find those that the index does not have yet: their owner may have died before."""
        await self.refresh(broker, component)
        found = await broker.journal.subjects(subjects.logs_of_component(component))
        unknown = [log for log in found if subjects.worker_of(log)[1] not in self]
        for log in unknown:
            # Of very many, each counts: looking would take longer than anybody waits.
            last = await broker.journal.last(log) if len(unknown) <= LOOKED_AT_MAX else None
            if last is None or not peek(last.headers, sequence=last.sequence).is_tombstone:
                self.here.add(subjects.worker_of(log)[1])

    @property
    def count(self) -> int:
        return len(self.here) + sum(len(names) for names in self.chunks.values())


@final
class WorkerQuota:
    """Counts the workers of components that have a limit."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._counted: dict[str, _Counted] = {}

    async def admit(self, worker: WorkerId, quota: Quota) -> None:
        """Count a worker that is about to be created.

        Raises:
            QuotaError: there are as many as may be.
            UnavailableError: the index cannot be read now.
        """
        if quota.workers is None:
            return
        counted = self._counted.get(worker.component)
        if counted is None:
            counted = _Counted()
            await counted.learn(self._broker, worker.component)
            counted = self._counted.setdefault(worker.component, counted)
        await counted.refresh(self._broker, worker.component)
        if worker.worker in counted:
            return
        if counted.count >= quota.workers:
            raise QuotaError(
                f"component {worker.component!r} has {counted.count} workers, at most "
                f"{quota.workers} are allowed: delete some, or raise its quota"
            )
        counted.here.add(worker.worker)
