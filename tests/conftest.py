"""Real NATS servers for tests, and asynchronous test functions.

`async def` tests run on the `runner` fixture's event loop; synchronous fixtures that need
asynchronous set-up use `runner.run(...)` on the same loop.
"""

import asyncio
import inspect
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from broker.embedded import find_server
from broker.jetstream.connect import ConnectOptions, JetStreamBroker, connect
from tests.support.arranging import Arranged, rank

START_TIMEOUT_S = 20
# How long a busy machine takes says nothing about the code.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")
# Whoever wants no bytecode beside the sources gets it elsewhere: without any, each of some thousand
# processes compiles all that it imports, which takes longer than what most of them do.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
os.environ.setdefault("PYTHONPYCACHEPREFIX", str(Path(__file__).parents[1] / ".cache" / "bytecode"))
MAX_PAYLOAD = 8 * 1024 * 1024


class NatsServer:
    """A nats-server process that a test may kill, pause and start again on the same data."""

    def __init__(self, directory: Path, extra: str = "", *, port: int = -1, name: str = "test"):
        self.directory = directory
        self.extra = extra
        self.port = port
        self.name = name
        self.scheme = "nats"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self.process is not None, "the server has not been started"
        return self.process.pid

    @property
    def log(self) -> str:
        return (self.directory / "server.log").read_text(errors="replace")

    def start(self) -> "NatsServer":
        self.launch()
        self.wait_until_listening()
        return self

    def launch(self) -> None:
        ports = self.directory / "ports"
        shutil.rmtree(ports, ignore_errors=True)
        ports.mkdir(parents=True)
        config = self.directory / "server.conf"
        config.write_text(
            f"listen: 127.0.0.1:{self.port}\nserver_name: {self.name}\n"
            f"max_payload: {MAX_PAYLOAD}\nmax_pending: {8 * MAX_PAYLOAD}\n"
            f"ports_file_dir: {json.dumps(str(ports))}\n"
            f"jetstream {{ store_dir: {json.dumps(str(self.directory / 'js'))} }}\n{self.extra}\n"
        )
        with (self.directory / "server.log").open("ab") as output:
            self.process = subprocess.Popen(
                [str(find_server()), "-c", str(config)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    def wait_until_listening(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            for file in (self.directory / "ports").glob("*.ports"):
                text = file.read_text()
                if text:
                    self.port = int(json.loads(text)["nats"][0].rpartition(":")[2])
                    return
            assert self.process is not None
            assert self.process.poll() is None, f"nats-server ended at once:\n{self.log}"
            assert time.monotonic() < deadline, f"nats-server does not start:\n{self.log}"
            time.sleep(0.01)

    def kill(self) -> None:
        """End it as a crash does."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def pause(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def restart(self) -> None:
        """Kill it and start it again on the same port and data."""
        self.kill()
        self.start()

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.resume()
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.kill()


class NatsCluster:
    """Three servers that replicate."""

    def __init__(self, servers: list[NatsServer]):
        self.servers = servers

    @property
    def urls(self) -> tuple[str, ...]:
        return tuple(server.url for server in self.servers)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: rank(item.nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Run tests in several processes as they are arranged, unless other ways are asked for."""
    return Arranged(config, log) if config.getoption("dist") == "load" else None


def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    runner: asyncio.Runner = pyfuncitem._request.getfixturevalue("runner")
    names = pyfuncitem._fixtureinfo.argnames
    runner.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names}))
    return True


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture
def make_nats_server(tmp_path: Path) -> Iterator[Callable[..., NatsServer]]:
    """Start servers with given extra configuration; all are stopped after the test."""
    servers: list[NatsServer] = []

    def make(extra: str = "", **options) -> NatsServer:
        directory = tmp_path / f"nats{len(servers)}"
        directory.mkdir()
        server = NatsServer(directory, extra, **options)
        servers.append(server)
        return server.start()

    yield make
    for server in servers:
        server.stop()


@pytest.fixture
def nats_server(make_nats_server: Callable[..., NatsServer]) -> NatsServer:
    """A fresh server of this test alone."""
    return make_nats_server()


@pytest.fixture
def nats_url(nats_server: NatsServer) -> str:
    """The URL of a fresh server of this test alone."""
    return nats_server.url


@pytest.fixture(scope="session")
def session_nats_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of one server for the whole session: quick, for tests that use names of their own."""
    server = NatsServer(tmp_path_factory.mktemp("nats-session")).start()
    yield server.url
    server.stop()


@pytest.fixture(scope="session")
def nats_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsCluster]:
    """Three servers for the whole session; a test that kills one starts it again."""
    routes = [_free_port() for _ in range(3)]
    urls = ", ".join(f"nats://127.0.0.1:{port}" for port in routes)
    servers: list[NatsServer] = []
    for number, port in enumerate(routes):
        cluster = f"cluster {{ name: test, listen: 127.0.0.1:{port}, routes: [{urls}] }}"
        directory = tmp_path_factory.mktemp(f"nats-cluster{number}")
        server = NatsServer(directory, cluster, name=f"n{number}", port=_free_port())
        server.launch()
        servers.append(server)
    for server in servers:
        server.wait_until_listening()
    yield NatsCluster(servers)
    for server in servers:
        server.stop()


@pytest.fixture
def broker(runner: asyncio.Runner, nats_url: str) -> Iterator[JetStreamBroker]:
    """A connection to a fresh server, with 8 partitions."""
    connected = runner.run(connect(ConnectOptions(servers=(nats_url,), partitions=8)))
    yield connected
    runner.run(connected.close())


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
