"""What a host call costs, live and in replay: a Python guest over the broker in memory.

Each figure is the time of one call, without that of an invocation that does nothing. Live includes
recording the call; replay is bringing the worker back, which answers all calls from its log.
"""

import argparse
import asyncio
import sys
import time
from typing import Any

from tests.replay.harness import Guests
from tests.replay.outside import Outside
from tests.simulation.cluster import Simulation

CALLS = 500
TRIES = 3
OPERATIONS = {
    "clock": ("", "monotonic_clock.now()"),
    "random, 8 bytes": ("", "random.get_random_u64()"),
    "file read, 1 KiB": ("os.pwrite(fd, b'x' * 65536, 0)", "os.pread(fd, 1024, 0)"),
    "file read, 64 KiB": ("os.pwrite(fd, b'x' * 65536, 0)", "os.pread(fd, 65536, 0)"),
    "file write, 1 KiB": ("data = b'x' * 1024", "os.pwrite(fd, data, 0)"),
    "file write, 64 KiB": ("data = b'x' * 65536", "os.pwrite(fd, data, 0)"),
    "HTTP round trip": ("", "fetch('get', '$HTTP', '/status/200')"),
}
OPEN = "fd = os.open('/tmp/file', os.O_RDWR | os.O_CREAT)"


async def measure(guests: Guests, component: bytes, prepare: str, call: str, calls: int) -> Any:
    """Return seconds per call: live, and in replay."""
    outside = Outside()
    await outside.start()
    async with Simulation(engine=guests, component=component) as simulation:
        node = simulation.start()
        keys = iter(range(100))

        async def run(code: str) -> float:
            key = f"k{next(keys)}"
            code = code.replace("$HTTP", f"127.0.0.1:{outside.port}")
            begun = time.perf_counter()
            await simulation.publish("w", "api/run", code, key=key)
            outcome = await simulation.result(key, within_s=300)
            assert "ok" in outcome["result"], outcome
            return time.perf_counter() - begun

        async def back() -> float:
            nonlocal node
            await node.stop()
            node = simulation.start()
            return await run("1")

        await run(f"{OPEN}\n{prepare}\n{call}")
        empty, full = f"for _ in range({calls}): pass", f"for _ in range({calls}): {call}"
        # The least of several: other programs only ever make it longer.
        nothing = min([await run(empty) for _ in range(TRIES)])
        before = min([await back() for _ in range(TRIES)])
        live = min([await run(full) for _ in range(TRIES)]) - nothing
        replay = min([await back() for _ in range(TRIES)]) - before
    await outside.stop()
    return live / calls, replay / calls / TRIES


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=CALLS)
    calls = parser.parse_args().calls
    guests = Guests()
    component = guests.prepare("probe")
    print(f"{'host call':<22}{'live':>12}{'replay':>12}   ({calls} calls each)")
    for name, (prepare, call) in OPERATIONS.items():
        live, replay = asyncio.run(measure(guests, component, prepare, call, calls))
        print(f"{name:<22}{live * 1e6:>9.0f} µs{replay * 1e6:>9.0f} µs", flush=True)
    guests.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
