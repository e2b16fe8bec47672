"""`shem.api.component.*`: upload, find and delete components."""

import time
from collections.abc import Awaitable, Sequence
from typing import Final, Protocol, final

import msgspec
from msgspec import Struct

from actors.api.routes import Routes, route
from actors.components import Check, ComponentRecord, ComponentStore, Upload, UsersOf
from actors.engine.errors import ComponentError
from actors.engine.port import Component
from actors.errors import ApiError
from actors.virtual import with_virtual_exports
from actors.worker_index.listing import WorkerListing
from actors.worker_index.summary import WorkerCounts, count_workers
from broker.ports import Request, Signals
from wit.names import visible_exports
from wit.signatures import declarations, export_signatures
from wit.types import FunctionType, Type
from wit.world import World

__all__ = ["PROGRESS_TO", "ComponentApi"]

# An inbox that hears `{"done": n, "total": m}` while an upload is compiled.
PROGRESS_TO: Final = "Shem-Progress-To"


class AddComponent(Upload, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True):
    """An upload; `if_changed` answers with the newest version if the upload equals it.

    What `replaced` APIs (`id@host`) rely on does not count: whoever uploads serves others in their
    place next.
    """

    if_changed: bool = False
    replaced: tuple[str, ...] = ()


class Breaks(Protocol):
    """Says why deployed APIs could not go on with other exports of a component, or without it."""

    def __call__(
        self, component: str, world: World | None, replaced: Sequence[str] = (), /
    ) -> Awaitable[Sequence[str]]:
        """Return a reason for each use, but for those of APIs that are replaced."""
        ...


class ListComponents(Struct, frozen=True, forbid_unknown_fields=True):
    """All components, or all versions of one."""

    name: str | None = None


class GetComponent(Struct, frozen=True, forbid_unknown_fields=True):
    """One version, by default the newest."""

    name: str
    version: int | None = None


class DeleteComponent(Struct, frozen=True, forbid_unknown_fields=True):
    """One version, or all; `force`: although workers run it."""

    name: str
    version: int | None = None
    force: bool = False


@final
class ComponentApi:
    """The component store over the wire."""

    def __init__(
        self,
        store: ComponentStore,
        signals: Signals,
        *,
        check: Check,
        users_of: UsersOf,
        breaks: Breaks | None = None,
        listing: WorkerListing | None = None,
    ) -> None:
        self._store = store
        self._signals = signals
        self._check = check
        self._users_of = users_of
        self._breaks = breaks
        self._listing = listing

    def routes(self) -> Routes:
        """Return the operations of this noun."""
        return {
            "component.add": route(AddComponent, self._add),
            "component.list": route(ListComponents, self._list),
            "component.get": route(GetComponent, self._get),
            "component.describe": route(GetComponent, self._describe),
            "component.world": route(GetComponent, self._typed),
            "component.delete": route(DeleteComponent, self._delete),
        }

    async def _add(self, body: AddComponent, request: Request) -> object:
        progress_to = request.headers.get(PROGRESS_TO)

        def progress(done: int, total: int) -> None:
            if progress_to is not None:
                note = msgspec.json.encode({"done": done, "total": total})
                self._signals.publish(progress_to, note)

        breaks = self._breaks
        return await self._store.add(
            body,
            check=self._check,
            now_ms=time.time_ns() // 1_000_000,
            if_changed=body.if_changed,
            progress=progress,
            breaks=None
            if breaks is None
            else lambda name, world: breaks(name, world, body.replaced),
        )

    async def _list(self, body: ListComponents, _request: Request) -> object:
        found = await self._store.all() if body.name is None else await self._versions(body.name)
        return {"components": found}

    async def _versions(self, name: str) -> Sequence[ComponentRecord]:
        # An unknown name is an error for people, who mistype, rather than an empty list.
        await self._store.get(name, fresh=True)
        return await self._store.versions(name)

    async def _get(self, body: GetComponent, _request: Request) -> object:
        return await self._store.get(body.name, body.version, fresh=True)

    async def _describe(self, body: GetComponent, _request: Request) -> object:
        record, component = await self._loaded(body)
        code = component.code
        sizes = {"code-size": code.code_size, "shared-size": code.shared_size}
        workers = WorkerCounts()
        if self._listing is not None:
            workers = await count_workers(self._listing, record.name, record.version)
        return {
            "workers": workers,
            "component": record,
            **_world(with_virtual_exports(component.world)),
            "code": {**msgspec.to_builtins(code), **sizes},
        }

    async def _typed(self, body: GetComponent, _request: Request) -> object:
        record, component = await self._loaded(body)
        return {"component": record, "world": with_virtual_exports(component.world)}

    async def _loaded(self, body: GetComponent) -> tuple[ComponentRecord, Component]:
        record = await self._store.get(body.name, body.version, fresh=True)
        try:
            component = await self._store.load(record)
        except ComponentError as error:
            raise ApiError("bad-component", f"component {record.name!r}: {error}") from error
        return record, component

    async def _delete(self, body: DeleteComponent, _request: Request) -> object:
        deleted = await self._store.delete(
            body.name,
            body.version,
            users_of=self._users_of,
            breaks=self._breaks,
            force=body.force,
        )
        return {"deleted": deleted}


def _world(world: World) -> dict[str, Sequence[str]]:
    imports = [interface.name for interface in world.import_interfaces]
    imports += [function.name for function in world.import_functions]
    used = (type_ for function in visible_exports(world) for type_ in _types_of(function.type))
    return {
        "exports": export_signatures(world),
        "types": declarations(used),
        "imports": imports,
    }


def _types_of(function: FunctionType) -> list[Type]:
    types = [parameter.type for parameter in function.parameters]
    return types if function.result is None else [*types, function.result]
