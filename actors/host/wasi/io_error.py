"""`wasi:io/error`."""

from actors.host.context import HostContext
from actors.host.interface import HostInterface, Kind
from actors.host.streams import IoError
from actors.host.wasi.version import WASI_VERSION

__all__ = ["ERROR"]

ERROR = HostInterface("wasi:io/error", version=WASI_VERSION)


@ERROR.function("[method]error.to-debug-string", Kind.PURE)
def to_debug_string(context: HostContext, error: IoError) -> str:
    """Return the message for people."""
    del context
    return error.message
