"""Core messages in memory: subscriptions, groups, request and answer."""

import asyncio
import itertools
from collections.abc import Callable, Mapping
from typing import final

from broker.errors import UnavailableError
from broker.layout import matches
from broker.memory.link import Link
from broker.ports import NO_HEADERS, Note, Request, Subscription

__all__ = ["MemorySignals", "Switch"]


@final
class _Subscription:
    def __init__(
        self,
        switch: "Switch",
        link: Link,
        pattern: str,
        callback: Callable[[Request], None],
        group: str | None,
    ) -> None:
        self.pattern = pattern
        self.group = group
        self._switch = switch
        self._link = link
        self._callback = callback
        self._open = True

    @property
    def is_reachable(self) -> bool:
        return self._open and self._link.is_up

    def deliver(self, request: Request) -> None:
        if self.is_reachable:
            self._callback(request)

    async def close(self) -> None:
        self._open = False
        self._switch.remove(self)


@final
class Switch:
    """Routes messages between connections."""

    def __init__(self) -> None:
        self._subscriptions: dict[_Subscription, None] = {}
        self._turns = itertools.count()
        self.inboxes = itertools.count(1)

    def add(self, subscription: _Subscription) -> None:
        """Route to `subscription` from now on."""
        self._subscriptions[subscription] = None

    def remove(self, subscription: _Subscription) -> None:
        """Route to it no more."""
        self._subscriptions.pop(subscription, None)

    def route(self, request: Request) -> int:
        """Deliver to everyone interested, once per group; return to how many."""
        groups: dict[str, list[_Subscription]] = {}
        receivers: list[_Subscription] = []
        for subscription in self._subscriptions:
            if not subscription.is_reachable:
                continue
            if not matches(subscription.pattern, request.subject):
                continue
            if subscription.group is None:
                receivers.append(subscription)
            else:
                groups.setdefault(subscription.group, []).append(subscription)
        receivers += [members[next(self._turns) % len(members)] for members in groups.values()]
        loop = asyncio.get_running_loop()
        for receiver in receivers:
            loop.call_soon(receiver.deliver, request)
        return len(receivers)


@final
class MemorySignals:
    """Core messages of one connection."""

    def __init__(self, switch: Switch, link: Link) -> None:
        self._switch = switch
        self._link = link

    def publish(
        self, subject: str, data: bytes, *, headers: Mapping[str, str] = NO_HEADERS
    ) -> None:
        """Send and forget."""
        self._send(subject, data, headers, "")

    async def request(
        self,
        subject: str,
        data: bytes,
        *,
        headers: Mapping[str, str] = NO_HEADERS,
        timeout_s: float,
    ) -> Note:
        """Send and wait for one answer."""
        await self._link.turn()
        answer: asyncio.Future[Note] = asyncio.get_running_loop().create_future()

        def receive(request: Request) -> None:
            if not answer.done():
                answer.set_result(_note(request))

        inbox = self.inbox()
        subscription = self._subscribe(inbox, receive, None)
        try:
            if not self._send(subject, data, headers, inbox):
                raise UnavailableError(f"nobody serves {subject!r}")
            async with asyncio.timeout(timeout_s):
                return await answer
        except TimeoutError:
            raise UnavailableError(f"no answer on {subject!r} within {timeout_s} s") from None
        finally:
            await subscription.close()

    async def subscribe(self, subject: str, callback: Callable[[Note], None]) -> Subscription:
        """Call back for every message."""
        await self._link.turn()
        return self._subscribe(subject, lambda request: callback(_note(request)), None)

    async def serve(
        self, subject: str, callback: Callable[[Request], None], *, group: str
    ) -> Subscription:
        """Receive requests, sharing them with the others of `group`."""
        await self._link.turn()
        return self._subscribe(subject, callback, group)

    def inbox(self) -> str:
        """Return a new unique subject."""
        return f"_INBOX.{next(self._switch.inboxes)}"

    def _send(self, subject: str, data: bytes, headers: Mapping[str, str], reply_to: str) -> int:
        if not self._link.is_up:
            return 0
        return self._switch.route(
            Request(subject=subject, data=bytes(data), reply_to=reply_to, headers=dict(headers))
        )

    def _subscribe(
        self, pattern: str, callback: Callable[[Request], None], group: str | None
    ) -> _Subscription:
        subscription = _Subscription(self._switch, self._link, pattern, callback, group)
        self._switch.add(subscription)
        return subscription


def _note(request: Request) -> Note:
    return Note(subject=request.subject, data=request.data, headers=request.headers)
