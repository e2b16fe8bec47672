"""Quotas of a component: what is refused, and that it stays so over crashes."""

import asyncio
from typing import Any

import pytest

from actors.quota_policy import Quota, QuotaTextError, parse_quota
from actors.statuses import Statuses
from actors.stored_logs import StoredLogs
from tests.simulation.cluster import COMPONENT, Simulation, kinds
from tests.simulation.virtual import run


def kind_of(outcome: dict[str, Any]) -> str:
    return str(outcome.get("error", {}).get("kind"))


def test_no_more_workers_come_to_be_than_may() -> None:
    async def main() -> None:
        async with Simulation(settings={"quota": "workers=2"}) as simulation:
            node = simulation.start()
            for worker in ("a", "b"):
                assert (await simulation.invoke(worker, "add", 1, key=f"{worker}1"))["result"] == 1
            refused = await simulation.invoke("c", "add", 1, key="c1")
            assert kind_of(refused) == "quota-exceeded"
            assert "has 2 workers, at most 2" in refused["error"]["message"]
            assert await simulation.log("c") == []
            # Those that exist go on, here and at another owner.
            node.kill()
            simulation.start()
            assert (await simulation.invoke("a", "add", 1, key="a2"))["result"] == 2
            assert kind_of(await simulation.invoke("c", "add", 1, key="c2")) == "quota-exceeded"
            # Room again.
            await simulation.command("b", {"command": "delete"})
            await asyncio.sleep(3)
            assert (await simulation.invoke("c", "add", 1, key="c3"))["result"] == 1

    run(main())


def test_workers_that_are_created_or_copied_count_as_well() -> None:
    async def main() -> None:
        async with Simulation(settings={"quota": "workers=2"}) as simulation:
            simulation.start()
            assert "ok" in await simulation.command("a", {"command": "create"})
            fork = {"command": "fork", "worker": "b", "at": 2}
            assert (await simulation.invoke("a", "add", 1, key="a1"))["result"] == 1
            assert "ok" in await simulation.command("a", fork)
            refused = await simulation.command("c", {"command": "create"})
            assert kind_of(refused) == "quota-exceeded"
            refused = await simulation.command("a", {**fork, "worker": "d"})
            assert kind_of(refused) == "cannot-fork"
            assert "has 2 workers, at most 2" in refused["error"]["message"]
            for worker in ("c", "d"):
                assert await simulation.log(worker) == []
            # What is there is found there.
            assert "ok" in await simulation.command("a", fork)
            assert kind_of(await simulation.command("b", {"command": "create"})) == "worker-exists"

    run(main())


def test_whoever_asks_again_while_the_queue_is_full_is_not_refused_what_was_taken() -> None:
    async def main() -> None:
        async with Simulation(settings={"quota": "pending=2"}) as simulation:
            simulation.start()
            await simulation.publish("a", "nap", 9_000, key="nap")
            await asyncio.sleep(1)
            for key in ("k1", "k2", "k3"):
                await simulation.publish("a", "add", 10, key=key)
            assert kind_of(await simulation.result("k3")) == "quota-exceeded"
            for key in ("k1", "k2"):
                await simulation.publish("a", "add", 10, key=key, message_id=f"{key} again")
            assert (await simulation.result("k1"))["result"] == 11
            assert (await simulation.result("k2"))["result"] == 21

    run(main())


@pytest.mark.parametrize("exists", [False, True])
def test_what_came_while_nobody_looked_is_held_to_the_quota(*, exists: bool) -> None:
    async def main() -> None:
        async with Simulation(settings={"quota": "pending=3"}) as simulation:
            if exists:
                node = simulation.start()
                await simulation.invoke("a", "add", 0, key="first")
                await node.stop()
            for number in range(12):
                await simulation.publish("a", "add", 1, key=f"k{number}")
            simulation.start()
            outcomes = [await simulation.result(f"k{number}") for number in range(12)]
            assert [each.get("result") for each in outcomes[:4]] == [1, 2, 3, 4]
            assert {kind_of(each) for each in outcomes[4:]} == {"quota-exceeded"}
            assert (await simulation.invoke("a", "get", key="last"))["result"] == 4

    run(main())


@pytest.mark.parametrize("moves", [False, True])
def test_whoever_asks_again_for_what_runs_is_not_refused_its_outcome(*, moves: bool) -> None:
    async def main() -> None:
        async with Simulation(settings={"quota": "pending=1"}) as simulation:
            node = simulation.start()
            await simulation.publish("a", "nap", 30_000, key="nap")
            await asyncio.sleep(1)
            await simulation.publish("a", "add", 10, key="taken")
            if moves:
                node.kill()
            await simulation.publish("a", "nap", 30_000, key="nap", message_id="again")
            if moves:
                simulation.start()
            assert "result" in await simulation.result("nap")
            assert "result" in await simulation.result("taken")
            log = await simulation.log("a")
            assert "invocation-rejected" not in kinds(log)

    run(main())


