"""Events as they happen, for who reads only: server-sent events, or frames of a websocket."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

import msgspec
from msgspec import Struct

__all__ = ["EVENT_STREAM", "Event", "Events", "frames", "server_sent"]

EVENT_STREAM: Final = "text/event-stream"
# Proxies cut connections on which nothing happens.
KEEP_ALIVE_S: Final = 15.0
_COMMENT: Final = b": still here\n\n"
_NO_CACHE: Final = (("cache-control", "no-cache"), ("x-accel-buffering", "no"))


class Event(Struct, frozen=True, kw_only=True):
    """Something that happened. `id` is what to go on after; `fields` is the whole as JSON says."""

    type: str
    id: str | None = None
    fields: dict[str, object] = {}


class Events(Struct, frozen=True):
    """An answer that goes on until the client leaves or the source ends."""

    source: AsyncIterator[Event]

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """What keeps others from holding it back."""
        return _NO_CACHE


async def server_sent(source: AsyncIterator[Event]) -> AsyncIterator[bytes]:
    """Yield events in the format of `text/event-stream`, and comments while nothing happens."""
    async for event in _or_silence(source):
        if event is None:
            yield _COMMENT
            continue
        head = b"" if event.id is None else b"id: %s\n" % event.id.encode()
        # JSON by msgspec has no line breaks.
        yield b"%sevent: %s\ndata: %s\n\n" % (head, event.type.encode(), _json(event))


async def frames(source: AsyncIterator[Event]) -> AsyncIterator[str]:
    """Yield events as text frames; the websocket has pings of its own."""
    async for event in source:
        yield _json(event).decode()


def _json(event: Event) -> bytes:
    more = {} if event.id is None else {"id": event.id}
    return msgspec.json.encode({"type": event.type, **more, **event.fields})


async def _or_silence(source: AsyncIterator[Event]) -> AsyncIterator[Event | None]:
    """Yield what comes, and None whenever nothing came for a while."""
    waiting: asyncio.Future[Event] | None = None
    try:
        while True:
            if waiting is None:
                waiting = asyncio.ensure_future(anext(source))
            done, _ = await asyncio.wait((waiting,), timeout=KEEP_ALIVE_S)
            if not done:
                yield None
                continue
            try:
                event = waiting.result()
            except StopAsyncIteration:
                return
            waiting = None
            yield event
    finally:
        if waiting is not None:
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
