"""What tracing costs the whole system: two of them side by side, one traced, loaded in turns.

    python -m benchmarks.traced [--turns 6] [--seconds 3] [--ratio 0.1] [--clients 64]

`shem up` twice, syncing lazily, with a thousand workers each; the load asks one, then the other,
and again. Where callers trace, each says of every invocation whether it is recorded, one in ten;
where they do not, the executor chooses. The collector is a process that reads what it gets, and
does nothing with it. Printed are the medians of the ratios within pairs of turns.
"""

import argparse
import asyncio
from collections.abc import Callable
from typing import Final

import uvloop

from benchmarks.collector import collector
from benchmarks.in_turns import Side, change, middle, pairs_of_turns, side
from benchmarks.service import System

PARENT: Final = "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331"


def headers_of(ratio: float) -> Callable[[int], dict[str, str]]:
    """Return what callers say who record so many of their traces."""
    every = round(1 / ratio)
    chosen, others = {"traceparent": f"00-{PARENT}-01"}, {"traceparent": f"00-{PARENT}-00"}
    return lambda number: chosen if number % every == 0 else others


async def compare(off: Side, on: Side, turns: int, clients: int, seconds: float) -> None:
    pairs = await pairs_of_turns(off, on, turns=turns, clients=clients, seconds=seconds)
    print(f"  off {middle([plain for plain, _ in pairs])}")
    print(f"  on {middle([traced for _, traced in pairs])}")
    print(
        f"  throughput {change(pairs, lambda turn: turn.per_s)},"
        f" processor of the executor {change(pairs, lambda turn: turn.executor_us)}",
        flush=True,
    )


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
