"""One TCP connection of the lean client, from INFO to its loss."""

import asyncio
import contextlib
import ssl
import sys
import time
from collections import deque
from collections.abc import Callable
from typing import Final, cast, final

import msgspec
import structlog

from broker.errors import SetupError, UnavailableError
from broker.jetstream.auth import auth_fields
from broker.jetstream.limits import (
    BYTES_PER_FURTHER_MESSAGE,
    MESSAGES_PER_TURN_MAX,
    MESSAGES_PER_TURN_MIN,
    PING_INTERVAL_S,
    PINGS_UNANSWERED_MAX,
    READ_BACKLOG_BYTES_HIGH,
    TURN_S,
    WRITE_BUFFER_BYTES_HIGH,
)
from broker.jetstream.options import ConnectOptions, ServerAddress
from broker.jetstream.protocol import Parser, ProtocolError, encode_connect
from broker.jetstream.tls import untrusted
from broker.jetstream.wire import ServerInfo

__all__ = ["LeanConnection"]

_CLIENT_VERSION: Final = "1"
_RELEASE_TIMEOUT_S: Final = 0.25
_INFO: Final = msgspec.json.Decoder(ServerInfo)

log = structlog.get_logger(__name__)


@final
class LeanConnection(asyncio.Protocol):
    """Speaks the protocol over one socket. Create it inside a running event loop."""

    def __init__(
        self,
        options: ConnectOptions,
        tls: ssl.SSLContext | None,
        on_message: Callable[[bytes, str, str, bytes, bytes], None],
        on_error: Callable[[str], None],
    ) -> None:
        self._options = options
        self._tls = tls
        self._on_error = on_error
        self._loop = asyncio.get_running_loop()
        self._parser = Parser(on_message, self._control)
        self._has_more = False
        self._portion, self._taken_at = 1, 0.0
        # What a message takes of a turn, with all that it causes there; first it is found out.
        self._message_s = TURN_S
        self._reading_paused = False
        self._transport: asyncio.Transport | None = None
        self._out: list[bytes] = []
        self._out_bytes = 0
        self._info: asyncio.Future[ServerInfo] = self._loop.create_future()
        self._lost: asyncio.Future[str] = self._loop.create_future()
        self._pongs: deque[asyncio.Future[None] | None] = deque()
        self._writable = asyncio.Event()
        self._writable.set()
        self._pinger: asyncio.TimerHandle | None = None
        self.is_congested = False
        """Whether the socket takes no more for now."""
        self.last_error = ""

    @property
    def outgoing_bytes(self) -> int:
        """What is written and has not reached the operating system."""
        waiting = 0 if self._transport is None else self._transport.get_write_buffer_size()
        return waiting + self._out_bytes

    @property
    def certificate_until_s(self) -> float | None:
        """Until when the certificate of the other side is good, None: it showed none."""
        shown = None if self._transport is None else self._transport.get_extra_info("peercert")
        return ssl.cert_time_to_seconds(shown["notAfter"]) if shown else None

    @property
    def backlog_bytes(self) -> int:
        """What has arrived and is not handed out yet."""
        return self._parser.held_bytes

    async def open(self, address: ServerAddress) -> ServerInfo:
        """Connect, upgrade to TLS when asked, and log in; refusal shows at the next flush.

        Raises:
            UnavailableError: nobody listens, or the handshake fails.
            SetupError: the server's certificate is not trusted, or a file of ours is unusable.
        """
        try:
            await self._loop.create_connection(lambda: self, address.host, address.port)
            info = await self._info
            if self._tls is not None or info.tls_required:
                await self._upgrade(address)
        except ssl.SSLCertVerificationError as error:
            raise untrusted(f"{address.host}:{address.port}", error) from error
        except OSError as error:
            raise UnavailableError(
                f"cannot connect to NATS at {address.host}:{address.port}: {error}"
            ) from error
        self.write(encode_connect(self._connect_fields(info)))
        self._ping_later()
        return info

    def write(self, command: bytes) -> None:
        """Send with everything else that this turn of the event loop writes, or the next."""
        if not self._out:
            self._loop.call_soon(self._flush_soon)
        self._out.append(command)
        self._out_bytes += len(command)
        if self._out_bytes > WRITE_BUFFER_BYTES_HIGH:
            # At once, since only what the transport has shows that the server takes nothing.
            self._flush_out()

    async def flush(self) -> None:
        """Wait until the server has processed what was written so far.

        Raises:
            UnavailableError: the connection was lost first.
        """
        if self._lost.done():
            raise UnavailableError(f"the connection was lost: {self._lost.result()}")
        pong: asyncio.Future[None] = self._loop.create_future()
        self._ping(pong)
        await pong

    async def wait_until_writable(self) -> None:
        """Wait until the socket takes more, or is lost."""
        await self._writable.wait()

    async def wait_until_lost(self) -> str:
        """Wait until the connection is gone and return why."""
        return await asyncio.shield(self._lost)

    async def close(self) -> None:
        """Disconnect after writing what is pending."""
        self._stop_pinging()
        if self._transport is not None:
            self._flush_out()
            self._transport.close()
            await self._wait_until_released()

    async def abort(self) -> None:
        """Disconnect at once."""
        self._stop_pinging()
        if self._transport is not None:
            self._transport.abort()
            await self._wait_until_released()

    async def _wait_until_released(self) -> None:
        # The socket is released by the event loop a few turns later; a failed TLS handshake does
        # not tell when.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_RELEASE_TIMEOUT_S):
                await self.wait_until_lost()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the socket."""
        # uvloop's transports have its methods but are no subclass.
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=WRITE_BUFFER_BYTES_HIGH)

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail whoever waits."""
        if self._has_more:
            # Answers among them are wanted, and the server's reason comes last.
            self._take(sys.maxsize)
        reason = self.last_error or (str(exc) if exc is not None else "closed by the server")
        self._stop_pinging()
        self.resume_writing()
        if not self._lost.done():
            self._lost.set_result(reason)
        if not self._info.done():
            self._info.set_exception(ConnectionError(reason))
        error = UnavailableError(f"the connection was lost: {reason}")
        while self._pongs:
            pong = self._pongs.popleft()
            if pong is not None and not pong.done():
                pong.set_exception(error)

    def pause_writing(self) -> None:
        """Hold requests back."""
        self.is_congested = True
        self._writable.clear()

    def resume_writing(self) -> None:
        """Let requests go on."""
        self.is_congested = False
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        """Take a first portion of what arrived, unless an earlier one is not through yet."""
        self._parser.feed(data)
        if not self._has_more:
            self._take_portion()
        elif self._parser.held_bytes > READ_BACKLOG_BYTES_HIGH:
            assert self._transport is not None
            self._reading_paused = True
            self._transport.pause_reading()

    def _take_more(self) -> None:
        if not self._lost.done():
            # What they caused has had its turn, too.
            self._message_s = (time.monotonic() - self._taken_at) / self._portion
            self._take_portion()

    def _take_portion(self) -> None:
        wanted = MESSAGES_PER_TURN_MIN + self._parser.held_bytes // BYTES_PER_FURTHER_MESSAGE
        if wanted * self._message_s > TURN_S:
            wanted = int(TURN_S / self._message_s)
        self._portion = max(MESSAGES_PER_TURN_MIN, min(wanted, MESSAGES_PER_TURN_MAX))
        self._taken_at = time.monotonic()
        self._take(self._portion)

    def _take(self, messages_max: int) -> None:
        """Hand messages out; a server that speaks nonsense is left."""
        self._has_more = False
        try:
            self._has_more = self._parser.take(messages_max)
        except ProtocolError as error:
            self.last_error = str(error)
            self._break()
            return
        if self._has_more:
            self._loop.call_soon(self._take_more)
        elif self._reading_paused:
            self._reading_paused = False
            if self._transport is not None and not self._transport.is_closing():
                self._transport.resume_reading()

    def _break(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    async def _upgrade(self, address: ServerAddress) -> None:
        assert self._transport is not None
        context = self._tls or ssl.create_default_context()
        name = self._options.tls_server_name or address.host
        upgraded = await self._loop.start_tls(self._transport, self, context, server_hostname=name)
        if upgraded is None:
            raise ConnectionError("the server closed the connection during the TLS handshake")
        self.connection_made(upgraded)

    def _connect_fields(self, info: ServerInfo) -> dict[str, object]:
        if not info.headers:
            raise SetupError("the NATS server has headers turned off: remove `no_header_support`")
        return {
            "verbose": False,
            "pedantic": False,
            "headers": True,
            "no_responders": True,
            "protocol": 1,
            "lang": "python",
            "version": _CLIENT_VERSION,
            "name": self._options.name,
            "tls_required": self._tls is not None,
            **auth_fields(self._options, info.nonce),
        }

    def _flush_soon(self) -> None:
        # A single message leaves at once. Several are signs of load, and then what the next turn
        # writes, mostly the commits of what this one received, had better go with them: each send
        # costs both sides more than a message does.
        if len(self._out) == 1:
            self._flush_out()
        else:
            self._loop.call_soon(self._flush_out)

    def _flush_out(self) -> None:
        commands, self._out = self._out, []
        self._out_bytes = 0
        if commands and self._transport is not None and not self._transport.is_closing():
            self._transport.write(b"".join(commands))

    def _control(self, line: bytes) -> None:
        word = line[:4].upper()
        if word == b"PING":
            self.write(b"PONG\r\n")
        elif word == b"PONG":
            pong = self._pongs.popleft() if self._pongs else None
            if pong is not None and not pong.done():
                pong.set_result(None)
        elif word == b"INFO":
            self._take_info(line[4:])
        elif word == b"-ERR":
            self.last_error = line[4:].decode(errors="replace").strip(" '")
            self._on_error(self.last_error)
        elif word != b"+OK":
            raise ProtocolError(f"the server sent {line[:80]!r}")

    def _take_info(self, text: bytes) -> None:
        try:
            info = _INFO.decode(text)
        except msgspec.DecodeError as error:
            raise ProtocolError(f"the server's INFO cannot be read: {error}") from error
        if not self._info.done():
            self._info.set_result(info)

    def _ping(self, pong: asyncio.Future[None] | None) -> None:
        self._pongs.append(pong)
        self.write(b"PING\r\n")

    def _ping_later(self) -> None:
        self._pinger = self._loop.call_later(PING_INTERVAL_S, self._ping_on)

    def _ping_on(self) -> None:
        if len(self._pongs) >= PINGS_UNANSWERED_MAX:
            self.last_error = "the server answers no ping"
            self._break()
            return
        self._ping(None)
        self._ping_later()

    def _stop_pinging(self) -> None:
        if self._pinger is not None:
            self._pinger.cancel()
            self._pinger = None