def test_what_was_refused_takes_up_no_place_in_the_queue() -> None:
    async def main() -> None:
        async with Simulation(settings={"quota": "pending=2"}) as simulation:
            simulation.start()
            await simulation.publish("a", "nap", 2_000, key="nap")
            await asyncio.sleep(1)
            for key in ("k0", "k1"):
                await simulation.publish("a", "nap", 3_000, key=key)
            for number in range(5):
                await simulation.publish("a", "add", 1, key=f"refused{number}")
            assert kind_of(await simulation.result("refused4")) == "quota-exceeded"
            await simulation.result("nap")
            # One has begun, one waits.
            await simulation.publish("a", "add", 1, key="taken")
            assert "result" in await simulation.result("taken")

    run(main())


@pytest.mark.parametrize("crash", [None, *range(1, 16)])
def test_what_waits_above_the_quota_is_refused_once_and_for_ever(crash: int | None) -> None:
    async def main() -> None:
        async with Simulation(settings={"quota": "pending=3"}) as simulation:
            node = simulation.start()
            await simulation.invoke("a", "add", 1, key="first")
            if crash is not None:
                node.broker.journal.appends = 0
                node.broker.journal.crash_at = crash, "after" if crash % 2 else "before"
            await simulation.publish("a", "nap", 2_000, key="nap")
            for number in range(8):
                await simulation.publish("a", "add", 1, key=f"k{number}")
            # Longer than the nap: whatever is to crash has crashed by then.
            await asyncio.sleep(10)
            if node.killed:
                simulation.start()
            outcomes = {f"k{n}": await simulation.result(f"k{n}", within_s=120) for n in range(8)}
            if not node.killed:
                node.kill()
                simulation.start()
            done = [key for key, outcome in outcomes.items() if "result" in outcome]
            refused = [key for key, outcome in outcomes.items() if "error" in outcome]
            assert {kind_of(outcomes[key]) for key in refused} <= {"quota-exceeded"}
            assert len(done) >= 3
            if crash is None:
                assert len(refused) >= 4
            # Nothing has two outcomes, and what was refused has not run.
            for key, told in simulation.results.items():
                assert len({str(each.get("result", each.get("error"))) for each in told}) == 1, key
            last = await simulation.invoke("a", "add", 1, key="last")
            # The nap counts as one, too.
            assert last["result"] == 1 + 1 + len(done) + 1
            again = await simulation.publish("a", "add", 1, key="k7", message_id="again")
            assert again
            await asyncio.sleep(2)
            assert len({kind_of(each) for each in simulation.results["k7"]}) == 1

    run(main())


def test_a_log_that_is_long_enough_takes_nothing_more() -> None:
    async def main() -> None:
        async with Simulation(settings={"quota": "entries=7"}) as simulation:
            simulation.start()
            outcomes = [await simulation.invoke("a", "add", 1, key=f"k{n}") for n in range(8)]
            kinds = [kind_of(each) for each in outcomes]
            assert kinds[:3] == ["None"] * 3
            assert kinds[-1] == "quota-exceeded"
            assert "at most 7 are allowed" in outcomes[-1]["error"]["message"]
            # What was answered is answered as before.
            again = await simulation.publish("a", "add", 1, key="k0", message_id="again")
            assert again
            await asyncio.sleep(1)
            assert simulation.results["k0"][-1]["result"] == 1

    run(main())


def test_logs_that_hold_enough_take_nothing_more_until_there_is_room() -> None:
    async def main() -> None:
        async with Simulation(settings={"quota": "bytes=64KiB"}, streams=2) as simulation:
            nodes = [simulation.start(), simulation.start()]
            refused: list[dict[str, Any]] = []
            for number in range(400):
                outcome = await simulation.invoke(f"w{number % 8}", "add", 1, key=f"k{number}")
                refused += [outcome] if "error" in outcome else []
                # As long as counting takes is how long more is taken.
                await asyncio.sleep(0.1)
                if len(refused) > 3:
                    break
            assert {kind_of(each) for each in refused} == {"quota-exceeded"}
            assert "at most 65536 are allowed" in refused[0]["error"]["message"]
            stored = sum(
                [
                    len(each.data)
                    async for each in simulation.client.journal.read(
                        "shem.oplog.*.*.*.log", from_sequence=[1, 1]
                    )
                ]
            )
            assert stored < 80 << 10
            # Who is new is not even created, also by an executor that has counted nothing yet.
            nodes[0].kill()
            simulation.start()
            assert kind_of(await simulation.invoke("new", "add", 1, key="new")) == "quota-exceeded"
            assert await simulation.log("new") == []
            for number in range(4):
                await simulation.command(f"w{number}", {"command": "delete"})
            await asyncio.sleep(10)
            assert (await simulation.invoke("new", "add", 1, key="later"))["result"] == 1
            assert "result" in await simulation.invoke("w7", "add", 1, key="more")

    run(main())


