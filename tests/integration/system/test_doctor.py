"""`shem doctor` beside real servers and executors that are wrong in one way each.

What it makes of facts that are hard to bring about, an old server or replicas that lag behind, is
tested in `tests/unit/shem/test_doctor.py`; what it may see as whom in `test_security.py`.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nats
import pytest

from broker.subjects import STREAM
from shem.doctor.checks import DISK_ERROR, DISK_WARNING, WAITING_MAX
from tests.chaos.cluster import ROOT, Executor, Server, fake_clock, free_ports

LIMIT_S = 60
STORE_MEGABYTES = 24
AHEAD_S = 5.0


class Small(Server):
    """A server with little room, that syncs now and then and tells of itself."""

    def __init__(self, folder: Path) -> None:
        port, self.monitor = free_ports(2)
        super().__init__(0, folder, [port], [], sync="2m")

    def _text(self, ports: list[int], routes: list[int]) -> str:
        text = super()._text(ports, routes)
        text = text.replace("sync_interval", f"max_file_store: {STORE_MEGABYTES}MB, sync_interval")
        return f"{text}http: 127.0.0.1:{self.monitor}\n"


class Patient:
    """A deployment of one server and one executor, and what the doctor says of it."""

    def __init__(self, folder: Path) -> None:
        self.server = Small(folder)
        self.executor = Executor(0, folder, [self.server.url], fake_clock=fake_clock())

    def start(self) -> None:
        self.server.start()
        self.server.wait_until_listening()
        self.executor.start()
        self.executor.wait_until_ready()

    def levels(self) -> dict[str, dict[str, str]]:
        """Return the messages of each check by their level."""
        environment = {key: text for key, text in os.environ.items() if not key.startswith("SHEM_")}
        done = subprocess.run(
            [sys.executable, "-m", "shem", "doctor", "--json"],
            env={
                **environment,
                "PYTHONPATH": str(ROOT),
                "SHEM_NATS_URL": self.server.url,
                "SHEM_NATS_MONITOR": f"http://127.0.0.1:{self.server.monitor}",
            },
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
        found: dict[str, dict[str, str]] = {}
        for each in json.loads(done.stdout)["findings"]:
            found.setdefault(each["check"], {})[each["level"]] = each["message"]
        return found

    def until(self, check: str, level: str, *, gone: bool = False) -> str:
        """Ask until a check has come to a level, or has left it; return what it says then."""
        deadline = time.monotonic() + LIMIT_S
        while (level in (found := self.levels()[check])) == gone:
            assert time.monotonic() < deadline, found
        return found.get(level, "")


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Patient]:
    made = Patient(tmp_path_factory.mktemp("patient"))
    try:
        made.start()
        yield made
    finally:
        made.executor.kill()
        made.server.kill()


async def change_stream(patient: Patient, **settings: Any) -> None:
    client = await nats.connect(patient.server.url)
    info = json.loads((await client.request(f"$JS.API.STREAM.INFO.{STREAM}")).data)
    config = json.dumps({**info["config"], **settings}).encode()
    answer = json.loads((await client.request(f"$JS.API.STREAM.UPDATE.{STREAM}", config)).data)
    await client.close()
    assert "error" not in answer, answer


def test_a_server_that_syncs_now_and_then_is_told(patient: Patient):
    assert "power failure" in patient.levels()["sync"]["error"]


async def test_a_changed_stream_is_told_until_it_is_mended(patient: Patient):
    await change_stream(patient, max_age=3_600_000_000_000)
    assert "max_age" in patient.until("streams", "error")
    await change_stream(patient, max_age=0)
    patient.until("streams", "ok")


@pytest.mark.skipif(fake_clock() is None, reason="libfaketime is not installed: no other clock")
def test_an_executor_whose_clock_is_off_is_told_until_it_is_right(patient: Patient):
    patient.executor.jump(AHEAD_S)
    text = patient.until("clock", "error")
    assert text.startswith(f"executor {patient.executor.name}")
    patient.executor.jump(-AHEAD_S)
    patient.until("clock", "error", gone=True)


async def test_without_executors_nobody_serves_and_messages_wait(patient: Patient):
    patient.executor.kill()
    client = await nats.connect(patient.server.url)
    stream = client.jetstream(timeout=LIMIT_S)
    for number in range(WAITING_MAX + 50):
        await stream.publish("shem.invoke.nobody.alone", b"%d" % number)
    await client.close()
    assert "no executor lives" in patient.until("executors", "error")
    assert "undelivered messages" in patient.until("lag", "warning")


async def test_a_disk_that_fills_is_told_before_it_is_full(patient: Patient):
    client = await nats.connect(patient.server.url)
    stream = client.jetstream(timeout=LIMIT_S)
    stored = 0
    for share, level in ((DISK_WARNING, "warning"), (DISK_ERROR, "error")):
        while stored < (share + 0.01) * STORE_MEGABYTES * (1 << 20):
            await stream.publish("shem.invoke.nobody.alone", bytes(1 << 18))
            stored += 1 << 18
        assert level in patient.levels()["disk"]
    await client.close()
