"""Worlds: the same broker behaviour in memory and on a real server, behind one handle."""

import asyncio
import contextlib
import inspect
import time
from collections.abc import Awaitable, Callable, Iterator

import pytest

from broker.jetstream.connect import ConnectOptions, connect
from broker.jetstream.options import ClientKind
from broker.memory import ManualClock, MemoryBroker, MemoryCluster
from broker.ports import Broker, Delivery
from broker.sharding import mappings_text

PARTITIONS = 8
EVENTUALLY_S = 15


class Proxy:
    """A TCP connection to the server that a test can cut, freeze, or make deaf."""

    def __init__(self, host: str, port: int):
        self.target = (host, port)
        self.passing = asyncio.Event()
        self.passing.set()
        self.drop_answers = False
        self.port = 0
        self.writers: set[asyncio.StreamWriter] = set()
        self.tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> str:
        await self.restore()
        return f"nats://127.0.0.1:{self.port}"

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(*self.target)
        except OSError:
            writer.close()
            return
        self.writers |= {writer, far_writer}
        for source, sink, answers in ((reader, far_writer, False), (far_reader, writer, True)):
            task = asyncio.create_task(self.pump(source, sink, answers=answers))
            self.tasks.add(task)

    async def pump(self, source, sink, *, answers: bool) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65536):
                await self.passing.wait()
                if not (answers and self.drop_answers):
                    sink.write(data)
                    await sink.drain()
        sink.close()

    def cut(self) -> None:
        """Close what is open and refuse what comes."""
        self.server.close()
        self.drop_answers = False
        for writer in self.writers:
            writer.transport.abort()
        self.writers.clear()

    async def restore(self) -> None:
        self.server = await asyncio.start_server(self.accept, "127.0.0.1", self.port)
        self.port = self.server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        self.cut()
        self.passing.set()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


class MemoryWorld:
    name = "memory"

    def __init__(self, streams: int = 1) -> None:
        self.clock = ManualClock()
        self.cluster = MemoryCluster(partitions=PARTITIONS, streams=streams, clock=self.clock)
        self.brokers: list[MemoryBroker] = []

    async def connect(self) -> Broker:
        broker = self.cluster.connect()
        self.brokers.append(broker)
        return broker

    def now_ns(self) -> int:
        return self.clock.now_ns()

    async def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)
        await asyncio.sleep(0)

    def cut(self, broker: Broker) -> None:
        assert isinstance(broker, MemoryBroker)
        broker.disconnect()

    async def restore(self, broker: Broker) -> None:
        assert isinstance(broker, MemoryBroker)
        await broker.reconnect()

    def lose_next_answer(self, broker: Broker) -> None:
        assert isinstance(broker, MemoryBroker)
        armed = [broker]
        self.cluster.stream.on_store(lambda _: armed.pop().disconnect() if armed else None)

    async def close(self) -> None:
        for broker in self.brokers:
            await broker.close()


class NatsWorld:
    def __init__(
        self, server, client: ClientKind, *, direct: bool = False, streams: int | None = None
    ) -> None:
        self.name = client.value
        self.server = server
        self.client = client
        self.direct = direct
        self.streams = streams
        self.brokers: dict[int, tuple[Broker, Proxy | None]] = {}

    async def connect(self) -> Broker:
        proxy = None if self.direct else Proxy("127.0.0.1", self.server.port)
        url = self.server.url if proxy is None else await proxy.start()
        options = ConnectOptions(
            servers=(url,), partitions=PARTITIONS, streams=self.streams, client=self.client
        )
        broker = await connect(options)
        self.brokers[id(broker)] = (broker, proxy)
        return broker

    def now_ns(self) -> int:
        return time.time_ns()

    async def pass_time(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def cut(self, broker: Broker) -> None:
        self.proxy(broker).cut()

    async def restore(self, broker: Broker) -> None:
        await self.proxy(broker).restore()

    def lose_next_answer(self, broker: Broker) -> None:
        self.proxy(broker).drop_answers = True

    def proxy(self, broker: Broker) -> Proxy:
        proxy = self.brokers[id(broker)][1]
        assert proxy is not None, "this world connects directly"
        return proxy

    async def close(self) -> None:
        for broker, proxy in self.brokers.values():
            await broker.close()
            if proxy is not None:
                await proxy.close()


World = MemoryWorld | NatsWorld


async def eventually(
    holds: Callable[[], object | Awaitable[object]], *, within_s: float = EVENTUALLY_S
) -> None:
    """Wait until a condition, plain or awaited, holds; fail when it does not in time."""
    async with asyncio.timeout(within_s):
        while True:
            held = holds()
            if await held if inspect.isawaitable(held) else held:
                return
            await asyncio.sleep(0.005)


class Inbox:
    """Collects the deliveries of one consumer."""

    def __init__(self) -> None:
        self.deliveries: list[Delivery] = []
        self.losses = 0

    def take(self, delivery: Delivery) -> None:
        self.deliveries.append(delivery)

    def lose(self) -> None:
        self.losses += 1

    @property
    def data(self) -> list[bytes]:
        return [delivery.message.data for delivery in self.deliveries]


CLIENTS = [ClientKind.NATS_PY, ClientKind.LEAN]


SEVERAL = 3
WORLDS = [("memory", 1), ("memory", SEVERAL), ("nats-py", 1), ("lean", 1), ("lean", SEVERAL)]


@pytest.fixture(params=WORLDS, ids=lambda param: f"{param[0]}-{param[1]}")
def world(request: pytest.FixtureRequest, runner: asyncio.Runner) -> Iterator[World]:
    kind, streams = request.param
    if kind == "memory":
        made: World = runner.run(_memory_world(streams))
    else:
        make = request.getfixturevalue("make_nats_server")
        server = make(mappings_text(PARTITIONS) if streams > 1 else "")
        made = NatsWorld(server, ClientKind(kind), streams=streams)
    yield made
    runner.run(made.close())


@pytest.fixture(params=[client.value for client in CLIENTS])
def real_world(request: pytest.FixtureRequest, runner: asyncio.Runner) -> Iterator[NatsWorld]:
    server = request.getfixturevalue("nats_server")
    made = NatsWorld(server, ClientKind(request.param), direct=True)
    yield made
    runner.run(made.close())


@pytest.fixture
def lean_world(nats_server, runner: asyncio.Runner) -> Iterator[NatsWorld]:
    """Connections through proxies that can be frozen."""
    made = NatsWorld(nats_server, ClientKind.LEAN)
    yield made
    runner.run(made.close())


async def _memory_world(streams: int) -> MemoryWorld:
    return MemoryWorld(streams)


@pytest.fixture
def until() -> Callable:
    return eventually


@pytest.fixture
def inbox() -> type[Inbox]:
    return Inbox
