"""HTTP APIs over REST: definitions, and what is deployed where."""

from typing import Annotated, Any, Literal, final

import msgspec
from msgspec import Meta, Struct

from gateway.definitions import NO_LIMITS, Limits, Requirement, Route
from gateway.rest.operation import Call, No, Operation, Reply, Role, operations_of, rest
from gateway.security.schemes import Scheme as AnyScheme
from shem.client import Client
from shem.records import Api, Deployed

__all__ = ["operations"]

# Hosts have their own characters; a wildcard is the site for all.
Host = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"^(\*|[^/ \\@?#*\s]+)$")]
ApiWord = Annotated[str, Meta(min_length=1, max_length=100, pattern=r"^[^/\\\s]+$")]


class Definition(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A version of an API, as `shem api define` takes it; checked against the components."""

    id: ApiWord
    version: ApiWord
    routes: Annotated[list[dict[str, Any]], Meta(min_length=1)]
    draft: bool = False
    limits: dict[str, Any] = {}
    security: list[dict[str, Any]] = []


class ApiDefinition(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A version of an API, as `shem api define` takes it; checked against the components.

    What it has to be in all its parts is told by whoever checks it, with places and suggestions.
    """

    id: ApiWord
    version: ApiWord
    routes: Annotated[list[Route], Meta(min_length=1)]
    draft: bool = False
    limits: Limits = NO_LIMITS
    security: list[Requirement] = []


class Definitions(Struct, frozen=True):
    """All versions of all APIs."""

    definitions: list[Api]


class ApiPath(Struct, frozen=True, forbid_unknown_fields=True):
    """A version of an API."""

    id: ApiWord
    version: ApiWord


class Version(Struct, frozen=True, forbid_unknown_fields=True):
    """A version of an API."""

    id: ApiWord
    version: ApiWord


class Deploy(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Serve versions at a host, besides what is there; `replace`: instead of it."""

    apis: Annotated[list[Version], Meta(min_length=1)]
    host: Host = "*"
    replace: bool = False


class HostPath(Struct, frozen=True, forbid_unknown_fields=True):
    """A host; `*` is the site for all."""

    host: Host


class Which(Struct, frozen=True, forbid_unknown_fields=True):
    """An API; without it all of the host."""

    id: str | None = None


class Sites(Struct, frozen=True):
    """What is served, by host."""

    sites: list[Deployed]


class Scheme(Struct, frozen=True, kw_only=True):
    """A security scheme without its secrets; its other fields depend on the type."""

    name: str
    type: Literal["oidc", "jwt", "api-key", "basic"]


class Schemes(Struct, frozen=True):
    """All security schemes, without their secrets."""

    schemes: list[dict[str, Any]]


class SchemePath(Struct, frozen=True, forbid_unknown_fields=True):
    """A security scheme."""

    name: ApiWord


@final
class _Apis:
    def __init__(self, client: Client) -> None:
        self._client = client

    @rest("api.list", "GET", "/apis", Role.VIEWER)
    async def list(self, call: Call[No, No, No]) -> Definitions:
        """List all versions of all HTTP APIs."""
        del call
        return Definitions(await self._client.apis.all())

    @rest("api.define", "POST", "/apis", Role.ADMIN, status=201, answer=Api, body=ApiDefinition)
    async def define(self, call: Call[No, No, Definition]) -> Reply:
        """Check and store a version of an HTTP API."""
        fields: dict[str, object] = msgspec.to_builtins(call.body)
        return Reply(value=await self._client.apis.define(fields), status=201)

    @rest("api.get", "GET", "/apis/{id}/{version}", Role.VIEWER)
    async def get(self, call: Call[ApiPath, No, No]) -> Api:
        """Return a version of an HTTP API."""
        return await self._client.apis.get(call.path.id, call.path.version)

    @rest("api.openapi", "GET", "/apis/{id}/{version}/openapi", Role.VIEWER)
    async def openapi(self, call: Call[ApiPath, No, No]) -> dict[str, Any]:
        """Return the OpenAPI document of a version of an HTTP API."""
        return await self._client.apis.openapi(call.path.id, call.path.version)

    @rest("api.delete", "DELETE", "/apis/{id}/{version}", Role.ADMIN)
    async def delete(self, call: Call[ApiPath, No, No]) -> None:
        """Delete a version that is deployed nowhere."""
        await self._client.apis.remove(call.path.id, call.path.version)

    @rest("deployment.list", "GET", "/deployments", Role.VIEWER)
    async def sites(self, call: Call[No, No, No]) -> Sites:
        """Show what is served where."""
        del call
        return Sites(await self._client.apis.sites())

    @rest("deployment.create", "POST", "/deployments", Role.ADMIN)
    async def deploy(self, call: Call[No, No, Deploy]) -> Deployed:
        """Serve versions at a host, on all gateways at once."""
        names = [(each.id, each.version) for each in call.body.apis]
        body = call.body
        return await self._client.apis.deploy(names, host=body.host, replace=body.replace)

    @rest("deployment.delete", "DELETE", "/deployments/{host}", Role.ADMIN)
    async def undeploy(self, call: Call[HostPath, Which, No]) -> None:
        """Serve an API no longer at a host."""
        await self._client.apis.undeploy(host=call.path.host, id_=call.query.id)

    @rest("security.list", "GET", "/security-schemes", Role.VIEWER)
    async def schemes(self, call: Call[No, No, No]) -> Schemes:
        """List all security schemes, without their secrets."""
        del call
        return Schemes(await self._client.apis.schemes())

    @rest(
        "security.define",
        "POST",
        "/security-schemes",
        Role.ADMIN,
        status=201,
        answer=Scheme,
        body=AnyScheme,
    )
    async def define_scheme(self, call: Call[No, No, dict[str, Any]]) -> Reply:
        """Check and store a security scheme, as `shem api security define` takes it."""
        return Reply(value=await self._client.apis.define_scheme(call.body), status=201)

    @rest("security.get", "GET", "/security-schemes/{name}", Role.VIEWER, answer=Scheme)
    async def scheme(self, call: Call[SchemePath, No, No]) -> Reply:
        """Return a security scheme without its secrets."""
        return Reply(value=await self._client.apis.scheme(call.path.name))

    @rest("security.delete", "DELETE", "/security-schemes/{name}", Role.ADMIN)
    async def delete_scheme(self, call: Call[SchemePath, No, No]) -> None:
        """Delete a security scheme that no deployed route needs."""
        await self._client.apis.remove_scheme(call.path.name)


def operations(client: Client) -> list[Operation]:
    """Return the operations of this noun."""
    return operations_of(_Apis(client))
