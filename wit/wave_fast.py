r"""The quick way from long WAVE texts to values: for what is written as programs write it.

A type becomes one regular expression with the converters of its groups. It knows the plain
spelling of values alone: fields in the order of the type, no comments, options with `some`. What it
does not understand is no error here: the caller reads the text again in the full way, which knows
every spelling and explains every mistake. So nothing may be accepted here that the full way
refuses, or be understood in another way; a property test compares them.

Quantifiers are possessive, so that no text makes the expression try again and again.
"""

import math
import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Final, TypeAlias

from msgspec import Struct

from wit.json_readers import INTEGER_RANGES, round_to_f32
from wit.types import (
    Case,
    EnumType,
    FixedListType,
    FlagsType,
    ListType,
    OptionType,
    Primitive,
    RecordType,
    ResultType,
    TupleType,
    Type,
    VariantType,
)
from wit.values import Value
from wit.wave_nodes import KEYWORDS

__all__ = ["LONG_TEXT_CHARACTERS", "NotPlainError", "quick_value"]

# Below this length the full way is quicker than making the expression for a type.
LONG_TEXT_CHARACTERS: Final = 4_000

_PATTERN_CHARACTERS_MAX: Final = 20_000
_LIST_DEPTH_MAX: Final = 3
_READERS_MAX: Final = 256

_S: Final = r"[ \t\r\n]*+"
_COMMA: Final = rf"{_S},{_S}"
_SIGNED: Final = r"-?+(?:0|[1-9][0-9]{0,18}+)"
_UNSIGNED: Final = r"(?:0|[1-9][0-9]{0,19}+)"
# No group that may be missing is possessive: Python 3.11.2 goes on behind what one took before it
# failed. Lists, whose groups are, are read once more for their values.
_FLOAT: Final = (
    r"(?:-?+(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][+-]?+[0-9]++)?|-inf|inf|nan)(?![0-9A-Za-z.-])"
)
_STRING: Final = r"""(?:[^"\\\n]|\\["'\\tnr])*+"""
_ESCAPE: Final = re.compile(r"""\\(["'\\tnr])""")
_ESCAPES: Final = {"t": "\t", "n": "\n", "r": "\r"}

# The groups of one match, taken one after the other.
_Groups: TypeAlias = Iterator[str | None]
_Convert: TypeAlias = Callable[[_Groups], Value]


class NotPlainError(Exception):
    """The text has to be read in the full way. Never leaves the package."""


class _Plan(Struct, frozen=True):
    """How a type is read. `pattern` has the groups that `convert` takes, `bare` has none."""

    pattern: str
    bare: str
    groups: int
    convert: _Convert


def quick_value(text: str, type_: Type) -> Value:
    """Return the value that a text stands for.

    Raises:
        NotPlainError: the text, or the type, is not plain.
    """
    return _reader(type_)(text)


@lru_cache(maxsize=_READERS_MAX)
def _reader(type_: Type) -> Callable[[str], Value]:
    try:
        if isinstance(type_, ListType):
            return _long_list(type_)
        plan = _plan(type_, 0)
        whole = re.compile(rf"{_S}{plan.pattern}{_S}\Z")
    except NotPlainError:
        return _refuse

    def read(text: str) -> Value:
        found = whole.match(text)
        if found is None:
            raise NotPlainError
        return plan.convert(iter(found.groups()))

    return read


def _refuse(_text: str) -> Value:
    raise NotPlainError


def _long_list(type_: ListType) -> Callable[[str], Value]:
    """Return a reader of lists that never matches more than one element at a time."""
    plan = _plan(type_.element, 0)
    items = _items(plan)
    opening, closing = re.compile(rf"{_S}\[{_S}"), re.compile(rf"\]{_S}\Z")

    def read(text: str) -> Value:
        opened = opening.match(text)
        if opened is None:
            raise NotPlainError
        values, end = items(text, opened.end())
        if closing.match(text, end) is None:
            raise NotPlainError
        return bytes(values) if type_.element is Primitive.U8 else values

    return read


