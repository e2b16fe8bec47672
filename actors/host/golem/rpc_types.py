"""`golem:rpc/types`: calling workers by name, with parameters as node lists."""

import uuid
from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec
from msgspec import Raw, UnsetType

from actors.engine.errors import GuestTrap
from actors.host.context import Answered, HostContext, Refused
from actors.host.interface import HostInterface, Kind
from actors.host.pollable import Pollable
from actors.host.rpc.target import CancellationToken, FutureAnswer, Target, refused
from wit.json_values import codec_for
from wit.values import Value, err, ok, some
from wit.wit_value_type import WIT_VALUE, WIT_VALUES

__all__ = ["TYPES"]

TYPES = HostInterface("golem:rpc/types", version="0.2.0")

_NAME: Final = "golem:rpc/types#[method]wasm-rpc."
_WIT_VALUES = codec_for(WIT_VALUES)
_WIT_VALUE = codec_for(WIT_VALUE)
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode
_U64_MASK: Final = (1 << 64) - 1


class CallOptions(NamedTuple):
    """A call for later."""

    function: str
    params: Raw
    run_at_ms: int


def _params(values: Sequence[Value]) -> Raw:
    return Raw(_encode(_WIT_VALUES.to_json(list(values))))


def _result(answered: Answered) -> Value:
    if answered.error is not None:
        return refused(answered.error)
    if isinstance(answered.result, UnsetType):
        # A function without result: the empty tuple.
        return ok({"nodes": [("tuple-value", [])]})
    return ok(_WIT_VALUE.from_json(_decode(answered.result)))


@TYPES.function("[constructor]wasm-rpc", Kind.PURE)
def new_wasm_rpc(context: HostContext, worker_id: Value) -> Target:
    """Return a worker to be called; it need not exist yet."""
    del context
    return Target(_component(worker_id["component-id"]), worker_id["worker-name"])


@TYPES.function("[static]wasm-rpc.ephemeral", Kind.PURE)
def ephemeral(context: HostContext, component_id: Value) -> Target:
    """Return what calls a new worker each time."""
    del context
    return Target(_component(component_id))


def _component(component_id: Value) -> uuid.UUID:
    bits = component_id["uuid"]
    return uuid.UUID(int=(bits["high-bits"] << 64) | bits["low-bits"])


@TYPES.function("[method]wasm-rpc.invoke-and-await", Kind.PURE, blocking=True)
async def invoke_and_await(
    context: HostContext, target: Target, function: str, values: Sequence[Value]
) -> Value:
    """Call and wait for the result."""
    name = f"{_NAME}invoke-and-await"
    request = target.request(function, _params(values), form="wit-values", blocks=True)
    asked = await context.call(name, request)
    if isinstance(asked, Refused):
        return refused(asked)
    return _result(await context.wait_and_take_answer(f"{name}.answer", asked))


@TYPES.function("[method]wasm-rpc.invoke", Kind.PURE, blocking=True)
async def invoke(
    context: HostContext, target: Target, function: str, values: Sequence[Value]
) -> Value:
    """Call without waiting. Calls of one target are stored in the order in which they are made."""
    request = target.request(function, _params(values), form="wit-values", awaits=False)
    asked = await context.call(f"{_NAME}invoke", request)
    return refused(asked) if isinstance(asked, Refused) else ok()


@TYPES.function("[method]wasm-rpc.async-invoke-and-await", Kind.PURE, blocking=True)
async def async_invoke_and_await(
    context: HostContext, target: Target, function: str, values: Sequence[Value]
) -> FutureAnswer:
    """Call in the background."""
    name = f"{_NAME}async-invoke-and-await"
    request = target.request(function, _params(values), form="wit-values")
    return FutureAnswer(name, await context.call(name, request))


@TYPES.function("[method]future-invoke-result.subscribe", Kind.PURE)
def subscribe(context: HostContext, future: FutureAnswer) -> Pollable:
    """Return what becomes ready with the result."""
    del context
    return future.subscribe()


@TYPES.function("[method]future-invoke-result.get", Kind.PURE, blocking=True)
async def get(context: HostContext, future: FutureAnswer) -> Value:
    """Return the result, none as long as it is not there."""
    answered = await future.get(context)
    return None if answered is None else some(_result(answered))


@TYPES.drop("future-invoke-result")
def drop_future(context: HostContext, future: FutureAnswer) -> None:
    """Let go of the result."""
    future.close(context)


@TYPES.function("parse-uuid", Kind.PURE)
def parse_uuid(context: HostContext, text: str) -> Value:
    """Return the UUID in a text."""
    del context
    try:
        number = uuid.UUID(text).int
    except ValueError:
        return err(f"{text!r} is no UUID")
    return ok({"high-bits": number >> 64, "low-bits": number & _U64_MASK})


@TYPES.function("uuid-to-string", Kind.PURE)
def uuid_to_string(context: HostContext, bits: Value) -> str:
    """Return a UUID as text."""
    del context
    return str(uuid.UUID(int=(bits["high-bits"] << 64) | bits["low-bits"]))


@TYPES.function("extract-value", Kind.PURE)
def extract_value(context: HostContext, pair: Value) -> Value:
    """Return the value of a value with its type."""
    del context
    return pair["value"]


@TYPES.function("extract-type", Kind.PURE)
def extract_type(context: HostContext, pair: Value) -> Value:
    """Return the type of a value with its type."""
    del context
    return pair["typ"]


def _later(datetime: Value, function: str, values: Sequence[Value]) -> CallOptions:
    seconds, nanoseconds = datetime["seconds"], datetime["nanoseconds"]
    # Rounded up, since a call must not run before its time.
    return CallOptions(function, _params(values), seconds * 1_000 + -(-nanoseconds // 1_000_000))


@TYPES.function("[method]wasm-rpc.schedule-invocation", Kind.PURE, blocking=True)
async def schedule_invocation(
    context: HostContext, target: Target, when: Value, function: str, values: Sequence[Value]
) -> None:
    """Have it called at a point in time."""
    await _schedule(context, "schedule-invocation", target, _later(when, function, values))


@TYPES.function("[method]wasm-rpc.schedule-cancelable-invocation", Kind.PURE, blocking=True)
async def schedule_cancelable_invocation(
    context: HostContext, target: Target, when: Value, function: str, values: Sequence[Value]
) -> CancellationToken:
    """Have it called at a point in time, unless that is taken back."""
    name = "schedule-cancelable-invocation"
    later = _later(when, function, values)
    return CancellationToken(target, await _schedule(context, name, target, later))


async def _schedule(
    context: HostContext, name: str, target: Target, later: CallOptions
) -> int | Refused:
    request = target.request(
        later.function,
        later.params,
        form="wit-values",
        awaits=False,
        run_at_ms=later.run_at_ms,
    )
    asked = await context.call(f"{_NAME}{name}", request)
    if isinstance(asked, Refused):
        # The signature has no room for an error, and going on would lose the call.
        raise GuestTrap(f"{name}: {asked.kind}: {asked.message}")
    return asked


@TYPES.function("[method]cancellation-token.cancel", Kind.PURE, blocking=True)
async def cancel(context: HostContext, token: CancellationToken) -> None:
    """Take it back."""
    await token.cancel(context, "golem:rpc/types#[method]cancellation-token.cancel")


@TYPES.drop("cancellation-token")
def drop_token(context: HostContext, token: CancellationToken) -> None:
    """Let go of the possibility to cancel; what is scheduled stays so."""
    del context, token
