"""The composition root: a broker, executors and a gateway as one tree of processes.

Start-up goes broker, then the others; the way down is the reverse. Whatever process dies is started
again on the same data, so a crash costs a moment and nothing else.
"""

import asyncio
import errno
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, final

import msgspec
import structlog
from msgspec import Struct
from msgspec.structs import replace

from actors.secrets import KEY_FILE_VARIABLE, new_key
from broker.embedded import EmbeddedOptions, EmbeddedServer, Fsync, holds_streams
from broker.errors import SetupError
from broker.jetstream.connect import connect
from broker.jetstream.options import ConnectOptions
from broker.subjects import PARTITIONS_DEFAULT
from gateway.rest.app import BASE
from shem.connection import VARIABLES, Connection
from shem.leash import wait_for_end_of_stdin
from shem.location import STATE_DIR, Pids, RunningState
from shem.processes import Child
from shem.settings import ExecutorSettings, GatewaySettings
from shem.state_files import StateFiles

__all__ = ["EXECUTORS_MAX", "Server", "ServerOptions"]

EXECUTORS_MAX: Final = 64
# The broker's supervisor restarts it by itself, so its process id is looked at now and then.
STATE_INTERVAL_S: Final = 0.25
PORT_TIMEOUT_S: Final = 5.0
PORT_POLL_S: Final = 0.1

log = structlog.get_logger(__name__)


class ServerOptions(Struct, frozen=True, kw_only=True):
    """What `shem up` was told. `connection` None: run an embedded broker.

    `http_port` None: no gateway; 0: a free port. The management API has an address of its own if
    there is a `rest_port`, and answers everybody if `rest_is_open`. `cache_dir` is for compiled
    modules, several systems may share it; None: in `data_dir`. `metrics_port` is the first
    executor's; the others and then the gateway have those that follow. `until_stdin_ends`: stdin is
    a pipe, and its end is a reason to leave.
    """

    data_dir: Path = STATE_DIR / "data"
    cache_dir: Path | None = None
    connection: Connection | None = None
    nats_port: int = 4222
    nats_server: Path | None = None
    http_host: str = "127.0.0.1"
    http_port: int | None = None
    rest_host: str = "127.0.0.1"
    rest_port: int | None = None
    rest_is_open: bool = False
    access_log: bool = False
    executors: int = 1
    partitions: int | None = None
    streams: int | None = None
    replicas: int | None = None
    fsync: Fsync = Fsync.ALWAYS
    ready_file: Path | None = None
    log_level: str = "info"
    otlp_endpoint: str | None = None
    metrics_port: int | None = None
    until_stdin_ends: bool = False
    executor_command: Sequence[str] = (sys.executable, "-m", "shem.executor")
    gateway_command: Sequence[str] = (sys.executable, "-m", "shem.gateway")


