"""An executor that was stopped and comes back cannot write, and a busy guest stops nobody."""

import asyncio
import json
import re
import time
from pathlib import Path
from typing import Any

import pytest

from tests.integration.system.caller import Caller, calling
from tests.integration.system.whole import Whole, running

WORKERS = [f"napping-{number}" for number in range(12)]
# Over while their executor is stopped.
NAP_MS = 3_000
LONGER_THAN_A_MEMBERSHIP_S = 5
WEEKS_MS = 1_000_000_000
# From the operator's publish to the answer, which comes after the commit.
INTERRUPT_S = 0.1


@pytest.mark.timeout(120)
def test_the_first_append_of_an_executor_that_was_stopped_is_refused(
    tmp_path: Path, runner: Any
) -> None:
    whole = Whole(tmp_path, executors=2)
    try:
        whole.start_server()
        stopped = whole.executors[0]
        # In the moment in which the worker's first commit is about to be published.
        stopped.crash = ("stop", 1, "held")
        stopped.start()
        stopped.wait_until_ready()
        whole.add()
        runner.run(_hold(whole))
    finally:
        whole.kill()


async def _hold(whole: Whole) -> None:
    stopped, other = whole.executors
    async with calling(whole.urls) as caller:
        await caller.publish("held", "roll()", key="held back")
        await asyncio.to_thread(stopped.wait_until_stopped)
        other.start()
        rolled = (await caller.outcome("held back"))["result"]
        assert (await caller.invoke("held", "add(2)", key="meanwhile"))["result"] == 2
        before = await caller.log("held")
        stopped.resume()
        await asyncio.to_thread(stopped.wait_for_words, "append after the stop: FencedError")
        assert (await caller.invoke("held", "rolled()", key="drawn"))["result"] == rolled
        assert (await caller.log("held"))[: len(before)] == before
        assert len(caller.answers["held back"]) == 1
        assert stopped.is_running
        # It takes part again: with the other one gone it serves everybody.
        await asyncio.to_thread(other.kill)
        assert (await caller.invoke("held", "get()", key="last"))["result"] == 2


@pytest.mark.timeout(120)
def test_nothing_is_lost_or_doubled_by_an_executor_that_was_stopped(
    tmp_path: Path, runner: Any
) -> None:
    with running(tmp_path, executors=2) as whole:
        runner.run(_stop_one(whole))


async def _stop_one(whole: Whole) -> None:
    stopped = whole.executors[0]
    async with calling(whole.urls) as caller:
        for worker in WORKERS:
            await caller.invoke(worker, "add(1)", key=f"{worker}/1")
        # Each is in the middle of an invocation when its executor stops.
        for worker in WORKERS:
            await caller.publish(worker, f"nap({NAP_MS})", key=f"{worker}/nap")
        stopped.pause()
        await asyncio.sleep(LONGER_THAN_A_MEMBERSHIP_S)
        # The other one has taken over and written, whoever owned them before.
        for worker in WORKERS:
            outcome = await caller.invoke(worker, "add(2)", key=f"{worker}/2")
            assert outcome["result"] == 3
        stopped.resume()
        await asyncio.to_thread(stopped.wait_for_words, "asking which partitions are still ours")
        for worker in WORKERS:
            await caller.invoke(worker, "add(3)", key=f"{worker}/3")
            assert (await caller.invoke(worker, "get()", key=f"{worker}/4"))["result"] == 6
            for key in (f"{worker}/{name}" for name in ("1", "nap", "2", "3", "4")):
                told = {json.dumps(answer, sort_keys=True) for answer in caller.answers[key]}
                assert len(told) == 1, told
            types = [entry.type for entry in await caller.log(worker)]
            assert types.count("exported-function-invoked") == 5
            assert types.count("exported-function-completed") == 5
        assert stopped.is_running


@pytest.mark.timeout(120)
def test_a_guest_in_an_endless_loop_is_interrupted_and_others_are_served(
    tmp_path: Path, runner: Any
) -> None:
    with running(tmp_path) as whole:
        runner.run(_interrupt(whole))


async def _interrupt(whole: Whole) -> None:
    async with calling(whole.urls) as caller:
        assert (await caller.invoke("busy", "add(1)", key="first"))["result"] == 1
        await caller.publish("busy", f"busy({WEEKS_MS})", key="endless")
        await _until_running(caller, "busy")
        served = [
            (await caller.invoke("other", "add(1)", key=f"other-{number}"))["result"]
            for number in range(10)
        ]
        assert served == list(range(1, 11))
        # The best of some: what the machine does beside is not meant.
        took_s = []
        for _ in range(6):
            begun = time.monotonic()
            assert await caller.command("busy", {"command": "interrupt"}) == {"ok": None}
            took_s.append(time.monotonic() - begun)
            if took_s[-1] < INTERRUPT_S:
                break
            await caller.command("busy", {"command": "resume"})
            await asyncio.sleep(0.3)
        assert min(took_s) < INTERRUPT_S, took_s
        assert caller.answers["endless"] == []
        status = await caller.api("worker.get", component="load", worker="busy")
        assert status["status"] == "interrupted"
        assert await caller.command("busy", {"command": "delete"}) == {"ok": None}
        assert (await caller.invoke("busy", "get()", key="anew"))["result"] == 0


async def _until_running(caller: Caller, worker: str) -> None:
    async with asyncio.timeout(30):
        while True:
            log = await caller.log(worker)
            if log and re.search("busy", str(log[-1].body.get("function", ""))):
                return
            await asyncio.sleep(0.05)
