"""Deploying an app: what would change, told as a plan, and doing it."""

import hashlib
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Literal

import msgspec
from msgspec import Struct

from shem.build.builder import artifact_of
from shem.build.linking import read_source
from shem.build.wit_sources import clients_of
from shem.client import Client
from shem.errors import BuildError, RefusedError, UnknownComponentError
from shem.manifest.application import AppComponent, Application
from shem.manifest.schema import InitialFile
from shem.records import Component
from wit.names import answers_to

__all__ = ["Action", "Planned", "apply", "plan"]

Permissions = Literal["ro", "rw"]
Uploaded = Callable[["Planned", Component], None]
Progress = Callable[[str, int, int], None]


class Action(StrEnum):
    """What deploying does to a component or an API; only APIs are redeployed."""

    CREATE = "create"
    UPDATE = "update"
    KEEP = "keep"
    REDEPLOY = "redeploy"


class Planned(Struct, frozen=True, kw_only=True, rename="kebab"):
    """A component as it will be uploaded. `version` is the newest one that is there now."""

    component: str
    action: Action
    reasons: tuple[str, ...] = ()
    version: int | None = None
    size: int = 0
    type: Literal["durable", "ephemeral"] = "durable"
    env: dict[str, str] = {}
    links: dict[str, str] = {}
    snapshots: str = "auto"
    retry: str = ""
    memory: str = ""
    quota: str = ""
    history: Literal["keep", "archive", "purge"] = "keep"
    artifact: str = ""
    data: bytes = b""
    files: tuple[tuple[str, bytes, Permissions], ...] = ()
    read_only: tuple[str, ...] = ()
    sockets: bool = False

    def document(self) -> dict[str, object]:
        """Return the plan for programs to read: without the bytes of files."""
        fields = msgspec.to_builtins(msgspec.structs.replace(self, files=(), data=b""))
        del fields["data"]
        return {**fields, "files": [path for path, _, _ in self.files]}


async def plan(
    client: Client, app: Application, components: Sequence[AppComponent]
) -> list[Planned]:
    """Return what deploying these components would do, in order; reads their built files.

    Raises:
        BuildError: a component is not built, or one of its files is missing.
        UnavailableError: Shem does not answer.
    """
    return _called_first([await _planned(client, app, each) for each in components])


async def apply(
    client: Client,
    planned: Sequence[Planned],
    *,
    replaced: Sequence[str] = (),
    progress: Progress,
    uploaded: Uploaded,
) -> list[Component]:
    """Upload what is new or changed, one after the other; return the records of all.

    What `replaced` APIs (`id@host`) rely on does not count: others are served in their place next.

    Raises:
        RefusedError: a component is refused; those before it are uploaded.
    """
    records: list[Component] = []
    for each in planned:
        if each.action is Action.KEEP:
            records.append(await client.components.get(each.component))
            continue
        try:
            record = await _add(client, each, progress)
        except RefusedError as error:
            # Said only where it is needed: executors of before do not know it.
            if error.kind != "component-in-use" or not replaced:
                raise
            record = await _add(client, each, progress, replaced=replaced)
        uploaded(each, record)
        records.append(record)
    return records


async def _add(
    client: Client, each: Planned, progress: Progress, *, replaced: Sequence[str] = ()
) -> Component:
    return await client.components.add(
        each.component,
        each.data,
        type_=each.type,
        env=each.env,
        files=each.files,
        links=each.links,
        snapshots=each.snapshots,
        retry=each.retry,
        memory=each.memory,
        quota=each.quota,
        history=each.history,
        read_only=each.read_only,
        sockets=each.sockets,
        # Somebody else may have deployed the same since the plan was made.
        if_changed=True,
        replaced=replaced,
        progress=progress,
    )


def _called_first(planned: Sequence[Planned]) -> list[Planned]:
    """Return the same so that what a component calls stands before it.

    An upload is checked against the newest versions of what it is linked with. Of components that
    call each other in a circle none can be first.
    """
    left = {each.component: each for each in planned}
    ordered: list[Planned] = []

    def place(each: Planned) -> None:
        for target in each.links.values():
            if (called := left.pop(target, None)) is not None:
                place(called)
        ordered.append(each)

    for each in planned:
        if left.pop(each.component, None) is not None:
            place(each)
    return ordered


async def _planned(client: Client, app: Application, component: AppComponent) -> Planned:
    planned = _described(app, component)
    try:
        newest = await client.components.get(component.name)
    except UnknownComponentError:
        return planned
    reasons = _differences(planned, newest)
    action = Action.UPDATE if reasons else Action.KEEP
    return msgspec.structs.replace(planned, action=action, reasons=reasons, version=newest.version)


def _described(app: Application, component: AppComponent) -> Planned:
    artifact = artifact_of(app, component)
    try:
        data = artifact.read_bytes()
    except OSError as error:
        raise BuildError(
            f"{component.name}: {artifact}: {error.strerror}; build it first"
        ) from error
    properties = component.properties
    return Planned(
        component=component.name,
        action=Action.CREATE,
        size=len(data),
        type=properties.component_type or "durable",
        env=dict(properties.env),
        links={each.interface: each.component for each in clients_of(component, app)},
        snapshots=properties.snapshots or "auto",
        retry=properties.retry or "",
        memory=properties.memory or "",
        quota=properties.quota or "",
        history=properties.history or "keep",
        artifact=str(artifact),
        data=data,
        files=tuple(_read_file(component, each) for each in properties.files),
        read_only=properties.read_only,
        sockets=properties.sockets or False,
    )


def _differences(planned: Planned, newest: Component) -> tuple[str, ...]:
    files = {
        (path, hashlib.sha256(content).hexdigest(), permissions)
        for path, content, permissions in planned.files
    }
    checks = {
        "code": hashlib.sha256(planned.data).hexdigest() == newest.digest,
        "type": planned.type == newest.type,
        "env": planned.env == newest.env,
        "links": planned.links == newest.links,
        "snapshots": planned.snapshots == newest.snapshots,
        "retry": planned.retry == newest.retry,
        "memory": planned.memory == newest.memory,
        "quota": planned.quota == newest.quota,
        "history": planned.history == newest.history,
        "read-only": _same_functions(planned.read_only, newest.read_only),
        "sockets": planned.sockets == newest.sockets,
        "files": files == {(each.path, each.digest, each.permissions) for each in newest.files},
    }
    return tuple(name for name, same in checks.items() if not same)


def _same_functions(names: Sequence[str], full: Sequence[str]) -> bool:
    """Whether names as people write them mean just the functions of these full names."""
    meant = [next((each for each in full if _is_meant(each, name)), None) for name in names]
    return set(meant) == set(full)


def _is_meant(full: str, name: str) -> bool:
    # `api.get` may be written for `api/get`.
    return answers_to(full, name) or answers_to(full, "/".join(name.rsplit(".", 1)))


def _read_file(component: AppComponent, file: InitialFile) -> tuple[str, bytes, Permissions]:
    permissions: Permissions = "ro" if file.permissions == "read-only" else "rw"
    return file.target_path, read_source(component, file.source_path), permissions
