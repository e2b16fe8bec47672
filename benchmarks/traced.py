"""What tracing costs the whole system: two of them side by side, one traced, loaded in turns.

    python -m benchmarks.traced [--turns 6] [--seconds 3] [--ratio 0.1] [--clients 64]

`shem up` twice, syncing lazily, with a thousand workers each; the load asks one, then the other,
and again. Where callers trace, each says of every invocation whether it is recorded, one in ten;
where they do not, the executor chooses. The collector is a process that reads what it gets, and
does nothing with it. Printed are the medians of the ratios within pairs of turns.
"""

import argparse
import asyncio
import statistics
from collections.abc import Callable
from typing import Final

import uvloop
from msgspec import Struct

from benchmarks.collector import collector
from benchmarks.service import WORKERS, Load, System, cpu_s
from broker.jetstream.connect import connect
from broker.jetstream.options import ConnectOptions
from shem import Client
from tests.guests.build import build

PARENT: Final = "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331"


class Turn(Struct):
    """Invocations a second, and microseconds of the executor's processor for each."""

    per_s: float
    executor_us: float


class Side:
    """One of the two systems, and what asks it."""

    def __init__(self, system: System, load: Load) -> None:
        self._system = system
        self._load = load

    async def turn(self, clients: int, seconds: float) -> Turn:
        before = cpu_s(self._system.executor)
        per_s, _ = await self._load.throughput(clients, seconds, WORKERS)
        spent = cpu_s(self._system.executor) - before
        return Turn(per_s, spent / (per_s * seconds) * 1e6)


def headers_of(ratio: float) -> Callable[[int], dict[str, str]]:
    """Return what callers say who record so many of their traces."""
    every = round(1 / ratio)
    chosen, others = {"traceparent": f"00-{PARENT}-01"}, {"traceparent": f"00-{PARENT}-00"}
    return lambda number: chosen if number % every == 0 else others


async def side(system: System, headers: Callable[[int], dict[str, str]] | None) -> Side:
    async with await Client.connect(system.url) as client:
        await client.components.add("load", build("load").read_bytes(), snapshots="never")
    load = Load(await connect(ConnectOptions(servers=(system.url,))), headers)
    await load.start()
    await load.each(64, WORKERS)
    return Side(system, load)


async def compare(off: Side, on: Side, turns: int, clients: int, seconds: float) -> None:
    pairs: list[tuple[Turn, Turn]] = []
    for number in range(turns):
        # Neither is always the first one.
        if number % 2:
            after = await on.turn(clients, seconds)
            pairs.append((await off.turn(clients, seconds), after))
        else:
            before = await off.turn(clients, seconds)
            pairs.append((before, await on.turn(clients, seconds)))
    slower = [1 - traced.per_s / plain.per_s for plain, traced in pairs]
    more = [traced.executor_us / plain.executor_us - 1 for plain, traced in pairs]
    print(
        f"  off {statistics.median(p.per_s for p, _ in pairs):,.0f}/s"
        f" {statistics.median(p.executor_us for p, _ in pairs):.0f} µs of the executor,"
        f" on {statistics.median(t.per_s for _, t in pairs):,.0f}/s"
        f" {statistics.median(t.executor_us for _, t in pairs):.0f} µs:"
        f" throughput {-statistics.median(slower):+.1%} (quarters {spread(slower)}),"
        f" processor {statistics.median(more):+.1%} (quarters {spread(more)})",
        flush=True,
    )


def spread(values: list[float]) -> str:
    low, _, high = statistics.quantiles(values, n=4)
    return f"{low:+.1%} to {high:+.1%}"


async def run(off: System, on: System, options: argparse.Namespace) -> None:
    for who, headers in (("callers", headers_of(options.ratio)), ("the executor", None)):
        print(f"{options.ratio:.0%} of the traces, chosen by {who}:", flush=True)
        plain, traced = await side(off, headers), await side(on, headers)
        await compare(plain, traced, options.turns, options.clients, options.seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--ratio", type=float, default=0.1)
    parser.add_argument("--clients", type=int, default=64)
    options = parser.parse_args()
    with collector() as url:
        environment = {
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"{url}/v1/traces",
            "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
            "OTEL_TRACES_SAMPLER_ARG": str(options.ratio),
        }
        with (
            System("interval") as off,
            System("interval", environment=environment) as on,
            asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
        ):
            runner.run(run(off, on, options))


if __name__ == "__main__":
    main()
