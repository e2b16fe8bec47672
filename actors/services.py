"""What every worker of an executor shares."""

import asyncio
import os
from collections.abc import Callable, Coroutine
from itertools import count
from typing import Any, final

from msgspec import Struct

from actors.clients import ConnectedClients
from actors.clock import TimeSource
from actors.directory import Directory
from actors.following import Pace
from actors.fork import Forks
from actors.high_water import HighWater
from actors.identity import WorkerId
from actors.limits import LOADS_AT_ONCE_MAX, READS_OF_ALL_MAX, SNAPSHOTS_AT_ONCE_MAX
from actors.metrics import Metrics
from actors.options import ExecutorOptions
from actors.programs import Prepared, Programs
from actors.quota_policy import Quota
from actors.residency import Residency
from actors.secrets import SecretStore
from actors.stored_logs import StoredLogs
from actors.telling import AnswerHere, Telling
from actors.tracing import Tracing
from actors.worker_index.projector import Projector
from actors.worker_quota import WorkerQuota
from broker.ports import Broker

__all__ = ["Services"]


class SnapshotCounts(Struct):
    """Snapshots that this process took: how many, their bytes, and how long guests stood still."""

    taken: int = 0
    bytes: int = 0
    took_us: int = 0


@final
class Services:
    """Shared by all workers of one executor process."""

    def __init__(
        self,
        *,
        broker: Broker,
        programs: Programs,
        options: ExecutorOptions,
        time: TimeSource,
        residency: Residency,
        spawn: Callable[[Coroutine[Any, Any, None]], "asyncio.Task[None]"],
        secrets: SecretStore,
    ) -> None:
        self.broker = broker
        self.programs = programs
        self.options = options
        self.time = time
        self.residency = residency
        self.spawn = spawn
        self.secrets = secrets
        self.invocations = 0
        self.metrics = Metrics(enabled=options.measured)
        programs.metrics = self.metrics
        self.tracing = Tracing(self.metrics)
        # By hash, since there may be very many; only while somebody looks.
        self._suspended: set[int] = set()
        self.loading = asyncio.Semaphore(LOADS_AT_ONCE_MAX)
        self.saving = asyncio.Semaphore(SNAPSHOTS_AT_ONCE_MAX)
        self.reading = asyncio.Semaphore(READS_OF_ALL_MAX)
        self.snapshots = SnapshotCounts()
        # Unique per attempt to append: two owners must never write different bytes under one id.
        self.answer_here: AnswerHere = lambda _worker, _answer, _observed: False
        """Hand an answer to a worker of this executor; True: it is told when that is recorded."""
        self.pace = Pace()
        """Whether requests leave before their commits are acknowledged."""
        self.telling = Telling(
            broker.signals,
            lambda worker, answer, told: self.answer_here(worker, answer, told),  # noqa: PLW0108 - it is set later
        )
        """Answers to callers in other executors, and from them, ahead of their messages."""
        self.ephemeral_done: Callable[[WorkerId, float], None] = lambda _worker, _kept_s: None
        """Say that an ephemeral worker has nothing to do any more, and how long to keep its log."""
        self._nonce = os.urandom(9).hex()
        self._attempts = count(1)
        self.index = Projector(
            broker, wall_ms=lambda: time.wall_ns() // 1_000_000, monotonic_s=time.monotonic_s
        )
        """The index of workers, as far as it is ours to write."""
        self.quotas = WorkerQuota(broker)
        self.stored_logs = StoredLogs(broker, monotonic_s=time.monotonic_s)
        """How many bytes the logs of components take up that may not take up any number."""
        self.high_water = HighWater(broker, wall_ms=lambda: time.wall_ns() // 1_000_000)
        """How far the partitions have come that are ours."""
        self.clients = ConnectedClients(broker.clients)
        """Who is connected to gateways."""
        self.directory = Directory(broker, programs.components)
        self.forks = Forks(broker, next_message_id=self.next_message_id, admit=self.admit)

    async def prepare(self, worker: WorkerId, version: int | None, *, is_new: bool) -> Prepared:
        """Return what a worker runs; one that is new must be within the quota of its component.

        Raises:
            ComponentUnknownError, ComponentError: there is none, or it is of no use.
            QuotaError: there are as many workers as may be, or their logs take up as much.
        """
        prepared = await self.programs.prepare(worker.component, version)
        if is_new:
            await self.admit(worker, prepared.quota)
        return prepared

    async def admit(self, worker: WorkerId, quota: Quota) -> None:
        """Look whether a worker may come to be.

        Raises:
            QuotaError: there are as many workers as may be, or their logs take up as much.
        """
        await self.quotas.admit(worker, quota)
        await self.stored_logs.admit(worker.component, quota)

    def snapshot_taken(self, size: int, took_us: int) -> None:
        """Count a snapshot."""
        counts = self.snapshots
        counts.taken += 1
        counts.bytes += size
        counts.took_us += took_us
        self.metrics.snapshot_taken(size, took_us / 1e6)

    @property
    def suspended(self) -> int:
        """How many workers were suspended here and have not come back here; 0 unless measured."""
        return len(self._suspended)

    def has_suspended(self, worker: WorkerId) -> None:
        """A worker leaves memory until its time comes, or an answer."""
        if self.metrics.enabled:
            self._suspended.add(hash(worker))
            self.metrics.suspensions.add(1, {"shem.component": worker.component})

    def has_come_back(self, worker: WorkerId) -> None:
        """A worker's guest runs again."""
        self._suspended.discard(hash(worker))

    def count_invocation(self) -> None:
        """Count an invocation that ran for the first time."""
        self.invocations += 1

    def new_incarnation(self) -> str:
        """Return a random name for a worker that comes to be."""
        return os.urandom(8).hex()

    def next_message_id(self) -> str:
        """Return a commit id that no executor has ever used."""
        return f"{self._nonce}-{next(self._attempts)}"
