"""What is deployed as an OpenAPI 3.1 document with all types; imported it is the definition."""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

import msgspec

from gateway.definitions import NO_LIMITS
from gateway.deployments import ApiName, LiveRoute
from gateway.limits import KEY_CHARACTERS_MAX
from gateway.openapi.answers import PROBLEM, PROBLEM_SCHEMA, responses_of
from gateway.openapi.names import API_DRAFT, API_ID, API_VERSION, BINDING, LIMITS, PATH
from gateway.openapi.parameters import parameters_of, request_body
from gateway.openapi.secured import scheme_schema
from gateway.paths import Path
from gateway.security.schemes import Scheme
from wit.json_schema import JsonSchemas, Schema

__all__ = ["document"]

NO_SCHEMES: Final[Mapping[str, Scheme]] = MappingProxyType({})
_KEY: Final[Schema] = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "A request that is repeated under its key is the same invocation.",
    "schema": {"type": "string", "minLength": 1, "maxLength": KEY_CHARACTERS_MAX},
}


def document(
    name: ApiName,
    routes: Sequence[LiveRoute],
    *,
    schemes: Mapping[str, Scheme] = NO_SCHEMES,
    server: str = "/",
    draft: bool = False,
) -> Schema:
    """Return the document of an API, of its routes; `server` is where its paths begin."""
    schemas = JsonSchemas("#/components/schemas/")
    # Before any other: its name is used by references that are not made by `schemas`.
    schemas.definitions[PROBLEM] = PROBLEM_SCHEMA
    paths: dict[str, Schema] = {}
    told_of = [each for each in routes if not each.route.is_derived]
    plain = {(each.method, _template(each.path)) for each in told_of if not each.path.has_rest}
    ids: set[str] = set()
    for live in told_of:
        template = _template(live.path)
        if live.path.has_rest and (live.method, template) in plain:
            # Another route takes one segment there: OpenAPI knows no difference but the name.
            template = _template(live.path, mark="+")
        operation = _operation(live, template, schemas)
        operation["operationId"] = _unique(operation["operationId"], ids)
        paths.setdefault(template, {})[live.method.lower()] = operation
    used = {each.scheme for live in routes for each in live.route.security}
    told = {each: scheme_schema(schemes[each]) for each in sorted(used) if each in schemes}
    return {
        "openapi": "3.1.0",
        "info": {"title": name.id, "version": name.version},
        API_ID: name.id,
        API_VERSION: name.version,
        # Else who stores the document would publish what was a draft, for ever.
        **({API_DRAFT: True} if draft else {}),
        "servers": [{"url": server}],
        "paths": paths,
        "components": {
            "schemas": schemas.definitions,
            **({"securitySchemes": told} if told else {}),
        },
    }


def _operation(live: LiveRoute, template: str, schemas: JsonSchemas) -> Schema:
    route = live.route
    made: Schema = {"operationId": _operation_id(live.method, live.path)}
    parameters = parameters_of(live)
    if "{+" in template:
        rest = live.path.segments[-1].text
        for each in parameters:
            if (each["in"], each["name"]) == ("path", rest):
                each["name"] = f"+{rest}"
    if live.takes_key:
        parameters.append(_KEY)
    if parameters:
        made["parameters"] = parameters
    body = request_body(live, schemas)
    if body is not None:
        made["requestBody"] = body
    made["responses"] = responses_of(live, schemas)
    if route.security:
        made["security"] = [{each.scheme: list(each.scopes)} for each in route.security]
    made[BINDING] = msgspec.to_builtins(route.binding)
    if route.limits != NO_LIMITS:
        made[LIMITS] = msgspec.to_builtins(route.limits)
    if template != route.path:
        made[PATH] = route.path
    return made


def _template(path: Path, *, mark: str = "") -> str:
    """Return a path as OpenAPI has it; `mark` goes before the name of what takes all the rest."""
    marks = {"rest": mark, "variable": ""}
    parts = [
        each.text if each.kind == "literal" else f"{{{marks[each.kind]}{each.text}}}"
        for each in path.segments
    ]
    return "/" + "/".join(parts)


def _unique(name: str, taken: set[str]) -> str:
    found, number = name, 1
    while found in taken:
        number += 1
        found = f"{name}_{number}"
    taken.add(found)
    return found


def _operation_id(method: str, path: Path) -> str:
    words: Iterable[str] = (each.text for each in path.segments if each.text)
    return "_".join([method.lower(), *words]).replace("/", "_")
