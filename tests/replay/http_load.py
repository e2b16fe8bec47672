"""Requests of many workers against a server that cuts connections at random points.

    python -m tests.replay.http_load --workers 100 --requests 10000 --seed 1

Every invocation sends one request and has to end with the right answer, or with an error code that
says that the connection broke. Engine, guests and connections are real; the broker is in memory.
"""

import argparse
import asyncio
import contextlib
import json
import random
import sys
import time
from collections import Counter
from typing import Any

from tests.replay.harness import Guests
from tests.simulation.cluster import Simulation

CUT_SHARE = 0.05
WITHIN_S = 600
# What a cut looks like from the other side, by where it was made.
BROKEN = {
    "ErrorCode_ConnectionTerminated",
    "ErrorCode_HttpResponseIncomplete",
    "ErrorCode_HttpProtocolError",
}
PROGRAM = """
def one(path, body):
    try:
        found = fetch('post', '{http}', path, body=body)
        return [found.status, found.body.decode()]
    except Err as error:
        code = error.value
        return ['error', type(code.value if isinstance(code, Some) else code).__name__]
"""


class CuttingServer:
    """Answers with path and body; some answers break off at a random byte."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.heard: Counter[str] = Counter()
        self.cuts = 0

    async def start(self) -> None:
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            if self.random.random() < CUT_SHARE / 2:
                self.cuts += 1
                writer.transport.abort()
                return
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            path = head.split(" ")[1]
            body = await _body(reader, head)
            self.heard[path] += 1
            told = json.dumps([path, len(body)]).encode()
            answer = f"HTTP/1.1 200 OK\r\ncontent-length: {len(told)}\r\n\r\n".encode() + told
            if self.random.random() < CUT_SHARE / 2:
                self.cuts += 1
                answer = answer[: self.random.randrange(len(answer))]
            writer.write(answer)
            await writer.drain()
        writer.close()

    async def stop(self) -> None:
        self.server.close()


async def _body(reader: asyncio.StreamReader, head: str) -> bytes:
    if "transfer-encoding: chunked" in head:
        body = b""
        while size := int(await reader.readuntil(b"\r\n"), 16):
            body += (await reader.readexactly(size + 2))[:-2]
        await reader.readuntil(b"\r\n")
        return body
    lengths = [line for line in head.split("\r\n") if line.startswith("content-length:")]
    return await reader.readexactly(int(lengths[0].partition(":")[2])) if lengths else b""


def load(guests: Guests, *, workers: int, requests: int, seed: int) -> Counter[str]:
    """Send the requests; return how many ended how.

    Raises:
        AssertionError: an invocation ended with neither the right answer nor a broken connection.
    """
    component = guests.prepare("probe")
    return asyncio.run(_load(guests, component, workers, requests, seed))


async def _load(
    guests: Guests, component: bytes, workers: int, requests: int, seed: int
) -> Counter[str]:
    server = CuttingServer(seed)
    await server.start()
    ends: Counter[str] = Counter()
    async with Simulation(engine=guests, component=component) as simulation:
        simulation.start()
        work = [
            _worker(simulation, server, number, requests // workers, ends)
            for number in range(workers)
        ]
        await asyncio.gather(*work)
    await server.stop()
    assert server.cuts > 0, "nothing was cut"
    ends["cut"] = server.cuts
    return ends


async def _worker(
    simulation: Simulation, server: CuttingServer, number: int, count: int, ends: Counter[str]
) -> None:
    name = f"w{number}"
    program = PROGRAM.replace("{http}", f"127.0.0.1:{server.port}")
    await _run(simulation, name, program, f"{name}-program")
    for index in range(count):
        path, size = f"/{name}/{index}", (number * 7 + index) % 50
        code = f"one({path!r}, b'x' * {size})"
        told = await _run(simulation, name, code, f"{name}-{index}")
        kind, detail = told
        if kind == "error":
            assert detail in BROKEN, (path, told)
            ends["reported"] += 1
        else:
            assert kind == 200, (path, told)
            assert json.loads(detail) == [path, size], (path, told)
            # An executor that a busy machine let sleep too long begins afresh: sent once more.
            assert server.heard[path] >= 1, path
            ends["right"] += 1
            ends["repeated"] += server.heard[path] - 1


async def _run(simulation: Simulation, worker: str, code: str, key: str) -> Any:
    await simulation.publish(worker, "api/run", code, key=key)
    outcome = await simulation.result(key, within_s=WITHIN_S)
    assert "ok" in outcome.get("result", {}), outcome
    return json.loads(outcome["result"]["ok"])


def main() -> int:
    """Run with the numbers of the command line and say what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=100)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    guests = Guests()
    begun = time.monotonic()
    ends = load(guests, workers=options.workers, requests=options.requests, seed=options.seed)
    guests.close()
    took_s = time.monotonic() - begun
    print(
        f"{options.requests} requests of {options.workers} workers in {took_s:.0f} s: "
        f"{ends['right']} right, {ends['reported']} reported failures, {ends['cut']} cuts, "
        f"{ends['repeated']} repeated"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
