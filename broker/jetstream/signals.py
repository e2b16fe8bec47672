"""Core messages as the `Signals` port."""

from collections.abc import Callable, Mapping
from typing import final

from broker.jetstream.headers import user_headers
from broker.jetstream.wire import Wire, WireMessage, WireSubscription
from broker.ports import NO_HEADERS, Note, Request, Subscription

__all__ = ["JetStreamSignals"]


@final
class _Subscription:
    def __init__(self, inner: WireSubscription) -> None:
        self._inner = inner

    async def close(self) -> None:
        self._inner.unsubscribe()


@final
class JetStreamSignals:
    """At most once, nothing kept."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def publish(
        self, subject: str, data: bytes, *, headers: Mapping[str, str] = NO_HEADERS
    ) -> None:
        """Send and forget."""
        self._wire.publish(subject, data, headers)

    async def request(
        self,
        subject: str,
        data: bytes,
        *,
        headers: Mapping[str, str] = NO_HEADERS,
        timeout_s: float,
    ) -> Note:
        """Send and wait for one answer."""
        return _note(await self._wire.request(subject, data, headers, timeout_s=timeout_s))

    async def subscribe(self, subject: str, callback: Callable[[Note], None]) -> Subscription:
        """Call back for every message."""
        return _Subscription(
            await self._wire.subscribe(subject, lambda message: callback(_note(message)))
        )

    async def serve(
        self, subject: str, callback: Callable[[Request], None], *, group: str
    ) -> Subscription:
        """Receive requests, sharing them with the others of `group`."""
        return _Subscription(
            await self._wire.subscribe(
                subject, lambda message: callback(_request(message)), group=group
            )
        )

    def inbox(self) -> str:
        """Return a new unique subject."""
        return self._wire.new_inbox()


def _note(message: WireMessage) -> Note:
    return Note(subject=message.subject, data=message.data, headers=user_headers(message.headers))


def _request(message: WireMessage) -> Request:
    return Request(
        subject=message.subject,
        data=message.data,
        reply_to=message.reply,
        headers=user_headers(message.headers),
    )
