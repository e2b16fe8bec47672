"""What the index of workers costs an invocation.

    python -m benchmarks.index_cost [--seconds 10] [--rate 4000] [--workers 1000]

The commits of a steady load are told to the projector as the ledger tells them, with a real broker
behind it, for some seconds with and for some seconds without. What it costs is the difference of
the processor time, of this process and of the broker, per commit; each invocation has one.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import uvloop
from msgspec import Raw, Struct

from actors.history import History
from actors.identity import WorkerId
from actors.past import Past
from actors.worker_index.projector import Projector
from broker.embedded import EmbeddedOptions, EmbeddedServer, Fsync
from broker.jetstream.connect import connect
from broker.jetstream.options import ConnectOptions
from oplog.commit import Commit, Marks
from oplog.entries import Create, ExportedFunctionCompleted, ExportedFunctionInvoked

COMPONENT = "counter"
TICK_S = 0.01
CALLS = 200_000


class Spent(Struct):
    """Processor seconds of this process and of the broker, for so many commits."""

    own_s: float
    broker_s: float
    commits: int


def commits_of(name: str) -> tuple[Commit, Commit]:
    """The commit that makes a worker, and one of those that follow, one for each invocation."""
    created = Create(incarnation="i", component=COMPONENT, worker=name, component_version=0)
    invoked = ExportedFunctionInvoked(
        function="demo:counter/api.{add}", params=Raw(b"[1]"), idempotency_key="k", sequence=1
    )
    done = ExportedFunctionCompleted(idempotency_key="k", result=Raw(b"1"))
    first = Commit(1, (created,), Marks(), "", "")
    return first, Commit(2, (invoked, done), Marks(), "", "")


def histories(count: int) -> list[tuple[WorkerId, History, Commit]]:
    made: list[tuple[WorkerId, History, Commit]] = []
    for number in range(count):
        name = f"user-{number:07}"
        history = History(Past(sent=0))
        first, next_ = commits_of(name)
        history.committed(first)
        made.append((WorkerId(COMPONENT, name), history, next_))
    return made


async def load(
    workers: Sequence[tuple[WorkerId, History, Commit]],
    projector: Projector | None,
    server: EmbeddedServer,
    *,
    rate: int,
    seconds: float,
) -> Spent:
    """Commit `rate` times a second, and measure."""
    running = None if projector is None else asyncio.create_task(projector.run())
    per_tick, sequence, count = round(rate * TICK_S), 1_000, 0
    own, of_broker = time.process_time(), processor_s(server.pid)
    ends = time.perf_counter() + seconds
    while time.perf_counter() < ends:
        for _ in range(per_tick):
            worker, history, commit = workers[count % len(workers)]
            count += 1
            sequence += 1
            history.committed(commit)
            if projector is not None:
                projector.committed(worker, history, sequence)
        await asyncio.sleep(TICK_S)
    spent = Spent(time.process_time() - own, processor_s(server.pid) - of_broker, count)
    if running is not None:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    return spent


def processor_s(pid: int) -> float:
    """Processor seconds that a process has used; Linux tells them in hundredths."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def note_us(projector: Projector, workers: Sequence[tuple[WorkerId, History, Commit]]) -> float:
    """Microseconds of telling the projector of one commit."""
    begun = time.perf_counter()
    for number in range(CALLS):
        worker, history, _ = workers[number % len(workers)]
        projector.committed(worker, history, number)
    return (time.perf_counter() - begun) / CALLS * 1e6


async def run(workers: int, rate: int, seconds: float) -> None:
    with tempfile.TemporaryDirectory(prefix="shem-bench-") as folder:
        options = EmbeddedOptions(data_dir=Path(folder), fsync=Fsync.INTERVAL)
        async with EmbeddedServer(options) as server:
            broker = await connect(
                ConnectOptions(servers=(server.url,), name="bench", assume_durable=True)
            )

            def projector() -> Projector:
                return Projector(
                    broker, wall_ms=lambda: time.time_ns() // 1_000_000, monotonic_s=time.monotonic
                )

            told = histories(workers)
            print(f"a commit noted: {note_us(projector(), told):.2f} µs", flush=True)
            without = await load(told, None, server, rate=rate, seconds=seconds)
            with_ = await load(told, projector(), server, rate=rate, seconds=seconds)
            own = (with_.own_s / with_.commits - without.own_s / without.commits) * 1e6
            of_broker = (with_.broker_s / with_.commits - without.broker_s / without.commits) * 1e6
            print(
                f"{workers} workers, {with_.commits / seconds:.0f} invocations a second: the index "
                f"costs {own:.1f} µs of the executor and {of_broker:.1f} µs of the broker each",
                flush=True,
            )
            await broker.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=1_000)
    parser.add_argument("--rate", type=int, default=4_000)
    parser.add_argument("--seconds", type=float, default=10.0)
    chosen = parser.parse_args()
    uvloop.run(run(chosen.workers, chosen.rate, chosen.seconds))
    return 0


if __name__ == "__main__":
    sys.exit(main())
