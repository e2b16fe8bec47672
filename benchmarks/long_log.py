"""A worker of a long life comes back: from its whole log, and from a snapshot.

    python -m benchmarks.long_log [--entries 1000000] [--guest tiny] [--fsync interval|always]

A real broker with file storage; executor and client in one process. The log is written directly, as
that many invocations would have left it, in commits of forty entries. Times are from the invocation
to its answer, by an executor that has just started and does not have the worker in memory, but has
served another one of its partition.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path

import uvloop
from msgspec import Raw

from actors.engine.engine import WasmtimeEngine
from actors.options import ExecutorOptions
from broker import subjects
from broker.embedded import EmbeddedOptions, EmbeddedServer, Fsync
from broker.jetstream.connect import JetStreamBroker, connect
from broker.jetstream.options import ConnectOptions
from oplog.codec import encode
from oplog.commit import Marks
from oplog.entries import Entry, ExportedFunctionCompleted, ExportedFunctionInvoked
from oplog.reader import load
from shem import Client
from shem.executor import serve
from tests.guests.build import build

COMPONENT = "long"
WORKER = "w"
COMMIT_INVOCATIONS = 20
ROUNDS = 5
# Budgets: entries a second without a snapshot, seconds with one.
REPLAY_MIN = 20_000
SNAPSHOT_MAX_S = 1.0


@asynccontextmanager
async def executor(options: ConnectOptions, *, snapshots: str) -> AsyncIterator[None]:
    """Run an executor; what it compiles lies in one cache."""
    broker = await connect(options)
    leaving, ready = asyncio.Event(), asyncio.Event()
    engine = WasmtimeEngine(Path(tempfile.gettempdir()) / "shem-benchmark-code")
    options_ = ExecutorOptions(name=f"bench-{time.monotonic_ns()}", snapshots=snapshots)
    running = asyncio.create_task(
        serve(broker, engine, options_, leaving=leaving, on_ready=ready.set)
    )
    await ready.wait()
    try:
        yield
    finally:
        leaving.set()
        await running
        await broker.close()


async def lengthen(broker: JetStreamBroker, function: str, entries_wanted: int) -> int:
    """Append to the worker's log what many `add(1)` leave behind; return how many there are."""
    subject = subjects.log(COMPONENT, WORKER, broker.partitions)
    head = (await load(broker.journal, broker.blobs, subject)).head
    index, sequence, previous, value = head.last_index, head.log_sequence, head.hash, 0
    marks = Marks(invoked=head.marks.invoked, control=head.marks.control)
    while index < entries_wanted:
        entries: list[Entry] = []
        for _ in range(COMMIT_INVOCATIONS):
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
                    function=function, idempotency_key=key, result=Raw(str(value).encode())
                ),
            ]
        marks = Marks(invoked=marks.invoked, control=marks.control, sent=index)
        commit = encode(index + 1, entries, marks, previous)
        sequence = await broker.journal.append(
            subject,
            commit.data,
            message_id=f"long-{index}",
            expected_sequence=sequence,
            headers=commit.headers,
        )
        index, previous = index + len(entries), commit.hash
    return value


def neighbour(partitions: int) -> str:
    """Return the name of a worker in the same partition."""
    wanted = subjects.partition_of(COMPONENT, WORKER, partitions)
    names = (f"n{number}" for number in count())
    return next(n for n in names if subjects.partition_of(COMPONENT, n, partitions) == wanted)


async def first_answer(client: Client, expected: int, partitions: int) -> float:
    # The first delivery of a partition may wait for the consumer.
    await client.worker(COMPONENT, neighbour(partitions)).invoke("get")
    begun = time.perf_counter()
    found = await client.worker(COMPONENT, WORKER).invoke("get", timeout_s=1_200)
    took_s = time.perf_counter() - begun
    assert found == expected, f"{found} instead of {expected}"
    return took_s


async def run(entries: int, guest: str, fsync: Fsync) -> int:
    with tempfile.TemporaryDirectory(prefix="shem-bench-") as folder:
        async with EmbeddedServer(EmbeddedOptions(data_dir=Path(folder), fsync=fsync)) as server:
            options = ConnectOptions(servers=(server.url,), name="bench", assume_durable=True)
            broker = await connect(options)
            async with await Client.connect(server.url) as client:
                async with executor(options, snapshots="never"):
                    await client.components.add(COMPONENT, build(guest).read_bytes())
                    await client.worker(COMPONENT, WORKER).invoke("add", 0)
                subject = subjects.log(COMPONENT, WORKER, broker.partitions)
                log = await load(broker.journal, broker.blobs, subject)
                (function,) = {
                    entry.function
                    for _, entry, _ in log.entries()
                    if isinstance(entry, ExportedFunctionInvoked)
                }
                value = await lengthen(broker, function, entries)
                async with executor(options, snapshots="never"):
                    replay_s = await first_answer(client, value, broker.partitions)
                rate = entries / replay_s
                slow = rate < REPLAY_MIN
                print(
                    f"{guest}, {entries} entries, without a snapshot: {replay_s:.1f} s, "
                    f"{rate:,.0f} entries/s (budget {REPLAY_MIN:,}){'  MISSED' if slow else ''}",
                    flush=True,
                )
                async with executor(options, snapshots="every=1000"):
                    await first_answer(client, value, broker.partitions)
                    status = await client.worker(COMPONENT, WORKER).status()
                    assert status.snapshots, status.snapshot_problem
                samples: list[float] = []
                for _ in range(ROUNDS):
                    async with executor(options, snapshots="never"):
                        samples.append(await first_answer(client, value, broker.partitions))
                back_s = statistics.median(samples)
                late = back_s > SNAPSHOT_MAX_S
                print(
                    f"{guest}, {entries} entries, with a snapshot of {status.snapshot_size} bytes: "
                    f"{back_s * 1e3:.0f} ms, worst {max(samples) * 1e3:.0f} ms "
                    f"(budget {SNAPSHOT_MAX_S:g} s){'  MISSED' if late else ''}",
                    flush=True,
                )
            await broker.close()
            return int(slow or late)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--guest", default="tiny", choices=("tiny", "load", "counter"))
    parser.add_argument("--fsync", type=Fsync, choices=list(Fsync), default=Fsync.INTERVAL)
    chosen = parser.parse_args()
    return uvloop.run(run(chosen.entries, chosen.guest, chosen.fsync))


if __name__ == "__main__":
    sys.exit(main())
