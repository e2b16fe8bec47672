"""Workers that call each other, in virtual time, with a crash at every append of either."""

import asyncio
import json
from typing import Any

import pytest

import oplog.writer
from broker import subjects
from tests.simulation.cluster import COMPONENT, PARTITIONS, Node, Simulation, kinds
from tests.simulation.virtual import run

HOUR_MS = 3_600_000
# Functions and parameters for worker `a`, with what each has to answer.
SCRIPT: list[tuple[str, tuple[Any, ...], Any]] = [
    ("add", (100,), 100),
    ("transfer", ("b", 5), "5"),
    ("ask", ("b", "nap", 20_000), "20000"),
    ("transfer", ("c", 7), "7"),
    ("fan", (3, 15_000), 92),
    ("transfer", ("b", 1), "7"),
]
APPENDS_AT_MOST = 47


async def _run_script(nodes: int, crash_at: tuple[int, str] | None) -> tuple[int, list[Any]]:
    async with Simulation() as simulation:
        started = [simulation.start() for _ in range(nodes)]
        doomed = started[0]
        await asyncio.gather(*(node.executor.wait_until_ready() for node in started))
        doomed.broker.journal.crash_at = crash_at

        async def revive() -> None:
            await asyncio.wait({doomed.task})
            simulation.start()

        reviver = asyncio.create_task(revive())
        for number, (function, params, expected) in enumerate(SCRIPT):
            await simulation.publish("a", function, *params, key=f"k{number}")
            outcome = await simulation.result(f"k{number}", within_s=200)
            told = outcome.get("result")
            assert told == expected or (function == "ask" and int(told) >= int(expected)), outcome
        values = [
            (await simulation.invoke(name, "get", key=f"get-{name}"))["result"]
            for name in ("a", "b", "c", "part-0", "part-1", "part-2")
        ]
        # Each call has been executed once by its callee, whoever died.
        assert values == [91, 7, 7, 1, 2, 3], values
        for name in ("b", "c", "part-0"):
            log = await simulation.log(name)
            keys = [entry["idempotency-key"] for entry in log if "sequence" in entry]
            assert len(keys) == len(set(keys))
        reviver.cancel()
        return doomed.broker.journal.appends, kinds(await simulation.log("a"))


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("append", range(1, APPENDS_AT_MOST))
def test_a_crash_around_an_append_of_caller_or_callee_changes_nothing(
    append: int, when: str
) -> None:
    appends, _ = run(_run_script(1, (append, when)))
    if append > appends:
        pytest.skip(f"the script makes {appends} appends")


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("append", range(1, 48))
def test_a_guest_that_was_told_of_an_answer_gets_it_wherever_the_executor_dies(
    append: int, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log may end behind the poll that said so, and the answer is no message yet."""
    monkeypatch.setattr(oplog.writer, "COMMIT_ENTRIES_MAX", 1)

    async def main() -> None:
        async with Simulation() as simulation:
            node = simulation.start()
            node.broker.journal.crash_at = (append, when)
            reviver = asyncio.create_task(asyncio.wait({node.task}))
            reviver.add_done_callback(lambda _: simulation.start())
            await simulation.publish("a", "fan", 3, 10, key="k1")
            # The guest fails if it is told none.
            assert (await simulation.result("k1"))["result"] == 3
            told = [
                (await simulation.invoke(f"part-{part}", "get", key=f"get-{part}"))["result"]
                for part in range(3)
            ]
            assert told == [1, 2, 3]
            errors = [each for each in await simulation.log("a") if each["type"] == "error"]
            assert not errors, errors
            reviver.cancel()

    run(main())


@pytest.mark.parametrize("append", range(1, 20, 2))
def test_a_crash_of_one_of_two_executors_changes_nothing(append: int) -> None:
    run(_run_script(2, (append, "after")))


def test_the_script_makes_enough_appends_to_be_worth_crashing() -> None:
    appends, entries = run(_run_script(1, None))
    assert 40 <= appends < APPENDS_AT_MOST, appends
    assert entries.count("suspend") == 2


def test_waiting_for_an_answer_takes_no_memory_and_no_pending_delivery() -> None:
    async def main() -> None:
        async with Simulation() as simulation:
            node = simulation.start()
            await simulation.publish("a", "ask", "b", "nap", HOUR_MS, key="k1")
            await asyncio.sleep(60)
            assert node.executor.describe().workers == 0
            log = await simulation.log("a")
            assert kinds(log)[-1] == "suspend"
            assert log[-1]["waits-for"] == [3]
            node.kill()
            await asyncio.sleep(2 * HOUR_MS / 1_000)
            simulation.start()
            assert int((await simulation.result("k1"))["result"]) >= HOUR_MS

    run(main())


def test_a_caller_that_waits_in_memory_holds_no_delivery() -> None:
    async def main() -> None:
        async with Simulation(suspend_after_s=3_600.0) as simulation:
            node = simulation.start()
            await simulation.publish("a", "ask", "b", "nap", 1_800_000, key="k1")
            await asyncio.sleep(60)
            assert node.executor.describe().workers == 2
            (partition,) = [
                each
                for each in node.executor._partitions.values()
                if any(worker.worker == "a" for worker in each.workers)
            ]
            waiting = next(worker for worker in partition.workers if worker.worker == "a")
            assert partition.is_settled(waiting)
            # Neither is what queues up behind it lost when the executor dies.
            await simulation.publish("a", "add", 5, key="behind")
            await asyncio.sleep(1)
            assert partition.is_settled(waiting)
            node.kill()
            simulation.start()
            assert (await simulation.result("k1", within_s=3_600))["result"] == "1800000"
            assert (await simulation.result("behind"))["result"] == 6

    run(main())


@pytest.mark.parametrize("function", ["trap", "nope"])
def test_the_failure_of_the_callee_is_an_error_that_the_caller_can_read(function: str) -> None:
    async def main() -> None:
        async with Simulation() as simulation:
            simulation.start()
            outcome = await simulation.invoke("a", "ask", "b", function, 1, key="k1")
            kind = {"trap": "remote-internal-error: trap", "nope": "not-found: unknown-function"}
            assert outcome["result"].startswith(kind[function])
            assert (await simulation.invoke("a", "get", key="k2"))["result"] == 1

    run(main())


def test_an_answer_that_no_message_can_hold_is_an_error_and_blocks_nobody() -> None:
    async def main() -> None:
        async with Simulation() as simulation:
            node = simulation.start()
            size = simulation.client.payload_bytes_max // 8
            outcome = await simulation.invoke("a", "ask", "b", "blob", size, key="k1")
            assert outcome["result"].startswith("protocol-error: too-large"), outcome
            assert (await simulation.invoke("b", "get", key="k2"))["result"] == 0
            node.kill()
            simulation.start()
            assert (await simulation.invoke("a", "get", key="k3"))["result"] == 1

    run(main())


def test_a_callee_that_is_deleted_answers_what_waits_for_it() -> None:
    async def main() -> None:
        async with Simulation() as simulation:
            simulation.start()
            await simulation.publish("a", "ask", "b", "nap", HOUR_MS, key="running")
            await asyncio.sleep(30)
            await simulation.publish("c", "ask", "b", "add", 1, key="queued")
            await asyncio.sleep(30)
            await simulation.command("b", {"command": "delete"})
            for key in ("running", "queued"):
                outcome = await simulation.result(key)
                assert outcome["result"].startswith("remote-internal-error: deleted"), outcome

    run(main())


def test_answers_that_are_late_foreign_or_doubled_are_ignored() -> None:
    async def main() -> None:
        async with Simulation() as simulation:
            node = simulation.start()
            await simulation.publish("a", "ask", "b", "nap", 5_000, key="k1")
            await asyncio.sleep(1)
            incarnation = (await simulation.log("a"))[0]["incarnation"]

            async def answer(number: int, index: int, incarnation: str) -> None:
                body = {"type": "reply", "index": index, "incarnation": incarnation, "result": 1}
                await simulation.client.journal.publish(
                    subjects.reply(COMPONENT, "a"),
                    json.dumps(body).encode(),
                    message_id=f"forged-{number}",
                )

            await answer(1, 3, "another")
            await answer(2, 1, incarnation)
            await simulation.client.journal.publish(
                subjects.reply(COMPONENT, "a"), b"\xff nonsense", message_id="nonsense"
            )
            assert (await simulation.result("k1"))["result"] == "5000"
            await answer(3, 3, incarnation)
            node.kill()
            simulation.start()
            assert (await simulation.invoke("a", "get", key="k2"))["result"] == 1
            # Nor does one create a worker.
            await simulation.client.journal.publish(
                subjects.reply(COMPONENT, "z"),
                b'{"type": "reply", "index": 3, "incarnation": "1"}',
                message_id="nobody",
            )
            await asyncio.sleep(5)
            assert await simulation.log("z") == []

    run(main())


def test_a_deleted_caller_does_not_get_the_answer_of_its_predecessor() -> None:
    async def main() -> None:
        async with Simulation() as simulation:
            simulation.start()
            await simulation.publish("a", "ask", "b", "nap", 60_000, key="k1")
            await asyncio.sleep(5)
            await simulation.command("a", {"command": "delete"})
            outcome = await simulation.invoke("a", "ask", "c", "nap", 58_000, key="k2")
            assert outcome["result"] == "58000"
            assert (await simulation.invoke("b", "get", key="k3"))["result"] == 1

    run(main())


REPLIES = subjects.mailbox(COMPONENT, "a", PARTITIONS, "reply")


async def replies(simulation: Simulation) -> int:
    return sum((await simulation.client.journal.subjects(REPLIES)).values())


def test_an_answer_to_a_caller_in_the_same_process_is_no_message_once_it_is_recorded() -> None:
    async def main() -> None:
        async with Simulation() as simulation:
            simulation.start()
            for number in range(3):
                await simulation.invoke("a", "ask", "b", "add", 1, key=f"k{number}")
            # Several at once: the first answers leave the caller where the others are waited for.
            await simulation.invoke("a", "fan", 5, 50, key="fan")
            await asyncio.sleep(1)
            assert await replies(simulation) == 0
            # It takes longer than the caller keeps its delivery: the answer has to be one.
            await simulation.invoke("a", "ask", "b", "nap", 2_000, key="slow")
            await asyncio.sleep(1)
            assert await replies(simulation) == 1

    run(main())


def callee_elsewhere(nodes: list[Node], caller: str) -> str:
    """Return a worker that another executor owns than the caller's."""

    def owner(worker: str) -> Node:
        number = subjects.partition_of(COMPONENT, worker, PARTITIONS)
        return next(node for node in nodes if number in node.executor.describe().partitions)

    names = (f"e{number}" for number in range(100))
    return next(name for name in names if owner(name) is not owner(caller))


async def two_executors(simulation: Simulation) -> str:
    """Start two; return a worker in another one than `a`."""
    nodes = [simulation.start() for _ in range(2)]
    await asyncio.gather(*(node.executor.wait_until_ready() for node in nodes))
    # Until each has given up what the other one owns.
    await asyncio.sleep(30)
    return callee_elsewhere(nodes, "a")


def test_an_answer_to_a_caller_in_another_executor_is_no_message_once_it_is_recorded() -> None:
    async def main() -> None:
        async with Simulation() as simulation:
            other = await two_executors(simulation)
            for number in range(3):
                await simulation.invoke("a", "ask", other, "add", 1, key=f"k{number}")
            await asyncio.sleep(1)
            assert await replies(simulation) == 0
            # One that has settled gets a message, too; it hears of the answer before.
            await simulation.invoke("a", "ask", other, "nap", 2_000, key="slow")
            await asyncio.sleep(1)
            assert await replies(simulation) == 1

    run(main())


@pytest.mark.parametrize("doomed", [0, 1])
@pytest.mark.parametrize("append", range(1, 9))
@pytest.mark.parametrize("when", ["before", "after"])
def test_an_answer_between_executors_survives_the_death_of_either(
    append: int, when: str, doomed: int
) -> None:
    async def main() -> None:
        async with Simulation() as simulation:
            other = await two_executors(simulation)
            node = simulation.nodes[doomed]
            node.broker.journal.crash_at = (node.broker.journal.appends + append, when)
            for number in range(1, 5):
                # Every second one is over before its caller has settled.
                await simulation.publish(
                    "a", "ask", other, "nap", number % 2 * 500, key=f"{number}"
                )
            for number in range(1, 5):
                told = await simulation.result(f"{number}", within_s=120)
                assert int(told["result"]) >= number % 2 * 500
            assert (await simulation.invoke(other, "get", key="end"))["result"] == 4

    run(main())


@pytest.mark.parametrize("append", range(2, 9))
def test_a_request_that_has_left_behind_its_commit_is_not_sent_twice(append: int) -> None:
    """The executor dies when both are stored and neither is acknowledged."""

    async def main() -> None:
        async with Simulation() as simulation:
            node = simulation.start()
            journal = node.broker.journal
            followed = []

            async def follow(subject: str, data: bytes, **options: Any) -> bool:
                followed.append(await journal._journal.follow(subject, data, **options))
                return followed[-1]

            journal.follow = follow
            journal.crash_at = (append, "followed")
            for number in range(1, 4):
                await simulation.publish("a", "ask", "b", "add", 1, key=f"k{number}")
            await asyncio.wait({node.task}, timeout=5)
            simulation.start()
            told = [(await simulation.result(f"k{number}"))["result"] for number in range(1, 4)]
            assert told == ["1", "2", "3"]
            log = await simulation.log("b")
            assert kinds(log).count("exported-function-invoked") == 3
            assert any(followed), "no request left behind its commit"

    run(main())


def test_an_answer_that_is_not_observed_at_once_is_a_message() -> None:
    async def main() -> None:
        async with Simulation() as simulation:
            node = simulation.start()
            program = [
                ["begin", "b", [["add", 5]]],
                ["sleep", 5_000],
                ["call", "c", [["add", 1]]],
                ["await"],
            ]
            await simulation.publish("a", "run", json.dumps(program), key="k1")
            await asyncio.sleep(1)
            assert await replies(simulation) == 1
            node.kill()
            simulation.start()
            await simulation.result("k1")
            assert (await simulation.invoke("b", "get", key="k2"))["result"] == 5

    run(main())


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("append", range(1, 13))
def test_what_waits_behind_a_caller_runs_whenever_the_executor_dies(append: int, when: str) -> None:
    """The caller's own delivery brings it back, since its answer was none."""

    async def main() -> None:
        async with Simulation() as simulation:
            node = simulation.start()
            node.broker.journal.crash_at = (append, when)
            await simulation.publish("a", "ask", "b", "add", 5, key="k1")
            await simulation.publish("a", "ask", "b", "add", 7, key="k2")
            await simulation.publish("a", "get", key="k3")
            await asyncio.wait({node.task}, timeout=5)
            simulation.start()
            told = [(await simulation.result(key))["result"] for key in ("k1", "k2", "k3")]
            assert told == ["5", "12", 2]
            assert (await simulation.invoke("b", "get", key="k4"))["result"] == 12

    run(main())


def test_calls_without_waiting_arrive_in_their_order() -> None:
    async def main() -> None:
        async with Simulation() as simulation:
            node = simulation.start()
            node.broker.journal.crash_at = (4, "after")
            await simulation.publish("a", "tell", "b", 50, key="k1")
            await asyncio.wait({node.task})
            simulation.start()
            await simulation.result("k1")
            await asyncio.sleep(30)
            log = await simulation.log("b")
            steps = [entry for entry in log if entry["type"] == "exported-function-completed"]
            assert [step["result"] for step in steps] == [0] * 50
            asked = [entry["params"] for entry in log if "params" in entry]
            assert asked == [[1, number] for number in range(1, 51)]

    run(main())


def test_a_chain_of_calls_that_comes_back_is_refused_at_once() -> None:
    async def main() -> None:
        async with Simulation() as simulation:
            simulation.start()
            outcome = await simulation.invoke("a", "ask", "a", "get", 0, key="k1")
            assert "deadlock" in outcome["result"]
            assert "counter/a → counter/a" in outcome["result"]

    run(main())


@pytest.mark.parametrize("workers", ["ab", "cab", "abcd"])
@pytest.mark.parametrize("suspend_after_s", [10.0, 0.1])
def test_workers_that_call_each_other_in_a_circle_are_told_within_a_second(
    workers: str, suspend_after_s: float
) -> None:
    async def main() -> None:
        async with Simulation(suspend_after_s=suspend_after_s) as simulation:
            simulation.start()
            circle = list(zip(workers, workers[1:] + workers[:1], strict=True))
            for name in workers:
                await simulation.invoke(name, "get", key=f"warm-{name}")
            # Each call is held up until all workers are busy with their own.
            for worker, callee in circle:
                await simulation.publish(worker, "nap_and_ask", callee, 50, key=worker)
            outcomes = [await simulation.result(worker, within_s=1.2) for worker in workers]
            texts = [outcome["result"] for outcome in outcomes]
            refused = [text for text in texts if "deadlock" in text]
            assert len(refused) == 1, texts
            assert all(f"counter/{worker}" in refused[0] for worker in workers)
            for worker, _ in circle:
                log = await simulation.log(worker)
                ran = kinds(log).count("exported-function-invoked")
                assert ran == 3 - (kinds(log).count("invocation-rejected"))

    run(main())


@pytest.mark.parametrize("suspend_after_s", [10.0, 0.1])
def test_a_worker_whose_futures_all_lead_back_to_it_is_told_within_a_second(
    suspend_after_s: float,
) -> None:
    async def main() -> None:
        async with Simulation(suspend_after_s=suspend_after_s) as simulation:
            simulation.start()
            for name in ("b", "c", "a"):
                await simulation.invoke(name, "get", key=f"warm-{name}")
            # a asks b and c at once, and both of them ask a.
            for name in ("b", "c"):
                await simulation.publish(name, "nap_and_ask", "a", 50, key=name)
            await simulation.publish("a", "fan_out", "b,c", key="a")
            told = [(await simulation.result(key, within_s=3))["result"] for key in ("b", "c")]
            assert sum("deadlock" in text for text in told) >= 1, told
            assert (await simulation.result("a", within_s=3))["result"] == "2"

    run(main())


def test_a_worker_one_of_whose_futures_does_not_lead_back_waits_for_that_one() -> None:
    async def main() -> None:
        async with Simulation() as simulation:
            simulation.start()
            for name in ("b", "c", "a"):
                await simulation.invoke(name, "get", key=f"warm-{name}")
            await simulation.publish("c", "nap", 5_000, key="busy")
            await simulation.publish("b", "nap_and_ask", "a", 50, key="b")
            await simulation.publish("a", "fan_out", "b,c", key="a")
            await asyncio.sleep(4)
            # c will answer, and until then nobody is refused; then b is all that a waits for.
            assert "b" not in simulation.results
            told = (await simulation.result("b", within_s=5))["result"]
            assert "deadlock" in told
            assert (await simulation.result("a", within_s=3))["result"] == "2"

    run(main())


def test_an_executor_that_leaves_lets_waiting_callers_go() -> None:
    async def main() -> None:
        async with Simulation(suspend_after_s=3_600.0) as simulation:
            node = simulation.start()
            await simulation.publish("a", "ask", "b", "nap", 60_000, key="k1")
            await asyncio.sleep(5)
            simulation.start()
            await node.stop()
            assert (await simulation.result("k1", within_s=200))["result"] == "60000"
            assert "suspend" not in kinds(await simulation.log("a"))

    run(main())


@pytest.mark.parametrize("crash", [None, 2, 3, 4])
def test_a_scheduled_call_runs_once_after_any_downtime_unless_it_is_cancelled(
    crash: int | None,
) -> None:
    async def main() -> None:
        async with Simulation() as simulation:
            node = simulation.start()
            if crash is not None:
                node.broker.journal.crash_at = (crash, "after")
                reviver = asyncio.create_task(asyncio.wait({node.task}))
                reviver.add_done_callback(lambda _: simulation.start())
            await simulation.invoke("a", "later", "b", HOUR_MS, 5, 0, key="kept")
            await simulation.invoke("a", "later", "b", HOUR_MS, 70, 1, key="cancelled")
            assert await simulation.log("b") == []
            for each in simulation.nodes:
                each.kill()
            await asyncio.sleep(2 * HOUR_MS / 1_000)
            simulation.start()
            await asyncio.sleep(30)
            assert (await simulation.invoke("b", "get", key="k"))["result"] == 5
            assert kinds(await simulation.log("b")).count("exported-function-invoked") == 2

    run(main())


def test_a_component_says_how_long_its_calls_may_take() -> None:
    async def main() -> None:
        async with Simulation() as simulation:
            simulation.start()
            headers = {"Shem-Env": '{"SHEM_CALL_TIMEOUT_S": "3.5"}'}
            await simulation.publish("a", "ask", "b", "nap", HOUR_MS, key="k1", headers=headers)
            outcome = await simulation.result("k1", within_s=5)
            assert outcome["result"].startswith("remote-internal-error: timed-out")

    run(main())


def test_a_call_has_a_time_limit_if_the_operator_sets_one() -> None:
    async def main() -> None:
        async with Simulation(call_timeout_s=30.0) as simulation:
            node = simulation.start()
            await simulation.publish("a", "ask", "b", "nap", HOUR_MS, key="k1")
            await asyncio.sleep(15)
            node.kill()
            simulation.start()
            outcome = await simulation.result("k1")
            assert outcome["result"].startswith("remote-internal-error: timed-out")
            await asyncio.sleep(2 * HOUR_MS / 1_000)
            assert (await simulation.invoke("a", "get", key="k2"))["result"] == 1

    run(main())
