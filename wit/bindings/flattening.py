"""The canonical ABI's flat form of types: which core values a component value is passed as.

Source: component-model specification, CanonicalABI.md, "Flattening".
"""

from collections.abc import Iterable
from typing import Final, assert_never

from wit.types import (
    Borrow,
    EnumType,
    ErrorContextType,
    FixedListType,
    FlagsType,
    FutureType,
    ListType,
    MapType,
    OptionType,
    Own,
    Primitive,
    RecordType,
    ResultType,
    StreamType,
    TupleType,
    Type,
    VariantType,
)

__all__ = ["FLAT_PARAMETERS_MAX", "FLAT_RESULTS_MAX", "cases_of", "flat", "flat_all", "joined"]

FLAT_PARAMETERS_MAX: Final = 16
FLAT_RESULTS_MAX: Final = 1
_FLAGS_OF_A_WORD: Final = 32
_WIDE: Final = {
    Primitive.S64: ("i64",),
    Primitive.U64: ("i64",),
    Primitive.F32: ("f32",),
    Primitive.F64: ("f64",),
    Primitive.STRING: ("i32", "i32"),
}


def cases_of(type_: VariantType | OptionType | ResultType) -> tuple[tuple[str, Type | None], ...]:
    """Return the cases of a type that is one of several, in the order of their numbers."""
    match type_:
        case VariantType(cases):
            return tuple((each.name, each.type) for each in cases)
        case OptionType(some):
            return (("none", None), ("some", some))
        case ResultType(ok, err):
            return (("ok", ok), ("err", err))
        case _:
            assert_never(type_)


def flat(type_: Type) -> tuple[str, ...]:
    """Return the core types of a value, such as `("i32", "i64")`."""
    match type_:
        case Primitive():
            return _WIDE.get(type_, ("i32",))
        case RecordType(fields):
            return flat_all(each.type for each in fields)
        case TupleType(elements):
            return flat_all(elements)
        case FixedListType(element, length):
            return flat(element) * length
        case ListType() | MapType():
            return ("i32", "i32")
        case FlagsType(labels):
            return ("i32",) * max(1, -(-len(labels) // _FLAGS_OF_A_WORD))
        case VariantType() | OptionType() | ResultType():
            return ("i32", *joined(payload for _, payload in cases_of(type_)))
        case EnumType() | Own() | Borrow() | FutureType() | StreamType() | ErrorContextType():
            return ("i32",)
        case _:
            assert_never(type_)


def flat_all(types: Iterable[Type]) -> tuple[str, ...]:
    """Return the core types of several values, one after the other."""
    return tuple(each for type_ in types for each in flat(type_))


def joined(payloads: Iterable[Type | None]) -> tuple[str, ...]:
    """Return the core types that are wide enough for any of the payloads."""
    together: list[str] = []
    for payload in payloads:
        for at, core in enumerate(() if payload is None else flat(payload)):
            if at == len(together):
                together.append(core)
            else:
                together[at] = _join(together[at], core)
    return tuple(together)


def _join(one: str, other: str) -> str:
    if one == other:
        return one
    return "i32" if {one, other} == {"i32", "f32"} else "i64"
