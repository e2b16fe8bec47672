"""Workers that come to be: nothing is read of them, and nothing is missed that was sent to them."""

import asyncio
from typing import Any

import pytest

from actors.life import Life
from tests.simulation.cluster import Simulation, kinds
from tests.simulation.test_remembered import reads_of
from tests.simulation.virtual import run

CALLS = 6


async def _each_once(simulation: Simulation, calls: int) -> None:
    for number in range(calls):
        # In the order in which they were sent.
        assert (await simulation.result(f"a{number}", within_s=120))["result"] == number + 1
    log = await simulation.log("a")
    assert kinds(log).count("create") == 1
    assert kinds(log).count("exported-function-invoked") == calls


async def _send(simulation: Simulation, numbers: range) -> None:
    for number in numbers:
        await simulation.publish("a", "add", 1, key=f"a{number}")


def test_nothing_is_read_of_a_new_worker() -> None:
    async def main() -> None:
        async with Simulation() as simulation:
            node = simulation.start()
            await simulation.invoke("b", "add", 1, key="b")
            told = reads_of(node, "a")
            assert (await simulation.invoke("a", "add", 1, key="a0"))["result"] == 1
            assert told == []
            await _each_once(simulation, 1)

    run(main())


def test_what_waited_for_a_new_worker_is_done_in_order() -> None:
    async def main() -> None:
        async with Simulation() as simulation:
            await _send(simulation, range(CALLS))
            simulation.start()
            await _each_once(simulation, CALLS)

    run(main())


@pytest.mark.parametrize("when", ["before", "after"])
def test_the_queue_of_an_owner_that_died_with_a_new_worker_is_done_in_order(when: str) -> None:
    async def main() -> None:
        async with Simulation() as simulation:
            first = simulation.start()
            first.broker.journal.crash_at = (1, when)
            # Only the newest of them stays unacknowledged, and is delivered to the next owner.
            await _send(simulation, range(CALLS))
            await asyncio.wait({first.task})
            simulation.start()
            await _each_once(simulation, CALLS)

    run(main())


@pytest.mark.parametrize("delay_s", [0.0, 0.01, 1.0])
def test_what_comes_while_a_first_life_begins_is_done_in_order(
    monkeypatch: pytest.MonkeyPatch, delay_s: float
) -> None:
    load = Life.load

    async def slowly(*args: Any, **options: Any) -> Life:
        await asyncio.sleep(delay_s)
        life = await load(*args, **options)
        await asyncio.sleep(delay_s)
        return life

    async def main() -> None:
        async with Simulation() as simulation:
            simulation.start()
            await simulation.invoke("b", "add", 1, key="b")
            for number in range(CALLS):
                await _send(simulation, range(number, number + 1))
                await asyncio.sleep(delay_s / 2)
            await _each_once(simulation, CALLS)

    monkeypatch.setattr(Life, "load", staticmethod(slowly))
    run(main())


def test_where_deliveries_are_missed_while_a_first_life_begins_the_mailbox_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    load = Life.load

    async def main() -> None:
        async with Simulation() as simulation:
            node = simulation.start()
            await simulation.invoke("b", "add", 1, key="b")
            told = reads_of(node, "a")

            async def cut_off(*args: Any, **options: Any) -> Life:
                life = await load(*args, **options)
                if not told:
                    node.connection.disconnect()
                    await _send(simulation, range(1, CALLS))
                    await node.connection.reconnect()
                return life

            monkeypatch.setattr(Life, "load", staticmethod(cut_off))
            await _send(simulation, range(1))
            await _each_once(simulation, CALLS)
            assert "in.invoke" in told

    run(main())


def test_commands_that_lie_in_the_mailbox_of_a_worker_that_comes_back_are_obeyed() -> None:
    async def main() -> None:
        async with Simulation() as simulation:
            node = simulation.start()
            for number in range(3):
                await simulation.invoke("a", "add", 1, key=f"a{number}")
            await node.stop()
            reverted = asyncio.create_task(
                simulation.command("a", {"command": "revert", "invocations": 1})
            )
            await asyncio.sleep(1)
            simulation.start()
            assert "ok" in await reverted
            assert (await simulation.invoke("a", "get", key="get"))["result"] == 2

    run(main())
