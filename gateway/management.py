"""Management of APIs: definitions and deployments, kept in a bucket that all gateways watch."""

import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Final, final

import msgspec
from msgspec import Raw, Struct

from actors.api.routes import Routes, route
from broker.errors import ExistsError
from broker.ports import Bucket
from gateway.clients.functions import misfits
from gateway.compiling import compile_routes, components_of
from gateway.definitions import (
    ApiDefinition,
    FileServerBinding,
    HttpHandlerBinding,
    WebsocketBinding,
    decode_definition,
)
from gateway.deployments import (
    DEFINITIONS,
    SITES,
    ApiName,
    CompiledRoute,
    Deployment,
    LiveRoute,
    decode_deployment,
    decode_stored_definition,
    definition_key,
    site_key,
)
from gateway.errors import (
    ConflictError,
    DefinitionError,
    UnknownApiError,
)
from gateway.meaning import is_same, is_served_by
from gateway.openapi.exporting import document
from gateway.security.administration import stored_schemes
from gateway.table import Table
from gateway.told import told
from rib import Program, ProgramFormatError, broken_by
from wit.json_schema import Schema
from wit.world import World

__all__ = ["ANY_HOST", "ApiManagement", "Worlds"]

# The site that answers for hosts without one of their own.
ANY_HOST: Final = "*"
# Two who deploy at once: the one who comes second looks again.
_ATTEMPTS: Final = 5

# Returns components by name, all of them for None.
Worlds = Callable[[Sequence[str] | None], Awaitable[Mapping[str, World]]]


class Define(Struct, frozen=True, forbid_unknown_fields=True):
    """Store a definition; `replace`: also in place of a published one."""

    definition: Raw
    replace: bool = False


class Named(Struct, frozen=True, forbid_unknown_fields=True):
    """A version of an API."""

    id: str
    version: str


class Deploy(Struct, frozen=True, forbid_unknown_fields=True):
    """Deploy versions at a host, besides what is there; `replace`: instead of it."""

    apis: tuple[ApiName, ...]
    host: str = ANY_HOST
    replace: bool = False


class Undeploy(Struct, frozen=True, forbid_unknown_fields=True):
    """Take a version away from a host, or all of them."""

    host: str = ANY_HOST
    id: str | None = None


class OpenApi(Struct, frozen=True, forbid_unknown_fields=True):
    """The OpenAPI document of a version; `server` is where its paths begin."""

    id: str
    version: str
    server: str = "/"


class Nothing(Struct, frozen=True, forbid_unknown_fields=True):
    """No arguments."""


