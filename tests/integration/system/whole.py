"""A whole system as processes that a test starts, kills, stops and starts again."""

import contextlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shem.cli.app import main
from tests.chaos.cluster import ROOT, Executor, Server, free_ports
from tests.chaos.operations import COMPONENT
from tests.guests.build import build
from tests.support.system import CODE

__all__ = ["CrashingExecutor", "Whole", "running"]


class CrashingExecutor(Executor):
    """An executor that kills itself where `crash` says: place, commit, worker; None: it does not.

    Takes effect at the next start.
    """

    def __init__(self, index: int, folder: Path, urls: list[str]) -> None:
        # Compiled modules lie where all tests have them.
        super().__init__(index, folder, urls, modules=CODE)
        self.crash: tuple[str, int, str] | None = None

    def command(self) -> list[str]:
        if self.crash is None:
            return super().command()
        script = Path(__file__).with_name("crashing_executor.py")
        return [sys.executable, str(script), self.settings(), *map(str, self.crash)]

    def environment(self) -> dict[str, str]:
        # A script's own folder is where Python looks for modules, not the one that it starts in.
        return {**super().environment(), "PYTHONPATH": str(ROOT)}


class Whole:
    """A broker and executors, with the command line against them."""

    def __init__(self, folder: Path, *, executors: int = 1) -> None:
        self.folder = folder
        # A kill loses nothing however lazily the disk is synced, and this is about kills.
        self.server = Server(0, folder, free_ports(1), [], sync="2m")
        self.urls = [self.server.url]
        self.executors = [CrashingExecutor(index, folder, self.urls) for index in range(executors)]

    def start_server(self) -> None:
        """Start the broker alone."""
        self.server.start()
        self.server.wait_until_listening()

    def start(self) -> None:
        """Start the broker and all executors; return when they hold their partitions."""
        self.start_server()
        for executor in self.executors:
            executor.start()
        for executor in self.executors:
            executor.wait_until_ready()

    def kill(self) -> None:
        """`kill -9` of everything."""
        for process in (*self.executors, self.server):
            process.kill()

    def add(self, guest: str = "load", name: str = COMPONENT) -> None:
        """Upload a guest."""
        done = self.run("component", "add", name, str(build(guest)))
        assert done.returncode == 0, done.stderr

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run a command of the command line, inside this process since starting Python is slow."""
        out, err = io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as patch:
            for name in [name for name in os.environ if name.startswith("SHEM_NATS_")]:
                patch.delenv(name)
            patch.setenv("SHEM_NATS_URL", self.server.url)
            patch.setenv("COLUMNS", "80")
            patch.setattr(sys, "argv", ["shem", *arguments])
            with (
                contextlib.redirect_stdout(out),
                contextlib.redirect_stderr(err),
                pytest.raises(SystemExit) as left,
            ):
                main()
        status = int(left.value.code or 0)
        return subprocess.CompletedProcess(arguments, status, out.getvalue(), err.getvalue())

    def json(self, *arguments: str) -> Any:
        """Run a command that must succeed and return its document."""
        done = self.run(*arguments, "-o", "json")
        assert done.returncode == 0, done.stderr + done.stdout
        return json.loads(done.stdout)

    def follow(self, *arguments: str) -> "Following":
        """Start a command that does not end by itself; end it."""
        return Following(self.server.url, arguments)


class Following:
    """A command that goes on printing documents."""

    def __init__(self, url: str, arguments: tuple[str, ...]) -> None:
        environment = {**os.environ, "SHEM_NATS_URL": url, "PYTHONPATH": str(ROOT)}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "shem", *arguments],
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
        )

    def line(self) -> Any:
        """Return the next document. The test's own limit of time is the one of this, too."""
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())

    def end(self) -> None:
        """End the command."""
        self._process.kill()
        self._process.communicate()


@contextlib.contextmanager
def running(folder: Path, *, executors: int = 1) -> Iterator[Whole]:
    """A started system with the load guest uploaded."""
    whole = Whole(folder, executors=executors)
    try:
        whole.start()
        whole.add()
        yield whole
    finally:
        whole.kill()
