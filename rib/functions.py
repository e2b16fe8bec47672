"""The functions of the language: what those of `rib.signatures` do."""

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias, cast

from msgspec import Struct

from rib.arithmetic import convert, operation, read_number
from rib.diagnostics import Code
from rib.fault import Fault, check_members, check_text
from wit.errors import ValueMismatchError, WitError
from wit.json_values import decode_json, encode_json
from wit.types import EnumType, ListType, Primitive, ResultType, Type, VariantType
from wit.values import Value
from wit.wave import format_value

__all__ = ["Function", "function", "render"]

Function: TypeAlias = Callable[[Sequence[Value]], Value]


class Types(Struct, frozen=True):
    """The types of the receiver and of the result."""

    receiver: Type | None
    result: Type | None


def render(value: Value, type_: Type) -> str:
    """Return the text that interpolation inserts: WAVE, but strings and bare cases as they are."""
    match type_:
        case Primitive.STRING | EnumType():
            return str(value)
        case VariantType() if value[1] is None:
            return str(value[0])
        case _:
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


def _option(items: Sequence[Value]) -> Value:
    return (items[0],) if items else None


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


_PLAIN: Final[dict[str, Callable[..., Value]]] = {
    "string.length": len,
    "string.is-empty": lambda text: not text,
    "string.contains": lambda text, part: part in text,
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
    "list.is-empty": lambda items: not items,
    "list.contains": lambda items, item: item in items,
    "list.first": lambda items: _option(items[:1]),
    "list.last": lambda items: _option(items[-1:]),
    "list.get": _get,
    "list.reverse": lambda items: items[::-1],
    "list.min": lambda items: (min(items),) if items else None,
    "list.max": lambda items: (max(items),) if items else None,
    "list.join": _join,
    "option.is-some": lambda option: option is not None,
    "option.is-none": lambda option: option is None,
    "option.unwrap-or": lambda option, default: default if option is None else option[0],
    "option.ok-or": lambda option, error: ("err", error) if option is None else ("ok", option[0]),
    "result.is-ok": lambda result: result[0] == "ok",
    "result.is-err": lambda result: result[0] == "err",
    "result.unwrap-or": lambda result, default: result[1] if result[0] == "ok" else default,
    "result.to-option": lambda result: (result[1],) if result[0] == "ok" else None,
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
    return render(value, types.receiver)


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
    return lambda _, text: read_number(text, target)


def _conversion(name: str) -> Callable[..., Value]:
    target = Primitive(name)
    return lambda types, number: convert(number, types.receiver, target)
