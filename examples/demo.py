"""Shem in a minute: a worker that survives the death of everything around it.

    make demo

Starts a broker and two executors in a fresh directory, deploys the counter, and talks to it by the
command line and as a bare NATS client. Then it kills the executors in the middle of an invocation,
and the broker too, and shows that nothing is lost, nothing is done twice, and that even the random
number drawn before the crash is the same after it.
"""

import asyncio
import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final

import nats
from nats.aio.client import Client
from nats.aio.msg import Msg

from tests.guests.build import build

START_LIMIT_S: Final = 120
RESULT_LIMIT_S: Final = 60
COLUMNS: Final = 118
SHEM: Final = [sys.executable, "-m", "shem"]
ALICE: Final = "counter/alice"


def say(text: str) -> None:
    """Begin a chapter."""
    print(f"\n\033[1m{text}\033[0m" if sys.stdout.isatty() else f"\n== {text}", flush=True)


def show(text: str) -> None:
    """Print lines, cut where they would wrap."""
    for line in text.splitlines():
        print(line if len(line) <= COLUMNS else f"{line[: COLUMNS - 1]}…", flush=True)


class System:
    """`shem up` in a directory of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ready_file = folder / "ready.json"
        self.log_file = folder / "shem.log"
        command = ["up", "--data", str(folder / "data"), "--nats-port", "0", "--executors", "2"]
        with self.log_file.open("wb") as log:
            self.process = subprocess.Popen(
                [*SHEM, *command, "--ready-file", str(self.ready_file)],
                cwd=folder,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    @staticmethod
    def environment(**more: str) -> dict[str, str]:
        """Return ours, where the programs of this tree are found from any directory."""
        root = str(Path(__file__).resolve().parents[1])
        return os.environ | {"PYTHONPATH": root, "COLUMNS": str(COLUMNS), "NO_COLOR": "1"} | more

    async def state(self) -> dict[str, Any]:
        """Return what `shem up` says of itself, once it is ready."""
        deadline = time.monotonic() + START_LIMIT_S
        while not self.ready_file.exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"shem up did not start:\n{self.log_file.read_text()}")
            await asyncio.sleep(0.05)
        state: dict[str, Any] = json.loads(self.ready_file.read_text())
        return state

    async def shem(self, *words: str) -> str:
        """Run a command of the command line; show it and what it prints."""
        print(f"$ shem {shlex.join(words)}", flush=True)
        url = (await self.state())["nats_url"]
        process = await asyncio.create_subprocess_exec(
            *SHEM,
            *words,
            cwd=self.folder,
            env=self.environment(SHEM_NATS_URL=url),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        printed, _ = await process.communicate()
        text = printed.decode()
        show(text)
        if process.returncode:
            raise SystemExit(f"the command failed with exit status {process.returncode}")
        return text.strip()

    async def kill(self, *roles: str) -> None:
        """`kill -9` the processes of these roles; `shem up` starts them again."""
        pids = (await self.state())["pids"]
        for role in roles:
            found = pids[role] if isinstance(pids[role], list) else [pids[role]]
            print(f"$ kill -9 {' '.join(map(str, found))}    # {role}", flush=True)
            for pid in found:
                os.kill(pid, signal.SIGKILL)

    def stop(self) -> None:
        """SIGTERM: what runs is finished or suspended."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(START_LIMIT_S)


class BareClient:
    """A NATS client that knows nothing of Shem but its subjects."""

    def __init__(self, connection: Client) -> None:
        self.connection = connection
        self.commits: asyncio.Queue[Msg] = asyncio.Queue()

    @classmethod
    async def connect(cls, url: str) -> "BareClient":
        """Connect, and listen to the journal of alice."""

        async def quiet(_: Exception) -> None:
            """The broker's death is part of the story."""

        connection = await nats.connect(url, error_cb=quiet, max_reconnect_attempts=-1)
        client = cls(connection)
        journal = "shem.oplog.*.counter.alice.log"
        await connection.subscribe(journal, cb=client.commits.put)
        return client

    async def add(self) -> None:
        """Publish text, hear the result."""
        results = await self.connection.subscribe("shem.result.counter.alice")
        print("$ nats pub shem.invoke.counter.alice 'add(5)'", flush=True)
        await self.connection.jetstream().publish("shem.invoke.counter.alice", b"add(5)")
        heard = await results.next_msg(RESULT_LIMIT_S)
        print(f"{heard.subject}  {heard.data.decode()}", flush=True)
        await results.unsubscribe()

    async def has_begun(self, key: str) -> None:
        """Return when the journal says that the invocation of this key runs."""
        async with asyncio.timeout(RESULT_LIMIT_S):
            while True:
                commit = await self.commits.get()
                types = (commit.headers or {}).get("Shem-Types", "")
                if key.encode() in commit.data and "exported-function-invoked" in types:
                    entries = (commit.headers or {})["Shem-First"]
                    print(f"{commit.subject}  entry {entries}: {types}", flush=True)
                    return


async def crash(system: System, client: BareClient, key: str, *roles: str) -> None:
    """Begin a sleep of two seconds, kill in the middle of it, and ask for its outcome."""
    words = ["worker", "invoke", ALICE, "nap(2000)", "--key", key]
    waiting = asyncio.create_task(client.has_begun(key))
    await system.shem(*words, "--no-wait")
    await waiting
    await system.kill(*roles)
    print("the same key again is no second invocation, it asks for the outcome of the first:")
    await system.shem(*words)


async def tell(folder: Path) -> None:
    """Tell the whole story."""
    say("Start a broker and two executors; build the component from examples/counter meanwhile")
    print("$ shem up --executors 2", flush=True)
    system = System(folder)
    try:
        component, state = await asyncio.gather(asyncio.to_thread(build, "counter"), system.state())
        print(json.dumps(state))
        client = await BareClient.connect(state["nats_url"])
        (folder / "counter.wasm").symlink_to(component.resolve())

        say("Deploy it (Python's interpreter is compiled, once)")
        await system.shem("component", "add", "counter", "counter.wasm")

        say("Invoke a worker: by the command line, and by a plain NATS publish")
        await system.shem("worker", "invoke", ALICE, "add(5)")
        await client.add()
        drawn = await system.shem("worker", "invoke", ALICE, "roll()")

        say("kill -9 the executors in the middle of an invocation")
        await crash(system, client, "nap-1", "executors")

        say("The same with the broker as well")
        await crash(system, client, "nap-2", "broker", "executors")

        say("Everything is back: the same total, the same random number")
        total = await system.shem("worker", "invoke", ALICE, "get()")
        again = await system.shem("worker", "invoke", ALICE, "rolled()")

        say("The journal that made it so")
        journal = await system.shem("worker", "oplog", ALICE)
        check(total, drawn, again, journal)
        await client.connection.close()
    finally:
        system.stop()


def check(total: str, drawn: str, again: str, journal: str) -> None:
    """Refuse a happy end that did not happen."""
    for key in ("nap-1", "nap-2"):
        told = [line for line in journal.splitlines() if line.endswith(f" key {key}")]
        if len(told) != 2:
            raise SystemExit(f"{key} should have begun once and ended once, but:\n{told}")
    if (total, again) != ("10", drawn):
        raise SystemExit(f"expected 10 and {drawn}, got {total} and {again}")
    say("Nothing was lost, nothing was done twice.")


def main() -> None:
    """Run the demo in a directory that is gone afterwards."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="shem-demo-") as name:
        asyncio.run(tell(Path(name)))
    print(f"{time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
