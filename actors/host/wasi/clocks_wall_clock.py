"""`wasi:clocks/wall-clock` and `wasi:clocks/timezone`: workers live in UTC wherever they run."""

from actors.host.context import HostContext
from actors.host.interface import HostInterface, Kind
from actors.host.wasi.version import WASI_VERSION
from wit.values import Value

__all__ = ["TIMEZONE", "WALL_CLOCK", "datetime_of"]

WALL_CLOCK = HostInterface("wasi:clocks/wall-clock", version=WASI_VERSION)
TIMEZONE = HostInterface("wasi:clocks/timezone", version=WASI_VERSION)


def datetime_of(wall_ns: int) -> Value:
    """Return Unix nanoseconds as the record `datetime`."""
    seconds, nanoseconds = divmod(wall_ns, 10**9)
    return {"seconds": seconds, "nanoseconds": nanoseconds}


@WALL_CLOCK.function("now", Kind.READ_LOCAL)
def now(context: HostContext) -> Value:
    """Return Unix time."""
    return datetime_of(context.clock.wall_ns())


@WALL_CLOCK.function("resolution", Kind.PURE)
def resolution(context: HostContext) -> Value:
    """Return a constant: asking the machine would not replay elsewhere."""
    del context
    return datetime_of(1_000)


@TIMEZONE.function("display", Kind.PURE)
def display(context: HostContext, when: Value) -> Value:
    """Return UTC."""
    del context, when
    return {"utc-offset": 0, "name": "UTC", "in-daylight-saving-time": False}


@TIMEZONE.function("utc-offset", Kind.PURE)
def utc_offset(context: HostContext, when: Value) -> int:
    """Return no offset."""
    del context, when
    return 0
