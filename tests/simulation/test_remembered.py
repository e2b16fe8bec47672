"""Workers come and go: those that left memory to make room come back without being read."""

import asyncio
from typing import Any

import pytest

from actors.life import Life
from broker import subjects
from tests.simulation.cluster import COMPONENT, PARTITIONS, Node, Simulation, kinds
from tests.simulation.virtual import run

SCRIPT: list[tuple[str, tuple[Any, ...]]] = [
    ("add", (5,)),
    ("roll", ()),
    ("step", (1, 1)),
    ("nap", (300,)),
    ("add", (2,)),
    ("get", ()),
]
APPENDS_AT_MOST = 15


def comings_and_goings(**options: Any) -> Simulation:
    """One worker fits into memory: whoever comes puts another one out."""
    return Simulation(resident_workers_max=1, **options)


def reads_of(node: Node, worker: str) -> list[str]:
    """Return the subjects of a worker that are read from now on, a list that grows."""
    own = subjects.log(COMPONENT, worker, PARTITIONS).removesuffix("log")
    told: list[str] = []
    journal = node.broker.journal
    read, read_whole, last = journal.read, journal.read_whole, journal.last

    def reading(subject: str, **options: Any) -> Any:
        if subject.startswith(own):
            told.append(subject.removeprefix(own))
        return read(subject, **options)

    def reading_whole(subject: str, **options: Any) -> Any:
        if subject.startswith(own):
            told.append(subject.removeprefix(own))
        return read_whole(subject, **options)

    def looking(subject: str, **options: Any) -> Any:
        if subject.startswith(own):
            told.append(subject.removeprefix(own))
        return last(subject, **options)

    journal.read, journal.read_whole, journal.last = reading, reading_whole, looking
    return told


async def _left(node: Node) -> None:
    # The index of workers reads logs as well, soon after partitions were acquired.
    await asyncio.sleep(10)
    assert node.executor.describe().workers <= 1


def test_a_worker_that_made_room_comes_back_without_being_read() -> None:
    async def main() -> None:
        async with comings_and_goings() as simulation:
            node = simulation.start()
            for number in range(3):
                await simulation.invoke("a", "add", 1, key=f"a{number}")
                await simulation.invoke("b", "add", 1, key=f"b{number}")
                await _left(node)
            told = reads_of(node, "a")
            assert (await simulation.invoke("a", "get", key="again"))["result"] == 3
            assert told == []
            # An idempotency key is known as well.
            await simulation.invoke("b", "add", 1, key="b3")
            await _left(node)
            await simulation.publish("a", "add", 1, key="a0", message_id="once more")
            assert (await simulation.invoke("a", "get", key="last"))["result"] == 3
            assert told == []

    run(main())


def test_where_deliveries_may_have_been_missed_the_mailbox_is_read() -> None:
    async def main() -> None:
        async with comings_and_goings() as simulation:
            node = simulation.start()
            await simulation.invoke("a", "add", 1, key="a")
            await simulation.invoke("b", "add", 1, key="b")
            await _left(node)
            told = reads_of(node, "a")
            node.connection.disconnect()
            await node.connection.reconnect()
            assert (await simulation.invoke("a", "get", key="again"))["result"] == 1
            assert set(told) == {"in.control", "in.invoke"}

    run(main())


def test_a_longer_log_and_one_with_snapshots_are_read() -> None:
    async def main(calls: int, **options: Any) -> set[str]:
        async with comings_and_goings(**options) as simulation:
            node = simulation.start()
            for number in range(calls):
                await simulation.invoke("a", "add", 1, key=f"a{number}")
            await simulation.invoke("b", "add", 1, key="b")
            await _left(node)
            told = reads_of(node, "a")
            assert (await simulation.invoke("a", "get", key="again"))["result"] == calls
            return set(told)

    assert run(main(3)) == run(main(100)) == set()
    assert "log" in run(main(140))
    assert "snap" in run(main(3, snapshots="idle"))


def test_what_is_asked_of_workers_that_come_and_go_is_done_once_each() -> None:
    async def main() -> None:
        async with comings_and_goings() as simulation:
            simulation.start()
            wanted = [(f"w{n % 4}", f"k{n}") for n in range(80)]
            for number, (worker, key) in enumerate(wanted):
                await simulation.publish(worker, "add", 1, key=key)
                if number % 7 == 0:
                    await asyncio.sleep(0.003 * (number % 5))
            for _, key in wanted:
                await simulation.result(key)
            for number in range(4):
                assert (await simulation.invoke(f"w{number}", "get", key=f"g{number}"))[
                    "result"
                ] == 20

    run(main())


