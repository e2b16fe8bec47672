"""Writers from component values to JSON: one closure per type, built once.

A writer is None where the value already is its JSON form, so that whole lists and records of plain
members cost nothing. Writers trust their values; `wit.json_values` finds the place of a wrong one.
"""

import base64
import math
from collections.abc import Callable
from typing import TypeAlias, assert_never

from wit.json_readers import HandleNames, round_to_f32
from wit.limits import TYPE_DEPTH_MAX
from wit.misfit import Misfit
from wit.type_text import type_text
from wit.types import (
    Borrow,
    Case,
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
    ResourceName,
    ResultType,
    StreamType,
    TupleType,
    Type,
    VariantType,
)
from wit.values import Value

__all__ = ["Writer", "shortest_f32", "writer_for"]

Writer: TypeAlias = Callable[[Value], object]


def writer_for(type_: Type, handles: HandleNames | None, depth: int = 0) -> Writer | None:
    """Return the writer of a type, None if its values are their own JSON form.

    Args:
        type_: Any type; `future`, `stream` and `error-context` get a writer that refuses all.
        handles: Turns handles into URNs. None refuses handles.
        depth: How many types already enclose this one.

    Raises:
        Misfit: the type nests deeper than `TYPE_DEPTH_MAX`.
    """
    if depth > TYPE_DEPTH_MAX:
        raise Misfit(f"the type nests deeper than {TYPE_DEPTH_MAX} levels")

    def inner(type_: Type | None) -> Writer | None:
        return None if type_ is None else writer_for(type_, handles, depth + 1)

    match type_:
        case Primitive.F64:
            return _write_f64
        case Primitive.F32:
            return _write_f32
        case Primitive() | EnumType():
            return None
        case ListType(element) | FixedListType(element):
            return _write_bytes if element is Primitive.U8 else _list(inner(element))
        case MapType(key, value):
            return _map(key, inner(key), inner(value))
        case TupleType(elements):
            return _tuple([inner(element) for element in elements])
        case RecordType(fields):
            return _record({field.name: inner(field.type) for field in fields})
        case VariantType(cases):
            return _variant({case.name: inner(case.type) for case in cases})
        case ResultType(ok, err):
            return _variant(
                {arm.name: inner(arm.type) for arm in (Case("ok", ok), Case("err", err))}
            )
        case FlagsType(labels):
            return _flags(labels)
        case OptionType(some):
            return _option(inner(some), nested=isinstance(some, OptionType))
        case Own(resource) | Borrow(resource):
            return _handle(type_, resource, handles)
        case FutureType() | StreamType() | ErrorContextType():
            return _refuse(type_)
        case _:
            assert_never(type_)


def shortest_f32(number: float) -> float:
    """Return the 64-bit float with the fewest digits that rounds to the 32-bit float `number`.

    So 0.1 as f32 is written `0.1`, not `0.10000000149011612`. Infinities and NaN stay as they are.
    """
    if not math.isfinite(number):
        return number
    for digits in range(6, 9):
        short = float(f"{number:.{digits}g}")
        if round_to_f32(short) == number:
            return short
    # Nine significant digits identify every 32-bit float.
    return float(f"{number:.9g}")


def _write_f64(number: float) -> object:
    return number if math.isfinite(number) else str(number)


def _write_f32(number: float) -> object:
    return shortest_f32(number) if math.isfinite(number) else str(number)


def _write_bytes(data: bytes) -> object:
    return {"base64": base64.b64encode(data).decode("ascii")}


def _list(write: Writer | None) -> Writer | None:
    if write is None:
        return None
    return lambda elements: [write(element) for element in elements]


def _map(key: Type, write_key: Writer | None, write_value: Writer | None) -> Writer | None:
    by_text = key is Primitive.STRING or key is Primitive.CHAR
    if by_text and write_value is None:
        return None

    def write_map(entries: dict[Value, Value]) -> object:
        pairs = [
            (
                key if write_key is None else write_key(key),
                value if write_value is None else write_value(value),
            )
            for key, value in entries.items()
        ]
        return dict(pairs) if by_text else [list(pair) for pair in pairs]

    return write_map


def _tuple(writers: list[Writer | None]) -> Writer:
    if all(write is None for write in writers):
        return list
    return lambda elements: [
        element if write is None else write(element)
        for write, element in zip(writers, elements, strict=True)
    ]


def _record(members: dict[str, Writer | None]) -> Writer | None:
    if all(write is None for write in members.values()):
        return None
    items = list(members.items())
    return lambda record: {
        name: record[name] if write is None else write(record[name]) for name, write in items
    }


def _variant(cases: dict[str, Writer | None]) -> Writer:
    def write_variant(variant: tuple[str, Value]) -> object:
        name, payload = variant
        write = cases[name]
        return {name: payload if write is None or payload is None else write(payload)}

    return write_variant


def _flags(labels: tuple[str, ...]) -> Writer:
    return lambda flags: [label for label in labels if label in flags]


def _option(write: Writer | None, *, nested: bool) -> Writer:
    def write_option(option: tuple[Value] | None) -> object:
        if option is None:
            return None
        (payload,) = option
        json = payload if write is None else write(payload)
        return {"some": json} if nested else json

    return write_option


def _handle(type_: Type, resource: ResourceName, handles: HandleNames | None) -> Writer:
    if handles is None:
        return _refuse(type_)
    return lambda handle: handles.urn_of(handle, resource)


def _refuse(type_: Type) -> Writer:
    def refuse(_value: Value) -> object:
        raise Misfit(f"{type_text(type_)} cannot be shown outside")

    return refuse
