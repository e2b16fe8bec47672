"""Readers from packed bytes to component values: one closure per type, built once.

A reader takes the bytes and an offset and returns the value with the offset behind it. Everything
that no writer would have written is refused, so that one value has one form. The format is
described in `wit.packed`.
"""

import struct
from collections.abc import Callable
from typing import Final, TypeAlias, assert_never

from wit.json_readers import INTEGER_RANGES, HandleNames
from wit.limits import TYPE_DEPTH_MAX, VALUE_NODES_MAX
from wit.misfit import Misfit
from wit.packed_writers import NAN_BYTES
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

__all__ = ["Reader", "reader_for"]

Reader: TypeAlias = Callable[[bytes, int], tuple[Value, int]]

_SIGNED_BITS: Final = {Primitive.S16: 16, Primitive.S32: 32, Primitive.S64: 64}


def reader_for(type_: Type, handles: HandleNames | None, depth: int = 0) -> Reader:
    """Return the reader of a type.

    Args:
        type_: Any type; `future`, `stream` and `error-context` get a reader that refuses all.
        handles: Turns URNs into handles. None refuses handles.
        depth: How many types already enclose this one.

    Raises:
        Misfit: the type nests deeper than `TYPE_DEPTH_MAX`.
    """
    if depth > TYPE_DEPTH_MAX:
        raise Misfit(f"the type nests deeper than {TYPE_DEPTH_MAX} levels")

    def inner(type_: Type) -> Reader:
        return reader_for(type_, handles, depth + 1)

    def arms(cases: tuple[Case, ...]) -> list[tuple[str, Reader | None]]:
        return [(each.name, None if each.type is None else inner(each.type)) for each in cases]

    match type_:
        case Primitive():
            return _primitive(type_)
        case ListType(element):
            return _read_bytes if element is Primitive.U8 else _list(inner(element), None)
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
            return _variant(type_, arms(cases))
        case ResultType(ok, err):
            return _variant(type_, arms((Case("ok", ok), Case("err", err))))
        case EnumType(names):
            return _enum(type_, names)
        case FlagsType(labels):
            return _flags(labels)
        case OptionType(some):
            return _option(inner(some))
        case Own(resource) | Borrow(resource):
            return _handle(type_, resource, handles, borrowed=isinstance(type_, Borrow))
        case FutureType() | StreamType() | ErrorContextType():
            return _refuse(type_)
        case _:
            assert_never(type_)


def _misfit(reason: str, offset: int) -> Misfit:
    return Misfit(f"{reason} (at byte {offset})")


def _end(data: bytes, offset: int) -> Misfit:
    return _misfit("the bytes end too early", min(offset, len(data)))


def _unsigned(data: bytes, offset: int, high: int) -> tuple[int, int]:
    start, number, shift = offset, 0, 0
    try:
        while True:
            byte = data[offset]
            offset += 1
            number |= (byte & 0x7F) << shift
            if byte < 0x80:
                break
            shift += 7
            if shift > 63:
                raise _misfit("the number is too long", start)
    except IndexError:
        raise _end(data, offset) from None
    if number > high:
        raise _misfit(f"{number} lies above {high}", start)
    if byte == 0 and shift:
        raise _misfit(f"{number} is written with more bytes than it takes", start)
    return number, offset


def _signed(data: bytes, offset: int, bits: int) -> tuple[int, int]:
    start, number, shift, before = offset, 0, 0, 0
    try:
        while True:
            byte = data[offset]
            offset += 1
            number |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
            before = byte
            if shift > 63:
                raise _misfit("the number is too long", start)
    except IndexError:
        raise _end(data, offset) from None
    if byte & 0x40:
        number -= 1 << shift
    if not -(1 << bits - 1) <= number < 1 << bits - 1:
        raise _misfit(f"{number} is no signed number of {bits} bits", start)
    if shift > 7 and byte == (0x7F if before & 0x40 else 0):
        raise _misfit(f"{number} is written with more bytes than it takes", start)
    return number, offset


