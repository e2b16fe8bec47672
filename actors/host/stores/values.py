"""Values on their way out of a guest and into it."""

from typing import Protocol, final

from actors.host.context import HostContext
from actors.host.saving import saveable
from actors.host.streams import (
    CLOSED,
    WRITE_BYTES_MAX,
    BytesSource,
    InputSource,
    IoError,
    OutputSink,
    failed,
)
from wit.values import Value, ok

__all__ = ["Incoming", "Outgoing", "OutgoingSink", "Place"]


class Place(Protocol):
    """Where a value is stored. Its class says how it is saved."""

    async def store(self, context: HostContext, data: bytes) -> None:
        """Store the value."""
        ...


@saveable("stores/incoming", "data")
@final
class Incoming:
    """The resource `incoming-value`."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def stream(self) -> InputSource:
        """Return a stream of all of it."""
        return BytesSource(self.data)


@saveable("stores/outgoing", "limit", "place", "data", "_is_open")
@final
class Outgoing:
    """The resource `outgoing-value`: at most `limit` bytes.

    With a `place` it is stored there by a write of the whole, and by every flush that waits.
    """

    def __init__(self, limit: int, place: Place | None = None) -> None:
        self.limit = limit
        self.place = place
        self.data = bytearray()
        self._is_open = False

    def replace(self, data: bytes) -> None:
        """Take the whole at once."""
        self.data = bytearray(data)

    def open(self) -> "OutgoingSink | None":
        """Return the stream that writes it, once."""
        if self._is_open:
            return None
        self._is_open = True
        return OutgoingSink(self)


@saveable("stores/outgoing-sink", "_value", "_is_broken")
@final
class OutgoingSink(OutputSink):
    """The stream by which a guest writes a value."""

    def __init__(self, value: Outgoing) -> None:
        self._value = value
        self._is_broken = False

    def check_write(self, context: HostContext) -> Value:
        """Permit until it was too much."""
        del context
        return CLOSED if self._is_broken else ok(WRITE_BYTES_MAX)

    def write(self, context: HostContext, data: bytes) -> Value:
        """Take all of it, or fail for good."""
        del context
        if self._is_broken:
            return CLOSED
        value = self._value
        if len(value.data) + len(data) > value.limit:
            self._is_broken = True
            return failed(IoError(f"the value has more than {value.limit} bytes"))
        value.data += data
        return ok()

    async def blocking_flush(self, context: HostContext) -> Value:
        """Store what is there, if it is known where."""
        if self._value.place is not None and not self._is_broken:
            await self._value.place.store(context, bytes(self._value.data))
        return ok()
