"""The body that a guest writes, kept until nobody can ask for it again."""

import asyncio
from typing import final

from actors.host.context import HostContext
from actors.host.http.errors import HttpError
from actors.host.http.fields import FieldList
from actors.host.http.limits import OUTGOING_BODY_BYTES_MAX
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
    fresh={"_changed": asyncio.Event},
)
@final
class OutgoingBody:
    """The resource `outgoing-body`. `expected` is the length that the headers promise."""

    def __init__(self, expected: int | None = None) -> None:
        self.data = bytearray()
        self.trailers: FieldList = []
        self.is_finished = False
        self.is_aborted = False
        self.is_written = False
        self._expected = expected
        self._changed = asyncio.Event()

    def append(self, data: bytes) -> None:
        """Take more bytes.

        Raises:
            HttpError: it gets too long.
        """
        length = len(self.data) + len(data)
        limit = OUTGOING_BODY_BYTES_MAX if self._expected is None else self._expected
        if length > min(limit, OUTGOING_BODY_BYTES_MAX):
            raise HttpError(("HTTP-request-body-size", some(length)))
        self.data += data
        self._notify()

    def finish(self, trailers: FieldList) -> None:
        """Say that it is complete.

        Raises:
            HttpError: it is shorter than promised; it is aborted then.
        """
        if self._expected is not None and len(self.data) != self._expected:
            self.abort()
            raise HttpError(("HTTP-request-body-size", some(len(self.data))))
        self.trailers = trailers
        self.is_finished = True
        self._notify()

    def abort(self) -> None:
        """Say that it will never be complete."""
        if not self.is_finished:
            self.is_aborted = True
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
        del context
        if self._is_closed():
            return CLOSED
        try:
            self._body.append(data)
        except HttpError as error:
            self._is_broken = True
            self._body.abort()
            return failed(IoError("the body is too long", http_code=error.code))
        return ok()

    def _is_closed(self) -> bool:
        return self._is_broken or self._body.is_finished or self._body.is_aborted
