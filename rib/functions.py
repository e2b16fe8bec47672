"""The functions of the language: what those of `rib.signatures` do."""

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias, cast

from msgspec import Struct

from rib.arithmetic import convert, operation, read_number
from rib.diagnostics import Code
from rib.fault import Fault, check_members, check_text
from wit.errors import ValueMismatchError, WitError
from wit.json_readers import INTEGER_RANGES
from wit.json_values import decode_json, encode_json
from wit.types import EnumType, ListType, Primitive, ResultType, Type, VariantType
from wit.values import Value
from wit.wave import format_value

__all__ = ["Function", "function", "renderer"]

Function: TypeAlias = Callable[[Sequence[Value]], Value]


class Types(Struct, frozen=True):
    """The types of the receiver and of the result."""

    receiver: Type | None
    result: Type | None


def renderer(type_: Type) -> Callable[[Value], str]:
    """Return what gives a value the text that interpolation inserts.

    The text is WAVE, but strings and bare cases stand as they are.
    """
    match type_:
        case Primitive.STRING | EnumType():
            return str
        case Primitive() if type_ in INTEGER_RANGES:
            return str
        case VariantType():
            return lambda value: str(value[0]) if value[1] is None else _wave(value, type_)
        case _:
            return lambda value: _wave(value, type_)


def _wave(value: Value, type_: Type) -> str:
    text = format_value(value, type_)
    check_text(len(text))
    return text


def function(key: str, receiver: Type | None, result: Type | None) -> Function:
    """Return the implementation of a function for given types.

    Args:
        key: As in `Signature.key`.
        receiver: The type of the first argument.
        result: The type of the result.
    """
    plain = _PLAIN.get(key)
    if plain is not None:
        return lambda arguments: plain(*arguments)
    types = Types(receiver, result)
    typed = _TYPED.get(key)
    if typed is None:
        head, _, name = key.partition(".to-")
        typed = _reading(name) if head == "string" else _conversion(name)
    return lambda arguments: typed(types, *arguments)


def _like(type_: Type | None, items: Sequence[Value]) -> Value:
    """Return elements as a list value: bytes for a list of u8."""
    is_bytes = isinstance(type_, ListType) and type_.element is Primitive.U8
    return bytes(items) if is_bytes else list(items)


def _replace(text: str, old: str, new: str) -> str:
    count = text.count(old)
    check_text(len(text) + count * (len(new) - len(old)))
    return text.replace(old, new)


def _split(text: str, separator: str) -> list[str]:
    pieces = text.split(separator) if separator else list(text)
    check_members(len(pieces))
    return pieces


def _repeat(text: str, count: int) -> str:
    check_text(len(text) * count)
    return text * count


def _slice_text(text: str, start: int, end: int) -> str:
    if not start <= end <= len(text):
        raise Fault(Code.INDEX, f"index out of bound: {start}..{end} (size: {len(text)})")
    return text[start:end]


def _chars(text: str) -> list[str]:
    check_members(len(text))
    return list(text)


def _join(texts: list[str], separator: str) -> str:
    check_text(sum(map(len, texts)) + len(separator) * max(0, len(texts) - 1))
    return separator.join(texts)


def _get(items: Sequence[Value], index: int) -> Value:
    return (items[index],) if index < len(items) else None


def _contains(whole: Any, part: Value) -> bool:
    return part in whole


def _is_empty(items: Sequence[Value]) -> bool:
    return not items


def _first(items: Sequence[Value]) -> Value:
    return (items[0],) if items else None


def _last(items: Sequence[Value]) -> Value:
    return (items[-1],) if items else None


def _reverse(items: Sequence[Value]) -> Value:
    return items[::-1]


def _least(items: Sequence[Any]) -> Value:
    return (min(items),) if items else None


def _greatest(items: Sequence[Any]) -> Value:
    return (max(items),) if items else None


def _is_some(option: Value) -> bool:
    return option is not None


def _is_none(option: Value) -> bool:
    return option is None


def _option_or(option: Value, default: Value) -> Value:
    return default if option is None else option[0]


