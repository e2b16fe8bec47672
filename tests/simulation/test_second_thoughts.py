"""Updates, reverts, copies, promises, jumps and atomic regions, in virtual time."""

import asyncio
from typing import Any

import pytest

from actors.retry import RetryPolicy
from actors.statuses import Statuses
from oplog.status import Status
from tests.simulation.cluster import COMPONENT, Simulation, kinds
from tests.simulation.versions import Versions, bytes_of
from tests.simulation.virtual import run

HOUR_MS = 3_600_000


def world(**options: Any) -> Simulation:
    return Simulation(engine=Versions(), component=bytes_of("First"), **options)


async def status(simulation: Simulation, worker: str) -> Status:
    """What the log says."""
    found = await Statuses(simulation.client).find(COMPONENT, worker)
    assert found is not None
    return found


async def settled(simulation: Simulation, worker: str, wanted: str) -> dict[str, Any]:
    """Wait until an entry of the type `wanted` is in the log; return the last one."""
    async with asyncio.timeout(7_200):
        # Time is virtual here: nothing tells that a log has grown.
        while wanted not in kinds(log := await simulation.log(worker)):  # noqa: ASYNC110
            await asyncio.sleep(0.5)
    return [entry for entry in log if entry["type"] == wanted][-1]


UPDATE = {"command": "update", "version": 1}
BY_SNAPSHOT = {**UPDATE, "mode": "snapshot-based"}
MATRIX = [
    ("Compatible", UPDATE, None),
    ("OtherImport", UPDATE, "replay diverged at entry 5"),
    ("OtherResult", UPDATE, "replay diverged at entry 3"),
    ("Compatible", BY_SNAPSHOT, None),
    ("OtherImport", BY_SNAPSHOT, None),
    ("Refusing", BY_SNAPSHOT, "no idea what"),
    ("OtherResult", BY_SNAPSHOT, "does not export golem:api/load-snapshot"),
]


@pytest.mark.parametrize(("version", "command", "problem"), MATRIX)
def test_an_update_of_an_idle_worker(version: str, command: dict[str, Any], problem: Any) -> None:
    async def main() -> None:
        async with world() as simulation:
            node = simulation.start()
            await simulation.invoke("a", "add", 5, key="k1")
            rolled = (await simulation.invoke("a", "roll", key="k2"))["result"]
            await simulation.upload(COMPONENT, bytes_of(version))
            assert await simulation.command("a", command) == {"ok": {"version": 1}}
            await settled(simulation, "a", "failed-update" if problem else "successful-update")
            for number in range(2):
                found = await status(simulation, "a")
                if problem is None:
                    assert (found.component_version, found.last_update_problem) == (1, None)
                else:
                    assert found.component_version == 0
                    assert problem in (found.last_update_problem or "")
                answer = await simulation.invoke("a", "get", key=f"get{number}")
                assert answer["result"] == 5 + rolled
                # The old keys are still known, whatever was left out of the replay.
                await simulation.publish("a", "roll", key=f"x{number}")
                node.kill()
                node = simulation.start()
                rolled += (await simulation.result(f"x{number}"))["result"]
            assert (await simulation.invoke("a", "add", 1, key="k1"))["result"] == 5

    run(main())


@pytest.mark.parametrize("version", ["Compatible", "OtherImport", "OtherResult"])
def test_a_dry_run_tells_the_same_and_changes_nothing(version: str) -> None:
    async def main() -> None:
        async with world() as simulation:
            simulation.start()
            await simulation.invoke("a", "add", 5, key="k1")
            await simulation.invoke("a", "roll", key="k2")
            await simulation.publish("a", "nap", HOUR_MS, key="k3")
            await settled(simulation, "a", "suspend")
            await simulation.upload(COMPONENT, bytes_of(version))
            before = await simulation.log("a")
            told = (await simulation.command("a", {**UPDATE, "dry-run": True}))["ok"]
            assert await simulation.log("a") == before
            await simulation.command("a", UPDATE)
            wanted = "failed-update" if told["diverges"] else "successful-update"
            assert (await settled(simulation, "a", wanted)).get("details") == told["reason"]
            assert told["diverges"] is (version != "Compatible")

    run(main())


