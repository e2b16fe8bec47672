"""Invocations that come again and again, through crashes, pauses and downtime."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from actors.limits import MARK_SENT_AFTER_S
from actors.recurrence import check_repeat, first, following, headers_of, is_missed
from broker import subjects
from broker.errors import UnavailableError
from broker.layout import DUPLICATE_WINDOW_S
from oplog.entries import Repeat
from shem.client.schedules import Schedules
from shem.errors import BadRequestError
from tests.simulation.cluster import COMPONENT, Simulation, kinds
from tests.simulation.virtual import run

MINUTE_MS = 60_000


def play(
    scene: Callable[[Simulation, Schedules], Awaitable[None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with Simulation() as simulation:
            now = simulation.cluster.clock.now_ns
            monkeypatch.setattr("shem.client.schedules._now_ms", lambda: now() // 1_000_000)
            await scene(simulation, Schedules(simulation.client))

    run(main())


def tick(**more: object) -> Repeat:
    return Repeat(id="tick", due_ms=0, call="add(1)", every_ms=MINUTE_MS, **more)  # type: ignore[arg-type]  # any fields


def test_every_occurrence_runs_once_although_executors_die(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene(simulation: Simulation, schedules: Schedules) -> None:
        await schedules.repeat(COMPONENT, "a", tick())
        for place in ("before", "after"):
            node = simulation.start()
            node.broker.journal.crash_at = (2, place)
            done, _ = await asyncio.wait({node.task}, timeout=300)
            assert done, "the executor was not crashed"
        simulation.start()
        begun = 1_000.0
        await asyncio.sleep(begun + 570 - asyncio.get_running_loop().time())
        log = await simulation.log("a")
        keys = [entry["idempotency-key"] for entry in log if "sequence" in entry]
        assert len(keys) == len(set(keys)) == 9
        (only,) = await schedules.pending(COMPONENT)
        assert only.every_ms == MINUTE_MS

    play(scene, monkeypatch)


@pytest.mark.parametrize(("catch_up", "ran"), [("all", 10), ("one", 1), ("none", 0)])
def test_what_was_missed_is_made_up_for_as_the_rule_says(
    catch_up: str, ran: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene(simulation: Simulation, schedules: Schedules) -> None:
        await schedules.repeat(COMPONENT, "a", tick(catch_up=catch_up))
        await asyncio.sleep(10 * MINUTE_MS / 1_000 + 30)
        simulation.start()
        await asyncio.sleep(5)
        log = kinds(await simulation.log("a"))
        assert log.count("exported-function-completed") == ran
        await asyncio.sleep(MINUTE_MS / 1_000)
        log = kinds(await simulation.log("a"))
        assert log.count("exported-function-completed") == ran + 1

    play(scene, monkeypatch)


def test_pausing_resuming_and_cancelling(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene(simulation: Simulation, schedules: Schedules) -> None:
        simulation.start()
        await schedules.repeat(COMPONENT, "a", tick())
        await asyncio.sleep(150)
        assert await schedules.pause(COMPONENT, "a", "tick")
        (paused,) = await schedules.pending(COMPONENT, "a")
        assert paused.paused
        await asyncio.sleep(600)
        assert (await simulation.invoke("a", "get", key="k1"))["result"] == 2
        assert await schedules.resume(COMPONENT, "a", "tick") is not None
        await asyncio.sleep(90)
        assert (await simulation.invoke("a", "get", key="k2"))["result"] == 3
        assert await schedules.cancel(COMPONENT, "a", "tick")
        await asyncio.sleep(600)
        assert (await simulation.invoke("a", "get", key="k3"))["result"] == 3
        assert await schedules.pending(COMPONENT) == []
        assert not await schedules.pause(COMPONENT, "a", "tick")

    play(scene, monkeypatch)


@pytest.mark.parametrize("later_s", [40, DUPLICATE_WINDOW_S + 1], ids=["soon", "much later"])
@pytest.mark.parametrize("drained", [False, True], ids=["killed", "drained"])
def test_what_is_taken_back_does_not_come_again_with_another_executor(
    drained: bool,  # noqa: FBT001 - a parameter of the test
    later_s: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Recovery sends again what may not have left, after the broker has forgotten that it has."""

    async def scene(simulation: Simulation, schedules: Schedules) -> None:
        node = simulation.start()
        await schedules.repeat(COMPONENT, "a", tick())
        await simulation.invoke("b", "later", "c", 3_600_000, 5, 0, key="later")
        await simulation.invoke("c", "add", 1, key="c")
        (_, once) = await schedules.pending(COMPONENT)
        await asyncio.sleep(70)
        if drained:
            await node.stop()
        assert await schedules.cancel(COMPONENT, "a", "tick")
        assert await schedules.cancel(COMPONENT, "c", once.id)
        await asyncio.sleep(later_s)
        node.kill()
        await asyncio.sleep(DUPLICATE_WINDOW_S + 1 - later_s)
        simulation.start()
        for worker in ("a", "b"):
            await simulation.invoke(worker, "get", key=f"get-{worker}")
        await asyncio.sleep(5)
        assert await schedules.pending(COMPONENT) == []

    play(scene, monkeypatch)


