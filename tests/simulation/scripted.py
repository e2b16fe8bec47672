"""An engine whose guests are Python: lets the executor be driven through every crash, fast.

It keeps the engine's contract (`actors.engine.port`): guests reach the world only through the
resolved host functions, and an instance is of no use after any failure. The engine is not tested.
"""

import hashlib
from collections.abc import Sequence
from typing import Any

from actors.engine.errors import ComponentError, GuestTrap, MissingImportsError
from actors.engine.port import HostCall, HostResolver, Limits, Progress
from wit.types import (
    Borrow,
    FunctionType,
    Own,
    Parameter,
    Primitive,
    ResourceName,
)
from wit.world import Function, Interface, World

API = "demo:counter/api"
U64 = Primitive.U64
POLLABLE = ResourceName("pollable", "wasi:io/poll@0.2.9")
IMPORTS = {
    "random": ("wasi:random/random@0.2.9", "get-random-u64", FunctionType((), U64)),
    "now": ("wasi:clocks/monotonic-clock@0.2.9", "now", FunctionType((), U64)),
    "timer": (
        "wasi:clocks/monotonic-clock@0.2.9",
        "subscribe-duration",
        FunctionType((Parameter("when", U64),), Own(POLLABLE)),
    ),
    "block": (
        "wasi:io/poll@0.2.9",
        "[method]pollable.block",
        FunctionType((Parameter("self", Borrow(POLLABLE)),)),
    ),
    "exit": (
        "wasi:cli/exit@0.2.9",
        "exit-with-code",
        FunctionType((Parameter("status-code", Primitive.U8),)),
    ),
}


class Counter:
    """The guest. State is a number, a list of what it was told, and a flag for failing once."""

    def __init__(self, host: "Host") -> None:
        self.host = host
        self.value = 0
        self.steps: dict[int, int] = {}

    async def add(self, value: int) -> int:
        self.value += value
        return self.value

    async def get(self) -> int:
        return self.value

    async def roll(self) -> int:
        number = await self.host.call("random") % 1_000
        self.value += number
        return number

    async def nap(self, ms: int) -> int:
        begun = await self.host.call("now")
        await self.host.call("block", await self.host.call("timer", ms * 1_000_000))
        self.value += 1
        ended = await self.host.call("now")
        return (ended - begun) // 1_000_000

    async def step(self, client: int, number: int) -> int:
        late = number <= self.steps.get(client, 0)
        self.steps[client] = number
        return int(late)

    async def text(self, size: int) -> str:
        return "x" * size

    async def trap(self) -> int:
        await self.host.call("random")
        raise GuestTrap("wasm `unreachable` instruction executed", kind="unreachable")

    async def leave(self, code: int) -> None:
        await self.host.call("exit", code)


_TYPES = {
    "add": FunctionType((Parameter("value", U64),), U64),
    "get": FunctionType((), U64),
    "roll": FunctionType((), U64),
    "nap": FunctionType((Parameter("ms", U64),), U64),
    "step": FunctionType((Parameter("client", U64), Parameter("number", U64)), U64),
    "trap": FunctionType((), U64),
    "text": FunctionType((Parameter("size", U64),), Primitive.STRING),
    "leave": FunctionType((Parameter("code", Primitive.U8),)),
}
WORLD = World(
    export_interfaces=(
        Interface(API, tuple(Function(name, type_, API) for name, type_ in _TYPES.items())),
    ),
    import_interfaces=tuple(
        Interface(interface, (Function(name, type_, interface),))
        for interface, name, type_ in IMPORTS.values()
    ),
)


class Host:
    """The imports of one instance."""

    def __init__(self, calls: dict[str, HostCall], data: object) -> None:
        self._calls = calls
        self._data = data

    async def call(self, name: str, *arguments: Any) -> Any:
        call = self._calls[name]
        result = call.run(self._data, *arguments)
        return await result if call.blocking else result


class Instance:
    def __init__(self, guest: Counter) -> None:
        self._guest = guest
        self._poisoned = False
        self.memory_bytes = 65_536

    async def call(self, function: Function, arguments: Sequence[Any]) -> Any:
        if self._poisoned:
            raise GuestTrap("cannot enter component instance", kind="other")
        self._poisoned = True
        result = await getattr(self._guest, function.name)(*arguments)
        self._poisoned = False
        return result

    def close(self) -> None:
        self._poisoned = True


class Program:
    def __init__(self, calls: dict[str, HostCall]) -> None:
        self._calls = calls

    async def instantiate(self, data: object, limits: Limits, *, pace: Any = None) -> Instance:
        return Instance(Counter(Host(self._calls, data)))


class Component:
    def __init__(self, data: bytes) -> None:
        self.world = WORLD
        self.digest = hashlib.sha256(data).hexdigest()

    def link(self, resolver: HostResolver) -> Program:
        calls = {}
        for key, (interface, name, type_) in IMPORTS.items():
            found = resolver.function(interface, name, type_)
            if found is None:
                raise MissingImportsError((f"{interface}#{name}",))
            calls[key] = found
        return Program(calls)


class ScriptedEngine:
    """Loads exactly one component, the counter."""

    COUNTER = b"scripted counter"

    async def load(self, data: bytes, *, progress: Progress | None = None) -> Component:
        if data != self.COUNTER:
            raise ComponentError("not the scripted counter")
        return Component(data)

    def close(self) -> None:
        pass