@final
class ApiManagement:
    """Everything about APIs but answering requests."""

    def __init__(self, bucket: Bucket, worlds: Worlds) -> None:
        self._bucket = bucket
        self._worlds = worlds

    def routes(self) -> Routes:
        """Return the operations of this noun."""
        return {
            "api.define": route(Define, told(self._define)),
            "api.get": route(Named, told(self._get)),
            "api.list": route(Nothing, told(self._list)),
            "api.remove": route(Named, told(self._remove)),
            "api.deploy": route(Deploy, told(self._deploy)),
            "api.undeploy": route(Undeploy, told(self._undeploy)),
            "api.sites": route(Nothing, told(self._sites)),
            "api.openapi": route(OpenApi, told(self._openapi)),
        }

    async def define(self, definition: ApiDefinition, *, replace: bool = False) -> ApiDefinition:
        """Store a definition, whose programs must compile against the components there are.

        With `replace` it takes the place of a published one, too. Where that is served, it goes on
        to be until it is deployed again.

        Raises:
            BrokenError: they do not.
            ConflictError: it was published already, and says something else; or its own routes
                conflict.
        """
        routes = await self._compiled([definition])
        _table(routes)
        name = ApiName(definition.id, definition.version)
        known = await self._bucket.get(definition_key(name))
        if known is not None and known.data is not None:
            before = decode_stored_definition(known.data)
            if is_same(before, definition):
                return before
            if not before.draft and not replace:
                raise ConflictError(f"{name} is published and never changes; choose a new version")
        await self._bucket.put(definition_key(name), msgspec.json.encode(definition))
        return definition

    async def definitions(self) -> list[ApiDefinition]:
        """Return all definitions, by id and version."""
        found: list[ApiDefinition] = []
        for key in await self._bucket.keys(DEFINITIONS):
            entry = await self._bucket.get(key)
            if entry is not None and entry.data is not None:
                found.append(decode_stored_definition(entry.data))
        return found

    async def definition(self, name: ApiName) -> ApiDefinition:
        """Return a definition.

        Raises:
            UnknownApiError: there is none.
        """
        entry = await self._bucket.get(definition_key(name))
        if entry is None or entry.data is None:
            known = ", ".join(f"{each.id}@{each.version}" for each in await self.definitions())
            raise UnknownApiError(f"there is no API {name}; there are {known or 'none'}")
        return decode_stored_definition(entry.data)

    async def deploy(self, host: str, names: Sequence[ApiName], *, replace: bool) -> Deployment:
        """Deploy versions at a host; a version replaces another one of the same id.

        What others have deployed there stays as it was compiled, so that it stands in nobody's way
        when it would not compile any more.

        Raises:
            UnknownApiError: one is not defined.
            BrokenError: programs do not compile against the components there are by now.
            ConflictError: two routes take the same requests; both are named.
        """
        for _ in range(_ATTEMPTS):
            entry = await self._bucket.get(site_key(host))
            kept: Sequence[CompiledRoute] = ()
            if entry is not None and entry.data is not None and not replace:
                ids = {name.id for name in names}
                before = decode_deployment(entry.data)
                kept = await self._kept(
                    before, [each for each in before.apis if each.id not in ids]
                )
            added = await self._compiled([await self.definition(name) for name in names])
            deployment = _deployment(host, [*kept, *added])
            _table(deployment.routes)
            if await self._store(host, entry.revision if entry else None, deployment):
                return deployment
        raise _contended(host)

    async def undeploy(self, host: str, api: str | None) -> None:
        """Take the version of an id away from a host, or everything.

        Raises:
            UnknownApiError: nothing of that is deployed there.
        """
        for _ in range(_ATTEMPTS):
            entry = await self._bucket.get(site_key(host))
            if entry is None or entry.data is None:
                raise UnknownApiError(f"nothing is deployed at {host}")
            before = decode_deployment(entry.data)
            left = [name for name in before.apis if api is not None and name.id != api]
            if len(left) == len(before.apis):
                raise UnknownApiError(f"{api} is not deployed at {host}")
            if not left:
                await self._bucket.delete(site_key(host))
                return
            deployment = _deployment(host, await self._kept(before, left))
            if await self._store(host, entry.revision, deployment):
                return
        raise _contended(host)

    async def deployments(self) -> list[Deployment]:
        """Return what is deployed, by host."""
        found: list[Deployment] = []
        for key in await self._bucket.keys(SITES):
            entry = await self._bucket.get(key)
            if entry is not None and entry.data is not None:
                found.append(decode_deployment(entry.data))
        return found

    async def outdated(self, deployment: Deployment) -> list[ApiName]:
        """Return those of its APIs that have to be deployed again to be what is defined.

        They were defined otherwise since, or another version of Shem stored their programs.
        """
        known = {ApiName(each.id, each.version): each for each in await self.definitions()}
        found: list[ApiName] = []
        for name in deployment.apis:
            routes = [each for each in deployment.routes if each.api == name]
            # Who deletes a version while another one deploys it leaves one without a definition.
            is_current = name in known and is_served_by(known[name], routes)
            if not is_current or not all(_is_readable(each) for each in routes):
                found.append(name)
        return found

    async def exported(self, name: ApiName, *, server: str = "/") -> Schema:
        """Return the OpenAPI document of a version, against the components there are now.

        Raises:
            UnknownApiError: it is not defined.
            BrokenError: its programs do not compile any more.
        """
        definition = await self.definition(name)
        routes = await self._compiled([definition])
        return document(
            name,
            [LiveRoute.of(each) for each in routes],
            schemes=await stored_schemes(self._bucket),
            server=server,
            draft=definition.draft,
        )

    async def broken_by(
        self, component: str, world: World | None, *, replaced: Collection[str] = ()
    ) -> list[str]:
        """Return why deployed APIs could not go on with another version of a component.

        None: without it. Those that are `replaced`, `id@host`, do not have to.
        """
        found: list[str] = []
        for deployment in await self.deployments():
            for each in deployment.routes:
                if f"{each.api.id}@{deployment.host}" in replaced:
                    continue
                place = f"{deployment.host}: {each.api}: {each.method} {each.path}"
                if world is None:
                    found += [f"{place}: calls it"] if component in _called(each) else []
                    continue
                if (
                    isinstance(each.binding, WebsocketBinding)
                    and each.binding.component == component
                ):
                    found += [f"{place}: {reason}" for reason in misfits(each.binding, world)]
                for code in each.programs:
                    try:
                        program = Program.decode(code)
                    except ProgramFormatError:
                        continue
                    if any(use.component == component for use in program.functions):
                        reasons = broken_by(program, {component: world})
                        found += [
                            f"{place}: {reason}"
                            for reason in reasons
                            if reason.startswith(f"{component}: ")
                        ]
        return found

    async def _compiled(self, definitions: Sequence[ApiDefinition]) -> tuple[CompiledRoute, ...]:
        wanted = components_of(definitions)
        worlds = await self._worlds(None if wanted is None else sorted(wanted))
        return compile_routes(definitions, worlds, await stored_schemes(self._bucket))

    async def _kept(self, before: Deployment, names: Sequence[ApiName]) -> Sequence[CompiledRoute]:
        """Return the routes of some of what is deployed, as they are if they can be read."""
        routes = [each for each in before.routes if each.api in names]
        if all(_is_readable(each) for each in routes):
            return routes
        return await self._compiled([await self.definition(name) for name in names])

    async def _store(self, host: str, revision: int | None, deployment: Deployment) -> bool:
        data = msgspec.json.encode(deployment)
        try:
            if revision is None:
                await self._bucket.create(site_key(host), data)
            else:
                await self._bucket.update(site_key(host), data, revision=revision)
        except ExistsError:
            return False
        return True

    # Over the wire

    async def _define(self, body: Define) -> object:
        definition = decode_definition(bytes(body.definition))
        return await self.define(definition, replace=body.replace)

    async def _get(self, body: Named) -> object:
        return await self.definition(ApiName(body.id, body.version))

    async def _list(self, _: Nothing) -> object:
        return {"definitions": await self.definitions()}

    async def _remove(self, body: Named) -> object:
        name = ApiName(body.id, body.version)
        await self.definition(name)
        hosts = [each.host for each in await self.deployments() if name in each.apis]
        if hosts:
            raise ConflictError(f"{name} is deployed at {', '.join(hosts)}; undeploy it first")
        await self._bucket.delete(definition_key(name))
        return {"removed": name}

    async def _deploy(self, body: Deploy) -> object:
        host = _host(body.host)
        if not host.isascii():
            raise DefinitionError(
                (f"{body.host!r}: no client says so; write the host as they send it, xn--…",)
            )
        deployed = await self.deploy(host, body.apis, replace=body.replace)
        return await self._shown(deployed)

    async def _undeploy(self, body: Undeploy) -> object:
        await self.undeploy(_host(body.host), body.id)
        return {"host": body.host}

    async def _openapi(self, body: OpenApi) -> object:
        return await self.exported(ApiName(body.id, body.version), server=body.server)

    async def _sites(self, _: Nothing) -> object:
        return {"sites": [await self._shown(each) for each in await self.deployments()]}

    async def _shown(self, deployment: Deployment) -> object:
        return {
            "host": deployment.host,
            "apis": deployment.apis,
            "created-at-ms": deployment.created_at_ms,
            "routes": [
                {"api": str(each.api), "method": each.method, "path": each.path}
                for each in deployment.routes
                if not each.is_derived
            ],
            "outdated": await self.outdated(deployment),
        }


