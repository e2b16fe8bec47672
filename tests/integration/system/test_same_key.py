"""One idempotency key a thousand times: executed once, and everybody gets the same answer."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.integration.system.caller import Caller, calling
from tests.integration.system.whole import Whole, running

TIMES = 1_000
AT_ONCE = 50
# The shortest that the broker takes is far shorter than the default of two minutes.
WINDOW_S = 1


@pytest.mark.timeout(120)
def test_a_key_sent_a_thousand_times_is_executed_once(tmp_path: Path, runner: Any) -> None:
    """Concurrently, across a crash, and beyond the time in which the broker itself deduplicates."""
    with running(tmp_path) as whole:
        runner.run(_flood(whole))


async def _flood(whole: Whole) -> None:
    async with calling(whole.urls) as caller:
        await _shorten_window(caller)
        # With one message id the broker deduplicates, as long as its window lasts.
        first = [await caller.publish("flooded", "add(7)", key="same") for _ in range(3)]
        assert len(set(first)) == 1
        await caller.outcome("same")
        await asyncio.sleep(WINDOW_S * 1.5)
        late = await caller.publish("flooded", "add(7)", key="same")
        assert late > first[0], "the broker still deduplicates"
        # With fresh ids it never does.
        await _publish_many(caller, range(TIMES // 2))
        executor = whole.executors[0]
        flood = asyncio.create_task(_publish_many(caller, range(TIMES // 2, TIMES)))
        await asyncio.sleep(0.1)
        await asyncio.to_thread(executor.kill)
        executor.start()
        await flood
        # The newest duplicate is answered after all older ones.
        await caller.publish("flooded", "add(7)", key="same", message_id="last of all")
        total = await caller.invoke("flooded", "get()", key="total")
        assert total["result"] == 7
        answers = caller.answers["same"]
        assert len(answers) > TIMES // 2
        assert {json.dumps(answer, sort_keys=True) for answer in answers} == {
            json.dumps(answers[0], sort_keys=True)
        }
        log = await caller.log("flooded")
        invoked = [entry for entry in log if entry.body.get("idempotency-key") == "same"]
        assert [entry.type for entry in invoked] == [
            "exported-function-invoked",
            "exported-function-completed",
        ]


async def _publish_many(caller: Caller, numbers: range) -> None:
    turns = asyncio.Semaphore(AT_ONCE)

    async def publish(number: int) -> None:
        async with turns:
            await caller.publish("flooded", "add(7)", key="same", message_id=f"attempt {number}")

    await asyncio.gather(*(publish(number) for number in numbers))


async def _shorten_window(caller: Caller) -> None:
    reply = await caller.connection.request("$JS.API.STREAM.INFO.SHEM_OPLOG", b"")
    config = json.loads(reply.data)["config"]
    config["duplicate_window"] = WINDOW_S * 1_000_000_000
    answer = await caller.connection.request(
        "$JS.API.STREAM.UPDATE.SHEM_OPLOG", json.dumps(config).encode()
    )
    assert "error" not in json.loads(answer.data), answer.data