def test_a_failed_worker_is_saved_by_an_update() -> None:
    async def main() -> None:
        async with world() as simulation:
            simulation.start()
            await simulation.invoke("a", "add", 5, key="k1")
            assert (await simulation.invoke("a", "fail", 1, key="k2"))["error"]["kind"] == "trap"
            assert "error" in await simulation.invoke("a", "get", key="k3")
            await simulation.upload(COMPONENT, bytes_of("OtherResult"))
            await simulation.upload(COMPONENT, bytes_of("Compatible"))
            await simulation.command("a", UPDATE)
            await settled(simulation, "a", "failed-update")
            assert (await status(simulation, "a")).state == "failed"
            assert "error" in await simulation.invoke("a", "get", key="k4")
            await simulation.command("a", {**UPDATE, "version": 2})
            await settled(simulation, "a", "successful-update")
            # What failed keeps its outcome, and has left nothing behind.
            assert (await simulation.invoke("a", "get", key="k5"))["result"] == 5
            assert (await simulation.invoke("a", "fail", 1, key="k2"))["error"]["kind"] == "trap"

    run(main())


def test_an_update_while_invocations_queue_and_one_sleeps() -> None:
    async def main() -> None:
        async with world() as simulation:
            simulation.start()
            await simulation.publish("a", "nap", HOUR_MS, key="nap")
            await simulation.publish("a", "add", 5, key="add")
            await settled(simulation, "a", "suspend")
            await simulation.upload(COMPONENT, bytes_of("Compatible"))
            await simulation.command("a", UPDATE)
            await settled(simulation, "a", "successful-update")
            await simulation.upload(COMPONENT, bytes_of("Compatible"))
            await simulation.command("a", {**BY_SNAPSHOT, "version": 2})
            await simulation.publish("a", "double", key="double")
            assert (await simulation.result("nap", within_s=7_200))["result"] == 1
            assert (await simulation.result("double"))["result"] == 12
            assert (await status(simulation, "a")).component_version == 2

    run(main())


def test_updates_are_refused_with_the_reason_and_change_nothing() -> None:
    async def main() -> None:
        async with world() as simulation:
            simulation.start()
            nobody = await simulation.command("nobody", UPDATE)
            assert nobody["error"]["kind"] == "unknown-worker"
            await simulation.invoke("a", "add", 5, key="k1")
            before = await simulation.log("a")
            unknown = await simulation.command("a", {**UPDATE, "version": 9})
            same = await simulation.command("a", {**UPDATE, "version": 0})
            wrong = await simulation.command("a", {**UPDATE, "mode": "brutal"})
            assert unknown["error"]["kind"] == "unknown-component"
            assert same["error"]["kind"] == "cannot-update"
            assert wrong["error"]["kind"] == "bad-message"
            assert await simulation.log("a") == before

    run(main())


def test_reverts_by_number_and_by_index() -> None:
    async def main() -> None:
        async with world() as simulation:
            node = simulation.start()
            for number in range(1, 5):
                await simulation.invoke("a", "add", number, key=f"k{number}")
            assert "ok" in await simulation.command("a", {"command": "revert", "invocations": 2})
            assert (await simulation.invoke("a", "get", key="g1"))["result"] == 3
            # What was undone never happened: its key may be used again.
            node.kill()
            node = simulation.start()
            del simulation.results["k4"]
            # Another message id: the broker remembers the first for a while.
            await simulation.client.journal.publish(
                f"shem.invoke.{COMPONENT}.a",
                b"add(40)",
                message_id="k4 once more",
                headers={"Shem-Key": "k4"},
            )
            assert (await simulation.result("k4"))["result"] == 43
            answer = await simulation.command("a", {"command": "revert", "last-oplog-index": 3})
            assert "ok" in answer
            assert (await simulation.invoke("a", "get", key="g2"))["result"] == 1
            before = await simulation.log("a")
            for bad in (
                {"last-oplog-index": 0},
                {"last-oplog-index": 999},
                {"last-oplog-index": 7},
                {"invocations": 99},
                {"invocations": 0},
                {},
                {"invocations": 1, "last-oplog-index": 3},
            ):
                answer = await simulation.command("a", {"command": "revert", **bad})
                assert answer["error"]["kind"] == "bad-index", bad
            assert await simulation.log("a") == before

    run(main())


