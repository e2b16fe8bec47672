"""Results and events as they happen: core messages, gone for who does not listen."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import Final, Generic, Self, TypeVar, final

from msgspec import Struct

from broker import subjects
from broker.ports import Note, Signals, Subscription
from shem.client.invocations import Outcome
from shem.client.lifetime import Lifetime
from shem.errors import LaggedError

__all__ = ["Event", "Feed", "Result", "pattern"]

BUFFERED_MAX: Final = 10_000

Item = TypeVar("Item")


class Result(Struct, frozen=True):
    """The outcome of an invocation of some worker."""

    component: str
    worker: str
    outcome: Outcome


class Event(Struct, frozen=True):
    """What a worker did: `type` is stdout, stderr, log or status; `fields` is the rest."""

    component: str
    worker: str
    type: str
    fields: dict[str, object]


@final
class Feed(AsyncIterator[Item], Generic[Item]):
    """A subscription to iterate over. Use it with `async with`: it listens from there on.

    Messages that come while the connection is down are lost, as are all that come while nobody
    listens. What is read too slowly ends with `LaggedError`. It ends with its block, or its client.
    """

    def __init__(
        self,
        signals: Signals,
        subject: str,
        decode: Callable[[Note], Item],
        lifetime: Lifetime,
    ) -> None:
        self._signals = signals
        self._lifetime = lifetime
        self._subject = subject
        self._decode = decode
        self._notes: deque[Note] = deque()
        self._arrived = asyncio.Event()
        self._lagged = False
        self._subscription: Subscription | None = None
        self._has_begun = False
        self._has_ended = False
        self._forget: Callable[[], None] = lambda: None

    async def __aenter__(self) -> Self:
        if self._has_begun:
            raise RuntimeError("a feed is entered once: make another one")
        self._lifetime.check()
        self._has_begun = True
        self._forget = self._lifetime.at_end(self._end)
        self._subscription = await self._signals.subscribe(self._subject, self._on_note)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._end()
        self._forget()
        if self._subscription is not None:
            await self._subscription.close()
            self._subscription = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Item:
        while not self._notes:
            if self._lagged:
                raise LaggedError(
                    f"more than {BUFFERED_MAX} messages of {self._subject} waited to be read",
                    kind="lagged",
                )
            if not self._has_begun:
                raise RuntimeError("use a feed with `async with`: it listens from there on")
            if self._has_ended:
                raise StopAsyncIteration
            self._arrived.clear()
            await self._arrived.wait()
        return self._decode(self._notes.popleft())

    def _end(self) -> None:
        self._has_ended = True
        # Whoever waits in another task is to hear of it.
        self._arrived.set()

    def _on_note(self, note: Note) -> None:
        if self._lagged or len(self._notes) >= BUFFERED_MAX:
            self._lagged = True
        else:
            self._notes.append(note)
        self._arrived.set()


def pattern(leaf: str, component: str | None, worker: str | None) -> str:
    """Return the subject of a feed; None stands for all."""
    tokens = ("*" if name is None else subjects.encode_token(name) for name in (component, worker))
    return ".".join(["shem", leaf, *tokens])
