"""The index of workers: what it says, how late, and what becomes of it in crashes."""

import asyncio
import random
from typing import Any

import actors.worker_index.listing
from actors.statuses import Statuses
from actors.worker_index.listing import WorkerListing
from actors.worker_index.rebuild import rebuild
from actors.worker_index.rows import decode_chunk
from tests.simulation.cluster import COMPONENT, Simulation
from tests.simulation.virtual import run

HOUR_MS = 3_600_000


async def listed(simulation: Simulation, *, precise: bool = False, **options: Any) -> list[Any]:
    listing = WorkerListing(simulation.client, Statuses(simulation.client))
    found: list[Any] = []
    after: str | None = ""
    while after is not None:
        page = await listing.page(COMPONENT, after=after, limit=3, precise=precise, **options)
        found += [(each.worker, each.status) for each in page.workers]
        after = page.next
    return found


async def rows(simulation: Simulation) -> dict[str, Any]:
    """What the index alone says."""
    found = {}
    for entry in await simulation.client.workers_of(COMPONENT).changes():
        found.update(decode_chunk(entry.data or b""))
    return {name: row.status() for name, row in sorted(found.items()) if not row.is_buried}


def gist(status: Any) -> Any:
    return status.state, status.component_version, status.env, status.created_at_ms


async def settled(simulation: Simulation) -> None:
    """Wait until the index alone says what the logs say."""
    async with asyncio.timeout(120):
        while True:
            exact = await listed(simulation, precise=True)
            known = await rows(simulation)
            if [(n, gist(s)) for n, s in exact] == [(n, gist(s)) for n, s in known.items()]:
                return
            await asyncio.sleep(0.5)


def test_the_index_says_what_the_logs_say_and_a_listing_is_never_behind() -> None:
    async def main() -> None:
        chance = random.Random(7)
        async with Simulation() as simulation:
            node = simulation.start()
            for number in range(60):
                worker = f"w{chance.randrange(12)}"
                match chance.randrange(8):
                    case 0:
                        await simulation.command(worker, {"command": "delete"})
                    case 1:
                        await simulation.publish(worker, "nap", HOUR_MS, key=f"n{number}")
                    case 2:
                        await simulation.command(worker, {"command": "interrupt"})
                        await simulation.command(worker, {"command": "resume"})
                    case 3:
                        node.kill()
                        node = simulation.start()
                    case _:
                        await simulation.publish(worker, "add", 1, key=f"k{number}")
                await asyncio.sleep(chance.random() * 2)
                exact = await listed(simulation, precise=True)
                told = await listed(simulation)
                assert [(n, gist(s)) for n, s in told] == [(n, gist(s)) for n, s in exact]
            await settled(simulation)
            assert len(await rows(simulation)) > 5

    run(main())


def test_workers_without_a_row_are_listed_however_many_there_are(monkeypatch: Any) -> None:
    async def main() -> None:
        async with Simulation() as simulation:
            simulation.start()
            for number in range(4):
                await simulation.invoke(f"w{number}", "add", 1, key=f"first{number}")
            await settled(simulation)
            for number in range(4, 12):
                await simulation.invoke(f"w{number}", "add", 1, key=f"k{number}")
            names = [f"w{number}" for number in range(12)]
            assert sorted(name for name, _ in await listed(simulation)) == sorted(names)

    # Nothing with a row is looked at, and the logs are not even read to their ends.
    monkeypatch.setattr(actors.worker_index.listing, "EXACT_MAX", 0)
    for news_max in (1, 5_000):
        monkeypatch.setattr(actors.worker_index.listing, "NEWS_MESSAGES_MAX", news_max)
        run(main())


def test_an_executor_that_dies_between_commit_and_index_leaves_that_to_the_next() -> None:
    async def main() -> None:
        async with Simulation() as simulation:
            node = simulation.start()
            await simulation.invoke("a", "add", 1, key="k1")
            await settled(simulation)
            await simulation.invoke("b", "add", 1, key="k2")
            node.kill()
            assert "b" not in await rows(simulation)
            simulation.start()
            await settled(simulation)
            assert "b" in await rows(simulation)

    run(main())


def test_an_executor_reads_only_logs_that_others_wrote(monkeypatch: Any) -> None:
    looked: list[str] = []
    find_at = Statuses.find_at

    def noted(self: Statuses, component: str, worker: str) -> Any:
        looked.append(worker)
        return find_at(self, component, worker)

    async def main() -> None:
        async with Simulation() as simulation:
            node = simulation.start()
            # Some before the first look at what its partitions hold, some while it looks.
            for number in range(40):
                await simulation.invoke(f"w{number}", "add", 1, key=f"k{number}")
                await asyncio.sleep(0.1)
            assert looked == []
            node.kill()
            simulation.start()
            await simulation.invoke("w7", "add", 1, key="again")
            await settled(simulation)
            assert "w3" in looked

    monkeypatch.setattr(Statuses, "find_at", noted)
    run(main())


def test_a_lost_index_is_made_anew_by_the_owners_or_on_demand() -> None:
    async def main() -> None:
        async with Simulation() as simulation:
            node = simulation.start()
            for name in ("a", "b", "c"):
                await simulation.invoke(name, "add", 1, key=name)
            await settled(simulation)
            await node.stop()
            await wipe(simulation)
            assert [name for name, _ in await listed(simulation)] == ["a", "b", "c"]
            simulation.start()
            await settled(simulation)
            # Rows that no log stands behind go, damaged chunks are written over.
            bucket = simulation.client.workers_of(COMPONENT)
            for entry in await bucket.changes():
                await bucket.put(entry.key, b"damaged")
            told = await rebuild(
                simulation.client, Statuses(simulation.client), COMPONENT, after=""
            )
            assert (told.indexed, told.removed, told.next) == (3, 0, None)
            assert list(await rows(simulation)) == ["a", "b", "c"]

    run(main())


async def wipe(simulation: Simulation) -> None:
    await simulation.client.workers.delete("marks")
    bucket = simulation.client.workers_of(COMPONENT)
    for entry in await bucket.changes():
        await bucket.delete(entry.key)


def test_a_worker_that_is_always_busy_costs_few_rows() -> None:
    async def main() -> None:
        async with Simulation() as simulation:
            simulation.start()
            bucket = simulation.client.workers_of(COMPONENT)
            await simulation.invoke("a", "add", 1, key="first")
            await settled(simulation)
            before = [entry.revision for entry in await bucket.changes()]
            for number in range(600):
                await simulation.invoke("a", "add", 1, key=f"k{number}")
                await asyncio.sleep(0.05)
            after = [entry.revision for entry in await bucket.changes()]
            assert after[-1] - before[-1] <= 3, "30 s of work are 2 refreshed counts"
            (status,) = [status for _, status in await listed(simulation)]
            assert status.invocations == 601

    run(main())
