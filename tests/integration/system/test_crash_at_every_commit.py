"""Kill -9 around every commit of a script: the world looks the same afterwards."""

import asyncio
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.check import check
from tests.chaos.client import Client, connect
from tests.chaos.logs import assemble
from tests.chaos.operations import Source
from tests.chaos.reader import messages
from tests.chaos.record import Notes, Recorder, read
from tests.integration.system.whole import CrashingExecutor, Whole, running

# Every kind of commit: a creation, pure calculation, an answer from outside, a wait.
SCRIPT = ("add", "roll", "nap", "rolled", "get")
# One each, and what was recorded before the guest waits does not wait with it. The last one is as
# the one before.
COMMITS = len(SCRIPT)
# One whose nap is short, and long enough for a commit.
SEED = 25


@pytest.mark.timeout(240)
@pytest.mark.parametrize("place", ["before-publish", "before-ack", "before-reply"])
def test_a_kill_around_any_commit_changes_nothing(place: str, tmp_path: Path, runner: Any) -> None:
    with running(tmp_path) as whole:
        runner.run(_crash_everywhere(whole, place))


async def _crash_everywhere(whole: Whole, place: str) -> None:
    executor = whole.executors[0]
    executor.kill()
    _arm(executor, place, 1)
    file = whole.folder / "caller.jsonl"
    connection = await connect(whole.urls)
    with Recorder(file) as recorder:
        client = Client(connection, recorder)
        await client.start()
        for commit in range(1, COMMITS + 1):
            reviving = asyncio.create_task(_revive(executor, place, commit))
            source = Source("caller", 0, SEED, 1)
            for function in SCRIPT:
                await client.perform(source, _worker(commit), function)
            assert reviving.done(), f"the script makes fewer than {commit} commits"
            await reviving
    logs, notes = assemble(await messages(connection)), read([file])
    await connection.close()
    assert check(logs, notes) == []
    assert len(logs) == COMMITS
    assert len({_story(worker, notes) for worker in logs}) == 1


def _worker(commit: int) -> str:
    return f"crash-{commit}"


def _arm(executor: CrashingExecutor, place: str, commit: int) -> None:
    executor.crash = (place, commit, _worker(commit))
    executor.start()


async def _revive(executor: CrashingExecutor, place: str, commit: int) -> None:
    """Wait for the end; whoever finishes the work of this victim is the next one."""
    await asyncio.to_thread(executor.wait)
    assert executor.exit_status == -signal.SIGKILL, executor.last_words()
    _arm(executor, place, commit + 1)


def _story(worker: str, notes: Notes) -> tuple[Any, ...]:
    """Return what callers were told, which is the same each time but for what was drawn."""
    results: list[Any] = []
    drawn = None
    for number, function in enumerate(SCRIPT, 1):
        told = {heard.outcome["result"] for heard in notes.heard[f"caller/{worker}/{number}"]}
        assert len(told) == 1, f"{worker} {function}: {told}"
        (result,) = told
        if function == "roll":
            drawn = result
        results.append("drawn" if result == drawn else result)
    return tuple(results)
