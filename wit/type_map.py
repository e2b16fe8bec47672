"""Types with parts of them exchanged."""

from collections.abc import Callable
from typing import TypeAlias, assert_never

from msgspec.structs import replace

from wit.types import (
    Borrow,
    Case,
    EnumType,
    ErrorContextType,
    Field,
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

__all__ = ["TypeChange", "map_types"]

TypeChange: TypeAlias = Callable[[Type], Type]


def map_types(type_: Type, change: TypeChange) -> Type:
    """Return the type after `change` was applied to all types inside it, then to itself."""

    def inner(type_: Type) -> Type:
        return map_types(type_, change)

    def optional(type_: Type | None) -> Type | None:
        return None if type_ is None else map_types(type_, change)

    match type_:
        case Primitive() | EnumType() | FlagsType() | Own() | Borrow() | ErrorContextType():
            changed: Type = type_
        case RecordType(fields):
            members = tuple(Field(each.name, inner(each.type)) for each in fields)
            changed = replace(type_, fields=members)
        case VariantType(cases):
            arms = tuple(Case(each.name, optional(each.type)) for each in cases)
            changed = replace(type_, cases=arms)
        case ListType(element):
            changed = ListType(inner(element))
        case FixedListType(element, length):
            changed = FixedListType(inner(element), length)
        case MapType(key, value):
            changed = MapType(inner(key), inner(value))
        case TupleType(elements):
            changed = TupleType(tuple(map(inner, elements)))
        case OptionType(some):
            changed = OptionType(inner(some))
        case ResultType(ok, err):
            changed = ResultType(optional(ok), optional(err))
        case FutureType(element):
            changed = FutureType(optional(element))
        case StreamType(element):
            changed = StreamType(optional(element))
        case _:
            assert_never(type_)
    return change(changed)
