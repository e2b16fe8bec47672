"""Time, as a capability: the executor's clock and the worker's clock made from it."""

import time
from typing import Protocol, final

__all__ = ["SystemClock", "TimeSource", "WorkerClock"]


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

    def wall_ns(self) -> int:
        """Unix time in nanoseconds."""
        return time.time_ns()

    def monotonic_s(self) -> float:
        """Seconds since some point in this process."""
        return time.monotonic()


@final
class WorkerClock:
    """A worker's time: its monotonic clock never goes back, over restarts and machines too.

    The monotonic clock is the wall clock since the worker's creation, held back from stepping
    backwards. Entries are stamped with it, so that the last stamp in the log is the floor from
    which the next owner goes on, however wrong its own clock is.
    """

    def __init__(self, source: TimeSource, *, created_ms: int, floor_ms: int) -> None:
        self._source = source
        self._created_ns = created_ms * 1_000_000
        # Stamps are truncated to milliseconds: one more keeps the floor above all given out.
        self._last_ns = (floor_ms + 1) * 1_000_000 - self._created_ns

    def wall_ns(self) -> int:
        """Unix time in nanoseconds, as the machine tells it."""
        return self._source.wall_ns()

    def monotonic_ns(self) -> int:
        """Nanoseconds since the worker's creation."""
        self._last_ns = max(self._last_ns, self._source.wall_ns() - self._created_ns)
        return self._last_ns

    def stamp_ms(self) -> int:
        """Return the time stamp of an entry added now."""
        return (self._created_ns + self.monotonic_ns()) // 1_000_000

    def unix_ms(self, monotonic_ns: int) -> int:
        """Return the Unix time, rounded up, at which the monotonic clock shows `monotonic_ns`."""
        return -(-(self._created_ns + monotonic_ns) // 1_000_000)
