"""Live or replay: the only file that knows the difference.

Every host function that a component imports is bound here, by its kind, to a call that first asks
the worker's journal. If the oplog holds the answer, the world is not touched; otherwise the
function runs and its answer is recorded.

| kind | live | replay | crash in between |
|---|---|---|---|
| pure | runs | runs again | runs again |
| read-local, write-local, read-remote | runs, answer recorded | recorded answer | runs again |
| write-remote | waits until everything before is committed, runs, answer recorded and committed | \
recorded answer | runs again, with the same idempotency key |
| blocking | waits, answer recorded | recorded answer, no waiting | waits again, same deadline |

Recorded answers are not committed at once (write-remote apart): nothing that depends on them leaves
the executor before the commit, so losing them is as if the call had not happened.
"""

from collections.abc import Awaitable, Callable
from inspect import isawaitable
from typing import Any, Protocol, TypeAlias

import msgspec
from msgspec import UNSET, Raw, UnsetType

from actors.engine.port import HostCall
from actors.errors import InternalError
from actors.host.interface import HostFunction, Kind
from wit.json_values import codec_for
from wit.type_walk import holds_resource
from wit.types import FunctionType, Type

__all__ = ["Journal", "JournalHolder", "bind", "step", "waiting_step"]


class Journal(Protocol):
    """The oplog as host calls see it."""

    def answer(self, function: str, request: Raw | UnsetType) -> Raw | None:
        """Return the recorded answer of the next call, or None: it is new.

        Raises:
            DivergenceError: the oplog holds something else at this place.
        """
        ...

    def record(self, function: str, kind: str, request: Raw | UnsetType, response: Raw) -> None:
        """Record the answer of a call that has just run."""
        ...

    async def committed(self) -> None:
        """Return when everything recorded so far is committed."""
        ...


class JournalHolder(Protocol):
    """What the engine hands to host calls: the worker's context, with its journal."""

    @property
    def journal(self) -> Journal:
        """The worker's journal."""
        ...


Run: TypeAlias = Callable[..., Any]
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


def bind(function: HostFunction, type_: FunctionType, _import_name: str) -> HostCall:
    """Return the call that the engine links for an import of `function`."""
    match function.kind:
        case Kind.PURE:
            return HostCall(run=function.run, blocking=function.blocking)
        case Kind.READ_LOCAL | Kind.WRITE_LOCAL | Kind.READ_REMOTE:
            if function.blocking:
                return HostCall(run=_Step(function, type_).wait, blocking=True)
            return HostCall(run=_Step(function, type_).run)
        case Kind.BLOCKING:
            return HostCall(run=_Step(function, type_).wait, blocking=True)
        case Kind.WRITE_REMOTE:
            return HostCall(run=_Step(function, type_).write, blocking=True)
        case Kind.WRITE_REMOTE_BATCHED | Kind.WRITE_REMOTE_TRANSACTION:
            raise InternalError(
                f"{function.interface}#{function.name}: {function.kind} is not bound"
            )


def step(journal: Journal, name: str, kind: Kind, type_: Type, live: Callable[[], Any]) -> Any:
    """Return what `live()` returns, recorded as a host call `name` of its own."""
    codec = codec_for(type_)
    recorded = journal.answer(name, UNSET)
    if recorded is not None:
        return codec.from_json(_decode(recorded))
    value = live()
    journal.record(name, kind.value, UNSET, Raw(_encode(codec.to_json(value))))
    return value


async def waiting_step(
    journal: Journal, name: str, kind: Kind, type_: Type, live: Callable[[], Awaitable[Any]]
) -> Any:
    """Like `step`, for what has to wait; after a crash in mid-wait `live` is called again."""
    codec = codec_for(type_)
    recorded = journal.answer(name, UNSET)
    if recorded is not None:
        return codec.from_json(_decode(recorded))
    value = await live()
    journal.record(name, kind.value, UNSET, Raw(_encode(codec.to_json(value))))
    return value


class _Step:
    """One recorded host function with the converters of its type."""

    def __init__(self, function: HostFunction, type_: FunctionType) -> None:
        self.name = f"{function.interface}#{function.name}"
        self._kind = function.kind.value
        self._live: Run = function.run
        result = type_.result
        if result is not None and holds_resource(result):
            raise InternalError(f"{self.name}: a recorded answer cannot hold a resource")
        self._result = None if result is None else codec_for(result)
        plain = not any(holds_resource(parameter.type) for parameter in type_.parameters)
        self._parameters = [codec_for(p.type) for p in type_.parameters] if plain else []

    def run(self, context: JournalHolder, *arguments: Any) -> Any:
        request = self._request(arguments)
        journal = context.journal
        recorded = journal.answer(self.name, request)
        if recorded is not None:
            return self._value(recorded)
        result = self._live(context, *arguments)
        journal.record(self.name, self._kind, request, self._json(result))
        return result

    async def wait(self, context: JournalHolder, *arguments: Any) -> Any:
        request = self._request(arguments)
        journal = context.journal
        recorded = journal.answer(self.name, request)
        if recorded is not None:
            return self._value(recorded)
        result = await self._live(context, *arguments)
        journal.record(self.name, self._kind, request, self._json(result))
        return result

    async def write(self, context: JournalHolder, *arguments: Any) -> Any:
        request = self._request(arguments)
        journal = context.journal
        recorded = journal.answer(self.name, request)
        if recorded is not None:
            return self._value(recorded)
        await journal.committed()
        result: Any = self._live(context, *arguments)
        if isawaitable(result):
            result = await result
        journal.record(self.name, self._kind, request, self._json(result))
        await journal.committed()
        return result

    def _request(self, arguments: tuple[Any, ...]) -> Raw | UnsetType:
        if not self._parameters:
            return UNSET
        parts = [
            codec.to_json(argument)
            for codec, argument in zip(self._parameters, arguments, strict=True)
        ]
        return Raw(_encode(parts))

    def _json(self, result: Any) -> Raw:
        return Raw(b"null") if self._result is None else Raw(_encode(self._result.to_json(result)))

    def _value(self, recorded: Raw) -> Any:
        return None if self._result is None else self._result.from_json(_decode(recorded))
