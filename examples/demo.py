"""Shem in a minute: a worker that survives the death of everything around it.

    make demo

Starts a broker and two executors in a fresh directory, deploys the counter, and talks to it by the
command line and as a bare NATS client. Then it kills the executors in the middle of an invocation,
and the broker too, and shows that nothing is lost, nothing is done twice, and that even the random
number drawn before the crash is the same after it.
"""

import asyncio
import contextlib
import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import nats

from tests.guests.build import build

READY_LIMIT_S = 60
RESULT_LIMIT_S = 30
COLUMNS = 150
SHEM = [sys.executable, "-m", "shem"]


def say(text: str) -> None:
    print(f"\n\033[1m{text}\033[0m" if sys.stdout.isatty() else f"\n== {text}", flush=True)


class Demo:
    """A running system in a directory of its own."""

    def __init__(self, folder: Path) -> None:
        self.ready_file = folder / "ready.json"
        self.log = (folder / "shem.log").open("wb")
        command = ["up", "--data", folder / "data", "--nats-port", "0", "--executors", "2"]
        print("$ shem up --executors 2")
        self.process = subprocess.Popen(
            [*SHEM, *map(str, command), "--ready-file", str(self.ready_file)],
            stdout=self.log,
            stderr=self.log,
        )

    def state(self) -> dict[str, Any]:
        """Return what `shem up` says of itself, once it is ready."""
        deadline = time.monotonic() + READY_LIMIT_S
        while time.monotonic() < deadline:
            with contextlib.suppress(FileNotFoundError, ValueError):
                return json.loads(self.ready_file.read_text())
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        raise SystemExit(f"shem up did not start:\n{Path(self.log.name).read_text()}")

    @property
    def url(self) -> str:
        return str(self.state()["nats_url"])

    def shem(self, *words: str, quiet: bool = False) -> str:
        """Run a command of the command line, show it and what it prints."""
        print(f"$ shem {shlex.join(words)}", flush=True)
        done = subprocess.run(
            [*SHEM, *words],
            env=os.environ | {"SHEM_NATS_URL": self.url},
            check=False,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise SystemExit(done.stderr)
        if not quiet:
            for line in done.stdout.splitlines():
                print(line if len(line) <= COLUMNS else f"{line[: COLUMNS - 1]}…", flush=True)
        return done.stdout.strip()

    def kill(self, *roles: str) -> None:
        """`kill -9` the processes of these roles; `shem up` starts them again."""
        pids = self.state()["pids"]
        for role in roles:
            found = pids[role]
            for pid in found if isinstance(found, list) else [found]:
                print(f"$ kill -9 {pid}    # {role}", flush=True)
                os.kill(pid, signal.SIGKILL)

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(READY_LIMIT_S)


async def plain_nats(url: str) -> None:
    """Invoke as any NATS client can: publish text, hear the result."""
    connection = await nats.connect(url)
    results = await connection.subscribe("shem.result.counter.alice")
    print("$ nats pub shem.invoke.counter.alice 'add(5)'")
    await connection.jetstream().publish("shem.invoke.counter.alice", b"add(5)")
    heard = await results.next_msg(RESULT_LIMIT_S)
    print(f"{heard.subject}: {heard.data.decode()}")
    await connection.close()


def crash(demo: Demo, key: str, *roles: str) -> None:
    """Begin a sleep of a second, kill in the middle of it, and wait for its result."""
    words = ["worker", "invoke", "counter/alice", "nap(1000)", "--key", key]
    demo.shem(*words, "--no-wait", quiet=True)
    time.sleep(0.5)
    demo.kill(*roles)
    print("... the same key again only asks for the outcome; it is not a second invocation:")
    demo.shem(*words)


def main() -> None:
    """Tell the whole story."""
    say("Build a component from examples/counter (Python; the first time takes a while)")
    component = build("counter")
    with tempfile.TemporaryDirectory(prefix="shem-demo-") as name:
        demo = Demo(Path(name))
        try:
            tell(demo, component)
        finally:
            demo.stop()
            demo.log.close()


def tell(demo: Demo, component: Path) -> None:
    say("Everything runs; deploy the component")
    print(json.dumps(demo.state()))
    demo.shem("component", "add", "counter", str(component))

    say("Invoke a worker: by the command line, and by a plain NATS publish")
    demo.shem("worker", "invoke", "counter/alice", "add(5)")
    asyncio.run(plain_nats(demo.url))
    rolled = demo.shem("worker", "invoke", "counter/alice", "roll()")

    say("Kill the executors in the middle of an invocation")
    crash(demo, "nap-1", "executors")

    say("Kill the broker as well")
    crash(demo, "nap-2", "broker", "executors")

    say("The same state, the same random number")
    total = demo.shem("worker", "invoke", "counter/alice", "get()")
    again = demo.shem("worker", "invoke", "counter/alice", "rolled()")

    say("The journal that made it so")
    demo.shem("worker", "oplog", "counter/alice")
    if (total, again) != ("10", rolled):
        raise SystemExit(f"expected 10 and {rolled}, got {total} and {again}")
    say("Nothing was lost, nothing was done twice.")


if __name__ == "__main__":
    started = time.monotonic()
    main()
    print(f"{time.monotonic() - started:.0f} s")
