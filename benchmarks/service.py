"""The whole system under load, against the budgets.

Starts its own `shem up` on a free port in a temporary directory, with the load guest, and stops it.
Machines are noisy: read the ratios to what the same broker does in the same run.

    python -m benchmarks.service [--fsync interval|always] [--seconds 3] [--streams N]
"""

import argparse
import asyncio
import itertools
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

import msgspec
import uvloop
from rich.console import Console
from rich.table import Table

from broker.jetstream.connect import connect
from broker.jetstream.options import ClientKind, ConnectOptions
from broker.ports import Broker, Note
from shem import Client
from tests.guests.build import build

WORKERS = 1_000
# Where eight invocations wait for each worker, several share one commit.
CROWD_CLIENTS, CROWD_WORKERS = 512, 64
_key = msgspec.json.Decoder(msgspec.defstruct("K", [("key", str)])).decode


class Row(msgspec.Struct):
    what: str
    measured: str
    budget: str
    met: bool | None


class Load:
    """Closed-loop clients on one connection: each waits for its result before it goes on."""

    def __init__(
        self, broker: Broker, headers: Callable[[int], dict[str, str]] | None = None
    ) -> None:
        """`headers` returns what each message has besides its key, by its number."""
        self._broker = broker
        self._headers = headers or (lambda _: {})
        self._waiting: dict[str, asyncio.Future[None]] = {}
        self._count = itertools.count()
        self._run = os.urandom(4).hex()

    @property
    def partitions(self) -> int:
        return self._broker.partitions

    async def start(self) -> None:
        await self._broker.signals.subscribe("shem.result.>", self._heard)

    def _heard(self, note: Note) -> None:
        waiting = self._waiting.pop(_key(note.data).key, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(None)

    async def invoke(self, worker: str, call: bytes, *, component: str = "load") -> None:
        number = next(self._count)
        key = f"{self._run}-{number}"
        done = asyncio.get_running_loop().create_future()
        self._waiting[key] = done
        await self._broker.journal.publish(
            f"shem.invoke.{component}.{worker}",
            call,
            message_id=f"{component}/{worker}:{key}",
            headers={"Shem-Key": key, **self._headers(number)},
        )
        await done

    async def throughput(self, clients: int, seconds: float, workers: int) -> tuple[float, float]:
        """Return invocations per second and the median latency in milliseconds."""
        end = time.monotonic() + seconds
        latencies: list[float] = []
        names = itertools.cycle(range(workers))

        async def client() -> None:
            while time.monotonic() < end:
                begun = time.monotonic()
                await self.invoke(f"w{next(names)}", b"add(1)")
                latencies.append(time.monotonic() - begun)

        begun = time.monotonic()
        await asyncio.gather(*(client() for _ in range(clients)))
        return len(latencies) / (time.monotonic() - begun), statistics.median(latencies) * 1e3

    async def each(self, clients: int, workers: int) -> None:
        """Invoke every worker once."""
        free = asyncio.Semaphore(clients)

        async def once(worker: str) -> None:
            async with free:
                await self.invoke(worker, b"add(1)")

        await asyncio.gather(*(once(f"w{number}") for number in range(workers)))


async def floor(broker: Broker, clients: int, seconds: float) -> tuple[float, float]:
    """Return publishes per second and the median of one, on a subject that wakes nobody."""
    end = time.monotonic() + seconds
    latencies: list[float] = []
    count = itertools.count()
    run = os.urandom(4).hex()

    async def client() -> None:
        while time.monotonic() < end:
            begun = time.monotonic()
            number = next(count)
            await broker.journal.publish(
                f"shem.oplog.{number % broker.partitions}.floor.w{number % 1_000}.snap",
                b"x" * 256,
                message_id=f"{run}{number}",
            )
            latencies.append(time.monotonic() - begun)

    begun = time.monotonic()
    await asyncio.gather(*(client() for _ in range(clients)))
    return len(latencies) / (time.monotonic() - begun), statistics.median(latencies) * 1e3


def pss_bytes(pid: int) -> int:
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return (
        next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")) * 1024
    )


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class System:
    """A running `shem up`."""

    def __init__(
        self,
        fsync: str,
        *,
        executors: int = 1,
        streams: int | None = None,
        environment: dict[str, str] | None = None,
        checkout: Path | None = None,
    ) -> None:
        """`checkout`: where the code to run lies, with its own environment; None: here."""
        self._python = sys.executable
        self._environment = {**os.environ, **(environment or {})}
        if checkout is not None:
            self._python = str(checkout / ".venv/bin/python")
            self._environment["PYTHONPATH"] = str(checkout)
        self._folder = tempfile.TemporaryDirectory(prefix="shem-bench-")
        self.folder = Path(self._folder.name)
        self._fsync = fsync
        self._executors = executors
        self._streams = streams

    def __enter__(self) -> Self:
        ready = self.folder / "ready.json"
        self._log = (self.folder / "up.log").open("w")
        command = [
            self._python, "-m", "shem", "up", "--data", str(self.folder / "data"),
            "--nats-port", "0", "--ready-file", str(ready), "--fsync", self._fsync,
            "--executors", str(self._executors),
            *([] if self._streams is None else ["--streams", str(self._streams)]),
        ]  # fmt: skip
        # Not from here, or this checkout's code would be found before any other.
        self._process = subprocess.Popen(
            command, stdout=self._log, stderr=self._log, env=self._environment, cwd=self.folder
        )
        begun = time.monotonic()
        while not ready.exists():
            assert self._process.poll() is None, (self.folder / "up.log").read_text()
            assert time.monotonic() - begun < 60, "not ready after a minute"
            time.sleep(0.05)
        self.about = json.loads(ready.read_text())
        return self

    @property
    def url(self) -> str:
        return self.about["nats_url"]

    @property
    def executor(self) -> int:
        return self.about["pids"]["executors"][0]

    def kill_executor(self) -> None:
        os.kill(self.executor, signal.SIGKILL)

    def __exit__(self, *error: object) -> None:
        self._process.terminate()
        self._process.wait(30)
        self._log.close()
        self._folder.cleanup()


async def measure(system: System, fsync: str, seconds: float) -> list[Row]:
    rows: list[Row] = []
    lazy = fsync == "interval"

    def row(what: str, measured: str, budget: str, met: bool | None) -> None:  # noqa: FBT001 - a cell of the table
        rows.append(Row(what, measured, budget, met))
        print(f"{what}: {measured} (budget {budget})", file=sys.stderr)

    idle_bytes = pss_bytes(system.executor)
    row("idle executor", f"{idle_bytes / 1e6:.0f} MB", "≤ 200 MB", idle_bytes <= 200e6)
    async with await Client.connect(system.url) as client:
        # Without snapshots, or the row about replay would measure their loading.
        await client.components.add("load", build("load").read_bytes(), snapshots="never")
    broker = await connect(ConnectOptions(servers=(system.url,)))
    load = Load(broker)
    await load.start()
    await load.invoke("w0", b"add(1)")

    _, one_ms = await floor(broker, 1, seconds / 2)
    _, latency_ms = await load.throughput(1, seconds, 1)
    limit_ms = 1.5 if lazy else 4.0
    row(
        "latency, 1 client, 1 worker",
        f"p50 {latency_ms:.2f} ms = {latency_ms / (2 * one_ms):.2f} x two publishes",
        f"≤ {limit_ms} ms and ≤ 3 x",
        latency_ms <= limit_ms and latency_ms <= 6 * one_ms,
    )
    begun = time.monotonic()
    await load.each(64, WORKERS)
    per_s = WORKERS / (time.monotonic() - begun)
    row(f"creation of {WORKERS} workers, 64 clients", f"{per_s:,.0f}/s", "-", None)
    loads = ((1, WORKERS), (16, WORKERS), (64, WORKERS), (CROWD_CLIENTS, CROWD_WORKERS))
    for clients, workers in loads:
        cpu = cpu_s(system.executor)
        broker_cpu = cpu_s(system.about["pids"]["broker"])
        per_s, p50 = await load.throughput(clients, seconds, workers)
        spent = (cpu_s(system.executor) - cpu) / (per_s * seconds) * 1e6
        spent_broker = (
            (cpu_s(system.about["pids"]["broker"]) - broker_cpu) / (per_s * seconds) * 1e6
        )
        publishes, _ = await floor(broker, clients, seconds / 2)
        ratio = per_s / (publishes / 2)
        budget, met = "-", None
        if clients >= 64 and lazy:
            budget, met = "≥ 8,000/s", per_s >= 8_000
        elif clients == 64:
            budget, met = "≥ 60% of half the broker's publishes", ratio >= 0.6
        row(
            f"throughput, {clients} clients, {workers} workers",
            f"{per_s:,.0f}/s p50 {p50:.1f} ms, {ratio:.0%} of half of {publishes:,.0f} publishes, "
            f"CPU µs: executor {spent:.0f}, broker {spent_broker:.0f}",
            budget,
            met,
        )
    return rows


async def with_nats_py(system: System, seconds: float) -> list[Row]:
    """Measure an executor whose broker client is nats-py; the load keeps its own."""
    async with await Client.connect(system.url) as client:
        await client.components.add("load", build("load").read_bytes(), snapshots="never")
    load = Load(await connect(ConnectOptions(servers=(system.url,))))
    await load.start()
    await load.each(64, WORKERS)
    cpu = cpu_s(system.executor)
    per_s, p50 = await load.throughput(64, seconds, WORKERS)
    spent = (cpu_s(system.executor) - cpu) / (per_s * seconds) * 1e6
    return [
        Row(
            f"throughput with nats-py, 64 clients, {WORKERS} workers",
            f"{per_s:,.0f}/s p50 {p50:.1f} ms, CPU µs: executor {spent:.0f}",
            "≥ 2,000/s",
            per_s >= 2_000,
        )
    ]


async def replay_and_memory(system: System) -> list[Row]:
    rows: list[Row] = []
    broker = await connect(ConnectOptions(servers=(system.url,)))
    load = Load(broker)
    await load.start()
    entries = 2 * 10_000
    await asyncio.gather(*(load.invoke("long", b"roll()") for _ in range(10_000)))
    resident = pss_bytes(system.executor)
    small = 3_000
    await asyncio.gather(*(load.invoke(f"m{n}", b"add(1)") for n in range(small)))
    grown = (pss_bytes(system.executor) - resident) / small
    rows.append(
        Row("memory per resident small guest", f"{grown / 1e3:.0f} KB", "≤ 100 KB", grown <= 100e3)
    )
    system.kill_executor()
    begun = time.monotonic()
    await load.invoke("m1", b"get()")
    served_s = time.monotonic() - begun
    rows.append(
        Row("first answer after kill -9 and restart", f"{served_s:.2f} s", "≤ 3 s", served_s <= 3)
    )
    begun = time.monotonic()
    await load.invoke("long", b"get()")
    took_s = time.monotonic() - begun
    entries += 10_000
    per_s = entries / took_s
    rows.append(
        Row(
            "replay of 30,000 entries with a guest",
            f"{took_s:.2f} s = {per_s:,.0f} entries/s",
            "≥ 20,000/s",
            per_s >= 20_000,
        )
    )
    cold: list[float] = []
    for number in range(2, 22):
        begun = time.monotonic()
        await load.invoke(f"m{number}", b"get()")
        cold.append((time.monotonic() - begun) * 1e3)
    cold_ms = statistics.median(cold)
    rows.append(
        Row(
            "cold start of a small guest, short log",
            f"p50 {cold_ms:.1f} ms, slowest of {len(cold)} {max(cold):.1f} ms",
            "≤ 20 ms",
            cold_ms <= 20,
        )
    )
    return rows


def show(title: str, rows: list[Row]) -> None:
    table = Table(title=title)
    for heading in ("what", "measured", "budget", ""):
        table.add_column(heading)
    for each in rows:
        mark = "" if each.met is None else ("met" if each.met else "[red]missed[/red]")
        table.add_row(each.what, each.measured, each.budget, mark)
    Console().print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fsync", choices=["interval", "always", "both"], default="both")
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--streams", type=int, help="of the broker; default: what `up` makes")
    options = parser.parse_args()
    for fsync in ("interval", "always") if options.fsync == "both" else (options.fsync,):
        with (
            System(fsync, streams=options.streams) as system,
            asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
        ):
            rows = runner.run(measure(system, fsync, options.seconds))
            if fsync == "interval":
                rows += runner.run(replay_and_memory(system))
        if fsync == "interval":
            nats_py = {"SHEM_NATS_CLIENT": ClientKind.NATS_PY.value}
            with (
                System(fsync, environment=nats_py) as system,
                asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
            ):
                rows += runner.run(with_nats_py(system, options.seconds))
        show(f"fsync {fsync}", rows)


if __name__ == "__main__":
    main()
