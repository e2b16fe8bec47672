"""Logs that nobody can read: they stop their own worker alone, and that one can be deleted."""

import asyncio
import json
from typing import Any

import msgspec
import pytest

from actors.membership import Member
from actors.statuses import Statuses
from actors.worker_index.listing import WorkerListing
from broker import subjects
from oplog.reader import load
from tests.simulation.cluster import COMPONENT, PARTITIONS, Simulation, kinds
from tests.simulation.virtual import run


async def commits(simulation: Simulation, worker: str) -> list[int]:
    """Return where the commits of a worker's log stand."""
    subject = subjects.log(COMPONENT, worker, PARTITIONS)
    return [message.sequence async for message in simulation.client.journal.read(subject)]


async def lose(simulation: Simulation, worker: str, *numbers: int) -> None:
    """Remove commits of a worker's log, behind everybody's back."""
    subject = subjects.log(COMPONENT, worker, PARTITIONS)
    stored = await commits(simulation, worker)
    for number in numbers:
        await simulation.client.journal.remove(subject, stored[number])


async def named_as_damaged(simulation: Simulation) -> tuple[str, ...]:
    """Return what the one executor tells the others."""
    (name,) = await simulation.client.members.keys()
    mark = await simulation.client.members.get(name)
    assert mark is not None
    return msgspec.json.decode(mark.data, type=Member).damaged


@pytest.mark.parametrize("crash", [None, "before", "after"])
@pytest.mark.parametrize("lost", [(0,), (1,), (0, 1)])
def test_a_worker_whose_log_is_damaged_can_be_deleted(
    lost: tuple[int, ...], crash: str | None
) -> None:
    async def main() -> None:
        async with Simulation() as simulation:
            node = simulation.start()
            for number in range(3):
                await simulation.invoke("a", "add", 5, key=f"k{number}")
            node.kill()
            await lose(simulation, "a", *lost)
            node = simulation.start()
            await simulation.publish("a", "add", 5, key="waits")
            await asyncio.sleep(5)
            assert "waits" not in simulation.results
            if crash is not None:
                node.broker.journal.crash_at = (1, crash)
                deleting = asyncio.create_task(simulation.command("a", {"command": "delete"}))
                await asyncio.wait({node.task})
                deleting.cancel()
                simulation.start()
            else:
                assert "error" not in await simulation.command("a", {"command": "delete"})
            fresh = await simulation.invoke("a", "add", 7, key="new")
            assert fresh["result"] == 7
            told = await simulation.result("waits")
            assert told["error"]["kind"] == "deleted"
            subject = subjects.log(COMPONENT, "a", PARTITIONS)
            log = await load(simulation.client.journal, simulation.client.blobs, subject)
            assert log.stored[0].peek.first == 1

    run(main())


def test_a_damaged_log_hides_no_other_worker_from_listings() -> None:
    async def main() -> None:
        async with Simulation() as simulation:
            node = simulation.start()
            for worker in ("a", "b", "c"):
                for number in range(2):
                    await simulation.invoke(worker, "add", 5, key=f"{worker}{number}")
            node.kill()
            await lose(simulation, "b", 0)
            for precise in (False, True):
                listing = WorkerListing(simulation.client, Statuses(simulation.client))
                page = await listing.page(COMPONENT, limit=10, precise=precise)
                assert [(each.worker, each.status.state) for each in page.workers] == [
                    ("a", "idle"),
                    ("b", "failed"),
                    ("c", "idle"),
                ]
                error = page.workers[1].status.last_error
                assert error is not None
                assert error.kind == "log-damaged"

    run(main())


@pytest.mark.parametrize("number", range(3))
def test_an_invocation_that_a_replica_passes_over_is_executed_all_the_same(number: int) -> None:
    async def main() -> None:
        async with Simulation() as simulation:
            amounts = (1, 10, 100)
            sent = [await simulation.publish("a", "add", each, key=f"k{each}") for each in amounts]
            node = simulation.start()
            node.broker.journal.unreadable = {sent[number]}
            told = [(await simulation.result(f"k{each}"))["result"] for each in amounts]
            assert told == [1, 11, 111]

    run(main())


