"""The narrow interface to a NATS connection that the rest of the adapter is written against.

Publishing never waits and is lost while the connection is down; whoever needs certainty requests
and retries. Callbacks run on the event loop in the order of arrival and must not block.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Protocol, final

from msgspec import Struct

from broker.errors import BrokerError, PermissionDeniedError, UnavailableError
from broker.ports import NO_HEADERS

__all__ = [
    "NO_RESPONDERS",
    "PendingRequests",
    "ServerInfo",
    "Wire",
    "WireMessage",
    "WireSubscription",
    "parse_header_block",
    "status_of",
]

NO_RESPONDERS: Final = 503
_SWEEP_INTERVAL_S: Final = 0.1
_HEADER_LINE: Final = b"NATS/1.0"


class ServerInfo(Struct, frozen=True):
    """What a server says of itself on connecting."""

    version: str = ""
    max_payload: int = 1024 * 1024
    server_id: str = ""
    server_name: str = ""
    nonce: str = ""
    tls_required: bool = False
    auth_required: bool = False
    headers: bool = False
    jetstream: bool = False
    connect_urls: tuple[str, ...] = ()


@final
class WireMessage(Struct):
    """One received message, its headers as a block, parsed when somebody looks, or parsed before.

    `status` is the code of a message from the server itself, 0 of any other.
    """

    subject: str
    reply: str
    data: bytes
    block: bytes = b""
    status: int = 0
    parsed: Mapping[str, str] | None = None

    @property
    def description(self) -> str:
        """The text behind the status code."""
        if self.block:
            line = self.block.partition(b"\r\n")[0]
            return line[13:].decode(errors="replace")
        return self.headers.get("Description", "")

    @property
    def headers(self) -> Mapping[str, str]:
        """All headers; of a repeated one the last value."""
        if self.parsed is None:
            self.parsed = parse_header_block(self.block) if self.block else NO_HEADERS
        return self.parsed


class WireSubscription(Protocol):
    """A running subscription, renewed by the wire after every reconnection."""

    def unsubscribe(self) -> None:
        """End it; no callback runs afterwards."""
        ...


class Wire(Protocol):
    """One connection, kept alive through reconnection."""

    @property
    def server(self) -> ServerInfo:
        """The server that we are, or were last, connected to."""
        ...

    @property
    def certificate_until_s(self) -> float | None:
        """Until when its certificate is good, in Unix seconds; None: it showed none, or unseen."""
        ...

    @property
    def is_up(self) -> bool:
        """Whether the connection stands."""
        ...

    @property
    def is_closed(self) -> bool:
        """Whether it was closed for good."""
        ...

    def new_inbox(self) -> str:
        """Return a unique subject under the inbox prefix of this identity."""
        ...

    def publish(
        self,
        subject: str,
        data: bytes,
        headers: Mapping[str, str] = NO_HEADERS,
        reply: str = "",
    ) -> None:
        """Send and forget.

        Raises:
            TooLargeError: above the server's payload limit, which would end the connection.
        """
        ...

    def request(
        self,
        subject: str,
        data: bytes,
        headers: Mapping[str, str] = NO_HEADERS,
        *,
        timeout_s: float,
    ) -> Awaitable[WireMessage]:
        """Send and wait for one answer; waits for the connection first, within the time-out.

        Raises:
            UnavailableError: no connection, no responders, or no answer in time.
            PermissionDeniedError: the identity may not publish to `subject`.
            TooLargeError: above the server's payload limit.
        """
        ...

    async def subscribe(
        self, subject: str, callback: Callable[[WireMessage], None], *, group: str = ""
    ) -> WireSubscription:
        """Receive messages; on return the server knows the subscription, unless we are offline.

        Raises:
            PermissionDeniedError: the identity may not subscribe to `subject`.
        """
        ...

    async def wait_until_up(self, timeout_s: float) -> None:
        """Wait for the connection.

        Raises:
            UnavailableError: it does not come in time, or was closed for good.
        """
        ...

    def on_up(self, callback: Callable[[], None]) -> None:
        """Call back after every reconnection, with subscriptions renewed."""
        ...

    def on_denied(self, callback: Callable[[str, PermissionDeniedError], bool]) -> None:
        """Call back with each subject, in whatever case, that the server let us not publish to.

        The callback says whether somebody waited for that.
        """
        ...

    async def close(self) -> None:
        """Flush what was published and disconnect for good."""
        ...


@final
class PendingRequests:
    """Requests that wait for an answer, by its subject, with coarse and cheap time-outs."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[str, tuple[str, asyncio.Future[WireMessage], float]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def add(self, reply: str, subject: str, timeout_s: float) -> asyncio.Future[WireMessage]:
        """Register a request; it fails by itself up to 0.1 s after its time-out."""
        future: asyncio.Future[WireMessage] = self._loop.create_future()
        self._waiting[reply] = subject, future, self._loop.time() + timeout_s
        if self._timer is None:
            self._timer = self._loop.call_later(_SWEEP_INTERVAL_S, self._sweep)
        return future

    def answer(self, message: WireMessage) -> None:
        """Hand an answer to whoever waits for it."""
        waiting = self._waiting.pop(message.subject, None)
        if waiting is None or waiting[1].done():
            return
        if message.status == NO_RESPONDERS:
            waiting[1].set_exception(UnavailableError(f"no responders on {waiting[0]!r}"))
        else:
            waiting[1].set_result(message)

    def fail_all(self, reason: str) -> None:
        """Fail every request as unavailable: the connection that would carry answers is gone."""
        waiting, self._waiting = self._waiting, {}
        for subject, future, _ in waiting.values():
            if not future.done():
                future.set_exception(UnavailableError(f"request to {subject!r}: {reason}"))

    def fail_subject(self, subject: str, error: BrokerError) -> bool:
        """Fail the requests to one subject, in whatever case; say whether there were any."""
        folded = subject.lower()
        replies = [at for at, (name, *_) in self._waiting.items() if name.lower() == folded]
        for reply in replies:
            _, future, _ = self._waiting.pop(reply)
            if not future.done():
                future.set_exception(error)
        return bool(replies)

    def _sweep(self) -> None:
        self._timer = None
        now = self._loop.time()
        for reply in [at for at, (*_, end) in self._waiting.items() if end <= now]:
            subject, future, _ = self._waiting.pop(reply)
            if not future.done():
                future.set_exception(UnavailableError(f"no answer from {subject!r} in time"))
        if self._waiting:
            self._timer = self._loop.call_later(_SWEEP_INTERVAL_S, self._sweep)


def status_of(block: bytes) -> int:
    """Return the status code of a raw block that has one, 0 of any other."""
    # A status line reads "NATS/1.0 404 ..."; any other ends after its 8th byte.
    return int(block[9:12]) if block[8:9] == b" " else 0


def parse_header_block(block: bytes) -> dict[str, str]:
    """Return the headers of a raw block that starts with its version line."""
    if not block.startswith(_HEADER_LINE):
        return {}
    headers: dict[str, str] = {}
    for line in block.decode(errors="replace").split("\r\n")[1:]:
        name, colon, value = line.partition(":")
        if colon:
            headers[name] = value.strip()
    return headers
