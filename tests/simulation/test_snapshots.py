"""Snapshots of workers: what recovery starts at, and that no crash or damage around one matters."""

import asyncio
import random
from typing import Any

import pytest

from actors.statuses import Statuses
from broker import subjects
from oplog.limits import SNAPSHOTS_KEPT_MAX
from oplog.reader import load
from oplog.snapshots import Pointer, read_pointer
from oplog.status import StatusFold
from tests.simulation.cluster import COMPONENT, PARTITIONS, Node, Simulation, kinds
from tests.simulation.test_crashes import SCRIPT
from tests.simulation.virtual import run

SNAP = subjects.snapshot(COMPONENT, "a", PARTITIONS)


async def pointer_of(simulation: Simulation) -> Pointer:
    return (await read_pointer(simulation.client.journal, SNAP))[0]


async def snapshots_of(simulation: Simulation) -> list[str]:
    return list(await simulation.client.blobs.names("snapshot/"))


async def add_each(simulation: Simulation, first: int, last: int) -> None:
    for number in range(first, last + 1):
        outcome = await simulation.invoke("a", "add", number, key=f"k{number}")
        assert outcome["result"] == sum(range(number + 1))


async def revived(simulation: Simulation, node: Node) -> Node:
    node.kill()
    return simulation.start()


def test_recovery_starts_at_the_snapshot_and_knows_every_key() -> None:
    async def main() -> None:
        async with Simulation(snapshots="every=10") as simulation:
            node = simulation.start()
            await add_each(simulation, 1, 50)
            counts = simulation.engine.counts
            await asyncio.sleep(1)
            pointer = await pointer_of(simulation)
            before = counts.calls
            await revived(simulation, node)
            outcome = await simulation.invoke("a", "get", key="after")
            assert outcome["result"] == sum(range(51))
            assert counts.restored == 1
            log = await simulation.log("a")
            behind = kinds(log)[pointer.snapshots[0].commit.index :]
            replayed = behind.count("exported-function-invoked") - 1
            assert counts.calls - before == replayed + 1 <= 5
            heard = {key: list(found) for key, found in simulation.results.items()}
            for number in (1, 17, 50):
                await simulation.client.journal.publish(
                    subjects.invoke(COMPONENT, "a"),
                    b'{"function": "add", "params": [1000000]}',
                    message_id=f"again-{number}",
                    headers={"Shem-Key": f"k{number}"},
                )
            await asyncio.sleep(1)
            for number in (1, 17, 50):
                answers = simulation.results[f"k{number}"]
                assert len(answers) > len(heard[f"k{number}"])
                assert all(answer == answers[0] for answer in answers)
            assert (await simulation.invoke("a", "get", key="end"))["result"] == sum(range(51))

    run(main())


def test_the_status_from_a_snapshot_on_is_that_of_the_whole_log() -> None:
    async def main() -> None:
        async with Simulation(snapshots="every=7") as simulation:
            node = simulation.start()
            for number, (function, params) in enumerate(SCRIPT):
                await simulation.invoke("a", function, *params, key=f"k{number}")
            node = await revived(simulation, node)
            await simulation.invoke("a", "add", 1, key="more")
            await asyncio.sleep(1)
            status = await Statuses(simulation.client).find(COMPONENT, "a")
            subject = subjects.log(COMPONENT, "a", PARTITIONS)
            whole = await load(simulation.client.journal, simulation.client.blobs, subject)
            folded = StatusFold()
            for index, entry, _ in whole.entries():
                folded.apply(index, entry)
            assert status == folded.status()
            assert status is not None
            assert status.snapshots >= 2
            assert status.snapshot_problem is None

    run(main())


def test_only_a_few_snapshots_are_kept_and_none_of_a_deleted_worker() -> None:
    async def main() -> None:
        async with Simulation(snapshots="every=2") as simulation:
            simulation.start()
            await add_each(simulation, 1, 12)
            await asyncio.sleep(1)
            pointer = await pointer_of(simulation)
            named = [base.blob for base in pointer.snapshots]
            assert len(named) == SNAPSHOTS_KEPT_MAX
            assert sorted(named) == await snapshots_of(simulation)
            answer = await simulation.command("a", {"command": "delete"})
            assert "error" not in answer
            assert await snapshots_of(simulation) == []
            assert (await pointer_of(simulation)).snapshots == ()
            outcome = await simulation.invoke("a", "add", 5, key="k1 of another life")
            assert outcome["result"] == 5

    run(main())


