"""Rib programs against real workers: several components, names, loops, repetition, crashes."""

import asyncio
import json
import os
import sys

import pytest

import rib
from shem.client import Client
from shem.scripts import CallTrace, WorkerPort, worlds
from tests.integration.system.whole import Whole
from tests.support.interrupted import interrupted
from tests.support.system import ROOT

pytestmark = pytest.mark.timeout(120)

ORDER = """
let cart = instance("rib-cart");
let totals = for i in 1..=3 { yield cart.add[demo:counter](i); };
let others = for i in 0..2 {
  let worker = instance("rib-other-${i}");
  let first = worker.add[demo:tiny](i + 10);
  yield first + worker.get[demo:tiny/api]();
};
let fresh = instance();
{totals: totals, others: others, fresh: fresh.add[demo:tiny](5)}
"""


@pytest.fixture(scope="module")
def both(whole: Whole) -> Whole:
    whole.add("tiny", "tiny")
    return whole


def test_a_program_calls_several_components_in_loops_and_fresh_workers(both: Whole) -> None:
    done = both.json("rib", "eval", ORDER)

    assert done["result"] == {"totals": [1, 3, 6], "others": [20, 22], "fresh": 5}
    assert done["type"] == "record { totals: list<u64>, others: list<u64>, fresh: u64 }"


def test_the_same_key_repeats_no_effect(both: Whole) -> None:
    text = 'let w = instance("rib-key"); {now: w.add[demo:tiny](1), fresh: instance().roll[tiny]()}'
    text = text.replace("[tiny]", "[demo:tiny]")
    first = both.json("rib", "eval", text, "--key", "order-7")

    assert both.json("rib", "eval", text, "--key", "order-7") == first
    assert both.json("rib", "eval", text)["result"]["now"] == 2


def test_inputs_come_as_json_of_their_types(both: Whole) -> None:
    text = 'let w = instance("rib-in-${user: string}"); w.add(amount)'
    given = json.dumps({"user": "eve", "amount": 41})

    assert both.json("rib", "eval", text, "-c", "tiny", "--input", given)["result"] == 41
    refused = both.run("rib", "eval", text, "-c", "tiny", "--input", '{"user": "eve"}')
    assert refused.returncode == 1
    assert "the program needs amount: u64" in refused.stderr


def test_a_failed_call_shows_its_place_and_the_key(both: Whole) -> None:
    text = 'let w = instance("rib-fail");\nw.fail()'
    done = both.run("rib", "eval", text, "-c", "tiny", "--key", "k-1")

    assert done.returncode == 1
    assert "error[RIB0506] line 2, column 1: failed to invoke function demo:tiny/api.{fail}" in (
        done.stderr
    )
    assert "2 | w.fail()\n    | ^^^^^^^^" in done.stderr
    assert "the run has the key k-1" in done.stderr


def test_who_stops_waiting_for_a_run_is_told_its_key(both: Whole) -> None:
    text = 'instance("rib-patient").nap[demo:counter](60000)'
    status, errors = interrupted(
        [sys.executable, "-m", "shem", "rib", "eval", text, "--key", "k-2"],
        both.folder,
        {**os.environ, "PYTHONPATH": str(ROOT), "SHEM_NATS_URL": both.server.url},
        once=lambda: both.run("worker", "get", "load/rib-patient").returncode == 0,
    )

    assert status == 130
    assert "the run has the key k-2" in errors
    assert "Traceback" not in errors


def test_a_wrong_program_calls_nothing_and_says_all_that_is_wrong(both: Whole) -> None:
    text = 'let w = instance("rib-never"); w.add("1"); w.ad(1)'
    done = both.run("rib", "eval", text, "-c", "tiny", "-o", "json")
    error = json.loads(done.stdout)["error"]

    assert done.returncode == 1
    assert [each["code"] for each in error["diagnostics"]] == ["RIB0202", "RIB0301"]
    assert both.run("worker", "get", "tiny/rib-never").returncode == 1


