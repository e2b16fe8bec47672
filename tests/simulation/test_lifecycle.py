"""Cancelling, interrupting and updating at awkward moments."""

import asyncio
import random
from typing import Any

import pytest

from actors.statuses import Statuses
from broker.layout import DUPLICATE_WINDOW_S
from oplog.status import Status
from shem import Client
from tests.simulation.cluster import COMPONENT, Simulation, kinds
from tests.simulation.test_second_thoughts import BY_SNAPSHOT, HOUR_MS, UPDATE, settled
from tests.simulation.versions import Versions, bytes_of
from tests.simulation.virtual import run


def world(guest: str = "First") -> Simulation:
    return Simulation(engine=Versions(), component=bytes_of(guest))


async def status(simulation: Simulation, worker: str = "a") -> Status:
    found = await Statuses(simulation.client).find(COMPONENT, worker)
    assert found is not None
    return found


def cancel(key: str) -> dict[str, Any]:
    return {"command": "cancel", "key": key}


def test_what_waits_is_cancelled_and_nothing_else() -> None:
    async def main() -> None:
        async with world() as simulation:
            node = simulation.start()
            await simulation.publish("a", "nap", HOUR_MS, key="nap")
            await settled(simulation, "a", "suspend")
            for number in range(1, 4):
                await simulation.publish("a", "add", number, key=f"k{number}")
            assert await simulation.command("a", cancel("k2")) == {"ok": {"cancelled": True}}
            assert (await simulation.result("k2"))["error"]["kind"] == "cancelled"
            for key in ("k2", "nap", "nothing"):
                assert await simulation.command("a", cancel(key)) == {"ok": {"cancelled": False}}
            node.kill()
            simulation.start()
            assert (await simulation.result("k3", within_s=7_200))["result"] == 5
            assert await simulation.command("a", cancel("k3")) == {"ok": {"cancelled": False}}
            # For ever: the key has its outcome.
            simulation.results.pop("k2")
            await simulation.publish("a", "add", 2, key="k2", message_id="again")
            assert (await simulation.result("k2"))["error"]["kind"] == "cancelled"
            assert (await simulation.invoke("a", "get", key="g"))["result"] == 5

    run(main())


def test_what_a_worker_would_come_to_be_by_is_cancelled() -> None:
    async def main() -> None:
        async with world() as simulation:
            for key in ("k1", "k2"):
                await simulation.publish("a", "add", 1, key=key)
            answer = asyncio.create_task(simulation.command("a", cancel("k1")))
            nobody = asyncio.create_task(simulation.command("b", cancel("k1")))
            await simulation.publish("nothing/c", "add", 1, key="k3")
            never = asyncio.create_task(simulation.command("nothing/c", cancel("k3")))
            await asyncio.sleep(1)
            simulation.start()
            assert await answer == {"ok": {"cancelled": True}}
            assert (await nobody)["error"]["kind"] == "unknown-worker"
            assert (await never)["error"]["kind"] == "unknown-worker"
            assert (await simulation.result("k3"))["error"]["kind"] == "unknown-component"
            assert (await simulation.result("k1"))["error"]["kind"] == "cancelled"
            assert (await simulation.result("k2"))["result"] == 1

    run(main())


def test_what_runs_is_not_cancelled_by_who_asks_for_its_outcome() -> None:
    async def main() -> None:
        async with world() as simulation:
            simulation.start()
            await simulation.publish("a", "nap", HOUR_MS, key="nap")
            await settled(simulation, "a", "suspend")
            await simulation.publish("a", "nap", HOUR_MS, key="nap", message_id="again")
            assert await simulation.command("a", cancel("nap")) == {"ok": {"cancelled": False}}
            assert (await simulation.result("nap", within_s=7_200))["result"] == 1
            log = await simulation.log("a")
            assert "invocation-rejected" not in kinds(log)

    run(main())


