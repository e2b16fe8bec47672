"""The port through which Rib programs reach workers: each call is a durable invocation.

Keys and the names of unnamed instances follow from the run's key and the position of the call, so
a run that is repeated under the same key repeats no effect and gets the same answers.
"""

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Literal, final

import msgspec
from msgspec import Raw, Struct

from rib import CallError, Resource, ResourceDrop, Worker, WorkerCall
from shem.client import Client
from shem.client.invocations import Outcome
from shem.errors import InternalError, ResultTimeoutError, ShemError
from shem.scripts.handles import Handles
from wit.errors import WitError
from wit.json_values import codec_for, parameters_to_json
from wit.names import full_name
from wit.types import FunctionType, Own, Parameter, ResourceName, Type
from wit.values import Value
from wit.wave import format_value
from wit.world import Function

__all__ = ["CallTrace", "WorkerPort"]

CALL_TIMEOUT_S: Final = 30.0
# How often a resource may be dropped and made again under the same parameters.
GENERATIONS_MAX: Final = 100
# How executors say that a handle names nothing any more.
_GONE: Final = "there is none of that number any more"
# Enough to keep the names of two runs apart, short enough to be read.
_DIGITS: Final = 16


class CallTrace(Struct, frozen=True, kw_only=True):
    """What a watcher hears of a call: when it begins, and again when it is over.

    `took_s` is in seconds. `outcome` is the result as WAVE, empty for none, or the error's text.
    """

    state: Literal["started", "returned", "failed"]
    component: str
    worker: str
    function: str
    arguments: str
    key: str
    took_s: float = 0.0
    outcome: str = ""


Watch = Callable[[CallTrace], None]


@final
class _UrnHandles:
    """Handles of resources that stay in their workers: their URNs are all we know of them."""

    def urn_of(self, handle: object, resource: ResourceName) -> str:
        if not isinstance(handle, str):
            raise InternalError(f"{handle!r} is no handle of {resource.name}")
        return handle

    def handle_of(self, urn: str, resource: ResourceName, *, borrowed: bool) -> object:
        del resource, borrowed
        return urn


_HANDLES: Final = _UrnHandles()