def test_a_revert_saves_a_failed_worker_and_undoes_updates() -> None:
    async def main() -> None:
        async with world() as simulation:
            simulation.start()
            await simulation.invoke("a", "add", 5, key="k1")
            await simulation.upload(COMPONENT, bytes_of("Compatible"))
            await simulation.command("a", BY_SNAPSHOT)
            await settled(simulation, "a", "successful-update")
            assert (await simulation.invoke("a", "double", key="k2"))["result"] == 10
            await simulation.invoke("a", "fail", 1, key="k3")
            assert (await status(simulation, "a")).state == "failed"
            await simulation.command("a", {"command": "revert", "invocations": 1})
            assert (await simulation.invoke("a", "get", key="k4"))["result"] == 10
            await simulation.command("a", {"command": "revert", "last-oplog-index": 3})
            assert (await status(simulation, "a")).component_version == 0
            assert (await simulation.invoke("a", "get", key="k5"))["result"] == 5
            answer = await simulation.invoke("a", "double", key="k6")
            assert answer["error"]["kind"] == "unknown-function"

    run(main())


def test_copies_go_on_from_where_they_were_made() -> None:
    async def main() -> None:
        async with world() as simulation:
            node = simulation.start()
            await simulation.invoke("a", "add", 5, key="k1")
            rolled = (await simulation.invoke("a", "roll", key="k2"))["result"]
            await simulation.publish("a", "nap", HOUR_MS, key="nap")
            await settled(simulation, "a", "suspend")
            await simulation.publish("a", "add", 100, key="queued")
            fork = {"command": "fork", "worker": "b"}
            assert "ok" in await simulation.command("a", fork)
            assert "ok" in await simulation.command("a", {**fork, "worker": "c", "at": 3})
            # Asked again, it is done; another worker's name is not taken away.
            assert "ok" in await simulation.command("a", fork)
            await simulation.invoke("d", "add", 1, key="d1")
            for bad in ({"worker": "d"}, {"worker": "e", "at": 1}, {"worker": "e", "at": 99}):
                answer = await simulation.command("a", {**fork, **bad})
                assert answer["error"]["kind"] == "cannot-fork"
            node.kill()
            simulation.start()
            # The live sleep ends in both; what was queued was for the original alone.
            await simulation.result("nap", within_s=7_200)
            assert (await simulation.result("queued", within_s=7_200))["result"] == rolled + 106
            answer = await simulation.invoke("b", "get", key="b1")
            assert answer["result"] == 5 + rolled + 1
            assert (await simulation.invoke("c", "get", key="c1"))["result"] == 5

    run(main())


def test_a_copy_that_was_made_is_left_alone_by_another_one_of_its_name() -> None:
    async def main() -> None:
        async with world() as simulation:
            simulation.start()
            await simulation.invoke("a", "add", 1, key="k1")
            fork = {"command": "fork", "worker": "b"}
            assert "ok" in await simulation.command("a", fork)
            assert (await simulation.invoke("b", "add", 100, key="kb"))["result"] == 101
            assert (await simulation.invoke("a", "split", "c", key="s1"))["result"] == "original"
            assert (await simulation.invoke("c", "add", 100, key="kc"))["result"] == 201
            # The original goes on further than its copies.
            for number in range(8):
                await simulation.invoke("a", "roll", key=f"r{number}")
            logs = {name: await simulation.log(name) for name in "bc"}
            for at in ({}, {"at": 2}, {"at": 4}):
                refused = (await simulation.command("a", {**fork, **at}))["error"]
                assert refused["kind"] == "cannot-fork"
                assert "there is a worker counter/b already" in refused["message"]
            answer = await simulation.invoke("a", "split", "c", key="s2")
            assert "there is a worker counter/c already" in answer["error"]["message"]
            assert {name: await simulation.log(name) for name in "bc"} == logs
            simulation.nodes[-1].kill()
            simulation.start()
            assert (await simulation.invoke("b", "get", key="gb"))["result"] == 101
            assert (await simulation.invoke("c", "get", key="gc"))["result"] == 201

    run(main())


