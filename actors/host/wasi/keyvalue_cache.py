"""`wasi:keyvalue/cache@0.1.0`: a bucket of the component's own whose values may expire.

A call waits for the broker and returns a future that is there. Times to live are rounded up to
whole seconds, which is what the broker keeps.
"""

import math
from typing import Final, final

from actors.host.context import HostContext
from actors.host.interface import HostInterface, Kind
from actors.host.pollable import Always, Pollable
from actors.host.saving import refuses, saveable
from actors.host.stores.bucket import CACHE_PREFIX, SharedBucket
from actors.host.stores.limits import BUCKET_NAME_BYTES_MAX, VALUE_BYTES_MAX
from actors.host.stores.values import Incoming, Outgoing
from actors.host.wasi.keyvalue_types import BYTES, VERSION, recorded, recorded_write
from wit.types import OptionType, Primitive
from wit.values import Value, ok, some

__all__ = ["CACHE"]

CACHE = HostInterface("wasi:keyvalue/cache", version=VERSION)
_NAME: Final = "wasi:keyvalue/cache#"
_FOUND: Final = OptionType(BYTES)
_FUTURES: Final = (
    "future-get-result",
    "future-exists-result",
    "future-result",
    "future-get-or-set-result",
)


@refuses("the future of a cache call is held")
@final
class Future:
    """All four futures: a result that is there."""

    def __init__(self, result: Value) -> None:
        self.result = result

    def get(self) -> Value:
        """Return the result, with handles of its own each time."""
        if self.result[0] == "err":
            return some(self.result)
        value = self.result[1]
        return some(ok(value() if callable(value) else value))


@saveable("keyvalue/vacancy", "key")
@final
class Vacancy:
    """The resource `vacancy`: a key without a value."""

    def __init__(self, key: str) -> None:
        self.key = key


@saveable("keyvalue/cache-place", "_key", "_ttl_s")
@final
class CachePlace:
    """A key that a value will be stored at."""

    def __init__(self, key: str, ttl_s: int | None) -> None:
        self._key = key
        self._ttl_s = ttl_s

    async def store(self, context: HostContext, data: bytes) -> None:
        """Store the value. Errors stay in the log: there is no way to answer with one."""
        await _store(context, f"{_NAME}vacancy-fill", self._key, data, self._ttl_s)


def _bucket(context: HostContext) -> SharedBucket:
    name = f"{CACHE_PREFIX}{context.component}"
    return SharedBucket(name.encode()[:BUCKET_NAME_BYTES_MAX].decode(errors="ignore"))


def _ttl_s(ttl_ms: Value) -> int | None:
    return None if ttl_ms is None else max(1, math.ceil(ttl_ms[0] / 1_000))


async def _look(context: HostContext, name: str, key: str) -> Value:
    bucket = _bucket(context)

    async def read() -> Value:
        value = await bucket.get(context, key)
        return None if value is None else some(value)

    return await recorded(context, name, _FOUND, read)


@CACHE.function("get", Kind.PURE, blocking=True, records=Kind.READ_REMOTE)
async def get(context: HostContext, key: str) -> Future:
    """Read a value."""
    result = await _look(context, f"{_NAME}get", key)
    if result[0] == "err":
        return Future(result)
    found = result[1]
    return Future(ok(lambda: None if found is None else some(Incoming(found[0]))))


@CACHE.function("exists", Kind.PURE, blocking=True, records=Kind.READ_REMOTE)
async def exists(context: HostContext, key: str) -> Future:
    """Tell whether there is a value."""
    bucket = _bucket(context)
    name = f"{_NAME}exists"
    return Future(
        await recorded(context, name, Primitive.BOOL, lambda: bucket.exists(context, key))
    )


@CACHE.function("set", Kind.PURE, blocking=True, records=Kind.WRITE_REMOTE)
async def set_(context: HostContext, key: str, value: Outgoing, ttl_ms: Value) -> Future:
    """Write a value."""
    return Future(await _store(context, f"{_NAME}set", key, bytes(value.data), _ttl_s(ttl_ms)))


@CACHE.function("get-or-set", Kind.PURE, blocking=True, records=Kind.READ_REMOTE)
async def get_or_set(context: HostContext, key: str) -> Future:
    """Return the value, or the right to fill its place. Others may fill it at the same time."""
    result = await _look(context, f"{_NAME}get-or-set", key)
    if result[0] == "err":
        return Future(result)
    if result[1] is None:
        return Future(ok(lambda: ("vacant", Vacancy(key))))
    data = result[1][0]
    return Future(ok(lambda: ("occupied", Incoming(data))))


@CACHE.function("delete", Kind.PURE, blocking=True, records=Kind.WRITE_REMOTE)
async def delete(context: HostContext, key: str) -> Future:
    """Remove a value."""
    bucket = _bucket(context)
    name = f"{_NAME}delete"
    return Future(await recorded_write(context, name, lambda: bucket.delete(context, key)))


@CACHE.function("[method]vacancy.vacancy-fill", Kind.PURE)
def fill(context: HostContext, vacancy: Vacancy, ttl_ms: Value) -> Outgoing:
    """Return a value that is stored when it is written at once, or its stream flushed."""
    del context
    return Outgoing(VALUE_BYTES_MAX, CachePlace(vacancy.key, _ttl_s(ttl_ms)))


async def _store(
    context: HostContext, name: str, key: str, data: bytes, ttl_s: int | None
) -> Value:
    bucket = _bucket(context)
    return await recorded_write(context, name, lambda: bucket.set(context, key, data, ttl_s=ttl_s))


def result_of(context: HostContext, future: Future) -> Value:
    """Return what came of the call."""
    del context
    return future.get()


def listen(context: HostContext, future: Future) -> Pollable:
    """Return a pollable that is ready."""
    del context, future
    return Always()


for _future in _FUTURES:
    CACHE.function(f"[method]{_future}.{_future}-get", Kind.PURE)(result_of)
    CACHE.function(f"[method]{_future}.listen-to-{_future}", Kind.PURE)(listen)
