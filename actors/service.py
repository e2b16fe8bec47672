"""The executor: owns partitions, keeps workers in memory, gives both up in time.

It beats every `HEARTBEAT_INTERVAL_S`, computes from the living members which partitions are its
own, acquires and releases the difference. Ownership is for liveness only: what keeps two owners
from writing the same log is the fence of each append.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, final

import structlog

from actors.clock import SystemClock, TimeSource
from actors.identity import WorkerId
from actors.limits import ACQUIRE_CONCURRENCY_MAX, HEARTBEAT_INTERVAL_S
from actors.membership import Member, Membership
from actors.options import ExecutorOptions
from actors.partition import Partition
from actors.placement import owned_partitions, owner_of
from actors.programs import Programs
from actors.residency import Residency
from actors.services import Services
from actors.worker import Worker
from broker import subjects
from broker.errors import BrokerError
from broker.ports import Broker, Consumer

__all__ = ["Executor"]

log = structlog.get_logger(__name__)


@final
class Executor:
    """One executor process. `run` works until `stop`, or until cancelled (then it just drops)."""

    def __init__(
        self,
        broker: Broker,
        programs: Programs,
        options: ExecutorOptions,
        *,
        time_source: TimeSource | None = None,
    ) -> None:
        self._broker = broker
        self._options = options
        self._time = time_source or SystemClock()
        self._programs = programs
        self._partitions: dict[int, Partition] = {}
        self._stopping = asyncio.Event()
        self._ready = asyncio.Event()
        self._acquiring = asyncio.Semaphore(ACQUIRE_CONCURRENCY_MAX)
        self._residency = Residency(
            memory_bytes_max=options.memory_bytes_max, workers_max=options.resident_workers_max
        )
        self._membership = Membership(
            broker.members,
            options.name,
            describe=self.describe,
            monotonic=self._time.monotonic_s,
        )
        self._started_ms = self._time.wall_ns() // 1_000_000
        self._tasks: asyncio.TaskGroup | None = None
        self._services: Services | None = None

    async def wait_until_ready(self) -> None:
        """Return when the first share of partitions is ours."""
        await self._ready.wait()

    def stop(self) -> None:
        """Leave: finish or suspend what runs, hand the partitions over, end `run`."""
        self._stopping.set()

    def describe(self) -> Member:
        """Return what we hold now."""
        return Member(
            name=self._options.name,
            started_ms=self._started_ms,
            partitions=tuple(sorted(self._partitions)),
            workers=self._residency.count,
            memory_bytes=self._residency.memory_bytes,
            invocations=0 if self._services is None else self._services.invocations,
        )

    async def run(self) -> None:
        """Work until `stop`. Ends after every partition was handed over."""
        self._broker.on_reconnect(self._reconnected)
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            self._services = Services(
                broker=self._broker,
                programs=self._programs,
                options=self._options,
                time=self._time,
                residency=self._residency,
                spawn=self._spawn,
            )
            self._services.answer_here = self._answer_here
            try:
                await self._beat_until_stopped()
                await self._leave()
            finally:
                # Cancelled: no task may be started any more.
                for partition in list(self._partitions.values()):
                    self._drop(partition)
        log.info("executor left", name=self._options.name)

    async def _beat_until_stopped(self) -> None:
        while not self._stopping.is_set():
            await self._beat()
            try:
                async with asyncio.timeout(HEARTBEAT_INTERVAL_S):
                    await self._stopping.wait()
            except TimeoutError:
                continue

    async def _beat(self) -> None:
        if not await self._membership.beat():
            log.warning("was dead for the others: starting afresh")
            for partition in list(self._partitions.values()):
                self._drop(partition)
        view = self._membership.view
        if self._options.name not in view.members:
            return
        mine = owned_partitions(self._options.name, view.members, self._broker.partitions)
        before = view.members | view.gone | view.leaving
        acquired: list[asyncio.Task[None]] = []
        for number in mine - self._partitions.keys():
            dead = owner_of(number, before) in view.gone
            acquired.append(self._spawn(self._acquire(number, owner_is_dead=dead)))
        for number in self._partitions.keys() - mine:
            partition = self._partitions[number]
            if not partition.draining:
                self._spawn(self._release(partition))
        if not self._ready.is_set():
            self._spawn(self._become_ready(acquired))

    async def _become_ready(self, acquired: list["asyncio.Task[None]"]) -> None:
        await asyncio.gather(*acquired)
        self._ready.set()

    async def _acquire(self, number: int, *, owner_is_dead: bool) -> None:
        partition = Partition(
            number,
            open_consumer=self._open_consumer,
            start_worker=self._start_worker,
            on_lost=self._forget,
        )
        self._partitions[number] = partition
        async with self._acquiring:
            try:
                await partition.acquire(owner_is_dead=owner_is_dead)
            except BrokerError as error:
                # The next beat tries again: the partition is still ours by placement.
                log.warning("cannot acquire partition", partition=number, error=str(error))
                self._drop(partition)

    async def _release(self, partition: Partition) -> None:
        try:
            await partition.release()
        except BrokerError as error:
            # Whoever comes next takes it by force when our pin runs out.
            log.warning("cannot release partition", number=partition.number, error=str(error))
        self._forget(partition)

    def _open_consumer(self, partition: Partition) -> Consumer:
        return self._broker.consumer(
            partition.number, on_delivery=partition.deliver, on_lost=partition.taken
        )

    def _start_worker(self, partition: Partition, worker_id: WorkerId, recovering: bool) -> Worker:  # noqa: FBT001 - a callback with one caller
        assert self._services is not None
        worker = Worker(worker_id, partition, self._services, recovering=recovering)
        worker.task = self._spawn(worker.run())
        return worker

    def _answer_here(self, worker_id: WorkerId, answer: bytes) -> None:
        names = worker_id.component, worker_id.worker
        number = subjects.partition_of(*names, self._broker.partitions)
        partition = self._partitions.get(number)
        if partition is not None:
            partition.answer(worker_id, answer)

    def _drop(self, partition: Partition) -> None:
        partition.lose()
        self._forget(partition)

    def _forget(self, partition: Partition) -> None:
        if self._partitions.get(partition.number) is partition:
            del self._partitions[partition.number]

    async def _reconnected(self) -> None:
        self._membership.distrust_newcomers()
        for partition in self._partitions.values():
            partition.missed_deliveries()

    async def _leave(self) -> None:
        self._membership.leaving = True
        await self._membership.beat()
        async with asyncio.TaskGroup() as handing_over:
            for partition in list(self._partitions.values()):
                handing_over.create_task(self._release(partition))
        try:
            await self._membership.leave()
        except BrokerError as error:
            log.warning("cannot remove our mark; it expires by itself", error=str(error))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        assert self._tasks is not None
        return self._tasks.create_task(work)