@final
class WorkerPort:
    """Calls the workers of a running system for one run of a program."""

    def __init__(
        self,
        client: Client,
        run_key: str,
        *,
        timeout_s: float = CALL_TIMEOUT_S,
        watch: Watch | None = None,
        attributes: Mapping[str, str] | None = None,
    ) -> None:
        """Make a port.

        Args:
            client: A connected client.
            run_key: The idempotency key of the whole run.
            timeout_s: How long each call may take. It stays durable when that is over.
            watch: Hears when a call begins and ends.
            attributes: What is said of each invocation, for its guest and its trace.
        """
        self._client = client
        self._run_key = run_key
        self._timeout_s = timeout_s
        self._watch = watch
        self._attributes = attributes
        self._handles = Handles()
        self._generations: dict[str, int] = {}

    async def call(self, call: WorkerCall, /) -> Value:
        """Invoke durably and return the result. Raises `CallError` when it failed for good."""
        function, arguments, position = call.function, call.arguments, str(call.position)
        if call.resource is not None:
            return await self._on_resource(call.resource, function, arguments, position)
        if call.worker is None:
            worker = self._handles.owner(call.handle).worker
            arguments = (call.handle, *arguments)
        else:
            worker = self._name(call.worker)
        return await self._invoke(call.component, worker, function, arguments, position)

    async def drop(self, drop: ResourceDrop, /) -> None:
        """End a resource. Errors as for `call`."""
        position = str(drop.position)
        if drop.resource is None:
            owner = self._handles.owner(drop.handle)
            function = _drop(owner.resource)
            await self._invoke(owner.component, owner.worker, function, (drop.handle,), position)
            return
        resource = drop.resource
        name = resource.constructor.name.removeprefix("[constructor]")
        function = _drop(ResourceName(name, resource.constructor.interface))
        await self._on_resource(resource, function, (), position)
        place = _place(resource)
        self._generations[place] = self._generations.get(place, 0) + 1

    def _name(self, worker: Worker) -> str:
        if worker.name is not None:
            return worker.name
        return f"rib-{_digest(self._run_key)}-{worker.ordinal}"

    # Resources

    async def _on_resource(
        self, resource: Resource, function: Function, arguments: Sequence[Value], position: str
    ) -> Value:
        """Invoke a method of the live resource with these constructor parameters.

        The key of the constructor follows from its parameters alone, so that every run finds the
        same resource. One that was dropped is followed by a next generation.
        """
        worker, place = self._name(resource.worker), _place(resource)
        while (generation := self._generations.get(place, 0)) < GENERATIONS_MAX:
            suffix = f".{generation}" if generation else ""
            handle = await self._invoke(
                resource.component,
                worker,
                resource.constructor,
                resource.arguments,
                key=f"rib-resource:{_digest(place)}{suffix}",
            )
            try:
                return await self._invoke(
                    resource.component,
                    worker,
                    function,
                    (handle, *arguments),
                    f"{position}{suffix}",
                )
            except _GoneError:
                self._generations[place] = generation + 1
        raise CallError(f"{place}: dropped {GENERATIONS_MAX} times, and not made again")

    # Calls

    async def _invoke(
        self,
        component: str,
        worker: str,
        function: Function,
        arguments: Sequence[Value],
        position: str = "",
        *,
        key: str = "",
    ) -> Value:
        key = key or f"{self._run_key}:{position}"
        trace = CallTrace(
            state="started",
            component=component,
            worker=worker,
            function=full_name(function),
            # Only for who watches: the text of a large body takes seconds.
            arguments="" if self._watch is None else _shown(function, arguments),
            key=key,
        )
        started = time.monotonic()
        self._tell(trace)
        try:
            value = await self._answer(trace, function, arguments)
        except CallError as error:
            self._end(trace, "failed", started, str(error))
            raise
        result = function.type.result
        is_told = self._watch is not None and result is not None
        self._end(trace, "returned", started, _text(value, result) if is_told and result else "")
        return value

    async def _answer(
        self, trace: CallTrace, function: Function, arguments: Sequence[Value]
    ) -> Value:
        try:
            handle = self._client.worker(trace.component, trace.worker)
            params = parameters_to_json(arguments, function.type, _HANDLES)
            payload = msgspec.json.encode({"function": trace.function, "params": params})
            outcome = await handle.call(
                payload, key=trace.key, timeout_s=self._timeout_s, attributes=self._attributes
            )
            outcome.check()
            return self._value(trace, function, outcome)
        except ResultTimeoutError as error:
            raise CallError(str(error)) from error
        except ShemError as error:
            place = f"{trace.component}/{trace.worker}"
            kind = _GoneError if _GONE in str(error) else CallError
            raise kind(f"{place}: {error} ({error.kind})") from error
        except WitError as error:
            raise CallError(f"{trace.component}/{trace.worker}: {error}") from error

    def _value(self, trace: CallTrace, function: Function, outcome: Outcome) -> Value:
        result = function.type.result
        if result is None or not isinstance(outcome.result, Raw):
            return None
        handles = self._handles.of(trace.component, trace.worker, result)
        return codec_for(result, handles).decode(bytes(outcome.result))

    def _tell(self, trace: CallTrace) -> None:
        if self._watch is not None:
            self._watch(trace)

    def _end(
        self,
        trace: CallTrace,
        state: Literal["returned", "failed"],
        started: float,
        outcome: str,
    ) -> None:
        took_s = time.monotonic() - started
        self._tell(msgspec.structs.replace(trace, state=state, took_s=took_s, outcome=outcome))


class _GoneError(CallError):
    """The resource behind a handle was dropped. Worth making it again, once."""


def _place(resource: Resource) -> str:
    """Return what tells a resource from all others, in words."""
    worker = resource.worker
    name = f"#{worker.ordinal}" if worker.name is None else f"/{worker.name}"
    shown = _shown(resource.constructor, resource.arguments)
    return f"{resource.component}{name} {full_name(resource.constructor)}{shown}"


def _drop(resource: ResourceName) -> Function:
    type_ = FunctionType((Parameter("self", Own(resource)),), None)
    return Function(f"{resource.name}.drop", type_, resource.interface)


def _shown(function: Function, arguments: Sequence[Value]) -> str:
    """Return the arguments as WAVE, in parentheses."""
    parameters = function.type.parameters
    texts = [
        _text(value, parameter.type) for value, parameter in zip(arguments, parameters, strict=True)
    ]
    return f"({', '.join(texts)})"


def _text(value: Value, type_: Type) -> str:
    return format_value(value, type_, _HANDLES)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]
