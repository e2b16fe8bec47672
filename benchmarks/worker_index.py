"""Listing a hundred thousand workers: from the index, and the index made anew from their logs.

    python -m benchmarks.worker_index [--workers 100000] [--fsync interval|always]

A real broker with file storage, one executor and a client in one process. The logs are written
directly: one commit each, as `shem worker new` would leave it.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import uvloop

from actors.options import ExecutorOptions
from actors.worker_index.marks import read_marks
from broker import subjects
from broker.embedded import EmbeddedOptions, EmbeddedServer, Fsync
from broker.jetstream.connect import JetStreamBroker, connect
from broker.jetstream.options import ConnectOptions
from broker.ports import BucketEntry
from oplog.codec import encode
from oplog.commit import GENESIS_HASH, Marks
from oplog.entries import Create
from shem import Client
from shem.executor import serve
from tests.simulation.scripted import ScriptedEngine

COMPONENT = "counter"
IN_FLIGHT = 200
ROUNDS = 5


async def create(broker: JetStreamBroker, count: int) -> None:
    """Write the logs of `count` workers; one in a hundred has run with something special."""
    numbers = iter(range(count))

    async def work() -> None:
        for number in numbers:
            name = f"user-{number:07}"
            entry = Create(
                at_ms=1_700_000_000_000 + number,
                incarnation=f"{number:016x}",
                component=COMPONENT,
                worker=name,
                component_version=number % 3,
                env=(("SHEM_WORKER_NAME", name), ("TIER", "gold" if number % 100 == 0 else "tin")),
            )
            commit = encode(1, (entry,), Marks(sent=1), GENESIS_HASH)
            await broker.journal.append(
                subjects.log(COMPONENT, name, broker.partitions),
                commit.data,
                message_id=f"create-{number}",
                expected_sequence=0,
                headers=commit.headers,
            )

    await asyncio.gather(*(work() for _ in range(IN_FLIGHT)))


@asynccontextmanager
async def executor(options: ConnectOptions) -> AsyncIterator[JetStreamBroker]:
    broker = await connect(options)
    leaving, ready = asyncio.Event(), asyncio.Event()
    running = asyncio.create_task(
        serve(
            broker,
            ScriptedEngine(),
            ExecutorOptions(name="bench"),
            leaving=leaving,
            on_ready=ready.set,
        )
    )
    await ready.wait()
    try:
        yield broker
    finally:
        leaving.set()
        await running
        await broker.close()


async def indexed(broker: JetStreamBroker) -> float:
    """Return after how many seconds the index has everything."""
    begun = time.perf_counter()
    while len(await read_marks(broker.workers)) < broker.partitions:  # noqa: ASYNC110 - a poll of another process's state
        await asyncio.sleep(0.1)
    return time.perf_counter() - begun


async def timed(what: str, ask: Callable[[], Awaitable[int]], expected: int) -> None:
    samples: list[float] = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        found = await ask()
        samples.append(time.perf_counter() - begun)
        assert found == expected, f"{what}: {found} workers instead of {expected}"
    print(
        f"{what}: {found} workers in {statistics.median(samples) * 1e3:.0f} ms "
        f"(first time {samples[0] * 1e3:.0f} ms)",
        flush=True,
    )


async def run(workers: int, fsync: Fsync) -> None:
    with tempfile.TemporaryDirectory(prefix="shem-bench-") as folder:
        async with EmbeddedServer(EmbeddedOptions(data_dir=Path(folder), fsync=fsync)) as server:
            options = ConnectOptions(servers=(server.url,), name="bench", assume_durable=True)
            broker = await connect(options)
            begun = time.perf_counter()
            await create(broker, workers)
            print(f"{workers} logs written in {time.perf_counter() - begun:.1f} s", flush=True)
            async with executor(options) as running, await Client.connect(server.url) as client:
                await client.components.add(COMPONENT, ScriptedEngine.COUNTER)
                print(f"index made from the logs in {await indexed(running):.1f} s", flush=True)

                async def first_page() -> int:
                    found = 0
                    async for _ in client.workers(COMPONENT):
                        found += 1
                        if found == 1_000:
                            break
                    return found

                async def count(**filters: object) -> int:
                    listing = client.workers(COMPONENT, **filters)  # type: ignore[arg-type] # the caller's
                    return len([each async for each in listing])

                await timed("first page", first_page, min(1_000, workers))
                await timed("all", count, workers)
                await timed("one by name", lambda: count(prefix="user-0000077"), 1)
                gold = len(range(0, workers, 100))
                await timed("by environment", lambda: count(env={"TIER": "gold"}), gold)
                await timed("failed ones", lambda: count(status=["failed"]), 0)
            size = sum(len(each.data or b"") for each in await _changes(broker))
            print(f"the index takes {size / workers:.0f} bytes per worker", flush=True)
            await broker.close()


async def _changes(broker: JetStreamBroker) -> list[BucketEntry]:
    return list(await broker.workers_of(COMPONENT).changes())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=100_000)
    parser.add_argument("--fsync", type=Fsync, choices=list(Fsync), default=Fsync.INTERVAL)
    chosen = parser.parse_args()
    uvloop.run(run(chosen.workers, chosen.fsync))
    return 0


if __name__ == "__main__":
    sys.exit(main())