def _items(plan: _Plan) -> Callable[[str, int], tuple[list[Value], int]]:
    match = re.compile(rf"{plan.pattern}{_S}(?:,{_S}|(?=\])|\Z)").match
    convert = plan.convert

    def read(text: str, start: int) -> tuple[list[Value], int]:
        values: list[Value] = []
        append, end = values.append, start
        while (found := match(text, end)) is not None:
            append(convert(iter(found.groups())))
            end = found.end()
        return values, end

    return read


def _plan(type_: Type, lists: int) -> _Plan:
    plan = _unlimited_plan(type_, lists)
    if len(plan.pattern) > _PATTERN_CHARACTERS_MAX:
        raise NotPlainError
    return plan


def _unlimited_plan(type_: Type, lists: int) -> _Plan:
    match type_:
        case Primitive():
            return _primitive(type_)
        case EnumType(names):
            return _plain(_words(names), next)
        case FlagsType(labels):
            return _flags(labels)
        case OptionType(some):
            return _option(_plan(some, lists))
        case TupleType(elements) if elements:
            return _tuple([_plan(each, lists) for each in elements])
        case RecordType(fields) if fields:
            members = [(each.name, _plan(each.type, lists), each.type) for each in fields]
            return _record(members)
        case VariantType(cases):
            return _variant(cases, lists)
        case ResultType(ok, err):
            return _variant((Case("ok", ok), Case("err", err)), lists, keywords=True)
        case ListType(element) | FixedListType(element) if lists < _LIST_DEPTH_MAX:
            length = type_.length if isinstance(type_, FixedListType) else None
            return _list(_plan(element, lists + 1), element, length)
        case _:
            raise NotPlainError


def _plain(pattern: str, convert: _Convert) -> _Plan:
    return _Plan(f"({pattern})", f"(?:{pattern})", 1, convert)


def _words(names: tuple[str, ...]) -> str:
    plain = [re.escape(name) for name in names if name not in KEYWORDS]
    if not plain:
        raise NotPlainError
    return rf"(?:{'|'.join(plain)})(?![0-9A-Za-z-])"


def _primitive(type_: Primitive) -> _Plan:
    match type_:
        case Primitive.BOOL:
            words = "(?:true|false)(?![0-9A-Za-z-])"
            return _plain(words, lambda groups: next(groups) == "true")
        case Primitive.STRING:
            return _Plan(f'"({_STRING})"', f'"{_STRING}"', 1, _string)
        case Primitive.CHAR:
            return _Plan(r"'([^'\\\n])'", r"'[^'\\\n]'", 1, next)
        case Primitive.F32 | Primitive.F64:
            return _plain(_FLOAT, _f32 if type_ is Primitive.F32 else _f64)
        case _:
            return _integer(*INTEGER_RANGES[type_])


def _integer(low: int, high: int) -> _Plan:
    def convert(groups: _Groups) -> int:
        number = int(next(groups) or "")
        if low <= number <= high:
            return number
        raise NotPlainError

    return _plain(rf"{_SIGNED if low else _UNSIGNED}(?![0-9A-Za-z.-])", convert)


def _string(groups: _Groups) -> str:
    text = next(groups) or ""
    if "\\" not in text:
        return text
    return _ESCAPE.sub(lambda found: _ESCAPES.get(found[1], found[1]), text)


def _f64(groups: _Groups) -> float:
    text = next(groups) or ""
    number = float(text)
    if math.isinf(number) and not text.endswith("inf"):
        raise NotPlainError
    return number


def _f32(groups: _Groups) -> float:
    number = _f64(groups)
    try:
        rounded = round_to_f32(number)
    except OverflowError:
        raise NotPlainError from None
    if math.isinf(rounded) and not math.isinf(number):
        raise NotPlainError
    return rounded


def _flags(labels: tuple[str, ...]) -> _Plan:
    known = frozenset(labels)

    def convert(groups: _Groups) -> frozenset[str]:
        names = (next(groups) or "").replace(",", " ").split()
        flags = frozenset(names)
        if len(flags) != len(names) or not flags <= known:
            raise NotPlainError
        return flags

    word = "[a-z][0-9a-z-]*+"
    inside = rf"{_S}(?:{word}{_S}(?:,{_S}|(?=\}})))*+"
    return _Plan(rf"\{{({inside})\}}", rf"\{{{inside}\}}", 1, convert)


