"""What is deployed where: stored as one value for each site, so that it changes at once."""

from typing import Final

import msgspec
from msgspec import Struct

from gateway.clients.records import Target
from gateway.definitions import (
    NO_LIMITS,
    ApiDefinition,
    Binding,
    DefaultBinding,
    HttpHandlerBinding,
    Limits,
    Requirement,
)
from gateway.paths import Path, parse_path
from rib import Program, ProgramFormatError

__all__ = [
    "DEFINITIONS",
    "SITES",
    "ApiName",
    "CompiledRoute",
    "Deployment",
    "LiveRoute",
    "definition_key",
    "site_key",
]

DEFINITIONS: Final = "definition/"
SITES: Final = "site/"


class ApiName(Struct, frozen=True, order=True):
    """A version of an API."""

    id: str
    version: str

    def __str__(self) -> str:
        return f"{self.id}@{self.version}"


class CompiledRoute(Struct, frozen=True):
    """A route with its programs as stored code, so that nothing is parsed where requests come.

    `response` is also the program that names a file, or that calls a component's handler. `clients`
    says what becomes of connected clients.
    """

    api: ApiName
    method: str
    path: str
    binding: Binding
    response: bytes | None = None
    idempotency_key: bytes | None = None
    limits: Limits = NO_LIMITS
    worker: bytes | None = None
    security: tuple[Requirement, ...] = ()
    is_derived: bool = False
    """Whether no definition says it: the parts of a page, which lie below the page."""
    clients: Target | None = None
    context: bytes | None = None

    @property
    def programs(self) -> tuple[bytes, ...]:
        """The code of all its programs."""
        found = (self.response, self.idempotency_key, self.worker, self.context)
        return tuple(each for each in found if each is not None)


class Deployment(Struct, frozen=True):
    """All of a site. `created_at_ms` is Unix time."""

    host: str
    apis: tuple[ApiName, ...]
    routes: tuple[CompiledRoute, ...]
    created_at_ms: int


class LiveRoute(Struct, frozen=True):
    """A route ready to take requests."""

    route: CompiledRoute
    path: Path
    response: Program | None
    idempotency_key: Program | None
    worker: Program | None = None
    context: Program | None = None

    @property
    def api(self) -> str:
        """The definition it comes from."""
        return str(self.route.api)

    @property
    def method(self) -> str:
        """The HTTP method."""
        return self.route.method

    @property
    def takes_key(self) -> bool:
        """Whether `Idempotency-Key` counts."""
        is_bound = isinstance(self.route.binding, DefaultBinding | HttpHandlerBinding)
        return is_bound and self.idempotency_key is None

    @property
    def reads_body(self) -> bool:
        """Whether a program besides the one that answers looks into the body."""
        programs = (self.idempotency_key, self.worker, self.context)
        return any(
            given.name.startswith("request.body")
            for program in programs
            if program is not None
            for given in program.inputs
        )

    @classmethod
    def of(cls, route: CompiledRoute) -> "LiveRoute":
        """Return a stored route ready to take requests.

        Raises:
            ProgramFormatError: its code was stored by another version of Shem; deploy it again.
        """
        return cls(
            route,
            parse_path(route.path),
            _program(route.response),
            _program(route.idempotency_key),
            _program(route.worker),
            _program(route.context),
        )


def _program(code: bytes | None) -> Program | None:
    return None if code is None else Program.decode(code)


def definition_key(name: ApiName) -> str:
    """Return where a definition is kept."""
    return f"{DEFINITIONS}{name.id}/{name.version}"


def site_key(host: str) -> str:
    """Return where the deployment of a host is kept."""
    return f"{SITES}{host}"


def decode_deployment(data: bytes) -> Deployment:
    """Return a stored deployment.

    Raises:
        ProgramFormatError: another version of Shem stored it.
    """
    try:
        return msgspec.json.decode(data, type=Deployment)
    except msgspec.DecodeError as error:
        raise ProgramFormatError(f"the deployment cannot be read: {error}") from error


def decode_stored_definition(data: bytes) -> ApiDefinition:
    """Return a stored definition, which was checked when it was stored."""
    return msgspec.json.decode(data, type=ApiDefinition)
