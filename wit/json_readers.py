"""Readers from JSON to component values: one closure per type, built once.

A reader takes a decoded JSON value and returns the component value, or raises `Misfit`. Knows
neither bytes nor the cache; `wit.json_values` is the door.
"""

import base64
import binascii
import math
import struct
from collections.abc import Callable
from typing import Any, Protocol, TypeAlias, assert_never, cast

from wit.limits import TYPE_DEPTH_MAX
from wit.misfit import Misfit, shown, unknown_name
from wit.type_text import type_text
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
    ResourceName,
    ResultType,
    StreamType,
    TupleType,
    Type,
    VariantType,
)
from wit.values import Value

__all__ = ["INTEGER_RANGES", "HandleNames", "Reader", "reader_for", "round_to_f32"]

Reader: TypeAlias = Callable[[object], Value]

INTEGER_RANGES = {
    Primitive.S8: (-(2**7), 2**7 - 1),
    Primitive.U8: (0, 2**8 - 1),
    Primitive.S16: (-(2**15), 2**15 - 1),
    Primitive.U16: (0, 2**16 - 1),
    Primitive.S32: (-(2**31), 2**31 - 1),
    Primitive.U32: (0, 2**32 - 1),
    Primitive.S64: (-(2**63), 2**63 - 1),
    Primitive.U64: (0, 2**64 - 1),
}

_SPECIAL_FLOATS = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}
_MISSING = object()


class HandleNames(Protocol):
    """Says how resource handles look outside: as URN strings."""

    def urn_of(self, handle: object, resource: ResourceName) -> str:
        """Return the URN of a handle."""
        ...

    def handle_of(self, urn: str, resource: ResourceName, *, borrowed: bool) -> object:
        """Return the handle behind a URN; raise `ValueError` if there is none."""
        ...


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

    match type_:
        case Primitive():
            return _primitive(type_)
        case ListType(element) | FixedListType(element):
            length = type_.length if isinstance(type_, FixedListType) else None
            return _list(type_, element, inner(element), length)
        case MapType(key, value):
            return _map(type_, key, inner(key), inner(value))
        case TupleType(elements):
            return _tuple(type_, tuple(map(inner, elements)))
        case RecordType(fields):
            return _record(type_, fields, [inner(field.type) for field in fields])
        case VariantType(cases):
            return _variant(
                type_, cases, [None if case.type is None else inner(case.type) for case in cases]
            )
        case ResultType(ok, err):
            arms = (Case("ok", ok), Case("err", err))
            return _variant(
                type_, arms, [None if arm.type is None else inner(arm.type) for arm in arms]
            )
        case EnumType(names):
            return _enum(type_, names)
        case FlagsType(labels):
            return _flags(type_, labels)
        case OptionType(some):
            return (
                _nested_option(type_, inner(some)) if _may_be_null(some) else _option(inner(some))
            )
        case Own(resource) | Borrow(resource):
            return _handle(type_, resource, handles, borrowed=isinstance(type_, Borrow))
        case FutureType() | StreamType() | ErrorContextType():
            return _refuse(type_)
        case _:
            assert_never(type_)


def round_to_f32(number: float) -> float:
    """Return the nearest 32-bit float; raise `OverflowError` beyond its range."""
    (rounded,) = struct.unpack("<f", struct.pack("<f", number))
    return float(rounded)


def _may_be_null(type_: Type) -> bool:
    return isinstance(type_, OptionType)


def _expected(type_: Type, got: object) -> Misfit:
    return Misfit(f"expected {type_text(type_)}, got {shown(got)}")


def _primitive(type_: Primitive) -> Reader:
    if type_ in INTEGER_RANGES:
        return _integer(type_)
    match type_:
        case Primitive.BOOL:

            def read_bool(json: object) -> bool:
                if json is True or json is False:
                    return json
                raise _expected(type_, json)

            return read_bool
        case Primitive.STRING:
            return _read_string
        case Primitive.CHAR:
            return _read_char
        case _:
            return _float(type_)


def _integer(type_: Primitive) -> Reader:
    low, high = INTEGER_RANGES[type_]

    def read_integer(json: object) -> int:
        # `type is int` also keeps booleans out.
        if type(json) is int:
            if low <= json <= high:
                return json
            raise Misfit(f"expected {type_.value}, got {shown(json)}: it lies outside {low}…{high}")
        raise _expected(type_, json)

    return read_integer


def _float(type_: Primitive) -> Reader:
    single = type_ is Primitive.F32

    def read_float(json: object) -> float:
        if type(json) is str and json in _SPECIAL_FLOATS:
            return _SPECIAL_FLOATS[json]
        if type(json) is not float and type(json) is not int:
            raise _expected(type_, json)
        try:
            number = float(json)
            return round_to_f32(number) if single else number
        except OverflowError:
            raise Misfit(f"expected {type_.value}, got {shown(json)}: it is too large") from None

    return read_float


