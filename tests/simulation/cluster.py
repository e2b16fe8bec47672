"""Executors, clients and faults on one in-memory broker, in virtual time."""

import asyncio
import fnmatch
import hashlib
import json
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from typing import Any, Self

from actors.components.record import Upload, blob_name
from actors.components.store import ComponentStore
from actors.options import ExecutorOptions
from actors.programs import Programs, link
from actors.secrets import KeyRing, SecretStore
from actors.service import Executor
from broker import subjects
from broker.errors import UnavailableError
from broker.memory import MemoryBroker, MemoryCluster
from broker.ports import Message
from oplog.codec import decode, encode_entry
from oplog.headers import peek
from tests.simulation.scripted import ScriptedEngine

PARTITIONS = 4
COMPONENT = "counter"
KEYS = KeyRing((b"k" * 32,))


class LoopTime:
    """The executors' clock: the loop's own time."""

    def __init__(self, cluster: MemoryCluster) -> None:
        self._cluster = cluster

    def wall_ns(self) -> int:
        return self._cluster.clock.now_ns()

    def monotonic_s(self) -> float:
        return asyncio.get_running_loop().time()


class CrashingJournal:
    """A connection's journal that kills its executor around the n-th append to a log."""

    def __init__(self, node: "Node", journal: Any) -> None:
        self._node = node
        self._journal = journal
        self.appends = 0
        self.crash_at: tuple[int, str] | None = None
        self.reads_to_fail = 0
        self.stale_gets = 0
        self.stale_ends = 0
        self.ends_told: Counter[int] = Counter()
        self.led = True
        self.counted: dict[str, int] = {}
        """How many messages of a subject are counted and gone."""
        self.unreadable: set[int] = set()
        """What the replica that answers passes over, since its disk has damaged it."""
        self.lost: set[int] = set()
        """What all replicas pass over."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._journal, name)

    async def read(self, subject: str, **options: Any) -> AsyncIterator[Message]:
        async for message in self.read_whole(subject, **options):
            if message.sequence not in self.unreadable:
                yield message

    async def read_whole(self, subject: str, **options: Any) -> AsyncIterator[Message]:
        if self.reads_to_fail:
            self.reads_to_fail -= 1
            raise UnavailableError("no answer in time")
        late: list[Message] = []
        async for message in self._journal.read(subject, **options):
            if message.sequence in self.lost:
                continue
            if message.sequence in self.unreadable:
                late.append(message)
            else:
                yield message
        for message in late:
            yield message

    async def get(self, subject: str, sequence: int) -> Message | None:
        """Answer as a replica that lags behind."""
        if self.stale_gets:
            self.stale_gets -= 1
            return None
        return self._readable(await self._journal.get(subject, sequence))

    async def last(self, subject: str, **options: Any) -> Message | None:
        """Count what cannot be read as not there, as a server does."""
        return self._readable(await self._journal.last(subject, **options))

    def _readable(self, message: Message | None) -> Message | None:
        return None if message is not None and message.sequence in self.lost else message

    async def subjects(self, pattern: str) -> dict[str, int]:
        """Count what is not there any more, as a server does whose disk has damaged it."""
        found = await self._journal.subjects(pattern)
        for subject in fnmatch.filter(self.counted, pattern.replace(">", "*")):
            found[subject] = found.get(subject, 0) + self.counted[subject]
        return found

    async def end(self, partition: int) -> int:
        """Answer as a leader that was just elected, and has not all of the stream yet."""
        self.ends_told[partition] += 1
        if self.stale_ends:
            self.stale_ends -= 1
            return 1
        return await self._journal.end(partition)

    async def is_led(self, partition: int) -> bool:
        """Answer as a leader that is cut off from the others."""
        return self.led and await self._journal.is_led(partition)

    async def append(self, subject: str, data: bytes, **options: Any) -> int:
        self.appends += 1
        due = self.crash_at is not None and self.appends == self.crash_at[0]
        if due and self.crash_at[1] == "before":
            self._node.kill()
            await asyncio.Event().wait()
        sequence = await self._journal.append(subject, data, **options)
        if due:
            if self.crash_at[1] == "followed":
                # What follows the append is stored as well.
                await asyncio.sleep(0.001)
            self._node.kill()
            await asyncio.Event().wait()
        return sequence


class CrashingBlobs:
    """A connection's blob store that kills its executor around the n-th write."""

    def __init__(self, node: "Node", blobs: Any) -> None:
        self._node = node
        self._blobs = blobs
        self.puts = 0
        self.crash_at: tuple[int, str] | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._blobs, name)

    async def put(self, name: str, data: bytes) -> None:
        self.puts += 1
        due = self.crash_at is not None and self.puts == self.crash_at[0]
        if due and self.crash_at[1] == "before":
            self._node.kill()
            await asyncio.Event().wait()
        await self._blobs.put(name, data)
        if due:
            self._node.kill()
            await asyncio.Event().wait()


class SlowBucket:
    """A connection's bucket that takes `takes_s` to store anything, as a busy broker does."""

    def __init__(self, bucket: Any) -> None:
        self._bucket = bucket
        self.takes_s = 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bucket, name)

    async def put(self, key: str, data: bytes, **options: Any) -> int:
        await asyncio.sleep(self.takes_s)
        return await self._bucket.put(key, data, **options)


class CrashingBroker:
    """A connection whose journal and blobs crash, with marks that can be slow to be stored."""

    def __init__(self, node: "Node", broker: MemoryBroker) -> None:
        self._broker = broker
        self.journal = CrashingJournal(node, broker.journal)
        self.blobs = CrashingBlobs(node, broker.blobs)
        self.members = SlowBucket(broker.members)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._broker, name)


