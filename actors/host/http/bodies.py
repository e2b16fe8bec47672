"""The body that a guest writes, kept until nobody can ask for it again."""

import asyncio
from typing import final

from actors.host.buffered import Share, full
from actors.host.context import HostContext
from actors.host.http.errors import HttpError
from actors.host.http.fields import FieldList
from actors.host.http.limits import OUTGOING_BODY_BYTES_MAX, STORED_BODY_BYTES_MAX
from actors.host.http.stored import Spool
from actors.host.saving import saveable
from actors.host.streams import CLOSED, WRITE_BYTES_MAX, IoError, OutputSink, failed
from wit.values import Value, ok, some

__all__ = ["BodySink", "OutgoingBody"]


@saveable(
    "http/outgoing-body",
    "data",
    "trailers",
    "is_finished",
    "is_aborted",
    "is_written",
    "_expected",
    "_share",
    "_is_over",
    fresh={"_changed": asyncio.Event},
)
@final
class OutgoingBody:
    """The resource `outgoing-body`. `expected` is the length that the headers promise.

    With a `spool` it leaves memory while it is written.
    """

    spool: Spool | None = None

    def __init__(self, expected: int | None = None, spool: Spool | None = None) -> None:
        if spool is not None:
            self.spool = spool
        self.data = bytearray()
        self.trailers: FieldList = []
        self.is_finished = False
        self.is_aborted = False
        self.is_written = False
        self._expected = expected
        self._share = Share()
        self._is_over = False
        self._changed = asyncio.Event()

    def reserve(self, context: HostContext, count: int) -> bool:
        """Have room for more bytes; False: the worker has too many in memory."""
        return self.spool is not None or self._share.take(context, count)

    def take_over(self, share: Share) -> None:
        """Count what its trailers did."""
        share.move_to(self._share)

    def let_go(self, context: HostContext) -> None:
        """The guest has no handle any more; what it was written for may need it still."""
        if self._is_over or self.is_aborted:
            self._share.give_back(context)

    def over(self, context: HostContext) -> None:
        """Nobody will ask for it any more."""
        self._is_over = True
        self._share.give_back(context)

    def append(self, data: bytes) -> None:
        """Take more bytes.

        Raises:
            HttpError: it gets too long.
        """
        length = self.size + len(data)
        most = OUTGOING_BODY_BYTES_MAX if self.spool is None else STORED_BODY_BYTES_MAX
        if length > (most if self._expected is None else min(self._expected, most)):
            raise HttpError(("HTTP-request-body-size", some(length)))
        if self.spool is None:
            self.data += data
        else:
            self.spool.writer.append(data)
        self._notify()

    @property
    def size(self) -> int:
        """How much was written so far, in bytes."""
        return len(self.data) if self.spool is None else self.spool.writer.size

    def finish(self, trailers: FieldList) -> None:
        """Say that it is complete.

        Raises:
            HttpError: it is shorter than promised; it is aborted then.
        """
        size = self.size
        if self._expected is not None and size != self._expected:
            self.abort()
            raise HttpError(("HTTP-request-body-size", some(size)))
        self.trailers = trailers
        self.is_finished = True
        self._notify()

    def abort(self) -> None:
        """Say that it will never be complete."""
        if not self.is_finished:
            self.is_aborted = True
            self.data = bytearray()
            self._notify()

    async def wait_for_more(self, position: int) -> None:
        """Return when there is something after `position`, or nothing more will come."""
        while len(self.data) <= position and not self.is_finished and not self.is_aborted:
            await self._changed.wait()

    def close(self) -> None:
        """The guest dropped its handle without finishing."""
        self.abort()

    def _notify(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()


@saveable("http/body-sink", "_body", "_is_broken")
@final
class BodySink(OutputSink):
    """The stream by which a guest writes a body."""

    def __init__(self, body: OutgoingBody) -> None:
        self._body = body
        self._is_broken = False

    def check_write(self, context: HostContext) -> Value:
        """Permit, as long as the body is open."""
        del context
        return CLOSED if self._is_closed() else ok(WRITE_BYTES_MAX)

    def write(self, context: HostContext, data: bytes) -> Value:
        """Take all of it, or fail for good."""
        if self._is_closed():
            return CLOSED
        if not self._body.reserve(context, len(data)):
            self._is_broken = True
            self._body.abort()
            return failed(IoError(full(len(data)), http_code=("internal-error", None)))
        try:
            self._body.append(data)
        except HttpError as error:
            self._is_broken = True
            self._body.abort()
            return failed(IoError("the body is too long", http_code=error.code))
        return ok()

    async def relieve(self, context: HostContext) -> None:
        """Store whole pieces, where the body is not to stay in memory."""
        del context
        if self._body.spool is not None:
            await self._body.spool.writer.pass_on()

    def _is_closed(self) -> bool:
        return self._is_broken or self._body.is_finished or self._body.is_aborted
