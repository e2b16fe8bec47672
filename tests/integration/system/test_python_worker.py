"""A Python guest with state, randomness and sleep, through the death of everything."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.system.caller import Caller, calling
from tests.integration.system.whole import Whole

NAP_MS = 2_000
BEFORE_THE_NAP_ENDS_S = 0.5


@pytest.fixture
def whole(tmp_path: Path) -> Iterator[Whole]:
    whole = Whole(tmp_path)
    try:
        whole.start()
        whole.add("counter", "counter")
        yield whole
    finally:
        whole.kill()


@pytest.mark.timeout(300)
def test_a_python_worker_survives_the_death_of_everything(whole: Whole, runner: Any) -> None:
    runner.run(_live(whole))


@pytest.mark.timeout(300)
def test_whoever_asked_a_guest_that_failed_hears_what_it_said_of_it(
    whole: Whole, runner: Any
) -> None:
    async def ask() -> None:
        async with calling(whole.urls) as caller:
            outcome = await caller.invoke("bob", "fail()", key="f", component="counter")
            assert outcome["error"]["kind"] == "trap"
            told = outcome["error"]["message"]
            # Once, however often it was tried.
            assert told.count("RuntimeError: asked to fail") == 1
            assert "app.py" in told
            assert "wasm backtrace" in told
            later = await caller.invoke("bob", "get()", key="g", component="counter")
            assert later["error"]["kind"] == "previous-invocation-failed"
            assert "RuntimeError: asked to fail" in later["error"]["message"]
            assert "wasm backtrace" not in later["error"]["message"]

    runner.run(ask())


async def _live(whole: Whole) -> None:
    executor, server = whole.executors[0], whole.server
    async with calling(whole.urls) as caller:
        assert await _result(caller, "add(5)", "a") == 5
        drawn = await _result(caller, "roll()", "b")
        told = await _result(caller, "now()", "c")
        # In the middle of an invocation.
        await caller.publish("alice", f"nap({NAP_MS})", key="nap", component="counter")
        await asyncio.sleep(BEFORE_THE_NAP_ENDS_S)
        await asyncio.to_thread(executor.kill)
        await asyncio.to_thread(server.kill)
        server.start()
        executor.start()
        assert (await caller.outcome("nap"))["result"] == 5
        assert await _result(caller, "rolled()", "d") == drawn
        assert await _result(caller, "add(2)", "e") == 7
        assert await _result(caller, "now()", "f") >= told
        assert await _result(caller, "roll()", "b") == drawn
        types = [entry.type for entry in await caller.log("alice", component="counter")]
        assert types.count("exported-function-invoked") == 7
        assert types.count("exported-function-completed") == 7


async def _result(caller: Caller, call: str, key: str) -> int:
    attempt = len(caller.answers[key])
    outcome = await caller.invoke(
        "alice", call, key=key, component="counter", message_id=f"{key}#{attempt}"
    )
    result: int = outcome["result"]
    return result
