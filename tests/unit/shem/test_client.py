"""The client on the in-memory broker, against an executor that only adds numbers."""

import asyncio
import json
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from types import ModuleType
from typing import Any

import pytest

import shem
from broker import subjects
from broker.memory import MemoryBroker, MemoryCluster
from broker.ports import Delivery
from shem.client import invocations
from shem.client.feed import BUFFERED_MAX
from shem.client.values import encode_call, to_json
from tests.simulation import virtual


class Adder:
    """Answers invocations and commands as an executor does, once for each key."""

    def __init__(self, broker: MemoryBroker) -> None:
        self.broker = broker
        self.totals: dict[str, int] = {}
        self.outcomes: dict[tuple[str, str], bytes] = {}
        self.results_to_lose = 0
        self.seen: list[Delivery] = []
        self.heard = asyncio.Event()
        self.silent = False
        self.consumer = broker.consumer(0, on_delivery=self.on_delivery, on_lost=lambda: None)

    def on_delivery(self, delivery: Delivery) -> None:
        self.seen.append(delivery)
        self.heard.set()
        if self.silent:
            return
        message = delivery.message
        _, _, _, component, worker, _, kind = message.subject.split(".")
        answer = self.command(message.data) if kind == "control" else self.run(worker, delivery)
        inbox = message.headers.get("Shem-Result-To", "nobody")
        for target in (inbox, f"shem.result.{component}.{worker}"):
            if self.results_to_lose:
                self.results_to_lose -= 1
            else:
                self.broker.signals.publish(target, answer)
        self.consumer.acknowledge(delivery.token)

    def command(self, data: bytes) -> bytes:
        if json.loads(data)["command"] == "create":
            return b'{"error":{"kind":"worker-exists","message":"alice exists"}}'
        return b'{"ok":{}}'

    def run(self, worker: str, delivery: Delivery) -> bytes:
        key = delivery.message.headers["Shem-Key"]
        if (worker, key) not in self.outcomes:
            self.outcomes[worker, key] = self.outcome(worker, key, delivery.message.data)
        return self.outcomes[worker, key]

    def outcome(self, worker: str, key: str, data: bytes) -> bytes:
        if not data.startswith(b"{"):
            return json.dumps({"key": key, "function": "get", "result": 7, "wave": "7"}).encode()
        call = json.loads(data)
        match call["function"]:
            case "add":
                self.totals[worker] = self.totals.get(worker, 0) + call["params"][0]
                return json.dumps({"key": key, "result": self.totals[worker]}).encode()
            case "nothing":
                return json.dumps({"key": key}).encode()
            case kind:
                error = {"kind": kind, "message": "no"}
                return json.dumps({"key": key, "error": error}).encode()


class Scene:
    def __init__(self) -> None:
        self.cluster = MemoryCluster(partitions=1)
        self.connection = self.cluster.connect()
        self.adder = Adder(self.cluster.connect())
        self.client = shem.Client(self.connection)


def run(scenario: Callable[[Scene], Awaitable[None]]) -> None:
    async def main() -> None:
        scene = Scene()
        await scene.adder.consumer.acquire(owner_is_dead=False)
        await scene.client.start()
        async with asyncio.timeout(30):
            await scenario(scene)
        await scene.client.close()

    asyncio.run(main())


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(invocations, "ASK_AGAIN_S", 0.01)


def test_an_invocation_returns_the_result_as_a_python_value():
    async def scenario(scene: Scene) -> None:
        alice = scene.client.worker("counter", "alice")
        assert await alice.invoke("add", 5) == 5
        assert await alice.invoke("add", 3) == 8
        assert await scene.client.worker("counter", "bob").invoke("add", 1) == 1
        assert await alice.invoke("nothing") is None
        assert await alice.call_wave("get()") == "7"

    run(scenario)


