"""What a worker does in its life, in virtual time: every claim is checked in the log as well."""

import asyncio
import gc
from collections import Counter

import pytest

from actors.ledger import Ledger
from actors.life import Life
from actors.outbox import Outbox
from oplog.writer import Writer
from tests.simulation.cluster import COMPONENT, PARTITIONS, Simulation, kinds
from tests.simulation.virtual import run

HOUR_MS = 3_600_000


def test_invocations_run_in_order_and_answer() -> None:
    async def main() -> None:
        async with Simulation() as simulation:
            simulation.start()
            for number in range(1, 6):
                outcome = await simulation.invoke("a", "add", number, key=f"k{number}")
                assert outcome["result"] == sum(range(number + 1))
            log = await simulation.log("a")
            assert kinds(log) == ["create"] + 5 * [
                "exported-function-invoked",
                "exported-function-completed",
            ]

    run(main())


def test_state_and_randomness_survive_the_death_of_the_executor() -> None:
    async def main() -> None:
        async with Simulation() as simulation:
            node = simulation.start()
            rolled = (await simulation.invoke("a", "roll", key="k1"))["result"]
            node.kill()
            simulation.start()
            assert (await simulation.invoke("a", "get", key="k2"))["result"] == rolled

    run(main())


def test_the_same_key_is_executed_once_and_always_answered_the_same() -> None:
    async def main() -> None:
        async with Simulation() as simulation:
            node = simulation.start()
            first = await simulation.invoke("a", "add", 7, key="same")
            # Different message ids: the broker's own duplicate check must not help.
            for attempt in range(200):
                await simulation.client.journal.publish(
                    f"shem.invoke.{COMPONENT}.a",
                    b'{"function": "add", "params": [7]}',
                    message_id=f"a:same#{attempt}",
                    headers={"Shem-Key": "same"},
                )
                if attempt == 100:
                    node.kill()
                    simulation.start()
            assert (await simulation.invoke("a", "get", key="after"))["result"] == 7
            await asyncio.sleep(1)
            answers = simulation.results["same"]
            assert len(answers) > 100
            assert all(answer == first for answer in answers)

    run(main())


def test_an_hour_of_sleep_takes_no_memory_and_ends_on_time() -> None:
    async def main() -> None:
        async with Simulation() as simulation:
            node = simulation.start()
            await simulation.publish("a", "nap", HOUR_MS, key="nap")
            await asyncio.sleep(60)
            assert node.executor.describe().workers == 0
            assert kinds(await simulation.log("a"))[-1] == "suspend"
            outcome = await simulation.result("nap", within_s=2 * HOUR_MS / 1_000)
            assert HOUR_MS <= outcome["result"] < HOUR_MS + 1_000

    run(main())


def test_a_sleep_that_ended_while_everything_was_down_ends_at_the_start() -> None:
    async def main() -> None:
        async with Simulation() as simulation:
            node = simulation.start()
            await simulation.publish("a", "nap", HOUR_MS, key="nap")
            await asyncio.sleep(60)
            node.kill()
            await asyncio.sleep(3 * HOUR_MS / 1_000)
            assert "nap" not in simulation.results
            simulation.start()
            outcome = await simulation.result("nap")
            assert outcome["result"] >= HOUR_MS

    run(main())


def test_an_invocation_waits_behind_a_suspended_one_without_waking_it() -> None:
    async def main() -> None:
        async with Simulation() as simulation:
            node = simulation.start()
            await simulation.publish("a", "nap", HOUR_MS, key="nap")
            await asyncio.sleep(60)
            await simulation.publish("a", "add", 5, key="behind")
            await asyncio.sleep(60)
            assert node.executor.describe().workers == 0
            assert "behind" not in simulation.results
            outcome = await simulation.result("behind", within_s=2 * HOUR_MS / 1_000)
            assert outcome["result"] == 6
            assert kinds(await simulation.log("a")).count("suspend") == 1

    run(main())


def test_a_trap_is_retried_and_then_fails_the_worker() -> None:
    async def main() -> None:
        async with Simulation() as simulation:
            simulation.start()
            outcome = await simulation.invoke("a", "trap", key="k1")
            assert outcome["error"]["kind"] == "trap"
            later = await simulation.invoke("a", "get", key="k2")
            assert later["error"]["kind"] == "previous-invocation-failed"
            log = await simulation.log("a")
            assert kinds(log).count("error") == 3
            # What the first attempt learnt from outside is not asked again by the next one.
            assert kinds(log).count("imported-function-invoked") == 1
            assert (await simulation.invoke("b", "get", key="k3"))["result"] == 0

    run(main())


