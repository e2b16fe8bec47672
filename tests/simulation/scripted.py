"""An engine whose guests are Python: lets the executor be driven through every crash, fast.

It keeps the engine's contract (`actors.engine.port`): guests reach the world only through the
resolved host functions, and an instance is of no use after any failure. The engine is not tested.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from actors.engine.errors import (
    ComponentError,
    GuestTrap,
    MissingImportsError,
    SnapshotRefusedError,
    SnapshotUnusableError,
)
from actors.engine.port import (
    CodeReport,
    HostCall,
    HostResolver,
    InstanceImage,
    Limits,
    Progress,
)
from actors.identity import component_uuid
from wit.types import (
    Borrow,
    Case,
    EnumType,
    Field,
    FunctionType,
    ListType,
    OptionType,
    Own,
    Parameter,
    Primitive,
    RecordType,
    ResourceName,
    ResultType,
    VariantType,
)
from wit.wit_value_type import WIT_VALUE, WIT_VALUES
from wit.world import Function, Interface, World

API = "demo:counter/api"
U64 = Primitive.U64
POLLABLE = ResourceName("pollable", "wasi:io/poll@0.2.9")
RPC = "golem:rpc/types@0.2.0"
WASM_RPC = ResourceName("wasm-rpc", RPC)
FUTURE = ResourceName("future-invoke-result", RPC)
TOKEN = ResourceName("cancellation-token", RPC)
_UUID = RecordType((Field("high-bits", U64), Field("low-bits", U64)))
_WORKER = RecordType(
    (
        Field("component-id", RecordType((Field("uuid", _UUID),))),
        Field("worker-name", Primitive.STRING),
    )
)
_RPC_ERROR = VariantType(
    tuple(
        Case(name, Primitive.STRING)
        for name in ("protocol-error", "denied", "not-found", "remote-internal-error")
    )
)
_CALL = (
    Parameter("self", Borrow(WASM_RPC)),
    Parameter("function-name", Primitive.STRING),
    Parameter("function-params", WIT_VALUES),
)
_TIME = RecordType((Field("seconds", U64), Field("nanoseconds", Primitive.U32)))
_OUTCOME = ResultType(WIT_VALUE, _RPC_ERROR)
_FUTURE_SELF = (Parameter("self", Borrow(FUTURE)),)
IMPORTS: dict[str, tuple[str, str, FunctionType]] = {
    "rpc": (
        RPC,
        "[constructor]wasm-rpc",
        FunctionType((Parameter("worker-id", _WORKER),), Own(WASM_RPC)),
    ),
    "ephemeral": (
        RPC,
        "[static]wasm-rpc.ephemeral",
        FunctionType((Parameter("component-id", _WORKER.fields[0].type),), Own(WASM_RPC)),
    ),
    "call": (RPC, "[method]wasm-rpc.invoke-and-await", FunctionType(_CALL, _OUTCOME)),
    "tell": (
        RPC,
        "[method]wasm-rpc.invoke",
        FunctionType(_CALL, ResultType(None, _RPC_ERROR)),
    ),
    "begin": (RPC, "[method]wasm-rpc.async-invoke-and-await", FunctionType(_CALL, Own(FUTURE))),
    "subscribe": (
        RPC,
        "[method]future-invoke-result.subscribe",
        FunctionType(_FUTURE_SELF, Own(POLLABLE)),
    ),
    "take": (
        RPC,
        "[method]future-invoke-result.get",
        FunctionType(_FUTURE_SELF, OptionType(_OUTCOME)),
    ),
    "schedule": (
        RPC,
        "[method]wasm-rpc.schedule-cancelable-invocation",
        FunctionType((_CALL[0], Parameter("scheduled-time", _TIME), *_CALL[1:]), Own(TOKEN)),
    ),
    "cancel": (
        RPC,
        "[method]cancellation-token.cancel",
        FunctionType((Parameter("self", Borrow(TOKEN)),)),
    ),
    "patience": (
        "shem:rpc/timeouts@0.1.0",
        "set-call-timeout",
        FunctionType((Parameter("timeout", OptionType(U64)),), OptionType(U64)),
    ),
    "wall": ("wasi:clocks/wall-clock@0.2.9", "now", FunctionType((), _TIME)),
    "poll": (
        "wasi:io/poll@0.2.9",
        "poll",
        FunctionType((Parameter("in", ListType(Borrow(POLLABLE))),), ListType(Primitive.U32)),
    ),
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
    "fork": (
        "golem:api/host@1.1.7",
        "fork",
        FunctionType((Parameter("new-name", Primitive.STRING),), EnumType(("original", "forked"))),
    ),
    "exit": (
        "wasi:cli/exit@0.2.9",
        "exit-with-code",
        FunctionType((Parameter("status-code", Primitive.U8),)),
    ),
}


class Counter:
    """The guest. State is a number, a list of what it was told, and a flag for failing once."""

    misfortunes: ClassVar[int] = 0

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

    async def pause(self, ms: int) -> int:
        """Nap, and change nothing."""
        await self.host.call("block", await self.host.call("timer", ms * 1_000_000))
        return self.value

    async def step(self, client: int, number: int) -> int:
        late = number <= self.steps.get(client, 0)
        self.steps[client] = number
        return int(late)

    async def text(self, size: int) -> str:
        return "x" * size

    async def blob(self, size: int) -> bytes:
        return bytes(size)

    async def trap(self) -> int:
        await self.host.call("random")
        raise GuestTrap("wasm `unreachable` instruction executed", kind="unreachable")

    async def _target(self, worker: str) -> Any:
        worker_id = {"component-id": {"uuid": _bits("counter")}, "worker-name": worker}
        return await self.host.call("rpc", worker_id)

    async def ask(self, worker: str, function: str, value: int) -> str:
        """Call `function` with one number or none; tell what came of it."""
        nodes = (
            [] if function.strip("{}").rpartition("{")[2] in {"get", "trap"} else [number(value)]
        )
        outcome = await self.host.call("call", await self._target(worker), function, nodes)
        self.value += 1
        return text_of(outcome)

    async def hurry(self, worker: str, ms: int, patience_ms: int) -> str:
        """Have another one nap, and wait for it only so long."""
        target = await self._target(worker)
        future = await self.host.call("begin", target, "nap", [number(ms)])
        answered = await self.host.call("subscribe", future)
        timer = await self.host.call("timer", patience_ms * 1_000_000)
        ready = await self.host.call("poll", [answered, timer])
        self.value += 1
        return text_of((await self.host.call("take", future))[0]) if 0 in ready else "too late"

    async def impatient(self, worker: str, ms: int, patience_ms: int) -> str:
        """Have another one nap, with a time-out of one's own for this call."""
        target = await self._target(worker)
        before = await self.host.call("patience", (patience_ms * 1_000_000,))
        outcome = await self.host.call("call", target, "nap", [number(ms)])
        assert await self.host.call("patience", before) == (patience_ms * 1_000_000,)
        self.value += 1
        return text_of(outcome)

    async def flaky(self, value: int) -> int:
        """Fail as often as the world has it."""
        if Counter.misfortunes:
            Counter.misfortunes -= 1
            raise GuestTrap("out of luck", kind="unreachable")
        self.value += value
        return self.value

    async def nap_and_ask(self, worker: str, ms: int) -> str:
        await self.nap(ms)
        return await self.ask(worker, "add", 1)

    async def hand_on(self, first: str, second: str, ms: int) -> str:
        """Have the first nap and then call the second."""
        nodes = [{"nodes": [("prim-string", second)]}, number(ms)]
        outcome = await self.host.call("call", await self._target(first), "nap_and_ask", nodes)
        return text_of(outcome)

    async def spread(self, count: int, ms: int) -> str:
        """Have nameless workers nap, all at once; return what a new one says."""
        bits = _bits("brief")
        target = await self.host.call("ephemeral", {"uuid": bits})
        futures = [await self.host.call("begin", target, "nap", [number(ms)]) for _ in range(count)]
        for future in futures:
            await self.host.call("block", await self.host.call("subscribe", future))
            told = text_of((await self.host.call("take", future))[0])
            if not told.isdigit():
                return told
        return text_of(await self.host.call("call", target, "add", [number(1)]))

    async def transfer(self, worker: str, value: int) -> str:
        self.value -= value
        outcome = await self.host.call("call", await self._target(worker), "add", [number(value)])
        return text_of(outcome)

    async def tell(self, worker: str, value: int) -> int:
        for part in range(1, value + 1):
            nodes = [number(1), number(part)]
            outcome = await self.host.call("tell", await self._target(worker), "step", nodes)
            assert outcome[0] == "ok"
        return self.value

    async def run(self, program: str) -> int:
        """Do the steps of a program, see `tests.simulation.programs`."""
        futures: list[Any] = []
        for step, *arguments in json.loads(program):
            match step:
                case "add":
                    self.value += arguments[0]
                case "roll":
                    await self.host.call("random")
                case "sleep":
                    await self.nap(arguments[0])
                    self.value -= 1
                case "await":
                    for future in futures:
                        await self.host.call("block", await self.host.call("subscribe", future))
                        assert (await self.host.call("take", future))[0][0] == "ok"
                    futures = []
                case "fork":
                    if await self.host.call("fork", arguments[0]) == "forked":
                        self.value = 0
                        return await self.run(json.dumps(arguments[1]))
                case "fail":
                    outcome = await self.host.call(
                        "call", await self._target(arguments[0]), "trap", []
                    )
                    assert outcome[0] == "err", outcome
                    self.value += 1_000_000
                case _:
                    await self._run_there(step, arguments, futures)
        assert not futures, "a program awaits what it begins"
        return self.value

    async def _run_there(self, step: str, arguments: list[Any], futures: list[Any]) -> None:
        target = await self._target(arguments[0])
        nodes = [{"nodes": [("prim-string", json.dumps(arguments[1]))]}]
        match step:
            case "call":
                outcome = await self.host.call("call", target, "run", nodes)
                assert outcome[0] == "ok", outcome
            case "begin":
                futures.append(await self.host.call("begin", target, "run", nodes))
            case "tell":
                assert (await self.host.call("tell", target, "run", nodes))[0] == "ok"
            case "later":
                now = await self.host.call("wall")
                when = {**now, "seconds": now["seconds"] + arguments[2]}
                token = await self.host.call("schedule", target, when, "run", nodes)
                if arguments[3]:
                    await self.host.call("cancel", token)

    async def later(self, worker: str, ms: int, value: int, cancelled: int) -> None:
        now = await self.host.call("wall")
        when = {**now, "seconds": now["seconds"] + ms // 1_000}
        target = await self._target(worker)
        token = await self.host.call("schedule", target, when, "add", [number(value)])
        if cancelled:
            await self.host.call("cancel", token)

    async def fan(self, count: int, ms: int) -> int:
        """Have `count` others add their number after a nap, all at once, and sum up."""
        futures = []
        for part in range(count):
            target = await self._target(f"part-{part}")
            await self.host.call("call", target, "add", [number(part)])
            futures.append(await self.host.call("begin", target, "nap", [number(ms)]))
        waiting = list(futures)
        while waiting:
            pollables = [await self.host.call("subscribe", future) for future in waiting]
            ready = await self.host.call("poll", pollables)
            for future in [waiting[index] for index in ready]:
                outcome = (await self.host.call("take", future))[0]
                assert text_of(outcome).isdigit(), outcome
                self.value += 1
                waiting.remove(future)
        return self.value

    async def fan_out(self, workers: str) -> str:
        """Nap, then have others add one, all at once; return how many have answered."""
        await self.nap(50)
        waiting = []
        for worker in workers.split(","):
            target = await self._target(worker)
            waiting.append(await self.host.call("begin", target, "add", [number(1)]))
        count = len(waiting)
        while waiting:
            pollables = [await self.host.call("subscribe", future) for future in waiting]
            ready = await self.host.call("poll", pollables)
            for future in [waiting[index] for index in ready]:
                await self.host.call("take", future)
                waiting.remove(future)
        return str(count)

    async def leave(self, code: int) -> None:
        await self.host.call("exit", code)


def _bits(component: str) -> dict[str, int]:
    identity = component_uuid(component).int
    return {"high-bits": identity >> 64, "low-bits": identity & (1 << 64) - 1}


def number(value: int) -> Any:
    return {"nodes": [("prim-u64", value)]}


def text_of(outcome: Any) -> str:
    arm, content = outcome
    if arm == "ok":
        return str(content["nodes"][0][1])
    return f"{content[0]}: {content[1]}"


_TEXT = Primitive.STRING
_TYPES: dict[str, FunctionType] = {
    "ask": FunctionType(
        (Parameter("worker", _TEXT), Parameter("function", _TEXT), Parameter("value", U64)), _TEXT
    ),
    "hurry": FunctionType(
        (Parameter("worker", _TEXT), Parameter("ms", U64), Parameter("patience_ms", U64)), _TEXT
    ),
    "impatient": FunctionType(
        (Parameter("worker", _TEXT), Parameter("ms", U64), Parameter("patience_ms", U64)), _TEXT
    ),
    "flaky": FunctionType((Parameter("value", U64),), U64),
    "nap_and_ask": FunctionType((Parameter("worker", _TEXT), Parameter("ms", U64)), _TEXT),
    "hand_on": FunctionType(
        (Parameter("first", _TEXT), Parameter("second", _TEXT), Parameter("ms", U64)), _TEXT
    ),
    "spread": FunctionType((Parameter("count", U64), Parameter("ms", U64)), _TEXT),
    "transfer": FunctionType((Parameter("worker", _TEXT), Parameter("value", U64)), _TEXT),
    "tell": FunctionType((Parameter("worker", _TEXT), Parameter("value", U64)), U64),
    "run": FunctionType((Parameter("program", _TEXT),), U64),
    "later": FunctionType(
        (
            Parameter("worker", _TEXT),
            Parameter("ms", U64),
            Parameter("value", U64),
            Parameter("cancelled", U64),
        )
    ),
    "fan": FunctionType((Parameter("count", U64), Parameter("ms", U64)), U64),
    "fan_out": FunctionType((Parameter("workers", _TEXT),), _TEXT),
    "add": FunctionType((Parameter("value", U64),), U64),
    "get": FunctionType((), U64),
    "roll": FunctionType((), U64),
    "nap": FunctionType((Parameter("ms", U64),), U64),
    "pause": FunctionType((Parameter("ms", U64),), U64),
    "step": FunctionType((Parameter("client", U64), Parameter("number", U64)), U64),
    "trap": FunctionType((), U64),
    "blob": FunctionType((Parameter("size", U64),), ListType(Primitive.U8)),
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


@dataclass
class Counts:
    """What an engine has done; `refusal` is why its instances cannot be saved."""

    calls: int = 0
    instantiated: int = 0
    restored: int = 0
    refusal: str | None = None
    unusable: int = 0
    """How many restorations fail next."""


class Instance:
    def __init__(self, guest: Counter, counts: Counts) -> None:
        self._guest = guest
        self._counts = counts
        self._poisoned = False
        self.memory_bytes = 65_536
        self.busy_s = 0.0

    async def call(self, function: Function, arguments: Sequence[Any]) -> Any:
        if self._poisoned:
            raise GuestTrap("cannot enter component instance", kind="other")
        self._poisoned = True
        self._counts.calls += 1
        result = await getattr(self._guest, function.name)(*arguments)
        self._poisoned = False
        return result

    def save(self) -> InstanceImage:
        if self._poisoned:
            raise SnapshotRefusedError("the instance is in a call or has failed")
        if self._counts.refusal is not None:
            raise SnapshotRefusedError(self._counts.refusal)
        return InstanceImage(json.dumps([self._guest.value, self._guest.steps]).encode())

    def forget_refusals(self) -> None:
        pass

    def adopt(self, resource: int, representation: int) -> object:
        raise SnapshotUnusableError("the scripted counter implements no resources")

    def close(self) -> None:
        self._poisoned = True


class Program:
    def __init__(self, calls: dict[str, HostCall], counts: Counts) -> None:
        self._calls = calls
        self._counts = counts

    async def instantiate(self, data: object, limits: Limits, *, pace: Any = None) -> Instance:
        self._counts.instantiated += 1
        return Instance(Counter(Host(self._calls, data)), self._counts)

    async def restore(
        self, data: object, limits: Limits, image: InstanceImage, *, pace: Any = None
    ) -> Instance:
        guest = Counter(Host(self._calls, data))
        if self._counts.unusable:
            self._counts.unusable -= 1
            raise SnapshotUnusableError("of another engine")
        try:
            guest.value, steps = json.loads(image.data)
        except ValueError as error:
            raise SnapshotUnusableError("no scripted counter") from error
        guest.steps = {int(client): number for client, number in steps.items()}
        self._counts.restored += 1
        return Instance(guest, self._counts)


class Component:
    def __init__(self, data: bytes, counts: Counts) -> None:
        self._counts = counts
        self.world = WORLD
        self.digest = hashlib.sha256(data).hexdigest()
        self.code = CodeReport()

    def link(self, resolver: HostResolver) -> Program:
        calls = {}
        for key, (interface, name, type_) in IMPORTS.items():
            found = resolver.function(interface, name, type_)
            if found is None:
                raise MissingImportsError((f"{interface}#{name}",))
            calls[key] = found
        return Program(calls, self._counts)


class ScriptedEngine:
    """Loads exactly one component, the counter."""

    COUNTER = b"scripted counter"

    def __init__(self) -> None:
        self.counts = Counts()

    async def load(self, data: bytes, *, progress: Progress | None = None) -> Component:
        if data != self.COUNTER:
            raise ComponentError("not the scripted counter")
        return Component(data, self.counts)

    def close(self) -> None:
        pass
