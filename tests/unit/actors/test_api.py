"""The management service on the in-memory broker."""

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable

import msgspec
import pytest

from actors.api import (
    ApiService,
    CallService,
    ComponentApi,
    Discovery,
    ExecutorApi,
    Statuses,
    WorkerApi,
)
from actors.api.component import PROGRESS_TO
from actors.components import ComponentStore, blob_name
from actors.engine.errors import ComponentError
from actors.engine.port import CodeReport, Progress
from actors.worker_index.listing import WorkerListing
from broker import subjects
from broker.errors import TooLargeError, UnavailableError
from broker.memory import MemoryCluster
from broker.ports import Note
from oplog.codec import encode
from oplog.commit import GENESIS_HASH, Marks
from oplog.entries import Create, Deleted, Entry, ExportedFunctionInvoked, Log
from oplog.snapshot_entries import Snapshot, SnapshotFailed
from wit.types import FunctionType
from wit.world import Function, Interface, World


class FakeComponent:
    def __init__(self, data: bytes) -> None:
        api = Interface(
            "demo:counter/api", (Function("add", FunctionType(()), "demo:counter/api"),)
        )
        self.world = World(
            import_interfaces=(Interface("wasi:clocks/wall-clock@0.2.0"),), export_interfaces=(api,)
        )
        self.digest = hashlib.sha256(data).hexdigest()
        self.code = CodeReport()


class FakeEngine:
    async def load(self, data: bytes, *, progress: Progress | None = None):
        if progress is not None:
            progress(1, 2)
            progress(2, 2)
        if data == b"bad":
            raise ComponentError("no component: bad magic at byte 0x0")
        return FakeComponent(data)

    def close(self) -> None:
        pass


class Scene:
    def __init__(self) -> None:
        self.cluster = MemoryCluster()
        self.broker = self.cluster.connect()
        self.client = self.cluster.connect()
        self.store = ComponentStore(self.broker, FakeEngine())
        self.statuses = Statuses(self.broker)
        component = ComponentApi(
            self.store,
            self.broker.signals,
            check=lambda *_: None,
            users_of=self.statuses.users_of,
            listing=WorkerListing(self.broker, self.statuses),
        )
        routes = {
            **component.routes(),
            **WorkerApi(self.broker, self.statuses, self.store).routes(),
            **ExecutorApi(self.broker.members).routes(),
        }
        self.api = ApiService(self.broker.signals, routes)
        self.calls = CallService(self.broker.journal, self.broker.signals)

    async def ask(self, name: str, body: object = None, **headers: str) -> dict:
        data = body if isinstance(body, bytes) else json.dumps(body or {}).encode()
        note = await self.client.signals.request(
            f"shem.api.{name}", data, headers=headers, timeout_s=5
        )
        return json.loads(note.data)

    async def upload(self, data: bytes = b"one", name: str = "counter", **more) -> dict:
        digest = hashlib.sha256(data).hexdigest()
        await self.client.blobs.put(blob_name(digest), data)
        body = {"name": name, "digest": digest, "size": len(data), **more}
        return await self.ask("component.add", body)

    async def commit(
        self,
        worker: str,
        entries: tuple[Entry, ...],
        *,
        first: int = 1,
        previous: str = "",
        **marks,
    ) -> str:
        subject = subjects.log("counter", worker, self.broker.partitions)
        last = await self.broker.journal.last(subject)
        encoded = encode(first, entries, Marks(**marks), previous or GENESIS_HASH)
        await self.broker.journal.append(
            subject,
            encoded.data,
            message_id=encoded.hash,
            expected_sequence=0 if last is None else last.sequence,
            headers=encoded.headers,
        )
        return encoded.hash


def run(scenario: Callable[[Scene], Awaitable[None]]) -> None:
    async def main() -> None:
        scene = Scene()
        await scene.api.start()
        await scene.calls.start()
        await scenario(scene)
        await scene.api.stop()
        await scene.calls.stop()
        await scene.store.close()

    asyncio.run(main())


def create(worker: str, version: int = 0) -> Create:
    return Create(incarnation="i", component="counter", worker=worker, component_version=version)


