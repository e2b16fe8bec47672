"""What `shem wit convert` does: values and calls between WAVE, JSON and node lists."""

from pathlib import Path
from typing import assert_never

import msgspec
from msgspec import Struct

from shem.cli.output import Output
from shem.cli.wit import Notation
from shem.cli.wit_input import NamedWorld, read, reporting, text_of, world_of
from wit.errors import ParseError, WitError
from wit.json_values import (
    decode_json,
    parameters_from_json,
    parameters_to_json,
    parse_json,
    to_json,
)
from wit.names import full_name, resolve
from wit.packed import pack
from wit.text.type_expression import names_of, parse_type
from wit.type_text import type_text
from wit.typed_json import to_typed_json
from wit.types import FunctionType, Type
from wit.values import Value
from wit.wave import bind_arguments, format_call, format_value, parse_call, parse_value
from wit.wit_value import to_wit_value
from wit.world import World

__all__ = ["convert"]


class Message(Struct, frozen=True, forbid_unknown_fields=True):
    """A call as messages write it."""

    function: str
    params: msgspec.Raw = msgspec.Raw(b"[]")


def convert(
    output: Output,
    value: str,
    type_: str | None,
    path: Path | None,
    *,
    world: str | None,
    to: Notation | None,
) -> None:
    """Print a value of a type, or without a type a call of a function at a path, converted."""
    with reporting(output):
        named = None if path is None else world_of(read(path), world)
        text = text_of(value)
        if type_ is None:
            assert named is not None, "the command refuses to have neither"
            document, shown = _call(text, named, to)
        else:
            document, shown = _value(text, type_, named, to)
    output.document(document, lambda console: console.print(shown, markup=False))


def _value(
    text: str, type_text_: str, named: NamedWorld | None, to: Notation | None
) -> tuple[dict[str, object], str]:
    type_ = parse_type(type_text_, () if named is None else names_of(named.world))
    value, notation = _read_value(text, type_)
    shown = _written(value, type_, to or _other(notation))
    document: dict[str, object] = {
        "type": type_text(type_),
        "wave": format_value(value, type_),
        "json": to_json(value, type_),
    }
    match to:
        case Notation.NODES:
            document["nodes"] = _nodes(value, type_)
        case Notation.TYPED:
            document["typed"] = to_typed_json(value, type_)
        case Notation.PACKED:
            document["packed"] = pack(value, type_).hex()
        case Notation.WAVE | Notation.JSON | None:
            pass
        case _:
            assert_never(to)
    return document, shown


def _read_value(text: str, type_: Type) -> tuple[Value, Notation]:
    # Whatever is valid in both notations means the same in both.
    if _is_json(text):
        return decode_json(text.encode(), type_), Notation.JSON
    return parse_value(text, type_), Notation.WAVE


def _call(text: str, named: NamedWorld, to: Notation | None) -> tuple[dict[str, object], str]:
    if to not in {Notation.WAVE, Notation.JSON, None}:
        raise WitError(f"a call has no form {to}: name a type by --type to convert one value")
    function, type_, values, notation = _read_call(text, named.world)
    wave = format_call(function, values, type_.parameters)
    params = parameters_to_json(values, type_)
    message: dict[str, object] = {"function": function, "params": params}
    shown = wave if (to or _other(notation)) is Notation.WAVE else _json_text(message)
    return {**message, "wave": wave}, shown


def _read_call(text: str, world: World) -> tuple[str, FunctionType, list[Value], Notation]:
    if _is_json(text):
        try:
            message = msgspec.json.decode(text, type=Message)
        except msgspec.ValidationError as error:
            raise WitError(
                f'a call is an object like {{"function": "add", "params": [5]}}: {error}'
            ) from error
        found = resolve(world, message.function)
        params = parse_json(bytes(message.params))
        return full_name(found), found.type, parameters_from_json(params, found.type), Notation.JSON
    call = parse_call(text)
    if call.constructor is not None:
        raise WitError(
            "the constructor and the method of a resource are two functions: convert the"
            " arguments of each by its own name"
        )
    found = resolve(world, call.function)
    return full_name(found), found.type, bind_arguments(call, found.type), Notation.WAVE


def _is_json(text: str) -> bool:
    try:
        parse_json(text.encode())
    except ParseError:
        return False
    return True


def _other(notation: Notation) -> Notation:
    return Notation.WAVE if notation is Notation.JSON else Notation.JSON


def _written(value: Value, type_: Type, to: Notation) -> str:
    match to:
        case Notation.WAVE:
            return format_value(value, type_)
        case Notation.JSON:
            return _json_text(to_json(value, type_))
        case Notation.NODES:
            return _json_text(_nodes(value, type_))
        case Notation.TYPED:
            return _json_text(to_typed_json(value, type_))
        case Notation.PACKED:
            return pack(value, type_).hex()
        case _:
            assert_never(to)


def _nodes(value: Value, type_: Type) -> object:
    """Return the node list as JSON, in the mapping of all values."""
    nodes: list[tuple[str, Value]] = to_wit_value(value, type_)["nodes"]
    return {"nodes": [{case: _payload(case, payload)} for case, payload in nodes]}


def _payload(case: str, payload: Value) -> object:
    match case:
        case "option-value":
            return _optional(payload)
        case "variant-value":
            return [payload[0], _optional(payload[1])]
        case "result-value":
            return {payload[0]: _optional(payload[1])}
        case _:
            return payload


def _optional(index: tuple[int] | None) -> int | None:
    return None if index is None else index[0]


def _json_text(value: object) -> str:
    return msgspec.json.encode(value).decode()
