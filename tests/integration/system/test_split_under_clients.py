"""Streams are split under a client, a gateway and a websocket that stay connected."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect

from broker.sharding import mappings_text
from broker.subjects import PARTITIONS_DEFAULT
from shem import Client
from tests.chaos.cluster import free_ports
from tests.contract.conftest import eventually
from tests.guests.build import build
from tests.integration.shem.conftest import environment
from tests.support.system import ROOT, RunningSystem

pytestmark = pytest.mark.timeout(300)

STREAMS = 4
# Of all four streams.
WORKERS = [f"w{number}" for number in range(12)]
PATIENCE_S = 60
API = """
id: load
version: "1"
routes:
  - method: POST
    path: /add/{name}
    binding: {type: default, components: [load], response: instance(request.path.name).add(1)}
"""


@contextmanager
def gateway(folder: Path, url: str) -> Iterator[str]:
    """A gateway that nobody starts again."""
    (port,) = free_ports(1)
    settings = {"label": "gateway", "host": "127.0.0.1", "port": port, "needs_token": False}
    process = subprocess.Popen(
        [sys.executable, "-m", "shem.gateway", json.dumps(settings)],
        cwd=folder,
        env=environment(SHEM_NATS_URL=url),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == b"ready\n"
        yield f"127.0.0.1:{port}"
        assert process.poll() is None
    finally:
        process.terminate()
        process.communicate(timeout=60)


def executors(folder: Path, url: str) -> RunningSystem:
    return RunningSystem(folder, environment={"SHEM_NATS_URL": url}, options=("--nats", url))


def deploy(system: RunningSystem) -> None:
    (system.folder / "load.yaml").write_text(API)
    for words in (
        *(("component", "add", name, str(build(name))) for name in ("load", "probe", "chat")),
        ("api", "deploy", "load.yaml"),
        ("api", "deploy", str(ROOT / "examples" / "chat" / "api.yaml")),
    ):
        done = system.run("shem", *words)
        assert done.returncode == 0, done.stdout


def ask(method: str, url: str, body: object = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    headers = {"content-type": "application/json"}
    request = urllib.request.Request(url, method=method, data=data, headers=headers)
    with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
        return json.loads(answer.read() or b"null")


async def said(connection: ClientConnection, wanted: object) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while json.loads(await connection.recv()) != wanted:
            pass


async def add_to_all(client: Client, amount: int) -> list[object]:
    adding = (client.worker("load", name).invoke("add", amount) for name in WORKERS)
    return list(await asyncio.gather(*adding))


async def totals(client: Client, wanted: int) -> None:
    await eventually(lambda: are_all(client, wanted), within_s=PATIENCE_S)


async def are_all(client: Client, wanted: int) -> bool:
    return set(await add_to_all(client, 0)) == {wanted}


def test_whoever_stays_connected_goes_on(make_nats_server: Any, tmp_path: Path) -> None:
    url = make_nats_server(mappings_text(PARTITIONS_DEFAULT)).url
    with executors(tmp_path, url) as system:
        deploy(system)
        with gateway(tmp_path, url) as address:
            asyncio.run(go_on(system, url, address))


async def go_on(system: RunningSystem, url: str, address: str) -> None:
    at = datetime.now(UTC) + timedelta(hours=1)
    async with await Client.connect(url) as client, connect(f"ws://{address}/rooms/one") as ann:
        await said(ann, {"joined": "guest 1"})
        assert await add_to_all(client, 1) == [1] * len(WORKERS)
        for name in WORKERS:
            await client.worker("load", name).schedule("add", 1_000, at=at, key="before")
        probe = client.worker("probe", "asking")
        made: Any = await probe.invoke("api/run", "p = host.create_promise(); p.oplog_idx")
        waiting = asyncio.create_task(
            probe.invoke("api/run", "host.await_promise(p)", timeout_s=PATIENCE_S)
        )
        system.stop()
        split = await asyncio.to_thread(system.run, "shem", "streams", "split", str(STREAMS))
        assert split.returncode == 0, split.stdout
        with executors(system.folder, url):
            assert await probe.complete_promise(json.loads(made["ok"]), b"kept")
            assert await waiting == {"ok": '"kept"'}
            assert await add_to_all(client, 1) == [2] * len(WORKERS)
            listed = await client.schedules.pending("load")
            assert [each.worker for each in listed] == sorted(WORKERS)
            for name in WORKERS:
                assert await client.schedules.cancel("load", name, "before")
                soon = datetime.now(UTC)
                await client.worker("load", name).schedule("add", 10, at=soon)
                logged = [each.index async for each in client.worker("load", name).oplog()]
                assert logged[0] == 1
            await totals(client, 12)
            assert await client.schedules.pending("load") == []
            await asyncio.to_thread(by_http, f"http://{address}")
            await totals(client, 113)
            await ann.send("hello")
            await said(ann, {"from": "guest 1", "says": "hello"})


def by_http(base: str) -> None:
    """Do the same at the gateway."""
    for name in WORKERS:
        assert ask("POST", f"{base}/add/{name}") == 13
        place = f"{base}/.shem/v1/components/load/workers/{name}/schedules"
        ask("POST", place, {"id": "soon", "call": "add(100)", "at-ms": int(time.time() * 1_000)})


def test_an_executor_that_was_away_meanwhile_starts_anew(
    make_nats_server: Any, tmp_path: Path
) -> None:
    url = make_nats_server(mappings_text(PARTITIONS_DEFAULT)).url
    with executors(tmp_path, url) as system:
        done = system.run("shem", "component", "add", "load", str(build("load")))
        assert done.returncode == 0, done.stdout
        (stopped,) = system.wait_for(lambda _: True)["pids"]["executors"]
        os.kill(stopped, signal.SIGSTOP)
        try:
            deadline = time.monotonic() + PATIENCE_S
            # Its mark has to expire.
            while system.run("shem", "streams", "split", str(STREAMS)).returncode != 0:
                assert time.monotonic() < deadline
        finally:
            os.kill(stopped, signal.SIGCONT)

        async def go_on() -> None:
            async with await Client.connect(url) as client:
                assert await add_to_all(client, 1) == [1] * len(WORKERS)

        asyncio.run(go_on())
        assert "the streams were split while this executor was away" in system.log
        assert "Traceback" not in system.log
