"""What host functions see of the worker they run for.

The executor implements it; host functions know nothing of the oplog, the broker or other workers.
Everything here is live: a call that is answered from the oplog never gets here.
"""

from collections.abc import Awaitable, Sequence
from typing import Any, Literal, Protocol, TypeAlias

__all__ = ["Clock", "ExitRequest", "HostContext", "OutputStream"]

OutputStream: TypeAlias = Literal["stdout", "stderr"]


class Clock(Protocol):
    """The worker's time."""

    def wall_ns(self) -> int:
        """Unix time in nanoseconds."""
        ...

    def monotonic_ns(self) -> int:
        """Nanoseconds since some point before the worker was created.

        Never goes backwards in a worker's life, across restarts and machines too.
        """
        ...


class HostContext(Protocol):
    """One worker instance, as its host functions see it."""

    @property
    def component(self) -> str:
        """The component's name."""
        ...

    @property
    def worker(self) -> str:
        """The worker's name."""
        ...

    @property
    def arguments(self) -> Sequence[str]:
        """Command-line arguments, fixed at creation."""
        ...

    @property
    def environment(self) -> Sequence[tuple[str, str]]:
        """Environment variables, fixed at creation."""
        ...

    @property
    def clock(self) -> Clock:
        """The worker's time."""
        ...

    @property
    def state(self) -> dict[object, Any]:
        """Room for what a host interface keeps per instance, keyed by an object of its own."""
        ...

    def random_bytes(self, count: int) -> bytes:
        """Return unpredictable bytes."""
        ...

    def write_output(self, stream: OutputStream, data: bytes) -> None:
        """Emit guest output. Safe to call at replay: what was emitted before is not emitted again."""
        ...

    def sleep_until(self, monotonic_ns: int) -> Awaitable[None]:
        """Wait for a point of the worker's monotonic clock.

        A long wait suspends the worker: it leaves memory, and a schedule of the broker brings it back.
        """
        ...


class ExitRequest(BaseException):
    """The guest asked to end its process. Not an Exception: nothing in between may swallow it."""

    def __init__(self, code: int) -> None:
        super().__init__(f"exit with code {code}")
        self.code = code