def test_a_worker_whose_one_commit_nobody_can_read_is_not_begun_anew() -> None:
    async def main() -> None:
        async with Simulation() as simulation:
            node = simulation.start()
            await simulation.invoke("a", "add", 5, key="first")
            # What was committed last of a partition is known from its mark.
            for number in range(20):
                await simulation.invoke(f"b{number}", "add", 1, key=f"b{number}")
            await node.stop()
            await lose(simulation, "a", 0)
            node = simulation.start()
            node.broker.journal.counted = {subjects.log(COMPONENT, "a", PARTITIONS): 1}
            await simulation.publish("a", "add", 5, key="second")
            await asyncio.sleep(5)
            assert "second" not in simulation.results
            assert await named_as_damaged(simulation) == (f"{COMPONENT}/a",)

    run(main())


def test_a_worker_whose_one_commit_another_replica_can_read_goes_on() -> None:
    async def main() -> None:
        async with Simulation() as simulation:
            node = simulation.start()
            await simulation.invoke("a", "add", 5, key="first")
            await node.stop()
            (stored,) = await commits(simulation, "a")
            node = simulation.start()
            node.broker.journal.unreadable = {stored}
            assert (await simulation.invoke("a", "add", 5, key="second"))["result"] == 10
            assert kinds(await simulation.log("a")).count("create") == 1

    run(main())


def test_a_log_of_which_a_replica_passes_over_a_part_is_no_damaged_one() -> None:
    async def main() -> None:
        async with Simulation() as simulation:
            node = simulation.start()
            for number in range(3):
                await simulation.invoke("a", "add", 5, key=f"k{number}")
            node.kill()
            stored = await commits(simulation, "a")
            for sequence in stored:
                node = simulation.start()
                node.broker.journal.unreadable = {sequence}
                began_s = asyncio.get_running_loop().time()
                told = await simulation.invoke("a", "get", key=f"get-{sequence}")
                assert told["result"] == 15
                assert asyncio.get_running_loop().time() < began_s + 4
                node.kill()

    run(main())


def test_only_who_says_so_hears_of_the_damage_and_the_outcome_comes_once_it_is_mended() -> None:
    async def main() -> None:
        async with Simulation() as simulation:
            node = simulation.start()
            for number in range(3):
                await simulation.invoke("a", "add", 5, key=f"k{number}")
            node.kill()
            stored = await commits(simulation, "a")
            node = simulation.start()
            node.broker.journal.lost = {stored[0]}
            heard: dict[str, list[dict[str, Any]]] = {"knows": [], "plain": []}
            for name, told in heard.items():
                inbox = f"_INBOX.{name}"
                await simulation.client.signals.subscribe(
                    inbox, lambda note, told=told: told.append(json.loads(note.data))
                )
                headers = {"Shem-Result-To": inbox}
                if name == "knows":
                    headers["Shem-Hears"] = "log-damaged"
                await simulation.publish("a", "add", 5, key=name, headers=headers)
            await asyncio.sleep(60)
            # Once, however often the log was looked at.
            (notice,) = heard["knows"]
            assert notice["key"] == "knows"
            assert notice["error"]["kind"] == "log-damaged"
            assert heard["plain"] == []
            assert not simulation.results.keys() & heard.keys()
            assert await named_as_damaged(simulation) == (f"{COMPONENT}/a",)
            node.broker.journal.lost.clear()
            told = [(await simulation.result(name))["result"] for name in ("knows", "plain")]
            assert told == [20, 25]
            assert [each["result"] for each in heard["plain"]] == [25]
            await asyncio.sleep(2)
            assert await named_as_damaged(simulation) == ()

    run(main())
