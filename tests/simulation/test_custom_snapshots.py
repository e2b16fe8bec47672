"""Snapshots in a guest's own words, and other policies of components."""

import asyncio
from typing import Any

import pytest

from actors.components.errors import BadComponentError
from actors.errors import TerminalError
from actors.memory_policy import parse_memory
from actors.retry import RetryPolicy, parse_retry
from actors.statuses import Statuses
from broker import subjects
from oplog.snapshots import read_pointer
from tests.simulation.cluster import COMPONENT, PARTITIONS, Simulation, kinds
from tests.simulation.versions import LOADED, Versions, bytes_of
from tests.simulation.virtual import run


def world(guest: str = "Fragile", **settings: Any) -> Simulation:
    settings = {"snapshots": "custom,every=4", **settings}
    return Simulation(
        engine=Versions(), component=bytes_of(guest), settings=settings, snapshots=None
    )


async def snapshots(simulation: Simulation, worker: str) -> list[int]:
    """Return the entries after which the named snapshots were taken, newest first."""
    subject = subjects.snapshot(COMPONENT, worker, PARTITIONS)
    pointer, _ = await read_pointer(simulation.client.journal, subject)
    return [base.commit.index for base in pointer.snapshots]


def test_a_worker_comes_back_from_what_it_said_of_itself() -> None:
    async def main() -> None:
        async with world() as simulation:
            node = simulation.start()
            LOADED.clear()
            total = 0
            for number in range(1, 9):
                total += number
                answer = await simulation.invoke("a", "add", number, key=f"k{number}")
                assert answer["result"] == total
            newest, older = await snapshots(simulation, "a")
            assert newest > older
            entry = [e for e in await simulation.log("a") if e["type"] == "snapshot"][-1]
            assert entry["custom"] is True
            node.kill()
            simulation.start()
            assert (await simulation.invoke("a", "get", key="g"))["result"] == total
            assert len(LOADED) == 1
            # The keys from before are known still.
            assert (await simulation.invoke("a", "add", 1, key="k3"))["result"] == 6

    run(main())


@pytest.mark.parametrize("append", range(1, 20))
@pytest.mark.parametrize("place", ["before", "after"])
def test_a_crash_anywhere_changes_nothing(append: int, place: str) -> None:
    async def main() -> None:
        async with world() as simulation:
            node = simulation.start()
            node.broker.journal.crash_at = (append, place)
            reviver = asyncio.create_task(simulation.revive(node))
            total = 0
            for number in range(1, 8):
                total += number
                answer = await simulation.invoke("a", "add", number, key=f"k{number}")
                assert answer["result"] == total
            reviver.cancel()
            for each in simulation.nodes:
                each.kill()
            simulation.start()
            assert (await simulation.invoke("a", "get", key="g"))["result"] == total

    run(main())


@pytest.mark.parametrize(
    ("values", "tried"), [((5, 2, 10, 10), [17, 5]), ((7, 10, 10, 10), [27, 7])]
)
def test_a_load_that_fails_costs_an_older_snapshot_or_the_whole_log(
    values: tuple[int, ...], tried: list[int]
) -> None:
    async def main() -> None:
        async with world(snapshots="custom,every=3") as simulation:
            node = simulation.start()
            for number, value in enumerate(values):
                await simulation.invoke("a", "add", value, key=f"k{number}")
            LOADED.clear()
            await node.stop()
            simulation.start()
            total = sum(values)
            assert (await simulation.invoke("a", "get", key="g"))["result"] == total
            assert tried == LOADED
            log = await simulation.log("a")
            failed = [e for e in log if e["type"] == "snapshot-failed"]
            assert failed[-1]["operation"] == "load"
            assert "seven is not welcome" in failed[-1]["reason"]
            # Some turns later one loads again.
            await simulation.invoke("a", "add", 1, key="one")
            await simulation.invoke("a", "add", 0, key="none")
            await simulation.nodes[-1].stop()
            LOADED.clear()
            simulation.start()
            assert (await simulation.invoke("a", "get", key="h"))["result"] == total + 1
            assert [total + 1] == LOADED

    run(main())


