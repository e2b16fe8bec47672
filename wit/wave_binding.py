"""From the tree of WAVE text to component values: here types decide what a word means.

`ok` is a result, an enum or a variant case; `{}` is flags; `5` may be a flat option. Raises
`Misfit` with the offset in the text; `wit.wave` is the door.
"""

import math
from typing import Final, assert_never

from wit.json_readers import INTEGER_RANGES, HandleNames, round_to_f32
from wit.misfit import Misfit, shown, unknown_name
from wit.type_text import type_text
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
from wit.values import Value
from wit.wave_nodes import (
    CharacterNode,
    FieldNode,
    FlagsNode,
    LabelNode,
    ListNode,
    Node,
    NumberNode,
    RecordNode,
    StringNode,
    TupleNode,
)

__all__ = ["bind"]

# No integer type needs more; converting longer digit strings is quadratic in Python.
_INTEGER_CHARACTERS_MAX: Final = 20


def bind(node: Node, type_: Type, handles: HandleNames | None) -> Value:
    """Return the value that a tree stands for in a type.

    Raises:
        Misfit: it stands for none; with the offset of the node that is to blame.
    """
    match type_:
        case Primitive():
            return _primitive(node, type_)
        case RecordType():
            return _record(node, type_, handles)
        case ListType(element) | FixedListType(element):
            return _list(node, type_, element, handles)
        case OptionType(some):
            return _option(node, type_, some, handles)
        case VariantType():
            return _variant(node, type_, handles)
        case ResultType():
            return _result(node, type_, handles)
        case EnumType(cases):
            if isinstance(node, LabelNode) and node.payload is None and not node.keyword:
                if node.name in cases:
                    return node.name
                raise _unknown("case", node, cases)
            raise _escape_hint(node, cases) or _expected(type_, node)
        case FlagsType(labels):
            return _flags(node, type_, labels)
        case TupleType(elements):
            if not isinstance(node, TupleNode) or len(node.items) != len(elements):
                raise _expected(type_, node)
            return tuple(
                _bind_at(f"[{index}]", item, element, handles)
                for index, (item, element) in enumerate(zip(node.items, elements, strict=True))
            )
        case MapType():
            return _map(node, type_, handles)
        case Own(resource) | Borrow(resource):
            if handles is None or not isinstance(node, StringNode):
                raise _expected(type_, node)
            try:
                borrowed = isinstance(type_, Borrow)
                return handles.handle_of(node.value, resource, borrowed=borrowed)
            except ValueError as error:
                reason = f"no {resource.name} behind {shown(node.value)}: {error}"
                raise Misfit(reason, offset=node.offset) from error
        case FutureType() | StreamType() | ErrorContextType():
            raise _expected(type_, node)
        case _:
            assert_never(type_)


def _bind_at(step: str, node: Node, type_: Type, handles: HandleNames | None) -> Value:
    try:
        return bind(node, type_, handles)
    except Misfit as misfit:
        raise misfit.within(step) from None


def _node_text(node: Node) -> str:
    match node:
        case NumberNode(_, text):
            return text
        case StringNode(_, value):
            return f"the string {shown(value)}"
        case CharacterNode(_, value):
            return f"the char '{value}'"
        case LabelNode():
            return f"`{node.name}`" if node.payload is None else f"`{node.name}(…)`"
        case ListNode(_, items):
            return f"a list of {len(items)}"
        case TupleNode(_, items):
            return f"a tuple of {len(items)}"
        case RecordNode():
            return "a record"
        case FlagsNode():
            return "flags"
        case _:
            assert_never(node)


def _expected(type_: Type, node: Node) -> Misfit:
    return Misfit(f"expected {type_text(type_)}, got {_node_text(node)}", offset=node.offset)


def _unknown(what: str, node: LabelNode, known: tuple[str, ...]) -> Misfit:
    return Misfit(unknown_name(what, node.name, known), offset=node.offset)


def _escape_hint(node: Node, cases: tuple[str, ...]) -> Misfit | None:
    if isinstance(node, LabelNode) and node.keyword in cases:
        reason = f"`{node.name}` is a keyword, write `%{node.name}` for the case"
        return Misfit(reason, offset=node.offset)
    return None


def _primitive(node: Node, type_: Primitive) -> Value:
    if isinstance(node, NumberNode) and (limits := INTEGER_RANGES.get(type_)) is not None:
        return _integer(node, type_, *limits)
    match type_, node:
        case Primitive.STRING, StringNode(_, value):
            return value
        case Primitive.CHAR, CharacterNode(_, value):
            return value
        case Primitive.BOOL, LabelNode(payload=None) if node.keyword in {"true", "false"}:
            return node.name == "true"
        case ((Primitive.F32 | Primitive.F64), _):
            return _float(node, type_)
        case _:
            raise _expected(type_, node)


def _integer(node: NumberNode, type_: Primitive, low: int, high: int) -> int:
    text = node.text
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdecimal()):
        raise _expected(type_, node)
    if len(text) <= _INTEGER_CHARACTERS_MAX:
        number = int(text)
        if low <= number <= high:
            return number
    reason = f"expected {type_.value}, got {shown(text)}: it lies outside {low}…{high}"
    raise Misfit(reason, offset=node.offset)


def _float(node: Node, type_: Primitive) -> float:
    if isinstance(node, LabelNode) and node.keyword in {"inf", "nan"} and node.payload is None:
        return float(node.name)
    if not isinstance(node, NumberNode):
        raise _expected(type_, node)
    number = float(node.text)
    try:
        number = round_to_f32(number) if type_ is Primitive.F32 else number
    except OverflowError:
        number = math.inf
    if math.isinf(number) and node.text != "-inf":
        reason = f"expected {type_.value}, got {shown(node.text)}: it is too large"
        raise Misfit(reason, offset=node.offset)
    return number


