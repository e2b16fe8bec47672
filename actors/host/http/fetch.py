"""One connection that carries one request and its response."""

import asyncio
import contextlib
import functools
import hashlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final, TypeVar, final

from msgspec import Struct, structs

from actors.host.http.bodies import OutgoingBody
from actors.host.http.errors import code_of, simple
from actors.host.http.fields import FieldList
from actors.host.http.limits import (
    BETWEEN_BYTES_TIMEOUT_S,
    CONNECT_TIMEOUT_S,
    FIELDS_BYTES_MAX,
    FIRST_BYTE_TIMEOUT_S,
    PIECE_BYTES,
    RECEIVE_BUFFER_BYTES_MAX,
)
from actors.host.http.wire import (
    Head,
    Trailers,
    format_head,
    format_trailers,
    read_body,
    read_head,
)
from wit.values import Value

__all__ = ["Delivered", "Fetch", "Request", "Timeouts"]

_BODILESS_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "DELETE"})
_Read = TypeVar("_Read")


class Timeouts(Struct, frozen=True):
    """In seconds."""

    connect_s: float = CONNECT_TIMEOUT_S
    first_byte_s: float = FIRST_BYTE_TIMEOUT_S
    between_bytes_s: float = BETWEEN_BYTES_TIMEOUT_S


class Request(Struct, frozen=True):
    """What to send where. `body` may still grow while it is sent."""

    method: str
    is_secure: bool
    host: str
    port: int
    target: str
    headers: FieldList
    body: OutgoingBody | None
    timeouts: Timeouts

    def with_headers(self, more: FieldList) -> "Request":
        """Return the request with headers that the guest has not set itself."""
        given = {name.lower() for name, _ in self.headers}
        added = [entry for entry in more if entry[0] not in given]
        return structs.replace(self, headers=[*self.headers, *added])


class Delivered:
    """How much of a response the guest has seen, in a form that another attempt can be held to."""

    def __init__(self) -> None:
        self.count = 0
        self._digest = hashlib.sha256()

    def add(self, data: bytes) -> None:
        """The guest got more."""
        self.count += len(data)
        self._digest.update(data)

    def digest(self) -> bytes:
        """Return the SHA-256 of all of it."""
        return self._digest.digest()


