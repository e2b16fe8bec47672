"""`golem:durability/durability`: host calls that a guest makes durable itself."""

import asyncio
from typing import Final

import msgspec
from msgspec import Raw

from actors.engine.errors import GuestTrap
from actors.host.context import HostContext
from actors.host.control import LogEntry
from actors.host.golem import ids
from actors.host.interface import HostInterface, Kind
from actors.host.pollable import Pollable, wait_for_any
from actors.host.saving import saveable
from wit.json_values import codec_for
from wit.types import Field, RecordType
from wit.values import Value
from wit.wit_value_type import WIT_TYPE, WIT_VALUE

__all__ = ["DURABILITY"]

DURABILITY = HostInterface("golem:durability/durability", version="1.2.0")

_PAIR: Final = codec_for(RecordType((Field("value", WIT_VALUE), Field("typ", WIT_TYPE))))
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode
_decode_bytes = msgspec.json.Decoder(bytes).decode
_BATCHED: Final = "write-remote-batched"


def _opens(context: HostContext, kind: Value) -> bool:
    """Whether a function of this type has a begin and an end in the log."""
    name, begin = kind
    if name == _BATCHED:
        return begin is None
    return bool(name == "write-remote" and not context.control.idempotent)


@DURABILITY.function("observe-function-call", Kind.PURE)
def observe(context: HostContext, iface: str, function: str) -> None:
    """Count a call, for those who watch; nobody does."""
    del context, iface, function


@DURABILITY.function("begin-durable-function", Kind.PURE, blocking=True)
async def begin(context: HostContext, kind: Value) -> int:
    """Begin a call; the index names it."""
    if not _opens(context, kind):
        return context.control.index
    index = context.control.begin_remote("golem:durability/durability#begin-durable-function")
    if context.control.is_live:
        await context.committed()
    return index


@DURABILITY.function("end-durable-function", Kind.PURE, blocking=True)
async def end(context: HostContext, kind: Value, index: int, forced: bool) -> None:  # noqa: FBT001 - as in WIT
    """End a call; what changes others, or is to be, is committed."""
    if _opens(context, kind):
        context.control.end_remote(index)
    if context.control.is_live and (forced or kind[0] in {"write-remote", _BATCHED}):
        await context.committed()


@DURABILITY.function("current-durable-execution-state", Kind.PURE)
def state(context: HostContext) -> Value:
    """Tell whether the guest is live, and what is recorded."""
    return {"is-live": context.control.is_live, "persistence-level": (context.control.level, None)}


@DURABILITY.function("persist-durable-function-invocation", Kind.PURE)
def persist(context: HostContext, name: str, request: bytes, response: bytes, kind: Value) -> None:
    """Record what a call was asked and what it answered."""
    _persist(context, name, Raw(_encode(request)), Raw(_encode(response)), kind)


@DURABILITY.function("persist-typed-durable-function-invocation", Kind.PURE)
def persist_typed(
    context: HostContext, name: str, request: Value, response: Value, kind: Value
) -> None:
    """Record it with types."""
    asked, answered = (Raw(_encode(_PAIR.to_json(each))) for each in (request, response))
    _persist(context, name, asked, answered, kind)


def _persist(context: HostContext, name: str, request: Raw, response: Raw, kind: Value) -> None:
    if not context.control.is_live:
        raise GuestTrap(f"{name}: at replay a persisted call is read, not written")
    begun = kind[1][0] if kind[0] == _BATCHED and kind[1] is not None else None
    context.control.persist(name, kind[0], request, response, begun)


def _read(context: HostContext) -> tuple[Value, Raw]:
    entry, response = context.control.read_persisted()
    return _told(entry), response


def _told(entry: LogEntry) -> Value:
    at_ms, begun, kind = (entry.fields[name] for name in ("at-ms", "begin-index", "kind"))
    wrapped: Value = (kind, None)
    if kind == _BATCHED:
        wrapped = (kind, None if begun is None else (begun,))
    elif kind not in {"read-local", "write-local", "read-remote", "write-remote"}:
        wrapped = ("read-remote", None)
    return {
        "timestamp": ids.datetime(at_ms if isinstance(at_ms, int) else 0),
        "function-name": entry.fields["function"],
        "function-type": wrapped,
        "entry-version": "v2",
    }


@DURABILITY.function("read-persisted-durable-function-invocation", Kind.PURE)
def read(context: HostContext) -> Value:
    """Return what the next call answered."""
    told, response = _read(context)
    try:
        return {**told, "response": _decode_bytes(response)}
    except msgspec.DecodeError as error:
        raise GuestTrap(f"{told['function-name']} was not persisted as bytes") from error


@DURABILITY.function("read-persisted-typed-durable-function-invocation", Kind.PURE)
def read_typed(context: HostContext) -> Value:
    """Return what the next call answered, with its type."""
    told, response = _read(context)
    try:
        return {**told, "response": _PAIR.from_json(_decode(response))}
    except (ValueError, LookupError, TypeError) as error:
        raise GuestTrap(f"{told['function-name']} was not persisted with its type") from error


@saveable("golem/lazy-pollable", "inner")
class LazyPollable(Pollable):
    """Never ready before another one is set, then ready with it."""

    def __init__(self) -> None:
        self.inner: Pollable | None = None

    def ready(self, context: HostContext) -> bool:
        """Ask the inner one."""
        return self.inner is not None and self.inner.ready(context)

    async def wait(self, context: HostContext) -> None:
        """Wait for the inner one; without it the wait ends with the others, or with the worker."""
        if self.inner is None:
            await asyncio.Event().wait()
        else:
            await wait_for_any(context, [self.inner])


@DURABILITY.function("[constructor]lazy-initialized-pollable", Kind.PURE)
def new_lazy(context: HostContext) -> LazyPollable:
    """Return one that is not set."""
    del context
    return LazyPollable()


@DURABILITY.function("[method]lazy-initialized-pollable.set", Kind.PURE)
def set_lazy(context: HostContext, lazy: LazyPollable, pollable: Pollable) -> None:
    """Set it."""
    del context
    lazy.inner = pollable


@DURABILITY.function("[method]lazy-initialized-pollable.subscribe", Kind.PURE)
def subscribe_lazy(context: HostContext, lazy: LazyPollable) -> Pollable:
    """Return what can be waited for: ready with what is set, now or later."""
    del context
    return lazy
