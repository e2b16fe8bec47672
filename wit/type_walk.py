"""What types are made of: the types right inside a type, and everything reachable from it."""

from collections.abc import Iterator
from typing import assert_never

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

__all__ = ["holds_resource", "parts_of", "walk"]


def parts_of(type_: Type) -> tuple[Type, ...]:
    """Return the types right inside a type, in the order in which WIT writes them."""
    match type_:
        case Primitive() | EnumType() | FlagsType() | Own() | Borrow() | ErrorContextType():
            return ()
        case RecordType(fields):
            return tuple(field.type for field in fields)
        case VariantType(cases):
            return tuple(case.type for case in cases if case.type is not None)
        case ListType(element) | FixedListType(element):
            return (element,)
        case MapType(key, value):
            return (key, value)
        case TupleType(elements):
            return elements
        case OptionType(some):
            return (some,)
        case ResultType(ok, err):
            return tuple(part for part in (ok, err) if part is not None)
        case FutureType(element) | StreamType(element):
            return () if element is None else (element,)
        case _:
            assert_never(type_)


def walk(type_: Type) -> Iterator[Type]:
    """Yield the type and all types inside it, inner ones first; equal ones as often as they occur.

    Inner before outer is the order in which declarations can be written down.
    """
    for part in parts_of(type_):
        yield from walk(part)
    yield type_


def holds_resource(type_: Type) -> bool:
    """Whether values of the type contain handles, which mean nothing outside their instance."""
    return any(isinstance(part, Own | Borrow) for part in walk(type_))