def _ok_or(option: Value, error: Value) -> Value:
    return ("err", error) if option is None else ("ok", option[0])


def _is_ok(result: Value) -> bool:
    return bool(result[0] == "ok")


def _is_err(result: Value) -> bool:
    return bool(result[0] == "err")


def _result_or(result: Value, default: Value) -> Value:
    return result[1] if result[0] == "ok" else default


def _to_option(result: Value) -> Value:
    return (result[1],) if result[0] == "ok" else None


_PLAIN: Final[dict[str, Callable[..., Value]]] = {
    "string.length": len,
    "string.is-empty": _is_empty,
    "string.contains": _contains,
    "string.starts-with": str.startswith,
    "string.ends-with": str.endswith,
    "string.trim": str.strip,
    "string.to-upper": str.upper,
    "string.to-lower": str.lower,
    "string.replace": _replace,
    "string.split": _split,
    "string.repeat": _repeat,
    "string.slice": _slice_text,
    "string.chars": _chars,
    "list.length": len,
    "list.is-empty": _is_empty,
    "list.contains": _contains,
    "list.first": _first,
    "list.last": _last,
    "list.get": _get,
    "list.reverse": _reverse,
    "list.min": _least,
    "list.max": _greatest,
    "list.join": _join,
    "option.is-some": _is_some,
    "option.is-none": _is_none,
    "option.unwrap-or": _option_or,
    "option.ok-or": _ok_or,
    "result.is-ok": _is_ok,
    "result.is-err": _is_err,
    "result.unwrap-or": _result_or,
    "result.to-option": _to_option,
    "N.min": min,
    "N.max": max,
}


def _concat(types: Types, left: Any, right: Any) -> Value:
    check_members(len(left) + len(right))
    return _like(types.result, [*left, *right])


def _distinct(types: Types, items: Sequence[Value]) -> Value:
    seen: dict[str, Value] = {}
    assert isinstance(types.receiver, ListType)
    for item in items:
        # Values are not hashable in general; their text tells them apart.
        seen.setdefault(format_value(item, types.receiver.element), item)
    return _like(types.result, list(seen.values()))


def _sort(types: Types, items: Sequence[Value]) -> Value:
    return _like(types.result, sorted(items))


def _sum(types: Types, items: Sequence[Value]) -> Value:
    type_ = cast("Primitive", types.result)
    add = operation("+", type_)
    total: int | float = 0.0 if type_ in {Primitive.F32, Primitive.F64} else 0
    for item in items:
        total = add(total, item)
    return total


def _abs(types: Types, number: float) -> Value:
    type_ = cast("Primitive", types.receiver)
    return convert(abs(number), type_, type_)


def _to_string(types: Types, value: Value) -> Value:
    assert types.receiver is not None
    return renderer(types.receiver)(value)


def _to_json(types: Types, value: Value) -> Value:
    assert types.receiver is not None
    try:
        text = encode_json(value, types.receiver).decode()
    except ValueMismatchError as error:
        raise Fault(Code.CAST, f"cast error to JSON: {error}") from error
    check_text(len(text))
    return text


def _parse_json(types: Types, text: str) -> Value:
    assert isinstance(types.result, ResultType)
    if types.result.ok is None:
        return ("err", "nothing says which type the JSON should have")
    try:
        return ("ok", decode_json(text.encode(), types.result.ok))
    except (WitError, UnicodeEncodeError) as error:
        return ("err", str(error))


_TYPED: Final[dict[str, Callable[..., Value]]] = {
    "list.concat": _concat,
    "list.distinct": _distinct,
    "list.sort": _sort,
    "list.sum": _sum,
    "N.abs": _abs,
    "T.to-string": _to_string,
    "T.to-json": _to_json,
    "string.parse-json": _parse_json,
}


def _reading(name: str) -> Callable[..., Value]:
    target = Primitive(name)

    def read(_: Types, text: str) -> Value:
        return read_number(text, target)

    return read


def _conversion(name: str) -> Callable[..., Value]:
    target = Primitive(name)

    def apply(types: Types, number: float) -> Value:
        return convert(number, cast("Primitive", types.receiver), target)

    return apply
