"""The gateway under load: many connections, bad connections, and ten thousand idle websockets.

    python -m benchmarks.gateway_load [SECONDS]

Everything is compared within one run: a bare answer of the server, a program without calls, an
invocation over HTTP, and the same invocation over NATS. Then the program again while other clients
stall in the middle of a request or never read an answer; and while websockets are open. First with
one connection, where nothing queues: what the gateway adds to an invocation is the difference. Also
with all connections at an even rate that leaves the processors half idle.
`processor` is what the gateway's process takes for each request. Fails if the gateway then adds
more than `ADDED_MS_MAX`, if a request was answered otherwise than it should, if bad connections
slow others down by more than `SLOWDOWN_MAX`, or if an idle websocket takes more than
`SOCKET_KIB_MAX`.
"""

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.http_load import WRK, Load, load
from benchmarks.paced import paced_load
from shem.client import Client
from tests.guests.build import build
from tests.support.system import RunningSystem

SECONDS = 5
CONNECTIONS = 64
STALLED = 300
UNREAD = 100
SOCKETS = 10_000
PACED_SHARE = 0.25
ADDED_MS_MAX = 1.0
SLOWDOWN_MAX = 2.0
SOCKET_KIB_MAX = 64
PATIENCE_S = 60
API = """
id: bench
version: "1"
routes:
  - {method: GET, path: /hello, binding: {type: default, response: '"hello"'}}
  - method: POST
    path: /add/{name}
    binding: {type: default, components: [tiny], response: 'instance(request.path.name).add(1)'}
  - method: GET
    path: /idle
    binding: {type: websocket, component: chat, worker: '"idle"', on-message: said}
"""


def nats_load(url: str, seconds: int, connections: int = CONNECTIONS) -> Load:
    """The invocation over NATS, by as many clients in a process of their own."""
    line = [sys.executable, "-m", "benchmarks.gateway_load", "--nats", url]
    done = subprocess.run(
        [*line, str(seconds), str(connections)],
        capture_output=True,
        text=True,
        check=True,
    )
    return Load(**json.loads(done.stdout))


