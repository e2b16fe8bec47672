"""Logs whose older part lies in the object store: read, gone back into, crashed in between."""

import asyncio
from typing import Any

import pytest

import actors.old_history
from broker import subjects
from oplog.archive import archive, archived_commit
from oplog.errors import CorruptLogError
from oplog.reader import LoadedLog, load
from tests.simulation.cluster import COMPONENT, PARTITIONS, Simulation
from tests.simulation.test_second_thoughts import UPDATE
from tests.simulation.versions import Versions, bytes_of
from tests.simulation.virtual import run

SUBJECT = subjects.log(COMPONENT, "a", PARTITIONS)


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(actors.old_history, "MOVED_ENTRIES_MIN", 4)


def world(**settings: Any) -> Simulation:
    settings = {"snapshots": "custom,every=4", "history": "archive", **settings}
    return Simulation(
        engine=Versions(), component=bytes_of("Compatible"), settings=settings, snapshots=None
    )


async def whole(simulation: Simulation, subject: str = SUBJECT) -> LoadedLog:
    return await load(simulation.client.journal, simulation.client.blobs, subject)


async def grown(simulation: Simulation) -> Any:
    node = simulation.start()
    for number in range(1, 11):
        await simulation.invoke("a", "add", number, key=f"k{number}")
    await asyncio.sleep(1)
    return node


async def get(simulation: Simulation, worker: str, key: str) -> int:
    value: int = (await simulation.invoke(worker, "get", key=key))["result"]
    return value


def test_what_was_archived_is_read_by_everything_that_reads_logs() -> None:
    async def main() -> None:
        async with world() as simulation:
            node = await grown(simulation)
            chunks = await simulation.client.blobs.names("archive/")
            assert len(chunks) >= 2
            messages = [m async for m in simulation.client.journal.read(SUBJECT)]
            assert int(messages[0].headers["Shem-First"]) > 4
            log = await whole(simulation)
            indices = [index for index, _, _ in log.entries()]
            assert indices == list(range(1, log.head.last_index + 1))
            # An old key is answered with its outcome.
            node.kill()
            node = simulation.start()
            simulation.results.clear()
            await simulation.publish("a", "add", 100, key="k2", message_id="again")
            assert (await simulation.result("k2"))["result"] == 3
            # A copy, a revert and an update go back behind it.
            fork = {"command": "fork", "worker": "b", "at": 5}
            assert "ok" in await simulation.command("a", fork)
            assert await get(simulation, "b", "gb") == 3
            await simulation.upload(COMPONENT, bytes_of("Fragile"), snapshots="custom,every=4")
            assert "ok" in await simulation.command("a", UPDATE)
            assert await get(simulation, "a", "g1") == 55
            revert = {"command": "revert", "last-oplog-index": 5}
            assert "ok" in await simulation.command("a", revert)
            assert await get(simulation, "a", "g2") == 3
            assert "ok" in await simulation.command("a", {"command": "delete"})
            assert not [n for n in await simulation.client.blobs.names("archive/") if "/a/" in n]

    run(main())


@pytest.mark.parametrize("put", range(1, 12))
@pytest.mark.parametrize("place", ["before", "after"])
def test_a_crash_around_any_object_loses_nothing(put: int, place: str) -> None:
    async def main() -> None:
        async with world() as simulation:
            node = simulation.start()
            node.broker.blobs.crash_at = (put, place)

            reviver = asyncio.create_task(simulation.revive(node))
            for number in range(1, 11):
                await simulation.invoke("a", "add", number, key=f"k{number}")
            reviver.cancel()
            for each in simulation.nodes:
                each.kill()
            simulation.start()
            assert await get(simulation, "a", "g") == 55
            log = await whole(simulation)
            assert [i for i, _, _ in log.entries()] == list(range(1, log.head.last_index + 1))

    run(main())


def test_what_is_missing_or_damaged_is_told_and_not_believed() -> None:
    async def main() -> None:
        async with world() as simulation:
            await grown(simulation)
            blobs = simulation.client.blobs
            oldest = (await blobs.names("archive/"))[0]
            kept = await blobs.get(oldest)
            for damaged in (b"", b"nothing", kept[:-3], kept[:40] + b"!" + kept[41:]):
                await blobs.put(oldest, damaged)
                with pytest.raises(CorruptLogError):
                    await whole(simulation)
            await blobs.delete(oldest)
            with pytest.raises(CorruptLogError, match="hole"):
                await whole(simulation)
            # The worker itself does not need it.
            assert await get(simulation, "a", "g") == 55
            await blobs.put(oldest, kept)
            assert (await whole(simulation)).head.last_index > 20

    run(main())


def test_what_a_replica_passes_over_is_not_archived_away() -> None:
    async def main() -> None:
        async with world() as simulation:
            node = simulation.start()
            for number in range(1, 4):
                await simulation.invoke("a", "add", number, key=f"k{number}")
            stored = [each.sequence async for each in simulation.client.journal.read(SUBJECT)]
            node.broker.journal.unreadable = {stored[1]}
            for number in range(4, 11):
                await simulation.invoke("a", "add", number, key=f"k{number}")
            await asyncio.sleep(1)
            log = await whole(simulation)
            assert [index for index, _, _ in log.entries()] == list(
                range(1, log.head.last_index + 1)
            )

    run(main())


def test_chunks_left_by_a_move_that_was_cut_short_do_no_harm() -> None:
    async def main() -> None:
        async with world(history="keep") as simulation:
            await grown(simulation)
            journal, blobs = simulation.client.journal, simulation.client.blobs
            messages = [m async for m in journal.read(SUBJECT)]

            class Stuck:
                def __getattr__(self, name: str) -> Any:
                    return getattr(journal, name)

                async def purge(self, subject: str, **options: Any) -> int:
                    return 0

            await archive(Stuck(), blobs, SUBJECT, before=messages[4].sequence)
            await archive(Stuck(), blobs, SUBJECT, before=messages[9].sequence)
            assert len(await blobs.names("archive/")) == 2
            before = [entry async for entry in _entries(simulation)]
            await archive(journal, blobs, SUBJECT, before=messages[7].sequence)
            assert [entry async for entry in _entries(simulation)] == before
            found = await archived_commit(blobs, SUBJECT, 3)
            assert found is not None
            assert int(found.headers["Shem-First"]) <= 3 <= int(found.headers["Shem-Last"])
            assert await archived_commit(blobs, SUBJECT, 999) is None

    run(main())


async def _entries(simulation: Simulation) -> Any:
    for index, entry, _ in (await whole(simulation)).entries():
        yield index, entry
