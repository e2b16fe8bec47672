"""Functions that only read: beside the queue, on the newest committed state, without a trace."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from broker import subjects
from tests.simulation.cluster import COMPONENT, PARTITIONS, Simulation, kinds
from tests.simulation.virtual import run

HOUR_MS = 3_600_000
READ_ONLY = ("get", "api/roll", "text", "leave", "trap", "step", "tell", "later")
Scene = Callable[[Simulation], Awaitable[None]]
MAILBOX = subjects.mailbox(COMPONENT, "a", PARTITIONS, "invoke")


def play(scene: Scene, *more: str, **options: Any) -> None:
    async def main() -> None:
        settings = {"read_only": (*READ_ONLY, *more)}
        async with Simulation(settings=settings, **options) as simulation:
            await scene(simulation)

    run(main())


async def waiting(simulation: Simulation) -> int:
    return sum((await simulation.client.journal.subjects(MAILBOX)).values())


def test_a_read_sees_what_was_committed_and_leaves_no_entry() -> None:
    async def scene(simulation: Simulation) -> None:
        simulation.start()
        for total in range(5, 25, 5):
            await simulation.invoke("a", "add", 5, key=f"add-{total}")
            outcome = await simulation.invoke("a", "get", key=f"get-{total}")
            assert outcome["result"] == total
            assert outcome["function"] == "demo:counter/api.{get}"
        log = await simulation.log("a")
        assert kinds(log).count("exported-function-invoked") == 4
        assert len(log) == 1 + 2 * 4

    play(scene)


def test_a_read_does_not_wait_for_a_long_invocation() -> None:
    async def scene(simulation: Simulation) -> None:
        simulation.start()
        await simulation.invoke("a", "add", 5, key="k1")
        await simulation.publish("a", "nap", 8_000, key="long")
        await simulation.publish("a", "add", 5, key="behind")
        await asyncio.sleep(1)
        for number in range(3):
            outcome = await simulation.invoke("a", "get", key=f"get-{number}")
            assert outcome["result"] == 5
        assert "long" not in simulation.results
        assert "error" not in await simulation.result("behind")
        assert (await simulation.invoke("a", "get", key="after"))["result"] == 11
        # One copy was saved for all three, and one afterwards.
        assert simulation.engine.counts.restored == 3

    play(scene)


@pytest.mark.parametrize("refusal", [None, "it holds a socket"])
def test_a_read_does_not_wake_a_worker_that_has_left_memory(refusal: str | None) -> None:
    async def scene(simulation: Simulation) -> None:
        simulation.engine.counts.refusal = refusal
        node = simulation.start()
        await simulation.invoke("a", "add", 5, key="k1")
        await simulation.publish("a", "nap", HOUR_MS, key="long")
        await simulation.publish("a", "add", 5, key="behind")
        await asyncio.sleep(60)
        assert node.executor.describe().workers == 0
        before = await simulation.log("a")
        for number in range(2):
            assert (await simulation.invoke("a", "get", key=f"get-{number}"))["result"] == 5
        await asyncio.sleep(1)
        assert await simulation.log("a") == before
        # What waits in the queue is still there, and what was read is not.
        assert await waiting(simulation) <= 3
        assert (await simulation.result("long", within_s=2 * HOUR_MS / 1_000))["result"] == HOUR_MS
        assert (await simulation.result("behind"))["result"] == 11

    play(scene, snapshots="never")


def test_what_cannot_be_copied_is_replayed_for_each_read() -> None:
    async def scene(simulation: Simulation) -> None:
        simulation.engine.counts.refusal = "it holds a socket"
        simulation.start()
        await simulation.invoke("a", "add", 5, key="k1")
        assert (await simulation.invoke("a", "step", 1, 7, key="s1"))["result"] == 0
        # It was told the same number before, if it remembered.
        assert (await simulation.invoke("a", "step", 1, 7, key="s2"))["result"] == 0
        assert simulation.engine.counts.restored == 0
        assert simulation.engine.counts.instantiated == 3

    play(scene)


def test_what_a_read_changes_is_forgotten() -> None:
    async def scene(simulation: Simulation) -> None:
        simulation.start()
        await simulation.invoke("a", "add", 5, key="k1")
        for number in range(3):
            assert (await simulation.invoke("a", "step", 1, 7, key=f"s{number}"))["result"] == 0
        assert (await simulation.invoke("a", "get", key="k2"))["result"] == 5

    play(scene)


def test_a_read_may_ask_for_time_and_chance_and_wait_a_little() -> None:
    async def scene(simulation: Simulation) -> None:
        simulation.start()
        await simulation.invoke("a", "add", 5, key="k1")
        assert "result" in await simulation.invoke("a", "roll", key="r1")
        assert (await simulation.invoke("a", "nap", 15_000, key="r2"))["result"] >= 15_000
        assert len(await simulation.log("a")) == 3

    play(scene, "nap")


@pytest.mark.parametrize(
    ("function", "params", "kind"),
    [
        ("ask", ("b", "get", 0), "read-only"),
        ("tell", ("b", 3), "read-only"),
        ("later", ("b", HOUR_MS, 5, 0), "read-only"),
        ("trap", (), "trap"),
        ("leave", (3,), "exited"),
        ("nap", (HOUR_MS,), "timed-out"),
        ("text", (-1,), "bad-parameters"),
    ],
)
def test_a_read_that_goes_wrong_harms_nobody(
    function: str, params: tuple[Any, ...], kind: str
) -> None:
    async def scene(simulation: Simulation) -> None:
        simulation.start()
        await simulation.invoke("a", "add", 5, key="k1")
        await simulation.publish("a", function, *params, key="r1")
        outcome = await simulation.result("r1", within_s=120)
        assert outcome["error"]["kind"] == kind, outcome
        assert (await simulation.invoke("a", "add", 5, key="k2"))["result"] == 10
        assert kinds(await simulation.log("a")).count("error") == 0
        await asyncio.sleep(5)
        assert await simulation.log("b") == []

    play(scene, "nap", "ask")


def test_the_first_read_of_a_worker_creates_it() -> None:
    async def scene(simulation: Simulation) -> None:
        simulation.start()
        headers = {"Shem-Env": '{"A": "1"}', "Shem-Args": '["x"]'}
        await simulation.publish("a", "get", key="r1", headers=headers)
        assert (await simulation.result("r1"))["result"] == 0
        (created,) = await simulation.log("a")
        assert ["A", "1"] in created["env"]
        assert created["args"] == ["x"]

    play(scene)


@pytest.mark.parametrize("suspend_after_s", [0.5, 60.0])
def test_a_read_of_a_caller_by_its_callee_is_no_circle(suspend_after_s: float) -> None:
    async def scene(simulation: Simulation) -> None:
        await simulation.upload("other", simulation.engine.COUNTER)
        simulation.start()
        await simulation.invoke("other/o", "add", 3, key="k1")
        # o calls a, which naps and then asks nobody; meanwhile p reads o.
        await simulation.publish("other/o", "ask", "a", "nap", 5_000, key="k2")
        await asyncio.sleep(1)
        assert (await simulation.invoke("other/p", "ask", "a", "get", 0, key="k3"))["result"] == "0"
        assert int((await simulation.result("k2"))["result"]) >= 5_000

    play(scene, suspend_after_s=suspend_after_s)


def test_a_worker_may_call_what_only_reads_of_itself() -> None:
    async def main() -> None:
        async with Simulation(settings={"read_only": ["get"]}) as simulation:
            simulation.start()
            await simulation.invoke("a", "add", 5, key="k1")
            outcome = await simulation.invoke("a", "ask", "a", "demo:counter/api.{get}", 0, key="k")
            assert outcome["result"] == "5", outcome
            outcome = await simulation.invoke("a", "ask", "a", "add", 1, key="k3")
            assert "deadlock" in outcome["result"]

    run(main())


@pytest.mark.parametrize("turns", [*range(1, 60, 3), *range(60, 300, 20)])
def test_an_executor_that_dies_while_it_reads_leaves_the_read_to_the_next(turns: int) -> None:
    async def scene(simulation: Simulation) -> None:
        loop = asyncio.get_running_loop()
        node = simulation.start()
        await simulation.invoke("a", "add", 5, key="k1")
        await simulation.publish("a", "nap", 3_000, key="long")
        await asyncio.sleep(1)
        await simulation.publish("a", "get", key="r1")
        await simulation.publish("b", "ask", "a", "get", 0, key="r2")
        # It overtakes what is before it, and the watermark must not pass it either.
        await simulation.publish("a", "add", 5, key="behind")
        loop.strike_after(turns, node.kill)  # type: ignore[attr-defined] # a virtual loop
        await asyncio.wait({node.task})
        simulation.start()
        assert (await simulation.result("r1"))["result"] in {5, 6, 11}
        assert (await simulation.result("r2"))["result"] in {"5", "6", "11"}
        await simulation.result("behind")
        assert (await simulation.invoke("a", "get", key="r3"))["result"] == 11
        await asyncio.sleep(5)
        assert await waiting(simulation) <= 3

    play(scene)


def test_many_reads_of_one_worker_end_and_leave_an_empty_mailbox() -> None:
    async def scene(simulation: Simulation) -> None:
        simulation.start()
        await simulation.invoke("a", "add", 5, key="k1")
        for number in range(1_300):
            await simulation.publish("a", "get", key=f"r{number}")
        outcomes = [await simulation.result(f"r{number}") for number in range(1_300)]
        assert all(
            each.get("result") == 5 or each["error"]["kind"] == "worker-busy" for each in outcomes
        )
        await asyncio.sleep(5)
        assert await waiting(simulation) <= 1
        assert len(await simulation.log("a")) == 3

    play(scene)


def test_reads_of_a_deleted_a_failed_and_an_interrupted_worker() -> None:
    async def scene(simulation: Simulation) -> None:
        simulation.start()
        await simulation.invoke("a", "add", 5, key="k1")
        await simulation.publish("a", "nap", HOUR_MS, key="long")
        await asyncio.sleep(1)
        await simulation.command("a", {"command": "interrupt"})
        assert (await simulation.invoke("a", "get", key="r1"))["result"] == 5
        await simulation.publish("a", "pause", 50_000, key="r2")
        await asyncio.sleep(1)
        await simulation.command("a", {"command": "delete"})
        assert (await simulation.result("r2"))["error"]["kind"] == "deleted"
        assert (await simulation.invoke("a", "get", key="r3"))["result"] == 0

    play(scene, "pause")
