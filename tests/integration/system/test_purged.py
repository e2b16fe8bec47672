"""Logs whose old part is thrown away, on a real broker, as operators see them."""

import asyncio
import json
import time
from typing import Any

import pytest

from shem import Client
from tests.guests.build import build
from tests.integration.system.whole import Whole

INVOCATIONS = 900
AT_ONCE = 30
LIMIT_S = 60
WORKER = "purged/x"


def begins(whole: Whole) -> int:
    entries: list[dict[str, Any]] = whole.json("worker", "oplog", WORKER, "--query", "type:purged")
    return 1 + max((each["entry"]["index"] for each in entries), default=0)


async def _fill(whole: Whole) -> None:
    async with await Client.connect(whole.server.url) as client:
        worker = client.worker("purged", "x")
        for start in range(0, INVOCATIONS, AT_ONCE):
            calls = (
                worker.invoke("add", 1, key=f"k{number}", timeout_s=LIMIT_S)
                for number in range(start, start + AT_ONCE)
            )
            await asyncio.gather(*calls)


@pytest.mark.timeout(180)
def test_a_purged_log_is_sound_and_says_where_it_begins(whole: Whole, runner: Any) -> None:
    refused = whole.run("component", "add", "purged", str(build("load")), "--purge", "--archive")
    assert refused.returncode == 2
    settings = ["--snapshots", "every=200", "--purge"]
    for _ in range(2):
        added = whole.run("component", "add", "purged", str(build("load")), *settings)
        assert added.returncode == 0, added.stderr
    whole.json("worker", "new", WORKER, "--version", "0")
    runner.run(_fill(whole))
    deadline = time.monotonic() + LIMIT_S
    while (first := begins(whole)) == 1:
        assert time.monotonic() < deadline, whole.json("worker", "get", WORKER)
        whole.json("worker", "invoke", WORKER, "get()")
    assert first > 1_000
    shown = whole.run("worker", "oplog", WORKER)
    assert f"the log begins with entry {first}: those before were purged" in shown.stderr
    assert shown.stdout.lstrip().startswith(str(first))
    verified = whole.json("oplog", "verify", WORKER, "--payloads")["verified"]
    assert (verified["logs"], verified["damaged"]) == (1, [])
    whole.json("worker", "interrupt", WORKER, "--recover")
    assert whole.json("worker", "invoke", WORKER, "get()") == {"result": INVOCATIONS}
    refusals = {
        ("worker", "invocation", WORKER, "k0"): "purged",
        ("worker", "invoke", WORKER, "add(1)", "--key", "k0"): "purged",
        ("worker", "revert", WORKER, "--last-oplog-index", "5"): "bad-index",
        ("worker", "fork", WORKER, "copy"): "cannot-fork",
        ("worker", "update", WORKER, "--version", "1"): "cannot-update",
    }
    for command, kind in refusals.items():
        done = whole.run(*command, "-o", "json")
        assert done.returncode == 1, command
        assert json.loads(done.stdout)["error"]["kind"] == kind, command
    assert whole.json("worker", "invoke", WORKER, "get()") == {"result": INVOCATIONS}
    assert whole.run("worker", "delete", WORKER).returncode == 0
