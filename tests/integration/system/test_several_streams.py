"""A whole system over several streams: made new, killed, saved, and split from a single one."""

import asyncio
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from shem import Client
from tests.guests.build import build
from tests.support.system import RunningSystem

STREAMS = 3
WORKERS = [f"load/w{number}" for number in range(9)]


def ok(system: RunningSystem, *words: str) -> str:
    done = system.run("shem", *words)
    assert done.returncode == 0, done.stdout
    return done.stdout


def add(system: RunningSystem, amount: int, key: str) -> list[object]:
    """Add to every worker; return what they hold then."""

    async def main() -> list[object]:
        async with await Client.connect(system.url) as client:
            return [
                await client.worker(*worker.split("/")).invoke("add", amount, key=f"{key}-{worker}")
                for worker in WORKERS
            ]

    return asyncio.run(main())


def schedule(system: RunningSystem, call: bytes, at: datetime) -> None:
    async def main() -> None:
        async with await Client.connect(system.url) as client:
            for worker in WORKERS:
                await client.worker(*worker.split("/")).schedule(call, at=at)

    asyncio.run(main())


def streams(system: RunningSystem) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(ok(system, "streams", "list", "-o", "json"))[
        "streams"
    ]
    return found


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSystem]:
    options = ("--streams", str(STREAMS), "--fsync", "interval")
    with RunningSystem(tmp_path_factory.mktemp("several"), executors=2, options=options) as started:
        ok(started, "component", "add", "load", str(build("load")))
        yield started


def test_workers_of_all_streams_survive_the_death_of_everything(several: RunningSystem) -> None:
    assert add(several, 1, "a") == [1] * len(WORKERS)
    found = streams(several)
    assert [each["name"] for each in found] == ["SHEM_OPLOG", "SHEM_OPLOG_1", "SHEM_OPLOG_2"]
    assert all(each["messages"] for each in found)
    schedule(several, b"add(10)", datetime.now(UTC) + timedelta(seconds=5))
    told = json.loads(ok(several, "worker", "scheduled", "load", "-o", "json"))
    assert len(told["scheduled"]) == len(WORKERS)
    several.kill("executors", "broker")
    # Repeated keys have their old answers, and what was due is done before what comes after it.
    assert add(several, 1, "a") == [1] * len(WORKERS)
    several.wait_for(lambda _: set(add(several, 0, str(time.monotonic()))) == {11})
    listed = json.loads(ok(several, "worker", "list", "load", "-o", "json"))
    assert {each["worker"] for each in listed} == {w.split("/")[1] for w in WORKERS}


def test_a_backup_of_several_streams_is_tried_out(several: RunningSystem) -> None:
    ok(several, "backup", "create", "saved")
    assert "nothing is damaged" in ok(several, "backup", "verify", "saved")
    assert "nothing is damaged" in ok(several, "oplog", "verify")


def test_a_single_stream_is_split_and_everybody_goes_on(tmp_path: Path) -> None:
    with RunningSystem(tmp_path, options=("--fsync", "interval")) as single:
        ok(single, "component", "add", "load", str(build("load")))
        assert add(single, 5, "a") == [5] * len(WORKERS)
        refused = single.run("shem", "streams", "split", "2")
        assert refused.returncode == 1
        assert "executors run" in refused.stdout
    single.run("shem", "streams", "split", str(STREAMS), "--data", ".shem/data")
    with RunningSystem(tmp_path, executors=2, options=("--fsync", "interval")) as split:
        assert len(streams(split)) == STREAMS
        assert add(split, 5, "a") == [5] * len(WORKERS)
        assert add(split, 2, "b") == [7] * len(WORKERS)
        assert "nothing is damaged" in ok(split, "oplog", "verify")
