"""Connecting: from options to a `Broker`."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, assert_never, final
from weakref import WeakSet

import structlog

from broker import subjects
from broker.errors import BrokerError
from broker.jetstream.api import JetStreamApi
from broker.jetstream.blobs import JetStreamBlobs
from broker.jetstream.bucket import JetStreamBucket
from broker.jetstream.consumer import JetStreamConsumer
from broker.jetstream.containers import JetStreamContainers
from broker.jetstream.dealing import Dealing
from broker.jetstream.durability import Durability, probe_durability, warn_if_lazy
from broker.jetstream.journal import JetStreamJournal
from broker.jetstream.options import ClientKind, ConnectOptions, with_url_credentials
from broker.jetstream.setup import Setup, Shape
from broker.jetstream.signals import JetStreamSignals
from broker.jetstream.wire import Wire
from broker.jetstream.wire_lean import LeanWire
from broker.jetstream.wire_nats import NatsPyWire
from broker.ports import Delivery
from broker.sharding import Sharding, stream_name

__all__ = ["ConnectOptions", "JetStreamBroker", "connect", "connect_wire"]

log = structlog.get_logger(__name__)


async def connect(options: ConnectOptions) -> "JetStreamBroker":
    """Connect, set up what is missing, check what is there.

    Raises:
        UnavailableError: no server answers.
        PermissionDeniedError: the server refuses the identity.
        SetupError: the server or its streams are not as Shem needs them, or the options are wrong.
    """
    options = with_url_credentials(options)
    wire = await connect_wire(options)
    try:
        api = JetStreamApi(wire, options.api_prefix)
        shape = await Setup(api, options).run()
        durability = await probe_durability(options)
    except BaseException:
        await wire.close()
        raise
    warn_if_lazy(durability, options)
    return JetStreamBroker(api, shape, durability, runs_workers=options.runs_workers)


@final
class JetStreamBroker:
    """One connection to NATS. Make it with `connect`."""

    def __init__(
        self, api: JetStreamApi, shape: Shape, durability: Durability, *, runs_workers: bool
    ) -> None:
        self._api = api
        self._wire: Wire = api.wire
        self._dealing = Dealing(api, shape.sharding, is_fixed=runs_workers)
        self._durability = durability
        self._tasks: set[asyncio.Task[None]] = set()
        self._journal = JetStreamJournal(api, self._dealing, replicated=shape.clustered)
        self._signals = JetStreamSignals(api.wire)
        self._members = JetStreamBucket(api, subjects.MEMBERS_BUCKET, self._spawn)
        self._components = JetStreamBucket(api, subjects.COMPONENTS_BUCKET, self._spawn)
        self._workers = JetStreamBucket(api, subjects.WORKERS_BUCKET, self._spawn)
        self._apis = JetStreamBucket(api, subjects.APIS_BUCKET, self._spawn)
        self._clients = JetStreamBucket(api, subjects.CLIENTS_BUCKET, self._spawn)
        self._secrets = JetStreamBucket(api, subjects.SECRETS_BUCKET, self._spawn)
        self._sessions = JetStreamBucket(api, subjects.SESSIONS_BUCKET, self._spawn)
        self._blobs = JetStreamBlobs(api, subjects.BLOBS_BUCKET)
        self._containers = JetStreamContainers(api, replicas=shape.replicas)
        self._code = JetStreamBlobs(api, subjects.CODE_BUCKET)
        # Each taking of a partition makes one; those that are done with go by themselves.
        self._consumers: WeakSet[JetStreamConsumer] = WeakSet()
        self._hooks: list[Callable[[], Awaitable[None]]] = []
        self._wire.on_up(self._link_up)

    @property
    def journal(self) -> JetStreamJournal:
        """Mailboxes, logs and schedules."""
        return self._journal

    @property
    def signals(self) -> JetStreamSignals:
        """Core messages."""
        return self._signals

    @property
    def partitions(self) -> int:
        """How many partitions there are."""
        return self.sharding.partitions

    @property
    def sharding(self) -> Sharding:
        """Which stream holds what, as we heard it last."""
        return self._dealing.sharding

    async def is_current(self) -> bool:
        """Say whether the partitions are still dealt out as when we connected."""
        return await self._dealing.is_current()

    @property
    def payload_bytes_max(self) -> int:
        """The largest message that the server takes, headers included."""
        return self._wire.server.max_payload

    @property
    def durability(self) -> Durability:
        """What is known of how the server syncs its disk."""
        return self._durability

    @property
    def members(self) -> JetStreamBucket:
        """Living executors."""
        return self._members

    @property
    def components(self) -> JetStreamBucket:
        """Component metadata."""
        return self._components

    @property
    def workers(self) -> JetStreamBucket:
        """How far the index of workers has come."""
        return self._workers

    def workers_of(self, component: str) -> JetStreamBucket:
        """Return the index of a component's workers."""
        return JetStreamBucket(self._api, subjects.WORKERS_BUCKET, self._spawn, within=component)

    @property
    def clients(self) -> JetStreamBucket:
        """Connected clients of gateways."""
        return self._clients

    @property
    def apis(self) -> JetStreamBucket:
        """HTTP APIs: definitions and what is deployed where."""
        return self._apis

    @property
    def secrets(self) -> JetStreamBucket:
        """Secrets of components, encrypted."""
        return self._secrets

    @property
    def sessions(self) -> JetStreamBucket:
        """Who is logged in at HTTP APIs."""
        return self._sessions

    @property
    def blobs(self) -> JetStreamBlobs:
        """Component binaries and large payloads."""
        return self._blobs

    def keyvalue(self, name: str) -> JetStreamBucket:
        """Return a bucket of the users' own."""
        return JetStreamBucket(self._api, subjects.KEYVALUE_BUCKET, self._spawn, within=name)

    @property
    def containers(self) -> JetStreamContainers:
        """Large objects of the users' own."""
        return self._containers

    @property
    def code(self) -> JetStreamBlobs:
        """What executors compiled: native code, which nobody else may write."""
        return self._code

    def consumer(
        self,
        partition: int,
        *,
        on_delivery: Callable[[Delivery], None],
        on_lost: Callable[[], None],
    ) -> JetStreamConsumer:
        """Return this connection's consumer of a partition."""
        consumer = JetStreamConsumer(
            self._api,
            stream_name(self.sharding.stream_of(partition)),
            partition,
            on_delivery=on_delivery,
            on_lost=on_lost,
            spawn=self._spawn,
        )
        self._consumers.add(consumer)
        return consumer

    def on_reconnect(self, callback: Callable[[], Awaitable[None]]) -> None:
        """Run `callback` after every re-established connection."""
        self._hooks.append(callback)

    async def close(self) -> None:
        """Flush and disconnect."""
        for consumer in tuple(self._consumers):
            consumer.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._wire.close()

    def _link_up(self) -> None:
        for consumer in tuple(self._consumers):
            consumer.link_up()
        for bucket in (
            *(self._members, self._components, self._workers, self._apis, self._clients),
            self._secrets,
        ):
            bucket.link_up()
        for hook in self._hooks:
            self._spawn(_run_hook(hook))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


async def connect_wire(options: ConnectOptions) -> Wire:
    """Connect without looking at anything; raises as `connect` does."""
    match options.client:
        case ClientKind.NATS_PY:
            return await NatsPyWire.connect(options)
        case ClientKind.AUTO | ClientKind.LEAN:
            return await LeanWire.connect(options)
        case _:
            assert_never(options.client)


async def _run_hook(hook: Callable[[], Awaitable[None]]) -> None:
    try:
        await hook()
    except BrokerError:
        log.exception("a reconnection hook failed")