def _option(inner: _Plan) -> _Plan:
    convert_inner, skipped = inner.convert, inner.groups

    def convert(groups: _Groups) -> Value:
        if next(groups) is not None:
            return (convert_inner(groups),)
        for _ in range(skipped):
            next(groups)
        return None

    def shape(opening: str, pattern: str) -> str:
        return rf"(?:some{_S}{opening}{_S}{pattern}{_S}\)|none(?![0-9A-Za-z-]|{_S}\())"

    return _Plan(shape(r"(\()", inner.pattern), shape(r"\(", inner.bare), skipped + 1, convert)


def _tuple(parts: list[_Plan]) -> _Plan:
    converts = [part.convert for part in parts]

    def shape(patterns: list[str]) -> str:
        return rf"\({_S}{_COMMA.join(patterns)}{_S}(?:,{_S})?\)"

    return _Plan(
        shape([part.pattern for part in parts]),
        shape([part.bare for part in parts]),
        sum(part.groups for part in parts),
        lambda groups: tuple([convert(groups) for convert in converts]),
    )


def _record(members: list[tuple[str, _Plan, Type]]) -> _Plan:
    converts = [(name, plan.convert) for name, plan, _ in members]
    names = [name for name, _, _ in members]
    required = len(members)
    # Options at the end may be left out; one at the beginning has no comma before it.
    while required > 1 and isinstance(members[required - 1][2], OptionType):
        required -= 1

    def shape(patterns: list[str]) -> str:
        fields = [f"{re.escape(n)}{_S}:{_S}{p}" for n, p in zip(names, patterns, strict=True)]
        left_out = [f"(?:{_COMMA}{field})?" for field in fields[required:]]
        inside = _COMMA.join(fields[:required]) + "".join(left_out)
        return rf"\{{{_S}{inside}{_S}(?:,{_S})?\}}"

    return _Plan(
        shape([plan.pattern for _, plan, _ in members]),
        shape([plan.bare for _, plan, _ in members]),
        sum(plan.groups for _, plan, _ in members),
        lambda groups: {name: convert(groups) for name, convert in converts},
    )


def _variant(cases: tuple[Case, ...], lists: int, *, keywords: bool = False) -> _Plan:
    arms: list[tuple[str, _Plan | None]] = [
        (each.name, None if each.type is None else _plan(each.type, lists))
        for each in cases
        if keywords or each.name not in KEYWORDS
    ]
    if not arms:
        raise NotPlainError

    def convert(groups: _Groups) -> Value:
        value: Value = None
        for name, plan in arms:
            taken = next(groups) is not None
            if plan is None:
                payload = None
            elif taken:
                payload = plan.convert(groups)
            else:
                for _ in range(plan.groups):
                    next(groups)
                continue
            if taken:
                value = (name, payload)
        return value

    def shape(name: str, payload: str | None) -> str:
        if payload is None:
            return rf"{name}(?![0-9A-Za-z-]|{_S}\()"
        return rf"{name}{_S}\({_S}{payload}{_S}\)"

    pattern = "|".join(
        shape(f"({re.escape(name)})", None if plan is None else plan.pattern) for name, plan in arms
    )
    bare = "|".join(
        shape(re.escape(name), None if plan is None else plan.bare) for name, plan in arms
    )
    groups = sum(1 + (0 if plan is None else plan.groups) for _, plan in arms)
    return _Plan(f"(?:{pattern})", f"(?:{bare})", groups, convert)


def _list(element: _Plan, type_: Type, length: int | None) -> _Plan:
    items = _items(element)

    def convert(groups: _Groups) -> Value:
        body = next(groups) or ""
        values, end = items(body, 0) if body else ([], 0)
        if end != len(body) or (length is not None and len(values) != length):
            raise NotPlainError
        return bytes(values) if type_ is Primitive.U8 else values

    inside = rf"(?:{element.bare}{_S}(?:,{_S}|(?=\])))*+"
    return _Plan(rf"\[{_S}({inside})\]", rf"\[{_S}{inside}\]", 1, convert)
