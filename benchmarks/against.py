"""This checkout beside another one, such as that of an earlier version: which of them is faster?

    git worktree add ../earlier REVISION && make -C ../earlier setup
    python -m benchmarks.against ../earlier [--turns 12] [--seconds 3] [--clients 64]

Each runs with the environment of its own checkout, `shem up` with lazy syncing and a thousand
workers; the load asks one, then the other, and again. Beside other work give both of them priority:
`chrt -r 10 python -m benchmarks.against …`.
"""

import argparse
import asyncio
from pathlib import Path

import uvloop

from benchmarks.in_turns import change, middle, pairs_of_turns, side
from benchmarks.service import System


async def compare(other: System, this: System, options: argparse.Namespace) -> None:
    pairs = await pairs_of_turns(
        await side(other),
        await side(this),
        turns=options.turns,
        clients=options.clients,
        seconds=options.seconds,
    )
    print(f"{options.other}: {middle([turn for turn, _ in pairs])}")
    print(f"this one: {middle([turn for _, turn in pairs])}")
    print(f"throughput {change(pairs, lambda turn: turn.per_s)}")
    print(f"processor of the executor {change(pairs, lambda turn: turn.executor_us)}")
    print(f"of the broker {change(pairs, lambda turn: turn.broker_us)}")
    print(f"of the clients {change(pairs, lambda turn: turn.clients_us)}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("other", type=Path, help="folder of the other checkout, set up")
    parser.add_argument("--turns", type=int, default=12)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--clients", type=int, default=64)
    options = parser.parse_args()
    if not (options.other / ".venv/bin/python").exists():
        parser.error(f"{options.other} has no .venv: run `make setup` there")
    with (
        System("interval", checkout=options.other.resolve()) as other,
        System("interval") as this,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        runner.run(compare(other, this, options))


if __name__ == "__main__":
    main()
