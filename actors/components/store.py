"""The components and their versions, shared by all executors through the broker.

Keys of the `components` bucket: `version/<name>/<number>` holds a record that never changes,
`newest/<name>` the pointer. Bytes are blobs by digest. A version becomes visible by the creation of
its key, after everything it needs is stored and checked; the pointer follows by compare-and-set.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Final, NamedTuple, TypeAlias, final

import msgspec

from actors.components import read_only
from actors.components.errors import (
    BadComponentError,
    ComponentDamagedError,
    ComponentInUseError,
    UnknownComponentError,
)
from actors.components.loader import Loader, read_checked
from actors.components.record import (
    ComponentRecord,
    Pointer,
    Upload,
    blob_name,
    check_upload,
    file_blob_name,
)
from actors.engine.errors import ComponentError
from actors.engine.port import Component, Engine, Progress
from actors.host.files import initial as host_files
from actors.snapshot_policy import parse_policy
from broker.errors import ExistsError, NotFoundError
from broker.ports import Broker, BucketEntry, Subscription
from wit.world import World

__all__ = ["Breaks", "Check", "ComponentStore", "Linked", "UsersOf"]


class Linked(NamedTuple):
    """A component that serves an imported interface, and what it exports."""

    component: str
    world: World


CONFLICTS_MAX: Final = 1_000
READS_AT_ONCE_MAX: Final = 32

# Raises MissingImportsError (or any ComponentError) if the host cannot link the component with the
# components that serve its imports, by interface.
# Returns why others could not go on with another version of a component, by name and exports, or
# without it (None).
Breaks: TypeAlias = Callable[[str, World | None], Awaitable[Sequence[str]]]
Check: TypeAlias = Callable[[Component, Mapping[str, Linked]], object]
# Names the workers that run a version (None: any version) of a component.
UsersOf: TypeAlias = Callable[[str, int | None], Awaitable[Sequence[str]]]

_RECORD = msgspec.json.Decoder(ComponentRecord)
_POINTER = msgspec.json.Decoder(Pointer)


@final
class ComponentStore:
    """Uploads, finds, loads and deletes components. Belongs to one event loop."""

    def __init__(self, broker: Broker, engine: Engine) -> None:
        self._bucket = broker.components
        self._blobs = broker.blobs
        self._loader = Loader(broker.blobs, engine)
        self._pointers: dict[str, Pointer] = {}
        self._records: dict[tuple[str, int], ComponentRecord] = {}
        self._watch: Subscription | None = None

    async def start(self) -> None:
        """Follow the bucket, so that `get` answers from memory. Without it every `get` reads."""
        self._watch = await self._bucket.watch(self._on_change)

    async def close(self) -> None:
        """Stop following and drop what was loaded."""
        if self._watch is not None:
            await self._watch.close()
            self._watch = None
        self._pointers.clear()
        self._records.clear()
        await self._loader.close()

    async def get(
        self, name: str, version: int | None = None, *, fresh: bool = False
    ) -> ComponentRecord:
        """Return a version, by default the newest.

        Answers from memory, which follows uploads elsewhere within moments; `fresh` reads the
        leader and so sees every upload that was answered before.

        Raises:
            UnknownComponentError: no such component or version.
        """
        if version is None:
            pointer = None if fresh else self._pointers.get(name)
            if pointer is None or pointer.newest is None:
                pointer, _ = await self._read_pointer(name)
            if pointer is None or pointer.newest is None:
                raise UnknownComponentError(
                    f"component {name!r} does not exist; upload it with `shem component add`"
                )
            version = pointer.newest
        record = None if fresh else self._records.get((name, version))
        if record is None:
            record = await self._read_record(name, version)
        if record is None:
            raise UnknownComponentError(f"component {name!r} has no version {version}")
        return record

    async def load(self, record: ComponentRecord) -> Component:
        """Return the compiled component of a record; concurrent loads of one digest share the work.

        Raises:
            ComponentDamagedError: the bytes are missing, or are not those that were uploaded.
            ComponentError: this engine cannot run them.
        """
        return await self._loader.load(record)

    async def linked(
        self, name: str, links: Mapping[str, str], component: Component
    ) -> dict[str, Linked]:
        """Return by imported interface the components that serve imports of component `name`.

        Raises:
            ComponentError: an interface that it does not import, or a component that is not there.
        """
        imported = {each.name for each in component.world.import_interfaces}
        found: dict[str, Linked] = {}
        for given, target in links.items():
            names = [each for each in imported if given in {each, each.partition("@")[0]}]
            if not names:
                listed = ", ".join(sorted(imported)) or "nothing"
                raise ComponentError(f"link {given}={target}: it imports {listed}")
            try:
                world = component.world if target == name else await self._world(target)
            except UnknownComponentError as error:
                raise ComponentError(f"link {given}={target}: {error}") from error
            found.update(dict.fromkeys(names, Linked(target, world)))
        return found

    async def _world(self, name: str) -> World:
        return (await self.load(await self.get(name))).world

    async def data(self, record: ComponentRecord) -> bytes:
        """Return the uploaded bytes.

        Raises:
            ComponentDamagedError: they are missing, or are not those that were uploaded.
        """
        return await read_checked(self._blobs, record)

    async def files(self, record: ComponentRecord) -> tuple[host_files.InitialFile, ...]:
        """Return the files that every worker of the version finds at its start.

        Raises:
            ComponentDamagedError: the bytes of one are missing.
        """
        found: list[host_files.InitialFile] = []
        for file in record.files:
            try:
                data = await self._blobs.get(file_blob_name(file.digest))
            except NotFoundError as error:
                raise ComponentDamagedError(
                    f"component {record.name!r}: the bytes of file {file.path!r} are missing"
                ) from error
            found.append(
                host_files.InitialFile(
                    path=file.path, data=data, is_writable=file.permissions == "rw"
                )
            )
        return tuple(found)

    async def names(self, *, fresh: bool = False) -> list[str]:
        """Return the names of all components; from memory, unless `fresh` or not followed."""
        if self._watch is not None and not fresh:
            return [name for name, at in self._pointers.items() if at.newest is not None]
        return [key.removeprefix("newest/") for key in await self._bucket.keys("newest/")]

    async def all(self) -> list[ComponentRecord]:
        """Return the newest version of every component, by name; reads the leader."""
        names = await self.names(fresh=True)
        return await self._gather([self._newest(each) for each in names])

    async def versions(self, name: str) -> list[ComponentRecord]:
        """Return all versions of one component in order, none if unknown; reads the leader."""
        numbers = await self._numbers(name)
        return await self._gather([self._read_record(name, each) for each in numbers])

    async def add(
        self,
        upload: Upload,
        *,
        check: Check,
        now_ms: int,
        if_changed: bool = False,
        progress: Progress | None = None,
        breaks: Breaks | None = None,
    ) -> ComponentRecord:
        """Check an upload and make it the next version of its component: first 0, then 1.

        Concurrent uploads get distinct versions. With `if_changed` an upload that equals the newest
        version is answered with that one. A crash at any point leaves either nothing or a complete
        version, which the same `upload_id` finds again.

        Raises:
            BadComponentError: refused; the message says why. Nothing of it is visible.
            ComponentInUseError: others could not go on with it, by what `breaks` says.
        """
        check_upload(upload)
        if upload.upload_id is not None:
            for record in await self.versions(upload.name):
                if record.upload_id == upload.upload_id:
                    await self._advance(record.name, record.version)
                    return record
        component = await self._check_bytes(upload, check, progress)
        upload = msgspec.structs.replace(upload, read_only=_read_only(upload, component.world))
        broken: Sequence[str] = ()
        if breaks is not None:
            broken = await breaks(upload.name, component.world)
        if broken:
            await self._drop_blob(upload.digest)
            uses = "\n".join(broken)
            raise ComponentInUseError(
                f"component {upload.name!r}: deployed APIs rely on what this version lacks; deploy "
                "versions of them that do without, or take them down by `shem api undeploy` until "
                f"the component is there:\n{uses}"
            )
        if if_changed:
            newest = await self._newest(upload.name)
            if newest is not None and newest.same_settings(upload):
                return newest
        record = await self._allocate(upload, now_ms, if_changed=if_changed)
        await self._advance(record.name, record.version)
        return record

    async def delete(
        self,
        name: str,
        version: int | None = None,
        *,
        users_of: UsersOf,
        breaks: Breaks | None = None,
        force: bool = False,
    ) -> list[ComponentRecord]:
        """Delete one version, or all; return what was deleted. Numbers are not given again.

        Raises:
            UnknownComponentError: no such component or version.
            ComponentInUseError: workers run it, or others could not go on with what is left, by
                what `breaks` says, and `force` is not set. With `force` such workers fail when they
                are loaded the next time.
        """
        if version is None:
            doomed = await self.versions(name)
        else:
            doomed = [await self.get(name, version, fresh=True)]
        if not doomed:
            raise UnknownComponentError(f"component {name!r} does not exist")
        if not force:
            users = await users_of(name, version)
            if users:
                more = f" and {len(users) - 3} more" if len(users) > 3 else ""
                raise ComponentInUseError(
                    f"component {name!r} is used by workers {', '.join(users[:3])}{more}; "
                    "delete them first, or force the deletion"
                )
            if breaks is not None:
                await self._check_left(name, doomed, breaks)
        for record in doomed:
            await self._bucket.delete(_version_key(name, record.version))
            self._records.pop((name, record.version), None)
        await self._retreat(name)
        for digest in {record.digest for record in doomed}:
            await self._drop_blob(digest)
        return doomed

    async def _check_left(
        self, name: str, doomed: Sequence[ComponentRecord], breaks: Breaks
    ) -> None:
        """Refuse a deletion if others could not go on with the version that is the newest then."""
        left = [each for each in await self.versions(name) if each not in doomed]
        newest = max(left, key=lambda each: each.version, default=None)
        broken = await breaks(name, None if newest is None else (await self.load(newest)).world)
        if broken:
            uses = "\n".join(broken)
            raise ComponentInUseError(
                f"component {name!r}: deployed APIs rely on it; take them down by `shem api "
                f"undeploy` first, or force the deletion:\n{uses}"
            )

    async def _check_bytes(
        self, upload: Upload, check: Check, progress: Progress | None
    ) -> Component:
        place = f"component {upload.name!r}"
        try:
            data = await self._blobs.get(blob_name(upload.digest))
        except NotFoundError as error:
            raise BadComponentError(
                f"{place}: blob {blob_name(upload.digest)} does not exist; store the bytes first"
            ) from error
        actual = hashlib.sha256(data).hexdigest()
        if actual != upload.digest or len(data) != upload.size:
            raise BadComponentError(
                f"{place}: stored are {len(data)} bytes with SHA-256 {actual}, "
                f"expected {upload.size} bytes with {upload.digest}; store them again"
            )
        present = set(await self._blobs.names("file/")) if upload.files else set[str]()
        for file in upload.files:
            if file_blob_name(file.digest) not in present:
                raise BadComponentError(
                    f"{place}: file {file.path}: blob {file_blob_name(file.digest)} does not exist"
                )
        try:
            component = await self._loader.compile(data, progress=progress)
            if parse_policy(upload.snapshots).is_custom:
                _check_own_words(component.world)
            _read_only(upload, component.world)
            check(component, await self.linked(upload.name, upload.links, component))
        except ComponentError as error:
            await self._drop_blob(upload.digest)
            raise BadComponentError(f"{place}: {error}") from error
        return component

    async def _allocate(self, upload: Upload, now_ms: int, *, if_changed: bool) -> ComponentRecord:
        pointer, _ = await self._read_pointer(upload.name)
        number = 0 if pointer is None else pointer.allocated + 1
        for _ in range(CONFLICTS_MAX):
            given = {name: getattr(upload, name) for name in Upload.__struct_fields__}
            record = ComponentRecord(version=number, created_at_ms=now_ms, **given)
            try:
                await self._bucket.create(
                    _version_key(upload.name, number), msgspec.json.encode(record)
                )
            except ExistsError:
                # Another upload was faster, or died before it moved the pointer.
                if if_changed:
                    faster = await self.get(upload.name, number, fresh=True)
                    if faster.same_settings(upload):
                        return faster
                number += 1
            else:
                return record
        raise BadComponentError(
            f"component {upload.name!r}: {CONFLICTS_MAX} concurrent uploads were faster; try again"
        )

    async def _advance(self, name: str, version: int) -> None:
        async def higher(pointer: Pointer | None) -> Pointer | None:
            if pointer is None:
                return Pointer(newest=version, allocated=version)
            if pointer.newest is not None and pointer.newest >= version:
                return None
            return Pointer(newest=version, allocated=max(pointer.allocated, version))

        await self._move_pointer(name, higher)

    async def _retreat(self, name: str) -> None:
        async def to_what_is_left(pointer: Pointer | None) -> Pointer | None:
            newest = max(await self._numbers(name), default=None)
            if pointer is None or pointer.newest == newest:
                return None
            return Pointer(newest=newest, allocated=max(pointer.allocated, newest or 0))

        await self._move_pointer(name, to_what_is_left)

    async def _move_pointer(
        self, name: str, move: Callable[[Pointer | None], Awaitable[Pointer | None]]
    ) -> None:
        for _ in range(CONFLICTS_MAX):
            pointer, revision = await self._read_pointer(name)
            moved = await move(pointer)
            if moved is None:
                return
            data = msgspec.json.encode(moved)
            try:
                if pointer is None:
                    await self._bucket.create(_pointer_key(name), data)
                else:
                    await self._bucket.update(_pointer_key(name), data, revision=revision)
            except ExistsError:
                continue
            self._pointers[name] = moved
            return
        raise AssertionError(f"pointer of {name!r} moved {CONFLICTS_MAX} times under our hands")

    async def _drop_blob(self, digest: str) -> None:
        """Delete the bytes unless a version needs them.

        An upload may be checking the same bytes right now and become a version after we looked:
        so look again after the deletion, and put them back.
        """
        if await self._is_needed(digest):
            return
        try:
            data = await self._blobs.get(blob_name(digest))
        except NotFoundError:
            return
        await self._blobs.delete(blob_name(digest))
        if await self._is_needed(digest):
            await self._blobs.put(blob_name(digest), data)

    async def _is_needed(self, digest: str) -> bool:
        keys = await self._bucket.keys("version/")
        places = [_parse_version_key(key) for key in keys]
        found = await self._gather([self._read_record(*place) for place in places])
        return any(record.digest == digest for record in found)

    async def _newest(self, name: str) -> ComponentRecord | None:
        try:
            return await self.get(name, fresh=True)
        except UnknownComponentError:
            return None

    async def _numbers(self, name: str) -> list[int]:
        keys = await self._bucket.keys(f"version/{name}/")
        return sorted(_parse_version_key(key)[1] for key in keys)

    async def _read_pointer(self, name: str) -> tuple[Pointer | None, int]:
        entry = await self._bucket.get(_pointer_key(name))
        if entry is None or entry.data is None:
            return None, 0
        return _POINTER.decode(entry.data), entry.revision

    async def _read_record(self, name: str, version: int) -> ComponentRecord | None:
        entry = await self._bucket.get(_version_key(name, version))
        if entry is None or entry.data is None:
            return None
        record = _RECORD.decode(entry.data)
        if self._watch is not None:
            self._records[name, version] = record
        return record

    async def _gather(
        self, reads: Sequence[Coroutine[None, None, ComponentRecord | None]]
    ) -> list[ComponentRecord]:
        found: list[ComponentRecord | None] = []
        for start in range(0, len(reads), READS_AT_ONCE_MAX):
            found += await asyncio.gather(*reads[start : start + READS_AT_ONCE_MAX])
        return [record for record in found if record is not None]

    def _on_change(self, entry: BucketEntry) -> None:
        family, _, rest = entry.key.partition("/")
        if family == "newest":
            if entry.data is None:
                self._pointers.pop(rest, None)
            else:
                self._pointers[rest] = _POINTER.decode(entry.data)
        elif family == "version":
            place = _parse_version_key(entry.key)
            if entry.data is None:
                self._records.pop(place, None)
            else:
                self._records[place] = _RECORD.decode(entry.data)


def _read_only(upload: Upload, world: World) -> tuple[str, ...]:
    return read_only.resolved(world, upload.read_only, kind=upload.kind)


def _pointer_key(name: str) -> str:
    return f"newest/{name}"


def _version_key(name: str, version: int) -> str:
    return f"version/{name}/{version}"


def _parse_version_key(key: str) -> tuple[str, int]:
    name, _, version = key.removeprefix("version/").rpartition("/")
    return name, int(version)


def _check_own_words(world: World) -> None:
    exported = {interface.name.partition("@")[0] for interface in world.export_interfaces}
    for name in ("golem:api/save-snapshot", "golem:api/load-snapshot"):
        if name not in exported:
            raise ComponentError(f"its snapshots are custom, but it does not export {name}")
