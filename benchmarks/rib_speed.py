"""How fast programs compile and run.

    python benchmarks/rib_speed.py

Budgets: at least 1,000,000 simple operations a second in pure evaluation, and under 50 µs for a
typical script of an HTTP API (about 30 nodes, one worker call) without the call itself. Compiling
happens once per deployment, loading stored code once per process.
"""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable

import rib
from wit.types import FunctionType, Parameter, Primitive
from wit.world import Function, Interface, World

OPERATIONS_PER_S_MIN = 1_000_000
REQUEST_US_MAX = 50
REPEATS = 5

API = "demo:shop/api"
PRICE = Function(
    "price-of",
    FunctionType(
        (Parameter("sku", Primitive.STRING), Parameter("count", Primitive.U32)), Primitive.U64
    ),
    API,
)
COMPONENTS = {"shop": World(export_interfaces=(Interface(API, (PRICE,)),))}

REQUEST = """
let user = request.path.user;
let count: u32 = request.query.count;
let worker = instance("shop-${user}");
let price = worker.price-of(request.query.sku, count);
let status: u16 = if price > 0 then 200 else 404;
{status: status, headers: {content-type: "application/json"},
 body: {user: user, price: price, text: "${count} for ${price}"}}
"""
INPUTS = {"request.path.user": "eve", "request.query.count": 3, "request.query.sku": "k-1"}
# A turn has eight operations: four of arithmetic, a comparison, a branch, a load, a store.
LOOP_TURNS = 20_000
LOOP_OPERATIONS = 8
LOOP = f"""
reduce total, i in 0..{LOOP_TURNS} from 0 {{
  yield if i % 3 == 0 then total + i * 2 + 1 else total + 1;
}}
"""


class Shop:
    """Answers at once, so that only the program's own time is measured."""

    async def call(self, _: rib.WorkerCall, /) -> int:
        return 12

    async def drop(self, _: rib.ResourceDrop, /) -> None:
        pass


def best_s(task: Callable[[], object]) -> float:
    """Return the shortest processor time of some repeats: what others do does not count."""
    times = []
    for _ in range(REPEATS):
        start = time.process_time()
        task()
        times.append(time.process_time() - start)
    return min(times)


def compile_request() -> rib.Program:
    return rib.compile(REQUEST, COMPONENTS, rib.GATEWAY_GLOBALS)


async def run_many(count: int, run: Callable[[], Awaitable[object]]) -> None:
    for _ in range(count):
        await run()


def main() -> int:
    program = compile_request()
    stored = program.encode()
    loop = rib.compile(LOOP)
    count = 5_000
    compile_ms = best_s(compile_request) * 1e3
    load_ms = best_s(lambda: rib.Program.decode(stored)) * 1e3
    request_s = best_s(lambda: asyncio.run(run_many(count, lambda: program.run(Shop(), INPUTS))))
    request_us = request_s / count * 1e6
    loop_s = best_s(lambda: asyncio.run(loop.run(rib.NO_WORKERS)))
    rate = LOOP_TURNS * LOOP_OPERATIONS / loop_s
    sys.stdout.write(
        f"compile  {compile_ms:8.2f} ms   the request script, parse to code\n"
        f"load     {load_ms:8.2f} ms   the same from its {len(stored)} stored bytes\n"
        f"request  {request_us:8.2f} µs   budget {REQUEST_US_MAX} µs\n"
        f"loop     {rate / 1e6:8.2f} M operations/s   budget {OPERATIONS_PER_S_MIN / 1e6:.0f} M\n"
    )
    return 0 if request_us <= REQUEST_US_MAX and rate >= OPERATIONS_PER_S_MIN else 1


if __name__ == "__main__":
    sys.exit(main())
