"""Shem as a user starts it: `shem up` in a directory of its own, with real guests."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, final

__all__ = ["CODE", "ROOT", "RunningSystem"]

ROOT: Final = Path(__file__).resolve().parents[2]
# Compiling a Python guest takes longer than most tests: all systems and all runs share what they
# compiled. `shem test` keeps it below the cache of the user.
_CACHE: Final = Path(tempfile.gettempdir()) / f"shem-test-cache-{os.getuid()}"
CODE: Final = _CACHE / "shem" / "modules"
# Generous: other tests may have the processors.
READY_LIMIT_S: Final = 90
COMMAND_LIMIT_S: Final = 240
STOP_LIMIT_S: Final = 60


@final
class RunningSystem:
    """A system that runs inside a `with`; stopped in order at its end."""

    def __init__(
        self,
        folder: Path,
        *,
        executors: int = 1,
        environment: Mapping[str, str] | None = None,
        http: bool = False,
        options: Sequence[str] = (),
    ) -> None:
        self.folder = folder
        self._executors = executors
        self._options = (*(("--http-port", "0") if http else ()), *options)
        inherited = {name: value for name, value in os.environ.items() if not _is_ours(name)}
        self._environment = {**inherited, "PYTHONPATH": str(ROOT), **(environment or {})}

    def __enter__(self) -> Self:
        with (self.folder / "up.log").open("wb") as log:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "shem", "up"),
                    *("--nats-port", "0", "--executors", str(self._executors)),
                    *("--cache", str(CODE)),
                    *self._options,
                ],
                cwd=self.folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            self.wait_for(lambda state: bool(state["pids"]["executors"]))
        except BaseException:
            self._process.kill()
            self._process.wait()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop in order, as SIGTERM does; what was to be told at the end has been told then."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(STOP_LIMIT_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    @property
    def log(self) -> str:
        """What all its processes wrote."""
        return (self.folder / "up.log").read_text(errors="replace")

    @property
    def url(self) -> str:
        """The broker's."""
        return str(self.wait_for(lambda _: True)["nats_url"])

    @property
    def http_url(self) -> str:
        """The gateway's."""
        return str(self.wait_for(lambda _: True)["http_url"])

    @property
    def rest_url(self) -> str:
        """The management API's."""
        return str(self.wait_for(lambda _: True)["rest_url"])

    def wait_for(self, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Return what `shem up` says of itself as soon as it fits."""
        file = self.folder / ".shem" / "running.json"
        deadline = time.monotonic() + READY_LIMIT_S
        while True:
            state: dict[str, Any] | None = json.loads(file.read_text()) if file.exists() else None
            if state is not None and condition(state):
                return state
            assert self._process.poll() is None, f"shem up ended:\n{self.log}"
            assert time.monotonic() < deadline, f"not ready in {READY_LIMIT_S} s:\n{self.log}"
            time.sleep(0.02)

    def kill(self, *roles: str) -> None:
        """`kill -9` the processes of these roles; return when others run in their places."""
        before = self.wait_for(
            lambda state: (
                all(_pids(state, role) for role in roles)
                and len(state["pids"]["executors"]) == self._executors
            )
        )
        killed = {pid for role in roles for pid in _pids(before, role)}
        for pid in killed:
            os.kill(pid, signal.SIGKILL)
        self.wait_for(
            lambda state: (
                all(_pids(state, role) and killed.isdisjoint(_pids(state, role)) for role in roles)
                and len(state["pids"]["executors"]) == self._executors
            )
        )

    def run(
        self,
        *command: str,
        folder: Path | None = None,
        url: str | None = None,
        limit_s: float = COMMAND_LIMIT_S,
    ) -> "subprocess.CompletedProcess[str]":
        """Run a command in the system's directory, as a user does; stdout and stderr in one.

        In another folder the broker is named by the environment; `url` names another broker.
        """
        named = {} if folder is None else {"SHEM_NATS_URL": self.url}
        if url is not None:
            named["SHEM_NATS_URL"] = url
        program, *arguments = command
        if command[:2] == ("shem", "test"):
            named["XDG_CACHE_HOME"] = str(_CACHE)
        found = [sys.executable, "-m", "shem"] if program == "shem" else [shutil.which(program)]
        return subprocess.run(
            [*map(str, found), *arguments],
            cwd=folder or self.folder,
            env={**self._environment, **named},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=limit_s,
            check=False,
        )


def _pids(state: dict[str, Any], role: str) -> list[int]:
    found = state["pids"][role]
    return found if isinstance(found, list) else [] if found is None else [found]


def _is_ours(name: str) -> bool:
    return name.startswith(("SHEM_", "OTEL_"))