def _read_string(json: object) -> str:
    if type(json) is str:
        if json.isascii() or not _has_surrogate(json):
            return json
        raise Misfit("expected string, got text with a lone surrogate: it has no UTF-8 form")
    raise _expected(Primitive.STRING, json)


def _read_char(json: object) -> str:
    if type(json) is str and len(json) == 1 and not "\ud800" <= json <= "\udfff":
        return json
    if type(json) is str:
        raise Misfit(f"expected char, got {shown(json)}: it must be one Unicode scalar value")
    raise _expected(Primitive.CHAR, json)


def _has_surrogate(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _list(type_: Type, element: Type, read: Reader, length: int | None) -> Reader:
    of_bytes = element is Primitive.U8
    fits_as_is = _bulk_check(element)

    def read_list(json: object) -> Value:
        if of_bytes and type(json) is dict:
            value: Value = _read_base64(type_, cast("dict[str, object]", json))
        elif type(json) is list:
            items = cast("list[object]", json)
            elements = items if fits_as_is(items) else _read_items(items, read)
            value = bytes(cast("list[int]", elements)) if of_bytes else elements
        else:
            raise _expected(type_, json)
        if length is not None and len(value) != length:
            raise Misfit(f"expected {type_text(type_)}, got {len(value)} elements")
        return value

    return read_list


def _read_items(items: list[object], read: Reader) -> list[Value]:
    elements: list[Value] = []
    append = elements.append
    try:
        for item in items:
            append(read(item))
    except Misfit as misfit:
        raise misfit.within(f"[{len(elements)}]") from None
    return elements


def _bulk_check(element: Type) -> Callable[[list[Any]], bool]:
    """Return whether a whole list needs no reading; a False only means to look closer."""
    match element:
        case Primitive() if element in INTEGER_RANGES:
            low, high = INTEGER_RANGES[element]
            return lambda json: (
                set(map(type, json)) == {int} and low <= min(json) and max(json) <= high
            )
        case Primitive.F64:
            return lambda json: set(map(type, json)) == {float}
        case Primitive.STRING:
            return lambda json: set(map(type, json)) == {str} and all(map(str.isascii, json))
        case _:
            return lambda _json: False


def _read_base64(type_: Type, json: dict[str, object]) -> bytes:
    text = json.get("base64")
    if type(text) is not str or len(json) != 1:
        raise Misfit(
            f"expected {type_text(type_)} as an array of numbers or"
            f' as {{"base64": "…"}}, got {shown(json)}'
        )
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Misfit(f"expected base64 text, got {shown(text)}").within(".base64") from None


def _is_pair(json: object) -> bool:
    return type(json) is list and len(cast("list[object]", json)) == 2


def _map(type_: MapType, key: Type, read_key: Reader, read_value: Reader) -> Reader:
    by_text = key is Primitive.STRING or key is Primitive.CHAR

    def read_pairs(json: object) -> list[tuple[str, object, object]]:
        if by_text:
            if type(json) is not dict:
                raise _expected(type_, json)
            return [(f'["{k}"]', k, v) for k, v in cast("dict[str, object]", json).items()]
        if type(json) is not list:
            raise Misfit(f"expected {type_text(type_)} as an array of pairs, got {shown(json)}")
        pairs: list[tuple[str, object, object]] = []
        for index, pair in enumerate(cast("list[object]", json)):
            if not _is_pair(pair):
                raise Misfit(f"expected [key, value], got {shown(pair)}").within(f"[{index}]")
            key_json, value_json = cast("list[object]", pair)
            pairs.append((f"[{index}]", key_json, value_json))
        return pairs

    def read_map(json: object) -> dict[Value, Value]:
        entries: dict[Value, Value] = {}
        for step, key_json, value_json in read_pairs(json):
            try:
                key_value = read_key(key_json)
                if key_value in entries:
                    raise Misfit(f"the key {shown(key_json)} stands there twice")  # noqa: TRY301 - the step of the path is added in one place
                entries[key_value] = read_value(value_json)
            except Misfit as misfit:
                raise misfit.within(step) from None
        return entries

    return read_map


def _tuple(type_: TupleType, readers: tuple[Reader, ...]) -> Reader:
    def read_tuple(json: object) -> tuple[Value, ...]:
        if type(json) is not list:
            raise _expected(type_, json)
        items = cast("list[object]", json)
        if len(items) != len(readers):
            raise _expected(type_, items)
        values: list[Value] = []
        try:
            for read, item in zip(readers, items, strict=True):
                values.append(read(item))
        except Misfit as misfit:
            raise misfit.within(f"[{len(values)}]") from None
        return tuple(values)

    return read_tuple


def _record(type_: RecordType, fields: tuple[Field, ...], readers: list[Reader]) -> Reader:
    names = [field.name for field in fields]
    optional = {field.name for field in fields if isinstance(field.type, OptionType)}
    members = list(zip(names, readers, strict=True))

    def read_record(json: object) -> dict[str, Value]:
        if type(json) is not dict:
            raise _expected(type_, json)
        given = cast("dict[str, object]", json)
        record: dict[str, Value] = {}
        name = ""
        used = 0
        try:
            for name, read in members:
                member = given.get(name, _MISSING)
                if member is not _MISSING:
                    record[name] = read(member)
                    used += 1
                elif name in optional:
                    record[name] = None
                else:
                    missing = Misfit(f"missing field {name} of {type_text(type_)}")
                    break
            else:
                if used == len(given):
                    return record
                missing = None
        except Misfit as misfit:
            raise misfit.within(f".{name}") from None
        # A misspelt name explains a missing field better than the absence does.
        for key in given:
            if key not in names:
                raise Misfit(unknown_name("field", key, names))
        assert missing is not None, "all fields known and used, yet the record was not returned"
        raise missing

    return read_record


def _is_object_of_one(json: object) -> bool:
    return type(json) is dict and len(cast("dict[str, object]", json)) == 1


def _variant(type_: Type, cases: tuple[Case, ...], readers: list[Reader | None]) -> Reader:
    by_name = {case.name: read for case, read in zip(cases, readers, strict=True)}
    # Only variants may leave the object away: `"ok"` for a result hides that it is one.
    short = isinstance(type_, VariantType)

    def read_variant(json: object) -> tuple[str, Value]:
        if _is_object_of_one(json):
            ((name, payload),) = cast("dict[str, object]", json).items()
        elif short and type(json) is str:
            name, payload = json, None
        else:
            raise Misfit(
                f'expected {type_text(type_)} as {{"case": payload or null}}, got {shown(json)}'
            )
        read = by_name.get(name, _MISSING)
        if read is _MISSING:
            raise Misfit(unknown_name("case", name, by_name))
        if read is None:
            if payload is not None:
                raise Misfit(f"expected null, got {shown(payload)}: {name} has no payload").within(
                    f".{name}"
                )
            return (name, None)
        try:
            return (name, cast("Reader", read)(payload))
        except Misfit as misfit:
            raise misfit.within(f".{name}") from None

    return read_variant


def _enum(type_: EnumType, names: tuple[str, ...]) -> Reader:
    known = frozenset(names)

    def read_enum(json: object) -> str:
        if type(json) is not str:
            raise _expected(type_, json)
        if json not in known:
            raise Misfit(unknown_name(f"case of {type_text(type_)}", json, names))
        return json

    return read_enum


def _flags(type_: FlagsType, labels: tuple[str, ...]) -> Reader:
    known = frozenset(labels)

    def read_flags(json: object) -> frozenset[str]:
        if type(json) is not list:
            raise Misfit(f"expected {type_text(type_)} as an array of strings, got {shown(json)}")
        given = cast("list[object]", json)
        for index, label in enumerate(given):
            if type(label) is not str:
                raise Misfit(f"expected a label, got {shown(label)}").within(f"[{index}]")
            if label not in known:
                raise Misfit(unknown_name("label", label, labels)).within(f"[{index}]")
        return frozenset(cast("list[str]", given))

    return read_flags


def _option(read: Reader) -> Reader:
    def read_option(json: object) -> tuple[Value] | None:
        return None if json is None else (read(json),)

    return read_option


def _nested_option(type_: OptionType, read: Reader) -> Reader:
    def read_nested_option(json: object) -> tuple[Value] | None:
        if json is None:
            return None
        given = cast("dict[str, object]", json) if _is_object_of_one(json) else {}
        if "some" not in given:
            raise Misfit(
                f'expected {type_text(type_)} as null or {{"some": …}}, got {shown(json)}:'
                " nested options say how deep they are"
            )
        try:
            return (read(given["some"]),)
        except Misfit as misfit:
            raise misfit.within(".some") from None

    return read_nested_option


def _handle(
    type_: Type, resource: ResourceName, handles: HandleNames | None, *, borrowed: bool
) -> Reader:
    if handles is None:
        return _refuse(type_)

    def read_handle(json: object) -> object:
        if type(json) is not str:
            raise Misfit(f"expected the URN of a {resource.name}, got {shown(json)}")
        try:
            return handles.handle_of(json, resource, borrowed=borrowed)
        except ValueError as error:
            raise Misfit(f"no {resource.name} behind {shown(json)}: {error}") from error

    return read_handle


def _refuse(type_: Type) -> Reader:
    def refuse(json: object) -> Value:
        raise Misfit(f"{type_text(type_)} cannot be given from outside, got {shown(json)}")

    return refuse
