"""`wasi:keyvalue/{store,atomics,batch}` on a bucket of the broker."""

from bisect import bisect_right
from collections.abc import Awaitable, Sequence
from typing import Final, final

from actors.host.context import HostContext
from actors.host.interface import HostInterface, Kind
from actors.host.saving import saveable
from actors.host.stores.bucket import Seen, SharedBucket, look, write_after
from actors.host.stores.errors import StoreError
from actors.host.stores.limits import KEYS_PER_PAGE
from wit.values import Value, err, ok, some

__all__ = ["ATOMICS", "BATCH", "STORE"]

_VERSION: Final = "0.2.0-draft2"
_S64: Final = range(-(1 << 63), 1 << 63)

STORE = HostInterface("wasi:keyvalue/store", version=_VERSION)
ATOMICS = HostInterface("wasi:keyvalue/atomics", version=_VERSION)
BATCH = HostInterface("wasi:keyvalue/batch", version=_VERSION)


@saveable("keyvalue/cas", "seen")
@final
class Cas:
    """The resource `cas`."""

    def __init__(self, seen: Seen) -> None:
        self.seen = seen


def _optional(value: bytes | None) -> Value:
    return None if value is None else some(value)


async def _result(call: Awaitable[Value]) -> Value:
    try:
        return ok(await call)
    except StoreError as error:
        return _refused(error)


def _refused(error: StoreError) -> Value:
    return err(("other", str(error)))


@STORE.function("open", Kind.PURE)
def open_bucket(context: HostContext, identifier: str) -> Value:
    """Return the bucket; one that nobody wrote to is empty."""
    del context
    try:
        return ok(SharedBucket(identifier))
    except StoreError:
        return err(("no-such-store", None))


@STORE.function("[method]bucket.get", Kind.READ_REMOTE, blocking=True)
async def get(context: HostContext, bucket: SharedBucket, key: str) -> Value:
    """Return a value."""

    async def read() -> Value:
        return _optional(await bucket.get(context, key))

    return await _result(read())


@STORE.function("[method]bucket.set", Kind.WRITE_REMOTE, blocking=True)
async def set_(context: HostContext, bucket: SharedBucket, key: str, value: bytes) -> Value:
    """Write a value."""
    return await _result(bucket.set(context, key, value))


@STORE.function("[method]bucket.delete", Kind.WRITE_REMOTE, blocking=True)
async def delete(context: HostContext, bucket: SharedBucket, key: str) -> Value:
    """Remove a key."""
    return await _result(bucket.delete(context, key))


@STORE.function("[method]bucket.exists", Kind.READ_REMOTE, blocking=True)
async def exists(context: HostContext, bucket: SharedBucket, key: str) -> Value:
    """Tell whether there is a value."""
    return await _result(bucket.exists(context, key))


@STORE.function("[method]bucket.list-keys", Kind.READ_REMOTE, blocking=True)
async def list_keys(context: HostContext, bucket: SharedBucket, cursor: Value) -> Value:
    """Return a page of keys, in order; the cursor is the last key of the page before."""
    keys = await bucket.keys(context)
    start = 0 if cursor is None else bisect_right(keys, cursor[0])
    page = list(keys[start : start + KEYS_PER_PAGE])
    has_more = start + len(page) < len(keys)
    return ok({"keys": page, "cursor": some(page[-1]) if has_more else None})


@ATOMICS.function("[static]cas.new", Kind.PURE, blocking=True, records=Kind.READ_REMOTE)
async def new_cas(context: HostContext, bucket: SharedBucket, key: str) -> Value:
    """Observe a value, for replacing exactly that."""

    async def observe() -> Value:
        return Cas(await look(context, "wasi:keyvalue/atomics#cas", bucket, key))

    return await _result(observe())


@ATOMICS.function("[method]cas.current", Kind.PURE)
def current(context: HostContext, cas: Cas) -> Value:
    """Return what was observed."""
    del context
    return ok(_optional(cas.seen.value))


@ATOMICS.function("swap", Kind.PURE, blocking=True, records=Kind.WRITE_REMOTE)
async def swap(context: HostContext, cas: Cas, value: bytes) -> Value:
    """Replace exactly what was observed; otherwise return what is there now."""
    name = "wasi:keyvalue/atomics#swap"
    try:
        if await write_after(context, name, cas.seen, value):
            return ok()
        seen = await look(context, name, cas.seen.bucket, cas.seen.key)
    except StoreError as error:
        return err(("store-error", ("other", str(error))))
    return err(("cas-failed", Cas(seen)))


@ATOMICS.function("increment", Kind.PURE, blocking=True, records=Kind.WRITE_REMOTE)
async def increment(context: HostContext, bucket: SharedBucket, key: str, delta: int) -> Value:
    """Add to a number."""
    name = "wasi:keyvalue/atomics#increment"
    return await _result(bucket.change_number(context, name, key, delta, _S64))


@BATCH.function("get-many", Kind.READ_REMOTE, blocking=True)
async def get_many(context: HostContext, bucket: SharedBucket, keys: Sequence[str]) -> Value:
    """Return values with their keys."""

    async def read() -> Value:
        values = await bucket.get_many(context, keys)
        return list(zip(keys, map(_optional, values), strict=True))

    return await _result(read())


@BATCH.function("set-many", Kind.WRITE_REMOTE, blocking=True)
async def set_many(
    context: HostContext, bucket: SharedBucket, pairs: Sequence[tuple[str, bytes]]
) -> Value:
    """Write values."""
    return await _result(bucket.set_many(context, pairs))


@BATCH.function("delete-many", Kind.WRITE_REMOTE, blocking=True)
async def delete_many(context: HostContext, bucket: SharedBucket, keys: Sequence[str]) -> Value:
    """Remove keys."""
    return await _result(bucket.delete_many(context, keys))
