"""Beside others in one run: the same workloads, each synced before it is acknowledged.

    python -m benchmarks.peers [--seconds 4] [--rounds 3] [--clients 1,16,64]
                               [--executors 1] [--streams 4]

Restate (server from npm, Python SDK) is used where it is installed, see `benchmarks.restate.peer`;
without it the figures are ours and the broker's alone. Clients are closed loops in this process,
over 1,000 keys, on as cheap a client as either side can have: what they take from the two systems
is the same. Each key was asked once before its workload is measured, so that nobody's first call is
in the figures. Rounds alternate between the systems, and the table has the median of each.

| workload | Shem | Restate |
|---|---|---|
| add | a wasm guest that keeps a sum | a virtual object that keeps a sum |
| side effect | the guest draws a random number, recorded | `ctx.run` draws one, recorded |
| call | a worker calls another and waits | an object calls another and waits |
"""

import argparse
import asyncio
import itertools
import statistics
import sys
import time
from collections.abc import Awaitable, Callable

import msgspec
import uvloop
from rich.console import Console
from rich.table import Table

from benchmarks.restate import peer
from benchmarks.service import WORKERS, Load, System, cpu_s, floor
from broker.jetstream.connect import connect
from broker.jetstream.options import ConnectOptions
from shem import Client
from tests.guests.build import build

THROUGHPUT_RATIO_MIN = 3.0
LATENCY_RATIO_MAX = 1 / 3
WORKLOADS = {
    "add": ("load", b"add(1)", "/Counter/{}/add"),
    "side effect": ("load", b"roll()", "/Counter/{}/roll"),
    "call": ("fan", b'one("{}", 1)', "/Caller/{}/one"),
}


class Measured(msgspec.Struct, frozen=True):
    per_s: float
    p50_ms: float
    p99_ms: float
    cpu_ms: float


Call = Callable[[int, str], Awaitable[object]]


async def closed_loops(call: Call, clients: int, seconds: float, pids: tuple[int, ...]) -> Measured:
    """Run `call(client, worker)` in loops; processor time is that of the processes `pids`."""
    end = time.monotonic() + seconds
    latencies: list[float] = []
    names = itertools.cycle(f"w{number}" for number in range(WORKERS))
    cpu = sum(map(cpu_s, pids))

    async def loop(client: int) -> None:
        while time.monotonic() < end:
            begun = time.monotonic()
            await call(client, next(names))
            latencies.append(time.monotonic() - begun)

    begun = time.monotonic()
    await asyncio.gather(*(loop(client) for client in range(clients)))
    took = time.monotonic() - begun
    cuts = statistics.quantiles(latencies, n=100) if len(latencies) > 1 else latencies * 99
    spent = (sum(map(cpu_s, pids)) - cpu) / len(latencies)
    return Measured(len(latencies) / took, cuts[49] * 1e3, cuts[98] * 1e3, spent * 1e3)


async def ask_all(call: Call, clients: int) -> None:
    """Ask each key once."""
    left = iter(range(WORKERS))

    async def loop(client: int) -> None:
        for number in left:
            await call(client, f"w{number}")

    await asyncio.gather(*(loop(client) for client in range(clients)))


async def shem(system: System, counts: list[int], seconds: float):
    async with await Client.connect(system.url) as client:
        await client.components.add("load", build("load").read_bytes())
        links = {"demo:counter-client/counter-client": "load"}
        await client.components.add("fan", build("fan").read_bytes(), links=links)
    broker = await connect(ConnectOptions(servers=(system.url,)))
    load = Load(broker)
    await load.start()
    pids = (*system.about["pids"]["executors"], system.about["pids"]["broker"])
    found = {}
    for name, (component, text, _) in WORKLOADS.items():

        async def call(_client: int, worker: str, component=component, text=text) -> None:
            await load.invoke(worker, text.replace(b"{}", worker.encode()), component=component)

        await ask_all(call, 64)
        for clients in counts:
            found[name, clients] = await closed_loops(call, clients, seconds, pids)
    publishes, _ = await floor(broker, 64, min(2.0, seconds))
    await broker.close()
    return found, publishes


async def restate(running: peer.Restate, counts: list[int], seconds: float):
    connections = [await peer.Connection.open(running.port) for _ in range(max(64, *counts))]
    pids = (running.server, running.service)
    found = {}
    for name, (_, _, path) in WORKLOADS.items():

        async def call(client: int, worker: str, path=path) -> None:
            await connections[client].post(path.format(worker), b"1")

        await ask_all(call, 64)
        for clients in counts:
            found[name, clients] = await closed_loops(call, clients, seconds, pids)
    for connection in connections:
        connection.close()
    return found


def median(rounds: list[dict], key) -> Measured:
    return Measured(
        *(
            statistics.median([getattr(found[key], field) for found in rounds])
            for field in Measured.__struct_fields__
        )
    )


def show(ours: list[dict], theirs: list[dict], counts: list[int]) -> bool:
    table = Table(title="each synced before it is acknowledged; median of the rounds")
    for heading in ("workload", "clients", "Shem", "Restate", "throughput", "p50"):
        table.add_column(heading)
    met = True
    for name, clients in itertools.product(WORKLOADS, counts):
        our = median(ours, (name, clients))
        cells = [name, str(clients), _cell(our)]
        if theirs:
            their = median(theirs, (name, clients))
            faster, sooner = our.per_s / their.per_s, our.p50_ms / their.p50_ms
            met &= faster >= THROUGHPUT_RATIO_MIN and sooner <= LATENCY_RATIO_MAX
            cells += [_cell(their), f"{faster:.1f} x", f"{sooner:.2f} x"]
        table.add_row(*cells)
    Console().print(table)
    return met


def _cell(each: Measured) -> str:
    return (
        f"{each.per_s:,.0f}/s, p50 {each.p50_ms:.2f} ms, p99 {each.p99_ms:.1f} ms, "
        f"{each.cpu_ms:.2f} ms of processor"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--clients", default="1,16,64")
    parser.add_argument("--executors", type=int, default=1, help="of Shem")
    parser.add_argument("--streams", type=int, default=4, help="of Shem's broker")
    options = parser.parse_args()
    counts = [int(count) for count in options.clients.split(",")]
    reason = peer.missing()
    if reason:
        print(f"without Restate: {reason}", file=sys.stderr)
    ours, theirs, floors = [], [], []
    for number in range(options.rounds):
        print(f"round {number + 1} of {options.rounds}", file=sys.stderr)
        with System("always", streams=options.streams, executors=options.executors) as system:
            found, publishes = uvloop.run(shem(system, counts, options.seconds))
            ours.append(found)
            floors.append(publishes)
        if not reason:
            with peer.Restate() as running:
                theirs.append(uvloop.run(restate(running, counts, options.seconds)))
    met = show(ours, theirs, counts)
    print(
        f"floor: the broker alone takes {statistics.median(floors):,.0f} synced publishes/s of 64 "
        "clients; an invocation takes two, a call between workers five"
    )
    if theirs and not met:
        print(
            f"below the target of {THROUGHPUT_RATIO_MIN:.0f} times the throughput and a third of "
            "the latency in some row"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
