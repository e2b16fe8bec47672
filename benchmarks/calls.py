"""Calls between workers, against their budgets and against one plain invocation of the same run.

python -m benchmarks.calls [--fsync interval|always] [--seconds 3] [--scheduled 10000]
"""

import argparse
import asyncio
import statistics
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import count, islice

import msgspec
import uvloop

from benchmarks.service import Load, System
from broker import subjects
from broker.jetstream.connect import connect
from broker.jetstream.options import ConnectOptions
from broker.ports import Broker
from shem import Client
from tests.guests.build import build

# A round trip may cost so many plain invocations.
ROUND_TRIP_MAX = 2.5
FAN = 100
CALLERS = 8


async def medians_ms(
    load: Load,
    calls: Sequence[tuple[str, bytes]],
    workers: Sequence[str],
    seconds: float,
) -> list[float]:
    """Return the median latencies of calls to `workers` that one client makes in turn.

    In turn, since a shared machine is not equally busy for two seconds together.
    """
    latencies: list[list[float]] = [[] for _ in calls]
    end = time.monotonic() + seconds
    number = 0
    while time.monotonic() < end or not number:
        for (component, call), found in zip(calls, latencies, strict=True):
            begun = time.monotonic()
            worker = workers[number % len(workers)]
            await load.invoke(worker, call, component=component)
            found.append(time.monotonic() - begun)
        number += 1
    return [statistics.median(found) * 1e3 for found in latencies]


async def callers(client: Client, *, are_apart: bool) -> list[str]:
    """Return workers of `fan` in the executor of the worker `load/w0`, or in another one."""
    owners: dict[int, object] = {}
    async with asyncio.timeout(30):
        while len(owners) < subjects.PARTITIONS_DEFAULT:
            await asyncio.sleep(0.2)
            owners = {
                number: executor["name"]
                for executor in await client.executors()
                for number in msgspec.convert(executor["partitions"], list[int])
            }

    def owner(component: str, worker: str) -> object:
        return owners[subjects.partition_of(component, worker, subjects.PARTITIONS_DEFAULT)]

    callee = owner("load", "w0")
    named = (f"w{number}" for number in count())
    found = (each for each in named if (owner("fan", each) != callee) == are_apart)
    return list(islice(found, CALLERS))


async def round_trips(load: Load, workers: Sequence[str], seconds: float, place: str) -> bool:
    """Compare one call with a plain invocation."""
    for worker in workers:
        await load.invoke(worker, b"add(1)", component="load")
        await load.invoke(worker, b'one("w0", 1)', component="fan")
    calls = (("load", b"add(1)"), ("fan", b'one("w0", 1)'))
    plain_ms, call_ms = await medians_ms(load, calls, workers, 2 * seconds)
    ratio = call_ms / plain_ms
    met = ratio <= ROUND_TRIP_MAX
    print(
        f"round trip, {place}: p50 {call_ms:.2f} ms = {ratio:.2f} x a plain invocation of "
        f"{plain_ms:.2f} ms (budget {ROUND_TRIP_MAX}){'' if met else '  MISSED'}"
    )
    return met


async def fan_out(load: Load, seconds: float) -> None:
    """Have one worker call a hundred others at once."""
    call = f"many({FAN}, 1)".encode()
    await load.invoke("w0", call, component="fan")
    plain_ms, took_ms = await medians_ms(
        load, (("load", b"add(1)"), ("fan", call)), ("w0",), seconds
    )
    print(
        f"fan-out to {FAN}: p50 {took_ms:.1f} ms = {took_ms / FAN:.2f} ms a call; "
        f"{took_ms / plain_ms:.1f} x a plain invocation"
    )


async def reads(load: Load, seconds: float) -> None:
    """Compare functions that only read with the same ones in the queue."""
    for guest in ("load", "counter"):
        worker, call = "r0", b"get()"
        await load.invoke(worker, b"add(1)", component=f"{guest}-reads")
        await load.invoke(worker, b"add(1)", component=guest)
        both = ((guest, call), (f"{guest}-reads", call))
        queued_ms, read_ms = await medians_ms(load, both, (worker,), seconds)
        print(
            f"read of {guest}: p50 {read_ms:.2f} ms = {read_ms / queued_ms:.2f} x the same "
            f"function in the queue, {queued_ms:.2f} ms"
        )


async def scheduled(broker: Broker, many: int) -> None:
    """Have invocations due in the same second and see how late they end."""
    due = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=5 + many // 1_000)
    late_s: list[float] = []
    done = asyncio.Event()

    def heard(_: object) -> None:
        late_s.append(time.time() - due.timestamp())
        if len(late_s) == many:
            done.set()

    await broker.signals.subscribe("shem.result.load.*", heard)
    free = asyncio.Semaphore(256)

    async def one(number: int) -> None:
        worker = f"later-{number % 1_000}"
        async with free:
            await broker.journal.schedule(
                subjects.schedule("load", worker, f"bench-{number}"),
                b"add(1)",
                target=subjects.invoke("load", worker),
                at_ns=int(due.timestamp() * 1e9) + number * 1_000_000_000 // many,
                message_id=f"bench-{due.timestamp()}-{number}",
                headers={"Shem-Key": f"bench-{due.timestamp()}-{number}"},
            )

    await asyncio.gather(*(one(number) for number in range(many)))
    if datetime.now(UTC) > due:
        print("scheduling took longer than planned: some were due before they were stored")
    async with asyncio.timeout(120):
        await done.wait()
    quantiles = statistics.quantiles(late_s, n=100)
    print(
        f"{many} scheduled in one second: done p50 {quantiles[49]:.2f} s, p99 "
        f"{quantiles[98]:.2f} s, last {max(late_s):.2f} s after the beginning of that second"
    )


async def measure(system: System, seconds: float, executors: int, count: int) -> bool:
    place = "across executors" if executors > 1 else "same executor"
    async with await Client.connect(system.url) as client:
        await client.components.add("load", build("load").read_bytes())
        links = {"demo:counter-client/counter-client": "load"}
        await client.components.add("fan", build("fan").read_bytes(), links=links)
        for guest in ("load", "counter"):
            data = build(guest).read_bytes()
            await client.components.add(guest, data)
            await client.components.add(f"{guest}-reads", data, read_only=["api/get"])
        workers = await callers(client, are_apart=executors > 1)
    broker = await connect(ConnectOptions(servers=(system.url,)))
    load = Load(broker)
    await load.start()
    met = await round_trips(load, workers, seconds, place)
    await fan_out(load, seconds)
    if count:
        await reads(load, seconds)
        await scheduled(broker, count)
    await broker.close()
    return met


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fsync", choices=["interval", "always"], default="interval")
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--scheduled", type=int, default=10_000)
    arguments = parser.parse_args()
    met = True
    for executors in (1, 2):
        with System(arguments.fsync, executors=executors) as system:
            count = arguments.scheduled if executors == 1 else 0
            met &= uvloop.run(measure(system, arguments.seconds, executors, count))
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
