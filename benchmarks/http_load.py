"""Many connections at once against one URL: wrk where it is installed, else clients of our own.

python -m benchmarks.http_load URL METHOD CONNECTIONS SECONDS     runs those, prints JSON
"""

import asyncio
import json
import re
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

WRK = shutil.which("wrk")
_UNITS_MS = {"us": 1e-3, "ms": 1.0, "s": 1e3}


class Load(NamedTuple):
    """Requests per second, median and 99th percentile in milliseconds, answers that were wrong."""

    per_second: float
    p50_ms: float
    p99_ms: float
    failed: int


def load(url: str, *, method: str, connections: int, seconds: int, folder: Path) -> Load:
    """Keep so many connections busy for so long; `{n}` in the URL is another number each time."""
    if WRK is None:
        line = [sys.executable, "-m", "benchmarks.http_load", url, method]
        done = subprocess.run(
            [*line, str(connections), str(seconds)], capture_output=True, text=True, check=True
        )
        return Load(**json.loads(done.stdout))
    script = folder / "load.lua"
    path = urlsplit(url).path.replace("{n}", '" .. n % 64 .. "')
    script.write_text(
        f'local n = 0\nfunction request() n = n + 1; return wrk.format("{method}", "{path}") end\n'
    )
    done = subprocess.run(
        [
            *(WRK, "--latency", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s"),
            *("-s", str(script), url.replace("{n}", "0")),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    return _parsed(done.stdout)


def _parsed(text: str) -> Load:
    def time_ms(percent: str) -> float:
        found = re.search(rf"^ +{percent} +([\d.]+)(us|ms|s)$", text, re.MULTILINE)
        assert found, text
        return float(found[1]) * _UNITS_MS[found[2]]

    rate = re.search(r"^Requests/sec: +([\d.]+)$", text, re.MULTILINE)
    assert rate, text
    wrong = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    errors = re.search(r"connect (\d+), read (\d+), write (\d+), timeout (\d+)", text)
    failed = (int(wrong[1]) if wrong else 0) + (sum(map(int, errors.groups())) if errors else 0)
    return Load(float(rate[1]), time_ms("50%"), time_ms("99%"), failed)


async def _own(url: str, method: str, connections: int, seconds: int) -> Load:
    place = urlsplit(url)
    times: list[float] = []
    failed = 0
    until = time.perf_counter() + seconds

    async def client(number: int) -> None:
        nonlocal failed
        reader, writer = await asyncio.open_connection(place.hostname, place.port)
        while (start := time.perf_counter()) < until:
            path = place.path.replace("{n}", str(number % 64))
            number += connections + 1
            writer.write(
                f"{method} {path} HTTP/1.1\r\nHost: {place.netloc}\r\n"
                "Content-Length: 0\r\n\r\n".encode()
            )
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", head.lower())
            await reader.readexactly(int(length[1]) if length else 0)
            times.append((time.perf_counter() - start) * 1e3)
            failed += not head.startswith(b"HTTP/1.1 2")
        writer.close()

    async with asyncio.TaskGroup() as group:
        for number in range(connections):
            group.create_task(client(number))
    return Load(
        len(times) / seconds,
        statistics.median(times),
        statistics.quantiles(times, n=100)[98],
        failed,
    )


if __name__ == "__main__":
    url, method, connections, seconds = sys.argv[1:]
    found = asyncio.run(_own(url, method, int(connections), int(seconds)))
    print(json.dumps(found._asdict()))
