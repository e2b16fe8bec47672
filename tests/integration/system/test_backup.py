"""A backup that is made under load, verified, and restored into a new deployment."""

import asyncio
import json
import time
from pathlib import Path

import nats
import pytest

from broker.jetstream.connect import ConnectOptions, connect
from tests.chaos.operations import COMPONENT
from tests.integration.system.whole import Whole, running

WORKERS = 12
LARGE = bytes(range(256)) * 12_000


class Load:
    """Clients that add to workers without a pause and remember what they were answered."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.answers: dict[str, tuple[str, object]] = {}
        self.ending = asyncio.Event()
        self.is_warm = asyncio.Event()

    async def run(self) -> None:
        connection = await nats.connect(self.url)
        async with asyncio.TaskGroup() as clients:
            for number in range(WORKERS):
                clients.create_task(self._client(connection, f"w{number}"))
        await connection.close()

    async def _client(self, connection, worker: str) -> None:
        number = 0
        while not self.ending.is_set():
            key = f"{worker}-{number}"
            reply = await connection.request(
                f"shem.call.{COMPONENT}.{worker}", b"add(1)", timeout=30, headers={"Shem-Key": key}
            )
            self.answers[key] = worker, json.loads(reply.data)["result"]
            number += 1
            if len(self.answers) >= 20 * WORKERS:
                self.is_warm.set()


async def under_load(whole: Whole, folder: Path) -> dict[str, tuple[str, object]]:
    """Make a backup while clients go on; return what was answered before it began."""
    load = Load(whole.server.url)
    running_load = asyncio.create_task(load.run())
    async with asyncio.timeout(60):
        await load.is_warm.wait()
    before = dict(load.answers)
    done = await asyncio.to_thread(whole.run, "backup", "create", str(folder))
    assert done.returncode == 0, done.stderr
    assert len(load.answers) > len(before), "nothing went on meanwhile"
    load.ending.set()
    await running_load
    return before


async def repeat(url: str, answers: dict[str, tuple[str, object]]) -> None:
    """Ask for everything again: the same keys have the same answers."""
    connection = await nats.connect(url)
    for key, (worker, result) in answers.items():
        reply = await connection.request(
            f"shem.call.{COMPONENT}.{worker}", b"add(1)", timeout=30, headers={"Shem-Key": key}
        )
        assert json.loads(reply.data)["result"] == result, key
    await connection.close()


async def store_outside(url: str) -> None:
    broker = await connect(ConnectOptions(servers=(url,), assume_durable=True))
    await broker.keyvalue("shop").put("apples", b"7")
    await broker.containers.create("pictures")
    await broker.containers.open("pictures").put("large", LARGE)
    await broker.close()


async def check_outside(url: str) -> None:
    broker = await connect(ConnectOptions(servers=(url,), assume_durable=True))
    entry = await broker.keyvalue("shop").get("apples")
    assert entry is not None
    assert entry.data == b"7"
    assert await broker.containers.open("pictures").get("large") == LARGE
    await broker.close()


@pytest.mark.timeout(240)
def test_everything_is_back_after_a_restore_and_goes_on(tmp_path: Path):
    saved = tmp_path / "saved"
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
    with running(tmp_path / "old", executors=2) as whole:
        asyncio.run(store_outside(whole.server.url))
        due = time.time() + 15
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(due))
        whole.json("worker", "invoke", f"{COMPONENT}/later", "add(41)", "--at", at, "--no-wait")
        whole.json("worker", "invoke", f"{COMPONENT}/gone", "add(1)")
        answers = asyncio.run(under_load(whole, saved))
        assert whole.run("backup", "create", str(saved)).returncode == 1
        assert whole.run("backup", "restore", str(saved)).returncode == 1

    tried = whole.run("backup", "verify", str(saved), "-o", "json")
    assert tried.returncode == 0, tried.stdout + tried.stderr
    assert json.loads(tried.stdout)["verified"]["logs"] >= WORKERS

    new = Whole(tmp_path / "new", executors=2)
    try:
        new.start_server()
        restored = new.json("backup", "restore", str(saved))["restored"]
        assert restored["cut"] > len(answers)
        again = new.run("backup", "restore", str(saved))
        assert again.returncode == 1
        assert "not-empty" in again.stderr
        for executor in new.executors:
            executor.start()
        for executor in new.executors:
            executor.wait_until_ready()

        assert new.run("oplog", "verify", "--payloads").returncode == 0
        asyncio.run(repeat(new.server.url, answers))
        asyncio.run(check_outside(new.server.url))
        for number in range(WORKERS):
            name = f"w{number}"
            total = max(result for worker, result in answers.values() if worker == name)
            found = new.json("worker", "invoke", f"{COMPONENT}/{name}", "add(1)")["result"]
            assert found > total
        # What was scheduled fires, here or while the deployment was down.
        deadline = max(due, time.time()) + 30
        while new.json("worker", "invoke", f"{COMPONENT}/later", "get()")["result"] != 41:
            assert time.time() < deadline, "the schedule did not fire"
            time.sleep(0.2)
    finally:
        new.kill()


def test_a_damaged_or_unfinished_backup_is_refused(tmp_path: Path):
    saved = tmp_path / "saved"
    (tmp_path / "old").mkdir()
    with running(tmp_path / "old") as whole:
        whole.json("worker", "invoke", f"{COMPONENT}/alice", "add(5)")
        whole.json("backup", "create", str(saved))
        assert whole.run("backup", "verify", str(saved), "--digests").returncode == 0

    file = saved / "SHEM_OPLOG.tar.s2"
    assert file.stat().st_mode & 0o077 == 0
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(bytes(data))
    told = whole.run("backup", "verify", str(saved), "--digests")
    assert told.returncode == 1
    assert "is damaged" in told.stderr
    (saved / "backup.json").unlink()
    assert "not finished" in whole.run("backup", "verify", str(saved)).stderr