def test_what_is_scheduled_is_given_as_to_invoke_or_as_it_is_sent():
    at = datetime(2030, 1, 1, tzinfo=UTC)

    async def scenario(scene: Scene) -> None:
        alice = scene.client.worker("counter", "alice")

        async def sent(*given: object, **named: object) -> bytes:
            key = await alice.schedule(*given, at=at, **named)
            token = subjects.encode_token(f"key-{key}")
            stored = await scene.connection.journal.last(
                subjects.schedule("counter", "alice", token)
            )
            assert stored is not None
            return stored.data

        assert json.loads(await sent("add", 5)) == {"function": "add", "params": [5]}
        told = json.loads(await sent("add", named={"value": 5}, key="k"))
        assert told == {"function": "add", "params": {"value": 5}}
        assert await sent(b"add(5)") == b"add(5)"
        for wrong in (("add(5)",), (b"add", 5)):
            with pytest.raises(shem.BadRequestError, match="name of a function"):
                await sent(*wrong)
        with pytest.raises(shem.BadRequestError, match="no zone"):
            await alice.schedule("get", at=datetime(2030, 1, 1))  # noqa: DTZ001 - what is refused
        with pytest.raises(shem.BadRequestError, match=r"\[0\]"):
            await sent("add", object())

    run(scenario)


def test_parameters_that_are_given_twice_and_a_key_of_nothing_are_refused():
    async def scenario(scene: Scene) -> None:
        alice = scene.client.worker("counter", "alice")
        at = datetime(2030, 1, 1, tzinfo=UTC)
        twice = {"named": {"value": 3}}
        for wrong in (
            alice.invoke("add", 5, **twice),
            alice.publish("add", 5, **twice),
            alice.schedule("add", 5, at=at, **twice),
        ):
            with pytest.raises(shem.BadRequestError, match="by position or by name"):
                await wrong
        for wrong in (
            alice.invoke("add", 5, key=""),
            alice.publish("add", 5, key=""),
            alice.schedule("add", 5, key="", at=at),
        ):
            with pytest.raises(shem.BadRequestError, match="a key has 1 to 256 bytes"):
                await wrong

    run(scenario)


def test_a_payload_that_is_no_bytes_is_refused_and_the_error_says_what_is_taken():
    async def scenario(scene: Scene) -> None:
        alice = scene.client.worker("counter", "alice")
        text: Any = "get()"
        number: Any = 5
        for wrong in (alice.call(text), alice.send(text)):
            with pytest.raises(shem.BadRequestError, match=r"got a text: 'get\(\)'; send `payload"):
                await wrong
        for wrong in (alice.call(number), alice.send(number)):
            with pytest.raises(shem.BadRequestError, match="as bytes, got int; `invoke`"):
                await wrong
        assert (await alice.call(b"get()")).wave == "7"
        assert [each.message.data for each in scene.adder.seen] == [b"get()"]

    run(scenario)


def test_the_same_key_is_answered_with_the_same_outcome():
    async def scenario(scene: Scene) -> None:
        alice = scene.client.worker("counter", "alice")
        calls = [alice.invoke("add", 5, key="k") for _ in range(20)]
        assert await asyncio.gather(*calls) == [5] * 20
        other = shem.Client(scene.cluster.connect())
        await other.start()
        # Within the broker's window the message counts as a copy of the first, whose inbox is not
        # ours: the outcome must come all the same, and at once.
        assert await other.worker("counter", "alice").invoke("add", 5, key="k", timeout_s=4) == 5
        await other.close()

    run(scenario)


@pytest.mark.usefixtures("impatient")
def test_a_lost_result_is_asked_for_again_with_the_same_key():
    async def scenario(scene: Scene) -> None:
        scene.adder.results_to_lose = 4
        assert await scene.client.worker("counter", "alice").invoke("add", 5) == 5
        keys = {delivery.message.headers["Shem-Key"] for delivery in scene.adder.seen}
        ids = {delivery.message.headers.get("Nats-Msg-Id") for delivery in scene.adder.seen}
        assert len(keys) == 1
        assert len(ids) == len(scene.adder.seen) >= 3

    run(scenario)