def test_a_guest_forks_itself() -> None:
    async def main() -> None:
        async with world() as simulation:
            simulation.start()
            assert (await simulation.invoke("a", "split", "b", key="s"))["result"] == "original"
            await settled(simulation, "b", "exported-function-completed")
            assert (await simulation.invoke("a", "get", key="g"))["result"] == 1
            assert (await simulation.invoke("b", "get", key="h"))["result"] == 100

    run(main())


def test_promises_are_completed_from_outside_once() -> None:
    async def main() -> None:
        async with world() as simulation:
            node = simulation.start()
            index = (await simulation.invoke("a", "promise", key="p"))["result"]
            await simulation.publish("a", "await", index, key="w")
            await settled(simulation, "a", "suspend")
            node.kill()
            simulation.start()
            complete = {"command": "complete-promise", "index": index, "data": "b25l"}
            assert await simulation.command("a", complete) == {"ok": {"completed": True}}
            assert (await simulation.result("w"))["result"] == "one"
            again = {**complete, "data": "dHdv"}
            assert await simulation.command("a", again) == {"ok": {"completed": False}}
            assert (await simulation.invoke("a", "await", index, key="v"))["result"] == "one"
            for bad in ({"index": 1}, {"index": 999}, {"incarnation": "other"}):
                answer = await simulation.command("a", {**complete, **bad})
                assert answer["error"]["kind"] == "unknown-promise"

    run(main())


def test_a_worker_manages_another_one() -> None:
    async def main() -> None:
        async with world() as simulation:
            node = simulation.start()
            for number in range(1, 4):
                await simulation.invoke("a", "add", number, key=f"k{number}")
            index = (await simulation.invoke("a", "promise", key="p"))["result"]
            await simulation.publish("a", "await", index, key="w")
            await simulation.publish("m", "manage", "complete", "a", index, key="m1")
            assert (await simulation.result("w"))["result"] == "from afar"
            assert (await simulation.result("m1"))["result"] == "True"
            node.kill()
            simulation.start()
            assert (await simulation.invoke("m", "manage", "fork", "a", 5, key="m2"))["result"]
            assert (await simulation.invoke("copy", "get", key="c"))["result"] == 3
            assert (await simulation.invoke("m", "manage", "revert", "a", 4, key="m3"))["result"]
            assert (await simulation.invoke("a", "get", key="g"))["result"] == 1
            failed = await simulation.invoke("m", "manage", "update", "a", 9, key="m4")
            assert "unknown-component" in failed["error"]["message"]

    run(main())


@pytest.mark.parametrize("append", range(2, 10))
def test_an_atomic_region_is_done_as_a_whole_wherever_it_breaks(append: int) -> None:
    async def main() -> None:
        retry = RetryPolicy(attempts_max=200)
        async with world(retry=retry) as simulation:
            node = simulation.start()
            node.broker.journal.crash_at = (append, "after" if append % 2 else "before")
            reviver = asyncio.create_task(simulation.revive(node))
            await simulation.invoke("a", "add", 1_000, key="k1")
            value = (await simulation.invoke("a", "region", 1, key="k2"))["result"]
            after = (await simulation.invoke("a", "back", key="k3"))["result"]
            reviver.cancel()
            # One roll counts, whatever was drawn in attempts that failed.
            assert 1_000 <= value < 2_000
            assert after == value + 1
            for each in simulation.nodes:
                each.kill()
            simulation.start()
            assert (await simulation.invoke("a", "get", key="k4"))["result"] == after

    run(main())
