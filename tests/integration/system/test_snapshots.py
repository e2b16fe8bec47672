"""Snapshots on the real thing: a worker comes back from one after the death of everything."""

import asyncio
import json
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.operations import COMPONENT
from tests.guests.build import build
from tests.integration.system.caller import calling
from tests.integration.system.whole import Whole

INVOCATIONS = 40


def _add(whole: Whole, policy: str) -> None:
    done = whole.run("component", "add", COMPONENT, str(build("load")), "--snapshots", policy)
    assert done.returncode == 0, done.stderr


def _status(whole: Whole, worker: str) -> dict[str, Any]:
    return whole.json("worker", "get", f"{COMPONENT}/{worker}")


@pytest.mark.timeout(180)
def test_a_worker_with_snapshots_survives_the_death_of_everything(
    tmp_path: Path, runner: Any
) -> None:
    whole = Whole(tmp_path)
    try:
        whole.start()
        refused = whole.run("component", "add", "x", str(build("load")), "--snapshots", "often")
        assert refused.returncode == 1
        assert "expected auto, never, custom, or idle, every=N and period=D" in refused.stderr
        _add(whole, "every=10,idle")
        assert whole.json("component", "get", COMPONENT)["snapshots"] == "every=10,idle"
        rolled = runner.run(_work(whole))
        status = _status(whole, "long")
        assert status["snapshots"] >= 5
        assert status["snapshot-problem"] is None
        whole.kill()
        whole.start()
        runner.run(_go_on(whole, rolled))
        again = _status(whole, "long")
        assert again["invocations"] == status["invocations"] + 2
        assert again["snapshots"] >= status["snapshots"]
        assert whole.run("worker", "delete", f"{COMPONENT}/long").returncode == 0
        runner.run(_nothing_is_left(whole))
    finally:
        whole.kill()


async def _work(whole: Whole) -> int:
    async with calling(whole.urls) as caller:
        rolled: int = (await caller.invoke("long", "roll()", key="rolled"))["result"]
        for number in range(INVOCATIONS):
            await caller.invoke("long", "add(1)", key=f"k{number}")
        return rolled


async def _go_on(whole: Whole, rolled: int) -> None:
    async with calling(whole.urls) as caller:
        assert (await caller.invoke("long", "rolled()", key="again"))["result"] == rolled
        # The keys of invocations before the snapshot are known: none of them runs again.
        for number in (0, 7, INVOCATIONS - 1):
            outcome = await caller.invoke(
                "long", "add(1)", key=f"k{number}", message_id=f"again-{number}"
            )
            assert outcome["result"] == number + 1
        assert (await caller.invoke("long", "get()", key="sum"))["result"] == INVOCATIONS


async def _nothing_is_left(whole: Whole) -> None:
    async with calling(whole.urls) as caller:
        store = "OBJ_SHEM_BLOBS"
        info = await caller.stream.stream_info(store, subjects_filter="$O.SHEM_BLOBS.M.>")
        living: list[str] = []
        for subject in info.state.subjects or {}:
            message = await caller.stream.get_last_msg(store, subject)
            described = json.loads(message.data or b"{}")
            # A deleted object leaves a mark that says so.
            if not described.get("deleted"):
                living.append(described["name"])
        assert any(name.startswith("component/") for name in living)
        assert not [name for name in living if name.startswith("snapshot/")]


@pytest.mark.timeout(180)
def test_a_kill_around_every_commit_of_a_worker_that_is_saved_each_time(
    tmp_path: Path, runner: Any
) -> None:
    whole = Whole(tmp_path)
    try:
        whole.start()
        _add(whole, "every=1")
        runner.run(_crash(whole))
    finally:
        whole.kill()


async def _crash(whole: Whole) -> None:
    executor = whole.executors[0]
    async with calling(whole.urls) as caller:
        for number, place in enumerate(("before-publish", "before-ack", "before-reply")):
            worker = f"victim-{number}"
            await asyncio.to_thread(executor.kill)
            # The first commits are an invocation and the entry of its snapshot, in turns.
            executor.crash = (place, number + 2, worker)
            executor.start()

            async def revive() -> None:
                await asyncio.to_thread(executor.wait)
                assert executor.exit_status == -signal.SIGKILL, executor.last_words()
                executor.crash = None
                executor.start()

            reviving = asyncio.create_task(revive())
            for step in range(1, 7):
                outcome = await caller.invoke(worker, "add(1)", key=f"{worker}-{step}")
                assert outcome["result"] == step
            await reviving
            log = await caller.log(worker)
            kinds = [entry.type for entry in log]
            assert kinds.count("exported-function-completed") == 6
            assert kinds.count("snapshot") >= 3
