"""A long sleep takes no memory, and the broker is the alarm clock."""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from tests.integration.system.caller import Caller, calling
from tests.integration.system.whole import Whole, running

HOUR_MS = 3_600_000
# Longer than a sleep that is worth leaving memory for, which is 10 s.
LONG_MS = 12_000


SLEEPERS = [f"hour-{number}" for number in range(20)]


@pytest.mark.timeout(120)
def test_sleepers_leave_memory_and_wake_even_if_everything_was_down(
    tmp_path: Path, runner: Any
) -> None:
    with running(tmp_path) as whole:
        runner.run(_sleep(whole))


async def _sleep(whole: Whole) -> None:
    async with calling(whole.urls) as caller:
        await caller.invoke("warm-up", "add(1)", key="warm-up")
        empty = _mapped_kb(whole)
        for worker in SLEEPERS:
            await caller.invoke(worker, "add(1)", key=f"{worker}-add")
        awake = _mapped_kb(whole)
        for worker in SLEEPERS:
            await caller.publish(worker, f"nap({HOUR_MS})", key=worker)
        begun = time.monotonic()
        await caller.publish("short", f"nap({LONG_MS})", key="short")
        await caller.until(lambda: _suspended(caller) == {"short", *SLEEPERS})
        for worker in ("short", *SLEEPERS):
            await _wait_until_scheduled(caller, worker)
        # A guest in memory has a part of the address space for itself.
        asleep = _mapped_kb(whole)
        assert asleep - empty < (awake - empty) / 10, (empty, awake, asleep)
        status = await caller.api("worker.get", component="load", worker=SLEEPERS[0])
        assert status["status"] == "suspended"
        await asyncio.to_thread(whole.kill)
        assert time.monotonic() - begun < LONG_MS / 1_000, "it was not down at the due time"
        assert caller.answers["short"] == []
        await asyncio.sleep(LONG_MS / 1_000 + 1 - (time.monotonic() - begun))
        await asyncio.to_thread(whole.start)
        outcome = await caller.outcome("short")
        assert outcome["result"] == 0
        assert not any(caller.answers[worker] for worker in SLEEPERS)
        types = [entry.type for entry in await caller.log("short")]
        assert types.count("suspend") == 1
        assert types[-1] == "exported-function-completed"
        assert (await caller.log(SLEEPERS[0]))[-1].type == "suspend"


def _mapped_kb(whole: Whole) -> int:
    status = Path(f"/proc/{whole.executors[0].pid}/status").read_text()
    return int(status.partition("VmSize:")[2].split()[0])


def _suspended(caller: Caller) -> set[str]:
    return {
        event["subject"].rpartition(".")[2]
        for event in caller.events
        if event["type"] == "status" and event["status"] == "suspended"
    }


async def _wait_until_scheduled(caller: Caller, worker: str) -> None:
    """Return when the broker itself holds one schedule that wakes the worker."""
    pattern = f"shem.sched.load.{worker}.*"
    async with asyncio.timeout(10):
        while True:
            info = await caller.stream.stream_info("SHEM_OPLOG", subjects_filter=pattern)
            if len(info.state.subjects or {}) == 1:
                return
            await asyncio.sleep(0.05)
