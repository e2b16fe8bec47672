"""What was acknowledged and is gone is noticed, and not gone on from before somebody says so."""

import asyncio
from typing import Any

import pytest

from broker import subjects
from oplog.high_water import accept_losses, read_high_water, read_losses
from tests.simulation.cluster import COMPONENT, PARTITIONS, Node, Simulation
from tests.simulation.virtual import run


async def held(simulation: Simulation) -> dict[int, Any]:
    """Wait until some partition was found to have lost something."""
    async with asyncio.timeout(60):
        while True:
            losses = await read_losses(simulation.client.workers)
            if losses:
                return dict(losses)
            await asyncio.sleep(0.1)


async def marked(simulation: Simulation) -> None:
    """Wait until everything that was acknowledged is written down."""
    end = await simulation.client.journal.end(0)
    async with asyncio.timeout(60):
        while True:
            marks = await read_high_water(simulation.client.workers)
            if max((mark.seen for mark in marks.values()), default=0) >= end:
                return
            await asyncio.sleep(0.1)


async def looked_at(node: Node, partition: int) -> None:
    """Wait until an executor compares the stream with what is known of a partition."""
    async with asyncio.timeout(60):
        while True:
            if node.broker.journal.ends_told[partition]:
                return
            await asyncio.sleep(0.01)


async def killed_after_work(simulation: Simulation) -> None:
    """Have an executor run five invocations of `alice`, write down how far it came, and die."""
    node = simulation.start()
    for number in range(5):
        await simulation.invoke("alice", "add", 1, key=f"k{number}")
    await marked(simulation)
    node.kill()


def partition_of(worker: str) -> int:
    return subjects.partition_of(COMPONENT, worker, PARTITIONS)


def test_a_log_whose_only_commit_cannot_be_read_is_none_of_a_new_worker() -> None:
    async def main() -> None:
        async with Simulation() as simulation:
            node = simulation.start()
            drawn = await simulation.invoke("alice", "roll", key="first")
            log = subjects.log(COMPONENT, "alice", PARTITIONS)
            (commit,) = [each async for each in simulation.client.journal.read(log)]
            await marked(simulation)
            node.kill()
            node = simulation.start()
            node.broker.journal.lost.add(commit.sequence)
            losses = await held(simulation)
            assert f"{log} is there and cannot be read" in losses[partition_of("alice")].message
            await simulation.publish("alice", "roll", key="later")
            await asyncio.sleep(30)
            assert "later" not in simulation.results
            assert simulation.results["first"] == [drawn]

    run(main())


def test_a_successor_does_not_go_on_from_a_log_that_was_cut_off() -> None:
    async def main() -> None:
        async with Simulation() as simulation:
            await killed_after_work(simulation)
            end = await simulation.client.journal.end(0)
            simulation.cluster.stream.of_partition(0).shorten(end - 2)

            # Others write on, so that the stream becomes longer than it was.
            for number in range(9):
                await simulation.publish("bob", "add", 1, key=f"b{number}")
            simulation.start()
            losses = await held(simulation)
            assert partition_of("alice") in losses
            assert "written anew" in losses[partition_of("alice")].message

            await simulation.publish("alice", "add", 1, key="later")
            await asyncio.sleep(30)
            assert "later" not in simulation.results

            await accept_losses(simulation.client.workers, losses)
            await simulation.result("later")

    run(main())


def test_an_owner_that_lives_knows_without_having_written_it_down() -> None:
    async def main() -> None:
        async with Simulation() as simulation:
            node = simulation.start()
            await simulation.invoke("alice", "add", 1, key="k1")
            await simulation.invoke("alice", "add", 1, key="k2")
            # Within the same second: no mark has been written of it.
            node.connection.disconnect()
            simulation.cluster.stream.of_partition(0).shorten(
                await simulation.client.journal.end(0) - 1
            )
            await node.connection.reconnect()
            losses = await held(simulation)
            assert list(losses) == [partition_of("alice")]
            await simulation.publish("alice", "add", 1, key="later")
            await asyncio.sleep(20)
            assert "later" not in simulation.results

    run(main())


def test_a_loss_that_is_accepted_while_it_is_looked_at_stays_accepted() -> None:
    async def main() -> None:
        async with Simulation() as simulation:
            await killed_after_work(simulation)
            end = await simulation.client.journal.end(0)
            simulation.cluster.stream.of_partition(0).shorten(end - 4)
            node = simulation.start()
            await looked_at(node, partition_of("alice"))
            assert not await read_losses(simulation.client.workers)
            await accept_losses(simulation.client.workers, [partition_of("alice")])
            await simulation.publish("alice", "add", 1, key="later")
            await simulation.result("later")
            assert not await read_losses(simulation.client.workers)

    run(main())


@pytest.mark.parametrize(
    ("stale_gets", "stale_ends"),
    [(1_000, 0), (0, 2)],
    ids=["a replica lags behind", "a leader was just elected"],
)
def test_what_a_server_does_not_have_yet_is_no_loss(stale_gets: int, stale_ends: int) -> None:
    async def main() -> None:
        async with Simulation() as simulation:
            await killed_after_work(simulation)
            node = simulation.start()
            node.broker.journal.stale_gets = stale_gets
            node.broker.journal.stale_ends = stale_ends
            assert (await simulation.invoke("alice", "add", 1, key="later"))["result"] == 6
            assert not await read_losses(simulation.client.workers)

    run(main())


def test_a_leader_that_is_cut_off_from_the_others_is_not_believed() -> None:
    async def main() -> None:
        async with Simulation() as simulation:
            await killed_after_work(simulation)
            node = simulation.start()
            journal = node.broker.journal
            journal.stale_ends, journal.led = 1_000_000, False
            await simulation.publish("alice", "add", 1, key="later")
            await asyncio.sleep(60)
            assert not await read_losses(simulation.client.workers)
            assert "later" not in simulation.results
            journal.stale_ends, journal.led = 0, True
            assert (await simulation.result("later"))["result"] == 6

    run(main())


def test_deleted_and_archived_logs_are_no_loss() -> None:
    async def main() -> None:
        async with Simulation() as simulation:
            node = simulation.start()
            for number in range(4):
                await simulation.invoke("alice", "add", 1, key=f"k{number}")
            await simulation.command("alice", {"command": "delete"})
            await marked(simulation)
            node.kill()
            node = simulation.start()
            await simulation.invoke("alice", "add", 1, key="again")
            assert not await read_losses(simulation.client.workers)

    run(main())
