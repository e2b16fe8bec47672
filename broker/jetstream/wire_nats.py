"""The wire on nats-py: everything that library supports, at its cost per message."""

import asyncio
import itertools
import re
import ssl
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final, cast, final

import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError

from broker.errors import (
    BrokerError,
    PermissionDeniedError,
    SetupError,
    TooLargeError,
    UnavailableError,
)
from broker.jetstream.limits import RECONNECT_MIN_S
from broker.jetstream.options import ConnectOptions
from broker.jetstream.tls import tls_context, untrusted
from broker.jetstream.wire import PendingRequests, ServerInfo, WireMessage
from broker.ports import NO_HEADERS
from broker.sharding import published_as

__all__ = ["NatsPyWire"]

_DENIED: Final = re.compile(r"permissions violation for (\w+) to \"([^\"]+)\"", re.IGNORECASE)
_REFUSED: Final = re.compile(r"authoriz|authentic", re.IGNORECASE)
_PING_INTERVAL_S: Final = 10
# The library loses a ping that it sends while it reconnects, and would wait ten seconds for it.
_FLUSH_TIMEOUT_S: Final = 2
_ATTEMPT_TIMEOUT_S: Final = 2

log = structlog.get_logger(__name__)


@final
class _NatsPySubscription:
    def __init__(self, wire: "NatsPyWire", callback: Callable[[WireMessage], None]) -> None:
        self._wire = wire
        self._callback = callback
        self._open = True
        self.inner: Subscription | None = None

    async def receive(self, message: Msg) -> None:
        if not self._open:
            return
        headers = message.headers or NO_HEADERS
        status = headers.get("Status")
        self._callback(
            WireMessage(
                message.subject,
                message.reply,
                message.data,
                parsed=headers,
                status=int(status) if status is not None and status.isdecimal() else 0,
            )
        )

    def unsubscribe(self) -> None:
        self._open = False
        if self.inner is not None:
            self._wire.end(self.inner)


