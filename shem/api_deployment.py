"""Deploying the HTTP APIs of an app: what would change, and doing it.

Components come first: programs of an API are compiled against the components that there are.
"""

import re
from collections.abc import Mapping, Sequence
from typing import cast

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from gateway.compiling import compile_routes, components_of
from gateway.definitions import ApiDefinition, decode_definition
from gateway.errors import BrokenError, DefinitionError
from gateway.meaning import is_same
from shem.client import Client
from shem.deployment import Action
from shem.errors import BuildError, RefusedError
from shem.manifest.application import Application
from shem.manifest.schema import Deployment
from shem.records import Deployed
from wit.world import World

__all__ = ["ApiPlan", "PlannedApi", "PlannedSite", "apply_apis", "check_apis", "plan_apis"]

Name = tuple[str, str]


class PlannedApi(Struct, frozen=True, kw_only=True, rename="kebab"):
    """A version of an API as it will be stored."""

    id: str
    version: str
    action: Action
    definition: dict[str, object]

    @property
    def name(self) -> Name:
        """Id and version."""
        return self.id, self.version


class PlannedSite(Struct, frozen=True, kw_only=True, rename="kebab"):
    """What will be served at a host, besides what others serve there."""

    host: str
    action: Action
    apis: tuple[Name, ...]


class ApiPlan(Struct, frozen=True, kw_only=True):
    """All of it, in the order in which it is done."""

    apis: tuple[PlannedApi, ...] = ()
    sites: tuple[PlannedSite, ...] = ()

    @property
    def replaced(self) -> list[str]:
        """What is compiled anew of what this plan defines, as `id@host`."""
        defined = {each.name for each in self.apis}
        return [
            f"{name[0]}@{site.host}"
            for site in self.sites
            if site.action is not Action.KEEP
            for name in site.apis
            if name in defined
        ]

    @property
    def changes(self) -> bool:
        """Whether there is anything to do."""
        actions = [*(each.action for each in self.apis), *(each.action for each in self.sites)]
        return any(each is not Action.KEEP for each in actions)

    def document(self) -> dict[str, object]:
        """Return the plan for programs to read."""
        return {
            "apis": [
                {"id": each.id, "version": each.version, "action": each.action}
                for each in self.apis
            ],
            "sites": [
                {
                    "host": each.host,
                    "action": each.action,
                    "apis": ["@".join(name) for name in each.apis],
                }
                for each in self.sites
            ],
        }


async def plan_apis(
    client: Client, app: Application, profile: str | None, *, redeploy: bool = False
) -> ApiPlan:
    """Return what deploying the APIs of an app would do.

    Args:
        client: Where to.
        app: With the definitions, and the deployments by profile.
        profile: Whose deployments; where it has none, those of `local`, or the only ones.
        redeploy: Replace what is there with other routes, also if it was published.

    Raises:
        BuildError: a definition is wrong, with all reasons; or changes what is no draft.
        UnavailableError: Shem does not answer.
    """
    definitions = {name: _definition(name, each) for name, each in app.http_api.definitions.items()}
    chosen = deployments_of(app, profile)
    served = {each.host: each for each in await client.apis.sites()}
    hosts = {_host(each) for each in chosen}
    elsewhere = {
        (api.id, api.version): site.host
        for site in served.values()
        if site.host not in hosts
        for api in site.apis
    }
    apis = tuple(
        [
            await _planned(client, each, redeploy=redeploy, elsewhere=elsewhere.get(_name(each)))
            for each in definitions.values()
        ]
    )
    sites = tuple(_site(each, definitions, served, apis) for each in chosen)
    return ApiPlan(apis=apis, sites=sites)


async def check_apis(client: Client, planned: ApiPlan, worlds: Mapping[str, World]) -> None:
    """Compile what is to be served against the components as they will be: `worlds` change.

    So nothing is uploaded for APIs that would be refused afterwards, when those that are served
    may not fit any more.

    Raises:
        RefusedError: a program does not compile; with all reasons.
    """
    anew = {each.partition("@")[0] for each in planned.replaced}
    definitions = [
        decode_definition(each.definition)
        for each in planned.apis
        if each.action is not Action.KEEP or each.id in anew
    ]
    wanted = components_of(definitions)
    there = [each.name for each in await client.components.all()] if definitions else []
    known = {
        name: (await client.components.typed(name)).world
        for name in there
        if name not in worlds and (wanted is None or name in wanted)
    }
    schemes = [str(each["name"]) for each in await client.apis.schemes()]
    try:
        compile_routes(definitions, {**known, **worlds}, schemes)
    except BrokenError as error:
        raise RefusedError(str(error), kind="api-broken") from error


