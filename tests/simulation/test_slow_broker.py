"""Executors whose marks take longer to be stored than they live, as with a broker without breath.

Each of them counts as dead for the others all the time. Work goes on all the same.
"""

import asyncio

from actors.limits import ABSENCE_MAX_S, HEARTBEAT_INTERVAL_S, MEMBER_TTL_S
from tests.simulation.cluster import PARTITIONS, Node, Simulation
from tests.simulation.virtual import run

# What an invocation takes where nothing is in its way.
AT_ONCE_S = 0.2
STEPS = 60


def held(nodes: list[Node]) -> list[int]:
    return sorted(number for node in nodes for number in node.executor.describe().partitions)


async def slow(simulation: Simulation, takes_s: float) -> list[Node]:
    nodes = [simulation.start() for _ in range(3)]
    for node in nodes:
        await node.executor.wait_until_ready()
    # Until everybody has seen everybody. The second one has a share.
    await asyncio.sleep(5)
    for number, node in enumerate(nodes):
        # Not in step with each other: else each would see what the others have just written.
        node.broker.members.takes_s = takes_s * (1 + number / 10)
    return nodes


def test_late_marks_take_no_partition_from_anybody() -> None:
    async def main() -> None:
        async with Simulation() as simulation:
            nodes = await slow(simulation, 1.5 * MEMBER_TTL_S)
            owners = [node.executor.describe().partitions for node in nodes]
            for number in range(STEPS):
                key = f"k{number}"
                await simulation.publish(f"w{number % 8}", "add", 1, key=key)
                await simulation.result(key, within_s=AT_ONCE_S)
                await asyncio.sleep(0.5)
                assert [node.executor.describe().partitions for node in nodes] == owners
            assert held(nodes) == list(range(PARTITIONS))

    run(main())


def test_who_dies_while_marks_are_late_is_replaced_after_a_while() -> None:
    async def main() -> None:
        async with Simulation() as simulation:
            nodes = await slow(simulation, 1.5 * MEMBER_TTL_S)
            await asyncio.sleep(3 * MEMBER_TTL_S)
            nodes[1].kill()
            await asyncio.sleep(ABSENCE_MAX_S + 4 * MEMBER_TTL_S)
            assert held([nodes[0], nodes[2]]) == list(range(PARTITIONS))
            for number in range(8):
                assert (await simulation.invoke(f"w{number}", "add", 1, key=f"k{number}"))["result"]

    run(main())


def test_who_was_cut_off_while_others_were_not_gives_up_what_they_took() -> None:
    async def main() -> None:
        async with Simulation() as simulation:
            nodes = await slow(simulation, 0.0)
            late = nodes[1]
            late.broker.members.takes_s = 3 * MEMBER_TTL_S
            await asyncio.sleep(2 * MEMBER_TTL_S)
            assert held([nodes[0], nodes[2]]) == list(range(PARTITIONS))
            for number in range(8):
                await simulation.invoke(f"w{number}", "add", 1, key=f"a{number}")
            late.broker.members.takes_s = 0.0
            await asyncio.sleep(3 * MEMBER_TTL_S + 10 * HEARTBEAT_INTERVAL_S)
            for number in range(8):
                outcome = await simulation.invoke(f"w{number}", "add", 1, key=f"b{number}")
                assert outcome["result"] == 2
            assert held(nodes) == list(range(PARTITIONS))

    run(main())