async def _script(
    simulation: Simulation, crash: tuple[str, int, str] | None
) -> tuple[Node, list[Any]]:
    node = simulation.start()
    if crash is not None:
        where, number, when = crash
        target = node.broker.journal if where == "append" else node.broker.blobs
        target.crash_at = (number, when)

    reviver = asyncio.create_task(simulation.revive(node))
    outcomes = []
    for number, (function, params) in enumerate(SCRIPT):
        await simulation.publish("a", function, *params, key=f"k{number}")
        outcomes.append(await simulation.result(f"k{number}", within_s=120))
    await asyncio.sleep(5)
    for number in range(len(SCRIPT)):
        answers = simulation.results[f"k{number}"]
        assert all(answer == answers[0] for answer in answers)
    reviver.cancel()
    return node, [outcome["result"] for outcome in outcomes]


def check_script(results: list[Any], log: list[dict[str, Any]]) -> None:
    assert results[0] == 5
    assert results[3] == results[6] == 0
    assert results[7] == 5 + results[1] + results[4] + 2
    entries = kinds(log)
    assert entries.count("create") == 1
    assert entries.count("exported-function-invoked") == len(SCRIPT)
    assert entries.count("exported-function-completed") == len(SCRIPT)


POINTS = [("append", number) for number in range(1, 27)] + [
    ("blob", number) for number in range(1, len(SCRIPT) + 1)
]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("point", POINTS, ids=lambda point: f"{point[0]}-{point[1]}")
def test_a_crash_anywhere_while_a_snapshot_is_taken_changes_nothing(
    point: tuple[str, int], when: str
) -> None:
    async def main() -> None:
        async with Simulation(snapshots="every=1") as simulation:
            node, results = await _script(simulation, (*point, when))
            broker = node.broker
            reached = broker.journal.appends if point[0] == "append" else broker.blobs.puts
            if point[1] > reached:
                pytest.skip(f"the script makes {reached} of these")
            check_script(results, await simulation.log("a"))
            # The worker that is now in memory and one from the log alone are the same.
            for other in simulation.nodes:
                if not other.killed:
                    other.kill()
            simulation.start()
            again = await simulation.invoke("a", "get", key="again")
            assert again["result"] == results[7]

    run(main())


def test_the_script_takes_enough_snapshots_to_be_worth_crashing() -> None:
    async def main() -> None:
        async with Simulation(snapshots="every=1") as simulation:
            node, results = await _script(simulation, None)
            log = await simulation.log("a")
            check_script(results, log)
            assert kinds(log).count("snapshot") == len(SCRIPT)
            assert node.broker.journal.appends <= max(number for where, number in POINTS)

    run(main())


