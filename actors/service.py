"""The executor: owns partitions, keeps workers in memory, gives both up in time.

It beats every `HEARTBEAT_INTERVAL_S`, computes from the living members which partitions are its
own, acquires and releases the difference. Ownership is for liveness only: what keeps two owners
from writing the same log is the fence of each append.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, final

import structlog

from actors.clock import SystemClock, TimeSource
from actors.identity import WorkerId
from actors.limits import (
    ACQUIRE_CONCURRENCY_MAX,
    DAMAGED_NAMED_MAX,
    HEARTBEAT_INTERVAL_S,
    SHORTENED_LOOK_S,
)
from actors.membership import Member, Membership
from actors.options import ExecutorOptions
from actors.partition import Partition
from actors.placement import owned_partitions, owner_of
from actors.programs import Programs
from actors.remembered import Remembered
from actors.residency import Residency
from actors.secrets import KeyRing, SecretStore
from actors.services import Services
from actors.sweeper import Sweeper
from actors.waits import Answer
from actors.worker import Worker
from broker import subjects
from broker.errors import BrokerError, SetupError, UnavailableError
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
        secrets: SecretStore | None = None,
    ) -> None:
        self._broker = broker
        self._secrets = secrets or SecretStore(broker.secrets, KeyRing())
        self._options = options
        self._time = time_source or SystemClock()
        self._programs = programs
        self._partitions: dict[int, Partition] = {}
        # Partitions of which acknowledged work is gone, and when to look at them again.
        self._shortened: dict[int, float] = {}
        self._may_be_split = False
        self._is_looking = False
        self._stopping = asyncio.Event()
        self._ready = asyncio.Event()
        self._acquiring = asyncio.Semaphore(ACQUIRE_CONCURRENCY_MAX)
        self._residency = Residency(
            memory_bytes_max=options.memory_bytes_max, workers_max=options.resident_workers_max
        )
        self._remembered = Remembered(bytes_max=options.remembered_bytes)
        self._membership = Membership(
            broker.members,
            options.name,
            describe=self.describe,
            monotonic=self._time.monotonic_s,
        )
        self._started_ms = self._time.wall_ns() // 1_000_000
        self._tasks: asyncio.TaskGroup | None = None
        self._services: Services | None = None
        self._sweeper: Sweeper | None = None

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
            at_ms=self._time.wall_ns() // 1_000_000,
            damaged=self._damaged(),
        )

    def _damaged(self) -> tuple[str, ...]:
        found = (
            str(each)
            for partition in self._partitions.values()
            for each in partition.told_of_damage
        )
        return tuple(sorted(found)[:DAMAGED_NAMED_MAX])

    async def run(self) -> None:
        """Work until `stop`. Ends after every partition was handed over."""
        self._broker.on_reconnect(self._reconnected)
        await self._secrets.start()
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            self._services = Services(
                broker=self._broker,
                programs=self._programs,
                options=self._options,
                time=self._time,
                residency=self._residency,
                spawn=self._spawn,
                secrets=self._secrets,
            )
            self._services.answer_here = self._answer_here
            await self._services.telling.open()
            self._services.high_water.on_loss = self._give_up
            projecting = self._spawn(self._services.index.run())
            marking = self._spawn(self._services.high_water.run())
            counting = self._spawn(self._services.stored_logs.run())
            self._membership.on_stored = self._services.metrics.round_trip.record
            self._services.metrics.watch(_Held(self._services, self._partitions))
            sweeping = self._sweep(self._services)
            try:
                await self._beat_until_stopped()
                sweeping.cancel()
                counting.cancel()
                await self._leave()
                marking.cancel()
                await self._services.high_water.finish()
                await self._services.index.finish()
            finally:
                marking.cancel()
                sweeping.cancel()
                projecting.cancel()
                counting.cancel()
                # Cancelled: no task may be started any more.
                for partition in list(self._partitions.values()):
                    self._drop(partition)
        await self._secrets.stop()
        log.info("executor left", name=self._options.name)

    def _sweep(self, services: Services) -> "asyncio.Task[None]":
        """Begin to remove what ephemeral workers leave behind."""
        self._sweeper = Sweeper(
            self._broker,
            self._programs.components,
            self._options,
            wall_ns=self._time.wall_ns,
            next_message_id=services.next_message_id,
            partition_of=self._partition_of,
            on_buried=services.index.buried,
        )
        services.ephemeral_done = self._sweeper.done
        return self._spawn(self._sweeper.run())

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
            # Whoever took us for dead has taken what was ours by force, and the broker knows it. To
            # drop everything unasked would stop all work where the broker is slow for everybody.
            log.warning("late: asking which partitions are still ours")
            self._may_be_split = True
            if self._services is not None:
                self._services.high_water.doubt(self._partitions)
            for partition in list(self._partitions.values()):
                partition.doubt()
        if self._may_be_split and not self._is_looking:
            self._is_looking = True
            self._spawn(self._end_if_split())
        view = self._membership.view
        if self._options.name not in view.members:
            return
        mine = owned_partitions(self._options.name, view.members, self._broker.partitions)
        before = view.members | view.gone | view.leaving
        acquired: list[asyncio.Task[None]] = []
        now_s = self._time.monotonic_s()
        for number in mine - self._partitions.keys():
            if self._shortened.get(number, 0.0) > now_s:
                continue
            dead = owner_of(number, before) in view.gone
            acquired.append(self._spawn(self._acquire(number, owner_is_dead=dead)))
        for number in self._partitions.keys() - mine:
            partition = self._partitions[number]
            if not partition.draining:
                self._spawn(self._release(partition))
        if not self._ready.is_set():
            self._spawn(self._become_ready(acquired))

    async def _end_if_split(self) -> None:
        """End if partitions were dealt out over more streams while we were taken for dead.

        Raises:
            SetupError: they were; what is to be known of them is found out when we start anew.
        """
        try:
            is_current = await self._broker.is_current()
        except UnavailableError as error:
            log.warning("nobody says whether the streams are as they were", error=str(error))
            return
        finally:
            self._is_looking = False
        if not is_current:
            raise SetupError("the streams were split while this executor was away: start it anew")
        self._may_be_split = False

    async def _become_ready(self, acquired: list["asyncio.Task[None]"]) -> None:
        await asyncio.gather(*acquired)
        self._ready.set()

    def _belongs(self, worker_id: WorkerId, partition: int) -> bool:
        names = worker_id.component, worker_id.worker
        return subjects.partition_of(*names, self._broker.partitions) == partition

    async def _acquire(self, number: int, *, owner_is_dead: bool) -> None:
        partition = Partition(
            number,
            open_consumer=self._open_consumer,
            start_worker=self._start_worker,
            belongs=self._belongs,
            on_lost=self._forget,
            remembered=self._remembered,
        )
        self._partitions[number] = partition
        async with self._acquiring:
            try:
                if await self._is_shortened(number):
                    self._drop(partition)
                    return
                self._watch(partition)
                await partition.acquire(owner_is_dead=owner_is_dead)
                if self._sweeper is not None:
                    self._spawn(self._sweeper.find(number))
                self._index_from_now(partition)
            except BrokerError as error:
                # The next beat tries again: the partition is still ours by placement.
                log.warning("cannot acquire partition", partition=number, error=str(error))
                self._drop(partition)

    async def _is_shortened(self, number: int) -> bool:
        assert self._services is not None
        if await self._services.high_water.examine(number) is None:
            self._shortened.pop(number, None)
            return False
        self._shortened[number] = self._time.monotonic_s() + SHORTENED_LOOK_S
        return True

    def _watch(self, partition: Partition) -> None:
        if self._services is not None and self._partitions.get(partition.number) is partition:
            self._services.high_water.acquired(partition)

    def _give_up(self, number: int) -> None:
        """Drop a partition of which acknowledged work is gone."""
        self._shortened[number] = self._time.monotonic_s() + SHORTENED_LOOK_S
        partition = self._partitions.get(number)
        if partition is not None:
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

    def _answer_here(
        self, worker_id: WorkerId, answer: Answer, observed: Callable[[], None] | None
    ) -> bool:
        partition = self._partition_of(worker_id)
        return partition is not None and partition.answer(worker_id, answer, observed)

    def _partition_of(self, worker_id: WorkerId) -> Partition | None:
        names = worker_id.component, worker_id.worker
        return self._partitions.get(subjects.partition_of(*names, self._broker.partitions))

    def _drop(self, partition: Partition) -> None:
        partition.lose()
        self._forget(partition)

    def _forget(self, partition: Partition) -> None:
        if self._partitions.get(partition.number) is partition:
            del self._partitions[partition.number]
            if self._services is not None:
                self._services.index.lost(partition.number)
                self._services.high_water.lost(partition)

    def _index_from_now(self, partition: Partition) -> None:
        if self._services is not None and self._partitions.get(partition.number) is partition:
            self._services.index.acquired(partition.number)

    async def _reconnected(self) -> None:
        if self._services is not None:
            self._services.high_water.doubt(self._partitions)
        self._membership.distrust_newcomers()
        for partition in self._partitions.values():
            partition.missed_deliveries()
        if self._services is not None:
            try:
                for number in list(self._partitions):
                    await self._services.high_water.admits(number)
            except BrokerError as error:
                log.info("what is in doubt is compared when it is loaded", error=str(error))

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


@final
class _Held:
    """What the gauges show."""

    def __init__(self, services: Services, partitions: Mapping[int, Partition]) -> None:
        self._services = services
        self._partitions = partitions

    @property
    def resident(self) -> int:
        return self._services.residency.count

    @property
    def suspended(self) -> int:
        return self._services.suspended

    @property
    def memory_bytes(self) -> int:
        return self._services.residency.memory_bytes

    @property
    def partitions(self) -> int:
        return len(self._partitions)