def test_a_result_that_passed_while_the_connection_was_down_is_asked_for_at_once():
    async def scenario(scene: Scene) -> None:
        scene.adder.silent = True
        pending = asyncio.create_task(scene.client.worker("counter", "alice").invoke("add", 5))
        await scene.adder.heard.wait()
        scene.connection.disconnect()
        scene.adder.silent = False
        await scene.connection.reconnect()
        assert await pending == 5

    run(scenario)


def test_what_is_not_acknowledged_is_told_after_a_while():
    async def main() -> None:
        scene = Scene()
        await scene.client.start()
        alice = scene.client.worker("counter", "alice")
        scene.connection.disconnect()
        at = datetime(2030, 1, 1, tzinfo=UTC)
        for asking, what in (
            (alice.schedule("add", 1, at=at, key="k"), "the schedule of the key 'k'"),
            (alice.interrupt(), "the command 'interrupt'"),
        ):
            async with asyncio.timeout(60):
                with pytest.raises(shem.UnavailableError, match=f"did not acknowledge {what}"):
                    await asking

    virtual.run(main())


def test_an_ambiguous_publish_is_repeated_under_its_id_and_counts_once():
    async def scenario(scene: Scene) -> None:
        scene.cluster.faults.make_next_append_ambiguous(stored=True, subject="shem.invoke.>")
        alice = scene.client.worker("counter", "alice")
        assert await alice.invoke("add", 5, key="k") == 5
        assert await alice.invoke("add", 5, key="k") == 5
        assert await alice.invoke("add", 1) == 6

    run(scenario)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("bad-message", shem.BadRequestError),
        ("bad-parameters", shem.BadRequestError),
        ("unknown-function", shem.BadRequestError),
        ("too-large", shem.BadRequestError),
        ("trap", shem.GuestError),
        ("exited", shem.GuestError),
        ("out-of-memory", shem.GuestError),
        ("previous-invocation-failed", shem.WorkerStoppedError),
        ("interrupted", shem.WorkerStoppedError),
        ("cancelled", shem.WorkerStoppedError),
        ("deleted", shem.WorkerStoppedError),
        ("unknown-component", shem.UnknownComponentError),
        ("unavailable", shem.UnavailableError),
        ("internal", shem.InternalError),
        ("some-later-kind", shem.InvocationError),
    ],
)
def test_each_kind_of_error_has_its_class(kind: str, expected: type[shem.ShemError]):
    async def scenario(scene: Scene) -> None:
        with pytest.raises(expected) as caught:
            await scene.client.worker("counter", "alice").invoke(kind, key="k")
        assert caught.value.kind == kind
        assert caught.value.key == "k"

    run(scenario)


def test_a_call_that_takes_too_long_names_the_key_to_ask_with():
    async def scenario(scene: Scene) -> None:
        scene.adder.silent = True
        alice = scene.client.worker("counter", "alice")
        with pytest.raises(shem.ResultTimeoutError, match="durable") as caught:
            await alice.invoke("add", 5, timeout_s=0.05)
        scene.adder.silent = False
        assert caught.value.key is not None
        assert await alice.invoke("add", 5, key=caught.value.key) == 5
        assert await alice.invoke("add", 1) == 6

    run(scenario)


def test_fire_and_forget_returns_the_key_that_gets_the_outcome():
    async def scenario(scene: Scene) -> None:
        alice = scene.client.worker("counter", "alice")
        async with alice.results() as results:
            scene.adder.outcomes["alice", "k"] = b'{"key":"k","result":1}'
            assert await alice.publish("add", 5, key="k") == "k"
            result = await anext(results)
            assert (result.component, result.worker, result.outcome.value) == (
                "counter",
                "alice",
                1,
            )

    run(scenario)


