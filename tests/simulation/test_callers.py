"""Callers and callees that are changed while they wait for each other, and what they hand on."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from broker import subjects
from oplog.headers import peek
from tests.simulation.cluster import COMPONENT, PARTITIONS, Simulation, kinds
from tests.simulation.scripted import Counter, ScriptedEngine
from tests.simulation.virtual import run

HOUR_MS = 3_600_000
Scene = Callable[[Simulation], Awaitable[None]]


def play(scene: Scene, **options: Any) -> None:
    async def main() -> None:
        async with Simulation(**options) as simulation:
            await scene(simulation)

    run(main())


def invoked(log: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [entry for entry in log if entry["type"] == "exported-function-invoked"]


@pytest.mark.parametrize("suspend_after_s", [1.0, 600.0])
@pytest.mark.parametrize("dies", ["no", "dies"])
def test_a_caller_that_is_reverted_while_it_waits_ignores_the_answer(
    suspend_after_s: float, dies: str
) -> None:
    async def scene(simulation: Simulation) -> None:
        node = simulation.start()
        await simulation.invoke("a", "add", 100, key="k1")
        await simulation.publish("a", "ask", "b", "nap", 60_000, key="k2")
        await asyncio.sleep(10)
        answer = await simulation.command("a", {"command": "revert", "invocations": 1})
        assert "ok" in answer, answer
        # The very index at which it waited holds another call now.
        await simulation.publish("a", "ask", "c", "nap", 90_000, key="k3")
        if dies == "dies":
            node.kill()
            simulation.start()
        assert (await simulation.result("k3", within_s=200))["result"] == "90000"
        assert (await simulation.invoke("a", "get", key="k4"))["result"] == 101
        # The callee's state shows the call that its caller has undone: it was made.
        assert (await simulation.invoke("b", "get", key="k5"))["result"] == 1

    play(scene, suspend_after_s=suspend_after_s)


@pytest.mark.parametrize("suspend_after_s", [1.0, 600.0])
def test_a_caller_that_is_forked_while_it_waits_gets_one_answer_and_its_copy_another(
    suspend_after_s: float,
) -> None:
    async def scene(simulation: Simulation) -> None:
        simulation.start()
        await simulation.publish("a", "ask", "b", "nap", 60_000, key="k1")
        await asyncio.sleep(10)
        assert "ok" in await simulation.command("a", {"command": "fork", "worker": "copy"})
        assert (await simulation.result("k1", within_s=200))["result"] == "60000"
        # What was under way is one call for both; the copy is told its outcome, too.
        await asyncio.sleep(100)
        for name in ("a", "copy", "b"):
            assert (await simulation.invoke(name, "get", key=f"get-{name}"))["result"] == 1
        assert len(invoked(await simulation.log("b"))) == 2
        # What the copy calls from now on has keys of its own, at the same place of its log.
        for name in ("a", "copy"):
            await simulation.publish(name, "ask", "c", "add", 1, key="same")
        await asyncio.sleep(30)
        assert (await simulation.invoke("c", "get", key="get-c"))["result"] == 2
        keys = [entry["idempotency-key"] for entry in invoked(await simulation.log("c"))]
        assert len(set(keys)) == 3

    play(scene, suspend_after_s=suspend_after_s)


def test_a_caller_that_is_deleted_while_it_waits_is_not_made_anew_by_the_answer() -> None:
    async def scene(simulation: Simulation) -> None:
        simulation.start()
        await simulation.publish("a", "ask", "b", "nap", 60_000, key="k1")
        await asyncio.sleep(30)
        await simulation.command("a", {"command": "delete"})
        assert (await simulation.result("k1"))["error"]["kind"] == "deleted"
        await asyncio.sleep(100)
        # What is left is its tombstone.
        last = await simulation.client.journal.last(subjects.log(COMPONENT, "a", PARTITIONS))
        assert peek(last.headers, sequence=last.sequence).is_tombstone
        assert (await simulation.invoke("b", "get", key="k2"))["result"] == 1

    play(scene)


@pytest.mark.parametrize("function", ["ask", "tell", "later"])
def test_a_callee_that_a_call_creates_inherits_arguments_and_environment(function: str) -> None:
    async def scene(simulation: Simulation) -> None:
        simulation.start()
        headers = {"Shem-Env": '{"COLOUR": "red"}', "Shem-Args": '["-v", "x"]'}
        params = {"ask": ("b", "add", 1), "tell": ("b", 1), "later": ("b", 1_000, 1, 0)}[function]
        await simulation.publish("a", function, *params, key="k1", headers=headers)
        await simulation.result("k1")
        await asyncio.sleep(10)
        created = (await simulation.log("b"))[0]
        assert created["args"] == ["-v", "x"]
        env = dict(created["env"])
        assert env["COLOUR"] == "red"
        assert env["SHEM_WORKER_NAME"] == "b"
        # Who exists keeps what it has.
        other = {"Shem-Env": '{"COLOUR": "blue"}'}
        await simulation.publish("z", "ask", "b", "add", 1, key="k2", headers=other)
        await simulation.result("k2")
        assert dict((await simulation.log("b"))[0]["env"])["COLOUR"] == "red"

    play(scene)


@pytest.mark.parametrize("function", ["ask", "fan", "tell", "later"])
def test_the_trace_goes_on_at_the_callee(function: str) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"

    async def scene(simulation: Simulation) -> None:
        simulation.start()
        headers = {"traceparent": f"00-{trace}-b7ad6b7169203331-01", "tracestate": "vendor=1"}
        params: tuple[Any, ...] = {
            "ask": ("part-0", "add", 1),
            "fan": (1, 10),
            "tell": ("part-0", 1),
            "later": ("part-0", 1_000, 1, 0),
        }[function]
        await simulation.publish("a", function, *params, key="k1", headers=headers)
        await simulation.result("k1")
        await asyncio.sleep(10)
        for entry in invoked(await simulation.log("part-0")):
            assert entry["traceparent"].split("-")[1] == trace
            assert entry["tracestate"] == "vendor=1"

    play(scene)


def test_one_call_is_given_up_by_its_caller_and_its_answer_ignored() -> None:
    async def scene(simulation: Simulation) -> None:
        node = simulation.start()
        told = await simulation.invoke("a", "hurry", "b", 60_000, 5_000, key="k1")
        assert told["result"] == "too late"
        told = await simulation.invoke("a", "hurry", "c", 1_000, 5_000, key="k2")
        assert told["result"] == "1000"
        node.kill()
        simulation.start()
        await asyncio.sleep(100)
        assert (await simulation.invoke("a", "get", key="k3"))["result"] == 2
        assert (await simulation.invoke("b", "get", key="k4"))["result"] == 1

    play(scene)


@pytest.mark.parametrize("crash", [None, *range(1, 16)])
def test_a_callee_is_updated_while_it_is_called(crash: int | None) -> None:
    async def scene(simulation: Simulation) -> None:
        node = simulation.start()
        await simulation.invoke("b", "add", 10, key="k0")
        await simulation.upload(COMPONENT, ScriptedEngine.COUNTER, env={"V": "1"})
        if crash is not None:
            node.broker.journal.crash_at = (node.broker.journal.appends + crash, "after")
            reviver = asyncio.create_task(asyncio.wait({node.task}))
            reviver.add_done_callback(lambda _: simulation.start())
        await simulation.publish("a", "ask", "b", "nap", 30_000, key="k1")
        await asyncio.sleep(2)
        update = {"command": "update", "version": 1, "mode": "automatic"}
        await simulation.client.journal.publish(
            subjects.control(COMPONENT, "b"), json.dumps(update).encode(), message_id="update"
        )
        assert (await simulation.result("k1", within_s=200))["result"] == "30000"
        assert (await simulation.invoke("b", "get", key="k2"))["result"] == 11
        log = await simulation.log("b")
        assert kinds(log).count("successful-update") == 1
        assert len(invoked(log)) == 3

    play(scene)


@pytest.mark.parametrize("function", ["flaky", "trap"])
def test_a_callee_that_fails_is_tried_again_before_its_caller_hears(function: str) -> None:
    async def scene(simulation: Simulation) -> None:
        simulation.start()
        Counter.misfortunes = 2
        told = await simulation.invoke("a", "ask", "b", function, 2, key="k1")
        Counter.misfortunes = 0
        log = kinds(await simulation.log("b"))
        if function == "flaky":
            assert told["result"] == "2"
            assert log.count("error") == 2
        else:
            assert told["result"].startswith("remote-internal-error: trap")
            assert log.count("error") == 3
        assert log.count("exported-function-completed") == 1

    play(scene)


def test_a_component_says_whose_workers_may_call_its_own() -> None:
    async def main() -> None:
        env = {"SHEM_CALLERS": "friend, other"}
        async with Simulation(settings={"env": env}) as simulation:
            for name in ("friend", "foe"):
                await simulation.upload(name, ScriptedEngine.COUNTER)
            simulation.start()
            for caller in ("friend/x", "counter/x"):
                told = await simulation.invoke(caller, "ask", "b", "add", 1, key=f"a-{caller}")
                assert told["result"].isdigit(), told
            told = await simulation.invoke("foe/x", "ask", "b", "add", 1, key="d1")
            assert told["result"].startswith("denied: denied: component 'counter'")
            # Nor without waiting, nor later. Clients from outside are not meant.
            outcome = await simulation.invoke("foe/x", "later", "b", 1_000, 1, 0, key="d2")
            assert "denied" in outcome["error"]["message"]
            await asyncio.sleep(10)
            assert (await simulation.invoke("b", "get", key="g"))["result"] == 2

    run(main())


@pytest.mark.parametrize("downtime", ["up", "down"])
def test_a_scheduled_message_from_plain_nats_runs_once_and_late_rather_than_never(
    downtime: str,
) -> None:
    async def scene(simulation: Simulation) -> None:
        node = simulation.start()
        journal = simulation.client.journal
        due_ns = simulation.cluster.clock.now_ns() + 60 * 10**9
        for attempt in range(2):
            await journal.schedule(
                subjects.schedule(COMPONENT, "w", "mine"),
                b"add(5)",
                target=subjects.invoke(COMPONENT, "w"),
                at_ns=due_ns,
                message_id=f"again-{attempt}",
                headers={"Shem-Key": "mine"},
            )
        if downtime == "down":
            node.kill()
            await asyncio.sleep(3_600)
            simulation.start()
        else:
            await asyncio.sleep(59)
            assert await simulation.log("w") == []
        assert (await simulation.result("mine", within_s=30))["result"] == 5
        await asyncio.sleep(60)
        assert len(invoked(await simulation.log("w"))) == 1

    play(scene)


@pytest.mark.parametrize("crash", [None, *range(1, 14)])
def test_a_guest_chooses_how_long_its_calls_may_take(crash: int | None) -> None:
    """By `shem:rpc/timeouts`, against the time-out of its component."""

    async def scene(simulation: Simulation) -> None:
        node = simulation.start()
        headers = {"Shem-Env": '{"SHEM_CALL_TIMEOUT_S": "20"}'}
        await simulation.publish("a", "get", key="k0", headers=headers)
        await simulation.result("k0")
        if crash is not None:
            node.broker.journal.crash_at = (node.broker.journal.appends + crash, "after")
            reviver = asyncio.create_task(asyncio.wait({node.task}))
            reviver.add_done_callback(lambda _: simulation.start())
        for key, worker, ms, patience_ms, answer in (
            ("k1", "b", 15_000, 5_000, "remote-internal-error: timed-out"),
            ("k2", "c", 25_000, 40_000, "25"),
            ("k3", "d", 25_000, 10**12, "25"),
        ):
            await simulation.publish("a", "impatient", worker, ms, patience_ms, key=key)
            told = (await simulation.result(key, within_s=100))["result"]
            assert told.startswith(answer), told
        # Nothing is left of it: what the component says counts again.
        await simulation.publish("a", "ask", "e", "nap", 25_000, key="k4")
        told = (await simulation.result("k4", within_s=100))["result"]
        assert told.startswith("remote-internal-error: timed-out"), told
        deadlines = [
            entry["asks"].get("deadline-ms")
            for entry in await simulation.log("a")
            if "asks" in entry
        ]
        assert [each is None for each in deadlines] == [False, False, True, False]

    play(scene)
