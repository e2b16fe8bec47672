"""Python guests: deployed, loaded again, shared between engines, instantiated.

Run: python -m benchmarks.engine_loading

Compiles two Python guests in a fresh cache, which takes a while. Wall milliseconds; the budgets are
those of the engine.
"""

import asyncio
import statistics
import tempfile
import time
from pathlib import Path

from actors.engine.engine import WasmtimeEngine
from actors.engine.port import HostCall, Limits
from tests.guests.build import build

ROUNDS = 5


class Store:
    def __init__(self):
        self.objects = {}

    async def get(self, name):
        return self.objects.get(name)

    async def put(self, name, data):
        self.objects[name] = data


def row(name, value, budget=None):
    limit = "" if budget is None else f"{budget:12.2f}"
    print(f"{name:42}{value:12.2f}{limit}", flush=True)


async def timed(work):
    start = time.perf_counter()
    outcome = await work
    return (time.perf_counter() - start) * 1e3, outcome


async def loaded_again(directory, data, store=None):
    """Return the median of loading in an engine that knows nothing yet."""
    times = []
    for number in range(ROUNDS):
        place = directory if store is None else directory / str(number)
        engine = WasmtimeEngine(place, store)
        times.append((await timed(engine.load(data)))[0])
        engine.close()
    return statistics.median(times)


async def instantiation(engine, data):
    component = await engine.load(data)
    program = component.link(Nothing())
    times = []
    for _ in range(20):
        took, instance = await timed(program.instantiate(None, Limits()))
        times.append(took)
        instance.close()
    return statistics.median(times), component.code


class Nothing:
    """Provides every import; none is called by instantiation alone."""

    def function(self, _interface, _name, _type):
        return HostCall(lambda *_: None)

    def drop(self, _resource):
        return None


async def main():
    first, second = (build(name).read_bytes() for name in ("counter", "probe"))
    print(f"{'':42}{'ms':>12}{'budget':>12}")
    with tempfile.TemporaryDirectory() as name:
        directory, store = Path(name), Store()
        engine = WasmtimeEngine(directory / "first", store)
        row("first Python guest deployed", (await timed(engine.load(first)))[0])
        row("second Python guest deployed", (await timed(engine.load(second)))[0], 1000)
        took, code = await instantiation(engine, first)
        row("instantiate a Python guest", took, 4.5)
        row("share of its code that the second uses, %", 100 * code.shared_size / code.code_size)
        engine.close()
        row("load from disk", await loaded_again(directory / "first", first), 20)
        row("load from the shared store", await loaded_again(directory, first, store))


if __name__ == "__main__":
    asyncio.run(main())
