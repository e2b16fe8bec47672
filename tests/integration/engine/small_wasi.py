"""A WASI 0.2 host just large enough for the guests of these tests, deterministic but for time."""

import asyncio
import random
import time
from dataclasses import dataclass, field

from actors.engine.port import HostCall


@dataclass
class World:
    """What one instance sees of the world, and what it did to it."""

    seed: int = 1
    output: dict[int, bytearray] = field(default_factory=lambda: {1: bytearray(), 2: bytearray()})
    dropped: list[tuple[str, object]] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    naps: int = 0

    def __post_init__(self):
        self.random = random.Random(self.seed)


@dataclass(eq=False)
class Pollable:
    deadline_ns: int = 0

    def is_ready(self):
        return time.monotonic_ns() >= self.deadline_ns


@dataclass(eq=False)
class Entry:
    content: str


async def block(world, pollable):
    world.naps += 1
    delay = (pollable.deadline_ns - time.monotonic_ns()) / 1e9
    if delay > 0:
        await asyncio.sleep(delay)


async def poll(world, pollables):
    await block(world, min(pollables, key=lambda each: each.deadline_ns))
    return [index for index, each in enumerate(pollables) if each.is_ready()]


def write(world, stream, data):
    world.output[stream] += data
    return ("ok", None)


async def blocking_write(world, stream, data):
    return write(world, stream, data)


async def blocking_flush(world, stream):
    return ("ok", None)


def wall_clock(world):
    seconds, nanoseconds = divmod(time.time_ns(), 10**9)
    return {"seconds": seconds, "nanoseconds": nanoseconds}


PLAIN = {
    "wasi:io/poll#[method]pollable.ready": lambda world, pollable: pollable.is_ready(),
    "wasi:clocks/monotonic-clock#now": lambda world: time.monotonic_ns(),
    "wasi:clocks/monotonic-clock#resolution": lambda world: 1,
    "wasi:clocks/monotonic-clock#subscribe-instant": lambda world, at: Pollable(at),
    "wasi:clocks/monotonic-clock#subscribe-duration": lambda world, duration: Pollable(
        time.monotonic_ns() + duration
    ),
    "wasi:clocks/wall-clock#now": wall_clock,
    "wasi:clocks/wall-clock#resolution": wall_clock,
    "wasi:random/random#get-random-bytes": lambda world, size: world.random.randbytes(size),
    "wasi:random/random#get-random-u64": lambda world: world.random.getrandbits(64),
    "wasi:random/insecure-seed#insecure-seed": lambda world: (1, 2),
    "wasi:io/streams#[method]output-stream.check-write": lambda world, stream: ("ok", 65536),
    "wasi:io/streams#[method]output-stream.write": write,
    "wasi:io/streams#[method]output-stream.flush": lambda world, stream: ("ok", None),
    "wasi:io/streams#[method]output-stream.subscribe": lambda world, stream: Pollable(),
    "wasi:cli/stdin#get-stdin": lambda world: 0,
    "wasi:cli/stdout#get-stdout": lambda world: 1,
    "wasi:cli/stderr#get-stderr": lambda world: 2,
    "wasi:cli/terminal-stdin#get-terminal-stdin": lambda world: None,
    "wasi:cli/terminal-stdout#get-terminal-stdout": lambda world: None,
    "wasi:cli/terminal-stderr#get-terminal-stderr": lambda world: None,
    "wasi:cli/environment#get-environment": lambda world: [("GREETING", "hi")],
    "wasi:cli/environment#get-arguments": lambda world: ["guest"],
    "wasi:cli/environment#initial-cwd": lambda world: None,
    "wasi:filesystem/preopens#get-directories": lambda world: [],
    "test:engine/store#[constructor]entry": lambda world, text: Entry(text),
    "test:engine/store#[method]entry.text": lambda world, entry: entry.content,
}
BLOCKING = {
    "wasi:io/poll#[method]pollable.block": block,
    "wasi:io/poll#poll": poll,
    "wasi:io/streams#[method]output-stream.blocking-flush": blocking_flush,
    "wasi:io/streams#[method]output-stream.blocking-write-and-flush": blocking_write,
}


class Host:
    """Resolves all of WASI: what the tests need works, the rest raises when it is called."""

    def function(self, interface, name, type_):
        key = f"{(interface or '').split('@')[0]}#{name}"
        if key in BLOCKING:
            return HostCall(BLOCKING[key], blocking=True)
        if key in PLAIN:
            return HostCall(PLAIN[key])
        if not key.startswith("wasi:"):
            return None

        def missing(world, *arguments):
            # The guests import more than they call; what they do call must not go unnoticed.
            raise NotImplementedError(key)

        return HostCall(missing)

    def drop(self, resource):
        def drop(world, dropped):
            world.dropped.append((resource.name, dropped))

        return drop
