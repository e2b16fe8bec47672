"""`wasi:keyvalue/{eventual,eventual-batch,atomic}@0.1.0`."""

from collections.abc import Sequence
from typing import Final

from actors.host.context import HostContext
from actors.host.interface import HostInterface, Kind
from actors.host.stores.bucket import SharedBucket, look, number_of, write_after
from actors.host.stores.errors import StoreError
from actors.host.stores.values import Incoming, Outgoing
from actors.host.wasi.keyvalue_types import (
    BYTES,
    VERSION,
    KeyvalueError,
    recorded,
    recorded_write,
)
from wit.types import ListType, OptionType, Primitive
from wit.values import Value, err, ok, some

__all__ = ["ATOMIC", "EVENTUAL", "EVENTUAL_BATCH"]

_U64: Final = range(1 << 64)
_PACKAGE: Final = "wasi:keyvalue/"

EVENTUAL = HostInterface("wasi:keyvalue/eventual", version=VERSION)
EVENTUAL_BATCH = HostInterface("wasi:keyvalue/eventual-batch", version=VERSION)
ATOMIC = HostInterface("wasi:keyvalue/atomic", version=VERSION)


@EVENTUAL.function("get", Kind.PURE, blocking=True, records=Kind.READ_REMOTE)
async def get(context: HostContext, bucket: SharedBucket, key: str) -> Value:
    """Return a value."""

    async def read() -> Value:
        value = await bucket.get(context, key)
        return None if value is None else some(value)

    result = await recorded(context, f"{_PACKAGE}eventual#get", OptionType(BYTES), read)
    return ok(_incoming(result[1])) if result[0] == "ok" else result


@EVENTUAL.function("set", Kind.PURE, blocking=True, records=Kind.WRITE_REMOTE)
async def set_(context: HostContext, bucket: SharedBucket, key: str, value: Outgoing) -> Value:
    """Write a value."""
    data = bytes(value.data)
    return await recorded_write(
        context, f"{_PACKAGE}eventual#set", lambda: bucket.set(context, key, data)
    )


@EVENTUAL.function("delete", Kind.PURE, blocking=True, records=Kind.WRITE_REMOTE)
async def delete(context: HostContext, bucket: SharedBucket, key: str) -> Value:
    """Remove a key."""
    return await recorded_write(
        context, f"{_PACKAGE}eventual#delete", lambda: bucket.delete(context, key)
    )


@EVENTUAL.function("exists", Kind.PURE, blocking=True, records=Kind.READ_REMOTE)
async def exists(context: HostContext, bucket: SharedBucket, key: str) -> Value:
    """Tell whether there is a value."""
    return await recorded(
        context,
        f"{_PACKAGE}eventual#exists",
        Primitive.BOOL,
        lambda: bucket.exists(context, key),
    )


@EVENTUAL_BATCH.function("get-many", Kind.PURE, blocking=True, records=Kind.READ_REMOTE)
async def get_many(context: HostContext, bucket: SharedBucket, keys: Sequence[str]) -> Value:
    """Return values in the order of keys."""

    async def read() -> Value:
        values = await bucket.get_many(context, keys)
        return [None if value is None else some(value) for value in values]

    name = f"{_PACKAGE}eventual-batch#get-many"
    result = await recorded(context, name, ListType(OptionType(BYTES)), read)
    return ok([_incoming(value) for value in result[1]]) if result[0] == "ok" else result


@EVENTUAL_BATCH.function("keys", Kind.PURE, blocking=True, records=Kind.READ_REMOTE)
async def keys(context: HostContext, bucket: SharedBucket) -> Value:
    """Return all keys, sorted."""

    async def read() -> Value:
        return list(await bucket.keys(context))

    return await recorded(
        context, f"{_PACKAGE}eventual-batch#keys", ListType(Primitive.STRING), read
    )


@EVENTUAL_BATCH.function("set-many", Kind.PURE, blocking=True, records=Kind.WRITE_REMOTE)
async def set_many(
    context: HostContext, bucket: SharedBucket, pairs: Sequence[tuple[str, Outgoing]]
) -> Value:
    """Write values."""
    data = [(key, bytes(value.data)) for key, value in pairs]
    return await recorded_write(
        context, f"{_PACKAGE}eventual-batch#set-many", lambda: bucket.set_many(context, data)
    )


@EVENTUAL_BATCH.function("delete-many", Kind.PURE, blocking=True, records=Kind.WRITE_REMOTE)
async def delete_many(context: HostContext, bucket: SharedBucket, keys: Sequence[str]) -> Value:
    """Remove keys."""
    return await recorded_write(
        context, f"{_PACKAGE}eventual-batch#delete-many", lambda: bucket.delete_many(context, keys)
    )


@ATOMIC.function("increment", Kind.PURE, blocking=True, records=Kind.WRITE_REMOTE)
async def increment(context: HostContext, bucket: SharedBucket, key: str, delta: int) -> Value:
    """Add to a number."""
    name = f"{_PACKAGE}atomic#increment"
    try:
        return ok(await bucket.change_number(context, name, key, delta, _U64))
    except StoreError as error:
        return err(KeyvalueError(str(error)))


@ATOMIC.function("compare-and-swap", Kind.PURE, blocking=True, records=Kind.WRITE_REMOTE)
async def compare_and_swap(
    context: HostContext, bucket: SharedBucket, key: str, old: int, new: int
) -> Value:
    """Replace a number if it is `old`; a missing one is 0. Returns whether it was."""
    name = f"{_PACKAGE}atomic#compare-and-swap"
    try:
        seen = await look(context, name, bucket, key)
        if number_of(seen.value, key) != old:
            return ok(False)
        return ok(await write_after(context, name, seen, str(new).encode()))
    except StoreError as error:
        return err(KeyvalueError(str(error)))


def _incoming(value: Value) -> Value:
    return None if value is None else some(Incoming(value[0]))