async def apply_apis(client: Client, planned: ApiPlan) -> list[Deployed]:
    """Store and serve what is new or changed; return what is served at the hosts of the plan.

    What is served already goes on to be until all that follows it is found to be right.

    Raises:
        RefusedError: a program does not compile, or routes collide; with all reasons.
    """
    for api in planned.apis:
        if api.action is not Action.KEEP:
            replace_ = api.action is Action.REDEPLOY
            await client.apis.define(api.definition, replace=replace_)
    for site in planned.sites:
        if site.action is not Action.KEEP:
            await client.apis.deploy(site.apis, host=site.host)
    hosts = {each.host for each in planned.sites}
    return [each for each in await client.apis.sites() if each.host in hosts]


def deployments_of(app: Application, profile: str | None) -> Sequence[Deployment]:
    """Return the deployments of a profile; where it has none, of `local`, or the only ones."""
    deployments = app.http_api.deployments
    if profile is not None and profile in deployments:
        return deployments[profile]
    only = next(iter(deployments.values()), ()) if len(deployments) == 1 else ()
    return deployments.get("local", only)


def _definition(name: str, fields: object) -> dict[str, object]:
    """Return a definition as the gateway takes it, of one with the names of golem.yaml or ours."""
    if not isinstance(fields, dict):
        raise BuildError(f"httpApi.definitions.{name}: expected names with values")
    renamed = _kebab(cast("dict[str, object]", fields))
    definition = {"id": name, **cast("dict[str, object]", renamed)}
    try:
        # As the gateway will see it, so that two of one meaning are equal.
        return cast("dict[str, object]", msgspec.to_builtins(decode_definition(definition)))
    except DefinitionError as error:
        raise BuildError(f"httpApi.definitions.{name}: {error}") from error


def _kebab(value: object) -> object:
    match value:
        case dict():
            given = cast("dict[str, object]", value)
            fields = {_kebab_name(name): _kebab(each) for name, each in given.items()}
            component = fields.pop("component-name", None)
            if component is not None and fields.setdefault("type", "default") == "default":
                fields["components"] = [component]
            elif component is not None:
                fields["component"] = component
            return fields
        case list():
            return [_kebab(each) for each in cast("list[object]", value)]
        case _:
            return value


def _kebab_name(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])([A-Z])", lambda found: f"-{found[1].lower()}", name)


def _name(definition: Mapping[str, object]) -> Name:
    return str(definition["id"]), str(definition["version"])


def _host(site: Deployment) -> str:
    host = site.host if site.subdomain is None else f"{site.subdomain}.{site.host}"
    # As it is stored: another spelling is no other site.
    return host.lower()


async def _planned(
    client: Client, definition: dict[str, object], *, redeploy: bool, elsewhere: str | None
) -> PlannedApi:
    """Return what becomes of an API; `elsewhere` is a host of others that serves it, too."""
    id_, version = _name(definition)
    planned = PlannedApi(id=id_, version=version, action=Action.CREATE, definition=definition)
    try:
        there = await client.apis.get(id_, version)
    except RefusedError as error:
        if error.kind != "unknown-api":
            raise
        return planned
    # What is served at hosts of others is left as it is.
    # What is stored was checked by the release that stored it.
    stored = msgspec.convert(msgspec.to_builtins(there), ApiDefinition)
    if is_same(stored, decode_definition(definition)):
        return replace(planned, action=Action.KEEP)
    if redeploy and elsewhere is None:
        return replace(planned, action=Action.REDEPLOY)
    if not there.draft:
        instead = "or replace it by --redeploy-http-api"
        if elsewhere is not None:
            instead = f"since this app cannot replace what is served at {elsewhere}, too"
        raise BuildError(
            f"httpApi.definitions.{id_}: version {version} is deployed with other routes and is no"
            f" draft: give it another version, {instead}"
        )
    return replace(planned, action=Action.UPDATE)


def _site(
    site: Deployment,
    definitions: Mapping[str, dict[str, object]],
    served: Mapping[str, Deployed],
    apis: Sequence[PlannedApi],
) -> PlannedSite:
    host = _host(site)
    wanted = tuple(
        (id_, version or str(definitions[id_]["version"]))
        for id_, _, version in (each.partition("@") for each in site.definitions)
    )
    there = served.get(host)
    changed = {each.name for each in apis if each.action is not Action.KEEP}
    if there is None:
        action = Action.CREATE
    else:
        # A deployment that broke off may have stored an API, and not got as far as serving it.
        current = set(there.apis) - set(there.outdated)
        is_served = {(each.id, each.version) for each in current} >= set(wanted)
        action = Action.KEEP if is_served and not changed & set(wanted) else Action.UPDATE
    return PlannedSite(host=host, action=action, apis=wanted)
