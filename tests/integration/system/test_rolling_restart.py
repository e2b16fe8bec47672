"""Executors are restarted one after the other under load: nothing fails, and nothing is lost."""

import asyncio
import time
from collections.abc import Iterator

import pytest

from shem import Client
from tests.chaos.operations import COMPONENT
from tests.integration.system.whole import Whole, running

WORKERS = 20
SLOWEST_S = 20.0


@pytest.fixture
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Whole]:
    with running(tmp_path_factory.mktemp("rolling"), executors=2) as started:
        yield started


async def test_a_rolling_restart_fails_no_invocation(pair: Whole):
    stopping = asyncio.Event()
    totals: dict[str, int] = {}
    slowest = 0.0

    async def call(client: Client, name: str) -> None:
        nonlocal slowest
        worker = client.worker(COMPONENT, name)
        while not stopping.is_set():
            begun = time.monotonic()
            # An error of any kind ends the test.
            result = await worker.invoke("add", 1, timeout_s=60)
            slowest = max(slowest, time.monotonic() - begun)
            totals[name] = totals.get(name, 0) + 1
            assert result == totals[name]

    def restart() -> None:
        for executor in pair.executors:
            executor.terminate()
            assert executor.exit_status == 0
            executor.start()
            executor.wait_until_ready()

    async with await Client.connect(pair.server.url) as client, asyncio.TaskGroup() as tasks:
        for number in range(WORKERS):
            tasks.create_task(call(client, f"w{number}"))
        await asyncio.to_thread(restart)
        await asyncio.to_thread(restart)
        stopping.set()
    assert sum(totals.values()) > 4 * WORKERS
    assert slowest < SLOWEST_S
