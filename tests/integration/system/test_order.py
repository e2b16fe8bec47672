"""Ten thousand invocations of one worker run in the order in which they were published."""

import asyncio
from collections import deque
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.logs import Entry
from tests.integration.system.caller import Caller, calling
from tests.integration.system.whole import Whole, running

INVOCATIONS = 10_000
# Publications on their way to the broker at a time. The stream keeps the order of the connection.
AT_ONCE = 256
WORKER = "ordered"


@pytest.mark.timeout(180)
def test_invocations_run_in_the_order_of_publishing_across_a_crash(
    tmp_path: Path, runner: Any
) -> None:
    with running(tmp_path) as whole:
        runner.run(_run_in_order(whole))


async def _run_in_order(whole: Whole) -> None:
    async with calling(whole.urls) as caller:
        publishing = asyncio.create_task(_publish_all(caller))
        executor = whole.executors[0]
        # In the middle of it: some have run, some wait, some are still to come.
        await caller.until(lambda: len(caller.answers) > INVOCATIONS // 5)
        await asyncio.to_thread(executor.kill)
        executor.start()
        await publishing
        # `step` counts what did not come right after its predecessor.
        last = await caller.outcome(str(INVOCATIONS), within_s=120)
        assert last["result"] == 0
        log = await caller.log(WORKER)
        assert _numbers(log, "exported-function-invoked") == list(range(1, INVOCATIONS + 1))
        assert _numbers(log, "exported-function-completed") == list(range(1, INVOCATIONS + 1))


def _numbers(log: list[Entry], type_: str) -> list[int]:
    return [int(entry.body["idempotency-key"]) for entry in log if entry.type == type_]


async def _publish_all(caller: Caller) -> None:
    """Publish without waiting for each acknowledgement, but never out of order."""
    on_the_way: deque[asyncio.Future[Any]] = deque()
    for number in range(1, INVOCATIONS + 1):
        headers = {
            "Shem-Key": str(number),
            "Nats-Msg-Id": f"load/{WORKER}:{number}",
            "Shem-Result-To": caller.inbox,
        }
        on_the_way.append(
            await caller.stream.publish_async(
                f"shem.invoke.load.{WORKER}", b"step(0, %d)" % number, headers=headers
            )
        )
        if len(on_the_way) >= AT_ONCE:
            await on_the_way.popleft()
    await asyncio.gather(*on_the_way)
