"""How large a value is, without building anything of its size."""

from typing import Final

from rib.diagnostics import Code
from rib.fault import Fault
from wit.values import Value

__all__ = ["measure"]

# Asking for the exact type is several times faster than `isinstance` with a union.
_SCALARS: Final[frozenset[type]] = frozenset({bool, int, float, type(None)})
_TEXTS: Final[frozenset[type]] = frozenset({str, bytes})
_CONTAINERS: Final[frozenset[type]] = frozenset({list, tuple, frozenset})


def measure(value: Value, most: int) -> int:
    """Return the number of members and characters of a value, shared parts each time.

    Raises:
        Fault: it is more than `most`; the walk stops there.
    """
    kind: type[object] = value.__class__
    if kind in _SCALARS:
        return 1
    if kind in _TEXTS and len(value) < most:
        return len(value) + 1
    units = 0
    waiting: list[Value] = [value]
    while waiting:
        current = waiting.pop()
        units += 1
        inner: type[object] = current.__class__
        if inner in _TEXTS:
            units += len(current)
        elif inner is dict:
            waiting.extend(current.values())
        elif inner in _CONTAINERS:
            waiting.extend(current)
        if units + len(waiting) > most:
            raise Fault(Code.LIMIT, f"a value of more than {most} members and characters")
    return units
