"""Guests that copy themselves and copy, revert and update others, crashed around every append."""

import asyncio
from typing import Any

import pytest

from actors.statuses import Statuses
from broker.layout import DUPLICATE_WINDOW_S
from oplog.status import Status
from tests.replay.harness import one_entry_per_commit
from tests.simulation.cluster import COMPONENT, Simulation, kinds
from tests.simulation.versions import Versions, bytes_of
from tests.simulation.virtual import run

APPENDS = range(1, 34)


async def ready(simulation: Simulation) -> None:
    """A worker that has added 1, 2 and 3, and a second version of its component."""
    for number in range(1, 4):
        await simulation.publish("a", "add", number, key=f"k{number}")
        await simulation.result(f"k{number}", within_s=600)
    await simulation.upload(COMPONENT, bytes_of("Compatible"))


async def crash_at(simulation: Simulation, append: int, *, away_s: float = 0) -> Any:
    node = simulation.start()
    node.broker.journal.crash_at = (append, "after" if append % 2 else "before")

    return asyncio.create_task(simulation.revive(node, after_s=away_s))


async def status(simulation: Simulation, worker: str) -> Status:
    found = await Statuses(simulation.client).find(COMPONENT, worker)
    assert found is not None
    return found


def moved(simulation: Simulation) -> None:
    """Everything from here on is what the logs say."""
    for each in simulation.nodes:
        if not each.task.done():
            each.kill()
    simulation.start()


# Longer than the broker knows what it has stored: what is sent again then comes twice.
@pytest.mark.parametrize("away_s", [0, DUPLICATE_WINDOW_S + 1])
@pytest.mark.parametrize("append", APPENDS)
def test_a_guest_manages_another_worker(append: int, away_s: float) -> None:
    async def main() -> None:
        async with Simulation(engine=Versions(), component=bytes_of("First")) as simulation:
            reviver = await crash_at(simulation, append, away_s=away_s)
            await ready(simulation)
            for key, (what, number) in {
                "fork": ("fork", 5),
                "revert": ("revert", 1),
                "update": ("update", 1),
            }.items():
                await simulation.publish("m", "manage", what, "a", number, key=key)
                answer = await simulation.result(key, within_s=60 + away_s)
                assert answer.get("result") == "done", answer
            reviver.cancel()
            moved(simulation)
            assert (await simulation.invoke("copy", "get", key="c"))["result"] == 3
            # Reverted once, whoever asked how often: 3 is gone, 2 is not.
            assert (await simulation.invoke("a", "get", key="g"))["result"] == 3
            assert (await status(simulation, "a")).component_version == 1
            log = kinds(await simulation.log("a"))
            assert log.count("revert") == 1
            assert log.count("successful-update") == 1

    with one_entry_per_commit():
        run(main())


@pytest.mark.parametrize("append", range(1, 12))
def test_a_guest_copies_itself_once(append: int) -> None:
    async def main() -> None:
        async with Simulation(engine=Versions(), component=bytes_of("First")) as simulation:
            reviver = await crash_at(simulation, append)
            await simulation.invoke("a", "add", 5, key="k")
            await simulation.publish("a", "split", "b", key="s")
            await simulation.result("s")
            reviver.cancel()
            moved(simulation)
            assert (await simulation.invoke("a", "get", key="ga"))["result"] == 6
            assert (await simulation.invoke("b", "get", key="gb"))["result"] == 105
            assert (await status(simulation, "b")).state == "idle"

    with one_entry_per_commit():
        run(main())