def test_check_tells_what_a_program_needs(both: Whole) -> None:
    text = 'let w = instance("w-${user: string}"); w.add(2) > 3'

    assert both.json("rib", "check", text, "-c", "tiny") == {
        "result": "bool",
        "inputs": {"user": "string"},
        "functions": ["tiny: demo:tiny/api.{add}(value: u64) -> u64"],
        "warnings": [],
    }


def test_resources_are_the_same_for_the_same_parameters_in_every_run(both: Whole) -> None:
    both.add("shelf", "shelf")
    text = """let w = instance("rib-shelf");
        let eve = w.basket(10); let bob = w.basket(20);
        let sums = (eve.add(1), bob.add(1), w.basket(10).add(1), eve.total());
        {sums: sums, made: w.made()}"""
    first = both.json("rib", "eval", text, "-c", "shelf", "--key", "s-1")["result"]

    assert first == {"sums": [11, 21, 12, 12], "made": 2}
    assert both.json("rib", "eval", text, "-c", "shelf", "--key", "s-1")["result"] == first
    again = both.json("rib", "eval", text, "-c", "shelf")["result"]
    assert again == {"sums": [13, 22, 14, 14], "made": 2}


def test_a_resource_that_was_dropped_is_made_anew(both: Whole) -> None:
    both.add("shelf", "shelf")
    text = """let w = instance("rib-drop"); let b = w.basket(5);
        let before = b.add(1); b.drop(); let after = b.add(2); (before, after, w.made())"""

    assert both.json("rib", "eval", text, "-c", "shelf")["result"] == [6, 7, 2]
    assert both.json("rib", "eval", text, "-c", "shelf")["result"] == [8, 7, 3]


def test_handles_that_workers_return_are_called_and_dropped(both: Whole) -> None:
    both.add("shelf", "shelf")
    text = """let w = instance("rib-handle"); let h = w.open(7);
        let sum = h.add(1); h.drop(); (sum, w.made())"""

    assert both.json("rib", "eval", text, "-c", "shelf")["result"] == [8, 1]
    done = both.run("rib", "eval", text.replace("(sum, w", "(h.total(), w"), "-c", "shelf")
    assert done.returncode == 1
    assert "there is none of that number any more" in done.stderr


def test_a_program_survives_the_death_of_the_executor_in_the_middle_of_a_call(
    both: Whole, runner: asyncio.Runner
) -> None:
    runner.run(_lose_the_executor(both))


async def _lose_the_executor(both: Whole) -> None:
    napping = asyncio.Event()
    traces: list[CallTrace] = []

    def watch(trace: CallTrace) -> None:
        traces.append(trace)
        if "nap" in trace.function:
            napping.set()

    text = (
        'let w = instance("rib-crash"); let before = w.add(1); let slept = w.nap(1200);'
        " let after = w.add(1); (before, slept, after)"
    )
    async with await Client.connect(both.server.url) as client:
        program = rib.compile(text, await worlds(client, ["load"]))
        run = asyncio.create_task(program.run(WorkerPort(client, "crash-1", watch=watch)))
        await napping.wait()
        worker = client.worker("load", "rib-crash")
        async with asyncio.timeout(30):
            # The status comes by asking.
            while (await worker.status()).running_key != "crash-1:1":  # noqa: ASYNC110 - see above
                await asyncio.sleep(0.01)
        executor = both.executors[0]
        await asyncio.to_thread(executor.kill)
        executor.start()

        assert await run == (1, 1, 2)
        assert [each.state for each in traces] == ["started", "returned"] * 3
        assert await program.run(WorkerPort(client, "crash-1")) == (1, 1, 2)
        entries = worker.oplog(types=["exported-function-invoked"])
        invoked = [each.entry["idempotency-key"] async for each in entries]
    assert invoked == ["crash-1:0", "crash-1:1", "crash-1:2"]
