"""`wasi:filesystem/{types,preopens}` without directories: no descriptor can exist."""

from typing import Final

from actors.host.context import HostContext
from actors.host.interface import HostInterface, Kind
from actors.host.streams import IoError
from actors.host.wasi.version import WASI_VERSION
from wit.values import Value, err, some

__all__ = ["PREOPENS", "TYPES"]

TYPES = HostInterface("wasi:filesystem/types", version=WASI_VERSION)
PREOPENS = HostInterface("wasi:filesystem/preopens", version=WASI_VERSION)

_METHODS: Final = [
    "read-via-stream",
    "write-via-stream",
    "append-via-stream",
    "advise",
    "sync-data",
    "get-flags",
    "get-type",
    "set-size",
    "set-times",
    "read",
    "write",
    "read-directory",
    "sync",
    "create-directory-at",
    "stat",
    "stat-at",
    "set-times-at",
    "link-at",
    "open-at",
    "readlink-at",
    "remove-directory-at",
    "rename-at",
    "symlink-at",
    "unlink-file-at",
    "metadata-hash",
    "metadata-hash-at",
]


def _refuse(context: HostContext, *arguments: Value) -> Value:
    del context, arguments
    return err("access")


for _name in _METHODS:
    TYPES.function(f"[method]descriptor.{_name}", Kind.PURE)(_refuse)
TYPES.function("[method]directory-entry-stream.read-directory-entry", Kind.PURE)(_refuse)


@TYPES.function("[method]descriptor.is-same-object", Kind.PURE)
def is_same_object(context: HostContext, one: Value, other: Value) -> bool:
    """Compare by identity."""
    del context
    return one is other


@TYPES.function("filesystem-error-code", Kind.PURE)
def filesystem_error_code(context: HostContext, error: IoError) -> Value:
    """Return the code of an error, if it came from a file."""
    del context
    return some(error.filesystem_code) if error.filesystem_code else None


@PREOPENS.function("get-directories", Kind.PURE)
def get_directories(context: HostContext) -> list[Value]:
    """Return none."""
    del context
    return []
