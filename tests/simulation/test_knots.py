"""Workers that wait for several answers at once, and for one another: nobody waits for ever."""

import asyncio
import random
from collections.abc import Mapping, Sequence

import pytest

from tests.simulation.cluster import Simulation, kinds
from tests.simulation.virtual import run

Calls = Mapping[str, Sequence[str]]


def has_circle(calls: Calls) -> bool:
    left = {name: set(callees) & calls.keys() for name, callees in calls.items()}
    while free := [name for name, callees in left.items() if not callees & left.keys()]:
        for name in free:
            del left[name]
    return bool(left)


async def _play(
    calls: Calls, *, executors: int = 1, within_s: float, suspend_after_s: float = 10.0
) -> list[str]:
    """Have workers call others all at once; return the circles that calls were refused with."""
    async with Simulation(suspend_after_s=suspend_after_s) as simulation:
        for _ in range(executors):
            simulation.start()
        for name in calls:
            await simulation.invoke(name, "get", key=f"warm-{name}")
        # Each call is held up until all workers are busy with their own.
        for name, callees in calls.items():
            await simulation.publish(name, "fan_out", ",".join(callees), key=name)
        async with asyncio.timeout(within_s):
            for name, callees in calls.items():
                outcome = await simulation.result(name, within_s=within_s)
                assert outcome["result"] == str(len(callees)), outcome
        refused = []
        for name in {callee for callees in calls.values() for callee in callees}:
            entries = await simulation.log(name)
            asked = sum(list(callees).count(name) for callees in calls.values())
            own = 2 if name in calls else 0
            ran = kinds(entries).count("exported-function-invoked") - own
            texts = [e["error"]["message"] for e in entries if e["type"] == "invocation-rejected"]
            assert ran + len(texts) == asked, (name, ran, texts, asked)
            refused += texts
        return refused


@pytest.mark.parametrize("suspend_after_s", [10.0, 0.1])
@pytest.mark.parametrize(
    "calls",
    [
        {"a": "bc", "b": "ad", "c": "a", "d": "b"},
        {"a": "bc", "b": "ac", "c": "ab"},
        {"a": "bcd", "b": "cda", "c": "dab", "d": "abc"},
    ],
    ids=["each leads back", "three of them", "four of them"],
)
def test_several_workers_that_wait_for_several_each_are_told_the_circle_within_a_second(
    calls: Calls, suspend_after_s: float
) -> None:
    async def first() -> float:
        async with Simulation(suspend_after_s=suspend_after_s) as simulation:
            simulation.start()
            for name in calls:
                await simulation.invoke(name, "get", key=f"warm-{name}")
            for name, callees in calls.items():
                await simulation.publish(name, "fan_out", ",".join(callees), key=name)
            loop = asyncio.get_running_loop()
            begun = loop.time()
            # The naps before the calls end after 50 ms.
            async with asyncio.timeout(1.05):
                while True:
                    for name in calls:
                        if "invocation-rejected" in kinds(await simulation.log(name)):
                            return loop.time() - begun
                    await asyncio.sleep(0.01)

    run(first())
    refused = run(_play(calls, within_s=20, suspend_after_s=suspend_after_s))
    assert refused
    assert all("→" in text for text in refused)


def test_a_worker_that_waits_for_a_future_of_its_own_is_told() -> None:
    refused = run(_play({"a": "a"}, within_s=1))
    assert refused == ["the call would wait for ever: counter/a → counter/a"]


def test_a_worker_that_is_caught_last_and_has_no_callers_in_its_queue_is_noticed_at_once() -> None:
    async def main() -> None:
        async with Simulation() as simulation:
            simulation.start()
            for name in "abc":
                await simulation.invoke(name, "get", key=f"warm-{name}")
            # b runs what a asks of it: it naps, then asks c, which waits for a all along.
            await simulation.publish("a", "hand_on", "b", "c", 5_000, key="a")
            await simulation.publish("c", "nap_and_ask", "a", 50, key="c")
            await asyncio.sleep(5)
            assert "c" not in simulation.results
            told = (await simulation.result("c", within_s=1.1))["result"]
            assert "counter/c → counter/a → counter/b → counter/c" in told
            assert (await simulation.result("a", within_s=1))["result"].isdigit()

    run(main())


@pytest.mark.parametrize("seed", range(40))
def test_of_any_workers_that_call_any_others_all_come_to_an_end(seed: int) -> None:
    dice = random.Random(seed)
    names = [f"w{number}" for number in range(dice.randint(2, 6))]
    calls = {
        name: dice.sample([*names, "leaf"], dice.randint(1, min(4, len(names)))) for name in names
    }
    refused = run(_play(calls, executors=dice.choice([1, 1, 3]), within_s=60))
    assert bool(refused) == has_circle(calls), (calls, refused)
