"""WAVE, the text form of component values and calls: `add(5)`, `{name: "x", tags: ["a"]}`.

The forms are written down in `docs/VALUES.md`. This is the door; parsing, binding and nodes have
their own files.

Source: the WAVE format description of the wasm-tools project (crate wasm-wave).
"""

import re
from collections.abc import Sequence
from typing import Final, assert_never

from wit.checking import check
from wit.errors import ValueMismatchError
from wit.json_readers import INTEGER_RANGES, HandleNames
from wit.json_writers import shortest_f32
from wit.limits import WAVE_CHARACTERS_MAX
from wit.misfit import Misfit
from wit.type_text import type_text
from wit.types import (
    Borrow,
    EnumType,
    ErrorContextType,
    FixedListType,
    FlagsType,
    FunctionType,
    FutureType,
    ListType,
    MapType,
    OptionType,
    Own,
    Parameter,
    Primitive,
    RecordType,
    ResultType,
    StreamType,
    TupleType,
    Type,
    VariantType,
)
from wit.values import Value
from wit.wave_binding import bind
from wit.wave_fast import LONG_TEXT_CHARACTERS, NotPlainError, quick_value
from wit.wave_nodes import KEYWORDS, Call, Node, Outcome
from wit.wave_syntax import parse_call, parse_outcome, parse_value_text

__all__ = [
    "Call",
    "Outcome",
    "bind_arguments",
    "bind_nodes",
    "bind_result",
    "format_call",
    "format_outcome",
    "format_value",
    "parse_call",
    "parse_outcome",
    "parse_value",
]


def bind_result(
    outcome: Outcome, function: FunctionType, handles: HandleNames | None = None
) -> Value:
    """Return the result of a call in the function's result type, None if it has none.

    Raises:
        ValueMismatchError: another type, a result too many or too few; the path is `result`.
    """
    node, type_ = outcome.result, function.result
    if node is None or type_ is None:
        if node is not None or type_ is not None:
            expected, got = type_text(type_) if type_ else "no result", "one" if node else "none"
            raise ValueMismatchError(f"expected {expected}, got {got}", path="result")
        return None
    try:
        return bind(node, type_, handles)
    except Misfit as misfit:
        raise misfit.mismatch("result", text=outcome.call.text) from None


def bind_arguments(
    call: Call, function: FunctionType, handles: HandleNames | None = None
) -> list[Value]:
    """Return the arguments of a call in the order of the function's parameters.

    Trailing options may be left out. Paths of errors begin with `params`.

    Raises:
        ValueMismatchError: wrong number or wrong type; the message shows the place in the text.
    """
    return bind_nodes(call.arguments, function.parameters, text=call.text, handles=handles)


def bind_nodes(
    nodes: Sequence[Node],
    parameters: Sequence[Parameter],
    *,
    text: str,
    root: str = "params",
    handles: HandleNames | None = None,
) -> list[Value]:
    """Return values for parameters: those of a function, or of the constructor in a call.

    Args:
        nodes: Arguments as parsed.
        parameters: What they are for; trailing options may have no argument.
        text: The text that the nodes come from, for errors.
        root: What the paths of errors begin with.
        handles: Turns URNs into handles. None refuses handles.

    Raises:
        ValueMismatchError: wrong number or wrong type.
    """
    if len(nodes) != len(parameters) and not _may_be_left_out(parameters[len(nodes) :]):
        expected = ", ".join(f"{p.name}: {type_text(p.type)}" for p in parameters) or "none"
        reason = f"expected {len(parameters)} arguments ({expected}), got {len(nodes)}"
        raise ValueMismatchError(reason, path=root)
    values: list[Value] = []
    for index, node in enumerate(nodes):
        try:
            values.append(bind(node, parameters[index].type, handles))
        except Misfit as misfit:
            raise misfit.mismatch(f"{root}[{index}]", text=text) from None
    return values + [None] * (len(parameters) - len(nodes))


def _may_be_left_out(parameters: Sequence[Parameter]) -> bool:
    # There are none behind the last argument if there are too many arguments.
    return bool(parameters) and all(isinstance(each.type, OptionType) for each in parameters)


def parse_value(text: str, type_: Type, handles: HandleNames | None = None) -> Value:
    """Return the value that the text stands for in a type.

    Raises:
        ParseError: no WAVE, with line, column and what was expected there.
        ValueMismatchError: no value of this type; the message shows the place in the text.
    """
    if LONG_TEXT_CHARACTERS < len(text) <= WAVE_CHARACTERS_MAX:
        try:
            return quick_value(text, type_)
        except NotPlainError:
            pass
    node = parse_value_text(text)
    try:
        return bind(node, type_, handles)
    except Misfit as misfit:
        raise misfit.mismatch(text=text) from None


