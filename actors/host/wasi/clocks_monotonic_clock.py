"""`wasi:clocks/monotonic-clock`."""

from typing import Final

from actors.host.context import HostContext
from actors.host.interface import HostInterface, Kind
from actors.host.pollable import Pollable, Timer
from actors.host.wasi.version import WASI_VERSION
from wit.types import Primitive

__all__ = ["MONOTONIC_CLOCK"]

_INSTANT_MAX: Final = (1 << 64) - 1
_RESOLUTION_NS: Final = 1_000

MONOTONIC_CLOCK = HostInterface("wasi:clocks/monotonic-clock", version=WASI_VERSION)


@MONOTONIC_CLOCK.function("now", Kind.READ_LOCAL)
def now(context: HostContext) -> int:
    """Return the worker's time, in nanoseconds."""
    return context.clock.monotonic_ns()


@MONOTONIC_CLOCK.function("resolution", Kind.PURE)
def resolution(context: HostContext) -> int:
    """Return a constant, in nanoseconds: asking the machine would not replay elsewhere."""
    del context
    return _RESOLUTION_NS


@MONOTONIC_CLOCK.function("subscribe-instant", Kind.PURE)
def subscribe_instant(context: HostContext, when: int) -> Pollable:
    """Return a timer for a point of the clock."""
    del context
    return Timer(when)


@MONOTONIC_CLOCK.function("subscribe-duration", Kind.PURE)
def subscribe_duration(context: HostContext, duration: int) -> Pollable:
    """Return a timer for `duration` nanoseconds from now on.

    What is recorded is the deadline: a worker that crashes in a long sleep does not start it again.
    """
    deadline_ns = context.record(
        "wasi:clocks/monotonic-clock#subscribe-duration.deadline",
        Kind.READ_LOCAL,
        Primitive.U64,
        lambda: min(context.clock.monotonic_ns() + duration, _INSTANT_MAX),
    )
    return Timer(deadline_ns)
