"""What the broker itself takes: the floor under every other number.

Both clients run against the same fresh server, alternating, and the medians of the rounds are
printed with their ratio: on a noisy machine only ratios of one run mean something.

    python benchmarks/broker_floor.py [--fsync always|interval] [--rounds N] [--uvloop]
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import structlog
import uvloop

from broker import subjects
from broker.embedded import EmbeddedOptions, EmbeddedServer, Fsync
from broker.jetstream.connect import ConnectOptions, JetStreamBroker, connect
from broker.jetstream.options import ClientKind

SEQUENTIAL = 500
PIPELINED = 5_000
IN_FLIGHT = 100
FENCED_WORKERS = 50
FENCED_APPENDS = 40
READ = 1_000
DATA = b"x" * 256

Measure = Callable[[JetStreamBroker, str], Awaitable[tuple[int, float]]]


async def publish_sequentially(broker: JetStreamBroker, run: str) -> tuple[int, float]:
    subject = subjects.invoke("bench", run)
    started = time.perf_counter()
    for number in range(SEQUENTIAL):
        await broker.journal.publish(subject, DATA, message_id=f"{run}s{number}")
    return SEQUENTIAL, time.perf_counter() - started


async def publish_in_flight(broker: JetStreamBroker, run: str) -> tuple[int, float]:
    subject = subjects.invoke("bench", run)
    numbers = iter(range(PIPELINED))

    async def work() -> None:
        for number in numbers:
            await broker.journal.publish(subject, DATA, message_id=f"{run}p{number}")

    started = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(IN_FLIGHT)))
    return PIPELINED, time.perf_counter() - started


async def append_fenced(broker: JetStreamBroker, run: str) -> tuple[int, float]:
    async def work(worker: int) -> None:
        subject = subjects.log("bench", f"{run}-{worker}", broker.partitions)
        last = 0
        for number in range(FENCED_APPENDS):
            last = await broker.journal.append(
                subject, DATA, message_id=f"{run}f{worker}-{number}", expected_sequence=last
            )

    started = time.perf_counter()
    await asyncio.gather(*(work(worker) for worker in range(FENCED_WORKERS)))
    return FENCED_WORKERS * FENCED_APPENDS, time.perf_counter() - started


async def read_back(broker: JetStreamBroker, run: str) -> tuple[int, float]:
    del run
    subject = subjects.mailbox("bench", "read", broker.partitions)
    started = time.perf_counter()
    count = 0
    async for _ in broker.journal.read(subject):
        count += 1
    elapsed = time.perf_counter() - started
    if count != READ:
        raise RuntimeError(f"read {count} of {READ} messages")
    return count, elapsed


async def fill(broker: JetStreamBroker) -> None:
    subject = subjects.invoke("bench", "read")
    await asyncio.gather(
        *(broker.journal.publish(subject, DATA, message_id=f"r{number}") for number in range(READ))
    )


MEASURES: dict[str, Measure] = {
    "publish, one after another": publish_sequentially,
    f"publish, {IN_FLIGHT} in flight": publish_in_flight,
    f"fenced append, {FENCED_WORKERS} workers": append_fenced,
    f"read of {READ:,} messages": read_back,
}


async def measure(fsync: Fsync, rounds: int, directory: Path) -> None:
    options = EmbeddedOptions(data_dir=directory, fsync=fsync)
    async with EmbeddedServer(options) as server:
        brokers = {
            kind: await connect(ConnectOptions(servers=(server.url,), client=kind))
            for kind in (ClientKind.NATS_PY, ClientKind.LEAN)
        }
        print(f"fsync {fsync.value}, median of {rounds} rounds, {len(DATA)} B messages")
        print(f"{'':34}{'per second':>28}{'client CPU µs each':>30}")
        print(f"{'':34}" + 2 * f"{'nats-py':>10}{'lean':>10}{'ratio':>8}  ")
        await fill(brokers[ClientKind.LEAN])
        for name, run_measure in MEASURES.items():
            rates: dict[ClientKind, list[float]] = {kind: [] for kind in brokers}
            costs: dict[ClientKind, list[float]] = {kind: [] for kind in brokers}
            for number in range(rounds):
                for kind, broker in brokers.items():
                    run = f"{name[:4]}{name.count(' ')}{kind}{number}"
                    cpu = time.process_time()
                    count, seconds = await run_measure(broker, run)
                    costs[kind].append(1e6 * (time.process_time() - cpu) / count)
                    rates[kind].append(count / seconds)
            slow, fast = (statistics.median(rates[kind]) for kind in brokers)
            dear, cheap = (statistics.median(costs[kind]) for kind in brokers)
            print(
                f"{name:34}{slow:10,.0f}{fast:10,.0f}{fast / slow:8.1f}"
                f"{dear:12.0f}{cheap:10.0f}{dear / cheap:8.1f}"
            )
        for broker in brokers.values():
            await broker.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fsync", choices=list(Fsync), type=Fsync, default=Fsync.INTERVAL)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--uvloop", action="store_true")
    arguments = parser.parse_args()
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    loop_factory = None
    if arguments.uvloop:
        loop_factory = uvloop.new_event_loop
    with (
        tempfile.TemporaryDirectory() as directory,
        asyncio.Runner(loop_factory=loop_factory) as runner,
    ):
        runner.run(measure(arguments.fsync, arguments.rounds, Path(directory)))


if __name__ == "__main__":
    main()
