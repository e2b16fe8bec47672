"""Requests at an even rate over many connections: what one takes while nothing queues for long.

    python -m benchmarks.paced http|nats URL SECONDS CONNECTIONS PER_SECOND

Each is due at a time that the rate decides, and measured from then on, so that one that is late
because the one before was slow counts as slow. Prints a `Load` as JSON.
"""

import asyncio
import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from urllib.parse import urlsplit

import uvloop

from benchmarks.http_load import Load
from shem.client import Client

LIMIT_S = 60
Call = Callable[[], Awaitable[bool]]


async def paced(calls: Sequence[Call], seconds: float, per_second: float) -> Load:
    """Let each connection call in turn; a call says whether its answer was right."""
    times: list[float] = []
    wrong = 0
    every_s = len(calls) / per_second
    begun = time.perf_counter()

    async def connection(number: int, call: Call) -> None:
        nonlocal wrong
        due = begun + number / per_second
        while due < begun + seconds:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            wrong += not await call()
            times.append((time.perf_counter() - due) * 1e3)
            due += every_s

    async with asyncio.TaskGroup() as group:
        for number, call in enumerate(calls):
            group.create_task(connection(number, call))
    times.sort()
    took_s = time.perf_counter() - begun
    middle, late = times[len(times) // 2], times[len(times) * 99 // 100]
    return Load(len(times) / took_s, middle, late, wrong)


async def over_http(url: str, seconds: float, connections: int, per_second: float) -> Load:
    place = urlsplit(url)
    async with contextlib.AsyncExitStack() as stack:

        async def opened(number: int) -> Call:
            reader, writer = await asyncio.open_connection(place.hostname, place.port)
            stack.callback(writer.close)
            path = place.path.replace("*", str(number))
            request = f"POST {path} HTTP/1.1\r\nHost: {place.netloc}\r\nContent-Length: 0\r\n\r\n"

            async def call() -> bool:
                writer.write(request.encode())
                head = await reader.readuntil(b"\r\n\r\n")
                fields = dict(
                    line.lower().split(": ", 1) for line in head.decode().split("\r\n")[1:-2]
                )
                await reader.readexactly(int(fields["content-length"]))
                return head.startswith(b"HTTP/1.1 200")

            return call

        calls = [await opened(number) for number in range(connections)]
        return await paced(calls, seconds, per_second)


async def over_nats(url: str, seconds: float, connections: int, per_second: float) -> Load:
    async with await Client.connect(url) as client:

        def opened(number: int) -> Call:
            worker = client.worker("tiny", str(number))

            async def call() -> bool:
                return await worker.invoke("add", 1) is not None

            return call

        return await paced([opened(n) for n in range(connections)], seconds, per_second)


def paced_load(how: str, url: str, seconds: float, connections: int, per_second: float) -> Load:
    """Measure in a process of its own."""
    words = map(str, (how, url, seconds, connections, per_second))
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.paced", *words],
        capture_output=True,
        text=True,
        check=True,
        timeout=seconds + LIMIT_S,
    )
    return Load(**json.loads(done.stdout))


if __name__ == "__main__":
    how, url, *numbers = sys.argv[1:]
    measure = over_http if how == "http" else over_nats
    found = uvloop.run(measure(url, float(numbers[0]), int(numbers[1]), float(numbers[2])))
    print(json.dumps(found._asdict()))