def test_events_come_in_order_with_their_fields():
    async def scenario(scene: Scene) -> None:
        publish = scene.adder.broker.signals.publish
        async with (
            scene.client.worker("counter", "a/b").events() as mine,
            scene.client.events() as everybody,
        ):
            publish(subjects.event("counter", "a/b"), b'{"type":"stdout","message":"hi","index":3}')
            publish(subjects.event("counter", "c"), b'{"type":"status","status":"idle"}')
            event = await anext(mine)
            assert (event.worker, event.type, event.fields["message"]) == ("a/b", "stdout", "hi")
            assert [(await anext(everybody)).worker for _ in range(2)] == ["a/b", "c"]

    run(scenario)


def test_a_feed_that_is_read_too_slowly_says_so_instead_of_skipping():
    async def scenario(scene: Scene) -> None:
        async with scene.client.events() as events:
            subject = subjects.event("counter", "alice")
            for _ in range(BUFFERED_MAX + 1):
                scene.adder.broker.signals.publish(subject, b'{"type":"status"}')
            with pytest.raises(shem.LaggedError, match=str(BUFFERED_MAX)):
                async for _ in events:
                    pass

    run(scenario)


def test_a_feed_ends_with_its_block_for_who_waits_in_another_task():
    async def scenario(scene: Scene) -> None:
        feed = scene.client.events()
        async with feed:
            waiting = asyncio.ensure_future(anext(feed))
            await asyncio.sleep(0)
        with pytest.raises(StopAsyncIteration):
            await waiting
        with pytest.raises(RuntimeError, match="entered once"):
            await feed.__aenter__()

    run(scenario)


def test_a_feed_that_was_not_entered_says_so_instead_of_being_empty():
    async def scenario(scene: Scene) -> None:
        with pytest.raises(RuntimeError, match="async with"):
            await anext(scene.client.results())

    run(scenario)


def test_a_client_that_is_closed_tells_those_who_wait():
    async def scenario(scene: Scene) -> None:
        scene.adder.silent = True
        alice = scene.client.worker("counter", "alice")
        invoking = asyncio.ensure_future(alice.invoke("add", 1, key="k"))
        await scene.adder.heard.wait()
        scene.adder.heard.clear()
        commanding = asyncio.ensure_future(alice.resume())
        await scene.adder.heard.wait()
        async with scene.client.events() as feed:
            waiting = asyncio.ensure_future(anext(feed))
            await asyncio.sleep(0)
            await scene.client.close()
            await scene.client.close()
            with pytest.raises(StopAsyncIteration):
                await waiting
        with pytest.raises(shem.RefusedError, match="durable: ask again with the key 'k'") as told:
            await invoking
        assert (told.value.kind, told.value.key) == ("client-closed", "k")
        with pytest.raises(shem.RefusedError, match="the client is closed"):
            await commanding

    run(scenario)


def test_a_client_that_is_closed_takes_nothing_more():
    async def scenario(scene: Scene) -> None:
        alice = scene.client.worker("counter", "alice")
        await scene.client.close()
        for asked in (
            alice.invoke("add", 1),
            alice.publish("add", 1),
            alice.schedule("add", 1, at=datetime(2030, 1, 1, tzinfo=UTC)),
            alice.resume(),
            alice.status(),
            scene.client.schedules.pending("counter"),
            scene.client.components.add("counter", b"component", progress=print),
        ):
            with pytest.raises(shem.RefusedError, match="the client is closed"):
                await asked
        await scene.client.close()
        with pytest.raises(shem.RefusedError, match="the client is closed"):
            await alice.events().__aenter__()

    run(scenario)


