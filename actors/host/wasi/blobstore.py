"""`wasi:blobstore/{types,container,blobstore}` on object stores of the broker.

Every one of these calls may be repeated after a crash without harm: making what exists, deleting
what is gone and writing the same bytes again change nothing.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, final

from actors.host.buffered import Share, full
from actors.host.context import HostContext
from actors.host.interface import HostInterface, Kind
from actors.host.saving import saveable
from actors.host.stores.errors import (
    StoreError,
    check_batch,
    check_bucket_name,
    check_object_name,
    check_object_size,
)
from actors.host.stores.limits import OBJECT_BYTES_MAX
from actors.host.stores.values import Incoming, Outgoing
from broker import ports
from broker.errors import NotFoundError, TooLargeError, TooManyError
from wit.types import ListType, Primitive, ResultType, Type
from wit.values import Value, err, ok

__all__ = ["BLOBSTORE", "CONTAINER", "TYPES"]

TYPES = HostInterface("wasi:blobstore/types", version=None)
CONTAINER = HostInterface("wasi:blobstore/container", version=None)
BLOBSTORE = HostInterface("wasi:blobstore/blobstore", version=None)

_BYTES: Final = ListType(Primitive.U8)
_NAMES: Final = ListType(Primitive.STRING)
_PACKAGE: Final = "wasi:blobstore/"


@saveable("blobstore/container", "name")
@final
class Container:
    """The resource `container`."""

    def __init__(self, name: str) -> None:
        self.name = name

    def at(self, context: HostContext) -> ports.Container:
        """Return the broker's."""
        return context.stores.containers.open(self.name)