def test_a_component_is_added_listed_described_and_deleted():
    async def scenario(scene: Scene) -> None:
        added = (await scene.upload(type="ephemeral", env={"A": "1"}))["ok"]
        assert added["version"] == 0
        assert added["type"] == "ephemeral"
        await scene.upload(b"two")
        listed = (await scene.ask("component.list"))["ok"]["components"]
        assert [(each["name"], each["version"]) for each in listed] == [("counter", 1)]
        listed = (await scene.ask("component.list", {"name": "counter"}))["ok"]["components"]
        assert [each["version"] for each in listed] == [0, 1]
        got = (await scene.ask("component.get", {"name": "counter", "version": 0}))["ok"]
        assert got["env"] == {"A": "1"}
        described = (await scene.ask("component.describe", {"name": "counter"}))["ok"]
        assert described["exports"] == ["demo:counter/api.{add}()"]
        assert described["imports"] == ["wasi:clocks/wall-clock@0.2.0"]
        deleted = (await scene.ask("component.delete", {"name": "counter"}))["ok"]["deleted"]
        assert [each["version"] for each in deleted] == [0, 1]
        assert (await scene.ask("component.list"))["ok"] == {"components": []}

    run(scenario)


def test_progress_of_compilation_is_told_to_the_inbox_that_wants_it():
    async def scenario(scene: Scene) -> None:
        heard: list[Note] = []
        inbox = scene.client.signals.inbox()
        await scene.client.signals.subscribe(inbox, heard.append)
        digest = hashlib.sha256(b"one").hexdigest()
        await scene.client.blobs.put(blob_name(digest), b"one")
        body = {"name": "counter", "digest": digest, "size": 3}
        await scene.ask("component.add", body, **{PROGRESS_TO: inbox})
        assert [json.loads(note.data)["done"] for note in heard] == [1, 2]

    run(scenario)


@pytest.mark.parametrize(
    ("name", "body", "kind", "place"),
    [
        ("component.get", {"name": "nobody"}, "unknown-component", "nobody"),
        ("component.list", {"name": "nobody"}, "unknown-component", "nobody"),
        ("component.get", {"nam": "x"}, "bad-request", "nam"),
        ("component.get", {"name": 5}, "bad-request", r"\$.name"),
        ("component.get", b"{", "bad-request", "component.get"),
        ("component.get", b"\xff", "bad-request", "component.get"),
        ("component.rename", {}, "unknown-operation", "component.add"),
        ("worker.get", {"component": "c", "worker": "w"}, "unknown-worker", "'w'"),
        ("worker.oplog", {"component": "c", "worker": "w"}, "unknown-worker", "'w'"),
        ("worker.list", {"component": "nobody"}, "unknown-component", "nobody"),
        ("worker.list", {"component": "c", "limit": 0}, "bad-request", r"\$.limit"),
    ],
)
def test_what_cannot_be_answered_says_why(name: str, body: object, kind: str, place: str):
    async def scenario(scene: Scene) -> None:
        error = (await scene.ask(name, body))["error"]
        assert error["kind"] == kind
        assert place.replace("\\", "") in error["message"]

    run(scenario)


def test_a_refused_upload_is_told_with_its_reason():
    async def scenario(scene: Scene) -> None:
        error = (await scene.upload(b"bad"))["error"]
        assert error["kind"] == "bad-component"
        assert "bad magic at byte 0x0" in error["message"]

    run(scenario)


def test_workers_are_listed_with_their_status_and_deleted_ones_are_not():
    async def scenario(scene: Scene) -> None:
        await scene.upload()
        await scene.commit("alice", (create("alice"),))
        await scene.commit("bob/1", (create("bob/1", 2), Log(level="stdout", message="hi")))
        await scene.commit("gone", (Deleted(incarnation="i"),), first=0)
        listed = (await scene.ask("worker.list", {"component": "counter"}))["ok"]
        assert [(each["worker"], each["status"]) for each in listed["workers"]] == [
            ("alice", "idle"),
            ("bob/1", "idle"),
        ]
        assert listed["workers"][1]["component-version"] == 2
        body = {"component": "counter", "prefix": "b"}
        listed = (await scene.ask("worker.list", body))["ok"]
        assert [each["worker"] for each in listed["workers"]] == ["bob/1"]
        gone = await scene.ask("worker.get", {"component": "counter", "worker": "gone"})
        assert gone["error"]["kind"] == "unknown-worker"

    run(scenario)


def test_a_long_list_of_workers_comes_in_pages_without_gaps():
    async def scenario(scene: Scene) -> None:
        for number in range(7):
            entry = Deleted(incarnation="i") if number == 2 else create(f"w{number}")
            await scene.commit(f"w{number}", (entry,), first=0 if number == 2 else 1)
        seen: list[str] = []
        body = {"component": "counter", "limit": 2}
        while True:
            page = (await scene.ask("worker.list", body))["ok"]
            seen += [each["worker"] for each in page["workers"]]
            if "next" not in page:
                break
            body["after"] = page["next"]
        assert seen == ["w0", "w1", "w3", "w4", "w5", "w6"]

    run(scenario)


