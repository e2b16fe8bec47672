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


@pytest.mark.timeout(120)
def test_sleepers_leave_memory_and_wake_even_if_everything_was_down(
    tmp_path: Path, runner: Any
) -> None:
    with running(tmp_path) as whole:
        runner.run(_sleep(whole))


async def _sleep(whole: Whole) -> None:
    async with calling(whole.urls) as caller:
        begun = time.monotonic()
        await caller.publish("short", f"nap({LONG_MS})", key="short")
        await caller.publish("hour", f"nap({HOUR_MS})", key="hour")
        await caller.until(lambda: _suspended(caller) == {"short", "hour"})
        assert await _is_scheduled(caller, "hour")
        assert await _is_scheduled(caller, "short")
        listed = (await caller.api("executor.list"))["executors"]
        assert len(listed) == 1
        status = await caller.api("worker.get", component="load", worker="hour")
        assert status["status"] == "suspended"
        await asyncio.to_thread(whole.kill)
        assert time.monotonic() - begun < LONG_MS / 1_000, "it was not down at the due time"
        assert caller.answers["short"] == []
        await asyncio.sleep(LONG_MS / 1_000 + 1 - (time.monotonic() - begun))
        await asyncio.to_thread(whole.start)
        outcome = await caller.outcome("short", within_s=30)
        assert outcome["result"] == 0
        assert caller.answers["hour"] == []
        types = [entry.type for entry in await caller.log("short")]
        assert types.count("suspend") == 1
        assert types[-1] == "exported-function-completed"
        assert (await caller.log("hour"))[-1].type == "suspend"


def _suspended(caller: Caller) -> set[str]:
    return {
        event["subject"].rpartition(".")[2]
        for event in caller.events
        if event["type"] == "status" and event["status"] == "suspended"
    }


async def _is_scheduled(caller: Caller, worker: str) -> bool:
    """Whether the broker itself holds a schedule that wakes the worker."""
    info = await caller.stream.stream_info(
        "SHEM_OPLOG", subjects_filter=f"shem.sched.load.{worker}.*"
    )
    return len(info.state.subjects or {}) == 1
