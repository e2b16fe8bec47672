"""Workers get other versions, pasts and copies, on a real broker, by real processes."""

import asyncio
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from shem import Client
from shem.client.updates import UpdateOutcome
from tests.chaos.operations import COMPONENT
from tests.guests.build import build
from tests.integration.system.whole import Whole, running

# Fewer for a slow machine: SHEM_TEST_WORKERS=200.
WORKERS = int(os.environ.get("SHEM_TEST_WORKERS", "1000"))
AT_ONCE = 64
TIMEOUT_S = 150


@pytest.mark.timeout(600)
def test_many_workers_are_updated_under_load_while_an_executor_dies(
    tmp_path: Path, runner: Any
) -> None:
    with running(tmp_path, executors=2) as whole:
        runner.run(_update_all(whole))
        listed = whole.json("component", "update-workers", COMPONENT)
        assert listed == {"component": COMPONENT, "version": 1, "current": WORKERS}


async def _update_all(whole: Whole) -> None:
    slots = asyncio.Semaphore(AT_ONCE)
    async with await Client.connect(whole.server.url) as client:

        async def add(number: int, key: str) -> None:
            async with slots:
                worker = client.worker(COMPONENT, f"w{number}")
                await worker.invoke("add", 1, key=key, timeout_s=TIMEOUT_S)

        await asyncio.gather(*(add(number, "first") for number in range(WORKERS)))
        await asyncio.to_thread(whole.add)
        outcomes: list[UpdateOutcome] = []
        killing: list[asyncio.Task[None]] = []

        def on_outcome(outcome: UpdateOutcome) -> None:
            outcomes.append(outcome)
            if len(outcomes) == WORKERS // 4:
                kill = asyncio.to_thread(whole.executors[0].kill)
                killing.append(asyncio.ensure_future(kill))

        update = client.update_workers(COMPONENT, 1, timeout_s=TIMEOUT_S, on_outcome=on_outcome)
        load = (add(number, "second") for number in range(WORKERS))
        await asyncio.gather(update, *load)
        await asyncio.gather(*killing)
        assert killing, "no executor was killed"
        assert [each for each in outcomes if each.outcome != "updated"] == []
        assert len({each.worker for each in outcomes}) == WORKERS
        for number in range(0, WORKERS, 20):
            worker = client.worker(COMPONENT, f"w{number}")
            assert (await worker.status()).component_version == 1
            assert await worker.invoke("get", timeout_s=TIMEOUT_S) == 2


def test_the_command_line_updates_reverts_and_copies(whole: Whole) -> None:
    worker = f"{COMPONENT}/x"
    for number in range(1, 4):
        assert "result" in whole.json("worker", "invoke", worker, f"add({number})")
    whole.add()
    told = whole.json("worker", "update", worker, "--version", "1", "--dry-run")
    assert told["diverges"] is False
    assert whole.json("component", "update-workers", COMPONENT, "--dry-run")["updated"] >= 1
    assert whole.json("worker", "get", worker).get("component-version", 0) == 0
    done = whole.json("worker", "update", worker, "--version", "1")
    assert done == {"component": COMPONENT, "worker": "x", "version": 1}
    assert whole.json("worker", "get", worker)["component-version"] == 1
    copied = whole.json("worker", "fork", worker, "y", "--at", "5")
    assert copied == {"component": COMPONENT, "worker": "x", "fork": "y"}
    assert whole.json("worker", "invoke", f"{COMPONENT}/y", "get()") == {"result": 3}
    assert [one["worker"] for one in whole.json("worker", "list", COMPONENT, "--version", "1")] == [
        "x"
    ]
    assert whole.json("worker", "list", f"{COMPONENT}/x", "--status", "failed") == []
    undone = whole.json("worker", "revert", worker, "--invocations", "2")
    assert undone["reverted"] > 4
    assert whole.json("worker", "invoke", worker, "get()") == {"result": 1}
    # The update was undone with what came before it.
    assert whole.json("worker", "get", worker).get("component-version", 0) == 0


