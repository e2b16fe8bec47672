"""A bucket of values by key, with the operations of all drafts of `wasi:keyvalue`.

Reads and plain writes are bare; the caller records them. Compare-and-set and increments record
themselves: first what was seen, with an id for the write to come, then that it was written. A crash
in between repeats the write with that id, and the broker knows it again.
"""

import base64
from collections.abc import Sequence
from typing import Final, final

from msgspec import Struct

from actors.host.context import HostContext
from actors.host.interface import Kind
from actors.host.saving import saveable, saveable_struct
from actors.host.stores.errors import (
    StoreError,
    check_batch,
    check_bucket_name,
    check_key,
    check_value,
)
from actors.host.stores.limits import CONFLICTS_MAX
from broker.errors import ExistsError
from broker.ports import Bucket
from wit.types import Field, ListType, OptionType, Primitive, RecordType
from wit.values import Value, some

__all__ = ["CACHE_PREFIX", "Seen", "SharedBucket", "look", "write_after"]

# The bucket of a component's own cache.
CACHE_PREFIX: Final = "cache:"
_BYTES: Final = ListType(Primitive.U8)
_SEEN: Final = RecordType(
    (
        Field("revision", Primitive.U64),
        Field("value", OptionType(_BYTES)),
        Field("write-id", Primitive.STRING),
    )
)


@saveable_struct("stores/seen")
class Seen(Struct, frozen=True):
    """A value as it was seen; `write_id` is for the one write that is to replace it."""

    bucket: "SharedBucket"
    key: str
    revision: int
    value: bytes | None
    write_id: str


@saveable("stores/bucket", "name")
@final
class SharedBucket:
    """The resource `bucket`.

    Raises:
        StoreError: from every method, what was asked for is beyond a limit.
    """

    def __init__(self, name: str) -> None:
        check_bucket_name(name)
        self.name = name

    def at(self, context: HostContext) -> Bucket:
        """Return the broker's."""
        return context.stores.keyvalue(self.name)

    async def get(self, context: HostContext, key: str) -> bytes | None:
        """Return a value."""
        check_key(key)
        entry = await self.at(context).get(key)
        return None if entry is None else entry.data

    async def set(
        self, context: HostContext, key: str, value: bytes, *, ttl_s: float | None = None
    ) -> None:
        """Write a value."""
        check_key(key)
        check_value(value)
        await self.at(context).put(key, value, ttl_s=ttl_s)

    async def delete(self, context: HostContext, key: str) -> None:
        """Remove a key, whether it exists or not."""
        check_key(key)
        await self.at(context).delete(key)

    async def exists(self, context: HostContext, key: str) -> bool:
        """Tell whether there is a value."""
        return await self.get(context, key) is not None

    async def keys(self, context: HostContext) -> Sequence[str]:
        """Return all keys, sorted."""
        return await self.at(context).keys()

    async def get_many(self, context: HostContext, keys: Sequence[str]) -> list[bytes | None]:
        """Return values in the order of keys."""
        check_batch(len(keys))
        return [await self.get(context, key) for key in keys]

    async def set_many(self, context: HostContext, pairs: Sequence[tuple[str, bytes]]) -> None:
        """Write values in order; checked before the first is written."""
        check_batch(len(pairs))
        for key, value in pairs:
            check_key(key)
            check_value(value)
        for key, value in pairs:
            await self.set(context, key, value)

    async def delete_many(self, context: HostContext, keys: Sequence[str]) -> None:
        """Remove keys in order."""
        check_batch(len(keys))
        for key in keys:
            check_key(key)
        for key in keys:
            await self.delete(context, key)

    async def change_number(
        self, context: HostContext, name: str, key: str, delta: int, limits: range
    ) -> int:
        """Add to the decimal number that a key holds and return the sum; a missing one is 0.

        Raises:
            StoreError: the value is no number, the sum leaves `limits`, or others write all the
                time.
        """
        check_key(key)
        for _ in range(CONFLICTS_MAX):
            seen = await look(context, name, self, key)
            total = number_of(seen.value, key) + delta
            if total not in limits:
                raise StoreError(f"key {key!r}: {total} is beyond {limits[0]} to {limits[-1]}")
            if await write_after(context, name, seen, str(total).encode()):
                return total
        raise StoreError(f"key {key!r} was written by others {CONFLICTS_MAX} times in between")


def number_of(value: bytes | None, key: str) -> int:
    """Return the number that a value holds.

    Raises:
        StoreError: it holds none.
    """
    if value is None:
        return 0
    try:
        return int(value.decode("ascii"))
    except ValueError as error:
        shown = value[:40].decode(errors="replace")
        raise StoreError(f"key {key!r} holds no decimal number but {shown!r}") from error


async def look(context: HostContext, name: str, bucket: SharedBucket, key: str) -> Seen:
    """Observe a key, for a write that is to follow; recorded as `name.read`."""
    check_key(key)

    async def live() -> Value:
        entry = await bucket.at(context).get(key)
        write_id = base64.b32encode(context.random_bytes(15)).decode().lower()
        if entry is None:
            return {"revision": 0, "value": None, "write-id": write_id}
        return {
            "revision": entry.revision,
            "value": None if entry.data is None else some(entry.data),
            "write-id": write_id,
        }

    told = await context.record_wait(f"{name}.read", Kind.READ_REMOTE, _SEEN, live)
    value = None if told["value"] is None else told["value"][0]
    return Seen(bucket, key, told["revision"], value, told["write-id"])


async def write_after(context: HostContext, name: str, seen: Seen, value: bytes) -> bool:
    """Replace exactly what was seen; False: it was replaced already. Recorded as `name.write`."""
    check_value(value)

    async def live() -> Value:
        await context.committed()
        target = seen.bucket.at(context)
        try:
            await target.update(seen.key, value, revision=seen.revision, write_id=seen.write_id)
        except ExistsError:
            return False
        return True

    done = await context.record_wait(f"{name}.write", Kind.WRITE_REMOTE, Primitive.BOOL, live)
    await context.committed()
    return bool(done)
