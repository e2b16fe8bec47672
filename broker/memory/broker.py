"""The in-memory broker and the connections to it."""

from collections.abc import Awaitable, Callable
from typing import Final, final

from broker import subjects
from broker.layout import matches, partition_filter
from broker.memory.bucket import BlobStore, BucketStore, MemoryBlobs, MemoryBucket
from broker.memory.clock import Clock, LoopClock
from broker.memory.consumer import MemoryConsumer, Partition
from broker.memory.containers import ContainerStore, MemoryContainers
from broker.memory.faults import Faults
from broker.memory.journal import MemoryJournal
from broker.memory.link import Link
from broker.memory.signals import MemorySignals, Switch
from broker.memory.streams import MemoryStreams
from broker.ports import Delivery, Message
from broker.sharding import Sharding

__all__ = ["MemoryBroker", "MemoryCluster"]

_BUCKETS: Final = (
    subjects.MEMBERS_BUCKET,
    subjects.APIS_BUCKET,
    subjects.CLIENTS_BUCKET,
    subjects.SECRETS_BUCKET,
    subjects.SESSIONS_BUCKET,
    subjects.COMPONENTS_BUCKET,
    subjects.WORKERS_BUCKET,
)


@final
class MemoryCluster:
    """What all connections share. Create and use it inside one running event loop."""

    def __init__(
        self,
        *,
        partitions: int = subjects.PARTITIONS_DEFAULT,
        streams: int = 1,
        clock: Clock | None = None,
    ) -> None:
        self.clock: Clock = LoopClock() if clock is None else clock
        self.faults = Faults()
        self.stream = MemoryStreams(self.clock, Sharding(partitions, streams))
        self.buckets = {name: BucketStore(self.clock) for name in _BUCKETS}
        self.blobs = BlobStore()
        self.keyvalue: dict[str, BucketStore] = {}
        self.workers: dict[str, BucketStore] = {}
        self.containers: dict[str, ContainerStore] = {}
        self.code = BlobStore()
        self.switch = Switch()
        self._partitions: dict[int, Partition] = {}
        self.stream.on_store(self._stored)

    def connect(self) -> "MemoryBroker":
        """Return a new connection."""
        return MemoryBroker(self)

    def partition(self, number: int) -> Partition:
        """Return a partition, shared by the consumers of all connections."""
        found = self._partitions.get(number)
        if found is None:
            stream = self.stream.of_partition(number)
            found = Partition(number, stream, self.clock, self.faults)
            self._partitions[number] = found
        return found

    def _stored(self, message: Message) -> None:
        tokens = message.subject.split(".", 3)
        if tokens[1] != "oplog" or not tokens[2].isdecimal():
            return
        partition = self._partitions.get(int(tokens[2]))
        if partition is not None and matches(partition_filter(partition.number), message.subject):
            partition.stored(message)


@final
class MemoryBroker:
    """One connection; `disconnect` and `reconnect` are for tests."""

    def __init__(self, cluster: MemoryCluster) -> None:
        self.cluster = cluster
        self._link = Link()
        self._journal = MemoryJournal(cluster.stream, self._link, cluster.faults)
        self._signals = MemorySignals(cluster.switch, self._link)
        self._buckets = {
            name: MemoryBucket(store, self._link) for name, store in cluster.buckets.items()
        }
        self._blobs = MemoryBlobs(cluster.blobs, self._link)
        self._containers = MemoryContainers(cluster.containers, cluster.clock, self._link)
        self._code = MemoryBlobs(cluster.code, self._link)
        self._consumers: list[MemoryConsumer] = []
        self._hooks: list[Callable[[], Awaitable[None]]] = []

    @property
    def journal(self) -> MemoryJournal:
        """Mailboxes, logs and schedules."""
        return self._journal

    @property
    def signals(self) -> MemorySignals:
        """Core messages."""
        return self._signals

    @property
    def partitions(self) -> int:
        """How many partitions there are."""
        return self.sharding.partitions

    @property
    def sharding(self) -> Sharding:
        """Which stream holds what."""
        return self.cluster.stream.sharding

    async def is_current(self) -> bool:
        """Say whether partitions lie where they lay: nothing is dealt out anew here."""
        return True

    @property
    def payload_bytes_max(self) -> int:
        """The largest message that is stored."""
        return self.cluster.stream.payload_bytes_max

    @property
    def members(self) -> MemoryBucket:
        """Living executors."""
        return self._buckets[subjects.MEMBERS_BUCKET]

    @property
    def components(self) -> MemoryBucket:
        """Component metadata."""
        return self._buckets[subjects.COMPONENTS_BUCKET]

    @property
    def workers(self) -> MemoryBucket:
        """How far the index of workers has come."""
        return self._buckets[subjects.WORKERS_BUCKET]

    def workers_of(self, component: str) -> MemoryBucket:
        """Return the index of a component's workers."""
        stores = self.cluster.workers
        store = stores.setdefault(component, BucketStore(self.cluster.clock))
        return MemoryBucket(store, self._link)

    @property
    def clients(self) -> MemoryBucket:
        """Connected clients of gateways."""
        return self._buckets[subjects.CLIENTS_BUCKET]

    @property
    def apis(self) -> MemoryBucket:
        """HTTP APIs: definitions and what is deployed where."""
        return self._buckets[subjects.APIS_BUCKET]

    @property
    def secrets(self) -> MemoryBucket:
        """Secrets of components, encrypted."""
        return self._buckets[subjects.SECRETS_BUCKET]

    @property
    def sessions(self) -> MemoryBucket:
        """Who is logged in at HTTP APIs."""
        return self._buckets[subjects.SESSIONS_BUCKET]

    @property
    def blobs(self) -> MemoryBlobs:
        """Component binaries and large payloads."""
        return self._blobs

    def keyvalue(self, name: str) -> MemoryBucket:
        """Return a bucket of the users' own."""
        stores = self.cluster.keyvalue
        store = stores.setdefault(name, BucketStore(self.cluster.clock))
        return MemoryBucket(store, self._link)

    @property
    def containers(self) -> MemoryContainers:
        """Large objects of the users' own."""
        return self._containers

    @property
    def code(self) -> MemoryBlobs:
        """What executors compiled: native code, which nobody else may write."""
        return self._code

    def consumer(
        self,
        partition: int,
        *,
        on_delivery: Callable[[Delivery], None],
        on_lost: Callable[[], None],
    ) -> MemoryConsumer:
        """Return this connection's consumer of a partition."""
        consumer = MemoryConsumer(
            self.cluster.partition(partition), self._link, on_delivery, on_lost
        )
        self._consumers.append(consumer)
        return consumer

    def on_reconnect(self, callback: Callable[[], Awaitable[None]]) -> None:
        """Run `callback` after every `reconnect`."""
        self._hooks.append(callback)

    def disconnect(self) -> None:
        """Cut the connection: calls fail or wait, deliveries stop, the pins start to run out."""
        self._link.cut()
        for consumer in self._consumers:
            consumer.link_down()

    async def reconnect(self) -> None:
        """Restore the connection and run the hooks."""
        self._link.restore()
        for consumer in self._consumers:
            consumer.link_up()
        for bucket in self._buckets.values():
            bucket.link_up()
        for hook in self._hooks:
            await hook()

    async def close(self) -> None:
        """Disconnect for good."""
        for consumer in self._consumers:
            consumer.link_down()
        self._link.close()
