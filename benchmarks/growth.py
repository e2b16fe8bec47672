"""How cost grows: with workers, with the length of their logs, with executors and with payloads.

    python -m benchmarks.growth [workers] [log] [executors] [payload] [--fsync interval|always]
                                [--snapshots never|auto]

Each table is of a `shem up` of its own with the small guest `load`, or one that gives back what it
gets, and takes a minute or some. Everything runs on this machine, clients included: read how
figures of one table compare.
"""

import argparse
import asyncio
import itertools
import os
import random
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

import uvloop
import wasmtime

from benchmarks.service import Load, System, cpu_s, pss_bytes
from broker import subjects
from broker.jetstream.connect import connect
from broker.jetstream.options import ConnectOptions
from shem import Client
from tests.guests.build import build

CLIENTS: Final = 64
WORKERS: Final = (1_000, 20_000, 100_000)
LENGTHS: Final = (10, 1_000, 20_000)
PAYLOADS: Final = (16, 1_024, 16_384, 131_072, 1_048_576, 8_388_608)
EXECUTORS: Final = (1, 2)
COLD: Final = 300
# Of each row: the 80,000 of the last one are made at some 500 a second.
CREATION_S_MAX: Final = 300.0
SEED: Final = 7


ECHO: Final = """
(component
  (core module $guest
    (memory (export "memory") 1)
    (global $free (mut i32) (i32.const 1024))
    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
      (local $at i32)
      (local.set $at (global.get $free))
      (global.set $free (i32.add (local.get $at) (local.get 3)))
      (if (i32.gt_u (global.get $free) (i32.mul (memory.size) (i32.const 65536)))
        (then (drop (memory.grow (i32.add (i32.const 1)
          (i32.shr_u (local.get 3) (i32.const 16)))))))
      (local.get $at))
    (func (export "echo") (param i32 i32) (result i32)
      (i32.store (i32.const 0) (local.get 0))
      (i32.store (i32.const 4) (local.get 1))
      (i32.const 0))
    (func (export "done") (param i32) (global.set $free (i32.const 1024))))
  (core instance $main (instantiate $guest))
  (func $echo (param "text" string) (result string)
    (canon lift (core func $main "echo") (memory (core memory $main "memory"))
      (realloc (core func $main "cabi_realloc")) (post-return (core func $main "done"))))
  (instance $api (export "echo" (func $echo)))
  (export "bench:echo/api" (instance $api)))
"""


class Usage:
    """What processes of a system have used, and hold."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._executors: list[int] = system.about["pids"]["executors"]
        self._broker: int = system.about["pids"]["broker"]

    def cpu(self) -> tuple[float, float]:
        """Processor seconds of all executors, and of the broker."""
        return sum(map(cpu_s, self._executors)), cpu_s(self._broker)

    def memory(self) -> tuple[int, int]:
        """Bytes of the same."""
        return sum(map(pss_bytes, self._executors)), pss_bytes(self._broker)

    def disk(self) -> int:
        """Bytes that the broker's files take of the disk."""
        found = 0
        for path in (self._system.folder / "data").rglob("*"):
            try:
                found += path.stat().st_blocks * 512
            except OSError:
                continue  # gone meanwhile
        return found


@asynccontextmanager
async def loaded(system: System, *, snapshots: str = "never") -> AsyncIterator[Load]:
    """Yield a load on a system with the guest."""
    async with await Client.connect(system.url) as client:
        await client.components.add("load", build("load").read_bytes(), snapshots=snapshots)
    broker = await connect(ConnectOptions(servers=(system.url,)))
    load = Load(broker)
    await load.start()
    try:
        yield load
    finally:
        await broker.close()


