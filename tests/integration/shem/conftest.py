"""A whole system as processes, with Python guests, and the command line against it."""

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from shem.cli.app import main

ROOT = Path(__file__).parents[3]
READY_TIMEOUT_S = 60
COUNTER = b"scripted counter"


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SHEM_")}
    return {**kept, "PYTHONPATH": str(ROOT), **more}


class System:
    """`shem up` in a directory of its own."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.ready_file = directory / "ready.json"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        return (self.directory / "up.log").read_text(errors="replace")

    def start(self, *, executors: int = 1, url: str | None = None) -> "System":
        script = Path(__file__).with_name("scripted_up.py")
        arguments = [str(self.directory / "data"), str(self.ready_file), str(executors)]
        with (self.directory / "up.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(script), *arguments, *([url] if url else [])],
                cwd=self.directory,
                env=environment(),
                stderr=log,
                stdout=log,
            )
        pid = self.process.pid
        # The file of a killed predecessor is there until we are up.
        self.wait_for(
            lambda state: (
                state["pids"]["supervisor"] == pid and len(state["pids"]["executors"]) == executors
            )
        )
        return self

    def state(self) -> dict[str, Any] | None:
        try:
            return json.loads(self.ready_file.read_text())
        except FileNotFoundError:
            return None

    def wait_for(self, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        assert self.process is not None
        deadline = time.monotonic() + READY_TIMEOUT_S
        while True:
            state = self.state()
            if state is not None and condition(state):
                return state
            assert self.process.poll() is None, f"shem up ended:\n{self.log}"
            assert time.monotonic() < deadline, f"not ready in {READY_TIMEOUT_S} s:\n{self.log}"
            time.sleep(0.02)

    def stop(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=60)

    def kill(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def run(self, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        """Run a command inside this process: most of a command's time is the start of Python."""
        out, err = io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(self.directory)
            patch.setenv("COLUMNS", "80")
            for name in [name for name in os.environ if name.startswith("SHEM_")]:
                patch.delenv(name)
            for name, value in variables.items():
                patch.setenv(name, value)
            patch.setattr(sys, "argv", ["shem", *arguments])
            with (
                contextlib.redirect_stdout(out),
                contextlib.redirect_stderr(err),
                pytest.raises(SystemExit) as left,
            ):
                main()
        return subprocess.CompletedProcess(
            arguments, int(left.value.code or 0), out.getvalue(), err.getvalue()
        )

    def run_process(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run a command as a process of its own."""
        return subprocess.run(
            [sys.executable, "-m", "shem", *arguments],
            cwd=self.directory,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )

    def json(self, *arguments: str) -> Any:
        done = self.run(*arguments, "-o", "json")
        assert done.returncode == 0, done.stderr + done.stdout
        return json.loads(done.stdout)

    def add_counter(self, name: str = "counter") -> None:
        file = self.directory / "counter.wasm"
        file.write_bytes(COUNTER)
        done = self.run("component", "add", name, str(file))
        assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A running system with the counter uploaded, shared by the tests of a module."""
    running = System(tmp_path_factory.mktemp("system"))
    try:
        running.start()
        running.add_counter()
        yield running
    finally:
        running.kill()


@pytest.fixture
def fresh_system(tmp_path: Path) -> Iterator[System]:
    """A directory in which a test starts and stops a system itself."""
    made = System(tmp_path)
    try:
        yield made
    finally:
        made.kill()
