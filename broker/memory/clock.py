"""Time for the in-memory broker: by hand, or along the event loop."""

import asyncio
import heapq
import itertools
import time
from collections.abc import Callable
from typing import Protocol, final

__all__ = ["Clock", "LoopClock", "ManualClock", "Timer"]

NS_PER_S = 1_000_000_000


class Timer(Protocol):
    """A pending call."""

    def cancel(self) -> None:
        """Forget it; nothing happens when it ran already."""
        ...


class Clock(Protocol):
    """What schedules and time-to-live go by."""

    def now_ns(self) -> int:
        """Return Unix time in nanoseconds."""
        ...

    def call_at(self, when_ns: int, callback: Callable[[], None]) -> Timer:
        """Call back at or soon after `when_ns`, never earlier."""
        ...


@final
class LoopClock:
    """Follows the running event loop's own clock, also when that is a virtual one."""

    def __init__(self) -> None:
        self._offset_ns: int | None = None

    def now_ns(self) -> int:
        """Return Unix time that advances with the loop."""
        loop_ns = int(asyncio.get_running_loop().time() * NS_PER_S)
        if self._offset_ns is None:
            self._offset_ns = time.time_ns() - loop_ns
        return self._offset_ns + loop_ns

    def call_at(self, when_ns: int, callback: Callable[[], None]) -> Timer:
        """Call back on the running loop."""
        delay_s = max(0, when_ns - self.now_ns()) / NS_PER_S
        return asyncio.get_running_loop().call_later(delay_s, callback)


@final
class _ManualTimer:
    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        self.callback = None


@final
class ManualClock:
    """Stands still until a test advances it."""

    def __init__(self, start_ns: int = 1_700_000_000 * NS_PER_S) -> None:
        self._now_ns = start_ns
        self._order = itertools.count()
        self._timers: list[tuple[int, int, _ManualTimer]] = []

    def now_ns(self) -> int:
        """Return the time that the test has set."""
        return self._now_ns

    def call_at(self, when_ns: int, callback: Callable[[], None]) -> Timer:
        """Call back inside the `advance` that reaches `when_ns`."""
        timer = _ManualTimer(callback)
        heapq.heappush(self._timers, (when_ns, next(self._order), timer))
        return timer

    def advance(self, seconds: float) -> None:
        """Move on, running what falls due in the order of its time."""
        end_ns = self._now_ns + int(seconds * NS_PER_S)
        while self._timers and self._timers[0][0] <= end_ns:
            when_ns, _, timer = heapq.heappop(self._timers)
            self._now_ns = max(self._now_ns, when_ns)
            if timer.callback is not None:
                timer.callback()
        self._now_ns = end_ns
