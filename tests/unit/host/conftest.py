"""A worker's context over a virtual clock and an oplog in memory, for tests of host functions."""

import asyncio
import gc
import random
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from actors.host.context import LogLevel, OutputStream
from actors.host.interface import Kind
from actors.host.table import TABLE
from actors.tracing import Cause, RequestTrace
from wit.checking import check
from wit.json_values import codec_for
from wit.text.parser import parse
from wit.text.resolver import ALL_FEATURES, resolve
from wit.types import FunctionType, Type
from wit.values import Value

TRACEPARENT = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"


class VirtualClock:
    """Stands still unless it is told to go on."""

    def __init__(self) -> None:
        self.now_ns = 1_700_000_000 * 10**9

    def wall_ns(self) -> int:
        return self.now_ns

    def monotonic_ns(self) -> int:
        return self.now_ns - 1_600_000_000 * 10**9


class VirtualContext:
    """A worker whose records are kept, so that `replayed()` makes the same worker at replay."""

    def __init__(
        self,
        *,
        arguments: Sequence[str] = (),
        environment: Sequence[tuple[str, str]] = (),
        log: Sequence[tuple[str, Kind, Value]] = (),
    ) -> None:
        self.component = "demo"
        self.worker = "one"
        self.arguments = arguments
        self.environment = environment
        self.clock = VirtualClock()
        self.state: dict[object, Any] = {}
        self.output: list[tuple[OutputStream, bytes]] = []
        self.lines: list[tuple[LogLevel, str, str]] = []
        self.commits = 0
        self.allows_sockets = False
        self.batches = 0
        self.ended: list[int] = []
        self.closing: list[Callable[[], None]] = []
        self.log = list(log)
        self.slept: list[int] = []
        self.recorded_wall_ns = self.clock.now_ns
        self._to_replay = list(log)
        self._random = random.Random(7)

    def replayed(self) -> "VirtualContext":
        return VirtualContext(arguments=self.arguments, environment=self.environment, log=self.log)

    def secret(self, name: str) -> str | None:
        return "hidden" if name == "known" else None

    def random_bytes(self, count: int) -> bytes:
        return self._random.randbytes(count)

    def write_output(self, stream: OutputStream, data: bytes) -> None:
        self.output.append((stream, data))

    def write_log(self, level: LogLevel, context: str, message: str) -> None:
        self.lines.append((level, context, message))

    async def committed(self) -> None:
        self.commits += 1

    def on_close(self, callback: Callable[[], None]) -> None:
        self.closing.append(callback)

    def close(self) -> None:
        while self.closing:
            self.closing.pop()()

    def begin_batch(self, name: str) -> int:
        self.batches += 1
        return self.batches

    def end_batch(self, begin: int) -> None:
        self.ended.append(begin)

    def request_key(self, name: str, content: msgspec.Raw, begin: int) -> str:
        return f"key-{begin}"

    def outgoing_span(self, method: str, target: str, index: int) -> RequestTrace:
        return RequestTrace(None, Cause("k", TRACEPARENT, None), f"key-{index}")

    def record(
        self,
        name: str,
        kind: Kind,
        type_: Type,
        live: Callable[[], Value],
        *,
        begin: int | None = None,
        request: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET,
    ) -> Value:
        if self._to_replay:
            return self._replay(name, kind)
        value = live()
        self.log.append((name, kind, _through_json(type_, value)))
        return value

    async def record_wait(
        self,
        name: str,
        kind: Kind,
        type_: Type,
        live: Callable[[], Awaitable[Value]],
        *,
        begin: int | None = None,
    ) -> Value:
        if self._to_replay:
            return self._replay(name, kind)
        value = await live()
        self.log.append((name, kind, _through_json(type_, value)))
        return value

    async def sleep_until(self, monotonic_ns: int) -> None:
        self.slept.append(monotonic_ns)
        self.clock.now_ns += max(0, monotonic_ns - self.clock.monotonic_ns())

    def _replay(self, name: str, kind: Kind) -> Value:
        recorded_name, recorded_kind, value = self._to_replay.pop(0)
        assert (recorded_name, recorded_kind) == (name, kind)
        return value


def _through_json(type_: Type | None, value: Value) -> Value:
    """Return what a log would give back; None as the type stands for no value."""
    if type_ is None:
        return value
    codec = codec_for(type_)
    text = msgspec.json.encode(codec.to_json(value))
    return codec.from_json(msgspec.json.decode(text))


@pytest.fixture(scope="module")
def quick_collections() -> Iterator[None]:
    """Have `gc.collect` look at nothing that was there before: after other tests that is a lot."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture
def context() -> VirtualContext:
    return VirtualContext()


@pytest.fixture(scope="session")
def new_context() -> type[VirtualContext]:
    return VirtualContext


@pytest.fixture(scope="session")
def declared() -> dict[str, dict[str, FunctionType]]:
    """The functions of each WIT interface that the project declares, without versions."""
    folder = Path(__file__).parents[3] / "wit" / "packages"
    files = [[parse(file.read_text(), file.name)] for file in sorted(folder.glob("*/*.wit"))]
    return {
        interface.name.partition("@")[0]: {one.name: one.type for one in interface.functions}
        for package in resolve(files, features=ALL_FEATURES).packages.values()
        for interface in package.interfaces.values()
    }


@pytest.fixture(scope="session")
def call(declared) -> Callable[..., Any]:
    """Call a host function by its full name; blocking ones are awaited to the end.

    Arguments and result are held to the types that WIT declares.
    """

    def run(context: VirtualContext, name: str, *arguments: Value) -> Value:
        interface, _, function = name.partition("#")
        found = TABLE[interface].functions[function]
        type_ = declared[interface][function]
        for argument, parameter in zip(arguments, type_.parameters, strict=True):
            check(argument, parameter.type, root=parameter.name)
        result = found.run(context, *arguments)
        if found.blocking:
            result = asyncio.run(result)
        if type_.result is None:
            assert result is None
        else:
            check(result, type_.result, root=name)
        return result

    return run
