"""Two systems side by side, loaded in turns: a machine that changes by the minute slows down both.

What is compared are the ratios within pairs of turns.
"""

import statistics
import time
from collections.abc import Callable

from msgspec import Struct

from benchmarks.service import WORKERS, Load, System, cpu_s
from broker.jetstream.connect import connect
from broker.jetstream.options import ConnectOptions
from shem import Client
from tests.guests.build import build

__all__ = ["Side", "Turn", "change", "middle", "pairs_of_turns", "side"]


class Turn(Struct):
    """Invocations a second, and microseconds of processors for each."""

    per_s: float
    executor_us: float
    broker_us: float
    clients_us: float


class Side:
    """One of the two systems, and what asks it."""

    def __init__(self, system: System, load: Load) -> None:
        self._system = system
        self._load = load

    async def turn(self, clients: int, seconds: float) -> Turn:
        begun_s, before = time.monotonic(), self._spent_s()
        per_s, _ = await self._load.throughput(clients, seconds, WORKERS)
        done = per_s * (time.monotonic() - begun_s)
        pairs = zip(before, self._spent_s(), strict=True)
        return Turn(per_s, *[(after - earlier) / done * 1e6 for earlier, after in pairs])

    def _spent_s(self) -> tuple[float, float, float]:
        broker: int = self._system.about["pids"]["broker"]
        return cpu_s(self._system.executor), cpu_s(broker), time.process_time()


async def side(system: System, headers: Callable[[int], dict[str, str]] | None = None) -> Side:
    """Return a system with a thousand workers in memory; `headers` are those of `Load`."""
    async with await Client.connect(system.url) as client:
        await client.components.add("load", build("load").read_bytes(), snapshots="never")
    load = Load(await connect(ConnectOptions(servers=(system.url,))), headers)
    await load.start()
    await load.each(64, WORKERS)
    return Side(system, load)


async def pairs_of_turns(
    one: Side, other: Side, *, turns: int, clients: int, seconds: float
) -> list[tuple[Turn, Turn]]:
    """Load one, then the other, and again; neither is always the first one."""
    pairs: list[tuple[Turn, Turn]] = []
    for number in range(turns):
        if number % 2:
            after = await other.turn(clients, seconds)
            pairs.append((await one.turn(clients, seconds), after))
        else:
            before = await one.turn(clients, seconds)
            pairs.append((before, await other.turn(clients, seconds)))
    return pairs


def middle(turns: list[Turn]) -> str:
    """Return the medians as text."""
    return (
        f"{statistics.median(turn.per_s for turn in turns):,.0f}/s,"
        f" processor {statistics.median(turn.executor_us for turn in turns):.0f} µs of the executor"
        f", {statistics.median(turn.broker_us for turn in turns):.0f} of the broker"
        f", {statistics.median(turn.clients_us for turn in turns):.0f} of the clients"
    )


def change(pairs: list[tuple[Turn, Turn]], of: Callable[[Turn], float]) -> str:
    """Return by how much the second of each pair has more, as the median and the quarters."""
    more = [of(second) / of(first) - 1 for first, second in pairs]
    low, _, high = statistics.quantiles(more, n=4)
    return f"{statistics.median(more):+.1%} (quarters {low:+.1%} to {high:+.1%})"
