"""API definitions as people write them, in JSON or YAML: routes and what they are bound to."""

from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

import msgspec
from msgspec import Struct

from gateway.errors import DefinitionError
from gateway.limits import DEFINITION_BYTES_MAX, ROUTES_MAX
from gateway.paths import PathError, parse_path

__all__ = [
    "ApiDefinition",
    "Binding",
    "CorsBinding",
    "DefaultBinding",
    "Method",
    "Route",
    "decode_definition",
    "validated",
]

Method: TypeAlias = Literal["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]
_NAME_MAX: Final = 100


class Base(Struct, frozen=True, forbid_unknown_fields=True, rename="kebab", tag_field="type"):
    """What bindings have."""


class DefaultBinding(Base, frozen=True, tag="default"):
    """A response in Rib. `components` are those in scope, all of them if none is named.

    `idempotency_key` is Rib, too, and gives a string; without it the `Idempotency-Key` header
    counts.
    """

    response: str
    components: tuple[str, ...] = ()
    idempotency_key: str | None = None


class CorsBinding(Base, frozen=True, tag="cors-preflight"):
    """Answers preflight requests of browsers, and lets other origins read the path's responses."""

    allow_origin: str = "*"
    allow_methods: str = "GET, POST, PUT, PATCH, DELETE, OPTIONS"
    allow_headers: str = "Content-Type, Authorization, Idempotency-Key"
    expose_headers: str | None = None
    allow_credentials: bool = False
    max_age_s: int | None = None


Binding: TypeAlias = DefaultBinding | CorsBinding


class Route(Struct, frozen=True, forbid_unknown_fields=True):
    """Requests of a method and a path, and what answers them."""

    method: Method
    path: str
    binding: Binding


class ApiDefinition(Struct, frozen=True, forbid_unknown_fields=True):
    """A version of an API. What is no draft never changes."""

    id: str
    version: str
    routes: tuple[Route, ...]
    draft: bool = False


def decode_definition(data: bytes | Mapping[str, object]) -> ApiDefinition:
    """Return the definition that JSON bytes or decoded YAML say.

    Raises:
        DefinitionError: it is none, with the place of what does not fit.
    """
    try:
        if isinstance(data, bytes):
            if len(data) > DEFINITION_BYTES_MAX:
                reason = f"the definition has {len(data)} bytes, at most {DEFINITION_BYTES_MAX}"
                raise DefinitionError((reason,))
            found = msgspec.json.decode(data, type=ApiDefinition)
        else:
            found = msgspec.convert(data, ApiDefinition)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DefinitionError((f"the definition does not fit: {error}",)) from error
    return validated(found)


def validated(definition: ApiDefinition) -> ApiDefinition:
    """Return a definition whose names and paths are right.

    Raises:
        DefinitionError: with everything that is wrong.
    """
    findings: list[str] = []
    for what, text in (("id", definition.id), ("version", definition.version)):
        if not text or len(text) > _NAME_MAX or any(each in text for each in "/\\ \t\r\n"):
            findings.append(f"{what} {text!r}: 1 to {_NAME_MAX} characters, no spaces, no slashes")
    if not definition.routes:
        findings.append("routes: there must be at least one")
    if len(definition.routes) > ROUTES_MAX:
        findings.append(f"routes: {len(definition.routes)}, at most {ROUTES_MAX}")
    for index, route in enumerate(definition.routes[:ROUTES_MAX]):
        place = f"routes[{index}] ({route.method} {route.path})"
        try:
            parse_path(route.path)
        except PathError as error:
            findings.append(f"{place}: {error}")
        if isinstance(route.binding, CorsBinding) and route.method != "OPTIONS":
            findings.append(f"{place}: cors-preflight answers OPTIONS, not {route.method}")
    if findings:
        raise DefinitionError(tuple(findings))
    return definition
