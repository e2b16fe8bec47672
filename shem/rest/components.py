"""Components over REST: upload, find, describe, download, delete, update their workers."""

from typing import Annotated, Final, Literal, final

from msgspec import Meta, Struct, field

from gateway.responses import Response
from gateway.rest.operation import WASM, Call, No, Operation, Reply, Role, operations_of, rest
from shem.client import Client
from shem.client.updates import UpdateOutcome
from shem.records import Component, ComponentDescription, Reindexed
from shem.rest.params import ComponentPath, Env, Page, VersionNumber, VersionPath, pairs

__all__ = ["operations"]

COMPONENT_BYTES_MAX: Final = 256 * 1024 * 1024
# The same as JSON: Base64 takes four thirds.
UPLOAD_BYTES_MAX: Final = COMPONENT_BYTES_MAX // 3 * 4
ONE: Final = "/components/{component}"
VERSION: Final = "/components/{component}/versions/{version}"


class Components(Struct, frozen=True, kw_only=True):
    """Components; go on with `next` as `cursor`."""

    components: list[Component]
    next: str | None = None


class Deleted(Struct, frozen=True):
    """What was deleted."""

    deleted: list[Component]


class Options(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"):
    """How workers of an uploaded component are run."""

    type: Literal["durable", "ephemeral"] = "durable"
    env: tuple[Env, ...] = ()
    link: tuple[Env, ...] = ()
    snapshots: str = "auto"
    retry: str = ""
    memory: str = ""
    quota: str = ""
    history: Literal["keep", "archive", "purge"] = "keep"
    read_only: tuple[str, ...] = ()
    sockets: bool = False
    if_changed: bool = False
    replaced: tuple[str, ...] = ()


class UploadedFile(Struct, frozen=True, forbid_unknown_fields=True):
    """A file that every worker finds; `content` is Base64."""

    path: Annotated[str, Meta(pattern="^/")]
    content: bytes
    permissions: Literal["ro", "rw"] = "ro"


class Upload(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"):
    """A component with its files; `component` is Base64."""

    component: bytes
    type: Literal["durable", "ephemeral"] = "durable"
    env: dict[str, str] = field(default_factory=dict[str, str])
    links: dict[str, str] = field(default_factory=dict[str, str])
    files: tuple[UploadedFile, ...] = ()
    snapshots: str = "auto"
    retry: str = ""
    memory: str = ""
    quota: str = ""
    history: Literal["keep", "archive", "purge"] = "keep"
    read_only: tuple[str, ...] = ()
    sockets: bool = False
    if_changed: bool = False
    replaced: tuple[str, ...] = ()


class Force(Struct, frozen=True, forbid_unknown_fields=True):
    """Although workers run it."""

    force: bool = False


class UpdateWorkers(Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """Have all workers run a version; `dry-run` tells what would come of it."""

    version: VersionNumber
    mode: Literal["automatic", "snapshot-based"] = "automatic"
    dry_run: bool = False


class Outcomes(Struct, frozen=True):
    """What came of each worker's update."""

    workers: list[UpdateOutcome]


@final
class _Components:
    def __init__(self, client: Client) -> None:
        self._client = client

    @rest("component.list", "GET", "/components", Role.VIEWER)
    async def list(self, call: Call[No, Page, No]) -> Components:
        """List the newest version of each component."""
        found = await self._client.components.all()
        behind = sorted(
            (each for each in found if each.name > call.query.cursor), key=lambda each: each.name
        )
        page = behind[: call.query.count]
        more = page[-1].name if len(behind) > len(page) else None
        return Components(components=page, next=more)

    @rest("component.get", "GET", ONE, Role.VIEWER)
    async def newest(self, call: Call[ComponentPath, No, No]) -> Component:
        """Return the newest version of a component."""
        return await self._client.components.get(call.path.component)

    @rest("component.versions", "GET", f"{ONE}/versions", Role.VIEWER)
    async def versions(self, call: Call[ComponentPath, No, No]) -> Components:
        """List all versions of a component."""
        found = await self._client.components.versions(call.path.component)
        return Components(components=found)

    @rest("component.version", "GET", VERSION, Role.VIEWER)
    async def version(self, call: Call[VersionPath, No, No]) -> Component:
        """Return a version of a component."""
        return await self._client.components.get(call.path.component, call.path.version)

    @rest("component.describe", "GET", f"{VERSION}/description", Role.VIEWER)
    async def describe(self, call: Call[VersionPath, No, No]) -> ComponentDescription:
        """Return imports, signatures of exports, and what the code costs."""
        return await self._client.components.describe(call.path.component, call.path.version)

    @rest(
        "component.download", "GET", f"{VERSION}/download", Role.VIEWER, answer=bytes, produces=WASM
    )
    async def download(self, call: Call[VersionPath, No, No]) -> Response:
        """Return the bytes of a version."""
        data = await self._client.components.download(call.path.component, call.path.version)
        return Response(200, (("content-type", WASM),), data)

    @rest(
        "component.upload",
        "PUT",
        f"{ONE}/upload",
        Role.ADMIN,
        status=201,
        answer=Component,
        consumes=WASM,
        body_bytes_max=COMPONENT_BYTES_MAX,
    )
    async def upload(self, call: Call[ComponentPath, Options, bytes]) -> Reply:
        """Upload the bytes of a component as a new version."""
        options = call.query
        made = await self._client.components.add(
            call.path.component,
            call.body,
            type_=options.type,
            env=pairs(options.env),
            links=pairs(options.link),
            snapshots=options.snapshots,
            retry=options.retry,
            memory=options.memory,
            quota=options.quota,
            history=options.history,
            read_only=options.read_only,
            sockets=options.sockets,
            if_changed=options.if_changed,
            replaced=options.replaced,
        )
        return _created(call.base, made)

    @rest(
        "component.add",
        "POST",
        f"{ONE}/versions",
        Role.ADMIN,
        status=201,
        answer=Component,
        body_bytes_max=UPLOAD_BYTES_MAX,
    )
    async def add(self, call: Call[ComponentPath, No, Upload]) -> Reply:
        """Upload a component with files as a new version."""
        body = call.body
        made = await self._client.components.add(
            call.path.component,
            body.component,
            type_=body.type,
            env=body.env,
            files=[(each.path, each.content, each.permissions) for each in body.files],
            links=body.links,
            snapshots=body.snapshots,
            retry=body.retry,
            memory=body.memory,
            quota=body.quota,
            history=body.history,
            read_only=body.read_only,
            sockets=body.sockets,
            if_changed=body.if_changed,
            replaced=body.replaced,
        )
        return _created(call.base, made)

    @rest("component.delete", "DELETE", ONE, Role.ADMIN)
    async def delete(self, call: Call[ComponentPath, Force, No]) -> Deleted:
        """Delete all versions of a component."""
        found = await self._client.components.delete(call.path.component, force=call.query.force)
        return Deleted(found)

    @rest("component.delete-version", "DELETE", VERSION, Role.ADMIN)
    async def delete_version(self, call: Call[VersionPath, Force, No]) -> Deleted:
        """Delete a version of a component."""
        found = await self._client.components.delete(
            call.path.component, call.path.version, force=call.query.force
        )
        return Deleted(found)

    @rest("worker.reindex", "POST", f"{ONE}/index", Role.OPERATOR)
    async def reindex(self, call: Call[ComponentPath, No, No]) -> Reindexed:
        """Make the index behind the list of workers anew from the logs."""
        return await self._client.reindex(call.path.component)

    @rest("component.update-workers", "POST", f"{ONE}/updates", Role.ADMIN)
    async def update(self, call: Call[ComponentPath, No, UpdateWorkers]) -> Outcomes:
        """Have all workers of a component run a version."""
        outcomes: list[UpdateOutcome] = []
        await self._client.update_workers(
            call.path.component,
            call.body.version,
            mode=call.body.mode,
            dry_run=call.body.dry_run,
            on_outcome=outcomes.append,
        )
        return Outcomes(sorted(outcomes, key=lambda each: each.worker))


def _created(base: str, made: Component) -> Reply:
    place = f"{base}/components/{made.name}/versions/{made.version}"
    return Reply(value=made, status=201, headers=(("location", place),))


def operations(client: Client) -> list[Operation]:
    """Return the operations of this noun."""
    return operations_of(_Components(client))
