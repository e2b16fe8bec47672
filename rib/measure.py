"""How large a value is, without building anything of its size."""

from rib.diagnostics import Code
from rib.fault import Fault
from wit.values import Value

__all__ = ["measure"]


def measure(value: Value, most: int) -> int:
    """Return the number of members and characters of a value, shared parts each time.

    Raises:
        Fault: it is more than `most`; the walk stops there.
    """
    if isinstance(value, bool | int | float | None):
        return 1
    units = 0
    waiting: list[Value] = [value]
    while waiting:
        current = waiting.pop()
        units += 1
        match current:
            case str() | bytes():
                units += len(current)
            case dict():
                waiting.extend(current.values())  # pyright: ignore[reportUnknownArgumentType, reportUnknownMemberType] - any record
            case list() | tuple() | frozenset():
                waiting.extend(current)  # pyright: ignore[reportUnknownArgumentType] - any members
            case _:
                pass
        if units + len(waiting) > most:
            raise Fault(Code.LIMIT, f"a value of more than {most} members and characters")
    return units
