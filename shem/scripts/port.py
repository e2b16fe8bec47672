"""The port through which Rib programs reach workers: each call is a durable invocation.

Keys and the names of unnamed instances follow from the run's key and the position of the call, so
a run that is repeated under the same key repeats no effect and gets the same answers.
"""

import hashlib
import time
from collections.abc import Callable, Sequence
from typing import Final, Literal, final

import msgspec
from msgspec import Raw, Struct

from rib import CallError, Resource, ResourceDrop, Worker, WorkerCall
from shem.client import Client
from shem.client.invocations import Outcome
from shem.errors import InternalError, ResultTimeoutError, ShemError
from wit.errors import WitError
from wit.json_values import codec_for, parameters_to_json
from wit.names import full_name
from wit.types import FunctionType, Own, Parameter, ResourceName, Type
from wit.values import Value
from wit.wave import format_value
from wit.world import Function

__all__ = ["CallTrace", "WorkerPort"]

CALL_TIMEOUT_S: Final = 30.0
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
    ) -> None:
        """Make a port.

        Args:
            client: A connected client.
            run_key: The idempotency key of the whole run.
            timeout_s: How long each call may take. It stays durable when that is over.
            watch: Hears when a call begins and ends.
        """
        self._client = client
        self._run_key = run_key
        self._timeout_s = timeout_s
        self._watch = watch
        self._made: dict[tuple[str, str, str], tuple[Worker, Value]] = {}
        self._owners: dict[str, str] = {}
        self._used: dict[tuple[str, str], None] = {}

    @property
    def used(self) -> tuple[tuple[str, str], ...]:
        """The workers that were called, as component and name, in order of the first call."""
        return tuple(self._used)

    async def call(self, call: WorkerCall, /) -> Value:
        """Invoke durably and return the result. Raises `CallError` when it failed for good."""
        function, arguments, position = call.function, call.arguments, str(call.position)
        if call.resource is not None:
            handle = await self._handle(call.resource, position)
            worker, arguments = self._name(call.resource.worker), (handle, *arguments)
        elif call.worker is None:
            worker, arguments = self._owner(call.handle), (call.handle, *arguments)
        else:
            worker = self._name(call.worker)
        return await self._invoke(call.component, worker, function, arguments, position)

    async def drop(self, drop: ResourceDrop, /) -> None:
        """End a resource; one that no method was called on does not exist yet."""
        position = str(drop.position)
        if drop.resource is None:
            component, _, worker = self._owner(drop.handle).partition("/")
            raise CallError(f"a handle of {component}/{worker} cannot be dropped from outside")
        made = self._made.pop(_place(drop.resource), None)
        if made is None:
            return
        resource = drop.resource
        name = ResourceName(
            resource.constructor.name.removeprefix("[constructor]"),
            resource.constructor.interface,
        )
        type_ = FunctionType((Parameter("self", Own(name)),), None)
        function = Function(f"{name.name}.drop", type_, name.interface)
        worker = self._name(resource.worker)
        await self._invoke(resource.component, worker, function, (made[1],), position)

    # Names

    def _name(self, worker: Worker) -> str:
        if worker.name is not None:
            return worker.name
        return f"rib-{_digest(self._run_key)}-{worker.ordinal}"

    def _owner(self, handle: Value) -> str:
        owner = self._owners.get(str(handle))
        if owner is None:
            raise CallError(f"no worker of this run returned the handle {handle}")
        return owner

    async def _handle(self, resource: Resource, position: str) -> Value:
        """Return the live resource with these constructor parameters, made once in a run."""
        place = _place(resource)
        if place not in self._made:
            worker = self._name(resource.worker)
            handle = await self._invoke(
                resource.component,
                worker,
                resource.constructor,
                resource.arguments,
                f"{position}.new",
            )
            self._made[place] = resource.worker, handle
        return self._made[place][1]

    # Calls

    async def _invoke(
        self,
        component: str,
        worker: str,
        function: Function,
        arguments: Sequence[Value],
        position: str,
    ) -> Value:
        key = f"{self._run_key}:{position}"
        trace = CallTrace(
            state="started",
            component=component,
            worker=worker,
            function=full_name(function),
            arguments=_shown(function, arguments),
            key=key,
        )
        self._used[component, worker] = None
        started = time.monotonic()
        self._tell(trace)
        try:
            value = await self._answer(trace, function, arguments)
        except CallError as error:
            self._end(trace, "failed", started, str(error))
            raise
        result = function.type.result
        self._end(trace, "returned", started, "" if result is None else _text(value, result))
        return value

    async def _answer(
        self, trace: CallTrace, function: Function, arguments: Sequence[Value]
    ) -> Value:
        handle = self._client.worker(trace.component, trace.worker)
        try:
            params = parameters_to_json(arguments, function.type, _HANDLES)
            payload = msgspec.json.encode({"function": trace.function, "params": params})
            outcome = await handle.call(payload, key=trace.key, timeout_s=self._timeout_s)
            outcome.check()
            return self._value(trace.worker, function, outcome)
        except ResultTimeoutError as error:
            raise CallError(str(error)) from error
        except ShemError as error:
            place = f"{trace.component}/{trace.worker}"
            raise CallError(f"{place}: {error} ({error.kind})") from error
        except WitError as error:
            raise CallError(f"{trace.component}/{trace.worker}: {error}") from error

    def _value(self, worker: str, function: Function, outcome: Outcome) -> Value:
        result = function.type.result
        if result is None or not isinstance(outcome.result, Raw):
            return None
        value = codec_for(result, _HANDLES).decode(bytes(outcome.result))
        if isinstance(value, str):
            self._owners[value] = worker
        return value

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


def _place(resource: Resource) -> tuple[str, str, str]:
    worker = resource.worker
    name = f"#{worker.ordinal}" if worker.name is None else f"/{worker.name}"
    shown = _shown(resource.constructor, resource.arguments)
    return resource.component, name, full_name(resource.constructor) + shown


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