async def _damage(simulation: Simulation, blob: str) -> None:
    data = bytearray(await simulation.client.blobs.get(blob))
    data[len(data) // 2] ^= 1
    await simulation.client.blobs.put(blob, bytes(data))


@pytest.mark.parametrize("damaged", [1, 2])
def test_a_damaged_snapshot_falls_back_to_an_older_one_or_the_log_and_says_so(damaged: int) -> None:
    async def main() -> None:
        async with Simulation(snapshots="every=6") as simulation:
            node = simulation.start()
            await add_each(simulation, 1, 20)
            await asyncio.sleep(1)
            node.kill()
            pointer = await pointer_of(simulation)
            for base in pointer.snapshots[:damaged]:
                await _damage(simulation, base.blob)
            counts = simulation.engine.counts
            before = counts.instantiated, counts.restored
            simulation.start()
            outcome = await simulation.invoke("a", "get", key="after")
            assert outcome["result"] == sum(range(21))
            made = counts.instantiated - before[0], counts.restored - before[1]
            assert made == ((0, 1) if damaged == 1 else (1, 0))
            log = await simulation.log("a")
            (failed,) = [entry for entry in log if entry["type"] == "snapshot-failed"]
            assert failed["operation"] == "load"
            assert "damaged" in failed["reason"]
            await add_each(simulation, 21, 30)
            await asyncio.sleep(1)
            status = await Statuses(simulation.client).find(COMPONENT, "a")
            assert status is not None
            assert status.snapshot_problem is None

    run(main())


def test_a_snapshot_that_does_not_fit_the_engine_is_named_no_longer() -> None:
    async def main() -> None:
        async with Simulation(snapshots="every=4") as simulation:
            node = simulation.start()
            await add_each(simulation, 1, 9)
            await asyncio.sleep(1)
            node.kill()
            simulation.engine.counts.unusable = 1
            simulation.start()
            outcome = await simulation.invoke("a", "get", key="after")
            assert outcome["result"] == sum(range(10))
            log = await simulation.log("a")
            (failed,) = [entry for entry in log if entry["type"] == "snapshot-failed"]
            assert failed["reason"] == "of another engine"

    run(main())


@pytest.mark.parametrize("garbage", [b"", b"{", b'{"v": 2, "snapshots": []}', b"\xff\xfe"])
def test_a_pointer_that_nobody_can_read_costs_a_replay(garbage: bytes) -> None:
    async def main() -> None:
        async with Simulation(snapshots="every=4") as simulation:
            node = simulation.start()
            await add_each(simulation, 1, 9)
            await asyncio.sleep(1)
            node.kill()
            last = await simulation.client.journal.last(SNAP)
            assert last is not None
            await simulation.client.journal.append(
                SNAP, garbage, message_id="garbage", expected_sequence=last.sequence
            )
            node = simulation.start()
            assert (await simulation.invoke("a", "get", key="after"))["result"] == sum(range(10))
            await add_each(simulation, 10, 15)
            await asyncio.sleep(1)
            assert (await pointer_of(simulation)).snapshots
            restored = simulation.engine.counts.restored
            await revived(simulation, node)
            assert (await simulation.invoke("a", "get", key="end"))["result"] == sum(range(16))
            assert simulation.engine.counts.restored == restored + 1

    run(main())


def test_a_guest_that_cannot_be_saved_says_why_once_and_goes_on() -> None:
    async def main() -> None:
        async with Simulation(snapshots="every=1") as simulation:
            node = simulation.start()
            simulation.engine.counts.refusal = "the worker holds a Socket"
            await add_each(simulation, 1, 8)
            status = await Statuses(simulation.client).find(COMPONENT, "a")
            assert status is not None
            assert status.snapshot_problem == "save: the worker holds a Socket"
            assert kinds(await simulation.log("a")).count("snapshot-failed") == 1
            node = await revived(simulation, node)
            await add_each(simulation, 9, 12)
            assert kinds(await simulation.log("a")).count("snapshot-failed") == 1
            simulation.engine.counts.refusal = None
            await add_each(simulation, 13, 14)
            await asyncio.sleep(1)
            status = await Statuses(simulation.client).find(COMPONENT, "a")
            assert status is not None
            assert status.snapshot_problem is None
            assert status.snapshots >= 1

    run(main())


def test_an_idle_worker_that_makes_room_is_saved_and_comes_back_without_replay() -> None:
    async def main() -> None:
        async with Simulation(snapshots="idle", resident_workers_max=1) as simulation:
            simulation.start()
            for worker in ("a", "b", "a", "b", "a"):
                for number in range(5):
                    key = f"{worker}-{number}-{len(simulation.results)}"
                    await simulation.invoke(worker, "add", 1, key=key)
            await asyncio.sleep(1)
            counts = simulation.engine.counts
            assert counts.instantiated == 2
            assert counts.restored == 3
            # Every invocation ran once, though its worker was away twice.
            assert counts.calls == 25
            assert (await simulation.invoke("b", "get", key="b-end"))["result"] == 10

    run(main())


def test_a_periodic_snapshot_is_taken_of_an_idle_worker_that_did_something() -> None:
    async def main() -> None:
        async with Simulation(snapshots="period=30s") as simulation:
            simulation.start()
            await add_each(simulation, 1, 3)
            await asyncio.sleep(20)
            assert "snapshot" not in kinds(await simulation.log("a"))
            await asyncio.sleep(20)
            assert kinds(await simulation.log("a")).count("snapshot") == 1
            await asyncio.sleep(200)
            assert kinds(await simulation.log("a")).count("snapshot") == 1
            await add_each(simulation, 4, 4)
            await asyncio.sleep(1)
            assert kinds(await simulation.log("a")).count("snapshot") == 2

    run(main())


@pytest.mark.parametrize("seed", range(15))
def test_random_kills_between_random_snapshots(seed: int) -> None:
    async def main() -> None:
        rng = random.Random(seed)
        policy = rng.choice(["every=1", "every=3", "every=8,idle", "period=1s"])
        async with Simulation(snapshots=policy, resident_workers_max=2) as simulation:
            node = simulation.start()
            totals = dict.fromkeys("abc", 0)
            for number in range(60):
                if rng.random() < 0.12:
                    if rng.random() < 0.5:
                        node.broker.journal.crash_at = (
                            node.broker.journal.appends + rng.randrange(1, 4),
                            rng.choice(["before", "after"]),
                        )
                    else:
                        node.kill()
                worker = rng.choice("abc")
                function = rng.choice(["add", "add", "roll", "nap", "get"])
                params = {"add": (rng.randrange(9),), "nap": (50,)}.get(function, ())
                await simulation.publish(worker, function, *params, key=f"k{number}")
                while f"k{number}" not in simulation.results:
                    if node.killed or node.task.done():
                        node = simulation.start()
                    await asyncio.sleep(0.5)
                result = simulation.results[f"k{number}"][0]["result"]
                match function:
                    case "add":
                        totals[worker] += params[0]
                        assert result == totals[worker]
                    case "roll":
                        totals[worker] += result
                    case "nap":
                        totals[worker] += 1
                    case _:
                        assert result == totals[worker]

    run(main())
