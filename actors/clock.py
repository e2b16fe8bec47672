"""Time, as a capability: the executor's clock and the worker's clock made from it."""

import time
from typing import Final, Protocol, final

__all__ = ["STANDSTILL_MAX_NS", "SystemClock", "TimeSource", "WorkerClock"]

STANDSTILL_MAX_NS: Final = 100_000_000
"""How long a worker's clock may stand still until the wall clock has caught up."""


class TimeSource(Protocol):
    """Where time comes from."""

    def wall_ns(self) -> int:
        """Unix time in nanoseconds."""
        ...

    def monotonic_s(self) -> float:
        """Seconds since some point in this process; never goes back."""
        ...


@final
class SystemClock:
    """The machine's clock."""

    # Read several times for each invocation: without a frame of Python around.
    wall_ns = staticmethod(time.time_ns)
    monotonic_s = staticmethod(time.monotonic)


@final
class WorkerClock:
    """A worker's time: its monotonic clock never goes back, over restarts and machines too.

    The monotonic clock is the wall clock since the worker's creation; where that steps backwards,
    or was behind from the start, it goes on as fast as time passes. A little ahead, as after each
    restart, it waits for the wall clock instead: what it is ahead would add up, and sleeps end too
    early. Entries are stamped with it, so
    that the last stamp in the log is the floor from which the next owner goes on, however wrong its
    own clock is.
    """

    def __init__(self, source: TimeSource, *, created_ms: int, floor_ms: int) -> None:
        self._source = source
        self._created_ns = created_ms * 1_000_000
        # Stamps are truncated to milliseconds: one more keeps the floor above all given out.
        self._last_ns = (floor_ms + 1) * 1_000_000 - self._created_ns
        self._seen_s = source.monotonic_s()

    def wall_ns(self) -> int:
        """Unix time in nanoseconds, as the machine tells it."""
        return self._source.wall_ns()

    def monotonic_ns(self) -> int:
        """Nanoseconds since the worker's creation."""
        source = self._source
        now_s = source.monotonic_s()
        wall_ns = source.wall_ns() - self._created_ns
        if wall_ns >= self._last_ns:
            self._last_ns = wall_ns
        elif self._last_ns - wall_ns > STANDSTILL_MAX_NS:
            passed_ns = int((now_s - self._seen_s) * 1e9)
            self._last_ns = max(self._last_ns + passed_ns, wall_ns)
        self._seen_s = now_s
        return self._last_ns

    def later_ms(self, seconds: float) -> int:
        """Return the time stamp of that much later, as Unix time in milliseconds."""
        return self.stamp_ms() + round(seconds * 1_000)

    def stamp_ms(self) -> int:
        """Return the time stamp of an entry added now."""
        return (self._created_ns + self.monotonic_ns()) // 1_000_000

    def unix_ms(self, monotonic_ns: int) -> int:
        """Return the Unix time, rounded up, at which the monotonic clock shows `monotonic_ns`."""
        return -(-(self._created_ns + monotonic_ns) // 1_000_000)