def test_a_worker_that_never_leaves_memory_is_held_to_what_is_stored_now() -> None:
    async def main() -> None:
        async with Simulation(settings={"quota": "bytes=16KiB"}) as simulation:
            simulation.start()
            # Longer than a component is counted that nobody loads.
            for number in range(12):
                assert "result" in await simulation.invoke("a", "add", 1, key=f"slow{number}")
                await asyncio.sleep(60)
            outcomes: list[dict[str, Any]] = []
            for number in range(60):
                outcomes.append(await simulation.invoke("a", "add", 1, key=f"k{number}"))
                await asyncio.sleep(1)
            assert kind_of(outcomes[-1]) == "quota-exceeded"
            assert "new version" in outcomes[-1]["error"]["message"]

    run(main())


def test_workers_of_a_version_with_a_lower_limit_learn_that_there_is_room_again() -> None:
    async def main() -> None:
        async with Simulation() as simulation:
            simulation.start()
            for worker in ("a", "b"):
                for number in range(10):
                    await simulation.invoke(worker, "add", 1, key=f"{worker}{number}")
            time = asyncio.get_running_loop().time
            stored = StoredLogs(simulation.client, monotonic_s=time)
            size = stored.of(COMPONENT, Quota(bytes=4 << 10))
            stored.of(COMPONENT, Quota(bytes=1 << 30))
            counting = asyncio.create_task(stored.run())
            await asyncio.sleep(10)
            both = size.bytes
            assert both >= 4 << 10
            await simulation.command("b", {"command": "delete"})
            await asyncio.sleep(60)
            assert 0 < size.bytes < both * 2 / 3
            counting.cancel()

    run(main())


def test_whoever_only_asked_again_does_not_wait() -> None:
    async def main() -> None:
        async with Simulation(settings={"quota": "pending=1"}) as simulation:
            node = simulation.start()
            await simulation.publish("a", "nap", 9_000, key="nap")
            await asyncio.sleep(1)
            for key in ("taken", "refused"):
                await simulation.publish("a", "add", 10, key=key)
            assert kind_of(await simulation.result("refused")) == "quota-exceeded"
            assert (await simulation.result("taken"))["result"] == 11
            await simulation.publish("a", "add", 10, key="taken", message_id="again")
            await asyncio.sleep(5)
            statuses = Statuses(simulation.client)
            assert (await statuses.get(COMPONENT, "a")).pending == 0
            # What really waits is counted.
            node.kill()
            await simulation.publish("a", "add", 10, key="new")
            assert (await statuses.get(COMPONENT, "a")).pending == 1

    run(main())


def test_without_a_quota_in_bytes_nothing_is_counted() -> None:
    async def main() -> None:
        async with Simulation(settings={"quota": "entries=1000"}) as simulation:
            node = simulation.start()
            reads: list[str] = []
            read = node.broker.journal.read

            def noted(subject: str, **options: Any) -> Any:
                reads.append(subject)
                return read(subject, **options)

            node.broker.journal.read = noted
            for number in range(5):
                await simulation.invoke("a", "add", 1, key=f"k{number}")
            await asyncio.sleep(60)
            assert not [each for each in reads if each.startswith("shem.oplog.*")]

    run(main())


def test_texts() -> None:
    assert parse_quota("bytes=10GiB,entries=5") == Quota(entries=5, bytes=10 << 30)
    for text in ("bytes=5", "bytes=0GiB", "bytes=1GiB,bytes=1GiB", "bytes=1.5GiB"):
        with pytest.raises(QuotaTextError, match="512MiB"):
            parse_quota(text)
    assert parse_quota("") == Quota()
    assert parse_quota("pending=5,workers=7") == Quota(workers=7, pending=5)
    for text in ("workers", "workers=0", "workers=1,workers=2", "rooms=3", "workers=1;pending=2"):
        with pytest.raises(QuotaTextError, match="expected workers=N"):
            parse_quota(text)
