"""Our own NATS client, for the cost per message that the data path can afford.

Writes are collected and leave once per turn of the event loop; everything read at once is parsed
in one pass; requests share one inbox and a number. Nothing survives a lost connection except
subscriptions: what was being requested fails, what is published meanwhile is dropped.
"""

import asyncio
import itertools
import os
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, final

import structlog

from broker.errors import (
    BrokerError,
    PermissionDeniedError,
    SetupError,
    TooLargeError,
    UnavailableError,
)
from broker.jetstream.lean_connection import LeanConnection
from broker.jetstream.limits import OUTGOING_BYTES_MAX, RECONNECT_MAX_S, RECONNECT_MIN_S
from broker.jetstream.options import ConnectOptions, ServerAddress, addresses
from broker.jetstream.protocol import encode_publish, encode_subscribe, encode_unsubscribe
from broker.jetstream.retry import Backoff
from broker.jetstream.tls import tls_context
from broker.jetstream.wire import PendingRequests, ServerInfo, WireMessage, status_of
from broker.ports import NO_HEADERS
from broker.sharding import published_as

__all__ = ["LeanWire"]

_ATTEMPT_TIMEOUT_S: Final = 5.0
_BREAK: Final = b"\r\n"
_FLUSH_TIMEOUT_S: Final = 5.0
_DENIED: Final = re.compile(r'Permissions Violation for (\w+) to "([^"]+)"')
_REFUSED: Final = re.compile(r"authoriz|authenticat|account", re.IGNORECASE)
_INBOX_SID: Final = 1

log = structlog.get_logger(__name__)


@final
class _LeanSubscription:
    __slots__ = ("callback", "group", "sid", "subject", "wire")

    def __init__(
        self,
        wire: "LeanWire",
        sid: int,
        subject: str,
        group: str,
        callback: Callable[[WireMessage], None],
    ) -> None:
        self.wire = wire
        self.sid = sid
        self.subject = subject
        self.group = group
        self.callback = callback

    def unsubscribe(self) -> None:
        self.wire.remove(self)


