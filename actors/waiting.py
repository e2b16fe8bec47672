"""Waiting for answers: on the guest's fiber for a while, then out of memory until one comes.

A worker that is *blocked* waits for nothing but answers that have not come. Whatever else lies in
its mailbox cannot run before them, so its anchor need not be held: the answer itself is a delivery,
and brings the worker back wherever it is. The mark is taken away when an answer is offered, not
when the guest goes on, or the answer would be acknowledged before it is consumed.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, final

from actors.clock import WorkerClock
from actors.errors import LeaveGuest, SuspendGuest
from actors.waits import Answer, Waits

__all__ = ["NEVER_MS", "Waiting"]

NEVER_MS: Final = 1 << 52


@final
class Waiting:
    """The waits of one guest. `reread` reads the answers in the mailbox once more."""

    def __init__(
        self,
        book: Waits,
        clock: WorkerClock,
        *,
        suspend_after_s: float,
        reread: Callable[[], Awaitable[None]],
        on_blocked: Callable[[], None],
    ) -> None:
        self.book = book
        self._clock = clock
        self._suspend_after_ms = round(suspend_after_s * 1_000)
        self._reread = reread
        self._on_blocked = on_blocked
        self._leaving = False
        self._stale = False
        self._news = asyncio.Event()
        self.blocked_on: tuple[int, ...] = ()
        """What the guest waits for, if nothing else can wake it."""

    def stay(self) -> None:
        """Never leave memory: there would be no way back for this guest."""
        self._suspend_after_ms = NEVER_MS

    def offer(self, answer: Answer, observed: Callable[[], None] | None = None) -> bool:
        """Take an answer in; True: `observed` is called once it is recorded as observed."""
        if not self.book.offer(answer, observed):
            return False
        if answer.index in self.blocked_on:
            self.blocked_on = ()
        self._news.set()
        return observed is not None

    def nudge(self, index: int) -> None:
        """Entry `index` is over: look again."""
        if index in self.blocked_on:
            self.blocked_on = ()
        self._news.set()

    def distrust_deliveries(self) -> None:
        """Read the answers in the mailbox again: some may have been missed."""
        self._stale = True
        self.blocked_on = ()
        self._news.set()

    def leave(self) -> None:
        """End the waits of the guest: the worker goes to another executor."""
        self._leaving = True
        self._news.set()

    def is_over(self, index: int) -> bool:
        """Whether entry `index` is answered, or its time is over."""
        if self.book.is_answered((index,)):
            return True
        deadline_ms = self.book.deadline_ms(index)
        return deadline_ms is not None and self._clock.stamp_ms() >= deadline_ms

    async def wait(self, indices: Sequence[int], deadline_ms: int | None = None) -> None:
        """Return when one of the entries is over, or at the deadline (Unix time).

        Raises:
            SuspendGuest: it takes long; the worker leaves memory meanwhile.
            LeaveGuest: the worker leaves this executor.
            RetryableError: the mailbox cannot be read now.
        """
        limits = [deadline_ms, *(self.book.deadline_ms(index) for index in indices)]
        limit_ms = min((each for each in limits if each is not None), default=None)
        begun_ms = self._clock.stamp_ms()
        try:
            while not self.book.is_answered(indices):
                self._news.clear()
                now_ms = self._clock.stamp_ms()
                if limit_ms is not None and now_ms >= limit_ms:
                    return
                if self._leaving:
                    raise LeaveGuest
                if self._stale:
                    self._stale = False
                    await self._reread()
                    continue
                patience_ms = begun_ms + self._suspend_after_ms - now_ms
                if patience_ms <= 0 and self._is_far(limit_ms, now_ms):
                    raise SuspendGuest(limit_ms, tuple(indices))
                if limit_ms is None:
                    self.blocked_on = tuple(indices)
                    self._on_blocked()
                await self._sleep(now_ms, max(patience_ms, 0), limit_ms)
        finally:
            self.blocked_on = ()

    def _is_far(self, limit_ms: int | None, now_ms: int) -> bool:
        return limit_ms is None or limit_ms - now_ms >= self._suspend_after_ms

    async def _sleep(self, now_ms: int, patience_ms: int, limit_ms: int | None) -> None:
        timeout_ms = patience_ms
        if limit_ms is not None:
            left_ms = limit_ms - now_ms
            timeout_ms = min(patience_ms, left_ms) if self._is_far(limit_ms, now_ms) else left_ms
        # Whoever waits looks again, whatever has woken it: `asyncio.timeout` would tell no more.
        timer = asyncio.get_running_loop().call_later(timeout_ms / 1_000, self._news.set)
        try:
            await self._news.wait()
        finally:
            timer.cancel()
