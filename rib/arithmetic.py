"""Numbers that never wrap: every result fits its type or is an error."""

import math
import operator
from collections.abc import Callable
from typing import Any, Final, TypeAlias

from rib.diagnostics import Code
from rib.fault import Fault
from rib.terms import FLOATS
from wit.json_readers import INTEGER_RANGES, round_to_f32
from wit.types import Primitive

__all__ = ["RELATIONS", "Operation", "convert", "operation", "read_number"]

Operation: TypeAlias = Callable[[int | float, int | float], int | float]


RELATIONS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def _divide(a: int, b: int) -> int:
    """Divide towards zero, as WebAssembly does."""
    if b == 0:
        raise Fault(Code.ARITHMETIC, "arithmetic error: division by zero")
    quotient = abs(a) // abs(b)
    return quotient if (a < 0) == (b < 0) else -quotient


def _remainder(a: int, b: int) -> int:
    """The remainder that belongs to `_divide`: it has the sign of the dividend."""
    if b == 0:
        raise Fault(Code.ARITHMETIC, "arithmetic error: division by zero")
    remainder = abs(a) % abs(b)
    return remainder if a >= 0 else -remainder


def _divide_float(a: float, b: float) -> float:
    if b == 0:
        raise Fault(Code.ARITHMETIC, "arithmetic error: division by zero")
    return a / b


def _remainder_float(a: float, b: float) -> float:
    if b == 0:
        raise Fault(Code.ARITHMETIC, "arithmetic error: division by zero")
    return math.fmod(a, b)


_INTEGER: Final[dict[str, Callable[[int, int], int]]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": _divide,
    "%": _remainder,
}
_FLOAT: Final[dict[str, Callable[[float, float], float]]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": _divide_float,
    "%": _remainder_float,
}


def operation(symbol: str, type_: Primitive) -> Operation:
    """Return the checked operation of a type."""
    if type_ in FLOATS:
        return _float_operation(symbol, type_)
    low, high = INTEGER_RANGES[type_]
    plain = _INTEGER[symbol]

    def apply(a: int, b: int) -> int:
        result = plain(a, b)
        if low <= result <= high:
            return result
        cause = f"arithmetic error: {a} {symbol} {b} does not fit {type_.value}"
        raise Fault(Code.ARITHMETIC, cause, "convert to a wider type first")

    return apply  # type: ignore[return-value]  # integers in, integers out: types are checked


def _float_operation(symbol: str, type_: Primitive) -> Operation:
    plain = _FLOAT[symbol]

    def apply(a: float, b: float) -> float:
        try:
            result = plain(a, b)
            # What is infinite on purpose may stay so; what became infinite is an overflow.
            if not math.isinf(result) or math.isinf(a) or math.isinf(b):
                return round_to_f32(result) if type_ is Primitive.F32 else result
        except (OverflowError, ValueError):
            pass
        raise Fault(
            Code.ARITHMETIC, f"arithmetic error: {a} {symbol} {b} does not fit {type_.value}"
        )

    return apply


def convert(value: float, source: Primitive, target: Primitive) -> int | float:
    """Return a number in another type; fractions are cut off, what does not fit is an error."""
    try:
        if target in FLOATS:
            return round_to_f32(value) if target is Primitive.F32 else float(value)
        number = int(value)
    except (OverflowError, ValueError):
        raise _cast_error(value, source, target) from None
    low, high = INTEGER_RANGES[target]
    if not low <= number <= high:
        raise _cast_error(value, source, target)
    return number


def _cast_error(value: float, source: Primitive, target: Primitive) -> Fault:
    cause = f"cast error from {source.value} to {target.value}: {value} does not fit"
    return Fault(Code.CAST, cause)


def read_number(text: str, target: Primitive) -> tuple[int | float] | None:
    """Return the number that a text says, as an option."""
    digits = text.strip()
    try:
        # Underscores and other alphabets are Python's, not ours.
        if not digits.isascii() or "_" in digits or len(digits) > 400:
            return None
        value = float(digits) if target in FLOATS else int(digits)
        return (convert(value, target, target),)
    except (ValueError, Fault):
        return None
