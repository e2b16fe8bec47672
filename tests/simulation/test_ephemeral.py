"""Ephemeral workers: an instance for each invocation, which nothing brings back."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from broker.errors import UnavailableError
from tests.simulation.cluster import Node, Simulation, kinds
from tests.simulation.scripted import ScriptedEngine
from tests.simulation.versions import Versions, bytes_of
from tests.simulation.virtual import run

Scene = Callable[[Simulation], Awaitable[None]]


def play(scene: Scene) -> None:
    async def main() -> None:
        async with Simulation() as simulation:
            await simulation.upload("brief", ScriptedEngine.COUNTER, kind="ephemeral")
            await scene(simulation)

    run(main())


def test_every_invocation_begins_afresh() -> None:
    async def scene(simulation: Simulation) -> None:
        simulation.start()
        for number, worker in enumerate(("brief/x", "brief/y", "brief/x", "brief/x")):
            outcome = await simulation.invoke(worker, "add", 5, key=f"k{number}")
            assert outcome["result"] == 5
        # The log is there to be looked at, and a key is executed once.
        assert kinds(await simulation.log("brief/x")).count("exported-function-completed") == 3
        await simulation.publish("brief/x", "add", 5, key="k0")
        await asyncio.sleep(5)
        assert kinds(await simulation.log("brief/x")).count("exported-function-invoked") == 3

    play(scene)


def test_nothing_is_replayed_and_a_crash_is_told() -> None:
    async def scene(simulation: Simulation) -> None:
        node = simulation.start()
        await simulation.invoke("brief/x", "roll", key="k1")
        await simulation.publish("brief/x", "nap", 3_600_000, key="k2")
        await asyncio.sleep(60)
        # It never leaves memory: there would be no way back.
        assert node.executor.describe().workers == 1
        node.kill()
        simulation.start()
        outcome = await simulation.result("k2")
        assert outcome["error"]["kind"] == "lost"
        assert (await simulation.invoke("brief/x", "add", 1, key="k3"))["result"] == 1

    play(scene)


def test_a_failure_is_final_and_harms_nobody() -> None:
    async def scene(simulation: Simulation) -> None:
        simulation.start()
        outcome = await simulation.invoke("brief/x", "trap", key="k1")
        assert outcome["error"]["kind"] == "trap"
        outcome = await simulation.invoke("brief/x", "leave", 3, key="k2")
        assert outcome["error"]["kind"] == "exited"
        assert (await simulation.invoke("brief/x", "add", 1, key="k3"))["result"] == 1
        assert "error" not in kinds(await simulation.log("brief/x"))

    play(scene)


def test_a_durable_worker_calls_ephemeral_ones_in_parallel() -> None:
    async def scene(simulation: Simulation) -> None:
        node = simulation.start()
        await simulation.publish("a", "spread", 20, 30_000, key="k1")
        await asyncio.sleep(20)
        node.kill()
        simulation.start()
        # The nappers died with the executor and say so; the caller goes on.
        outcome = await simulation.result("k1", within_s=100)
        assert outcome["result"].startswith("remote-internal-error: lost")

    play(scene)


def test_ephemeral_ones_run_in_parallel_and_leave_nothing_behind() -> None:
    async def scene(simulation: Simulation) -> None:
        node = simulation.start()
        begun = asyncio.get_running_loop().time()
        assert (await simulation.invoke("a", "spread", 50, 9_000, key="k1"))["result"] == "1"
        assert asyncio.get_running_loop().time() - begun < 15
        await asyncio.sleep(1)
        assert node.executor.describe().workers == 1

    play(scene)


KEPT_S = 60


def play_kept(scene: Scene) -> None:
    async def main() -> None:
        env = {"SHEM_EPHEMERAL_KEPT_S": str(KEPT_S)}
        async with Simulation() as simulation:
            counter = ScriptedEngine.COUNTER
            await simulation.upload("brief", counter, kind="ephemeral", env=env)
            await scene(simulation)

    run(main())


async def left_behind(simulation: Simulation, kind: str = ">") -> int:
    """How many messages the broker still has of ephemeral workers."""
    return sum((await simulation.client.journal.subjects(f"shem.oplog.*.brief.{kind}")).values())


def test_what_ephemeral_workers_leave_is_removed_when_it_is_old() -> None:
    async def scene(simulation: Simulation) -> None:
        simulation.start()
        for number in range(30):
            await simulation.invoke(f"brief/{number}", "add", 5, key=f"k{number}")
        await asyncio.sleep(KEPT_S / 2)
        # Its time begins anew with every invocation.
        await simulation.invoke("brief/0", "add", 5, key="again")
        await simulation.invoke("a", "add", 5, key="durable")
        assert await left_behind(simulation, "*.log") >= 31
        await asyncio.sleep(KEPT_S / 2 + 5)
        assert len(await simulation.client.journal.subjects("shem.oplog.*.brief.>")) <= 2
        assert kinds(await simulation.log("brief/0")).count("exported-function-completed") == 2
        await asyncio.sleep(KEPT_S / 2)
        assert await left_behind(simulation) == 0
        assert (await simulation.invoke("a", "get", key="g"))["result"] == 5
        # The name is free again.
        assert (await simulation.invoke("brief/0", "add", 5, key="new"))["result"] == 5

    play_kept(scene)


def test_the_next_owner_finds_what_it_did_not_see() -> None:
    async def scene(simulation: Simulation) -> None:
        node = simulation.start()
        for number in range(5):
            await simulation.invoke(f"brief/{number}", "add", 5, key=f"k{number}")
        node.kill()
        await asyncio.sleep(KEPT_S / 2)
        simulation.start()
        await asyncio.sleep(KEPT_S / 2 - 5)
        assert await left_behind(simulation, "*.log") >= 5
        await asyncio.sleep(2 * KEPT_S)
        assert await left_behind(simulation) == 0

    play_kept(scene)


@pytest.mark.parametrize("fate", ["lives", "dies", "is not heard"])
def test_what_asked_again_does_not_run_once_the_log_is_gone(fate: str) -> None:
    async def scene(simulation: Simulation) -> None:
        node = simulation.start()
        await simulation.invoke("brief/x", "add", 5, key="k1")
        if fate == "is not heard":
            _fail_to_purge_once(node)
        simulation.results.clear()
        await simulation.publish("brief/x", "add", 5, key="k1", message_id="again")
        assert (await simulation.result("k1"))["result"] == 5
        if fate == "dies":
            node.kill()
            simulation.start()
        await asyncio.sleep(4 * KEPT_S)
        assert await left_behind(simulation) == 0
        assert (await simulation.invoke("brief/x", "add", 1, key="k2"))["result"] == 1
        assert kinds(await simulation.log("brief/x")).count("exported-function-invoked") == 1

    play_kept(scene)


def _fail_to_purge_once(node: Node) -> None:
    journal = node.broker.journal
    purge = journal.purge

    async def fail(subject: str, **options: Any) -> int:
        del subject, options
        journal.purge = purge
        raise UnavailableError("no answer in time")

    journal.purge = fail


def test_what_runs_for_longer_than_logs_are_kept_is_not_taken_away() -> None:
    async def scene(simulation: Simulation) -> None:
        simulation.start()
        await simulation.publish("brief/y", "nap", 5_000 * KEPT_S, key="k2")
        await asyncio.sleep(3 * KEPT_S)
        assert await simulation.log("brief/y") != []
        outcome = await simulation.result("k2", within_s=10 * KEPT_S)
        assert outcome["result"] == 5_000 * KEPT_S
        await asyncio.sleep(2 * KEPT_S)
        assert await left_behind(simulation) == 0

    play_kept(scene)


def test_an_executor_that_dies_while_it_removes_leaves_a_part_that_harms_nobody() -> None:
    # What the next executor found: messages of the log and of the mailbox.
    parts: set[tuple[int, int]] = set()
    for turns in range(1, 30):
        _die_while_removing(turns, parts)
    assert len(parts) >= 3, parts


def _die_while_removing(turns: int, parts: set[tuple[int, int]]) -> None:
    async def scene(simulation: Simulation) -> None:
        loop = asyncio.get_running_loop()
        node = simulation.start()
        await simulation.invoke("brief/x", "add", 5, key="k1")
        await asyncio.sleep(KEPT_S - 0.01)
        assert await left_behind(simulation, "x.log") > 0
        loop.strike_after(turns, node.kill)  # type: ignore[attr-defined] # a virtual loop
        await asyncio.wait({node.task}, timeout=10)
        parts.add((await left_behind(simulation, "x.log"), await left_behind(simulation, "x.in.*")))
        simulation.start()
        assert (await simulation.invoke("brief/x", "add", 1, key="k2"))["result"] == 1
        await asyncio.sleep(3 * KEPT_S)
        assert await left_behind(simulation) == 0

    play_kept(scene)


def test_operators_are_refused_what_an_ephemeral_worker_cannot_do() -> None:
    async def scene(simulation: Simulation) -> None:
        await simulation.upload("brief", ScriptedEngine.COUNTER, kind="ephemeral")
        simulation.start()
        await simulation.invoke("brief/x", "add", 5, key="k1")
        await simulation.publish("brief/x", "nap", 8_000, key="k2")
        await asyncio.sleep(1)
        recover = {"command": "interrupt", "recover": True}
        answer = await simulation.command("brief/x", recover)
        assert answer["error"]["kind"] == "cannot-recover"
        for mode in ("automatic", "snapshot-based"):
            update = {"command": "update", "version": 1, "mode": mode}
            answer = await simulation.command("brief/x", update)
            assert answer["error"]["kind"] == "cannot-update"
            assert "one invocation" in answer["error"]["message"]
        for order, kind in (
            ({"command": "fork", "worker": "y"}, "cannot-fork"),
            ({"command": "fork", "worker": "y", "at": 2}, "cannot-fork"),
            ({"command": "revert", "last-oplog-index": 2}, "cannot-recover"),
            ({"command": "revert", "invocations": 1}, "cannot-recover"),
        ):
            answer = await simulation.command("brief/x", order)
            assert answer["error"]["kind"] == kind
            assert "one invocation" in answer["error"]["message"]
        # What ran meanwhile was not stopped for it.
        assert (await simulation.result("k2"))["result"] == 8_000
        assert kinds(await simulation.log("brief/x")).count("restart") == 0
        # Nor is it by one that has nothing to do.
        answer = await simulation.command("brief/x", {"command": "revert", "invocations": 1})
        assert answer["error"]["kind"] == "cannot-recover"
        assert (await simulation.invoke("brief/x", "add", 1, key="k1"))["result"] == 5

    play(scene)


def test_a_guest_cannot_copy_itself_nor_go_back() -> None:
    async def main() -> None:
        async with Simulation(engine=Versions(), component=bytes_of("First")) as simulation:
            await simulation.upload("brief", bytes_of("First"), kind="ephemeral")
            simulation.start()
            outcome = await simulation.invoke("brief/x", "split", "copy", key="split")
            assert outcome["error"]["kind"] == "trap"
            assert "fork: brief/x is ephemeral" in outcome["error"]["message"]
            # It goes back when it draws an odd number.
            asked = [await simulation.invoke("brief/x", "back", key=f"b{n}") for n in range(20)]
            refused = [each["error"]["message"] for each in asked if "error" in each]
            assert refused
            assert all("set-oplog-index: brief/x is ephemeral" in each for each in refused)
            assert await simulation.log("brief/copy") == []

    run(main())
