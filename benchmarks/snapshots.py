"""Snapshots: size and time per kind of guest, and how long a worker of a long life takes to return.

    python -m benchmarks.snapshots [--invocations N] [--workers N]

Recovery runs the executor on the in-memory broker, so that no disk is measured: reading the pointer
and the rest of the log, fetching the blob, making the instance, one invocation. The long log is
written directly, as that many invocations of the guest would have left it, and its snapshot taken
by an executor that replays it once.
"""

import argparse
import asyncio
import contextlib
import gc
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

from msgspec import Raw

from actors.engine.engine import WasmtimeEngine
from actors.engine.port import Component
from broker import subjects
from oplog.codec import encode
from oplog.commit import Marks
from oplog.entries import Entry, ExportedFunctionCompleted, ExportedFunctionInvoked
from oplog.reader import load
from tests.guests.build import build, unavailable
from tests.simulation.cluster import COMPONENT, PARTITIONS, Simulation

# Text, C by hand, C and Zig over WASI preview 1, Rust, Go, QuickJS, StarlingMonkey, CPython.
GUESTS: Final = ("tiny", "load", "c", "zig", "rust", "go", "quick", "js", "counter")
ROUNDS: Final = 15
LOAD_ROUNDS: Final = 7
WORKER: Final = "w"
COMMIT_INVOCATIONS: Final = 20
CROWD_BYTES: Final = 512 << 20


class Engine:
    """An engine that loads the one component that it was given, whatever the bytes."""

    def __init__(self, component: Component) -> None:
        self._component = component
        self._program: Any = None
        self.world = component.world
        self.digest = component.digest

    async def load(self, data: bytes, *, progress: object = None) -> Any:
        del data, progress
        return self

    def link(self, resolver: Any) -> Any:
        if self._program is None:
            self._program = self._component.link(resolver)
        return self._program

    def close(self) -> None:
        """The engine behind is closed by whoever made it."""


def milliseconds(samples: list[float]) -> str:
    return f"{statistics.median(samples) * 1e3:8.2f} ms"


@contextlib.asynccontextmanager
async def cluster(component: Component, **options: Any) -> AsyncIterator[Simulation]:
    engine = Engine(component)
    async with Simulation(engine=engine, component=b"benchmark", **options) as simulation:
        yield simulation


async def kinds(components: dict[str, Component]) -> None:
    """Print size and time of a snapshot after a handful of invocations, and the way back."""
    print(f"{'guest':10} {'blob':>12} {'still for':>12} {'back':>12} {'replay':>12}")
    for name, component in components.items():
        async with cluster(component, snapshots="every=1") as simulation:
            node = simulation.start()
            took: list[float] = []
            for number in range(ROUNDS):
                await simulation.invoke(WORKER, "add", number, key=f"k{number}")
            await asyncio.sleep(0.3)
            entries = await simulation.log(WORKER)
            saved = [entry for entry in entries if entry["type"] == "snapshot"]
            took = [entry["took-us"] / 1e6 for entry in saved]
            # Taking one more would count for the way back.
            simulation.options["snapshots"] = "never"
            back = await returns(simulation, node)
        async with cluster(component, snapshots="never") as simulation:
            node = simulation.start()
            for number in range(ROUNDS):
                await simulation.invoke(WORKER, "add", number, key=f"k{number}")
            replay = await returns(simulation, node)
        size = saved[-1]["size"]
        print(
            f"{name:10} {size / 1024:9.1f} KB {milliseconds(took)} {milliseconds(back)} "
            f"{milliseconds(replay)}",
            flush=True,
        )


async def returns(simulation: Simulation, node: Any) -> list[float]:
    """Kill the executor and time the first answer of the next one, which is ready before."""
    samples: list[float] = []
    for number in range(LOAD_ROUNDS):
        await node.stop()
        node = simulation.start()
        await node.executor.wait_until_ready()
        gc.collect()
        begun = time.perf_counter()
        await simulation.invoke(WORKER, "add", 0, key=f"back-{number}-{begun}")
        samples.append(time.perf_counter() - begun)
    return samples