def test_what_comes_in_while_a_worker_leaves_is_not_missed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    close = Life.close

    async def slowly(life: Life) -> None:
        await close(life)
        await asyncio.sleep(2)

    async def main() -> None:
        async with comings_and_goings() as simulation:
            simulation.start()
            await simulation.invoke("a", "add", 1, key="a0")
            monkeypatch.setattr(Life, "close", slowly)
            await simulation.invoke("b", "add", 1, key="b0")
            await asyncio.sleep(1)
            # Nobody is there to take it in.
            assert (await simulation.invoke("a", "add", 1, key="a1"))["result"] == 2

    run(main())


def test_more_than_is_kept_while_a_worker_comes_back_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    load = Life.load

    async def slowly(*args: Any, **options: Any) -> Life:
        await asyncio.sleep(1)
        return await load(*args, **options)

    async def main(calls: int) -> list[str]:
        async with comings_and_goings() as simulation:
            node = simulation.start()
            await simulation.invoke("a", "add", 1, key="a")
            await simulation.invoke("b", "add", 1, key="b")
            await _left(node)
            told = reads_of(node, "a")
            for number in range(calls):
                await simulation.publish("a", "add", 1, key=f"a{number}")
            for number in range(calls):
                assert (await simulation.result(f"a{number}"))["result"] == number + 2
            return told

    monkeypatch.setattr(Life, "load", staticmethod(slowly))
    monkeypatch.setattr("actors.worker.QUEUE_MESSAGES_MAX", 3)
    assert run(main(3)) == []
    assert "in.invoke" in run(main(10))


def test_what_waits_behind_the_end_of_a_life_is_done_in_the_next() -> None:
    async def main() -> None:
        async with comings_and_goings() as simulation:
            node = simulation.start()
            await simulation.invoke("a", "add", 1, key="a0")
            await simulation.invoke("b", "add", 1, key="b0")
            await _left(node)
            await simulation.publish("a", "nap", 5_000, key="nap")
            await asyncio.sleep(1)
            for number in range(1, 4):
                await simulation.publish("a", "add", 1, key=f"a{number}")
            await asyncio.sleep(1)
            # Its life ends in the middle of the nap, with the others behind that.
            answer = await simulation.command("a", {"command": "revert", "invocations": 1})
            assert "ok" in answer
            await simulation.publish("a", "add", 1, key="a4")
            for number in range(1, 5):
                assert (await simulation.result(f"a{number}"))["result"] == number + 1

    run(main())


def test_a_worker_that_was_elsewhere_meanwhile_is_read_again() -> None:
    async def main() -> None:
        async with comings_and_goings() as simulation:
            first = simulation.start()
            await simulation.invoke("a", "add", 1, key="a0")
            await simulation.invoke("b", "add", 1, key="b0")
            await _left(first)
            others = [simulation.start() for _ in range(2)]
            await asyncio.sleep(3)
            assert (await simulation.invoke("a", "add", 1, key="a1"))["result"] == 2
            for other in others:
                await other.stop()
            assert (await simulation.invoke("a", "add", 1, key="a2"))["result"] == 3
            assert kinds(await simulation.log("a")).count("create") == 1

    run(main())


async def _run_script(crash_at: tuple[int, str] | None) -> tuple[int, list[Any], list[Any]]:
    async with comings_and_goings() as simulation:
        node = simulation.start()
        node.broker.journal.crash_at = crash_at

        reviver = asyncio.create_task(simulation.revive(node))
        outcomes = []
        for number, (function, params) in enumerate(SCRIPT):
            await simulation.publish("a", function, *params, key=f"k{number}")
            outcomes.append(await simulation.result(f"k{number}", within_s=120))
            # Puts it out of memory.
            await simulation.publish("b", "add", 1, key=f"b{number}")
            await simulation.result(f"b{number}", within_s=120)
        last = await simulation.invoke("b", "get", key="last")
        assert last["result"] == len(SCRIPT)
        log = await simulation.log("a")
        reviver.cancel()
        return node.broker.journal.appends, outcomes, log


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("append", range(1, APPENDS_AT_MOST))
def test_a_crash_among_comings_and_goings_changes_nothing(append: int, when: str) -> None:
    appends, outcomes, log = run(_run_script((append, when)))
    if append > appends:
        pytest.skip(f"the script makes {appends} appends")
    assert outcomes[0]["result"] == 5
    assert outcomes[-1]["result"] == 5 + outcomes[1]["result"] + 1 + 2
    entries = kinds(log)
    assert entries.count("create") == 1
    assert entries.count("exported-function-invoked") == len(SCRIPT)
    assert entries.count("exported-function-completed") == len(SCRIPT)


def test_the_script_makes_enough_appends_to_be_worth_crashing() -> None:
    appends, outcomes, _ = run(_run_script(None))
    assert 2 * len(SCRIPT) <= appends < APPENDS_AT_MOST
    assert all("result" in outcome for outcome in outcomes)
