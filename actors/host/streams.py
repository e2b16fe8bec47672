"""Byte streams as guests see them, whatever is behind them.

Methods answer with WIT results: `("ok", …)` or `("err", stream-error)`. Everything here runs again
at replay, so a stream over something outside records for itself what it observed.
"""

from abc import ABC, abstractmethod
from typing import Final, final

from msgspec import Struct

from actors.engine.errors import GuestTrap
from actors.host.context import HostContext, OutputStream
from actors.host.pollable import Always, Pollable
from actors.host.saving import saveable, saveable_struct
from wit.values import Value, err, ok

__all__ = [
    "CLOSED",
    "READ_BYTES_MAX",
    "WRITE_BYTES_MAX",
    "BytesSource",
    "ClosedInput",
    "ConsoleOutput",
    "InputSource",
    "IoError",
    "OutputSink",
    "check_permit",
    "failed",
]

# What one read returns at most, however much the guest asks for.
READ_BYTES_MAX: Final = 1 << 20
# What one write may carry: the permit that check-write gives.
WRITE_BYTES_MAX: Final = 64 * 1024

CLOSED: Final[Value] = err(("closed", None))


@saveable_struct("io/error")
class IoError(Struct, frozen=True):
    """The resource `error`, with the error code of the interface that it comes from."""

    message: str
    filesystem_code: str | None = None
    network_code: str | None = None
    http_code: Value = None


def failed(error: IoError) -> Value:
    """Return the stream result that carries `error`."""
    return err(("last-operation-failed", error))


class InputSource(ABC):
    """The resource `input-stream`."""

    async def load(self, context: HostContext) -> None:
        """Have at hand what `read` returns next, the same at replay: what lies in a store."""
        del context

    @abstractmethod
    def read(self, context: HostContext, length: int) -> Value:
        """Return up to `length` bytes without waiting; no bytes mean that none are there yet."""

    async def blocking_read(self, context: HostContext, length: int) -> Value:
        """Wait for at least one byte, the end or a failure."""
        return self.read(context, length)

    def subscribe(self, context: HostContext) -> Pollable:
        """Return what becomes ready when `read` has something to say."""
        del context
        return Always()

    def close(self, context: HostContext) -> None:
        """The guest dropped its handle."""
        del context


class OutputSink(ABC):
    """The resource `output-stream`."""

    def check_write(self, context: HostContext) -> Value:
        """Return how many bytes the next write may carry."""
        del context
        return ok(WRITE_BYTES_MAX)

    @abstractmethod
    def write(self, context: HostContext, data: bytes) -> Value:
        """Take all of `data`."""

    async def relieve(self, context: HostContext) -> None:
        """Have what was taken leave memory, where it does not stay there: the same at replay."""
        del context

    def flush(self, context: HostContext) -> Value:
        """Pass on what was taken."""
        del context
        return ok()

    async def blocking_flush(self, context: HostContext) -> Value:
        """Pass on what was taken, and return when it is through."""
        return self.flush(context)

    def subscribe(self, context: HostContext) -> Pollable:
        """Return what becomes ready when `check_write` would permit something."""
        del context
        return Always()

    def close(self, context: HostContext) -> None:
        """The guest dropped its handle."""
        del context


@saveable("io/closed-input")
@final
class ClosedInput(InputSource):
    """At its end from the start: the stdin of a worker."""

    def read(self, context: HostContext, length: int) -> Value:
        """Say that the end is reached."""
        del context, length
        return CLOSED


@saveable("http/bytes", "_data", "_position")
@final
class BytesSource(InputSource):
    """Bytes that are all here."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    def read(self, context: HostContext, length: int) -> Value:
        """Return the next ones."""
        del context
        if self._position >= len(self._data):
            return CLOSED
        piece = self._data[self._position : self._position + length]
        self._position += len(piece)
        return ok(piece)


@saveable("io/console-output", "stream")
@final
class ConsoleOutput(OutputSink):
    """The stdout or stderr of a worker. Never full and never failing."""

    def __init__(self, stream: OutputStream) -> None:
        self.stream: OutputStream = stream

    def write(self, context: HostContext, data: bytes) -> Value:
        """Emit."""
        context.write_output(self.stream, data)
        return ok()


def check_permit(what: str, length: int) -> None:
    """Refuse a write beyond what `check-write` ever permits.

    Raises:
        GuestTrap: it is longer; WASI leaves the guest undefined then, so it ends at once.
    """
    if length > WRITE_BYTES_MAX:
        raise GuestTrap(
            f"{what}: {length} bytes, but check-write permits at most {WRITE_BYTES_MAX}; "
            "write in smaller pieces",
            kind="limit",
        )
