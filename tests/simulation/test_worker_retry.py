"""A worker's own retry policy, chosen by an operator: it counts, lasts, and can be taken back."""

import asyncio
from typing import Any

import pytest

from actors.statuses import Statuses
from oplog.status import Status
from tests.replay.harness import one_entry_per_commit
from tests.simulation.cluster import COMPONENT, Simulation, kinds
from tests.simulation.versions import Versions, bytes_of
from tests.simulation.virtual import run

FIVE = "attempts=5,min=1s,max=1s,jitter=0"


def world(guest: str = "First", **settings: Any) -> Simulation:
    # The component's own choice would give up at once.
    return Simulation(
        engine=Versions(), component=bytes_of(guest), settings={"retry": "never", **settings}
    )


def policy(text: str) -> dict[str, Any]:
    return {"command": "set-retry-policy", "policy": text}


async def status(simulation: Simulation) -> Status:
    found = await Statuses(simulation.client).find(COMPONENT, "a")
    assert found is not None
    return found


@pytest.mark.parametrize("append", range(1, 14))
@pytest.mark.parametrize("when", ["before", "after"])
def test_it_counts_whatever_append_is_interrupted(append: int, when: str) -> None:
    async def main() -> None:
        async with world() as simulation:
            node = simulation.start()
            node.broker.journal.crash_at = (append, when)

            reviver = asyncio.create_task(simulation.revive(node))
            await simulation.invoke("a", "add", 1, key="k")
            try:
                answer = await simulation.command("a", policy(FIVE))
                assert answer == {"ok": {"retry": FIVE}}
            except TimeoutError:
                # The executor did not live to tell; that the command was obeyed stands in the log.
                assert (append, when) == (4, "after")
            assert (await simulation.invoke("a", "fail", 1, key="f"))["error"]["kind"] == "trap"
            reviver.cancel()
            assert (await status(simulation)).retry == FIVE
            log = await simulation.log("a")
            attempts = [each["attempt"] for each in log if each["type"] == "error"]
            assert attempts == [1, 2, 3, 4, 5]
            assert kinds(log).count("worker-retry-policy") == 1

    with one_entry_per_commit():
        run(main())


def test_it_is_taken_back_and_copied_and_undone_with_the_rest() -> None:
    async def main() -> None:
        async with world() as simulation:
            simulation.start()
            await simulation.invoke("a", "add", 1, key="k")
            before = (await status(simulation)).index
            await simulation.command("a", policy(FIVE))
            assert "ok" in await simulation.command("a", {"command": "fork", "worker": "b"})
            assert await simulation.command("a", policy("")) == {"ok": {"retry": ""}}
            assert (await status(simulation)).retry == ""
            for worker, attempts in {"a": 1, "b": 5}.items():
                await simulation.invoke(worker, "fail", 1, key=f"f{worker}")
                found = kinds(await simulation.log(worker)).count("error")
                assert found == attempts, worker
            back = {"command": "revert", "last-oplog-index": before}
            await simulation.command("b", back)
            copy = await Statuses(simulation.client).find(COMPONENT, "b")
            assert copy is not None
            assert copy.retry == ""

    run(main())


def test_it_survives_updates_and_snapshots_and_rescues_what_still_tries() -> None:
    async def main() -> None:
        hourly = "attempts=3,min=1h,max=1h,jitter=0"
        async with world("Compatible", retry=hourly, snapshots="custom,every=3") as system:
            del system.options["snapshots"]
            node = system.start()
            await system.upload(COMPONENT, bytes_of("Fragile"))
            await system.command("a", {"command": "create", "version": 0})
            await system.command("a", policy("attempts=2,min=1s,max=1s,jitter=0"))
            for number in range(4):
                await system.invoke("a", "add", 1, key=f"k{number}")
            await system.command("a", {"command": "update", "version": 1})
            node.kill()
            system.start()
            await system.invoke("a", "fail", 1, key="f")
            assert (await status(system)).retry.startswith("attempts=2")
            log = await system.log("a")
            assert [each["attempt"] for each in log if each["type"] == "error"] == [1, 2]
            assert "snapshot" in kinds(log)

    run(main())


@pytest.mark.parametrize("text", ["often", "attempts=0", "attempts=3;max=1m", "min=1h,max=1s"])
def test_what_is_no_policy_is_refused_and_changes_nothing(text: str) -> None:
    async def main() -> None:
        async with world() as simulation:
            simulation.start()
            await simulation.invoke("a", "add", 1, key="k")
            answer = await simulation.command("a", policy(text))
            assert answer["error"]["kind"] == "bad-request"
            assert repr(text) in answer["error"]["message"]
            assert (await status(simulation)).retry == ""
            nobody = await simulation.command("nobody", policy("never"))
            assert nobody["error"]["kind"] == "unknown-worker"

    run(main())