def test_the_status_follows_a_growing_log_and_counts_what_waits():
    async def scenario(scene: Scene) -> None:
        body = {"component": "counter", "worker": "alice"}
        first = await scene.commit("alice", (create("alice"),))
        assert (await scene.ask("worker.get", body))["ok"]["status"] == "idle"
        for _ in range(3):
            await scene.broker.journal.publish(subjects.invoke("counter", "alice"), b"add(1)")
        invoked = ExportedFunctionInvoked(
            function="add", params=msgspec.Raw(b"[1]"), idempotency_key="k", sequence=2
        )
        await scene.commit("alice", (invoked,), first=2, previous=first, invoked=2)
        got = (await scene.ask("worker.get", body))["ok"]
        assert got["status"] == "running"
        assert got["running-key"] == "k"
        assert got["pending"] == 2

    run(scenario)


def test_a_component_that_workers_run_is_not_deleted_unless_forced():
    async def scenario(scene: Scene) -> None:
        await scene.upload()
        await scene.upload(b"two")
        await scene.commit("alice", (create("alice", 1),))
        refused = await scene.ask("component.delete", {"name": "counter", "version": 1})
        assert refused["error"]["kind"] == "component-in-use"
        assert "alice" in refused["error"]["message"]
        unused = await scene.ask("component.delete", {"name": "counter", "version": 0})
        assert [each["version"] for each in unused["ok"]["deleted"]] == [0]
        forced = await scene.ask("component.delete", {"name": "counter", "force": True})
        assert [each["version"] for each in forced["ok"]["deleted"]] == [1]

    run(scenario)


def test_the_log_is_read_in_pages_and_by_type():
    async def scenario(scene: Scene) -> None:
        first = await scene.commit("alice", (create("alice"), Log(level="stdout", message="a")))
        more = tuple(Log(level="stderr", message=text) for text in "bcd")
        await scene.commit("alice", more, first=3, previous=first)
        body = {"component": "counter", "worker": "alice", "limit": 3}
        page = (await scene.ask("worker.oplog", body))["ok"]
        assert [each["index"] for each in page["entries"]] == [1, 2, 3]
        assert page["entries"][0]["entry"]["type"] == "create"
        page = (await scene.ask("worker.oplog", {**body, "from": page["next"]}))["ok"]
        assert [each["entry"]["message"] for each in page["entries"]] == ["c", "d"]
        assert "next" not in page
        page = (await scene.ask("worker.oplog", {**body, "limit": 9, "types": ["log"]}))["ok"]
        assert [each["index"] for each in page["entries"]] == [2, 3, 4, 5]
        wanted = {**body, "query": "level:stderr AND NOT message:c", "text": True}
        page = (await scene.ask("worker.oplog", wanted))["ok"]
        assert [each["index"] for each in page["entries"]] == [3, 5]
        assert "log" in page["entries"][0]["text"]
        wrong = (await scene.ask("worker.oplog", {**body, "query": "(a"}))["error"]
        assert wrong["kind"] == "bad-request"

    run(scenario)


def test_a_page_of_the_log_stays_below_what_a_message_may_hold():
    async def scenario(scene: Scene) -> None:
        first = await scene.commit("alice", (create("alice"),))
        for number in range(2, 14):
            entry = Log(level="stdout", message="x" * 60_000)
            first = await scene.commit("alice", (entry,), first=number, previous=first)
        body = {"component": "counter", "worker": "alice"}
        page = (await scene.ask("worker.oplog", body))["ok"]
        seen = [each["index"] for each in page["entries"]]
        page = (await scene.ask("worker.oplog", {**body, "from": page["next"]}))["ok"]
        assert seen + [each["index"] for each in page["entries"]] == list(range(1, 14))

    run(scenario)


def test_a_damaged_log_is_told_and_not_believed():
    async def scenario(scene: Scene) -> None:
        await scene.commit("alice", (create("alice"),))
        await scene.commit("alice", (Log(level="stdout", message="x"),), first=3)
        error = (await scene.ask("worker.get", {"component": "counter", "worker": "alice"}))[
            "error"
        ]
        assert error["kind"] == "log-damaged"
        assert "counter/alice" in error["message"]

    run(scenario)