def test_what_was_cancelled_in_the_queue_does_not_run_after_a_revert() -> None:
    async def main() -> None:
        async with world() as simulation:
            node = simulation.start()
            await simulation.invoke("a", "add", 1, key="k1")
            await simulation.publish("a", "nap", HOUR_MS, key="nap")
            await settled(simulation, "a", "suspend")
            for number in (2, 3):
                await simulation.publish("a", "add", 10**number, key=f"k{number}")
            assert await simulation.command("a", cancel("k3")) == {"ok": {"cancelled": True}}
            revert = {"command": "revert", "invocations": 1}
            assert "ok" in await simulation.command("a", revert)
            assert (await simulation.invoke("a", "get", key="g1"))["result"] == 101
            # Told again when its turn comes, and the same.
            assert {each["error"]["kind"] for each in simulation.results["k3"]} == {"cancelled"}
            node.kill()
            simulation.start()
            assert (await simulation.invoke("a", "get", key="g2"))["result"] == 101
            # Its message is gone: asked for anew, it runs, as all do that was undone.
            simulation.results.clear()
            await simulation.publish("a", "add", 1_000, key="k3", message_id="anew")
            assert (await simulation.result("k3"))["result"] == 1_101

    run(main())


@pytest.mark.parametrize("seed", range(25))
def test_a_cancellation_that_races_with_its_invocation_wins_or_loses_as_a_whole(seed: int) -> None:
    async def main() -> None:
        chance = random.Random(seed)
        async with world() as simulation:
            node = simulation.start()
            node.broker.journal.crash_at = (
                chance.randrange(1, 12),
                chance.choice(("before", "after")),
            )

            reviver = asyncio.create_task(simulation.revive(node))
            await simulation.publish("a", "nap", chance.randrange(2_000), key="nap")
            total = 1
            for number in range(1, 6):

                async def cancelled(key: str = f"k{number}") -> Any:
                    await asyncio.sleep(chance.random() * 0.8)
                    return await simulation.command("a", cancel(key))

                ordered = asyncio.create_task(cancelled())
                await asyncio.sleep(chance.random() * 0.8)
                await simulation.publish("a", "add", 10**number, key=f"k{number}")
                answer = await ordered
                outcome = await simulation.result(f"k{number}", within_s=600)
                if "error" in answer:
                    # The worker did not exist yet.
                    assert answer["error"]["kind"] == "unknown-worker"
                was = answer.get("ok", {}).get("cancelled", False)
                # After a crash it is obeyed again, and answered as the second one.
                if was or "error" in outcome:
                    assert outcome["error"]["kind"] == "cancelled"
                else:
                    total += 10**number
            reviver.cancel()
            await simulation.result("nap", within_s=600)
            for each in simulation.nodes:
                if not each.task.done():
                    each.kill()
            simulation.start()
            assert (await simulation.invoke("a", "get", key="g"))["result"] == total

    run(main())


def test_a_simulated_crash_goes_on_with_what_ran() -> None:
    async def main() -> None:
        async with world() as simulation:
            simulation.start()
            await simulation.invoke("a", "add", 5, key="k")
            begun = asyncio.get_running_loop().time()
            await simulation.publish("a", "nap", 8_000, key="nap")
            for _ in range(3):
                await asyncio.sleep(1)
                crash = {"command": "interrupt", "recover": True}
                assert await simulation.command("a", crash) == {"ok": None}
            assert (await simulation.result("nap"))["result"] == 6
            took_s = asyncio.get_running_loop().time() - begun
            assert 8 <= took_s < 9, "the sleep began again"
            assert kinds(await simulation.log("a")).count("restart") == 3

    run(main())