@final
class Fetch:
    """Runs in a task of its own; everybody else looks at its fields and waits for `change`.

    A second attempt at the same exchange passes over what was `delivered` before and fails with
    `connection-terminated` if the server now answers with other bytes.
    """

    def __init__(
        self, request: Request, before: Callable[[], Awaitable[None]], delivered: Delivered
    ) -> None:
        self.head: Head | None = None
        self.error: Value = None
        self.buffer = bytearray()
        self.is_at_end = False
        self.trailers: FieldList | None = None
        self._request = request
        self._before = before
        self._to_skip = delivered.count
        self._expected = delivered.digest()
        self._skipped = hashlib.sha256()
        self._changed = asyncio.Event()
        self._task = asyncio.create_task(self._run(), name=f"http {request.host}")

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come."""
        return self.is_at_end or self.error is not None

    async def change(self) -> None:
        """Return when something happened."""
        await self._changed.wait()

    def take(self, length: int) -> bytes:
        """Remove up to `length` received bytes."""
        data = bytes(self.buffer[:length])
        del self.buffer[:length]
        self._notify()
        return data

    def close(self) -> None:
        """Cut the connection. Idempotent."""
        if not self.is_over:
            self.error = ("connection-terminated", None)
            self._notify()
        self._task.cancel()

    async def _run(self) -> None:
        try:
            await self._before()
            await self._exchange()
        except Exception as error:  # noqa: BLE001 - whatever happened, the guest gets a code for it
            self.error = code_of(error)
        finally:
            self._notify()

    async def _exchange(self) -> None:
        request = self._request
        reader, writer = await _within(
            request.timeouts.connect_s, "connection-timeout", self._connect()
        )
        sending = asyncio.create_task(_send(writer, request))
        try:
            await self._receive(reader, sending)
        finally:
            # First and without waiting, since this task may be cancelled here once more. Nothing of
            # value is left to be sent: a polite close would wait for a slow reader.
            writer.transport.abort()
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        request = self._request
        return await asyncio.open_connection(
            request.host,
            request.port,
            ssl=_tls() if request.is_secure else None,
            limit=FIELDS_BYTES_MAX,
        )

    async def _receive(self, reader: asyncio.StreamReader, sending: asyncio.Task[None]) -> None:
        timeouts = self._request.timeouts
        receiving = asyncio.ensure_future(read_head(reader, self._request.method))
        try:
            # The time of the first byte counts from the end of the request on; a server may also
            # answer earlier, or cut a request that it does not want.
            await asyncio.wait({receiving, sending}, return_when=asyncio.FIRST_COMPLETED)
            if sending.done() and isinstance(sending.exception(), RequestAbortedError):
                raise simple("HTTP-protocol-error")
            head = await _within(timeouts.first_byte_s, "HTTP-response-timeout", receiving)
        finally:
            receiving.cancel()
        self.head = head
        self._notify()
        trailers = Trailers()
        pieces = read_body(reader, head, trailers)
        while piece := await self._next(pieces):
            await self._deliver(self._skip(piece))
        if self._to_skip:
            raise simple("connection-terminated")
        self.trailers = trailers.entries
        self.is_at_end = True

    async def _next(self, pieces: AsyncIterator[bytes]) -> bytes | None:
        next_piece = anext(pieces, None)
        seconds = self._request.timeouts.between_bytes_s
        return await _within(seconds, "connection-read-timeout", next_piece)

    def _skip(self, piece: bytes) -> bytes:
        if not self._to_skip:
            return piece
        known, new = piece[: self._to_skip], piece[self._to_skip :]
        self._skipped.update(known)
        self._to_skip -= len(known)
        if not self._to_skip and self._skipped.digest() != self._expected:
            raise simple("connection-terminated")
        return new

    async def _deliver(self, piece: bytes) -> None:
        if not piece:
            return
        self.buffer += piece
        self._notify()
        while len(self.buffer) >= RECEIVE_BUFFER_BYTES_MAX:
            seconds = self._request.timeouts.between_bytes_s
            await _within(seconds, "connection-read-timeout", self.change())

    def _notify(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()


class RequestAbortedError(Exception):
    """The guest gave up its request body before it was complete."""


async def _send(writer: asyncio.StreamWriter, request: Request) -> None:
    body = request.body
    headers = list(request.headers)
    has_length = any(name.lower() == "content-length" for name, _ in headers)
    is_chunked = False
    if body is not None and not has_length:
        if body.is_finished and not body.trailers:
            if body.data or request.method not in _BODILESS_METHODS:
                headers.append(("content-length", str(len(body.data)).encode()))
        else:
            is_chunked = True
            headers.append(("transfer-encoding", b"chunked"))
    elif body is None and not has_length and request.method not in _BODILESS_METHODS:
        headers.append(("content-length", b"0"))
    writer.write(format_head(request.method, request.target, headers))
    try:
        if body is not None:
            await _send_body(writer, body, is_chunked=is_chunked)
        await writer.drain()
    except OSError:
        # The server may have answered before it cut the request: the receiving side knows.
        return


async def _send_body(writer: asyncio.StreamWriter, body: OutgoingBody, *, is_chunked: bool) -> None:
    position = 0
    while True:
        await body.wait_for_more(position)
        piece = bytes(body.data[position : position + PIECE_BYTES])
        if not piece:
            break
        position += len(piece)
        writer.write(b"%x\r\n%b\r\n" % (len(piece), piece) if is_chunked else piece)
        await writer.drain()
    if body.is_aborted:
        raise RequestAbortedError
    if is_chunked:
        writer.write(format_trailers(body.trailers))


async def _within(seconds: float, case: str, awaitable: Awaitable[_Read]) -> _Read:
    try:
        async with asyncio.timeout(seconds):
            return await awaitable
    except TimeoutError as error:
        raise simple(case) from error


@functools.cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()