def test_living_executors_are_listed_with_what_they_say_of_themselves():
    async def scenario(scene: Scene) -> None:
        await scene.broker.members.put("e1", b'{"name":"e1","leaving":false}')
        listed = (await scene.ask("executor.list"))["ok"]["executors"]
        assert listed == [{"executor": "e1", "name": "e1", "leaving": False}]

    run(scenario)


def test_a_call_is_published_durably_with_the_place_for_its_outcome():
    async def scenario(scene: Scene) -> None:
        mailbox = subjects.mailbox("counter", "alice", scene.broker.partitions)

        async def ask() -> Note:
            return await scene.client.signals.request(
                subjects.call("counter", "alice"),
                b"add(5)",
                headers={"Shem-Key": "k", "Nats-Msg-Id": "theirs", "traceparent": "t"},
                timeout_s=5,
            )

        first, again = asyncio.create_task(ask()), asyncio.create_task(ask())
        stored = []
        async with asyncio.timeout(5):
            while len(stored) < 2:
                await asyncio.sleep(0)
                stored = [each async for each in scene.broker.journal.read(mailbox)]
        for message in stored:
            assert message.data == b"add(5)"
            assert message.headers["Shem-Key"] == "k"
            assert message.headers["traceparent"] == "t"
            scene.broker.signals.publish(message.headers["Shem-Result-To"], b'{"key":"k"}')
        assert (await first).data == (await again).data == b'{"key":"k"}'

    run(scenario)


def test_a_call_that_the_broker_does_not_take_is_answered_at_once():
    async def scenario(scene: Scene) -> None:
        scene.cluster.faults.fail_next_append(TooLargeError("above the limit"))
        note = await scene.client.signals.request(
            subjects.call("counter", "alice"), b"add(5)", timeout_s=5
        )
        assert json.loads(note.data)["error"]["kind"] == "too-large"

    run(scenario)


def test_nats_finds_describes_and_counts_the_service():
    async def scenario(scene: Scene) -> None:
        other = scene.cluster.connect()
        instances = [
            Discovery(scene.broker.signals, scene.api.endpoints(), version="1.2.3"),
            Discovery(other.signals, (), version="1.2.3"),
        ]
        for each in instances:
            await each.start()
        await scene.client.signals.request("$SRV.PING.shem", b"", timeout_s=5)
        info = _plain(await scene.client.signals.request("$SRV.INFO.shem", b"", timeout_s=5))
        assert info["type"] == "io.nats.micro.v1.info_response"
        assert (info["name"], info["version"]) == ("shem", "1.2.3")
        await scene.ask("worker.list", {"component": "nobody"})
        await scene.ask("executor.list")
        stats = [
            _plain(
                await scene.client.signals.request(f"$SRV.STATS.shem.{each._id}", b"", timeout_s=5)
            )
            for each in instances
        ]
        counted = {each["name"]: each for each in stats[0]["endpoints"]}
        assert counted["worker-list"]["subject"] == "shem.api.worker.list"
        assert counted["worker-list"]["num_errors"] == 1
        assert "unknown-component" in counted["worker-list"]["last_error"]
        assert counted["executor-list"]["num_requests"] == 1
        assert counted["executor-list"]["average_processing_time"] > 0
        assert counted["component-add"]["num_requests"] == 0
        assert stats[1]["endpoints"] == []
        assert len({each["id"] for each in stats}) == 2
        for each in instances:
            await each.stop()
        with pytest.raises(UnavailableError):
            await scene.client.signals.request("$SRV.PING", b"", timeout_s=0.1)

    run(scenario)


def _plain(note: Note) -> dict:
    return json.loads(note.data)


def test_a_component_tells_of_its_workers_and_their_snapshots():
    async def scenario(scene: Scene) -> None:
        await scene.upload()
        await scene.upload(b"two")
        saved = Snapshot(index=1, blob="b", size=70, sha256="", took_us=9)
        await scene.commit("alice", (create("alice", 1), saved))
        await scene.commit("bob", (create("bob", 1), msgspec.structs.replace(saved, size=30)))
        problem = SnapshotFailed(operation="save", reason="it holds a socket")
        await scene.commit("carol", (create("carol", 1), problem))
        await scene.commit("dave", (create("dave", 0),))
        newest = (await scene.ask("component.describe", {"name": "counter"}))["ok"]
        assert newest["workers"] == {
            "workers": 3,
            "saved": 2,
            "snapshots": 2,
            "size": 100,
            "size-max": 70,
            "took-us-max": 9,
            "problems": 1,
        }
        first = (await scene.ask("component.describe", {"name": "counter", "version": 0}))["ok"]
        assert first["workers"]["workers"] == 1

    run(scenario)
