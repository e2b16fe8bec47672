"""A WASI 0.2 whose answers depend on nothing outside, for both engines, writing down each call.

What a guest asks for, in which order and with which arguments is compared by comparing `calls`.
Handles are numbers in both.
"""

import asyncio
import random

from component_oracle import Handles, from_oracle, to_oracle
from wasmtime import component as oracle

from actors.engine.port import HostCall
from wit.types import ResourceName

OUT, ERR, IN = 1, 2, 3
FIRST_HANDLE = 100
STEP_NS = 1_000_000
WAITS = {
    "wasi:io/poll#[method]pollable.block",
    "wasi:io/poll#poll",
    "wasi:io/streams#[method]output-stream.blocking-flush",
    "wasi:io/streams#[method]output-stream.blocking-write-and-flush",
}


class World:
    """What one run of a guest sees, and what it asked for."""

    def __init__(self, seed=1):
        self.random = random.Random(seed)
        self.calls = []
        self.output = {OUT: bytearray(), ERR: bytearray()}
        self.time_ns = 0
        self.handles = FIRST_HANDLE

    def answer(self, key, arguments):
        """Write a call down and return its result."""
        self.calls.append((key, arguments))
        return ANSWERS[key](self, *arguments)

    def dropped(self, resource, handle):
        self.calls.append((f"drop {resource.interface}/{resource.name}", handle))

    def new_handle(self):
        self.handles += 1
        return self.handles

    def now(self):
        self.time_ns += STEP_NS
        return self.time_ns

    def wall(self):
        seconds, nanoseconds = divmod(self.now(), 10**9)
        return {"seconds": 1_800_000_000 + seconds, "nanoseconds": nanoseconds}

    def sleep(self, duration_ns):
        self.time_ns += duration_ns
        return self.new_handle()

    def write(self, stream, data):
        self.output[stream] += data
        return ("ok", None)


ANSWERS = {
    "wasi:io/poll#[method]pollable.ready": lambda world, pollable: True,
    "wasi:io/poll#[method]pollable.block": lambda world, pollable: None,
    "wasi:io/poll#poll": lambda world, pollables: list(range(len(pollables))),
    "wasi:clocks/monotonic-clock#now": World.now,
    "wasi:clocks/monotonic-clock#resolution": lambda world: STEP_NS,
    "wasi:clocks/monotonic-clock#subscribe-instant": lambda world, when: world.new_handle(),
    "wasi:clocks/monotonic-clock#subscribe-duration": World.sleep,
    "wasi:clocks/wall-clock#now": World.wall,
    "wasi:clocks/wall-clock#resolution": lambda world: {"seconds": 0, "nanoseconds": STEP_NS},
    "wasi:random/random#get-random-bytes": lambda world, size: world.random.randbytes(size),
    "wasi:random/random#get-random-u64": lambda world: world.random.getrandbits(64),
    "wasi:random/insecure#get-insecure-random-bytes": lambda world, size: bytes(size),
    "wasi:random/insecure#get-insecure-random-u64": lambda world: 4,
    "wasi:random/insecure-seed#insecure-seed": lambda world: (1, 2),
    "wasi:io/streams#[method]output-stream.check-write": lambda world, stream: ("ok", 65536),
    "wasi:io/streams#[method]output-stream.write": World.write,
    "wasi:io/streams#[method]output-stream.flush": lambda world, stream: ("ok", None),
    "wasi:io/streams#[method]output-stream.blocking-flush": lambda world, stream: ("ok", None),
    "wasi:io/streams#[method]output-stream.blocking-write-and-flush": World.write,
    "wasi:io/streams#[method]output-stream.subscribe": lambda world, stream: world.new_handle(),
    "wasi:cli/stdin#get-stdin": lambda world: IN,
    "wasi:cli/stdout#get-stdout": lambda world: OUT,
    "wasi:cli/stderr#get-stderr": lambda world: ERR,
    "wasi:cli/terminal-stdin#get-terminal-stdin": lambda world: None,
    "wasi:cli/terminal-stdout#get-terminal-stdout": lambda world: None,
    "wasi:cli/terminal-stderr#get-terminal-stderr": lambda world: None,
    "wasi:cli/environment#get-environment": lambda world: [("GREETING", "hi")],
    "wasi:cli/environment#get-arguments": lambda world: ["guest"],
    "wasi:cli/environment#initial-cwd": lambda world: None,
    "wasi:filesystem/preopens#get-directories": lambda world: [],
}


def key_of(interface, name):
    return f"{(interface or '').split('@')[0]}#{name}"


class Resolver:
    """For this project's engine; the world is the instance's data."""

    def function(self, interface, name, type_):
        key = key_of(interface, name)

        async def waiting(world, *arguments):
            await asyncio.sleep(0)
            return world.answer(key, arguments)

        if key in WAITS:
            return HostCall(waiting, blocking=True)
        return HostCall(lambda world, *arguments: world.answer(key, arguments))

    def drop(self, resource):
        return lambda world, handle: world.dropped(resource, handle)


def define(linker, store, imports, world):
    """Give a linker of wasmtime's component API the same functions."""
    handles = Handles(store)
    for interface in imports:
        with linker.root() as root, root.add_instance(interface.name) as instance:
            used = dict(interface.used)
            for name in interface.resources:
                declared = used.get(name) or ResourceName(name, interface.name)
                _resource(instance, name, declared, handles, world)
            for function in interface.functions:
                _function(instance, function, key_of(interface.name, function.name), handles, world)


def _resource(instance, name, declared, handles, world):
    resource = oracle.ResourceType.host(handles.number(declared))
    instance.add_resource(name, resource, lambda _store, rep: world.dropped(declared, rep))


def _function(instance, function, key, handles, world):
    type_ = function.type

    def run(_store, *given):
        arguments = tuple(
            from_oracle(parameter.type, each, handles)
            for parameter, each in zip(type_.parameters, given, strict=True)
        )
        result = world.answer(key, arguments)
        return None if type_.result is None else to_oracle(type_.result, result, handles)

    instance.add_func(function.name, run)
