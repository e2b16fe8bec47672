"""What replicas and syncing cost a publish: one broker and three, syncing lazily and always.

    python -m benchmarks.replicas [--seconds 3]

Three brokers are three processes on this machine and share its disk, which machines of their own
would not: read latencies as a lower bound of what the protocol adds, without a network.
"""

import argparse
import asyncio
import itertools
import json
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog
import uvloop

from benchmarks.service import cpu_s
from broker import subjects
from broker.embedded import find_server
from broker.jetstream.connect import connect
from broker.jetstream.options import ConnectOptions

CLIENTS = 64
DATA = b"x" * 256
MAX_PAYLOAD = 8 << 20


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def brokers(count: int, sync: str) -> Iterator[tuple[tuple[str, ...], list[int]]]:
    """Run so many; yield where they listen and their process ids."""
    routes = [free_port() for _ in range(count)]
    ports = [free_port() for _ in range(count)]
    everyone = ", ".join(f"nats://127.0.0.1:{port}" for port in routes)
    running: list[subprocess.Popen[bytes]] = []
    with tempfile.TemporaryDirectory(prefix="shem-bench-") as folder:
        for number, (port, route) in enumerate(zip(ports, routes, strict=True)):
            config = Path(folder) / f"{number}.conf"
            store = json.dumps(str(Path(folder) / f"js{number}"))
            config.write_text(
                f"listen: 127.0.0.1:{port}\nserver_name: n{number}\nmax_payload: {MAX_PAYLOAD}\n"
                f"max_pending: {8 * MAX_PAYLOAD}\n"
                f"jetstream {{ store_dir: {store}, sync_interval: {sync} }}\n"
                + (
                    f"cluster {{ name: bench, listen: 127.0.0.1:{route}, routes: [{everyone}] }}\n"
                    if count > 1
                    else ""
                )
            )
            running.append(
                subprocess.Popen(
                    [str(find_server()), "-c", str(config)],
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
            )
        try:
            yield tuple(f"nats://127.0.0.1:{port}" for port in ports), [p.pid for p in running]
        finally:
            for each in running:
                each.terminate()
            for each in running:
                each.wait(30)


async def measure(urls: tuple[str, ...], pids: list[int], seconds: float) -> str:
    """Return the cells of a row: latency of one publisher, rate of many, processor of all."""
    options = ConnectOptions(
        servers=urls, replicas=len(urls), connect_timeout_s=60, assume_durable=True
    )
    broker = await connect(options)
    numbers = itertools.count()

    async def publisher(end: float, took: list[float]) -> None:
        while time.monotonic() < end:
            number = next(numbers)
            begun = time.monotonic()
            await broker.journal.publish(
                subjects.invoke("bench", f"w{number % 1_000}"), DATA, message_id=f"m{number}"
            )
            took.append((time.monotonic() - begun) * 1e3)

    alone: list[float] = []
    await publisher(time.monotonic() + seconds / 3, [])
    await publisher(time.monotonic() + seconds, alone)
    before, many = sum(map(cpu_s, pids)), list[float]()
    end = time.monotonic() + seconds
    await asyncio.gather(*(publisher(end, many) for _ in range(CLIENTS)))
    spent = (sum(map(cpu_s, pids)) - before) / len(many) * 1e6
    await broker.close()
    return (
        f"{statistics.median(alone):.2f} ms | {len(many) / seconds:,.0f}/s | "
        f"{statistics.median(many):.1f} ms | {spent:.0f} µs"
    )


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0)
    seconds = parser.parse_args().seconds
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    headings = "1 publisher, p50", f"{CLIENTS} publishers", "p50", "brokers' processor"
    print(f"| brokers | syncing | {' | '.join(headings)} |")
    print("|---|---|---|---|---|---|")
    for count, (said, sync) in itertools.product((1, 3), (("lazily", "2m"), ("always", "always"))):
        with brokers(count, sync) as (urls, pids):
            print(f"| {count} | {said} | {uvloop.run(measure(urls, pids, seconds))} |", flush=True)


if __name__ == "__main__":
    main()
