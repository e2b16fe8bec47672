"""Writes to a system outside, crashed at every index of the log, before and after each append."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

from tests.replay.harness import one_entry_per_commit
from tests.simulation import bank, versions
from tests.simulation.cluster import Simulation, kinds
from tests.simulation.virtual import run

PLACES = [(append, place) for append in range(1, 30) for place in ("before", "after")]


@pytest.fixture(autouse=True)
def _customer(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setitem(versions.GUESTS, "Customer", bank.Customer)
    with one_entry_per_commit():
        yield


def world() -> Simulation:
    return Simulation(engine=versions.Versions(), component=versions.bytes_of("Customer"))


async def play(
    simulation: Simulation, script: Sequence[tuple[str, int]], crash: tuple[int, str]
) -> list[Any]:
    """Run a script with one crash; return the outcomes."""
    node = simulation.start()
    node.broker.journal.crash_at = crash

    reviver = asyncio.create_task(simulation.revive(node))
    outcomes = [
        await simulation.invoke("a", name, amount, key=f"{name}-{number}")
        for number, (name, amount) in enumerate(script)
    ]
    reviver.cancel()
    return outcomes


async def replayed(simulation: Simulation) -> int:
    """What a worker says that has replayed its whole log."""
    for each in simulation.nodes:
        if not each.task.done():
            each.kill()
    simulation.start()
    value: int = (await simulation.invoke("a", "get", key="end"))["result"]
    return value


@pytest.mark.parametrize("crash", PLACES)
def test_a_transaction_is_committed_once_wherever_it_breaks(crash: tuple[int, str]) -> None:
    async def main() -> None:
        outside = bank.opened()
        async with world() as simulation:
            script = [("transfer", 1_000), ("refuse", 5), ("transfer", 2_000)]
            outcomes = await play(simulation, script, crash)
            assert all("result" in each for each in outcomes), outcomes
            assert len(outside.committed) == 2
            assert outcomes[-1]["result"] == outside.total
            asked, committed = len(outside.asked), dict(outside.committed)
            assert await replayed(simulation) == outside.total
            # The log says it all: nobody is asked, and nothing is done, at a replay.
            assert (len(outside.asked), outside.committed) == (asked, committed)
            log = kinds(await simulation.log("a"))
            assert log.count("committed-remote-transaction") == 2
            assert log.count("rolled-back-remote-transaction") >= 1

    run(main())


@pytest.mark.parametrize("crash", PLACES[:24])
def test_a_write_that_must_not_be_repeated_is_not(crash: tuple[int, str]) -> None:
    async def main() -> None:
        outside = bank.opened()
        async with world() as simulation:
            outcomes = await play(simulation, [("add", 1), ("once", 10), ("get", 0)][:2], crash)
            writes = Counter(amount for _, amount in outside.writes)
            assert writes[10] <= 1, "it was repeated"
            error = outcomes[-1].get("error")
            if error is None:
                assert writes[10] == 1
                assert await replayed(simulation) == 11
                return
            # Nobody knows whether it was done: the worker stops there and says so, every time.
            assert error["kind"] == "incomplete-write"
            assert "write" in error["message"]
            for each in simulation.nodes:
                if not each.task.done():
                    each.kill()
            simulation.start()
            assert "error" in await simulation.invoke("a", "get", key="stopped")
            assert Counter(amount for _, amount in outside.writes) == writes
            # An operator has found out, and takes the attempt back.
            assert "ok" in await simulation.command("a", {"command": "revert", "invocations": 1})
            assert (await simulation.invoke("a", "get", key="reverted"))["result"] == 1

    run(main())


@pytest.mark.parametrize("crash", PLACES[:16])
def test_a_write_that_may_be_repeated_is_with_the_same_key(crash: tuple[int, str]) -> None:
    async def main() -> None:
        outside = bank.opened()
        async with world() as simulation:
            outcomes = await play(simulation, [("again", 10), ("again", 20)], crash)
            assert [each["result"] for each in outcomes] == [10, 30]
            assert len({key for key, _ in outside.writes}) == 2
            assert len({(key, amount) for key, amount in outside.writes}) == 2
            assert len(outside.writes) <= 3
            assert await replayed(simulation) == 30

    run(main())