async def long_life(name: str, component: Component, invocations: int) -> None:
    """Print how long a worker of a long life takes to return, by replay and from a snapshot."""
    async with cluster(component, snapshots="auto") as simulation:
        node = simulation.start()
        await simulation.invoke(WORKER, "add", 0, key="first")
        await node.stop()
        (function,) = {one["function"] for one in await simulation.log(WORKER) if "params" in one}
        await lengthen(simulation, function, invocations)
        node = simulation.start()
        await node.executor.wait_until_ready()
        begun = time.perf_counter()
        outcome = await patiently(simulation)
        replay_s = time.perf_counter() - begun
        assert outcome["result"] == invocations, outcome
        # The worker is idle for a moment: what an automatic snapshot waits for at the latest.
        await asyncio.sleep(3)
        back = await returns(simulation, node)
        print(
            f"{name:10} {invocations} invocations: back by replay in {replay_s:.1f} s, "
            f"with automatic snapshots in {milliseconds(back).strip()}",
            flush=True,
        )


async def patiently(simulation: Simulation) -> Any:
    await simulation.publish(WORKER, "get", key="whole")
    return await simulation.result("whole", within_s=3_600)


async def lengthen(simulation: Simulation, function: str, invocations: int) -> None:
    """Append to the worker's log what that many `add(1)` leave behind."""
    subject = subjects.log(COMPONENT, WORKER, PARTITIONS)
    journal = simulation.client.journal
    head = (await load(journal, simulation.client.blobs, subject)).head
    index, sequence, previous, value = head.last_index, head.log_sequence, head.hash, 0
    marks = Marks(invoked=head.marks.invoked, control=head.marks.control, sent=index)
    while value < invocations:
        entries: list[Entry] = []
        for _ in range(min(COMMIT_INVOCATIONS, invocations - value)):
            value += 1
            key = f"key-{value}"
            entries += [
                ExportedFunctionInvoked(
                    function=function,
                    params=Raw(b"[1]"),
                    idempotency_key=key,
                    sequence=marks.invoked,
                ),
                ExportedFunctionCompleted(
                    function=function,
                    idempotency_key=key,
                    result=Raw(str(value).encode()),
                ),
            ]
        # By the time of a commit, what the one before caused has been sent.
        marks = Marks(invoked=marks.invoked, control=marks.control, sent=index)
        commit = encode(index + 1, entries, marks, previous)
        index, previous = index + len(entries), commit.hash
        sequence = await journal.append(
            subject,
            commit.data,
            message_id=f"long-{index}",
            expected_sequence=sequence,
            headers=commit.headers,
        )


async def crowd(component: Component, workers: int) -> None:
    """Print what it takes to keep many Python workers within a budget that holds a few dozen."""
    async with cluster(component, snapshots="idle", memory_bytes_max=CROWD_BYTES) as simulation:
        node = simulation.start()
        await node.executor.wait_until_ready()
        for turn in (1, 2):
            begun, peak = time.perf_counter(), 0
            for number in range(workers):
                key = f"{turn}-{number}"
                await simulation.publish(f"w{number}", "add", 1, key=key)
                outcome = await simulation.result(key, within_s=600)
                assert outcome["result"] == turn, outcome
                peak = max(peak, node.executor.describe().memory_bytes)
            took_s = time.perf_counter() - begun
            print(
                f"{workers} Python workers, turn {turn}: {took_s / workers * 1e3:.1f} ms each, "
                f"at most {peak / 2**20:.0f} MB of guests, process {resident_mb():.0f} MB",
                flush=True,
            )


def resident_mb() -> float:
    """Return the proportional set size of this process."""
    text = Path("/proc/self/smaps_rollup").read_text()
    kilobytes = next(line.split()[1] for line in text.splitlines() if line.startswith("Pss:"))
    return int(kilobytes) / 1024


async def run(invocations: int, workers: int) -> None:
    engine = WasmtimeEngine(Path(tempfile.gettempdir()) / "shem-benchmark-code")
    components: dict[str, Component] = {}
    for name in GUESTS:
        if reason := unavailable(name):
            print(f"{name}: {reason}")
            continue
        components[name] = await engine.load(build(name).read_bytes())
    await kinds(components)
    for name in ("tiny", "counter"):
        await long_life(name, components[name], invocations)
    await crowd(components["counter"], workers)
    components.clear()
    gc.collect()
    engine.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--invocations", type=int, default=20_000)
    parser.add_argument("--workers", type=int, default=1_000)
    chosen = parser.parse_args()
    asyncio.run(run(chosen.invocations, chosen.workers))
    return 0


if __name__ == "__main__":
    sys.exit(main())