def test_a_broker_that_does_not_answer_is_no_failure_of_the_guest() -> None:
    async def main() -> None:
        async with Simulation() as simulation:
            node = simulation.start()
            await simulation.invoke("a", "add", 5, key="k1")
            # More often than a failing guest would be tried again.
            node.broker.journal.reads_to_fail = 10
            await node.connection.reconnect()
            await simulation.publish("a", "add", 2, key="k2")
            assert (await simulation.result("k2"))["result"] == 7
            assert node.broker.journal.reads_to_fail == 0
            assert "error" not in kinds(await simulation.log("a"))

    run(main())


def test_an_exited_worker_runs_nothing_more() -> None:
    async def main() -> None:
        async with Simulation() as simulation:
            simulation.start()
            outcome = await simulation.invoke("a", "leave", 3, key="k1")
            assert outcome["error"]["kind"] == "exited"
            assert "3" in outcome["error"]["message"]
            later = await simulation.invoke("a", "get", key="k2")
            assert later["error"]["kind"] == "previous-invocation-exited"

    run(main())


def test_interrupt_stops_a_sleeping_guest_and_resume_lets_it_finish() -> None:
    async def main() -> None:
        async with Simulation() as simulation:
            simulation.start()
            await simulation.publish("a", "nap", 5_000, key="nap")
            await asyncio.sleep(1)
            assert await simulation.command("a", {"command": "interrupt"}) == {"ok": None}
            await asyncio.sleep(20)
            assert "nap" not in simulation.results
            await simulation.command("a", {"command": "resume"})
            assert (await simulation.result("nap"))["result"] >= 20_000
            entries = kinds(await simulation.log("a"))
            assert entries.count("interrupted") == entries.count("restart") == 1

    run(main())


def test_interrupt_with_recovery_loses_nothing() -> None:
    async def main() -> None:
        async with Simulation() as simulation:
            simulation.start()
            rolled = (await simulation.invoke("a", "roll", key="k1"))["result"]
            await simulation.publish("a", "nap", 2_000, key="nap")
            await asyncio.sleep(0.5)
            await simulation.command("a", {"command": "interrupt", "recover": True})
            assert 2_000 <= (await simulation.result("nap"))["result"] < 2_100
            assert (await simulation.invoke("a", "get", key="k2"))["result"] == rolled + 1

    run(main())


def test_a_cancelled_invocation_never_runs() -> None:
    async def main() -> None:
        async with Simulation() as simulation:
            simulation.start()
            await simulation.publish("a", "nap", 2_000, key="nap")
            await simulation.publish("a", "add", 100, key="doomed")
            await asyncio.sleep(0.5)
            answer = await simulation.command("a", {"command": "cancel", "key": "doomed"})
            assert answer == {"ok": {"cancelled": True}}
            assert (await simulation.result("doomed"))["error"]["kind"] == "cancelled"
            assert (await simulation.invoke("a", "get", key="k"))["result"] == 1
            again = await simulation.command("a", {"command": "cancel", "key": "doomed"})
            assert again == {"ok": {"cancelled": False}}

    run(main())


def test_a_deleted_worker_starts_anew_and_its_old_mailbox_does_not_run_again() -> None:
    async def main() -> None:
        async with Simulation() as simulation:
            node = simulation.start()
            await simulation.invoke("a", "add", 50, key="k1")
            assert await simulation.command("a", {"command": "delete"}) == {"ok": None}
            assert (await simulation.invoke("a", "add", 1, key="k1b"))["result"] == 1
            node.kill()
            simulation.start()
            assert (await simulation.invoke("a", "get", key="k2"))["result"] == 1
            log = [entry["type"] for entry in await _after_tombstone(simulation, "a")]
            assert log[0] == "create"

    run(main())


async def _after_tombstone(simulation: Simulation, worker: str) -> list[dict[str, object]]:
    from broker import subjects
    from oplog.reader import load

    subject = subjects.log(COMPONENT, worker, PARTITIONS)
    loaded = await load(simulation.client.journal, simulation.client.blobs, subject)
    return [{"type": type(entry).__struct_config__.tag} for _, entry, _ in loaded.entries()]