@saveable("blobstore/names", "_names", "_position")
@final
class Names:
    """The resource `stream-object-names`: a list and how far it was read."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self._position = 0

    def read(self, length: int) -> Value:
        """Return the next names, and whether these were the last."""
        taken = list(self._names[self._position : self._position + length])
        self._position += len(taken)
        return taken, self._position >= len(self._names)


async def _answer(call: Callable[[], Awaitable[Value]]) -> Value:
    """Return the result of a call; what the broker has not or takes not is an answer too."""
    try:
        return ok(await call())
    except (StoreError, NotFoundError, TooLargeError, TooManyError) as error:
        return err(str(error))


async def _recorded(
    context: HostContext, name: str, type_: Type | None, call: Callable[[], Awaitable[Value]]
) -> Value:
    result = ResultType(type_, Primitive.STRING)
    name = f"{_PACKAGE}{name}"
    return await context.record_wait(name, Kind.READ_REMOTE, result, lambda: _answer(call))


async def _written(context: HostContext, name: str, call: Callable[[], Awaitable[None]]) -> Value:
    async def live() -> Value:
        await context.committed()
        return await _answer(call)

    result = ResultType(None, Primitive.STRING)
    done = await context.record_wait(f"{_PACKAGE}{name}", Kind.WRITE_REMOTE, result, live)
    await context.committed()
    return done


@TYPES.function("[static]outgoing-value.new-outgoing-value", Kind.PURE)
def new_outgoing_value(context: HostContext) -> Outgoing:
    """Return an empty value."""
    del context
    return Outgoing(OBJECT_BYTES_MAX)


@TYPES.function("[method]outgoing-value.outgoing-value-write-body", Kind.PURE)
def write_body(context: HostContext, value: Outgoing) -> Value:
    """Return the stream that writes it, once."""
    del context
    sink = value.open()
    return err() if sink is None else ok(sink)


@TYPES.drop("outgoing-value")
@TYPES.drop("incoming-value")
def drop_value(context: HostContext, value: Outgoing | Incoming) -> None:
    """Forget what was written, or read."""
    value.close(context)


@TYPES.function("[method]incoming-value.incoming-value-consume-sync", Kind.PURE)
def consume_sync(context: HostContext, value: Incoming) -> Value:
    """Return all of it."""
    value.close(context)
    return ok(value.data)


@TYPES.function("[method]incoming-value.incoming-value-consume-async", Kind.PURE)
def consume_async(context: HostContext, value: Incoming) -> Value:
    """Return a stream of all of it."""
    del context
    return ok(value.stream())


@TYPES.function("[method]incoming-value.size", Kind.PURE)
def size(context: HostContext, value: Incoming) -> int:
    """Return how many bytes it has."""
    del context
    return len(value.data)


@CONTAINER.function("[method]container.name", Kind.PURE)
def name_(context: HostContext, container: Container) -> Value:
    """Return its name."""
    del context
    return ok(container.name)


@CONTAINER.function("[method]container.info", Kind.READ_REMOTE, blocking=True)
async def info(context: HostContext, container: Container) -> Value:
    """Return its name and age."""

    async def read() -> Value:
        created_ms = await _created_ms(context, container.name)
        return {"name": container.name, "created-at": created_ms // 1_000}

    return await _answer(read)


@CONTAINER.function(
    "[method]container.get-data", Kind.PURE, blocking=True, records=Kind.READ_REMOTE
)
async def get_data(
    context: HostContext, container: Container, name: str, start: int, end: int
) -> Value:
    """Return the bytes from `start` to `end`, both included, as far as there are some."""

    async def read() -> Value:
        check_object_name(name)
        if start > end:
            raise StoreError(f"the range ends at {end}, before its start at {start}")
        return (await container.at(context).get(name))[start : end + 1]

    result = await _recorded(context, "container#get-data", _BYTES, read)
    if result[0] == "err":
        return result
    data, share = result[1], Share()
    return ok(Incoming(data, share)) if share.take(context, len(data)) else err(full(len(data)))


@CONTAINER.function("[method]container.write-data", Kind.WRITE_REMOTE, blocking=True)
async def write_data(
    context: HostContext, container: Container, name: str, data: Outgoing
) -> Value:
    """Store what was written into the value, in the place of any older object."""

    async def write() -> None:
        check_object_name(name)
        check_object_size(len(data.data))
        await container.at(context).put(name, bytes(data.data))

    return await _answer(write)


@CONTAINER.function(
    "[method]container.list-objects", Kind.PURE, blocking=True, records=Kind.READ_REMOTE
)
async def list_objects(context: HostContext, container: Container) -> Value:
    """Return the names of all objects as they are now, sorted."""

    async def read() -> Value:
        return list(await container.at(context).names())

    result = await _recorded(context, "container#list-objects", _NAMES, read)
    return ok(Names(result[1])) if result[0] == "ok" else result


@CONTAINER.function("[method]container.delete-object", Kind.WRITE_REMOTE, blocking=True)
async def delete_object(context: HostContext, container: Container, name: str) -> Value:
    """Remove an object, whether it exists or not."""
    return await _answer(lambda: container.at(context).delete(name))


@CONTAINER.function("[method]container.delete-objects", Kind.WRITE_REMOTE, blocking=True)
async def delete_objects(context: HostContext, container: Container, names: Sequence[str]) -> Value:
    """Remove objects."""

    async def remove() -> None:
        check_batch(len(names))
        for name in names:
            await container.at(context).delete(name)

    return await _answer(remove)


@CONTAINER.function("[method]container.has-object", Kind.READ_REMOTE, blocking=True)
async def has_object(context: HostContext, container: Container, name: str) -> Value:
    """Tell whether there is an object."""

    async def read() -> Value:
        return await container.at(context).info(name) is not None

    return await _answer(read)


@CONTAINER.function("[method]container.object-info", Kind.READ_REMOTE, blocking=True)
async def object_info(context: HostContext, container: Container, name: str) -> Value:
    """Return size and age of an object."""

    async def read() -> Value:
        found = await container.at(context).info(name)
        if found is None:
            raise StoreError(f"no object is named {name!r} in {container.name!r}")
        return {
            "name": name,
            "container": container.name,
            "created-at": found.modified_ms // 1_000,
            "size": found.size,
        }

    return await _answer(read)


@CONTAINER.function("[method]container.clear", Kind.WRITE_REMOTE, blocking=True)
async def clear(context: HostContext, container: Container) -> Value:
    """Remove all objects."""
    return await _answer(container.at(context).clear)


@CONTAINER.function("[method]stream-object-names.read-stream-object-names", Kind.PURE)
def read_names(context: HostContext, names: Names, length: int) -> Value:
    """Return the next names, and whether these were the last."""
    del context
    return ok(names.read(length))


@CONTAINER.function("[method]stream-object-names.skip-stream-object-names", Kind.PURE)
def skip_names(context: HostContext, names: Names, count: int) -> Value:
    """Pass over names; returns how many, and whether these were the last."""
    del context
    skipped, is_end = names.read(count)
    return ok((len(skipped), is_end))


@BLOBSTORE.function("create-container", Kind.PURE, blocking=True, records=Kind.WRITE_REMOTE)
async def create_container(context: HostContext, name: str) -> Value:
    """Make a container; one that exists is returned as it is."""

    async def make() -> None:
        check_bucket_name(name)
        await context.stores.containers.create(name)

    result = await _written(context, "blobstore#create-container", make)
    return ok(Container(name)) if result[0] == "ok" else result


@BLOBSTORE.function("get-container", Kind.PURE, blocking=True, records=Kind.READ_REMOTE)
async def get_container(context: HostContext, name: str) -> Value:
    """Return a container that exists."""

    async def find() -> None:
        await _created_ms(context, name)

    result = await _recorded(context, "blobstore#get-container", None, find)
    return ok(Container(name)) if result[0] == "ok" else result


@BLOBSTORE.function("delete-container", Kind.WRITE_REMOTE, blocking=True)
async def delete_container(context: HostContext, name: str) -> Value:
    """Remove a container with all objects, whether it exists or not."""
    return await _answer(lambda: context.stores.containers.delete(name))


@BLOBSTORE.function("container-exists", Kind.READ_REMOTE, blocking=True)
async def container_exists(context: HostContext, name: str) -> Value:
    """Tell whether there is a container."""

    async def read() -> Value:
        return await context.stores.containers.created_ms(name) is not None

    return await _answer(read)


@BLOBSTORE.function("copy-object", Kind.WRITE_REMOTE, blocking=True)
async def copy_object(context: HostContext, source: Value, target: Value) -> Value:
    """Store an object under another name too."""
    return await _answer(lambda: _copy(context, source, target))


@BLOBSTORE.function("move-object", Kind.PURE, blocking=True, records=Kind.WRITE_REMOTE)
async def move_object(context: HostContext, source: Value, target: Value) -> Value:
    """Give an object another name. Recorded in two steps: a crash between them repeats neither."""
    name = "blobstore#move-object"
    copied = await _written(context, f"{name}.copy", lambda: _copy(context, source, target))
    if copied[0] == "err" or source == target:
        return copied
    old = Container(source["container"])
    return await _written(
        context, f"{name}.delete", lambda: old.at(context).delete(source["object"])
    )


async def _copy(context: HostContext, source: Value, target: Value) -> None:
    check_object_name(target["object"])
    data = await Container(source["container"]).at(context).get(source["object"])
    await Container(target["container"]).at(context).put(target["object"], data)


async def _created_ms(context: HostContext, name: str) -> int:
    check_bucket_name(name)
    created_ms = await context.stores.containers.created_ms(name)
    if created_ms is None:
        raise StoreError(f"there is no container {name!r}")
    return created_ms