@final
class LeanWire:
    """One connection that renews itself. Make it with `connect`."""

    def __init__(self, options: ConnectOptions) -> None:
        self._options = options
        self._tls = tls_context(options)
        self._addresses = addresses(options)
        self._next_address = 0
        self._pending = PendingRequests()
        self._sids = itertools.count(_INBOX_SID)
        self._inboxes = itertools.count(1)
        self._inbox = f"{options.inbox_prefix}.{os.urandom(8).hex()}"
        self._reply_prefix = f"{self._inbox}.r."
        self._requests = itertools.count(1)
        self._subscriptions: dict[bytes, _LeanSubscription] = {}
        self._denied: dict[str, PermissionDeniedError] = {}
        self._connection: LeanConnection | None = None
        self._server = ServerInfo()
        self._up = asyncio.Event()
        self._hooks: list[Callable[[], None]] = []
        self._denied_hooks: list[Callable[[str, PermissionDeniedError], bool]] = []
        self._keeper: asyncio.Task[None] | None = None
        self._closed = False
        self._add(f"{self._reply_prefix}*", "", self._pending.answer)

    @classmethod
    async def connect(cls, options: ConnectOptions) -> "LeanWire":
        """Connect to the first server that takes us.

        Raises:
            UnavailableError: no server could be reached in time.
            PermissionDeniedError: a server refuses the identity, or its inbox.
        """
        wire = cls(options)
        try:
            async with asyncio.timeout(options.connect_timeout_s):
                connection = await wire._first_connection()
        except TimeoutError:
            raise UnavailableError(f"no NATS server answered at {list(options.servers)}") from None
        wire._keeper = asyncio.get_running_loop().create_task(wire._keep(connection))
        return wire

    @property
    def server(self) -> ServerInfo:
        """The server's own description."""
        return self._server

    @property
    def certificate_until_s(self) -> float | None:
        """Until when the server's certificate is good."""
        return None if self._connection is None else self._connection.certificate_until_s

    @property
    def is_up(self) -> bool:
        """Whether the connection stands."""
        return self._connection is not None

    @property
    def is_closed(self) -> bool:
        """Whether it was closed for good."""
        return self._closed

    def new_inbox(self) -> str:
        """Return a unique subject."""
        return f"{self._inbox}.{next(self._inboxes)}"

    def publish(
        self,
        subject: str,
        data: bytes,
        headers: Mapping[str, str] = NO_HEADERS,
        reply: str = "",
    ) -> None:
        """Send with the next batch; dropped while disconnected or hopelessly behind."""
        connection = self._connection
        if connection is None:
            return
        command = encode_publish(subject, data, headers, reply)
        if len(command) > self._server.max_payload and self._is_too_large(command):
            raise TooLargeError(
                f"message to {subject!r} has {len(data)} bytes and its headers, the server takes "
                f"{self._server.max_payload}: raise max_payload there or send less"
            )
        if connection.is_congested and connection.outgoing_bytes > OUTGOING_BYTES_MAX:
            log.warning("message dropped: the broker takes nothing", subject=subject)
            return
        connection.write(command)

    def request(
        self,
        subject: str,
        data: bytes,
        headers: Mapping[str, str] = NO_HEADERS,
        *,
        timeout_s: float,
    ) -> Awaitable[WireMessage]:
        """Send, at once where that is possible, and wait for one answer."""
        connection = self._connection
        if connection is None or connection.is_congested:
            return self._request_later(subject, data, headers, timeout_s)
        reply = f"{self._reply_prefix}{next(self._requests)}"
        future = self._pending.add(reply, subject, timeout_s)
        self.publish(subject, data, headers, reply)
        return future

    async def _request_later(
        self, subject: str, data: bytes, headers: Mapping[str, str], timeout_s: float
    ) -> WireMessage:
        connection = self._connection
        if connection is None:
            connection = await self._wait_until_up(timeout_s)
        if connection.is_congested:
            await self._wait_until_writable(connection, timeout_s)
        reply = f"{self._reply_prefix}{next(self._requests)}"
        future = self._pending.add(reply, subject, timeout_s)
        self.publish(subject, data, headers, reply)
        return await future

    async def subscribe(
        self, subject: str, callback: Callable[[WireMessage], None], *, group: str = ""
    ) -> _LeanSubscription:
        """Receive messages."""
        subscription = self._add(subject, group, callback)
        connection = self._connection
        if connection is not None:
            connection.write(encode_subscribe(subject, group, subscription.sid))
            try:
                async with asyncio.timeout(_FLUSH_TIMEOUT_S):
                    await connection.flush()
            except UnavailableError:
                # The next connection subscribes again by itself.
                log.debug("connection lost while subscribing", subject=subject)
            except TimeoutError:
                raise UnavailableError(f"the server does not confirm {subject!r}") from None
        denied = self._denied.pop(subject, None)
        if denied is not None:
            self._subscriptions.pop(b"%d" % subscription.sid, None)
            raise denied
        return subscription

    def remove(self, subscription: _LeanSubscription) -> None:
        """End a subscription."""
        if self._subscriptions.pop(b"%d" % subscription.sid, None) is None:
            return
        if self._connection is not None:
            self._connection.write(encode_unsubscribe(subscription.sid))

    async def wait_until_up(self, timeout_s: float) -> None:
        """Wait for the connection."""
        await self._wait_until_up(timeout_s)

    def on_up(self, callback: Callable[[], None]) -> None:
        """Call back after every reconnection."""
        self._hooks.append(callback)

    def on_denied(self, callback: Callable[[str, PermissionDeniedError], bool]) -> None:
        """Call back with each subject that the server let us not publish to."""
        self._denied_hooks.append(callback)

    async def close(self) -> None:
        """Flush and disconnect."""
        if self._closed:
            return
        self._closed = True
        connection = self._connection
        if connection is not None:
            try:
                async with asyncio.timeout(_FLUSH_TIMEOUT_S):
                    await connection.flush()
            except (TimeoutError, UnavailableError):
                log.debug("nothing to flush: the connection went down first")
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        self._up.set()
        self._pending.fail_all("the connection was closed")

    def _add(
        self, subject: str, group: str, callback: Callable[[WireMessage], None]
    ) -> _LeanSubscription:
        subscription = _LeanSubscription(self, next(self._sids), subject, group, callback)
        self._subscriptions[b"%d" % subscription.sid] = subscription
        return subscription

    def _is_too_large(self, command: bytes) -> bool:
        # The limit counts headers and payload, not the line before them nor the break behind.
        line_bytes = command.index(_BREAK) + len(_BREAK)
        return len(command) - line_bytes - len(_BREAK) > self._server.max_payload

    def _receive(self, sid: bytes, subject: str, reply: str, block: bytes, data: bytes) -> None:
        subscription = self._subscriptions.get(sid)
        if subscription is not None:
            status = status_of(block) if block else 0
            subscription.callback(WireMessage(subject, reply, data, block, status))

    def _report(self, error: str) -> None:
        found = _DENIED.search(error)
        if found is None:
            log.warning("the broker complains", error=error)
            return
        action, told = found.groups()
        # The server names what the account has mapped the subject to.
        subject = published_as(told)
        denied = PermissionDeniedError(
            f"the NATS identity may not do {action.lower()} to {subject!r}: "
            "grant it or connect as another"
        )
        if action == "Publish" and any(
            [
                self._pending.fail_subject(subject, denied),
                *(hook(subject, denied) for hook in self._denied_hooks),
            ]
        ):
            return
        self._denied[subject] = denied
        log.error("permission denied by the broker", action=action, subject=subject)

    async def _first_connection(self) -> LeanConnection:
        backoff = Backoff(first_s=RECONNECT_MIN_S, max_s=RECONNECT_MAX_S)
        problem: BrokerError | None = None
        for attempt in itertools.count(1):
            try:
                connection = await self._attempt()
            except UnavailableError as error:
                problem = error
            else:
                return connection
            if attempt % len(self._addresses) == 0:
                log.debug("no NATS server answers yet", reason=str(problem))
                # Nobody listening is final when everybody has been asked a few times.
                if backoff.attempts >= 3:
                    raise problem
                await backoff.wait()
        raise AssertionError

    async def _attempt(self) -> LeanConnection:
        """Connect to the next server, log in, subscribe, and go up."""
        address = self._addresses[self._next_address % len(self._addresses)]
        self._next_address += 1
        connection = LeanConnection(self._options, self._tls, self._receive, self._report)
        try:
            async with asyncio.timeout(_ATTEMPT_TIMEOUT_S):
                info = await connection.open(address)
                # A server that refuses us closes at once. Whatever it has not read by then makes
                # the system drop the reason that it gave, so nothing more is sent before it let
                # us in.
                await connection.flush()
                for subscription in self._subscriptions.values():
                    connection.write(
                        encode_subscribe(subscription.subject, subscription.group, subscription.sid)
                    )
                await connection.flush()
        except TimeoutError:
            await connection.abort()
            raise UnavailableError(f"{address.host}:{address.port} does not answer") from None
        except BaseException as error:
            await connection.abort()
            if isinstance(error, UnavailableError) and _REFUSED.search(connection.last_error):
                raise PermissionDeniedError(
                    f"the NATS server at {address.host}:{address.port} refuses our credentials: "
                    f"{connection.last_error}"
                ) from error
            raise
        denied = self._denied.pop(f"{self._reply_prefix}*", None)
        if denied is not None:
            await connection.abort()
            raise PermissionDeniedError(
                f"this identity may not subscribe under {self._options.inbox_prefix!r}, where "
                "answers arrive: set inbox_prefix to what it may"
            )
        self._server = info
        self._learn(info)
        self._connection = connection
        self._up.set()
        return connection

    async def _keep(self, connection: LeanConnection) -> None:
        """Hold the connection up until closed."""
        try:
            while True:
                reason = await connection.wait_until_lost()
                self._connection = None
                self._up.clear()
                self._pending.fail_all(f"the connection was lost ({reason})")
                log.warning("connection to the broker lost", reason=reason)
                connection = await self._reconnect()
                log.info("connected to the broker again", server=self._server.server_name)
                for hook in self._hooks:
                    hook()
        finally:
            self._connection = None
            await connection.close()

    async def _reconnect(self) -> LeanConnection:
        backoff = Backoff(first_s=RECONNECT_MIN_S, max_s=RECONNECT_MAX_S)
        for attempt in itertools.count(1):
            try:
                return await self._attempt()
            except UnavailableError as error:
                log.debug("reconnection goes on", reason=str(error))
            except (PermissionDeniedError, SetupError) as error:
                # Credentials may be renewed under us; giving up would need a restart by hand.
                log.error("the broker refuses us; trying on", reason=str(error))  # noqa: TRY400  # one line per attempt, no traceback
            if attempt % len(self._addresses) == 0:
                await backoff.wait()
        raise AssertionError

    def _learn(self, info: ServerInfo) -> None:
        """Remember further servers of the cluster."""
        for url in info.connect_urls:
            host, _, port = url.rpartition(":")
            if port.isdecimal():
                address = ServerAddress(host=host.strip("[]"), port=int(port))
                if address not in self._addresses:
                    self._addresses.append(address)

    async def _wait_until_up(self, timeout_s: float) -> LeanConnection:
        if self._closed:
            raise UnavailableError("the connection to NATS was closed")
        try:
            async with asyncio.timeout(timeout_s):
                await self._up.wait()
        except TimeoutError:
            raise UnavailableError("not connected to NATS") from None
        if self._connection is None:
            raise UnavailableError("not connected to NATS")
        return self._connection

    async def _wait_until_writable(self, connection: LeanConnection, timeout_s: float) -> None:
        try:
            async with asyncio.timeout(timeout_s):
                await connection.wait_until_writable()
        except TimeoutError:
            raise UnavailableError("the broker reads too slowly") from None