def test_an_executor_waits_for_the_broker_to_say_what_is_scheduled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def scene(simulation: Simulation, schedules: Schedules) -> None:
        node = simulation.start()
        last, refusals = node.broker.journal.last, iter(range(3))

        async def refuses(subject: str, **options: Any) -> Any:
            if subject.endswith(".tick") and next(refusals, None) is not None:
                raise UnavailableError("no answer in time")
            return await last(subject, **options)

        node.broker.journal.last = refuses
        await schedules.repeat(COMPONENT, "a", tick())
        await asyncio.sleep(150)
        assert next(refusals, None) is None
        assert not node.task.done()
        assert (await simulation.invoke("a", "get", key="k"))["result"] == 2

    play(scene, monkeypatch)


@pytest.mark.parametrize("after_s", [1, MARK_SENT_AFTER_S + 1])
def test_one_that_was_cancelled_in_the_queue_stays_so_when_its_executor_is_killed(
    after_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene(simulation: Simulation, schedules: Schedules) -> None:
        node = simulation.start()
        await wait_behind_a_nap(simulation, schedules)
        assert await schedules.cancel(COMPONENT, "a", "tick")
        await simulation.result("busy")
        await asyncio.sleep(after_s)
        node.kill()
        simulation.start()
        await simulation.invoke("a", "get", key="get")
        await asyncio.sleep(MARK_SENT_AFTER_S + 5)
        assert await schedules.pending(COMPONENT) == []
        assert await simulation.client.journal.subjects("shem.sched.>") == {}

    play(scene, monkeypatch)


def test_one_that_is_running_can_be_cancelled_too(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene(simulation: Simulation, schedules: Schedules) -> None:
        simulation.start()
        await wait_behind_a_nap(simulation, schedules)
        assert await schedules.cancel(COMPONENT, "a", "tick")
        assert not await schedules.cancel(COMPONENT, "a", "tick")
        await asyncio.sleep(300)
        assert (await simulation.invoke("a", "get", key="k"))["result"] == 2

    play(scene, monkeypatch)


async def wait_behind_a_nap(simulation: Simulation, schedules: Schedules) -> None:
    """Have the first occurrence wait in the queue of a worker that sleeps: nothing is scheduled."""
    await simulation.publish("a", "nap", 90_000, key="busy")
    await schedules.repeat(COMPONENT, "a", tick())
    await asyncio.sleep(75)
    assert await schedules.pending(COMPONENT) == []


def test_one_that_waits_in_the_queue_can_be_paused_and_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def scene(simulation: Simulation, schedules: Schedules) -> None:
        simulation.start()
        await wait_behind_a_nap(simulation, schedules)
        assert await schedules.pause(COMPONENT, "a", "tick")
        await asyncio.sleep(300)
        # What waited ran, and nothing since.
        assert (await simulation.invoke("a", "get", key="k1"))["result"] == 2
        (paused,) = await schedules.pending(COMPONENT)
        assert paused.paused
        assert await schedules.resume(COMPONENT, "a", "tick") is not None
        await asyncio.sleep(90)
        assert (await simulation.invoke("a", "get", key="k2"))["result"] == 3

    play(scene, monkeypatch)


def test_taking_back_what_is_unknown_or_rests_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def scene(simulation: Simulation, schedules: Schedules) -> None:
        simulation.start()
        pattern = subjects.schedule(COMPONENT, "a", "*")
        for take in (schedules.cancel, schedules.pause):
            assert not await take(COMPONENT, "a", "nobody")
        await schedules.repeat(COMPONENT, "a", tick())
        await asyncio.sleep(150)
        assert await schedules.cancel(COMPONENT, "a", "tick")
        assert not await schedules.cancel(COMPONENT, "a", "other")
        assert await simulation.client.journal.subjects(pattern) == {}
        assert not await schedules.pause(COMPONENT, "a", "tick")
        assert not await schedules.cancel(COMPONENT, "a", "tick")
        assert await schedules.pending(COMPONENT) == []

    play(scene, monkeypatch)


def test_what_comes_again_takes_no_place_of_what_is_scheduled_with_a_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def scene(simulation: Simulation, schedules: Schedules) -> None:
        rule = msgspec.structs.replace(tick(), id="key-x")
        with pytest.raises(BadRequestError, match="does not begin with 'key-'"):
            await schedules.repeat(COMPONENT, "a", rule)

    play(scene, monkeypatch)


def test_a_rule_that_replaces_one_that_waits_in_the_queue_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def scene(simulation: Simulation, schedules: Schedules) -> None:
        simulation.start()
        await simulation.publish("a", "nap", 90_000, key="busy")
        await schedules.repeat(COMPONENT, "a", tick())
        # The first occurrence of the old rule waits behind the nap.
        await asyncio.sleep(75)
        rule = msgspec.structs.replace(tick(), call="add(100)", every_ms=60 * MINUTE_MS)
        await schedules.repeat(COMPONENT, "a", rule)
        await asyncio.sleep(300)
        assert (await simulation.invoke("a", "get", key="k1"))["result"] == 2
        (only,) = await schedules.pending(COMPONENT)
        assert (only.call, only.every_ms) == ("add(100)", 60 * MINUTE_MS)
        await asyncio.sleep(2 * 3_600)
        assert (await simulation.invoke("a", "get", key="k2"))["result"] == 202

    play(scene, monkeypatch)


def test_a_copy_does_not_take_part_in_what_comes_again_to_its_original(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def scene(simulation: Simulation, schedules: Schedules) -> None:
        node = simulation.start()
        # A call that nobody waits for is made again by the copy, and what was recorded since is
        # looked through.
        await simulation.invoke("a", "tell", "z", 1, key="t")
        await schedules.repeat(COMPONENT, "a", tick())
        await asyncio.sleep(200)
        told = ["t", *(key for key in simulation.results if key.startswith("tick@"))]
        assert "ok" in await simulation.command("a", {"command": "fork", "worker": "b"})
        await asyncio.sleep(30)
        assert [len(simulation.results[key]) for key in told] == [1, 1, 1, 1]
        node.kill()
        simulation.start()
        await asyncio.sleep(600)
        (only,) = await schedules.pending(COMPONENT)
        assert only.worker == "a"
        assert (await simulation.invoke("b", "get", key="b"))["result"] == 3
        assert (await simulation.invoke("a", "get", key="a"))["result"] == 13

    play(scene, monkeypatch)


def test_an_id_that_is_a_number_takes_no_place_of_a_wake_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def scene(simulation: Simulation, schedules: Schedules) -> None:
        simulation.start()
        await simulation.publish("a", "nap", 10 * MINUTE_MS, key="nap")
        await asyncio.sleep(60)
        asleep = await simulation.log("a")
        assert asleep[-1]["type"] == "suspend"
        # Whatever entry the worker waits at.
        for index in range(1, len(asleep) + 1):
            rule = msgspec.structs.replace(tick(), id=str(index))
            await schedules.repeat(COMPONENT, "a", rule)
        assert len(await schedules.pending(COMPONENT, "a")) == len(asleep)
        for index in range(1, len(asleep) + 1):
            assert await schedules.cancel(COMPONENT, "a", str(index))
        assert (await simulation.result("nap", within_s=600))["result"] == 10 * MINUTE_MS

    play(scene, monkeypatch)


def test_schedules_that_make_no_sense_are_listed_and_can_be_taken_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    senseless: dict[str, tuple[bytes, dict[str, str]]] = {
        "bytes": (b"\xff", {}),
        "due": (b"get()", {"Shem-Due": "9" * 30}),
        "rule": (b"get()", {"Shem-Repeat": "every day"}),
        "call": (b"\xff", headers_of(tick())),
    }

    async def scene(simulation: Simulation, schedules: Schedules) -> None:
        await schedules.repeat(COMPONENT, "a", tick())
        at_ns = simulation.cluster.clock.now_ns() + MINUTE_MS * 60_000_000
        for id_, (data, headers) in senseless.items():
            await simulation.client.journal.schedule(
                subjects.schedule(COMPONENT, "a", id_),
                data,
                target=subjects.invoke(COMPONENT, "a"),
                at_ns=at_ns,
                headers=headers,
            )
        listed = {each.id for each in await schedules.pending(COMPONENT)}
        assert listed == {"tick", *senseless}
        for id_ in senseless:
            assert not await schedules.pause(COMPONENT, "a", id_)
            assert await schedules.cancel(COMPONENT, "a", id_)
        (only,) = await schedules.pending(COMPONENT)
        assert only.id == "tick"

    play(scene, monkeypatch)


def test_cron_expressions_follow_their_time_zone() -> None:
    rule = Repeat(id="r", due_ms=0, call="f()", cron="30 9 * * *", zone="Europe/Prague")
    summer = int(datetime(2026, 7, 1, 12, tzinfo=UTC).timestamp() * 1_000)
    winter = int(datetime(2026, 12, 1, 12, tzinfo=UTC).timestamp() * 1_000)
    shown = [
        datetime.fromtimestamp(first(rule, at).due_ms / 1_000, UTC).isoformat()
        for at in (summer, winter)
    ]
    assert shown == ["2026-07-02T07:30:00+00:00", "2026-12-02T08:30:00+00:00"]


def test_intervals_keep_their_phase() -> None:
    rule = Repeat(id="r", due_ms=1_000, call="f()", every_ms=10_000)
    assert following(rule, 500).due_ms == 11_000
    assert following(rule, 35_000).due_ms == 41_000
    assert not is_missed(rule, 35_000)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"cron": "* * *"}, "cron expression"),
        ({"cron": None}, "either a cron"),
        ({"zone": "Mars/Base"}, "no time zone"),
        ({"catch_up": "some"}, "catch-up"),
        ({"cron": None, "every_ms": 5}, "between"),
        ({"cron": None, "every_ms": 10**20}, "between"),
        ({"id": ""}, "no line break"),
        ({"id": "a\nb"}, "no line break"),
        ({"id": "i" * 250}, "at most"),
    ],
)
def test_rules_that_cannot_be_followed_are_refused(change: dict[str, object], said: str) -> None:
    fields = {"id": "r", "due_ms": 0, "call": "f()", "cron": "* * * * *", **change}
    with pytest.raises(ValueError, match=said):
        check_repeat(Repeat(**fields))  # type: ignore[arg-type]  # wrong ones too
