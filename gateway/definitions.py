"""API definitions as people write them, in JSON or YAML: routes and what they are bound to."""

from collections.abc import Mapping
from typing import Final, Literal, TypeAlias, get_args

import msgspec
from msgspec import Struct

from gateway.errors import DefinitionError
from gateway.limits import (
    BODY_BYTES_RANGE,
    DEFINITION_BYTES_MAX,
    RATE_PERIOD_S_MAX,
    RATE_REQUESTS_MAX,
    ROUTES_MAX,
    STREAMED_BYTES_RANGE,
    TIMEOUT_S_MAX,
)
from gateway.openapi.importing import as_definition, is_document
from gateway.paths import PathError, parse_path

__all__ = [
    "NO_LIMITS",
    "ApiDefinition",
    "Binding",
    "CorsBinding",
    "DefaultBinding",
    "FileServerBinding",
    "HttpHandlerBinding",
    "Limits",
    "Method",
    "Rate",
    "Requirement",
    "Route",
    "SwaggerUiBinding",
    "WebsocketBinding",
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
    counts. `invocation_context`, Rib once more, gives a record: `trace-id`, `span-id` and
    `trace-state` put the invocations into a trace, all other fields are attributes of them.
    """

    response: str
    components: tuple[str, ...] = ()
    idempotency_key: str | None = None
    invocation_context: str | None = None


class CorsBinding(Base, frozen=True, tag="cors-preflight"):
    """Answers preflight requests of browsers, and lets other origins read the path's responses."""

    allow_origin: str = "*"
    allow_methods: str = "GET, POST, PUT, PATCH, DELETE, OPTIONS"
    allow_headers: str = "Content-Type, Authorization, Idempotency-Key"
    expose_headers: str | None = None
    allow_credentials: bool = False
    max_age_s: int | None = None


class FileServerBinding(Base, frozen=True, tag="file-server"):
    """Answers with a file. `file` is Rib and gives its path, or a record with it.

    `worker` is Rib, too, and gives the worker whose file it is; without it, files are those that
    the component was uploaded with.
    """

    component: str
    file: str
    worker: str | None = None


class HttpHandlerBinding(Base, frozen=True, tag="http-handler"):
    """Hands requests to the `wasi:http/incoming-handler` of a component.

    `worker` is Rib and gives the worker; without it each request has a worker of its own.
    `idempotency_key` and `invocation_context` as for a response in Rib.
    """

    component: str
    worker: str | None = None
    idempotency_key: str | None = None
    invocation_context: str | None = None


class WebsocketBinding(Base, frozen=True, tag="websocket"):
    """Clients stay connected, and are passed to a worker, which sends to them when it wants.

    `worker` is Rib and gives its name. Functions of the component: `on_message` gets the client and
    what it sent, `on_open` and `on_close` the client. Pages of `allow_origin` (patterns, several
    with commas) may connect, besides those of the host itself.
    """

    component: str
    worker: str
    on_message: str
    on_open: str | None = None
    on_close: str | None = None
    allow_origin: str = ""


class SwaggerUiBinding(Base, frozen=True, tag="swagger-ui"):
    """Shows the API as a page, and as an OpenAPI document below it."""


_BINDINGS: Final = (
    "default",
    "file-server",
    "http-handler",
    "websocket",
    "cors-preflight",
    "swagger-ui",
)
Binding: TypeAlias = (
    DefaultBinding
    | CorsBinding
    | FileServerBinding
    | HttpHandlerBinding
    | SwaggerUiBinding
    | WebsocketBinding
)


class Rate(Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """How often one client may ask: `requests` at once, which come back in `per_s` seconds."""

    requests: int
    per_s: float = 1.0


class Limits(Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """Bounds of a route's requests; what is None is the gateway's.

    `timeout_s` is for each call of a worker.
    """

    body_bytes: int | None = None
    timeout_s: float | None = None
    rate: Rate | None = None


NO_LIMITS: Final = Limits()


class Requirement(Struct, frozen=True, forbid_unknown_fields=True):
    """A security scheme by which requests are let in, and the scopes that they need."""

    scheme: str
    scopes: tuple[str, ...] = ()


class Route(Struct, frozen=True, forbid_unknown_fields=True):
    """Requests of a method and a path, and what answers them.

    A request has to meet one of `security`; with none of them the route is open to all.
    """

    method: Method
    path: str
    binding: Binding
    limits: Limits | None = None
    security: tuple[Requirement, ...] | None = None


class ApiDefinition(Struct, frozen=True, forbid_unknown_fields=True):
    """A version of an API. What is no draft never changes.

    `limits` and `security` hold for routes that say none.
    """

    id: str
    version: str
    routes: tuple[Route, ...]
    draft: bool = False
    limits: Limits = NO_LIMITS
    security: tuple[Requirement, ...] = ()


def decode_definition(data: bytes | Mapping[str, object]) -> ApiDefinition:
    """Return the definition that JSON bytes or decoded YAML say, also as an OpenAPI document.

    Raises:
        DefinitionError: it is none, with the place of what does not fit.
    """
    try:
        if isinstance(data, bytes):
            if len(data) > DEFINITION_BYTES_MAX:
                reason = f"the definition has {len(data)} bytes, at most {DEFINITION_BYTES_MAX}"
                raise DefinitionError((reason,))
            data = msgspec.json.decode(data, type=dict[str, object])
        if is_document(data):
            data = as_definition(data)
        found = msgspec.convert(data, ApiDefinition)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        reason = f"the definition does not fit: {error}{_expected(str(error))}"
        raise DefinitionError((reason,)) from error
    return validated(found)


def _expected(reason: str) -> str:
    """Return what may stand where something else stands, if there are a few words for it."""
    for place, words in ((".binding.type`", _BINDINGS), (".method`", get_args(Method))):
        if reason.endswith(place):
            return f"; expected {', '.join(words)}"
    return ""


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
    findings += _limit_findings("limits", definition.limits)
    for index, route in enumerate(definition.routes[:ROUTES_MAX]):
        place = f"routes[{index}] ({route.method} {route.path})"
        try:
            parse_path(route.path)
        except PathError as error:
            findings.append(f"{place}: {error}")
        if isinstance(route.binding, CorsBinding) and route.method != "OPTIONS":
            findings.append(f"{place}: cors-preflight answers OPTIONS, not {route.method}")
        if isinstance(route.binding, CorsBinding):
            findings += [f"{place}: {each}" for each in _unsent(route.binding)]
        if isinstance(route.binding, WebsocketBinding) and route.method != "GET":
            findings.append(f"{place}: a websocket begins with GET, not {route.method}")
        if isinstance(route.binding, SwaggerUiBinding) and (
            route.method != "GET" or "{" in route.path or "?" in route.path
        ):
            findings.append(f"{place}: swagger-ui answers GET at a path without variables")
        if isinstance(route.binding, FileServerBinding) and route.method != "GET":
            findings.append(f"{place}: file-server answers GET, not {route.method}")
        if route.limits is not None:
            is_streamed = isinstance(route.binding, HttpHandlerBinding)
            sizes = STREAMED_BYTES_RANGE if is_streamed else BODY_BYTES_RANGE
            findings += _limit_findings(f"{place}: limits", route.limits, sizes)
    if findings:
        raise DefinitionError(tuple(findings))
    return definition


def _unsent(binding: CorsBinding) -> list[str]:
    """Refuse what no header takes: every response of the path would fail."""
    return [
        f"{name}: expected visible ASCII characters, got {text!r}"
        for name, text in (
            ("allow-origin", binding.allow_origin),
            ("allow-methods", binding.allow_methods),
            ("allow-headers", binding.allow_headers),
            ("expose-headers", binding.expose_headers or ""),
        )
        if not (text.isascii() and text.isprintable())
    ]


def _limit_findings(
    place: str, limits: Limits, sizes: tuple[int, int] = BODY_BYTES_RANGE
) -> list[str]:
    rate = limits.rate
    ranges = (
        ("body-bytes", limits.body_bytes, *sizes),
        ("timeout-s", limits.timeout_s, 0.001, TIMEOUT_S_MAX),
        ("rate: requests", None if rate is None else rate.requests, 1, RATE_REQUESTS_MAX),
        ("rate: per-s", None if rate is None else rate.per_s, 0.001, RATE_PERIOD_S_MAX),
    )
    return [
        f"{place}: {name}: expected {least} to {most}, got {value}"
        for name, value, least, most in ranges
        if value is not None and not least <= value <= most
    ]
