"""Whether a Python value is a value of a type, with the path of the place where it is not.

Converters trust values that come from an engine or a reader; this is for values that people build.

Source: component-model specification, Explainer.md, "Fundamental value types".
"""

import math
from typing import Any, Final, assert_never, cast

from wit.json_readers import INTEGER_RANGES
from wit.misfit import Misfit, unknown_name
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
    ResultType,
    StreamType,
    TupleType,
    Type,
    VariantType,
)
from wit.values import Value

__all__ = ["check", "check_primitive"]

_F32_MAX: Final = (2 - 2**-23) * 2.0**127


def check(value: Value, type_: Type, *, root: str = "") -> None:
    """Raise unless the value has the shape that `wit.values` gives for the type.

    Handles are not looked at: only their host knows what they are.

    Args:
        value: Any Python object.
        type_: The type it must have.
        root: What the path in the error begins with, like `params[0]`.

    Raises:
        ValueMismatchError: with the path of the first misfit.
    """
    try:
        _check(value, type_)
    except Misfit as misfit:
        raise misfit.mismatch(root) from None


def _check(value: Value, type_: Type) -> None:
    match type_:
        case Primitive():
            check_primitive(value, type_)
        case ListType(element) | FixedListType(element):
            _check_list(value, type_, element)
        case MapType():
            for key, member in cast("dict[Any, Any]", _of(dict, value, type_)).items():
                _check_at(f"[{key!r}]", key, type_.key)
                _check_at(f"[{key!r}]", member, type_.value)
        case TupleType(elements):
            _of(tuple, value, type_)
            _require(len(value) == len(elements), value, type_)
            for index, element in enumerate(elements):
                _check_at(f"[{index}]", value[index], element)
        case RecordType():
            _check_record(value, type_)
        case VariantType(cases):
            _check_variant(value, type_, cases)
        case ResultType(ok, err):
            _check_variant(value, type_, (Case("ok", ok), Case("err", err)))
        case EnumType(names):
            _of(str, value, type_)
            if value not in names:
                raise Misfit(unknown_name("case", value, names))
        case FlagsType(labels):
            _of(frozenset, value, type_)
            for label in value:
                if label not in labels:
                    raise Misfit(unknown_name("label", str(label), labels))
        case OptionType(some):
            if value is not None:
                _of(tuple, value, type_)
                _require(len(value) == 1, value, type_)
                _check(value[0], some)
        case Own() | Borrow():
            pass
        case FutureType() | StreamType() | ErrorContextType():
            raise Misfit(f"{type_text(type_)} has no values here")
        case _:
            assert_never(type_)


def _require(fits: bool, value: Value, type_: Type) -> None:  # noqa: FBT001 - a guard reads like an assert
    if not fits:
        raise Misfit(f"expected {type_text(type_)}, got {_python_text(value)}")


def _of(kind: type, value: Value, type_: Type) -> Value:
    _require(type(value) is kind, value, type_)
    return value


def _is_unicode(text: str) -> bool:
    """Tell whether a text has no surrogates: they are no Unicode scalar values."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _python_text(value: object) -> str:
    text = repr(value)
    if len(text) > 60:
        text = f"{text[:59]}…"
    return f"{text} ({type(value).__name__})"


def _check_at(step: str, value: Value, type_: Type) -> None:
    try:
        _check(value, type_)
    except Misfit as misfit:
        raise misfit.within(step) from None


def check_primitive(value: Value, type_: Primitive) -> None:
    """Raise unless the value is one of a type without structure.

    Raises:
        Misfit: it is none.
    """
    match type_:
        case Primitive.BOOL:
            _of(bool, value, type_)
        case Primitive.F64:
            _of(float, value, type_)
        case Primitive.F32:
            _of(float, value, type_)
            _require(math.isinf(value) or not abs(value) > _F32_MAX, value, type_)
        case Primitive.STRING:
            _of(str, value, type_)
            _require(_is_unicode(value), value, type_)
        case Primitive.CHAR:
            _of(str, value, type_)
            _require(len(value) == 1 and _is_unicode(value), value, type_)
        case _:
            low, high = INTEGER_RANGES[type_]
            _require(type(value) is int and low <= value <= high, value, type_)


def _check_list(value: Value, type_: ListType | FixedListType, element: Type) -> None:
    if element is Primitive.U8:
        _of(bytes, value, type_)
    else:
        for index, item in enumerate(_of(list, value, type_)):
            _check_at(f"[{index}]", item, element)
    if isinstance(type_, FixedListType):
        _require(len(value) == type_.length, value, type_)


def _check_record(value: Value, type_: RecordType) -> None:
    _of(dict, value, type_)
    names = [field.name for field in type_.fields]
    for key in value:
        if key not in names:
            raise Misfit(unknown_name("field", str(key), names))
    for field in type_.fields:
        if field.name not in value:
            raise Misfit(f"missing field {field.name} of {type_text(type_)}")
        _check_at(f".{field.name}", value[field.name], field.type)


def _check_variant(value: Value, type_: Type, cases: tuple[Case, ...]) -> None:
    _of(tuple, value, type_)
    _require(len(value) == 2, value, type_)
    name, payload = value
    for case in cases:
        if case.name == name:
            break
    else:
        raise Misfit(unknown_name("case", str(name), [case.name for case in cases]))
    if case.type is None:
        _require(payload is None, payload, type_)
    else:
        _check_at(f".{name}", payload, case.type)