def _list(
    node: Node, type_: ListType | FixedListType, element: Type, handles: HandleNames | None
) -> Value:
    if not isinstance(node, ListNode):
        raise _expected(type_, node)
    if isinstance(type_, FixedListType) and len(node.items) != type_.length:
        raise _expected(type_, node)
    values: list[Value] = []
    append = values.append
    try:
        for item in node.items:
            append(bind(item, element, handles))
    except Misfit as misfit:
        raise misfit.within(f"[{len(values)}]") from None
    return bytes(values) if element is Primitive.U8 else values


def _map(node: Node, type_: MapType, handles: HandleNames | None) -> Value:
    if not isinstance(node, ListNode):
        raise _expected(type_, node)
    entries: dict[Value, Value] = {}
    pair = TupleType((type_.key, type_.value))
    for index, item in enumerate(node.items):
        key, value = _bind_at(f"[{index}]", item, pair, handles)
        if key in entries:
            reason = f"the key {shown(key)} stands there twice"
            raise Misfit(reason, offset=item.offset).within(f"[{index}]")
        entries[key] = value
    return entries


def _record(node: Node, type_: RecordType, handles: HandleNames | None) -> Value:
    if not isinstance(node, RecordNode):
        hint = ", write `{:}` for a record of which nothing is given"
        empty = isinstance(node, FlagsNode) and not node.labels
        got = f"`{{}}`{hint}" if empty else _node_text(node)
        raise Misfit(f"expected {type_text(type_)}, got {got}", offset=node.offset)
    given = {field.name: field for field in node.fields}
    if len(given) != len(node.fields):
        raise _twice(node.fields)
    record: dict[str, Value] = {}
    missing = ""
    for field in type_.fields:
        member = given.pop(field.name, None)
        if member is not None:
            try:
                record[field.name] = bind(member.value, field.type, handles)
            except Misfit as misfit:
                raise misfit.within(f".{field.name}") from None
        elif isinstance(field.type, OptionType):
            record[field.name] = None
        else:
            missing = missing or field.name
    # A misspelt name explains a missing field better than the absence does.
    for name, member in given.items():
        names = [field.name for field in type_.fields]
        raise Misfit(unknown_name("field", name, names), offset=member.offset)
    if missing:
        raise Misfit(f"missing field {missing} of {type_text(type_)}", offset=node.offset)
    return record


def _twice(named: tuple[FieldNode, ...] | tuple[LabelNode, ...]) -> Misfit:
    seen: set[str] = set()
    for node in named:
        if node.name in seen:
            return Misfit(f"{node.name} stands there twice", offset=node.offset)
        seen.add(node.name)
    raise AssertionError("called without a repeated name")


def _flags(node: Node, type_: FlagsType, labels: tuple[str, ...]) -> Value:
    if not isinstance(node, FlagsNode):
        raise _expected(type_, node)
    flags = frozenset(label.name for label in node.labels)
    for label in node.labels:
        if label.name not in labels:
            raise _unknown("label", label, labels)
    if len(flags) != len(node.labels):
        raise _twice(node.labels)
    return flags


def _option(node: Node, type_: OptionType, some: Type, handles: HandleNames | None) -> Value:
    keyword = node.keyword if isinstance(node, LabelNode) else ""
    if isinstance(node, LabelNode) and keyword == "none" and node.payload is None:
        return None
    if isinstance(node, LabelNode) and keyword == "some" and node.payload is not None:
        return (bind(node.payload, some, handles),)
    if keyword in {"none", "some"}:
        reason = f"expected none, some(…) or a value of {type_text(some)}, got {_node_text(node)}"
        raise Misfit(reason, offset=node.offset)
    if isinstance(some, OptionType | ResultType):
        reason = f"expected {type_text(type_)} as none or some(…), got {_node_text(node)}"
        raise Misfit(reason, offset=node.offset)
    return (bind(node, some, handles),)


def _result(node: Node, type_: ResultType, handles: HandleNames | None) -> Value:
    keyword = node.keyword if isinstance(node, LabelNode) else ""
    if isinstance(node, LabelNode) and keyword in {"ok", "err"}:
        payload_type = type_.ok if keyword == "ok" else type_.err
        return (keyword, _payload(node, payload_type, handles))
    if type_.ok is None or isinstance(type_.ok, OptionType | ResultType):
        reason = f"expected {type_text(type_)} as ok or err, got {_node_text(node)}"
        raise Misfit(reason, offset=node.offset)
    return ("ok", bind(node, type_.ok, handles))


def _variant(node: Node, type_: VariantType, handles: HandleNames | None) -> Value:
    names = tuple(case.name for case in type_.cases)
    if not isinstance(node, LabelNode) or node.keyword:
        raise _escape_hint(node, names) or _expected(type_, node)
    for case in type_.cases:
        if case.name == node.name:
            return (case.name, _payload(node, case.type, handles))
    raise _unknown("case", node, names)


def _payload(node: LabelNode, type_: Type | None, handles: HandleNames | None) -> Value:
    if type_ is None:
        if node.payload is not None:
            raise Misfit(f"{node.name} has no payload", offset=node.payload.offset)
        return None
    if node.payload is None:
        reason = f"expected {node.name}(…) with a payload of {type_text(type_)}"
        raise Misfit(reason, offset=node.offset)
    return _bind_at(f".{node.name}", node.payload, type_, handles)
