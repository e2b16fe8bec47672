"""A backup that is made under load, verified, and restored into a new deployment."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import nats
import pytest

from broker.embedded import EmbeddedOptions, EmbeddedServer
from broker.jetstream.archive import Snapshot, open_archive
from broker.jetstream.connect import ConnectOptions, JetStreamBroker, connect
from shem.backup import create, read_manifest
from shem.verification import Verified, verify
from tests.chaos.cluster import ROOT
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


@pytest.mark.parametrize("is_there", [False, True])
def test_a_backup_that_is_interrupted_leaves_nothing_behind(tmp_path: Path, *, is_there: bool):
    folder = tmp_path / "saved"
    if is_there:
        folder.mkdir()

    async def interrupted(url: str) -> None:
        archive = await open_archive(ConnectOptions(servers=(url,)))

        def stop(name: str, size: int) -> None:
            if name == "SHEM_OPLOG" and size:
                assert list(folder.iterdir())
                creating.cancel()

        creating = asyncio.ensure_future(create(archive, folder, progress=stop))
        try:
            with pytest.raises(asyncio.CancelledError):
                await creating
        finally:
            await archive.close()

    (tmp_path / "old").mkdir()
    with running(tmp_path / "old") as whole:
        whole.json("worker", "invoke", f"{COMPONENT}/alice", "add(5)")
        asyncio.run(interrupted(whole.server.url))
        assert folder.exists() == is_there
        whole.json("backup", "create", str(folder))
        # As a kill leaves it.
        (folder / "backup.json").unlink()
        told = whole.run("backup", "create", str(folder))
        assert told.returncode == 1
        assert "was killed before it was finished" in told.stderr


def left_of(process_id: int) -> list[str]:
    """Return the ids of the children of a process, and of their children."""
    found: list[str] = []
    for status in Path("/proc").glob("[0-9]*/status"):
        with contextlib.suppress(OSError):
            words = dict(line.split(":\t", 1) for line in status.read_text().splitlines())
            if words["PPid"].strip() == str(process_id):
                found.append(status.parent.name)
                found += left_of(int(status.parent.name))
    return found


def backup_of(place: Path, fill: Callable[[Whole, JetStreamBroker], Awaitable[None]]) -> Path:
    """Make a backup of a system with a worker and what `fill` stores."""
    saved = place / "saved"
    (place / "old").mkdir()
    with running(place / "old") as whole:
        whole.json("worker", "invoke", f"{COMPONENT}/alice", "add(5)")

        async def connected() -> None:
            broker = await connect(ConnectOptions(servers=(whole.server.url,), assume_durable=True))
            await fill(whole, broker)
            await broker.close()

        asyncio.run(connected())
        whole.json("backup", "create", str(saved))
    return saved


def check_restored(new: Whole) -> None:
    """Start executors on what was restored: the worker of `backup_of` goes on."""
    assert new.run("oplog", "verify", "--payloads").returncode == 0
    for executor in new.executors:
        executor.start()
        executor.wait_until_ready()
    assert new.json("worker", "invoke", f"{COMPONENT}/alice", "add(1)") == {"result": 6}


def large_backup(place: Path, megabytes: int) -> Path:
    """Make a backup that takes a moment to be restored."""

    async def fill(_: Whole, broker: JetStreamBroker) -> None:
        for number in range(megabytes):
            await broker.blobs.put(f"large-{number}", os.urandom(1 << 20))

    return backup_of(place, fill)


def shem(place: Path, *words: str, **variables: str) -> "subprocess.Popen[str]":
    kept = {name: text for name, text in os.environ.items() if not name.startswith("SHEM_")}
    return subprocess.Popen(
        [sys.executable, "-m", "shem", *words],
        cwd=place,
        env={**kept, "PYTHONPATH": str(ROOT), **variables},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def wait_until(holds: Callable[[], bool], process: "subprocess.Popen[str]") -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_trying_a_backup_out_leaves_nothing_behind_whatever_ends_it(
    tmp_path: Path, number: signal.Signals
) -> None:
    saved = large_backup(tmp_path, 1)
    within = tmp_path / "within ü"
    within.mkdir()
    verifying = shem(tmp_path, "backup", "verify", str(saved), "--within", str(within))
    wait_until(lambda: any(within.glob("*/jetstream")), verifying)
    begun = left_of(verifying.pid)
    assert begun
    verifying.send_signal(number)
    verifying.communicate(timeout=60)
    assert verifying.returncode == (-9 if number == signal.SIGKILL else 128 + number)
    deadline = time.monotonic() + 60
    while any(within.iterdir()) or any(Path(f"/proc/{each}").exists() for each in begun):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_place_without_room_for_trying_out_is_named(tmp_path: Path):
    saved = large_backup(tmp_path, 1)
    told = shem(tmp_path, "backup", "verify", str(saved), "--within", str(tmp_path / "nowhere"))
    out = told.communicate(timeout=60)[0]
    assert told.returncode == 1
    assert "nowhere" in out
    assert "Traceback" not in out
    assert "Warning" not in out


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_restore_that_was_ended_can_be_begun_again(
    tmp_path: Path, number: signal.Signals
) -> None:
    saved = large_backup(tmp_path, 64)
    (tmp_path / "new").mkdir()
    new = Whole(tmp_path / "new")
    try:
        new.start_server()
        restoring = shem(tmp_path, "backup", "restore", str(saved), SHEM_NATS_URL=new.server.url)
        wait_until(lambda: any((tmp_path / "new").rglob("KV_SHEM_WORKERS")), restoring)
        restoring.send_signal(number)
        restoring.communicate(timeout=60)
        assert restoring.returncode == (-9 if number == signal.SIGKILL else 128 + number)
        if number == signal.SIGKILL:
            told = new.run("backup", "restore", str(saved))
            assert told.returncode == 1
            assert "--again" in told.stderr
            new.json("backup", "restore", str(saved), "--again")
        else:
            new.json("backup", "restore", str(saved))
        # What is there now is not ours to remove.
        for words in ((), ("--again",)):
            assert "not-empty" in new.run("backup", "restore", str(saved), *words).stderr
        check_restored(new)
    finally:
        new.kill()


# A restore that dies when half of the logs is there, or when all is and the mark still stands.
DYING = """
import asyncio, os, sys
from pathlib import Path
from broker.jetstream.archive import Archive, open_archive
from broker.jetstream.connect import ConnectOptions
from shem.backup.restoring import restore