def _take(data: bytes, offset: int, size: int) -> tuple[bytes, int]:
    end = offset + size
    if end > len(data):
        raise _end(data, end)
    return data[offset:end], end


def _read_bytes(data: bytes, offset: int) -> tuple[bytes, int]:
    size, offset = _unsigned(data, offset, len(data))
    return _take(data, offset, size)


def _read_string(data: bytes, offset: int) -> tuple[str, int]:
    size, start = _unsigned(data, offset, len(data))
    encoded, end = _take(data, start, size)
    try:
        return encoded.decode(), end
    except UnicodeDecodeError as error:
        raise _misfit("no UTF-8 text", start + error.start) from None


def _read_char(data: bytes, offset: int) -> tuple[str, int]:
    if offset >= len(data):
        raise _end(data, offset)
    first = data[offset]
    size = 1 if first < 0x80 else 2 if first < 0xE0 else 3 if first < 0xF0 else 4
    encoded, end = _take(data, offset, size)
    try:
        return encoded.decode(), end
    except UnicodeDecodeError:
        raise _misfit("no character in UTF-8", offset) from None


def _read_flag(data: bytes, offset: int) -> tuple[bool, int]:
    if offset >= len(data):
        raise _end(data, offset)
    if data[offset] > 1:
        raise _misfit(f"expected 0 or 1, got {data[offset]}", offset)
    return data[offset] == 1, offset + 1


def _primitive(type_: Primitive) -> Reader:
    match type_:
        case Primitive.BOOL:
            return _read_flag
        case Primitive.STRING:
            return _read_string
        case Primitive.CHAR:
            return _read_char
        case Primitive.F32 | Primitive.F64:
            return _float(type_)
        case Primitive.U8 | Primitive.S8:
            return _byte(signed=type_ is Primitive.S8)
        case Primitive.S16 | Primitive.S32 | Primitive.S64:
            bits = _SIGNED_BITS[type_]
            return lambda data, offset: _signed(data, offset, bits)
        case Primitive.U16 | Primitive.U32 | Primitive.U64:
            high = INTEGER_RANGES[type_][1]
            return lambda data, offset: _unsigned(data, offset, high)
        case _:
            assert_never(type_)


def _byte(*, signed: bool) -> Reader:
    def read(data: bytes, offset: int) -> tuple[int, int]:
        if offset >= len(data):
            raise _end(data, offset)
        byte = data[offset]
        return (byte - 0x100 if signed and byte >= 0x80 else byte), offset + 1

    return read


def _float(type_: Primitive) -> Reader:
    form = struct.Struct("<f" if type_ is Primitive.F32 else "<d")
    nan = NAN_BYTES[type_]

    def read(data: bytes, offset: int) -> tuple[float, int]:
        encoded, end = _take(data, offset, form.size)
        number: float = form.unpack(encoded)[0]
        if number != number and encoded != nan:  # noqa: PLR0124 - NaN alone differs from itself
            raise _misfit("a NaN other than the canonical one", offset)
        return number, end

    return read


def _fixed_bytes(length: int) -> Reader:
    return lambda data, offset: _take(data, offset, length)


def _list(read: Reader, length: int | None) -> Reader:
    def read_list(data: bytes, offset: int) -> tuple[list[Value], int]:
        start, items = offset, list[Value]()
        if length is None:
            count, offset = _unsigned(data, offset, 2**32 - 1)
        else:
            count = length
        # Only elements without any bytes, like those of empty tuples, may be more than the bytes.
        if count > max(len(data) - offset, VALUE_NODES_MAX):
            raise _misfit(f"{count} elements do not fit the bytes that are left", start)
        try:
            for _ in range(count):
                item, offset = read(data, offset)
                items.append(item)
        except Misfit as misfit:
            raise misfit.within(f"[{len(items)}]") from None
        return items, offset

    return read_list