def table(title: str, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table as it stands in docs/performance.md."""
    print(f"\n{title}\n")
    print("| " + " | ".join(headings) + " |")
    print("|" + "---|" * len(headings))
    for row in rows:
        print("| " + " | ".join(row) + " |")
    sys.stdout.flush()


async def random_throughput(load: Load, workers: int, seconds: float) -> tuple[float, float]:
    """Return invocations a second of workers drawn uniformly, and the median latency in ms."""
    drawn = random.Random(SEED)
    end = time.monotonic() + seconds
    latencies: list[float] = []

    async def client() -> None:
        while time.monotonic() < end:
            begun = time.monotonic()
            await load.invoke(f"w{drawn.randrange(workers)}", b"add(1)")
            latencies.append(time.monotonic() - begun)

    begun = time.monotonic()
    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    return len(latencies) / (time.monotonic() - begun), statistics.median(latencies) * 1e3


async def measured(
    usage: Usage, run: Callable[[], Awaitable[tuple[float, float]]]
) -> tuple[float, float, float, float]:
    """Return throughput, median, and µs of processor of executors and broker for each."""
    before, begun = usage.cpu(), time.monotonic()
    per_s, p50 = await run()
    # The last answers may come long after `seconds`.
    count = per_s * (time.monotonic() - begun)
    after = usage.cpu()
    return per_s, p50, (after[0] - before[0]) / count * 1e6, (after[1] - before[1]) / count * 1e6


async def by_workers(system: System, seconds: float, *, snapshots: str) -> None:
    """One system grows: more workers are made, then all are asked, and a thousand of them."""
    usage = Usage(system)
    async with loaded(system, snapshots=snapshots) as load:
        await load.invoke("first", b"add(1)")
        idle, disk = usage.memory(), usage.disk()
        rows: list[list[str]] = []
        made = 0
        for count in WORKERS:
            begun, end = time.monotonic(), time.monotonic() + CREATION_S_MAX
            first = made
            made = await create(load, made, count, end)
            creation = (made - first) / (time.monotonic() - begun)
            memory = usage.memory()
            grown = (usage.disk() - disk) / made
            # They have been asked before, some twenty times each, and were brought out of memory by
            # those that came later: this brings them back.
            begun = time.monotonic()
            await load.each(CLIENTS, 1_000)
            back = 1_000 / (time.monotonic() - begun)
            hot = await measured(usage, lambda: load.throughput(CLIENTS, seconds, 1_000))
            every = made
            spread = await measured(usage, lambda n=every: random_throughput(load, n, seconds))
            rows.append(
                [
                    f"{made:,}",
                    f"{creation:,.0f}/s",
                    f"{back:,.0f}/s",
                    *(f"{each[0]:,.0f}/s, {each[1]:.1f} ms" for each in (hot, spread)),
                    *(f"{each[2]:.0f} µs, {each[3]:.0f} µs" for each in (hot, spread)),
                    f"{memory[0] / 1e6:.0f} MB",
                    f"{(memory[1] - idle[1]) / made / 1e3:.1f} KB",
                    f"{grown / 1e3:.1f} KB",
                ]
            )
            print(rows[-1], file=sys.stderr, flush=True)
            if made < count:
                break
        table(
            f"Workers, snapshots: {snapshots}",
            (
                "workers",
                "made at",
                "1,000 of them brought back at",
                "1,000 of them asked",
                "all of them asked",
                "processor of executor and broker: 1,000",
                "all",
                "memory of the executor",
                "of the broker for each",
                "disk for each",
            ),
            rows,
        )
        await cold(system, load, made)


async def create(load: Load, first: int, last: int, end: float) -> int:
    """Invoke workers for the first time until there are `last`, or it is `end`; return how many."""
    numbers = itertools.count(first)
    made = first

    async def client() -> None:
        nonlocal made
        while time.monotonic() < end:
            number = next(numbers)
            if number >= last:
                return
            await load.invoke(f"w{number}", b"add(1)")
            made += 1

    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    return made


async def cold(system: System, load: Load, workers: int) -> None:
    """Ask workers that are not in memory, after the executor was killed."""
    system.kill_executor()
    begun = time.monotonic()
    await load.invoke("first", b"add(1)")
    back_s = time.monotonic() - begun
    drawn = random.Random(SEED + 1).sample(range(workers), 2 * COLD)
    alone: list[float] = []
    for number in drawn[:COLD]:
        begun = time.monotonic()
        await load.invoke(f"w{number}", b"get()")
        alone.append((time.monotonic() - begun) * 1e3)
    free = asyncio.Semaphore(CLIENTS)

    async def once(number: int) -> None:
        async with free:
            await load.invoke(f"w{number}", b"get()")

    begun = time.monotonic()
    await asyncio.gather(*(once(number) for number in drawn[COLD:]))
    together = COLD / (time.monotonic() - begun)
    alone.sort()
    table(
        f"Cold workers, of {workers:,}",
        ("", ""),
        [
            ["first answer after `kill -9` of the executor", f"{back_s:.2f} s"],
            [
                "a worker that is not in memory, one after the other: p50, p99",
                f"{statistics.median(alone):.1f} ms, {alone[len(alone) * 99 // 100]:.1f} ms",
            ],
            [f"the same, {CLIENTS} clients", f"{together:,.0f}/s"],
        ],
    )


async def by_length(system: System, seconds: float) -> None:
    """Workers of longer and longer logs: an invocation of each, hot; and the first one, cold."""
    rows: list[list[str]] = []
    usage = Usage(system)
    async with loaded(system) as load:
        for length in LENGTHS:
            name = f"long{length}"
            disk = usage.disk()
            for done in range(0, length, 1_000):
                some = min(1_000, length - done)
                await asyncio.gather(*(load.invoke(name, b"add(1)") for _ in range(some)))
            grown = (usage.disk() - disk) / length
            hot = await one_worker(load, name, seconds)
            rows.append([f"{length:,}", f"{hot:.2f} ms", f"{grown:,.0f} bytes"])
        system.kill_executor()
        for length, row in zip(LENGTHS, rows, strict=True):
            # The first delivery of a partition waits for its new owner.
            await load.invoke(neighbour(f"long{length}", load.partitions), b"add(1)")
            begun = time.monotonic()
            await load.invoke(f"long{length}", b"get()")
            row.insert(2, f"{(time.monotonic() - begun) * 1e3:.0f} ms")
    table(
        "Length of the log (no snapshots)",
        ("invocations so far", "the next one, p50", "the first one when cold", "disk for each"),
        rows,
    )


def neighbour(worker: str, partitions: int) -> str:
    """Return the name of another worker of its partition."""
    wanted = subjects.partition_of("load", worker, partitions)
    names = (f"n{number}" for number in itertools.count())
    return next(n for n in names if subjects.partition_of("load", n, partitions) == wanted)


async def one_worker(load: Load, name: str, seconds: float) -> float:
    """Return the median of invocations one after the other, in ms."""
    end = time.monotonic() + seconds
    took: list[float] = []
    while time.monotonic() < end:
        begun = time.monotonic()
        await load.invoke(name, b"add(1)")
        took.append((time.monotonic() - begun) * 1e3)
    return statistics.median(took)


async def by_executors(system: System, seconds: float) -> list[str]:
    """Return the row of a system: throughput and processors."""
    usage = Usage(system)
    async with loaded(system) as load:
        await load.each(CLIENTS, 1_000)
        own = time.process_time()
        found = await measured(usage, lambda: load.throughput(CLIENTS, seconds, 1_000))
        clients = (time.process_time() - own) / (found[0] * seconds) * 1e6
        _, alone = await load.throughput(1, seconds, 1_000)
        count = len(system.about["pids"]["executors"])
        busy = found[0] * (found[2] + found[3] + clients) / 1e6
        return [
            str(count),
            f"{found[0]:,.0f}/s",
            f"{found[1]:.1f} ms",
            f"{alone:.2f} ms",
            f"{found[2]:.0f} µs",
            f"{found[3]:.0f} µs",
            f"{clients:.0f} µs",
            f"{busy:.2f} of {os.cpu_count()}",
        ]


async def by_payload(system: System, seconds: float) -> None:
    """A worker takes a text and gives it back."""
    rows: list[list[str]] = []
    usage = Usage(system)
    async with await Client.connect(system.url) as client:
        await client.components.add("echo", wasmtime.wat2wasm(ECHO), snapshots="never")
        worker = client.worker("echo", "w")
        await worker.invoke("echo", "")
        for size in PAYLOADS:
            text = "x" * size
            before, disk = usage.cpu(), usage.disk()
            took_ms, count = await repeated(lambda t=text: worker.invoke("echo", t), seconds)
            after, grown = usage.cpu(), usage.disk() - disk
            own, of_broker = ((after[n] - before[n]) / count * 1e3 for n in range(2))
            rows.append(
                [
                    f"{size:,} bytes",
                    f"{took_ms:.1f} ms",
                    f"{size / took_ms / 1e3:.2f} MB/s",
                    f"{own:.1f} ms, {of_broker:.1f} ms",
                    f"{grown / count / 1e3:,.1f} KB",
                ]
            )
            print(rows[-1], file=sys.stderr, flush=True)
    headings = ("there and back", "p50", "", "processor of executor and broker", "disk for each")
    table("Payload, 1 client", headings, rows)


async def repeated(call: Callable[[], Awaitable[object]], seconds: float) -> tuple[float, int]:
    """Return the median of calls one after the other in ms, and how many there were."""
    end = time.monotonic() + seconds
    took: list[float] = []
    while time.monotonic() < end or len(took) < 3:
        begun = time.monotonic()
        await call()
        took.append((time.monotonic() - begun) * 1e3)
    return statistics.median(took), len(took)


def main() -> None:
    """Measure what is asked for, everything by default."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", nargs="*", metavar="WHAT")
    parser.add_argument("--fsync", choices=["interval", "always"], default="interval")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each figure")
    parser.add_argument("--snapshots", default="never", help="their policy in the table of workers")
    options = parser.parse_args()
    wanted = options.what or ["workers", "log", "executors", "payload"]
    workers = partial(by_workers, snapshots=options.snapshots)
    tables = {"workers": workers, "log": by_length, "payload": by_payload}
    for what in wanted:
        if what == "executors":
            rows: list[list[str]] = []
            for count in EXECUTORS:
                with System(options.fsync, executors=count) as system, running() as runner:
                    rows.append(runner.run(by_executors(system, options.seconds)))
            headings = (
                "executors",
                f"{CLIENTS} clients",
                "p50",
                "p50, 1 client",
                "executors' processor",
                "broker's",
                "clients'",
                "processors busy",
            )
            table("Executors", headings, rows)
            continue
        with System(options.fsync) as system, running() as runner:
            runner.run(tables[what](system, options.seconds))


def running() -> asyncio.Runner:
    return asyncio.Runner(loop_factory=uvloop.new_event_loop)


if __name__ == "__main__":
    main()
