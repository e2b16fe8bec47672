"""`wasi:filesystem/types`, what concerns open files and directories, and `preopens`.

All of it is pure: a worker's files are part of its state and written again at replay, so that not
a byte of them goes through the log.
"""

import functools
import hashlib
from collections.abc import Callable
from typing import Final

from actors.host.buffered import full
from actors.host.context import HostContext
from actors.host.files.descriptor import Descriptor, DirectoryListing, FileInput, FileOutput
from actors.host.files.errors import FileError
from actors.host.files.filesystem import FileSystem
from actors.host.files.initial import new_filesystem
from actors.host.files.nodes import Node
from actors.host.interface import HostInterface, Kind
from actors.host.saving import StateKey
from actors.host.streams import READ_BYTES_MAX, InputSource, IoError, OutputSink
from actors.host.wasi.clocks_wall_clock import datetime_of
from actors.host.wasi.version import WASI_VERSION
from wit.values import Value, err, ok, some

__all__ = [
    "FILES",
    "PREOPENS",
    "TYPES",
    "answered",
    "files_of",
    "metadata_hash_of",
    "now_of",
    "set_times_of",
    "stat_of",
]

# Where in a worker's `state` its `FileSystem` is kept; an executor that has initial files puts it
# there before the guest runs.
FILES: Final = StateKey("files")

TYPES = HostInterface("wasi:filesystem/types", version=WASI_VERSION)
PREOPENS = HostInterface("wasi:filesystem/preopens", version=WASI_VERSION)


def files_of(context: HostContext) -> FileSystem:
    """Return the worker's files; they begin empty unless they were set up before."""
    filesystem = context.state.get(FILES)
    if filesystem is None:
        filesystem = context.state[FILES] = new_filesystem()
    assert isinstance(filesystem, FileSystem)
    return filesystem


def now_of(context: HostContext) -> int:
    """Return the time of a change that happens now."""
    return files_of(context).tick(context.recorded_wall_ns)


def answered(run: Callable[..., Value]) -> Callable[..., Value]:
    """Turn what a function returns, or the `FileError` it raises, into a WIT result."""

    @functools.wraps(run)
    def answer(context: HostContext, *arguments: Value) -> Value:
        try:
            return ok(run(context, *arguments))
        except FileError as error:
            return err(error.code)

    return answer


def stat_of(node: Node) -> Value:
    """Return the record `descriptor-stat`."""
    return {
        "type": node.type,
        "link-count": node.links,
        "size": node.size,
        "data-access-timestamp": some(datetime_of(node.accessed_ns)),
        "data-modification-timestamp": some(datetime_of(node.modified_ns)),
        "status-change-timestamp": some(datetime_of(node.changed_ns)),
    }


def metadata_hash_of(node: Node) -> Value:
    """Return the record `metadata-hash-value`.

    It identifies the node and nothing else: C libraries use it as the number of the inode, which
    must stay the same as long as the file is there.
    """
    digest = hashlib.sha256(node.number.to_bytes(8, "little")).digest()
    return {
        "lower": int.from_bytes(digest[:8], "little"),
        "upper": int.from_bytes(digest[8:16], "little"),
    }


def set_times_of(context: HostContext, node: Node, accessed: Value, modified: Value) -> None:
    """Apply two `new-timestamp`s."""
    now_ns = now_of(context)
    node.accessed_ns = _time_of(accessed, node.accessed_ns, now_ns)
    node.modified_ns = _time_of(modified, node.modified_ns, now_ns)
    node.changed_ns = now_ns


def _time_of(timestamp: Value, old_ns: int, now_ns: int) -> int:
    case, datetime = timestamp
    if case == "timestamp":
        if datetime["nanoseconds"] >= 10**9:
            raise FileError("invalid", "a second has 1,000,000,000 nanoseconds")
        seconds: int = datetime["seconds"]
        nanoseconds: int = datetime["nanoseconds"]
        return seconds * 10**9 + nanoseconds
    return now_ns if case == "now" else old_ns


@TYPES.function("[method]descriptor.read-via-stream", Kind.PURE)
@answered
def read_via_stream(context: HostContext, descriptor: Descriptor, offset: int) -> InputSource:
    """Return a stream of the bytes from `offset` on."""
    del context
    return FileInput(descriptor.file("read"), offset)


@TYPES.function("[method]descriptor.write-via-stream", Kind.PURE)
@answered
def write_via_stream(context: HostContext, descriptor: Descriptor, offset: int) -> OutputSink:
    """Return a stream that writes from `offset` on."""
    del context
    return FileOutput(descriptor.filesystem, descriptor.file("write"), offset)


@TYPES.function("[method]descriptor.append-via-stream", Kind.PURE)
@answered
def append_via_stream(context: HostContext, descriptor: Descriptor) -> OutputSink:
    """Return a stream that writes at the end, wherever that is then."""
    del context
    return FileOutput(descriptor.filesystem, descriptor.file("write"), None)


