"""Writers from component values to packed bytes: one closure per type, built once.

A writer appends to a buffer. Writers trust their values; `wit.packed` finds the place of a wrong
one. The format is described there.
"""

import math
import struct
from collections.abc import Callable
from typing import Final, TypeAlias, assert_never

from wit.json_readers import INTEGER_RANGES, HandleNames
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

__all__ = ["NAN_BYTES", "Writer", "writer_for"]

Writer: TypeAlias = Callable[[bytearray, Value], None]

# The one NaN of the canonical ABI.
NAN_BYTES: Final = {
    Primitive.F32: struct.pack("<I", 0x7FC00000),
    Primitive.F64: struct.pack("<Q", 0x7FF8000000000000),
}
_SIGNED: Final = frozenset({Primitive.S16, Primitive.S32, Primitive.S64})


def writer_for(type_: Type, handles: HandleNames | None, depth: int = 0) -> Writer:
    """Return the writer of a type.

    Args:
        type_: Any type; `future`, `stream` and `error-context` get a writer that refuses all.
        handles: Turns handles into URNs. None refuses handles.
        depth: How many types already enclose this one.

    Raises:
        Misfit: the type nests deeper than `TYPE_DEPTH_MAX`.
    """
    if depth > TYPE_DEPTH_MAX:
        raise Misfit(f"the type nests deeper than {TYPE_DEPTH_MAX} levels")

    def inner(type_: Type) -> Writer:
        return writer_for(type_, handles, depth + 1)

    def arms(cases: tuple[Case, ...]) -> list[tuple[str, Writer | None]]:
        return [(each.name, None if each.type is None else inner(each.type)) for each in cases]

    match type_:
        case Primitive():
            return _primitive(type_)
        case ListType(element):
            return _write_bytes if element is Primitive.U8 else _list(inner(element), None)
        case FixedListType(element, length):
            return (
                _fixed_bytes(length) if element is Primitive.U8 else _list(inner(element), length)
            )
        case MapType(key, value):
            return _map(inner(key), inner(value))
        case TupleType(elements):
            return _tuple([inner(element) for element in elements])
        case RecordType(fields):
            return _record([(field.name, inner(field.type)) for field in fields])
        case VariantType(cases):
            return _variant(arms(cases))
        case ResultType(ok, err):
            return _variant(arms((Case("ok", ok), Case("err", err))))
        case EnumType(names):
            return _enum(names)
        case FlagsType(labels):
            return _flags(labels)
        case OptionType(some):
            return _option(inner(some))
        case Own(resource) | Borrow(resource):
            return _handle(type_, resource, handles)
        case FutureType() | StreamType() | ErrorContextType():
            return _refuse(type_)
        case _:
            assert_never(type_)


def _unsigned(out: bytearray, number: int) -> None:
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)


def _signed(out: bytearray, number: int) -> None:
    while not -0x40 <= number < 0x40:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number & 0x7F)


def _write_string(out: bytearray, text: str) -> None:
    data = text.encode()
    _unsigned(out, len(data))
    out += data


def _write_bytes(out: bytearray, data: bytes) -> None:
    _unsigned(out, len(data))
    out += data


def _write_char(out: bytearray, character: str) -> None:
    out += character.encode()


def _primitive(type_: Primitive) -> Writer:
    match type_:
        case Primitive.BOOL:
            return lambda out, value: out.append(1 if value else 0)
        case Primitive.STRING:
            return _write_string
        case Primitive.CHAR:
            return _write_char
        case Primitive.F32 | Primitive.F64:
            return _float(type_)
        case _:
            return _integer(type_)


def _integer(type_: Primitive) -> Writer:
    low, high = INTEGER_RANGES[type_]
    signed = type_ in _SIGNED
    mask = 0xFF if type_ in {Primitive.S8, Primitive.U8} else 0

    def write(out: bytearray, number: int) -> None:
        if not low <= number <= high:
            raise ValueError
        if mask:
            out.append(number & mask)
        elif signed:
            _signed(out, number)
        else:
            _unsigned(out, number)

    return write


def _float(type_: Primitive) -> Writer:
    pack = struct.Struct("<f" if type_ is Primitive.F32 else "<d").pack
    nan = NAN_BYTES[type_]

    def write(out: bytearray, number: float) -> None:
        out += nan if math.isnan(number) else pack(number)

    return write


def _fixed_bytes(length: int) -> Writer:
    def write(out: bytearray, data: bytes) -> None:
        if len(data) != length:
            raise ValueError
        out += data

    return write


def _list(write: Writer, length: int | None) -> Writer:
    def write_list(out: bytearray, elements: list[Value]) -> None:
        if length is None:
            _unsigned(out, len(elements))
        elif len(elements) != length:
            raise ValueError
        for element in elements:
            write(out, element)

    return write_list


def _map(write_key: Writer, write_value: Writer) -> Writer:
    def write_map(out: bytearray, entries: dict[Value, Value]) -> None:
        _unsigned(out, len(entries))
        for key, value in entries.items():
            write_key(out, key)
            write_value(out, value)

    return write_map


def _tuple(writers: list[Writer]) -> Writer:
    def write_tuple(out: bytearray, elements: tuple[Value, ...]) -> None:
        for write, element in zip(writers, elements, strict=True):
            write(out, element)

    return write_tuple


def _record(members: list[tuple[str, Writer]]) -> Writer:
    def write_record(out: bytearray, record: dict[str, Value]) -> None:
        for name, write in members:
            write(out, record[name])

    return write_record


def _variant(arms: list[tuple[str, Writer | None]]) -> Writer:
    numbered = {name: (number, write) for number, (name, write) in enumerate(arms)}

    def write_variant(out: bytearray, variant: tuple[str, Value]) -> None:
        name, payload = variant
        number, write = numbered[name]
        _unsigned(out, number)
        if write is not None:
            write(out, payload)

    return write_variant


def _enum(names: tuple[str, ...]) -> Writer:
    numbers = {name: number for number, name in enumerate(names)}
    return lambda out, name: _unsigned(out, numbers[name])


def _flags(labels: tuple[str, ...]) -> Writer:
    bits = {label: 1 << place for place, label in enumerate(labels)}
    size = (len(labels) + 7) // 8

    def write_flags(out: bytearray, flags: frozenset[str]) -> None:
        out += sum(bits[label] for label in flags).to_bytes(size, "little")

    return write_flags


def _option(write: Writer) -> Writer:
    def write_option(out: bytearray, option: tuple[Value] | None) -> None:
        if option is None:
            out.append(0)
        else:
            (payload,) = option
            out.append(1)
            write(out, payload)

    return write_option


def _handle(type_: Type, resource: ResourceName, handles: HandleNames | None) -> Writer:
    if handles is None:
        return _refuse(type_)
    return lambda out, handle: _write_string(out, handles.urn_of(handle, resource))


def _refuse(type_: Type) -> Writer:
    def refuse(_out: bytearray, _value: Value) -> None:
        raise Misfit(f"{type_text(type_)} cannot be shown outside")

    return refuse
