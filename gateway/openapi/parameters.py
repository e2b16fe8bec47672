"""What a request must bring, from the inputs of the programs of its route."""

from collections.abc import Iterator
from typing import Final

from gateway.deployments import LiveRoute
from rib import Input
from wit.json_readers import INTEGER_RANGES
from wit.json_schema import JsonSchemas, Schema
from wit.type_text import type_text
from wit.types import EnumType, ListType, OptionType, Primitive, RecordType, Type

__all__ = ["parameters_of", "request_body"]

_PLACES: Final = {"path": "path", "query": "query", "headers": "header", "cookies": "cookie"}
# OpenAPI has other words for them.
_UNTOLD: Final = frozenset({"accept", "content-type", "authorization", "idempotency-key"})
_BYTES: Final = ListType(Primitive.U8)


def parameters_of(live: LiveRoute) -> list[Schema]:
    """Return the parameters of an operation: path variables in order, then what programs read."""
    found: dict[tuple[str, str], Type] = {
        ("path", name): Primitive.STRING for name in live.path.variables
    }
    for each in _inputs(live):
        group, _, name = each.name.removeprefix("request.").partition(".")
        if group in _PLACES and name.lower() not in _UNTOLD:
            found[group, name] = each.type
    return [_parameter(*place, type_) for place, type_ in found.items()]


def request_body(live: LiveRoute, schemas: JsonSchemas) -> Schema | None:
    """Return the body of an operation, None if nobody reads it."""
    for each in _inputs(live):
        if each.name == "request.body":
            break
    else:
        return None
    is_optional = isinstance(each.type, OptionType)
    inner = each.type.some if isinstance(each.type, OptionType) else each.type
    content: Schema = {"application/json": {"schema": schemas.of(each.type)}}
    if inner is Primitive.STRING:
        content["text/plain"] = {"schema": {"type": "string"}}
    elif inner == _BYTES:
        content["application/octet-stream"] = {"schema": {"type": "string", "format": "binary"}}
    elif isinstance(inner, RecordType) and all(_is_plain(field.type) for field in inner.fields):
        content["application/x-www-form-urlencoded"] = {"schema": _form(inner)}
    return {"required": not is_optional, "content": content}


def _inputs(live: LiveRoute) -> Iterator[Input]:
    for program in (live.response, live.idempotency_key, live.worker, live.context):
        if program is not None:
            yield from program.inputs


def _parameter(group: str, name: str, type_: Type) -> Schema:
    is_optional = isinstance(type_, OptionType) or _is_list(type_)
    schema = _text_schema(type_)
    if group == "path" and schema == {"type": "string"}:
        schema = {"type": "string", "minLength": 1}
    return {
        "name": name,
        "in": _PLACES[group],
        "required": group == "path" or not is_optional,
        "schema": schema,
    }


def _form(record: RecordType) -> Schema:
    return {
        "type": "object",
        "properties": {each.name: _text_schema(each.type) for each in record.fields},
        "required": [
            each.name
            for each in record.fields
            if not isinstance(each.type, OptionType) and not _is_list(each.type)
        ],
        "additionalProperties": False,
    }


def _is_list(type_: Type) -> bool:
    return isinstance(type_, ListType) and type_ != _BYTES


def _is_plain(type_: Type) -> bool:
    match type_:
        case OptionType(some):
            return _is_plain(some)
        case ListType(element) if element is not Primitive.U8:
            return isinstance(element, Primitive | EnumType)
        case _:
            return isinstance(type_, Primitive | EnumType)


def _text_schema(type_: Type) -> Schema:
    """Return the schema of a value that stands in the request as text."""
    match type_:
        case OptionType(some):
            return _text_schema(some)
        case ListType(element) if element is not Primitive.U8:
            return {"type": "array", "items": _text_schema(element)}
        case EnumType(cases):
            return {"type": "string", "enum": list(cases)}
        case Primitive.STRING:
            return {"type": "string"}
        case Primitive.CHAR:
            return {"type": "string", "minLength": 1, "maxLength": 1}
        case Primitive.BOOL:
            return {"type": "boolean"}
        case Primitive.F32 | Primitive.F64:
            return {"type": "number"}
        case Primitive():
            least, most = INTEGER_RANGES[type_]
            return {"type": "integer", "minimum": least, "maximum": most}
        case _:
            return {"type": "string", "description": f"WAVE of {type_text(type_)}"}
