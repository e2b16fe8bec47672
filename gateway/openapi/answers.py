"""What an operation may answer, from the type and the text of its program."""

from typing import Final, assert_never

from gateway.definitions import (
    CorsBinding,
    DefaultBinding,
    FileServerBinding,
    HttpHandlerBinding,
    SwaggerUiBinding,
    WebsocketBinding,
)
from gateway.deployments import LiveRoute
from gateway.responses import offered_for
from rib import Program, literals_at
from wit.json_schema import JsonSchemas, Schema
from wit.types import RecordType, Type

__all__ = ["PROBLEM", "PROBLEM_SCHEMA", "responses_of"]

PROBLEM: Final = "Problem"
PROBLEM_SCHEMA: Final[Schema] = {
    "type": "object",
    "description": "RFC 9457",
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string", "format": "uri"},
    },
    "required": ["type", "title", "status", "detail"],
}
_PROBLEMS: Final[Schema] = {
    "description": "an error",
    "content": {
        "application/problem+json": {"schema": {"$ref": f"#/components/schemas/{PROBLEM}"}}
    },
}
_ANYTHING: Final[Schema] = {"*/*": {}}
_PARTS: Final = frozenset({"status", "headers", "body"})
_BARE: Final = frozenset({"204", "304"})


def responses_of(live: LiveRoute, schemas: JsonSchemas) -> Schema:
    """Return the responses of an operation by status."""
    binding = live.route.binding
    found: Schema
    match binding:
        case DefaultBinding():
            assert live.response is not None
            found = _of_program(live.response, schemas)
        case FileServerBinding():
            found = {
                "200": {"description": "the file", "content": _ANYTHING},
                "206": {"description": "a part of the file", "content": _ANYTHING},
                "304": {"description": "the client has it"},
            }
        case HttpHandlerBinding():
            found = {"default": {"description": "what the handler answers", "content": _ANYTHING}}
        case SwaggerUiBinding():
            found = {"200": {"description": "a page", "content": {"text/html": {}}}}
        case WebsocketBinding():
            found = {"101": {"description": "a websocket"}}
        case CorsBinding():
            found = {"204": {"description": "what pages of other origins may do"}}
        case _:
            assert_never(binding)
    if "default" in found:
        return found
    return {**found, "4XX": _PROBLEMS, "5XX": _PROBLEMS}


def _of_program(program: Program, schemas: JsonSchemas) -> Schema:
    type_ = program.result
    fields: dict[str, Type] = {}
    if isinstance(type_, RecordType):
        fields = {field.name: field.type for field in type_.fields}
    if not fields or not fields.keys() <= _PARTS:
        return {"200": _response(type_, None, schemas)}
    kinds = literals_at(program.text, ("headers", "content-type"))
    body = _response(fields.get("body"), kinds, schemas)
    if "status" not in fields:
        return {"200": body}
    statuses = literals_at(program.text, ("status",))
    if statuses is None:
        # Only a run can tell: whatever it is, it has this body, or is an error.
        problems = _PROBLEMS["content"]
        content = {**body.get("content", {}), **problems}
        return {"default": {"description": "what the program says", "content": content}}
    bare = {"description": "nothing"}
    return {each: bare if each in _BARE else body for each in sorted(statuses)}


def _response(type_: Type | None, kinds: frozenset[str] | None, schemas: JsonSchemas) -> Schema:
    """Return a response with a body of a type, in content types that the program says, or ours."""
    if type_ is None:
        return {"description": "nothing"}
    content: Schema = {}
    for kind in sorted(kinds or offered_for(type_)):
        plain = kind.partition(";")[0].strip()
        is_json = plain == "application/json" or plain.endswith("+json")
        content[plain] = {"schema": schemas.of(type_)} if is_json else {}
    if kinds is None and not content:
        content = _ANYTHING
    return {"description": "the result", "content": content}
