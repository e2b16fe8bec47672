"""Answers to durable messages: one inbox for a client, one leaf of it for each question."""

import asyncio
import itertools
from collections.abc import Generator
from contextlib import contextmanager
from typing import final

from broker.ports import Note, Signals, Subscription
from shem.client.lifetime import Lifetime

__all__ = ["Letter", "Mail"]


@final
class Letter:
    """A question that waits for its answer at `reply_to`."""

    def __init__(self, reply_to: str, lifetime: Lifetime) -> None:
        self.reply_to = reply_to
        self._lifetime = lifetime
        self._answer: Note | None = None
        self._nudge = asyncio.Event()

    def arrive(self, note: Note) -> None:
        """Take the first answer; all copies say the same."""
        if self._answer is None:
            self._answer = note
        self._nudge.set()

    def nudge(self) -> None:
        """End a wait early: the answer may have been lost."""
        self._nudge.set()

    async def wait(self, timeout_s: float) -> Note | None:
        """Return the answer, or None if it is worth asking again, or the client was closed."""
        if self._answer is None and not self._lifetime.is_over:
            try:
                async with asyncio.timeout(timeout_s):
                    await self._nudge.wait()
            except TimeoutError:
                return None
            self._nudge.clear()
        return self._answer

    async def wait_patiently(self, timeout_s: float) -> Note | None:
        """Return the answer, or None when the time is over: for what must not be asked twice.

        Raises:
            RefusedError: the client was closed.
        """
        try:
            async with asyncio.timeout(timeout_s):
                while (answer := await self.wait(timeout_s)) is None:
                    self._lifetime.check()
        except TimeoutError:
            return None
        return answer


@final
class Mail:
    """Hands answers to the letters that wait for them."""

    def __init__(self, signals: Signals, lifetime: Lifetime | None = None) -> None:
        self.lifetime = lifetime or Lifetime()
        self._signals = signals
        self._inbox = signals.inbox()
        self._numbers = itertools.count(1)
        self._letters: dict[str, Letter] = {}
        self._subscription: Subscription | None = None

    async def start(self) -> None:
        """Listen."""
        self.lifetime.begin()
        self._subscription = await self._signals.subscribe(f"{self._inbox}.*", self._on_note)

    async def close(self) -> None:
        """Listen no more; who waits still is told so."""
        self.lifetime.end()
        await self.reconnected()
        if self._subscription is not None:
            await self._subscription.close()

    async def reconnected(self) -> None:
        """Have every question asked again: its answer may have passed while we were away."""
        for letter in self._letters.values():
            letter.nudge()

    @contextmanager
    def letter(self) -> Generator[Letter]:
        """Open a place for one answer."""
        letter = Letter(f"{self._inbox}.{next(self._numbers)}", self.lifetime)
        self._letters[letter.reply_to] = letter
        try:
            yield letter
        finally:
            del self._letters[letter.reply_to]

    def _on_note(self, note: Note) -> None:
        letter = self._letters.get(note.subject)
        if letter is not None:
            letter.arrive(note)
