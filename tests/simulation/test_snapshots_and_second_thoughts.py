"""Reverts, copies and updates of workers whose lives begin at a snapshot."""

from typing import Any

import pytest

from actors.statuses import Statuses
from broker import subjects
from oplog.snapshots import read_pointer
from tests.simulation.cluster import COMPONENT, PARTITIONS, Node, Simulation
from tests.simulation.test_second_thoughts import HOUR_MS, UPDATE, settled
from tests.simulation.versions import Versions, bytes_of
from tests.simulation.virtual import run


def world(**settings: Any) -> Simulation:
    settings = {"snapshots": "custom,every=4", **settings}
    return Simulation(
        engine=Versions(), component=bytes_of("Compatible"), settings=settings, snapshots=None
    )


async def grown(simulation: Simulation) -> Node:
    """A worker that has added 1 to 8, and whose next life begins at a snapshot."""
    node = simulation.start()
    for number in range(1, 9):
        await simulation.invoke("a", "add", number, key=f"k{number}")
    pointer, _ = await read_pointer(
        simulation.client.journal, subjects.snapshot(COMPONENT, "a", PARTITIONS)
    )
    assert len(pointer.snapshots) == 2
    await node.stop()
    return simulation.start()


async def get(simulation: Simulation, worker: str, key: str) -> int:
    value: int = (await simulation.invoke(worker, "get", key=key))["result"]
    return value


@pytest.mark.parametrize(("invocations", "left"), [(1, 28), (3, 15), (7, 1), (8, 0)])
def test_a_revert_goes_back_across_snapshots(invocations: int, left: int) -> None:
    async def main() -> None:
        async with world() as simulation:
            node = await grown(simulation)
            revert = {"command": "revert", "invocations": invocations}
            assert "ok" in await simulation.command("a", revert)
            assert await get(simulation, "a", "g1") == left
            node.kill()
            simulation.start()
            assert await get(simulation, "a", "g2") == left
            # What was undone may be asked again under its key; what was not is a duplicate.
            simulation.results.pop("k8")
            await simulation.publish("a", "add", 100, key="k8", message_id="another")
            assert (await simulation.result("k8"))["result"] == left + 100

    run(main())


def test_a_failed_worker_with_snapshots_is_reverted() -> None:
    async def main() -> None:
        async with world() as simulation:
            await grown(simulation)
            assert (await simulation.invoke("a", "fail", 1, key="f"))["error"]["kind"] == "trap"
            assert "error" in await simulation.invoke("a", "get", key="g0")
            assert "ok" in await simulation.command("a", {"command": "revert", "invocations": 1})
            assert await get(simulation, "a", "g1") == 36

    run(main())


def test_a_revert_behind_an_index_that_a_snapshot_covers() -> None:
    async def main() -> None:
        async with world() as simulation:
            await grown(simulation)
            completed = [
                number
                for number, entry in enumerate(await simulation.log("a"), 1)
                if entry["type"] == "exported-function-completed"
            ]
            revert = {"command": "revert", "last-oplog-index": completed[1]}
            assert "ok" in await simulation.command("a", revert)
            assert await get(simulation, "a", "g1") == 3
            # The revert is no place to go back into.
            inside = {"command": "revert", "last-oplog-index": completed[4]}
            assert (await simulation.command("a", inside))["error"]["kind"] == "bad-index"
            assert await get(simulation, "a", "g2") == 3

    run(main())


def test_a_copy_has_what_lies_before_the_snapshot() -> None:
    async def main() -> None:
        async with world() as simulation:
            await grown(simulation)
            assert "ok" in await simulation.command("a", {"command": "fork", "worker": "b"})
            early = {"command": "fork", "worker": "c", "at": 5}
            assert "ok" in await simulation.command("a", early)
            assert await get(simulation, "b", "gb") == 36
            assert await get(simulation, "c", "gc") == 3
            assert (await simulation.invoke("b", "add", 1, key="k1"))["result"] == 1

    run(main())


def test_a_copy_of_a_worker_with_a_queue_and_a_live_sleep() -> None:
    async def main() -> None:
        async with world() as simulation:
            node = await grown(simulation)
            await simulation.publish("a", "nap", HOUR_MS, key="nap")
            await simulation.publish("a", "add", 100, key="queued")
            await settled(simulation, "a", "suspend")
            assert "ok" in await simulation.command("a", {"command": "fork", "worker": "b"})
            node.kill()
            simulation.start()
            assert (await simulation.result("queued", within_s=7_200))["result"] == 137
            # The copy sleeps to the end; the queue was the original's alone.
            assert await get(simulation, "b", "gb") == 37

    run(main())


@pytest.mark.parametrize("version", ["Fragile", "OtherResult"])
def test_an_update_repeats_the_whole_log_and_so_does_its_rehearsal(version: str) -> None:
    async def main() -> None:
        async with world() as simulation:
            node = await grown(simulation)
            snapshots = "custom,every=4" if version == "Fragile" else "never"
            await simulation.upload(COMPONENT, bytes_of(version), snapshots=snapshots)
            told = (await simulation.command("a", {**UPDATE, "dry-run": True}))["ok"]
            assert told["diverges"] is (version == "OtherResult")
            await simulation.command("a", UPDATE)
            wanted = "failed-update" if told["diverges"] else "successful-update"
            assert (await settled(simulation, "a", wanted)).get("details") == told["reason"]
            assert await get(simulation, "a", "g1") == 36
            node.kill()
            simulation.start()
            assert await get(simulation, "a", "g2") == 36
            status = await Statuses(simulation.client).find(COMPONENT, "a")
            assert status is not None
            assert status.component_version == (0 if told["diverges"] else 1)

    run(main())


def test_updates_by_snapshot_follow_one_another() -> None:
    async def main() -> None:
        async with world() as simulation:
            node = await grown(simulation)
            for version, guest in enumerate(("OtherImport", "Fragile", "Compatible"), 1):
                await simulation.upload(COMPONENT, bytes_of(guest))
                update = {"command": "update", "version": version, "mode": "snapshot-based"}
                assert "ok" in await simulation.command("a", update)
                assert await get(simulation, "a", f"g{version}") == 34 + 2 * version
                await simulation.invoke("a", "add", 2, key=f"more{version}")
                node.kill()
                node = simulation.start()
                status = await Statuses(simulation.client).find(COMPONENT, "a")
                assert status is not None
                assert status.component_version == version
            assert await get(simulation, "a", "end") == 42
            # Back to the time before the first update.
            revert = {"command": "revert", "last-oplog-index": 5}
            assert "ok" in await simulation.command("a", revert)
            assert await get(simulation, "a", "early") == 3

    run(main())
