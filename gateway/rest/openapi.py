"""OpenAPI 3.1 of the management API, from its operations: one truth for code and document."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from gateway.rest.operation import JSON, No, Operation

__all__ = ["Problem", "document"]

_REF: Final = "#/components/schemas/{name}"
_PROBLEM: Final = "application/problem+json"
# What any request may be answered with.
_FAILURES: Final = {
    400: "the request does not fit; the detail says where",
    401: "no token, or one that does not count",
    403: "the token's role does not suffice",
    404: "there is none of that name",
    409: "it exists, is in use, or cannot be done now",
    413: "the body is too large",
    415: "a body of another type is expected",
    502: "the worker failed",
    503: "the system cannot take the request now; try again",
    504: "no answer in time; what was asked for is durable",
}


class Problem(Struct, frozen=True, kw_only=True):
    """An error (RFC 9457). The last part of `type` is for programs, `detail` for people."""

    type: str
    title: str
    status: int
    detail: str
    instance: str | None = None


def document(
    operations: Sequence[Operation], *, version: str, base: str, is_open: bool = False
) -> dict[str, object]:
    """Return the document of an API that is mounted at the path `base`.

    `is_open`: whoever has no token is answered, too.
    """
    schemas = _Schemas(operations)
    paths: dict[str, dict[str, object]] = {}
    for each in operations:
        path = re.sub(r"\{\+", "{", each.path.partition("?")[0])
        paths.setdefault(path, {})[each.method.lower()] = _operation(each, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Shem management",
            "version": version,
            "summary": "Components, workers and everything about them.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": base}],
        "security": [*([{}] if is_open else []), {"token": []}],
        "paths": paths,
        "components": {
            "schemas": schemas.definitions,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "responses": {
                str(status): {
                    "description": text,
                    "content": {_PROBLEM: {"schema": schemas.of(Problem)}},
                }
                for status, text in _FAILURES.items()
            },
        },
    }


class _Schemas:
    """The schemas of all types, made together so that each has one name."""

    def __init__(self, operations: Sequence[Operation]) -> None:
        types: list[Any] = [Problem]
        for each in operations:
            types += [each.path_type, each.query_type, each.described_body]
            types += [type_ for type_ in each.answers.values() if type_ is not None]
        unique = list(dict.fromkeys(types))
        schemas, definitions = msgspec.json.schema_components(
            unique, schema_hook=_any, ref_template=_REF
        )
        self._of: dict[Any, dict[str, Any]] = dict(zip(unique, schemas, strict=True))
        self.definitions: dict[str, Any] = definitions

    def of(self, type_: Any) -> dict[str, Any]:
        return self._of[type_]

    def fields(self, type_: Any) -> Iterable[tuple[str, dict[str, Any], bool]]:
        """Yield the fields of a struct: their names, schemas, and whether they must be there."""
        schema = self.of(type_)
        found: Mapping[str, Any] = self.definitions[schema["$ref"].rpartition("/")[2]]
        for name, each in found["properties"].items():
            yield name, each, name in found.get("required", ())


def _any(type_: type) -> dict[str, Any]:
    """Return the schema of a value whose type only the component knows."""
    assert type_ is object, f"{type_} has no schema"
    return {"description": "any JSON"}


def _operation(each: Operation, schemas: _Schemas) -> dict[str, object]:
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": schema}
        for name, schema, _ in schemas.fields(each.path_type)
    ]
    parameters += [
        {"name": name, "in": "query", "required": required, "schema": schema}
        for name, schema, required in schemas.fields(each.query_type)
    ]
    answers: dict[str, object] = {
        str(status): _answer(status, type_, each.produces, schemas)
        for status, type_ in each.answers.items()
    }
    answers |= {
        str(status): {"$ref": f"#/components/responses/{status}"}
        for status in _FAILURES
        if status not in each.answers
    }
    shown: dict[str, object] = {
        "operationId": each.name,
        "summary": each.summary,
        "tags": [each.name.partition(".")[0]],
        "x-shem-role": each.role.value,
        "parameters": parameters,
        "responses": answers,
    }
    if each.body_type is not No:
        binary = each.body_type is bytes
        schema = {"contentMediaType": each.consumes} if binary else schemas.of(each.described_body)
        shown["requestBody"] = {"required": True, "content": {each.consumes: {"schema": schema}}}
    return shown


def _answer(status: int, type_: Any, produces: str, schemas: _Schemas) -> dict[str, object]:
    shown: dict[str, object] = {"description": "done" if status < 300 else "not as it was asked"}
    if type_ is not None:
        schema = {} if type_ is bytes else schemas.of(type_)
        shown["content"] = {produces if type_ is bytes else JSON: {"schema": schema}}
    return shown