class Node:
    """One executor process."""

    def __init__(self, simulation: "Simulation", name: str) -> None:
        self.name = name
        self.connection: MemoryBroker = simulation.cluster.connect()
        self.broker = CrashingBroker(self, self.connection)
        self.components = ComponentStore(self.broker, simulation.engine)
        self.executor = Executor(
            self.broker,
            Programs(self.components),
            ExecutorOptions(name=name, **simulation.options),
            time_source=LoopTime(simulation.cluster),
            secrets=SecretStore(self.broker.secrets, KEYS),
        )
        self.task = asyncio.create_task(self.executor.run())
        self.killed = False

    def kill(self) -> None:
        """Nothing leaves any more; then the process is gone."""
        self.killed = True
        self.connection.disconnect()
        self.task.cancel()

    @property
    def has_begun(self) -> bool:
        """Whether the executor has had its first share of partitions."""
        return self.executor._ready.is_set()

    async def stop(self) -> None:
        self.executor.stop()
        await self.task


class Simulation:
    """A cluster with a component uploaded, and a client that hears results.

    With another `engine` the component is the one that it makes of the bytes `component`,
    with the `settings` of an upload.
    """

    def __init__(
        self,
        *,
        engine: Any = None,
        component: bytes = ScriptedEngine.COUNTER,
        settings: Mapping[str, Any] | None = None,
        streams: int = 1,
        **options: Any,
    ) -> None:
        self._settings = settings or {}
        self.engine = ScriptedEngine() if engine is None else engine
        self._component = component
        self.cluster = MemoryCluster(partitions=PARTITIONS, streams=streams)
        self.client = self.cluster.connect()
        # Those that a test does not ask for would depend on how fast the machine is.
        self.options = {"snapshots": "never", **options}
        self.nodes: list[Node] = []
        self.results: dict[str, list[dict[str, Any]]] = {}
        self.events: list[dict[str, Any]] = []
        self._count = 0
        self._news = asyncio.Event()

    async def __aenter__(self) -> Self:
        await self.upload(COMPONENT, self._component, **self._settings)
        await self.client.signals.subscribe("shem.result.*.*", self._heard)
        await self.client.signals.subscribe(
            "shem.event.*.*", lambda note: self.events.append(json.loads(note.data))
        )
        return self

    async def __aexit__(self, *error: object) -> None:
        for node in self.nodes:
            if not node.task.done():
                node.kill()
        await asyncio.gather(*(node.task for node in self.nodes), return_exceptions=True)

    async def upload(self, name: str, data: bytes, **settings: Any) -> None:
        """Make `data` the next version of a component."""
        store = ComponentStore(self.client, self.engine)
        digest = hashlib.sha256(data).hexdigest()
        await self.client.blobs.put(blob_name(digest), data)
        upload = Upload(name=name, digest=digest, size=len(data), **settings)
        await store.add(upload, check=link, now_ms=0)
        await store.close()

    def start(self) -> Node:
        self._count += 1
        node = Node(self, f"node-{self._count}")
        self.nodes.append(node)
        return node

    async def revive(self, node: Node, *, after_s: float = 0) -> None:
        """Start another node once this one has died, `after_s` later."""
        await asyncio.wait({node.task})
        await asyncio.sleep(after_s)
        self.start()

    def _heard(self, note: Any) -> None:
        body = json.loads(note.data)
        self.results.setdefault(body["key"], []).append(body)
        self._news.set()

    async def publish(
        self,
        worker: str,
        function: str,
        *params: Any,
        key: str,
        headers: Mapping[str, str] = {},
        message_id: str | None = None,
    ) -> int:
        body = json.dumps({"function": function, "params": params}).encode()
        ack = await self.client.journal.publish(
            subjects.invoke(*_names(worker)),
            body,
            message_id=message_id or f"{worker}:{key}",
            headers={"Shem-Key": key, **headers},
        )
        return ack.sequence

    async def command(self, worker: str, command: dict[str, Any]) -> dict[str, Any]:
        inbox = self.client.signals.inbox()
        answered: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        heard = await self.client.signals.subscribe(
            inbox, lambda note: answered.done() or answered.set_result(note.data)
        )
        await self.client.journal.publish(
            subjects.control(*_names(worker)),
            json.dumps(command).encode(),
            message_id=inbox,
            headers={"Shem-Result-To": inbox},
        )
        async with asyncio.timeout(60):
            data = await answered
        await heard.close()
        return json.loads(data)

    async def result(self, key: str, *, within_s: float = 60) -> dict[str, Any]:
        async with asyncio.timeout(within_s):
            while key not in self.results:
                self._news.clear()
                await self._news.wait()
        return self.results[key][0]

    async def invoke(self, worker: str, function: str, *params: Any, key: str) -> Any:
        await self.publish(worker, function, *params, key=key)
        return await self.result(key)

    async def log(self, worker: str) -> list[dict[str, Any]]:
        """Return all entries as plain JSON, after checking the chain."""
        entries: list[dict[str, Any]] = []
        previous = None
        first = 1
        subject = subjects.log(*_names(worker), PARTITIONS)
        async for message in self.client.journal.read(subject):
            commit = decode(
                message.data, message.headers, expected_first=first, expected_previous=previous
            )
            assert peek(message.headers, sequence=message.sequence).hash == commit.hash
            entries += [json.loads(encode_entry(entry)) for entry in commit.entries]
            previous, first = commit.hash, commit.last + 1
        return entries


def _names(worker: str) -> tuple[str, str]:
    """Return component and worker: `name` is one of the counter, `component/name` of another."""
    component, found, name = worker.partition("/")
    return (component, name) if found else (COMPONENT, worker)


def kinds(entries: list[dict[str, Any]]) -> list[str]:
    return [entry["type"] for entry in entries]
