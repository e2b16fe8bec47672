"""Crash at every commit boundary: the world looks the same afterwards."""

import asyncio
from typing import Any

import pytest

from tests.simulation.cluster import Simulation, kinds
from tests.simulation.virtual import run

SCRIPT: list[tuple[str, tuple[Any, ...]]] = [
    ("add", (5,)),
    ("roll", ()),
    ("nap", (300,)),
    ("step", (1, 1)),
    ("roll", ()),
    ("nap", (20_000,)),
    ("step", (1, 2)),
    ("get", ()),
]
APPENDS_AT_MOST = 11


async def _run_script(crash_at: tuple[int, str] | None) -> tuple[int, list[Any], list[Any]]:
    async with Simulation() as simulation:
        node = simulation.start()
        node.broker.journal.crash_at = crash_at

        reviver = asyncio.create_task(simulation.revive(node))
        outcomes = []
        for number, (function, params) in enumerate(SCRIPT):
            await simulation.publish("a", function, *params, key=f"k{number}")
            outcomes.append(await simulation.result(f"k{number}", within_s=120))
        for number in range(len(SCRIPT)):
            answers = simulation.results[f"k{number}"]
            assert all(answer == answers[0] for answer in answers)
        log = await simulation.log("a")
        reviver.cancel()
        return node.broker.journal.appends, outcomes, log


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("append", range(1, APPENDS_AT_MOST))
def test_a_crash_around_an_append_changes_nothing(append: int, when: str) -> None:
    appends, outcomes, log = run(_run_script((append, when)))
    if append > appends:
        pytest.skip(f"the script makes {appends} appends")
    assert [outcome["result"] for outcome in outcomes[:1]] == [5]
    rolls = outcomes[1]["result"] + outcomes[4]["result"]
    assert outcomes[3]["result"] == outcomes[6]["result"] == 0
    assert outcomes[7]["result"] == 5 + rolls + 2
    entries = kinds(log)
    assert entries.count("create") == 1
    assert entries.count("exported-function-invoked") == len(SCRIPT)
    assert entries.count("exported-function-completed") == len(SCRIPT)


def test_the_script_makes_enough_appends_to_be_worth_crashing() -> None:
    appends, outcomes, _ = run(_run_script(None))
    assert len(SCRIPT) <= appends < APPENDS_AT_MOST
    assert all("result" in outcome for outcome in outcomes)