url, folder, place = sys.argv[1:]

def progress(stream, done):
    if place == "half" and stream == "SHEM_OPLOG" and done > 2_000_000:
        os._exit(9)

async def die(archive):
    os._exit(9)

async def main():
    Archive.unmark = die
    archive = await open_archive(ConnectOptions(servers=(url,)))
    await restore(archive, Path(folder), replicas=None, progress=progress)

asyncio.run(main())
"""


@pytest.mark.parametrize("place", ["half", "unmark"])
def test_a_restore_that_died_among_the_logs_passes_for_no_whole_one(tmp_path: Path, place: str):
    async def fill(whole: Whole, broker: JetStreamBroker) -> None:
        whole.executors[0].kill()
        for _ in range(30):
            await broker.journal.publish("shem.invoke.nobody.zoe", os.urandom(100_000))

    saved = backup_of(tmp_path, fill)
    (tmp_path / "new").mkdir()
    new = Whole(tmp_path / "new")
    try:
        new.start_server()
        words = [sys.executable, "-c", DYING, new.server.url, str(saved), place]
        died = subprocess.run(words, cwd=ROOT, check=False, capture_output=True, text=True)
        assert died.returncode == 9, died.stderr
        # Nobody runs workers on half of their logs.
        early = new.executors[0]
        refused = subprocess.run(
            early.command(),
            env={**os.environ, **early.environment()},
            input="",
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert refused.returncode == 1
        assert "a backup is being restored here" in refused.stdout + refused.stderr
        told = new.run("backup", "restore", str(saved))
        assert told.returncode == 1
        assert "--again" in told.stderr
        new.json("backup", "restore", str(saved), "--again")
        check_restored(new)
    finally:
        new.kill()


def test_whether_an_interrupted_stream_is_there_is_known_afterwards(tmp_path: Path):
    saved = large_backup(tmp_path, 1)
    stream = next(each for each in read_manifest(saved).streams if each.name == "SHEM_OPLOG")
    (tmp_path / "new").mkdir()
    new = Whole(tmp_path / "new")

    async def pieces() -> AsyncIterator[bytes]:
        yield (saved / stream.file.name).read_bytes()
        raise asyncio.CancelledError

    async def interrupted() -> bool:
        archive = await open_archive(ConnectOptions(servers=(new.server.url,)))
        try:
            snapshot = Snapshot(stream.config, stream.state)
            with pytest.raises(asyncio.CancelledError):
                await archive.load(stream.name, snapshot, pieces(), replicas=1)
            return await archive.state(stream.name) is not None
        finally:
            await archive.close()

    try:
        new.start_server()
        assert asyncio.run(interrupted())
    finally:
        new.kill()


def test_a_backup_is_restored_for_a_shem_up_with_a_broker_of_its_own(tmp_path: Path):
    saved = large_backup(tmp_path, 1)
    data = tmp_path / "data"
    damaged = shutil.copytree(saved, tmp_path / "damaged")
    (damaged / "SHEM_OPLOG.tar.s2").write_bytes(b"")
    refused = shem(tmp_path, "backup", "restore", str(damaged), "--data", str(data))
    assert "is damaged" in refused.communicate(timeout=60)[0]
    # Nothing is left that would be in the way.
    done = shem(tmp_path, "backup", "restore", str(saved), "--data", str(data))
    out = done.communicate(timeout=60)[0]
    assert done.returncode == 0, out
    again = shem(tmp_path, "backup", "restore", str(saved), "--data", str(data))
    assert "not-empty" in again.communicate(timeout=60)[0]

    async def look() -> Verified:
        async with EmbeddedServer(EmbeddedOptions(data_dir=data / "nats")) as server:
            broker = await connect(ConnectOptions(servers=(server.url,), assume_durable=True))
            try:
                return await verify(broker, with_payloads=True)
            finally:
                await broker.close()

    verified = asyncio.run(look())
    assert verified.is_well
    assert verified.logs == 1