def test_a_worker_can_be_created_before_it_is_invoked() -> None:
    async def main() -> None:
        async with Simulation() as simulation:
            simulation.start()
            command = {"command": "create", "env": {"A": "1"}, "args": ["x"]}
            assert await simulation.command("a", command) == {"ok": {"version": 0}}
            again = await simulation.command("a", command)
            assert again["error"]["kind"] == "worker-exists"
            created = (await simulation.log("a"))[0]
            assert ["A", "1"] in created["env"]
            assert created["args"] == ["x"]

    run(main())


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"\xff\xfe", "bad-message"),
        (b'{"function": "add", "params": ["\xff"]}', "bad-message"),
        (b'{"function": "add", "params": ["\\ud83d"]}', "bad-message"),
        (b'{"function": "add", "params": ' + 50_000 * b"[" + b"}", "bad-message"),
        (b"add(" + 50_000 * b"[", "bad-message"),
        (b'{"function": "add", "params": [', "bad-message"),
        (b'{"function": 5}', "bad-message"),
        (b'{"function": "nope", "params": []}', "unknown-function"),
        (b'{"function": "add", "params": []}', "bad-parameters"),
        (b'{"function": "add", "params": ["x"]}', "bad-parameters"),
        (b'{"function": "add", "params": [-1]}', "bad-parameters"),
        (b"add(", "bad-message"),
        (b"", "bad-message"),
    ],
)
def test_a_bad_message_gets_an_error_and_blocks_nobody(data: bytes, kind: str) -> None:
    async def main() -> None:
        async with Simulation() as simulation:
            simulation.start()
            await simulation.client.journal.publish(
                f"shem.invoke.{COMPONENT}.a", data, message_id="m", headers={"Shem-Key": "bad"}
            )
            await simulation.publish("a", "add", 5, key="good")
            assert (await simulation.result("bad"))["error"]["kind"] == kind
            assert (await simulation.result("good"))["result"] == 5

    run(main())


def test_an_unknown_component_is_answered_and_forgotten() -> None:
    async def main() -> None:
        async with Simulation() as simulation:
            simulation.start()
            await simulation.client.journal.publish(
                "shem.invoke.nope.a", b"add(5)", message_id="m", headers={"Shem-Key": "k"}
            )
            assert (await simulation.result("k"))["error"]["kind"] == "unknown-component"
            assert await simulation.client.journal.subjects("shem.oplog.*.nope.a.in.*") == {}

    run(main())


def test_draining_hands_over_and_loses_nothing() -> None:
    async def main() -> None:
        async with Simulation() as simulation:
            node = simulation.start()
            for number in range(20):
                await simulation.publish(f"w{number}", "add", number, key=f"k{number}")
            await simulation.publish("sleeper", "nap", 6_000, key="nap")
            await asyncio.sleep(0.5)
            begun = asyncio.get_running_loop().time()
            simulation.start()
            await node.stop()
            assert asyncio.get_running_loop().time() - begun < 5
            for number in range(20):
                outcome = await simulation.invoke(f"w{number}", "get", key=f"g{number}")
                assert outcome["result"] == number
            assert (await simulation.result("nap"))["result"] >= 6_000

    run(main())


def test_idle_workers_leave_memory_beyond_the_budget() -> None:
    async def main() -> None:
        async with Simulation(resident_workers_max=3) as simulation:
            node = simulation.start()
            for number in range(10):
                await simulation.invoke(f"w{number}", "add", number, key=f"k{number}")
            await asyncio.sleep(1)
            assert node.executor.describe().workers <= 3
            assert (await simulation.invoke("w1", "get", key="again"))["result"] == 1

    run(main())


def test_a_worker_that_leaves_memory_needs_no_search_for_garbage() -> None:
    """Such a search visits everything in memory, and holds up all workers meanwhile."""

    async def main() -> None:
        async with Simulation(resident_workers_max=1) as simulation:
            node = simulation.start()
            await simulation.invoke("w0", "add", 1, key="k0")
            gc.collect()
            gc.disable()
            try:
                for number in range(10):
                    await simulation.invoke(f"w{number}", "add", 1, key=f"l{number}")
                await asyncio.sleep(1)
                assert node.executor.describe().workers <= 1
                parts = Counter(type(each) for each in gc.get_objects())
            finally:
                gc.enable()
            assert max(parts[each] for each in (Life, Ledger, Outbox, Writer)) <= 1

    run(main())