@TYPES.function("[method]descriptor.advise", Kind.PURE)
@answered
def advise(
    context: HostContext, descriptor: Descriptor, offset: int, length: int, advice: str
) -> None:
    """Take note, and do nothing about it."""
    del context, descriptor, offset, length, advice


@TYPES.function("[method]descriptor.sync-data", Kind.PURE)
@TYPES.function("[method]descriptor.sync", Kind.PURE)
@answered
def sync(context: HostContext, descriptor: Descriptor) -> None:
    """Do nothing: what makes files durable is the worker's log, not a disk."""
    del context, descriptor


@TYPES.function("[method]descriptor.get-flags", Kind.PURE)
@answered
def get_flags(context: HostContext, descriptor: Descriptor) -> frozenset[str]:
    """Return what it was opened for."""
    del context
    return descriptor.flags


@TYPES.function("[method]descriptor.get-type", Kind.PURE)
@answered
def get_type(context: HostContext, descriptor: Descriptor) -> str:
    """Return what it is."""
    del context
    return descriptor.node.type


@TYPES.function("[method]descriptor.set-size", Kind.PURE)
@answered
def set_size(context: HostContext, descriptor: Descriptor, size: int) -> None:
    """Cut off the end, or add zeroes."""
    file = descriptor.file("write")
    file.content.resize(size)
    file.touch(now_of(context))


@TYPES.function("[method]descriptor.set-times", Kind.PURE)
@answered
def set_times(
    context: HostContext, descriptor: Descriptor, accessed: Value, modified: Value
) -> None:
    """Change the times."""
    set_times_of(context, descriptor.node, accessed, modified)


@TYPES.function("[method]descriptor.read", Kind.PURE)
@answered
def read(
    context: HostContext, descriptor: Descriptor, length: int, offset: int
) -> tuple[bytes, bool]:
    """Return bytes, at most `READ_BYTES_MAX`, and whether they reach the end."""
    del context
    file = descriptor.file("read")
    data = file.content.read(offset, min(length, READ_BYTES_MAX))
    return data, offset + len(data) >= file.size


@TYPES.function("[method]descriptor.write", Kind.PURE)
@answered
def write(context: HostContext, descriptor: Descriptor, buffer: bytes, offset: int) -> int:
    """Write all of it and return how much that is."""
    file = descriptor.file("write")
    file.content.write(offset, buffer)
    file.touch(now_of(context))
    return len(buffer)


@TYPES.function("[method]descriptor.read-directory", Kind.PURE)
@answered
def read_directory(context: HostContext, descriptor: Descriptor) -> DirectoryListing:
    """Return the names, sorted."""
    listing = DirectoryListing(descriptor.directory())
    if not listing.share.take(context, listing.size):
        raise FileError("insufficient-memory", full(listing.size))
    return listing


@TYPES.function("[method]directory-entry-stream.read-directory-entry", Kind.PURE)
@answered
def read_directory_entry(context: HostContext, listing: DirectoryListing) -> Value:
    """Return the next name; none at the end."""
    del context
    return listing.next()


@TYPES.function("[method]descriptor.stat", Kind.PURE)
@answered
def stat(context: HostContext, descriptor: Descriptor) -> Value:
    """Describe it."""
    del context
    return stat_of(descriptor.node)


@TYPES.function("[method]descriptor.is-same-object", Kind.PURE)
def is_same_object(context: HostContext, one: Descriptor, other: Descriptor) -> bool:
    """Tell whether both are open on the same node."""
    del context
    return one.node is other.node


@TYPES.function("[method]descriptor.metadata-hash", Kind.PURE)
@answered
def metadata_hash(context: HostContext, descriptor: Descriptor) -> Value:
    """Identify it."""
    del context
    return metadata_hash_of(descriptor.node)


@TYPES.function("filesystem-error-code", Kind.PURE)
def filesystem_error_code(context: HostContext, error: IoError) -> Value:
    """Return the code of an error, if it came from a file."""
    del context
    return some(error.filesystem_code) if error.filesystem_code else None


@TYPES.drop("directory-entry-stream")
def drop_listing(context: HostContext, listing: DirectoryListing) -> None:
    """Forget the names."""
    listing.share.give_back(context)


@TYPES.drop("descriptor")
def drop(context: HostContext, descriptor: Descriptor) -> None:
    """Let go of the node."""
    del context
    descriptor.close()


@PREOPENS.function("get-directories", Kind.PURE)
def get_directories(context: HostContext) -> list[tuple[Descriptor, str]]:
    """Return the worker's own root, with every right."""
    filesystem = files_of(context)
    root = Descriptor(filesystem, filesystem.root, frozenset({"read", "mutate-directory"}))
    return [(root, "/")]
