"""Walking types: what a type is directly made of, and questions answered by the walk."""

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

__all__ = ["holds_resource", "parts_of"]


def parts_of(type_: Type) -> Iterator[Type]:
    """Yield the types that `type_` directly contains, in order of declaration."""
    match type_:
        case Primitive() | EnumType() | FlagsType() | Own() | Borrow() | ErrorContextType():
            return
        case RecordType(fields=fields):
            yield from (field.type for field in fields)
        case VariantType(cases=cases):
            yield from (case.type for case in cases if case.type is not None)
        case ListType(element=element) | FixedListType(element=element):
            yield element
        case FutureType(element=inner) | StreamType(element=inner):
            if inner is not None:
                yield inner
        case MapType(key=key, value=value):
            yield key
            yield value
        case TupleType(elements=elements):
            yield from elements
        case OptionType(some=some):
            yield some
        case ResultType(ok=ok, err=err):
            yield from (part for part in (ok, err) if part is not None)
        case _:
            assert_never(type_)


def holds_resource(type_: Type) -> bool:
    """Whether values of the type contain handles, which mean nothing outside their instance."""
    return isinstance(type_, Own | Borrow) or any(holds_resource(part) for part in parts_of(type_))