async def call_over_nats(url: str, seconds: int, connections: int) -> Load:
    times: list[float] = []
    until = time.perf_counter() + seconds
    async with await Client.connect(url) as client:

        async def caller(number: int) -> None:
            worker = client.worker("tiny", str(number))
            while (start := time.perf_counter()) < until:
                await worker.invoke("add", 1)
                times.append((time.perf_counter() - start) * 1e3)

        async with asyncio.TaskGroup() as group:
            for number in range(connections):
                group.create_task(caller(number))
    times.sort()
    return Load(len(times) / seconds, times[len(times) // 2], times[len(times) * 99 // 100], 0)


@contextlib.contextmanager
def bad_connections(host: str, port: int) -> Iterator[None]:
    """Connections that stall in the middle of a head, and some that ask and never read."""
    opened = []
    for number in range(STALLED + UNREAD):
        connection = socket.create_connection((host, port))
        head = b"GET /hello HTTP/1.1\r\nHost: x\r\n"
        connection.sendall(head if number < STALLED else (head + b"\r\n") * 20)
        opened.append(connection)
    try:
        yield
    finally:
        for each in opened:
            each.close()


@contextlib.contextmanager
def websockets(host: str, port: int) -> Iterator[int]:
    """Idle websockets; yield how many there are."""
    line = [sys.executable, "-m", "benchmarks.idle_websockets", host, str(port), "/idle"]
    with subprocess.Popen(
        [*line, str(SOCKETS)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()


def memory_kib(pid: int) -> int:
    (line,) = [
        line
        for line in Path(f"/proc/{pid}/status").read_text().splitlines()
        if line.startswith("VmRSS")
    ]
    return int(line.split()[1])


def processor_s(pid: int) -> float:
    """How long a process has run, in the kernel's ticks of 10 ms."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def told(name: str, found: Load, beside: Load | None = None, *, each_us: float = 0) -> None:
    ratio = "" if beside is None else f"   {found.per_second / beside.per_second:5.2f} of hello"
    ratio += f"   processor {each_us:5.0f} µs" if each_us else ""
    print(
        f"{name:<36} {found.per_second:9.0f}/s   p50 {found.p50_ms:7.2f} ms   "
        f"p99 {found.p99_ms:7.2f} ms{ratio}",
        flush=True,
    )


def main(seconds: int) -> int:
    folder = tempfile.mkdtemp(prefix="shem-load-")
    with RunningSystem(Path(folder), http=True) as system:
        (system.folder / "api.yaml").write_text(API)
        for command in (
            ("component", "add", "tiny", str(build("tiny"))),
            ("component", "add", "chat", str(build("chat"))),
            ("api", "deploy", "api.yaml"),
        ):
            done = system.run("shem", *command)
            assert done.returncode == 0, done.stdout
        return measured(system, seconds)


def added_at(system: RunningSystem, per_second: int, seconds: int) -> tuple[float, int]:
    """Return what the gateway adds at an even rate, and how many answers were wrong.

    Where everybody always asks, the processors are the limit, and what one request takes of them
    all others wait for.
    """
    print(f"{CONNECTIONS} connections, {seconds} s each, at an even rate of {per_second}/s")
    place = f"{system.http_url}/add/*"
    over_http = paced_load("http", place, seconds, CONNECTIONS, per_second)
    told("an invocation over HTTP", over_http)
    over_nats = paced_load("nats", system.url, seconds, CONNECTIONS, per_second)
    told("an invocation over NATS", over_nats)
    adds_ms = over_http.p50_ms - over_nats.p50_ms
    print(f"{'the gateway adds, p50':<36} {adds_ms:9.2f} ms (budget {ADDED_MS_MAX:.0f} ms)")
    return adds_ms, over_http.failed + over_nats.failed


def measured(system: RunningSystem, seconds: int) -> int:
    base = system.http_url
    place = urlsplit(base)
    host, port = place.hostname or "", place.port or 0

    gateway = int(system.wait_for(lambda _: True)["pids"]["gateway"])
    each_us: dict[str, float] = {}

    def over_http(path: str, method: str = "GET", connections: int = CONNECTIONS) -> Load:
        before = processor_s(gateway)
        found = load(
            base + path,
            method=method,
            connections=connections,
            seconds=seconds,
            folder=system.folder,
        )
        took_s = processor_s(gateway) - before
        each_us[path] = took_s / max(1, found.per_second * seconds) * 1e6
        return found

    deadline = time.monotonic() + PATIENCE_S
    while over_http("/hello").failed:
        assert time.monotonic() < deadline, "the API is not served"
    print(f"1 connection, {seconds} s each, by {WRK or 'clients of our own'}")
    told("a program without calls (hello)", over_http("/hello", connections=1))
    alone = over_http("/add/{n}", "POST", connections=1)
    told("an invocation over HTTP", alone, each_us=each_us["/add/{n}"])
    direct = nats_load(system.url, seconds, 1)
    told("an invocation over NATS", direct)
    print(f"{'the gateway adds, p50':<36} {alone.p50_ms - direct.p50_ms:9.2f} ms")
    print(f"{CONNECTIONS} connections, {seconds} s each")
    hello = over_http("/hello")
    invoked = over_http("/add/{n}", "POST")
    direct = nats_load(system.url, seconds)
    bare = over_http("/.shem/health")
    told("a bare answer of the server", bare, hello, each_us=each_us["/.shem/health"])
    told("a program without calls (hello)", hello, each_us=each_us["/hello"])
    told("an invocation over HTTP", invoked, hello, each_us=each_us["/add/{n}"])
    told("an invocation over NATS", direct, hello)
    rate = invoked.per_second / direct.per_second
    print(f"{'HTTP against NATS':<36} {rate:9.2f}")
    even = round(min(invoked.per_second, direct.per_second) * PACED_SHARE)
    adds_ms, failed = added_at(system, even, seconds)
    with bad_connections(host, port):
        beside = over_http("/hello")
    told(f"hello beside {STALLED + UNREAD} bad connections", beside, hello)
    slowdown = hello.per_second / beside.per_second
    before = memory_kib(gateway)
    start = time.perf_counter()
    with websockets(host, port) as count:
        took_s = time.perf_counter() - start
        each_kib = (memory_kib(gateway) - before) / max(1, count)
        told(f"hello beside {count} websockets", over_http("/hello"), hello)
        print(
            f"{'an idle websocket':<36} {each_kib:9.1f} KiB   {count / took_s:.0f} opened a second"
        )
    failed += hello.failed + invoked.failed + beside.failed
    print(f"{'answers that were wrong':<36} {failed:9d}")
    is_slow = adds_ms > ADDED_MS_MAX or slowdown > SLOWDOWN_MAX
    is_bad = failed > 0 or each_kib > SOCKET_KIB_MAX or count < SOCKETS
    return int(is_slow or is_bad)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--nats"]:
        print(
            json.dumps(asyncio.run(call_over_nats(sys.argv[2], *map(int, sys.argv[3:5])))._asdict())
        )
        sys.exit(0)
    sys.exit(main(int(sys.argv[1]) if sys.argv[1:] else SECONDS))
