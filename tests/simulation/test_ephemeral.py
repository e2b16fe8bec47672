"""Ephemeral workers: an instance for each invocation, which nothing brings back."""

import asyncio
from collections.abc import Awaitable, Callable

from tests.simulation.cluster import Simulation, kinds
from tests.simulation.scripted import ScriptedEngine
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
