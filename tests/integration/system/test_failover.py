"""A thousand workers over two executors, one of which dies."""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.check import check
from tests.chaos.client import Client, connect
from tests.chaos.logs import Message, assemble
from tests.chaos.operations import Source, worker_name
from tests.chaos.reader import messages
from tests.chaos.record import Notes, Recorder, read
from tests.integration.system.whole import Whole, running

WORKERS = 1_000
AT_ONCE = 100


@pytest.mark.timeout(180)
def test_a_thousand_workers_survive_the_death_of_one_of_two_executors(
    tmp_path: Path, runner: Any
) -> None:
    with running(tmp_path, executors=2) as whole:
        runner.run(_lose_one(whole))


async def _lose_one(whole: Whole) -> None:
    connection = await connect(whole.urls)
    file = whole.folder / "caller.jsonl"
    with Recorder(file) as recorder:
        client = Client(connection, recorder)
        await client.start()
        source = Source("caller", 0, 1, WORKERS)
        turns = asyncio.Semaphore(AT_ONCE)

        async def perform(worker: int, function: str) -> None:
            async with turns:
                await client.perform(source, worker_name(worker), function)

        await asyncio.gather(*(perform(worker, "add") for worker in range(WORKERS)))
        killed_at = time.time()
        working = [asyncio.create_task(perform(worker, "roll")) for worker in range(WORKERS)]
        await asyncio.to_thread(whole.executors[0].kill)
        await asyncio.gather(*working)
        await asyncio.gather(*(perform(worker, "rolled") for worker in range(WORKERS)))
    found = await messages(connection)
    logs, notes = assemble(found), read([file])
    await connection.close()
    assert check(logs, notes) == []
    assert len(logs) == WORKERS
    assert len(notes.heard) == len(notes.stored) == 3 * WORKERS
    served = _served_anew(found, notes, killed_at)
    assert 0 < len(served) < WORKERS
    # Told, not asserted: a busy machine must not fail the test.
    print(f"{len(served)} workers moved: first answer {served[0]:.2f} s after the death of their")
    print(f"executor, median {served[len(served) // 2]:.2f} s, last {served[-1]:.2f} s")


def _served_anew(found: list[Message], notes: Notes, killed_at: float) -> list[float]:
    """Return when workers that were moved to another executor answered first."""
    owners: dict[str, list[str]] = {}
    for message in found:
        worker = message.subject.split(".")[-2]
        # An executor's commits have ids that begin with its own random name.
        owner = message.headers["Nats-Msg-Id"].rpartition("-")[0]
        owners.setdefault(worker, []).append(owner)
    return sorted(
        notes.heard[f"caller/{worker}/2"][0].at_s - killed_at
        for worker, names in owners.items()
        if len(set(names)) > 1
    )