def test_every_status_is_told() -> None:
    async def main() -> None:
        seen: list[str] = []
        async with world() as simulation:
            simulation.start()
            await simulation.invoke("a", "add", 5, key="k")
            seen.append((await status(simulation)).state)
            await simulation.publish("a", "nap", 5_000, key="short")
            await asyncio.sleep(1)
            seen.append((await status(simulation)).state)
            await simulation.result("short")
            await simulation.publish("a", "nap", HOUR_MS, key="long")
            await settled(simulation, "a", "suspend")
            seen.append((await status(simulation)).state)
            await simulation.command("a", {"command": "interrupt"})
            seen.append((await status(simulation)).state)
            await simulation.command("a", {"command": "resume"})
            await simulation.result("long", within_s=7_200)
            await simulation.publish("a", "fail", 1, key="f")
            await settled(simulation, "a", "error")
            states = {(await status(simulation)).state}
            await simulation.result("f")
            states.add((await status(simulation)).state)
            assert "failed" in states
            assert states <= {"retrying", "failed"}
        assert seen == ["idle", "running", "suspended", "interrupted"]

    run(main())


MOMENTS = ["idle", "suspended", "queued", "failed", "interrupted"]


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("command", [UPDATE, BY_SNAPSHOT], ids=["automatic", "by snapshot"])
@pytest.mark.parametrize("guest", ["Compatible", "Refusing"])
def test_an_update_at_any_moment(guest: str, moment: str, command: dict[str, Any]) -> None:
    """`Refusing` replays as well as any, but loads nothing."""

    async def main() -> None:
        async with world() as simulation:
            simulation.start()
            await simulation.invoke("a", "add", 5, key="k")
            expected, extra = 5, 0
            match moment:
                case "suspended" | "interrupted":
                    await simulation.publish("a", "nap", HOUR_MS, key="nap")
                    await settled(simulation, "a", "suspend")
                    extra = 1
                case "queued":
                    await simulation.publish("a", "nap", 3_000, key="nap")
                    await simulation.publish("a", "add", 10, key="queued")
                    await asyncio.sleep(1)
                    extra = 11
                case "failed":
                    await simulation.invoke("a", "fail", 1, key="f")
            if moment == "interrupted":
                await simulation.command("a", {"command": "interrupt"})
            await simulation.upload(COMPONENT, bytes_of(guest))
            assert await simulation.command("a", command) == {"ok": {"version": 1}}
            if moment == "interrupted":
                await asyncio.sleep(60)
                assert (await status(simulation)).state == "interrupted"
                await simulation.command("a", {"command": "resume"})
            fails = guest == "Refusing" and command is BY_SNAPSHOT
            # A failed worker has no state that the old version could save: it is replayed up to
            # what failed.
            await settled(simulation, "a", "failed-update" if fails else "successful-update")
            found = await status(simulation)
            assert found.component_version == (0 if fails else 1)
            if moment == "failed" and fails:
                assert found.state == "failed"
                return
            for key in ("nap", "queued"):
                if extra and (key == "nap" or moment == "queued"):
                    await simulation.result(key, within_s=7_200)
            answer = await simulation.invoke("a", "get", key="g")
            assert answer["result"] == expected + extra

    run(main())


def test_a_trap_in_save_leaves_the_old_version_at_work() -> None:
    async def main() -> None:
        async with world("Refusing") as simulation:
            node = simulation.start()
            await simulation.invoke("a", "add", 5, key="k")
            await simulation.upload(COMPONENT, bytes_of("Compatible"))
            await simulation.command("a", BY_SNAPSHOT)
            failed = await settled(simulation, "a", "failed-update")
            assert "save: cannot save" in failed["details"]
            assert (await simulation.invoke("a", "get", key="g"))["result"] == 5
            node.kill()
            simulation.start()
            assert (await simulation.invoke("a", "add", 1, key="h"))["result"] == 6
            assert (await status(simulation)).component_version == 0
            # Replay asks nothing of the state that it cannot save.
            await simulation.command("a", UPDATE)
            await settled(simulation, "a", "successful-update")
            assert (await simulation.invoke("a", "get", key="i"))["result"] == 6

    run(main())