@final
class NatsPyWire:
    """One nats-py connection. Make it with `connect`."""

    def __init__(self, options: ConnectOptions) -> None:
        self._options = options
        self._client = Client()
        self._pending = PendingRequests()
        self._requests = itertools.count(1)
        self._denied: dict[str, PermissionDeniedError] = {}
        self._outgoing: deque[tuple[str, bytes, Mapping[str, str], str]] = deque()
        self._wake = asyncio.Event()
        self._up = asyncio.Event()
        self._hooks: list[Callable[[], None]] = []
        self._denied_hooks: list[Callable[[str, PermissionDeniedError], bool]] = []
        self._writer: asyncio.Task[None] | None = None
        self._ending: set[asyncio.Task[None]] = set()
        self._closed = False
        self._refused: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._inbox = ""

    @classmethod
    async def connect(cls, options: ConnectOptions) -> "NatsPyWire":
        """Connect and subscribe the inbox for answers.

        Raises:
            UnavailableError: no server could be reached in time.
            PermissionDeniedError: the server refuses the identity, or its inbox.
        """
        wire = cls(options)
        arguments = wire._connect_arguments()
        try:
            async with asyncio.timeout(options.connect_timeout_s):
                await wire._open(arguments)
        except BrokerError:
            await wire.close()
            raise
        except TimeoutError:
            await wire.close()
            raise UnavailableError(f"no NATS server answered at {list(options.servers)}") from None
        return wire

    @property
    def server(self) -> ServerInfo:
        """The server's own description."""
        version = self._client.connected_server_version
        return ServerInfo(
            version=f"{version.major}.{version.minor}.{version.patch}",
            max_payload=self._client.max_payload,
            headers=True,
            jetstream=True,
        )

    @property
    def certificate_until_s(self) -> float | None:
        """Until when the server's certificate is good."""
        # The library keeps its connection to itself; without it there is nothing to see.
        transport = cast("Any", self._client)._transport  # noqa: SLF001 - see above
        writer = getattr(transport, "_io_writer", None)
        shown = None if writer is None else writer.get_extra_info("peercert")
        return ssl.cert_time_to_seconds(shown["notAfter"]) if shown else None

    @property
    def is_up(self) -> bool:
        """Whether the connection stands."""
        return self._up.is_set() and self._client.is_connected

    @property
    def is_closed(self) -> bool:
        """Whether it was closed for good."""
        return self._closed

    def new_inbox(self) -> str:
        """Return a unique subject."""
        return self._client.new_inbox()

    def publish(
        self,
        subject: str,
        data: bytes,
        headers: Mapping[str, str] = NO_HEADERS,
        reply: str = "",
    ) -> None:
        """Queue for the writer; dropped while disconnected."""
        if len(data) > self._client.max_payload:
            raise TooLargeError(
                f"message to {subject!r} has {len(data)} bytes, the server takes "
                f"{self._client.max_payload}: raise max_payload there or send less"
            )
        if self.is_up:
            self._outgoing.append((subject, data, headers, reply))
            self._wake.set()

    async def request(
        self,
        subject: str,
        data: bytes,
        headers: Mapping[str, str] = NO_HEADERS,
        *,
        timeout_s: float,
    ) -> WireMessage:
        """Send and wait for one answer."""
        if not self.is_up:
            await self.wait_until_up(timeout_s)
        reply = f"{self._inbox}.{next(self._requests)}"
        future = self._pending.add(reply, subject, timeout_s)
        self.publish(subject, data, headers, reply)
        return await future

    async def subscribe(
        self, subject: str, callback: Callable[[WireMessage], None], *, group: str = ""
    ) -> _NatsPySubscription:
        """Receive messages."""
        subscription = _NatsPySubscription(self, callback)
        subscription.inner = await self._client.subscribe(  # pyright: ignore[reportUnknownMemberType]  # a bare Future in its signature
            subject,
            queue=group,
            cb=subscription.receive,
            # The limits are nats-py's queue between socket and callback; ours never blocks, and a
            # message dropped here would stay undelivered until the acknowledgement time-out.
            pending_msgs_limit=0,
            pending_bytes_limit=0,
        )
        if self.is_up:
            try:
                # The library may send the first ping ahead of the subscription.
                await self._client.flush(_FLUSH_TIMEOUT_S)
                await self._client.flush(_FLUSH_TIMEOUT_S)
            except (NatsError, OSError) as error:
                subscription.unsubscribe()
                raise UnavailableError(f"subscription to {subject!r}: {error}") from error
        denied = self._denied.pop(subject.lower(), None)
        if denied is not None:
            raise denied
        return subscription

    async def wait_until_up(self, timeout_s: float) -> None:
        """Wait for the connection."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._up.wait()
        except TimeoutError:
            raise UnavailableError("not connected to NATS") from None
        if self._closed:
            raise UnavailableError("the connection to NATS was closed")

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
        if self.is_up:
            await self._write_queued()
            try:
                await self._client.flush(_FLUSH_TIMEOUT_S)
            except (NatsError, OSError):
                log.debug("nothing to flush: the connection went down first")
        self._closed = True
        self._up.set()
        if self._writer is not None:
            self._writer.cancel()
        await self._client.close()
        self._pending.fail_all("the connection was closed")

    def end(self, subscription: Subscription) -> None:
        """Unsubscribe without waiting."""
        if not self._closed:
            task = asyncio.get_running_loop().create_task(self._unsubscribe(subscription))
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)

    async def _unsubscribe(self, subscription: Subscription) -> None:
        try:
            await subscription.unsubscribe()
        except (NatsError, OSError) as error:
            log.debug("unsubscribe failed", reason=str(error))

    async def _open(self, arguments: dict[str, Any]) -> None:
        connecting = asyncio.ensure_future(self._client.connect(**arguments))
        outcomes: set[asyncio.Future[Any]] = {connecting, self._refused}
        try:
            # The library itself tries on for ever when a server refuses the credentials.
            await asyncio.wait(outcomes, return_when=asyncio.FIRST_COMPLETED)
            if self._refused.done():
                raise PermissionDeniedError(
                    f"the NATS server at {list(self._options.servers)} refuses our credentials: "
                    f"{self._refused.result()}"
                )
            await connecting
        except ssl.SSLCertVerificationError as error:
            raise untrusted(str(list(self._options.servers)), error) from error
        except (NatsError, OSError) as error:
            raise UnavailableError(
                f"cannot connect to NATS at {list(self._options.servers)}: {error}"
            ) from error
        finally:
            connecting.cancel()
            await asyncio.gather(connecting, return_exceptions=True)
        self._up.set()
        self._inbox = self.new_inbox()
        self._writer = asyncio.get_running_loop().create_task(self._write())
        await self.subscribe(f"{self._inbox}.*", self._pending.answer)

    def _connect_arguments(self) -> dict[str, Any]:
        options = self._options
        arguments: dict[str, Any] = {
            "servers": list(options.servers),
            "name": options.name,
            "error_cb": self._on_error,
            "disconnected_cb": self._on_down,
            "reconnected_cb": self._on_up,
            "closed_cb": self._on_down,
            "connect_timeout": _ATTEMPT_TIMEOUT_S,
            "reconnect_time_wait": RECONNECT_MIN_S,
            "max_reconnect_attempts": -1,
            "ping_interval": _PING_INTERVAL_S,
            "inbox_prefix": options.inbox_prefix,
            # Nothing is kept over a reconnection: whoever needs certainty retries by itself.
            "pending_size": 0,
        }
        context = tls_context(options)
        if context is not None:
            arguments["tls"] = context
            if options.tls_server_name is not None:
                arguments["tls_hostname"] = options.tls_server_name
        if options.user is not None:
            arguments |= {"user": options.user, "password": options.password or ""}
        if options.token is not None:
            arguments["token"] = options.token
        if options.nkey_seed is not None:
            arguments["nkeys_seed_str"] = options.nkey_seed
        if options.nkey_seed_file is not None:
            arguments["nkeys_seed"] = str(options.nkey_seed_file)
        if options.creds_file is not None:
            if not options.creds_file.is_file():
                raise SetupError(f"there is no credentials file {options.creds_file}")
            arguments["user_credentials"] = str(options.creds_file)
        return arguments

    async def _write(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            await self._write_queued()

    async def _write_queued(self) -> None:
        while self._outgoing:
            subject, data, headers, reply = self._outgoing.popleft()
            try:
                await self._client.publish(
                    subject, data, reply=reply, headers=dict(headers) if headers else None
                )
            except (NatsError, OSError) as error:
                log.debug("message dropped", subject=subject, reason=str(error))

    async def _on_down(self) -> None:
        if not self._closed:
            self._up.clear()
        self._outgoing.clear()
        self._pending.fail_all("the connection was lost")

    async def _on_up(self) -> None:
        self._up.set()
        for hook in self._hooks:
            hook()

    async def _on_error(self, error: Exception) -> None:
        if _REFUSED.search(str(error)) and not self._refused.done():
            self._refused.set_result(str(error))
        found = _DENIED.search(str(error))
        if found is None:
            log.debug("nats-py reports", error=str(error))
            return
        action, told = found.groups()
        # The server names what the account has mapped the subject to.
        subject = published_as(told)
        denied = PermissionDeniedError(
            f"the NATS identity may not {action.lower()} to {subject!r}: "
            "grant it or connect as another"
        )
        waited = [
            self._pending.fail_subject(subject, denied),
            *(hook(subject, denied) for hook in self._denied_hooks),
        ]
        if not any(waited):
            # The library reports subjects in lower case.
            self._denied[subject.lower()] = denied
            log.error("permission denied by the broker", action=action, subject=subject)
