"""Workers beside guests that break rules answer as if they were alone."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from tests.replay import patience
from tests.replay.harness import Guests, Row, play, py
from tests.replay.hostile import HOSTILE
from tests.replay.outside import Outside
from tests.simulation.cluster import Simulation

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def guests() -> Iterator[Guests]:
    guests = Guests()
    yield guests
    guests.close()


def test_a_guest_that_breaks_rules_harms_nobody_but_itself(guests: Guests) -> None:
    component = guests.prepare("probe")

    async def neighbour(simulation: Simulation, hostile: "asyncio.Task[Any]") -> int:
        """Count, as long as the others are at work."""
        nothing = Outside()
        await play(simulation, (py("n = 0"),), nothing, {}, prefix="n", worker="n")
        count = 0
        while not hostile.done() or not count:
            count += 1
            # Time goes on when nobody has anything to do.
            await asyncio.sleep(0.1)
            step = py("n += 1; n", count)
            await play(simulation, (step,), nothing, {}, prefix=f"n-{count}-", worker="n")
        return count

    async def breaks_rules(simulation: Simulation, number: int, row: Row) -> None:
        worker = f"hostile-{number}"
        outside = Outside()
        await outside.start()
        await play(simulation, row.script, outside, {}, prefix=f"{worker}-", worker=worker)
        await outside.stop()
        errors = [one for one in await simulation.log(worker) if one["type"] == "error"]
        assert bool(errors) is row.failures, row.name

    async def main() -> None:
        # One attempt each: what fails here fails every time.
        settings = {"retry": "never"}
        async with Simulation(engine=guests, component=component, settings=settings) as simulation:
            node = simulation.start()
            hostile = asyncio.gather(
                *(breaks_rules(simulation, number, row) for number, row in enumerate(HOSTILE))
            )
            count = await neighbour(simulation, hostile)
            await hostile
            kinds = [one["type"] for one in await simulation.log("n")]
            assert kinds.count("exported-function-completed") == count + 1
            assert "error" not in kinds
            node.executor.stop()
            await asyncio.wait({node.task})

    patience.run(main())