def _map(read_key: Reader, read_value: Reader) -> Reader:
    def read_map(data: bytes, offset: int) -> tuple[dict[Value, Value], int]:
        entries: dict[Value, Value] = {}
        count, offset = _unsigned(data, offset, len(data))
        for index in range(count):
            start = offset
            try:
                key, offset = read_key(data, offset)
                value, offset = read_value(data, offset)
            except Misfit as misfit:
                raise misfit.within(f"[{index}]") from None
            if key in entries:
                raise _misfit(f"the key {key!r} stands there twice", start).within(f"[{index}]")
            entries[key] = value
        return entries, offset

    return read_map


def _tuple(readers: list[Reader]) -> Reader:
    def read_tuple(data: bytes, offset: int) -> tuple[tuple[Value, ...], int]:
        items: list[Value] = []
        try:
            for read in readers:
                item, offset = read(data, offset)
                items.append(item)
        except Misfit as misfit:
            raise misfit.within(f"[{len(items)}]") from None
        return tuple(items), offset

    return read_tuple


def _record(members: list[tuple[str, Reader]]) -> Reader:
    def read_record(data: bytes, offset: int) -> tuple[dict[str, Value], int]:
        record: dict[str, Value] = {}
        name = ""
        try:
            for name, read in members:
                record[name], offset = read(data, offset)
        except Misfit as misfit:
            raise misfit.within(f".{name}") from None
        return record, offset

    return read_record


def _variant(type_: Type, arms: list[tuple[str, Reader | None]]) -> Reader:
    def read_variant(data: bytes, offset: int) -> tuple[tuple[str, Value], int]:
        start = offset
        number, offset = _unsigned(data, offset, 2**32 - 1)
        if number >= len(arms):
            raise _misfit(f"case {number} of {type_text(type_)} is not there", start)
        name, read = arms[number]
        if read is None:
            return (name, None), offset
        try:
            payload, offset = read(data, offset)
        except Misfit as misfit:
            raise misfit.within(f".{name}") from None
        return (name, payload), offset

    return read_variant


def _enum(type_: Type, names: tuple[str, ...]) -> Reader:
    def read_enum(data: bytes, offset: int) -> tuple[str, int]:
        number, end = _unsigned(data, offset, 2**32 - 1)
        if number >= len(names):
            raise _misfit(f"case {number} of {type_text(type_)} is not there", offset)
        return names[number], end

    return read_enum


def _flags(labels: tuple[str, ...]) -> Reader:
    size = (len(labels) + 7) // 8

    def read_flags(data: bytes, offset: int) -> tuple[frozenset[str], int]:
        encoded, end = _take(data, offset, size)
        bits = int.from_bytes(encoded, "little")
        if bits >> len(labels):
            raise _misfit(f"a flag beyond the {len(labels)} that there are", offset)
        return frozenset(label for place, label in enumerate(labels) if bits >> place & 1), end

    return read_flags


def _option(read: Reader) -> Reader:
    def read_option(data: bytes, offset: int) -> tuple[tuple[Value] | None, int]:
        present, offset = _read_flag(data, offset)
        if not present:
            return None, offset
        payload, offset = read(data, offset)
        return (payload,), offset

    return read_option


def _handle(
    type_: Type, resource: ResourceName, handles: HandleNames | None, *, borrowed: bool
) -> Reader:
    if handles is None:
        return _refuse(type_)

    def read_handle(data: bytes, offset: int) -> tuple[object, int]:
        urn, end = _read_string(data, offset)
        try:
            return handles.handle_of(urn, resource, borrowed=borrowed), end
        except ValueError as error:
            raise _misfit(f"no {resource.name} behind {urn}: {error}", offset) from error

    return read_handle


def _refuse(type_: Type) -> Reader:
    def refuse(_data: bytes, _offset: int) -> tuple[Value, int]:
        raise Misfit(f"{type_text(type_)} cannot come from outside")

    return refuse