def test_workers_with_saved_instances_are_reverted_copied_and_updated(whole: Whole) -> None:
    saved = ["component", "add", "saved", str(build("load")), "--snapshots", "every=6"]
    for _ in range(2):
        assert whole.run(*saved).returncode == 0
    worker = "saved/x"
    whole.json("worker", "new", worker, "--version", "0")
    for number in range(1, 11):
        whole.json("worker", "invoke", worker, f"add({number})", "--key", f"k{number}")
    status = whole.json("worker", "get", worker)
    assert status["snapshots"] >= 2
    deadline = time.monotonic() + TIMEOUT_S
    # The index follows within some seconds.
    while (counts := _workers_of(whole, "saved")).get("size") != status["snapshot-size"]:
        assert time.monotonic() < deadline, counts
    assert counts["saved"] == 1
    # Every life from here on begins at a snapshot, as far as that still counts.
    whole.json("worker", "interrupt", worker, "--recover")
    early = whole.json("worker", "fork", worker, "early", "--at", "5")
    assert early["fork"] == "early"
    assert whole.json("worker", "invoke", "saved/early", "get()") == {"result": 3}
    told = whole.json("worker", "update", worker, "--version", "1", "--dry-run")
    assert told["diverges"] is False
    whole.json("worker", "update", worker, "--version", "1")
    assert whole.json("worker", "get", worker)["component-version"] == 1
    assert whole.json("worker", "invoke", worker, "get()") == {"result": 55}
    whole.json("worker", "revert", worker, "--last-oplog-index", "5")
    whole.json("worker", "interrupt", worker, "--recover")
    assert whole.json("worker", "invoke", worker, "get()") == {"result": 3}
    assert whole.json("worker", "get", worker).get("component-version", 0) == 0
    assert whole.json("worker", "invoke", worker, "add(2)", "--key", "k2") == {"result": 3}


def _workers_of(whole: Whole, component: str) -> dict[str, int]:
    counts: dict[str, int] = whole.json("component", "get", component, "--version", "0")["workers"]
    return counts


def test_the_journal_is_searched_and_followed_while_it_grows(whole: Whole) -> None:
    worker = f"{COMPONENT}/followed"
    whole.json("worker", "invoke", worker, "add(1)", "--key", "first")
    following = whole.follow("worker", "oplog", worker, "--follow", "-o", "json")
    found = whole.follow("worker", "oplog", worker, "--follow", "--query", "second", "-o", "json")
    try:
        seen = [following.line() for _ in range(3)]
        whole.json("worker", "invoke", worker, "add(2)", "--key", "second")
        seen += [following.line() for _ in range(2)]
        assert [one["index"] for one in seen] == [1, 2, 3, 4, 5]
        assert seen[-1]["entry"]["result"] == 3
        assert [found.line()["index"] for _ in range(2)] == [4, 5]
    finally:
        following.end()
        found.end()
    for query, indices in {
        "add": [2, 3, 4, 5],
        '"first"': [2, 3],
        "/sec.nd/": [4, 5],
        "type:create": [1],
        "idempotency-key:second AND type:exported-function-completed": [5],
        "first OR second": [2, 3, 4, 5],
        "add NOT first": [4, 5],
    }.items():
        told = whole.json("worker", "oplog", worker, "--query", query)
        assert [one["index"] for one in told] == indices, query


@pytest.mark.parametrize(
    ("arguments", "status", "kind"),
    [
        (["worker", "update", "W", "--version", "99"], 1, "unknown-component"),
        (["worker", "update", "W", "--version", "1", "--mode", "brutal"], 2, None),
        (["worker", "update", "NOBODY", "--version", "0"], 1, "unknown-worker"),
        (["worker", "revert", "W"], 2, None),
        (["worker", "revert", "W", "--last-oplog-index", "9999"], 1, "bad-index"),
        (["worker", "revert", "W", "--invocations", "99"], 1, "bad-index"),
        (["worker", "fork", "W", "x" * 2_000], 1, "cannot-fork"),
        (["worker", "fork", "W", "z", "--at", "9999"], 1, "cannot-fork"),
        (["promise", "complete", "W", "1", "--data", "x"], 1, "unknown-promise"),
        (["promise", "complete", "NOBODY", "1"], 1, "unknown-worker"),
        (["worker", "oplog", "W", "--query", "a AND ("], 1, "bad-request"),
    ],
)
def test_what_cannot_be_done_is_refused_and_changes_nothing(
    whole: Whole, arguments: list[str], status: int, kind: str | None
) -> None:
    worker = f"{COMPONENT}/bad-input"
    whole.json("worker", "invoke", worker, "get()", "--key", "k")
    before = whole.json("worker", "oplog", worker)
    names = {"W": worker, "NOBODY": f"{COMPONENT}/nobody"}
    done = whole.run(*(names.get(one, one) for one in arguments), "-o", "json")
    assert done.returncode == status, done.stdout + done.stderr
    if kind is not None:
        assert json.loads(done.stdout)["error"]["kind"] == kind
    assert whole.json("worker", "oplog", worker) == before