def test_a_guest_that_cannot_save_itself_goes_on_from_its_log_and_is_not_asked_again() -> None:
    async def main() -> None:
        async with world() as simulation:
            simulation.start()
            for number in range(12):
                answer = await simulation.invoke("a", "add", 1_000, key=f"k{number}")
                assert answer["result"] == 1_000 * (number + 1)
            log = await simulation.log("a")
            assert kinds(log).count("snapshot-failed") == 1
            status = await Statuses(simulation.client).find(COMPONENT, "a")
            assert status is not None
            assert "too large to be saved" in (status.snapshot_problem or "")
            assert status.state == "idle"

    run(main())


def test_a_snapshot_of_another_version_is_not_loaded() -> None:
    async def main() -> None:
        async with world("Compatible") as simulation:
            node = simulation.start()
            for number in range(6):
                await simulation.invoke("a", "add", 1, key=f"k{number}")
            await simulation.upload(COMPONENT, bytes_of("Fragile"), snapshots="custom,every=100")
            LOADED.clear()
            update = {"command": "update", "version": 1}
            assert "ok" in await simulation.command("a", update)
            assert (await simulation.invoke("a", "get", key="g"))["result"] == 6
            node.kill()
            simulation.start()
            assert (await simulation.invoke("a", "get", key="h"))["result"] == 6
            assert LOADED == [], "the old version's words were believed"
            status = await Statuses(simulation.client).find(COMPONENT, "a")
            assert status is not None
            assert status.component_version == 1

    run(main())


def test_an_upload_whose_component_cannot_save_itself_is_refused() -> None:
    async def main() -> None:
        async with world("Compatible") as simulation:
            with pytest.raises(BadComponentError, match="does not export golem:api/load-snapshot"):
                await simulation.upload(COMPONENT, bytes_of("First"), snapshots="custom")

    run(main())


def test_failures_are_tried_again_as_the_component_says() -> None:
    async def main() -> None:
        retry = "attempts=4,min=1s,max=4s,multiplier=2,jitter=0"
        async with world("First", snapshots="never", retry=retry) as simulation:
            simulation.start()
            await simulation.publish("a", "fail", 1, key="f")
            assert (await simulation.result("f", within_s=60))["error"]["kind"] == "trap"
            errors = [e for e in await simulation.log("a") if e["type"] == "error"]
            delays = [
                round((e["retry-at-ms"] - e["at-ms"]) / 1_000) for e in errors if "retry-at-ms" in e
            ]
            assert delays == [1, 2, 4]

    run(main())


@pytest.mark.parametrize(("memory", "attempts"), [("max=64KiB", 3), ("max=64KiB,full=fail", 1)])
def test_a_worker_whose_memory_is_full_fails_as_the_component_says(
    memory: str, attempts: int
) -> None:
    async def main() -> None:
        async with world("Hungry", snapshots="never", memory=memory) as simulation:
            simulation.start()
            outcome = await simulation.invoke("a", "fail", 1, key="f")
            assert outcome["error"]["kind"] == "out-of-memory"
            assert "60000 of 65536 bytes" in outcome["error"]["message"]
            assert kinds(await simulation.log("a")).count("error") == attempts

    run(main())


def test_policies_are_read() -> None:
    assert parse_retry("never") == RetryPolicy(attempts_max=1)
    assert parse_retry("attempts=5,min=100ms,max=1m,multiplier=1.5,jitter=0.5") == RetryPolicy(
        attempts_max=5, delay_min_ms=100, delay_max_ms=60_000, multiplier=1.5, jitter=0.5
    )
    assert parse_memory("max=2MiB,full=fail").bytes_max == 2 << 20
    assert parse_memory("").limit(77) == 77


@pytest.mark.parametrize(
    "text",
    [
        *("", "attempts", "attempts=0", "attempts=-1", "min=5", "min=2m,max=1s", "jitter=2"),
        *("a=1", "attempts=2,attempts=3", "multiplier=0.5", "attempts=²"),
    ],
)
def test_other_retry_policies_are_refused(text: str) -> None:
    with pytest.raises(TerminalError, match="retry "):
        parse_retry(text)


@pytest.mark.parametrize("text", ["max", "max=0MiB", "max=5", "full=no", "max=1KiB", "max=1MiB,"])
def test_other_memory_policies_are_refused(text: str) -> None:
    with pytest.raises(TerminalError, match="memory "):
        parse_memory(text)
