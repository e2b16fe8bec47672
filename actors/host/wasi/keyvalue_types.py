"""`wasi:keyvalue@0.1.0`: errors, buckets, and values that are streams."""

from collections.abc import Awaitable, Callable
from typing import Final, final

from actors.host.buffered import full
from actors.host.context import HostContext
from actors.host.interface import HostInterface, Kind
from actors.host.saving import saveable
from actors.host.stores.bucket import SharedBucket
from actors.host.stores.errors import StoreError, check_value
from actors.host.stores.limits import VALUE_BYTES_MAX
from actors.host.stores.values import Incoming, Outgoing
from wit.types import ListType, Primitive, ResultType, Type
from wit.values import Value, err, ok

__all__ = [
    "BYTES",
    "ERROR",
    "TYPES",
    "VERSION",
    "KeyvalueError",
    "new_outgoing",
    "recorded",
    "recorded_write",
]

VERSION: Final = "0.1.0"
BYTES: Final = ListType(Primitive.U8)

ERROR = HostInterface("wasi:keyvalue/wasi-keyvalue-error", version=VERSION)
TYPES = HostInterface("wasi:keyvalue/types", version=VERSION)


@saveable("keyvalue/error", "message")
@final
class KeyvalueError:
    """The resource `error`."""

    def __init__(self, message: str) -> None:
        self.message = message


async def recorded(
    context: HostContext, name: str, type_: Type | None, call: Callable[[], Awaitable[Value]]
) -> Value:
    """Return the result of `call` with the resource `error`, recorded without it."""
    return await _recorded(context, name, Kind.READ_REMOTE, type_, call)


async def recorded_write(
    context: HostContext, name: str, call: Callable[[], Awaitable[Value]]
) -> Value:
    """Like `recorded`, for what changes something: after a commit, and committed itself."""

    async def after_commit() -> Value:
        await context.committed()
        return await call()

    result = await _recorded(context, name, Kind.WRITE_REMOTE, None, after_commit)
    await context.committed()
    return result


async def _recorded(
    context: HostContext,
    name: str,
    kind: Kind,
    type_: Type | None,
    call: Callable[[], Awaitable[Value]],
) -> Value:
    async def live() -> Value:
        try:
            return ok(await call())
        except StoreError as error:
            return err(str(error))

    result_type = ResultType(type_, Primitive.STRING)
    case, payload = await context.record_wait(name, kind, result_type, live)
    return ok(payload) if case == "ok" else err(KeyvalueError(payload))


def new_outgoing() -> Outgoing:
    """Return an empty value."""
    return Outgoing(VALUE_BYTES_MAX)


@ERROR.function("[method]error.trace", Kind.PURE)
def trace(context: HostContext, error: KeyvalueError) -> str:
    """Return what it says."""
    del context
    return error.message


@TYPES.function("[static]bucket.open-bucket", Kind.PURE)
def open_bucket(context: HostContext, name: str) -> Value:
    """Return the bucket; one that nobody wrote to is empty."""
    del context
    try:
        return ok(SharedBucket(name))
    except StoreError as error:
        return err(KeyvalueError(str(error)))


@TYPES.function("[static]outgoing-value.new-outgoing-value", Kind.PURE)
def new_outgoing_value(context: HostContext) -> Outgoing:
    """Return an empty value."""
    del context
    return new_outgoing()


@TYPES.function("[method]outgoing-value.outgoing-value-write-body-async", Kind.PURE)
def write_body_async(context: HostContext, value: Outgoing) -> Value:
    """Return the stream that writes it, once."""
    del context
    sink = value.open()
    return (
        err(KeyvalueError("the stream of the value was taken before")) if sink is None else ok(sink)
    )


@TYPES.function(
    "[method]outgoing-value.outgoing-value-write-body-sync",
    Kind.PURE,
    blocking=True,
    records=Kind.WRITE_REMOTE,
)
async def write_body_sync(context: HostContext, value: Outgoing, body: bytes) -> Value:
    """Take the whole."""
    try:
        check_value(body)
    except StoreError as error:
        return err(KeyvalueError(str(error)))
    if not value.replace(context, body):
        return err(KeyvalueError(full(len(body))))
    if value.place is not None:
        await value.place.store(context, body)
    return ok()


@TYPES.drop("outgoing-value")
def drop_outgoing(context: HostContext, value: Outgoing) -> None:
    """Forget what was written."""
    value.close(context)


@TYPES.function("[method]incoming-value.incoming-value-consume-sync", Kind.PURE)
def consume_sync(context: HostContext, value: Incoming) -> Value:
    """Return all of it."""
    del context
    return ok(value.data)


@TYPES.function("[method]incoming-value.incoming-value-consume-async", Kind.PURE)
def consume_async(context: HostContext, value: Incoming) -> Value:
    """Return a stream of all of it."""
    del context
    return ok(value.stream())


@TYPES.function("[method]incoming-value.incoming-value-size", Kind.PURE)
def size(context: HostContext, value: Incoming) -> Value:
    """Return how many bytes it has."""
    del context
    return ok(len(value.data))