def _is_readable(route: CompiledRoute) -> bool:
    try:
        LiveRoute.of(route)
    except ProgramFormatError:
        return False
    return True


def _deployment(host: str, routes: Sequence[CompiledRoute]) -> Deployment:
    apis = tuple(sorted({each.api for each in routes}))
    ordered = tuple(sorted(routes, key=lambda each: each.api))
    return Deployment(host, apis, ordered, time.time_ns() // 1_000_000)


def _contended(host: str) -> ConflictError:
    return ConflictError(f"somebody else deploys at {host} all the time; try again")


def _host(text: str) -> str:
    host = text.strip().lower()
    if host != ANY_HOST and (not host or any(each in host for each in "/ \\@?#*")):
        raise DefinitionError((f"{text!r} is no host; write example.com, localhost:8080 or *",))
    return host


def _table(routes: Sequence[CompiledRoute]) -> None:
    """Refuse routes that conflict."""
    Table(map(LiveRoute.of, routes))


def _called(route: CompiledRoute) -> set[str]:
    """Return the components that a route calls, or takes files from."""
    found: set[str] = set()
    if isinstance(route.binding, FileServerBinding | HttpHandlerBinding | WebsocketBinding):
        found.add(route.binding.component)
    for code in route.programs:
        try:
            found.update(use.component for use in Program.decode(code).functions)
        except ProgramFormatError:
            # Of another version of Shem: it is compiled anew before it is served.
            continue
    return found
