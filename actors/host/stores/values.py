"""Values on their way out of a guest and into it."""

from typing import Protocol, final

from actors.host.buffered import Share, full
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


@saveable("stores/incoming-source", "_source", "_share")
@final
class IncomingSource(InputSource):
    """The bytes of a value, counted until the guest drops the stream."""

    def __init__(self, data: bytes, share: Share) -> None:
        self._source = BytesSource(data)
        self._share = share

    def read(self, context: HostContext, length: int) -> Value:
        """Return the next ones."""
        return self._source.read(context, length)

    def close(self, context: HostContext) -> None:
        """The guest dropped its handle."""
        self._share.give_back(context)


@saveable("stores/incoming", "data", "share")
@final
class Incoming:
    """The resource `incoming-value`; `share` is what it has of the worker's memory outside."""

    def __init__(self, data: bytes, share: Share | None = None) -> None:
        self.data = data
        self.share = share or Share()

    def stream(self) -> InputSource:
        """Return a stream of all of it, in place of this."""
        return IncomingSource(self.data, self.share)

    def close(self, context: HostContext) -> None:
        """The guest has no handle any more."""
        self.share.give_back(context)


@saveable("stores/outgoing", "limit", "place", "data", "_is_open", "_share")
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
        self._share = Share()

    def replace(self, context: HostContext, data: bytes) -> bool:
        """Take the whole at once; False: the worker has too much in memory."""
        self._share.give_back(context)
        self.data = bytearray()
        return self.append(context, data)

    def append(self, context: HostContext, data: bytes) -> bool:
        """Take more; False: the worker has too much in memory."""
        if not self._share.take(context, len(data)):
            return False
        self.data += data
        return True

    def close(self, context: HostContext) -> None:
        """The guest dropped its handle."""
        self._share.give_back(context)

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
        if self._is_broken:
            return CLOSED
        value = self._value
        if len(value.data) + len(data) > value.limit:
            self._is_broken = True
            return failed(IoError(f"the value has more than {value.limit} bytes"))
        if not value.append(context, data):
            self._is_broken = True
            return failed(IoError(full(len(data))))
        return ok()

    async def blocking_flush(self, context: HostContext) -> Value:
        """Store what is there, if it is known where."""
        if self._value.place is not None and not self._is_broken:
            await self._value.place.store(context, bytes(self._value.data))
        return ok()
