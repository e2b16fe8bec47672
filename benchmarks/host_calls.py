"""What a host call costs, live and in replay: guests in C and Python over the broker in memory.

Each figure is the time of one call, without that of an invocation that does nothing. Live includes
recording the call; replay is bringing the worker back, which answers all calls from its log. C
shows what the host costs, Python what a program pays that is interpreted.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Callable, Coroutine
from typing import Any, Final

from tests.replay.harness import Guests
from tests.replay.outside import Outside
from tests.simulation.cluster import Simulation

CALLS: Final = 500
TRIES: Final = 3
# How many more calls C makes in the same time.
C_TIMES: Final = 10
PYTHON: Final = {
    "clock": ("", "monotonic_clock.now()"),
    "random, 8 bytes": ("", "random.get_random_u64()"),
    "file read, 1 KiB": ("os.pwrite(fd, b'x' * 65536, 0)", "os.pread(fd, 1024, 0)"),
    "file read, 64 KiB": ("os.pwrite(fd, b'x' * 65536, 0)", "os.pread(fd, 65536, 0)"),
    "file write, 1 KiB": ("data = b'x' * 1024", "os.pwrite(fd, data, 0)"),
    "file write, 64 KiB": ("data = b'x' * 65536", "os.pwrite(fd, data, 0)"),
    "HTTP round trip": ("", "fetch('get', '$HTTP', '/status/200')"),
}
OPEN: Final = "fd = os.open('/tmp/file', os.O_RDWR | os.O_CREAT)"
# The part of the guest, and its size in bytes. Streams may wait, descriptors do not.
C: Final = {
    "clock": ("clock", 0),
    "random, 8 bytes": ("random", 0),
    **{
        f"{what}, {size >> 10} KiB": (part, size)
        for what, part in (
            ("file read", "read"),
            ("file read by a stream", "stream-read"),
            ("file write", "write"),
            ("file write by a stream", "stream-write"),
        )
        for size in (1 << 10, 64 << 10)
    },
}


async def measure(
    guests: Guests, component: bytes, function: str, calls: int, codes: Callable[[Any], Any]
) -> tuple[float, float]:
    """Return seconds per call: live, and in replay.

    `codes` makes the parameter of a preparation, `calls` calls of nothing, and as many of the thing
    itself, from the address of a server.
    """
    outside = Outside()
    await outside.start()
    async with Simulation(engine=guests, component=component) as simulation:
        node = simulation.start()
        keys = iter(range(100))
        prepare, empty, full = codes(f"127.0.0.1:{outside.port}")

        async def run(code: str) -> float:
            key = f"k{next(keys)}"
            begun = time.perf_counter()
            await simulation.publish("w", function, code, key=key)
            outcome = await simulation.result(key, within_s=300)
            assert "result" in outcome, outcome
            assert "err" not in outcome["result"], outcome
            return time.perf_counter() - begun

        async def back() -> float:
            nonlocal node
            await node.stop()
            node = simulation.start()
            return await run(empty)

        await run(prepare)
        # The least of several: other programs only ever make it longer.
        nothing = min([await run(empty) for _ in range(TRIES)])
        before = min([await back() for _ in range(TRIES)])
        live = min([await run(full) for _ in range(TRIES)]) - nothing
        replay = min([await back() for _ in range(TRIES)]) - before
    await outside.stop()
    return live / calls, replay / calls / TRIES


def in_python(prepare: str, call: str, calls: int) -> Callable[[str], tuple[str, str, str]]:
    """Return what makes the codes for a call in Python."""

    def codes(server: str) -> tuple[str, str, str]:
        full = f"for _ in range({calls}): {call}".replace("$HTTP", server)
        once = f"{OPEN}\n{prepare}\n{call}".replace("$HTTP", server)
        return once, f"for _ in range({calls}): pass", full

    return codes


def in_c(part: str, size: int, calls: int) -> Callable[[str], tuple[str, str, str]]:
    """Return what makes the codes for a call in C."""
    return lambda _: ("begin", "nothing 0 0", f"{part} {calls} {size}")


def show(name: str, measured: Coroutine[Any, Any, tuple[float, float]]) -> None:
    """Measure and print a line."""
    live, replay = asyncio.run(measured)
    print(f"{name:<34}{live * 1e6:>9.1f} µs{replay * 1e6:>9.1f} µs", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=CALLS)
    calls = parser.parse_args().calls
    guests = Guests()
    print(f"{'host call':<34}{'live':>12}{'replay':>12}   ({calls} calls each, {C_TIMES} x in C)")
    compiled, interpreted = guests.prepare("wasi-cost"), guests.prepare("probe")
    for name, (part, size) in C.items():
        codes = in_c(part, size, calls * C_TIMES)
        show(f"C: {name}", measure(guests, compiled, "call", calls * C_TIMES, codes))
    for name, (prepare, call) in PYTHON.items():
        codes = in_python(prepare, call, calls)
        show(f"Python: {name}", measure(guests, interpreted, "api/run", calls, codes))
    guests.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