def test_a_client_in_another_event_loop_is_refused_before_anything_is_sent():
    async def scenario(scene: Scene) -> None:
        alice = scene.client.worker("counter", "alice")
        at = datetime(2030, 1, 1, tzinfo=UTC)

        async def elsewhere() -> None:
            for asked in (
                alice.invoke("add", 1),
                alice.publish("add", 1),
                alice.schedule("add", 1, at=at),
                alice.resume(),
                alice.status(),
                alice.events().__aenter__(),
                scene.client.schedules.pending("counter"),
                scene.client.schedules.cancel("counter", "alice", "k"),
                scene.client.components.add("counter", b"component"),
                scene.client.components.add("counter", b"component", progress=print),
                scene.client.components.download("counter"),
                scene.client.close(),
            ):
                with pytest.raises(shem.RefusedError, match="belongs to the event loop") as told:
                    await asked
                assert told.value.kind == "other-event-loop"

        await asyncio.to_thread(asyncio.run, elsewhere())
        assert await alice.invoke("add", 5) == 5
        assert len(scene.adder.seen) == 1

    run(scenario)


def test_commands_are_answered_or_refused():
    async def scenario(scene: Scene) -> None:
        alice = scene.client.worker("counter", "alice")
        await alice.interrupt(recover=True)
        assert json.loads(scene.adder.seen[-1].message.data) == {
            "command": "interrupt",
            "recover": True,
        }
        with pytest.raises(shem.RefusedError, match="alice exists") as caught:
            await alice.create(env={"A": "1"}, version=2)
        assert caught.value.kind == "worker-exists"
        scene.adder.silent = True
        with pytest.raises(shem.ResultTimeoutError, match="durable"):
            await alice.command("resume", timeout_s=0.05)

    run(scenario)


def test_creation_settings_travel_as_headers():
    async def scenario(scene: Scene) -> None:
        alice = scene.client.worker("counter", "alice")
        await alice.invoke("add", 5, env={"A": "ü"}, args=["x"])
        headers = scene.adder.seen[-1].message.headers
        assert json.loads(headers["Shem-Env"]) == {"A": "ü"}
        assert json.loads(headers["Shem-Args"]) == ["x"]

    run(scenario)


def test_a_request_that_nobody_answers_says_what_to_do():
    async def scenario(scene: Scene) -> None:
        with pytest.raises(shem.UnavailableError, match="shem up"):
            await scene.client._requests.ask("component.list", {}, timeout_s=0.05)

    run(scenario)


def test_python_values_become_the_documented_json():
    assert to_json({"a": (1, None), "b": {"y", "x"}, "c": b"\xff"}) == {
        "a": [1, None],
        "b": ["x", "y"],
        "c": {"base64": "/w=="},
    }
    with pytest.raises(shem.BadRequestError, match=r"items\[1\]: object"):
        to_json([1, object()], "items")


def test_numbers_that_are_none_and_bytes_in_structs_have_a_json_form_too():
    @dataclass
    class Measured:
        price: float
        raw: bytes

    # As null each would be the none of an option.
    assert to_json([math.nan, math.inf, -math.inf, 2.5]) == ["nan", "inf", "-inf", 2.5]
    expected = {"price": "nan", "raw": {"base64": "/w=="}}
    assert to_json(Measured(math.nan, b"\xff")) == expected


def test_half_a_character_is_a_bad_parameter():
    with pytest.raises(shem.BadRequestError, match="half a character"):
        encode_call("say", ["\ud83d"])


@pytest.mark.parametrize(
    ("component", "worker"), [("", "a"), ("c", ""), ("c", "x" * 2_000), ("c", "\u20ac" * 600)]
)
def test_names_that_make_no_subject_are_refused_at_once(component, worker):
    async def scenario(scene: Scene) -> None:
        with pytest.raises(shem.BadRequestError, match="has 1 to 1536 bytes"):
            scene.client.worker(component, worker)

    run(scenario)


def test_the_front_door_exports_exactly_what_it_lists():
    # Names come in when they are asked for.
    found = {name: getattr(shem, name) for name in shem.__all__}
    public = {
        name
        for name, value in vars(shem).items()
        if not name.startswith("_") and not isinstance(value, ModuleType)
    }
    assert public <= set(shem.__all__)
    assert all(isinstance(value, type) or callable(value) for value in found.values())
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = shem.Nothing