@final
class Server:
    """Everything that `shem up` starts."""

    def __init__(self, options: ServerOptions) -> None:
        self._options = options
        self._children: list[Child] = []
        self._gateway: Child | None = None
        self._http_port = 0
        self._rest_port: int | None = None
        self._changed = asyncio.Event()
        self._leaving = asyncio.Event()
        self._impatient = False
        self._files = StateFiles(options.ready_file)

    def leave(self) -> None:
        """Begin to stop in order; when asked a second time, kill the processes."""
        if self._leaving.is_set():
            self._impatient = True
            for child in self._all():
                child.kill()
        self._leaving.set()

    async def run(self) -> None:
        """Run until `leave`, SIGTERM, SIGINT, SIGHUP, or the end of stdin if that was asked for.

        Raises:
            SetupError: the broker does not start, or is not as Shem needs it.
            UnavailableError: the external broker does not answer.
            ExceptionGroup: of a ChildFailedError: an executor does not start; of a SetupError: the
                ready file cannot be written.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.leave)
        # A terminal that is closed says so several times, and nobody is impatient. Under nohup it
        # is not to end us.
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            loop.add_signal_handler(signal.SIGHUP, self._leaving.set)
        self._files.clear()
        leash = (
            loop.create_task(wait_for_end_of_stdin(self._leaving), name="leash")
            if self._options.until_stdin_ends
            else None
        )
        try:
            async with self._broker() as (connection, embedded):
                if not self._leaving.is_set():
                    await self._run_executors(connection, embedded)
        finally:
            if leash is not None:
                leash.cancel()
        log.info("everything is stopped")

    @property
    def was_impatient(self) -> bool:
        """Whether the stop was forced."""
        return self._impatient

    @asynccontextmanager
    async def _broker(self) -> AsyncGenerator[tuple[Connection, EmbeddedServer | None]]:
        options = self._options
        if options.connection is not None:
            # Fails early, with the one message that explains what is wrong, and warns of lazy sync.
            await self._prepare(options.connection.options(name="shem-up"))
            yield options.connection, None
            return
        if options.fsync is Fsync.INTERVAL:
            log.warning(
                "the broker syncs its disk lazily (--fsync interval): a kill loses nothing, but a "
                "power failure loses acknowledged messages of up to two minutes"
            )
        embedded = EmbeddedServer(
            EmbeddedOptions(
                data_dir=options.data_dir / "nats",
                port=options.nats_port,
                fsync=options.fsync,
                server=options.nats_server,
                mapped_partitions=self._mapped_partitions(),
            )
        )
        async with embedded:
            connection = Connection(url=embedded.url, client=Connection.from_environment().client)
            await self._prepare(connection.options(name="shem-up", assume_durable=True))
            log.info("broker is ready", url=embedded.url, pid=embedded.pid)
            yield connection, embedded

    def _mapped_partitions(self) -> int | None:
        """Return into how many partitions a new broker of ours has to sort by itself."""
        options = self._options
        is_new = not holds_streams(options.data_dir / "nats")
        if is_new and (options.streams or 1) > 1:
            return options.partitions or PARTITIONS_DEFAULT
        return None

    async def _prepare(self, options: ConnectOptions) -> None:
        """Create what is missing on the broker; executors then take it as it is."""
        broker = await connect(
            replace(
                options,
                partitions=self._options.partitions,
                streams=self._options.streams,
                replicas=self._options.replicas,
                runs_workers=True,
            )
        )
        partitions = broker.partitions
        await broker.close()
        if partitions < self._options.executors:
            log.warning(
                "more executors than partitions: the rest only stand by; partitions are chosen "
                "with --partitions when a broker is new",
                executors=self._options.executors,
                partitions=partitions,
            )

    async def _run_executors(self, connection: Connection, embedded: EmbeddedServer | None) -> None:
        self._children = [
            self._child(number, connection, embedded) for number in range(self._options.executors)
        ]
        if self._options.http_port is not None:
            host = self._options.http_host
            self._http_port = await _free_port(host, self._options.http_port, "--http-port")
            if self._options.rest_port is not None:
                host = self._options.rest_host
                self._rest_port = await _free_port(host, self._options.rest_port, "--rest-port")
            self._gateway = self._gateway_child(connection)
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(child.supervise()) for child in self._all()]
            telling = tasks.create_task(self._tell_state(connection, embedded))
            try:
                await self._leaving.wait()
                log.info("stopping: executors finish or suspend what they run")
            finally:
                telling.cancel()
                self._files.remove()
                # Also on the way out of a failure: no child may outlive us. What the gateway has
                # taken is answered while there are executors.
                if self._gateway is not None:
                    await self._gateway.stop()
                await asyncio.gather(*(child.stop() for child in self._children))
                for task in running:
                    task.cancel()

    def _child(self, number: int, connection: Connection, embedded: EmbeddedServer | None) -> Child:
        options = self._options
        settings = ExecutorSettings(
            label=f"executor-{number}",
            cache_dir=str(options.cache_dir or options.data_dir / "cache"),
            log_level=options.log_level,
            otlp_endpoint=options.otlp_endpoint,
            metrics_port=self._metrics_port(number),
            # What is to be said about it was said above, once.
            assume_durable=embedded is not None,
        )
        # Credentials of another broker in our environment are not for the embedded one.
        cleared = dict.fromkeys(VARIABLES, "")
        keys = {} if embedded is None else _own_keys(options.data_dir / "secrets.key")
        return Child(
            settings.label,
            [*options.executor_command, msgspec.json.encode(settings).decode()],
            {**cleared, **keys, **connection.to_environment()},
            on_change=self._changed.set,
        )

    def _metrics_port(self, number: int) -> int | None:
        port = self._options.metrics_port
        return None if port is None else port + number

    def _all(self) -> list[Child]:
        return self._children if self._gateway is None else [*self._children, self._gateway]

    def _gateway_child(self, connection: Connection) -> Child:
        options = self._options
        settings = GatewaySettings(
            label="gateway",
            host=options.http_host,
            port=self._http_port,
            rest_host=options.rest_host,
            rest_port=self._rest_port,
            needs_token=not options.rest_is_open,
            access_log=options.access_log,
            log_level=options.log_level,
            otlp_endpoint=options.otlp_endpoint,
            metrics_port=self._metrics_port(options.executors),
        )
        cleared = dict.fromkeys(VARIABLES, "")
        return Child(
            settings.label,
            [*options.gateway_command, msgspec.json.encode(settings).decode()],
            {**cleared, **connection.to_environment()},
            on_change=self._changed.set,
        )

    def _http_url(self) -> str | None:
        if self._gateway is None:
            return None
        return _url(self._options.http_host, self._http_port)

    def _rest_url(self) -> str | None:
        if self._gateway is None:
            return None
        if self._rest_port is None:
            return f"{self._http_url()}{BASE}"
        return f"{_url(self._options.rest_host, self._rest_port)}{BASE}"

    async def _tell_state(self, connection: Connection, embedded: EmbeddedServer | None) -> None:
        for child in self._all():
            await child.wait_until_ready()
        while True:
            self._changed.clear()
            state = RunningState(
                nats_url=connection.options(name="shem-up").servers[0],
                http_url=self._http_url(),
                rest_url=self._rest_url(),
                pids=Pids(
                    supervisor=os.getpid(),
                    broker=None if embedded is None else embedded.pid,
                    executors=tuple(child.pid for child in self._children if child.pid is not None),
                    gateway=None if self._gateway is None else self._gateway.pid,
                ),
            )
            if self._files.is_to_be_written(state):
                first = self._files.written is None
                await asyncio.to_thread(self._files.write, state)
                if first:
                    log.info(
                        "shem is ready",
                        nats_url=state.nats_url,
                        http_url=state.http_url,
                        executors=len(self._children),
                    )
            try:
                async with asyncio.timeout(STATE_INTERVAL_S):
                    await self._changed.wait()
            except TimeoutError:
                continue


def _own_keys(file: Path) -> dict[str, str]:
    """Name a key file of our own to executors whose environment names none; made if it is not."""
    if os.environ.get(KEY_FILE_VARIABLE):
        return {}
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
            opened.write(f"{new_key()}\n")
    return {KEY_FILE_VARIABLE: str(file.resolve())}


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def _free_port(host: str, port: int, option: str) -> int:
    """Return the port once it is free, for 0 any; the gateway keeps it over its restarts.

    Raises:
        SetupError: somebody else has it, or it is not ours to take.
    """
    # The gateway of a supervisor that was killed may be about to leave.
    deadline = time.monotonic() + PORT_TIMEOUT_S
    while True:
        try:
            return _bound(host, port)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or time.monotonic() > deadline:
                raise SetupError(
                    f"cannot listen on {host} port {port}: {error.strerror}; stop what uses it, or "
                    f"choose another one by {option}"
                ) from error
        await asyncio.sleep(PORT_POLL_S)


def _bound(host: str, port: int) -> int:
    """Return a port that could be bound a moment ago."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, port))
        found: int = probe.getsockname()[1]
        return found
