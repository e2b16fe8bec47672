"""Guests in Python that import `golem:api/host`, as versions of one component.

The bytes of a component name its guest: `guest First`. Each is a class whose coroutine methods are
the exports, with their types in `TYPES`; `self.host("create-promise")` calls the host.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from actors.engine.errors import ComponentError, GuestTrap
from actors.engine.port import CodeReport, HostResolver, Limits, Progress
from tests.simulation.scripted import API, IMPORTS
from wit.text.parser import parse
from wit.text.resolver import ALL_FEATURES, resolve
from wit.types import FunctionType, ListType, Parameter, Primitive, ResultType
from wit.world import Function, Interface, World

U64, TEXT, BYTES = Primitive.U64, Primitive.STRING, ListType(Primitive.U8)
HOST = "golem:api/host@1.1.3"
SAVE, LOAD = "golem:api/save-snapshot@1.1.0", "golem:api/load-snapshot@1.1.0"
_PACKAGES = Path(__file__).parents[2] / "wit" / "packages"


def _host_functions() -> dict[str, FunctionType]:
    files = [[parse(path.read_text(), path.name)] for path in sorted(_PACKAGES.glob("*/*.wit"))]
    return {
        function.name: function.type
        for package in resolve(files, features=ALL_FEATURES).packages.values()
        for interface in package.interfaces.values()
        if interface.name.startswith("golem:api/host@")
        for function in interface.functions
    }


_HOST = _host_functions()


def function(*parameters: Any, result: Any = None) -> FunctionType:
    named = (Parameter(f"p{number}", type_) for number, type_ in enumerate(parameters))
    return FunctionType(tuple(named), result)


class Guest:
    """What all versions have: a number, and the host. `context` is what host calls are handed."""

    context: Any

    TYPES: ClassVar[dict[str, FunctionType]] = {
        "add": function(U64, result=U64),
        "get": function(result=U64),
        "roll": function(result=U64),
        "nap": function(U64, result=U64),
        "fail": function(U64, result=U64),
        "promise": function(result=U64),
        "await": function(U64, result=TEXT),
        "region": function(U64, result=U64),
        "back": function(result=U64),
        "split": function(TEXT, result=TEXT),
        "manage": function(TEXT, TEXT, U64, result=TEXT),
    }

    def __init__(self, host: Any) -> None:
        self.host = host
        self.value = 0

    async def add(self, value: int) -> int:
        self.value += value
        return self.value

    async def get(self) -> int:
        return self.value

    async def roll(self) -> int:
        number: int = await self.host("random") % 1_000
        self.value += number
        return number

    async def nap(self, ms: int) -> int:
        await self.host("block", await self.host("timer", ms * 1_000_000))
        self.value += 1
        return self.value

    async def fail(self, value: int) -> int:
        self.value += value
        raise GuestTrap("it always fails")

    async def promise(self) -> int:
        self.promised = await self.host("create-promise")
        index: int = self.promised["oplog-idx"]
        return index

    async def await_(self, index: int) -> str:
        data: bytes = await self.host("await-promise", {**self.promised, "oplog-idx": index})
        return data.decode()

    async def region(self, fails: int) -> int:
        """Roll in an atomic region, with a failure in it that passes when the world is kind."""
        begin = await self.host("mark-begin-operation")
        await self.roll()
        if fails and await self.host("random") % 4:
            raise GuestTrap("half done")
        await self.host("mark-end-operation", begin)
        return self.value

    async def back(self) -> int:
        """Go back until an even number is drawn."""
        place = await self.host("get-oplog-index")
        number: int = await self.host("random")
        if number % 2:
            await self.host("set-oplog-index", place)
        self.value += 1
        return self.value

    async def split(self, name: str) -> str:
        """Fork: the copy adds 100."""
        which: str = await self.host("fork", name)
        self.value += 100 if which == "forked" else 1
        return which

    async def manage(self, what: str, worker: str, number: int) -> str:
        component = (await self.host("resolve-component-id", "counter"))[0]
        target = {"component-id": component, "worker-name": worker}
        match what:
            case "update":
                await self.host("update-worker", target, number, "automatic")
            case "revert":
                await self.host("revert-worker", target, ("revert-last-invocations", number))
            case "fork":
                await self.host("fork-worker", target, {**target, "worker-name": "copy"}, number)
            case "complete":
                promise = {"worker-id": target, "oplog-idx": number}
                return str(await self.host("complete-promise", promise, b"from afar"))
        return "done"


class First(Guest):
    """The version that workers begin with."""

    async def save(self) -> bytes:
        return str(self.value).encode()


class Compatible(First):
    """Does the same, and more."""

    TYPES: ClassVar[dict[str, FunctionType]] = {**Guest.TYPES, "double": function(result=U64)}

    async def double(self) -> int:
        self.value *= 2
        return self.value

    async def load(self, data: bytes) -> Any:
        self.value = int(data)
        return ("ok", None)


class OtherImport(First):
    """Asks the host for something else when it rolls."""

    async def roll(self) -> int:
        self.value += 7
        await self.host("now")
        return 7

    async def load(self, data: bytes) -> Any:
        self.value = int(data)
        return ("ok", None)


class OtherResult(First):
    """Counts otherwise."""

    async def add(self, value: int) -> int:
        self.value += 2 * value
        return self.value

    async def fail(self, value: int) -> int:
        self.value += value
        return self.value


class Refusing(First):
    """Does not understand the old state, and cannot save its own."""

    async def load(self, data: bytes) -> Any:
        return ("err", f"no idea what {data.decode()} means")

    async def save(self) -> bytes:
        raise GuestTrap("cannot save")


class Fragile(Compatible):
    """Loads no number that ends with 7, and cannot save one above 1,000."""

    async def save(self) -> bytes:
        if self.value > 1_000:
            raise GuestTrap("too large to be saved")
        return str(self.value).encode()

    async def load(self, data: bytes) -> Any:
        LOADED.append(int(data))
        if data.endswith(b"7"):
            return ("err", "seven is not welcome")
        return await super().load(data)


class Hungry(First):
    """Traps when it is full, of a memory of 64 KiB."""

    async def fail(self, value: int) -> int:
        raise full_trap()


def full_trap() -> GuestTrap:
    trap = GuestTrap("unreachable", kind="unreachable")
    trap.memory_bytes = 60_000
    return trap


LOADED: list[int] = []
"""What `Fragile` guests were asked to load."""
ALL = (First, Compatible, OtherImport, OtherResult, Refusing, Fragile, Hungry)
GUESTS = {cls.__name__: cls for cls in ALL}


def world_of(guest: type[Guest]) -> World:
    exported = [
        Interface(API, tuple(Function(name, type_, API) for name, type_ in guest.TYPES.items()))
    ]
    if hasattr(guest, "save"):
        exported.append(Interface(SAVE, (Function("save", function(result=BYTES), SAVE),)))
    if hasattr(guest, "load"):
        outcome = ResultType(None, TEXT)
        loaded = Function("load", function(BYTES, result=outcome), LOAD)
        exported.append(Interface(LOAD, (loaded,)))
    imported = [Interface(HOST, tuple(Function(n, t, HOST) for n, t in _HOST.items()))]
    imported += [Interface(i, (Function(n, t, i),)) for i, n, t in IMPORTS.values()]
    return World(export_interfaces=tuple(exported), import_interfaces=tuple(imported))


class Instance:
    memory_bytes = 65_536
    busy_s = 0.0

    def __init__(self, guest: Guest) -> None:
        self._guest = guest

    async def call(self, function: Function, arguments: Sequence[Any]) -> Any:
        name = {"await": "await_"}.get(function.name, function.name)
        return await getattr(self._guest, name)(*arguments)

    def forget_refusals(self) -> None:
        pass

    def adopt(self, resource: int, representation: int) -> Any:
        raise AssertionError("these guests have no resources")

    def close(self) -> None:
        pass


class Program:
    def __init__(self, guest: type[Guest], calls: dict[str, Any]) -> None:
        self._guest = guest
        self._calls = calls

    async def instantiate(self, data: object, limits: Limits, *, pace: Any = None) -> Instance:
        async def host(name: str, *arguments: Any) -> Any:
            call = self._calls[name]
            result = call.run(data, *arguments)
            return await result if call.blocking else result

        guest = self._guest(host)
        guest.context = data
        return Instance(guest)


class Component:
    def __init__(self, guest: type[Guest], data: bytes) -> None:
        self.world = world_of(guest)
        self.digest = hashlib.sha256(data).hexdigest()
        self.code = CodeReport()
        self._guest = guest

    def link(self, resolver: HostResolver) -> Program:
        calls = {key: resolver.function(*import_) for key, import_ in IMPORTS.items()}
        for name, type_ in _HOST.items():
            calls[name] = resolver.function(HOST, name, type_)
        assert None not in calls.values()
        return Program(self._guest, calls)


class Versions:
    """An engine that loads the guests of this file."""

    async def load(self, data: bytes, *, progress: Progress | None = None) -> Component:
        guest = GUESTS.get(data.decode().removeprefix("guest "))
        if guest is None:
            raise ComponentError("no guest of this file")
        return Component(guest, data)

    def close(self) -> None:
        pass


def bytes_of(guest: str) -> bytes:
    return f"guest {guest}".encode()
