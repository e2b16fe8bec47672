"""Literals as the values that instructions hold."""

from collections.abc import Callable

from rib.syntax import Boolean, Character, Expression, Number, String, Unary
from rib.terms import FLOATS
from wit.json_readers import round_to_f32
from wit.types import Primitive, Type

__all__ = ["constant", "number"]


def constant(value: Expression, type_of: Callable[[Expression], Type]) -> bool | int | float | str:
    """Return the value of a literal in a pattern."""
    match value:
        case Number(digits):
            return number(digits, type_of(value), negative=False)
        case Unary(_, Number(digits) as operand):
            return number(digits, type_of(operand), negative=True)
        case Boolean(flag):
            return flag
        case Character(text):
            return text
        case String(parts):
            return "".join(str(part) for part in parts)
        case _:
            raise AssertionError(f"{value} is no literal")


def number(digits: str, type_: Type, *, negative: bool) -> int | float:
    """Return the number that digits say in a type, which they fit."""
    sign = -1 if negative else 1
    if type_ in FLOATS:
        value = sign * float(digits)
        return round_to_f32(value) if type_ is Primitive.F32 else value
    return sign * int(digits)