def test_of_two_updates_in_a_row_the_last_one_counts() -> None:
    async def main() -> None:
        async with world() as simulation:
            node = simulation.start()
            await simulation.invoke("a", "add", 5, key="k")
            for guest in ("Compatible", "OtherImport"):
                await simulation.upload(COMPONENT, bytes_of(guest))
            await asyncio.gather(
                simulation.command("a", UPDATE),
                simulation.command("a", {**UPDATE, "version": 2}),
            )
            async with asyncio.timeout(600):
                # Time is virtual here: nothing tells that a log has grown.
                while (await status(simulation)).component_version != 2:  # noqa: ASYNC110
                    await asyncio.sleep(0.5)
            assert (await status(simulation)).pending_update is None
            node.kill()
            simulation.start()
            assert (await simulation.invoke("a", "get", key="g"))["result"] == 5

    run(main())


def test_a_worker_that_fails_before_it_can_save_itself_keeps_its_version() -> None:
    async def main() -> None:
        async with world() as simulation:
            simulation.start()
            await simulation.invoke("a", "add", 5, key="k")
            await simulation.publish("a", "nap", 1_500, key="nap")
            await simulation.publish("a", "fail", 1, key="f")
            await asyncio.sleep(1)
            await simulation.upload(COMPONENT, bytes_of("Compatible"))
            await simulation.command("a", {**BY_SNAPSHOT})
            await simulation.result("f")
            async with asyncio.timeout(600):
                # Time is virtual here: nothing tells that a log has grown.
                while (await status(simulation)).pending_update is not None:  # noqa: ASYNC110
                    await asyncio.sleep(0.5)
            assert "ok" in await simulation.command("a", {"command": "revert", "invocations": 1})
            assert (await simulation.invoke("a", "get", key="g"))["result"] == 6

    run(main())


@pytest.mark.parametrize("crashes", [False, True])
def test_a_repetition_that_was_answered_does_not_run_after_a_revert(crashes: bool) -> None:  # noqa: FBT001 - a parameter of the test
    async def main() -> None:
        async with world() as simulation:
            node = simulation.start()
            for number in range(1, 4):
                await simulation.invoke("a", "add", number, key=f"k{number}")
            simulation.results.clear()
            await simulation.publish("a", "add", 2, key="k2", message_id="again")
            assert (await simulation.result("k2"))["result"] == 3
            if crashes:
                node.kill()
                simulation.start()
            assert "ok" in await simulation.command("a", {"command": "revert", "invocations": 2})
            assert (await simulation.invoke("a", "get", key="g"))["result"] == 1
            # Asked for anew, it runs.
            simulation.results.clear()
            await simulation.publish("a", "add", 2, key="k2", message_id="anew")
            assert (await simulation.result("k2"))["result"] == 3

    run(main())


@pytest.mark.parametrize("order", [{"command": "delete"}, {"command": "revert", "invocations": 1}])
def test_a_key_that_was_forgotten_is_accepted_again_however_soon(order: dict[str, Any]) -> None:
    async def main() -> None:
        async with world() as simulation:
            simulation.start()
            client = Client(simulation.cluster.connect())
            await client.start()
            worker = client.worker(COMPONENT, "a")
            await worker.publish("add", 5, key="k")
            await simulation.result("k")
            assert "ok" in await simulation.command("a", order)
            simulation.results.clear()
            # For the broker it is a copy of the first message, which it does not store.
            await worker.publish("add", 7, key="k")
            assert (await simulation.result("k"))["result"] == 7
            await client.close()

    run(main())


def test_a_worker_that_is_deleted_is_not_called_again_by_what_was_sent_before() -> None:
    """Recovery sends again what may not have left, after the broker has forgotten that it has."""

    async def main() -> None:
        async with Simulation() as simulation:
            node = simulation.start()
            await simulation.invoke("a", "tell", "b", 2, key="tell")
            await asyncio.sleep(40)
            await simulation.command("b", {"command": "delete"})
            await asyncio.sleep(DUPLICATE_WINDOW_S)
            node.kill()
            simulation.start()
            await simulation.invoke("a", "get", key="get")
            await asyncio.sleep(5)
            message = await simulation.client.journal.last("shem.oplog.*.counter.b.log")
            assert message is not None
            assert message.headers["Shem-Types"] == "deleted"

    run(main())