def format_value(value: Value, type_: Type, handles: HandleNames | None = None) -> str:
    """Return the text of a value, all on one line, options and results in their explicit form.

    The value is trusted to have the type.

    Raises:
        ValueMismatchError: it has another shape, or contains a handle that cannot be named.
    """
    try:
        return _format(value, type_, handles)
    except Misfit as misfit:
        raise misfit.mismatch() from None
    except (TypeError, ValueError, KeyError, AttributeError):
        check(value, type_)
        raise


def format_outcome(
    function: str,
    values: Sequence[Value],
    result: Value,
    type_: FunctionType,
    handles: HandleNames | None = None,
) -> str:
    """Return the text of a call with its result. Errors as for `format_value`."""
    call = format_call(function, values, type_.parameters, handles)
    if type_.result is None:
        return f"{call} -> ()"
    return f"{call} -> {format_value(result, type_.result, handles)}"


def format_call(
    function: str,
    values: Sequence[Value],
    parameters: Sequence[Parameter],
    handles: HandleNames | None = None,
) -> str:
    """Return the text of a call with a value for each parameter. Errors as for `format_value`."""
    arguments = [
        format_value(value, parameter.type, handles)
        for value, parameter in zip(values, parameters, strict=True)
    ]
    return f"{function}({', '.join(arguments)})"


_STRING_SPECIAL: Final = re.compile(
    '["\\\\\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]'
)
_CHAR_SPECIAL: Final = re.compile(_STRING_SPECIAL.pattern.replace('["', "['"))
_ESCAPES: Final = {
    '"': '\\"',
    "'": "\\'",
    "\\": "\\\\",
    "\t": "\\t",
    "\n": "\\n",
    "\r": "\\r",
}


def _escape(found: re.Match[str]) -> str:
    character = found[0]
    return _ESCAPES.get(character) or f"\\u{{{ord(character):x}}}"


def _case(name: str) -> str:
    return f"%{name}" if name in KEYWORDS else name


def _primitive_text(value: Value, type_: Primitive) -> str:
    match type_:
        case Primitive.BOOL:
            return "true" if value else "false"
        case Primitive.STRING:
            return f'"{_STRING_SPECIAL.sub(_escape, value)}"'
        case Primitive.CHAR:
            return f"'{_CHAR_SPECIAL.sub(_escape, value)}'"
        case Primitive.F32:
            return repr(shortest_f32(value))
        case Primitive.F64:
            return repr(float(value))
        case _:
            return str(value)


def _format(value: Value, type_: Type, handles: HandleNames | None) -> str:
    match type_:
        case Primitive():
            return _primitive_text(value, type_)
        case RecordType(fields):
            members = [
                f"{field.name}: {_format(value[field.name], field.type, handles)}"
                for field in fields
            ]
            return f"{{{', '.join(members) or ':'}}}"
        case ListType(Primitive() as element) | FixedListType(Primitive() as element) if (
            element in INTEGER_RANGES
        ):
            # Bytes are such a list: each on its own takes twenty times as long.
            return f"[{', '.join(map(str, value))}]"
        case ListType(element) | FixedListType(element):
            return f"[{', '.join([_format(item, element, handles) for item in value])}]"
        case TupleType(elements):
            items = zip(value, elements, strict=True)
            return f"({', '.join([_format(item, element, handles) for item, element in items])})"
        case OptionType(some):
            return "none" if value is None else f"some({_format(value[0], some, handles)})"
        case VariantType(cases):
            name, payload = value
            (payload_type,) = (case.type for case in cases if case.name == name)
            return _case(name) + _payload_text(payload, payload_type, handles)
        case ResultType(ok, err):
            name, payload = value
            return f"{name}{_payload_text(payload, ok if name == 'ok' else err, handles)}"
        case EnumType():
            return _case(value)
        case FlagsType(labels):
            return f"{{{', '.join([label for label in labels if label in value])}}}"
        case MapType():
            pairs = [
                f"({_format(key, type_.key, handles)}, {_format(member, type_.value, handles)})"
                for key, member in value.items()
            ]
            return f"[{', '.join(pairs)}]"
        case Own(resource) | Borrow(resource):
            if handles is None:
                raise Misfit(f"{type_text(type_)} cannot be shown outside")
            return _primitive_text(handles.urn_of(value, resource), Primitive.STRING)
        case FutureType() | StreamType() | ErrorContextType():
            raise Misfit(f"{type_text(type_)} cannot be shown outside")
        case _:
            assert_never(type_)


def _payload_text(payload: Value, type_: Type | None, handles: HandleNames | None) -> str:
    return "" if type_ is None else f"({_format(payload, type_, handles)})"
