"""Uploading and finding components."""

import hashlib
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Literal, final

import msgspec

from broker.errors import BrokerError, NotFoundError
from broker.ports import Blobs
from shem.client.invocations import broker_error
from shem.client.requests import Requests
from shem.errors import InternalError
from shem.records import Component, ComponentDescription, InitialFile, TypedComponent

__all__ = ["Components"]

# Compiling a guest that brings its own interpreter takes tens of seconds the first time.
ADD_TIMEOUT_S: Final = 300.0

Progress = Callable[[str, int, int], None]


@final
class Components:
    """The components of the system this client is connected to."""

    def __init__(self, requests: Requests, blobs: Blobs) -> None:
        self._requests = requests
        self._blobs = blobs

    async def add(
        self,
        name: str,
        data: bytes,
        *,
        type_: Literal["durable", "ephemeral"] = "durable",
        env: Mapping[str, str] | None = None,
        files: Sequence[tuple[str, bytes, Literal["ro", "rw"]]] = (),
        links: Mapping[str, str] | None = None,
        snapshots: str = "auto",
        retry: str = "",
        memory: str = "",
        quota: str = "",
        history: Literal["keep", "archive", "purge"] = "keep",
        sockets: bool = False,
        read_only: Sequence[str] = (),
        if_changed: bool = False,
        replaced: Sequence[str] = (),
        progress: Progress | None = None,
    ) -> Component:
        """Upload a component and return its new version: 0 for the first.

        `files` are (absolute path, bytes, permissions) that every worker finds; `links` say which
        component serves an imported interface, `snapshots` when snapshots of its workers are taken
        (`auto`, `never`, or `idle`, `every=N` and `period=D` separated by commas; `custom` in front
        of them has the component save itself). `retry` says when failures are tried again (as
        `attempts=5,min=100ms,max=10s,multiplier=2,jitter=0.1`, or `never`), `memory` how much a
        worker may have (as `max=64MiB,full=fail`); with `history` `archive` the part of a log that
        snapshots stand for moves to the object store, with `purge` it is thrown away. `sockets`
        gives workers the network through `wasi:sockets`; functions that are `read_only` run beside
        the queue. With `if_changed` an upload that equals the newest version is answered with that
        one. What `replaced` APIs (`id@host`) rely on does not count: the caller serves others in
        their place next. `progress(step, done, total)` hears of the steps `upload` (bytes) and
        `compile` (modules).

        Raises:
            RefusedError: of kind `bad-component`, with the reason.
        """
        self._requests.check()
        digest = hashlib.sha256(data).hexdigest()
        upload: dict[str, object] = {
            "name": name,
            "digest": digest,
            "size": len(data),
            "type": type_,
            "env": dict(env or {}),
            "links": dict(links or {}),
            "snapshots": snapshots,
            "retry": retry,
            "memory": memory,
            "quota": quota,
            "history": history,
            "sockets": sockets,
            "read-only": list(read_only),
            "files": [_describe(*file) for file in files],
            "if-changed": if_changed,
            "upload-id": secrets.token_hex(12),
        }
        if replaced:
            upload["replaced"] = list(replaced)
        total = len(data) + sum(len(content) for _, content, _ in files)
        _tell(progress, "upload", 0, total)
        try:
            for _, content, _ in files:
                await self._blobs.put(f"file/{hashlib.sha256(content).hexdigest()}", content)
            await self._blobs.put(f"component/{digest}", data)
        except BrokerError as error:
            raise broker_error(error) from error
        _tell(progress, "upload", total, total)
        answer = await self._requests.ask(
            "component.add",
            upload,
            timeout_s=ADD_TIMEOUT_S,
            progress=lambda done, steps: _tell(progress, "compile", done, steps),
        )
        return msgspec.convert(answer, Component)

    async def all(self) -> list[Component]:
        """Return the newest version of each component, by name."""
        return _listed(await self._requests.ask("component.list", {}))

    async def versions(self, name: str) -> list[Component]:
        """Return all versions of a component, in order.

        Raises:
            UnknownComponentError: there is none.
        """
        return _listed(await self._requests.ask("component.list", {"name": name}))

    async def get(self, name: str, version: int | None = None) -> Component:
        """Return a version, by default the newest.

        Raises:
            UnknownComponentError: there is none.
        """
        answer = await self._requests.ask("component.get", {"name": name, "version": version})
        return msgspec.convert(answer, Component)

    async def describe(self, name: str, version: int | None = None) -> ComponentDescription:
        """Return a version with its imports and the signatures of its exports.

        Raises:
            UnknownComponentError: there is none.
        """
        body = {"name": name, "version": version}
        answer = await self._requests.ask("component.describe", body, timeout_s=ADD_TIMEOUT_S)
        return msgspec.convert(answer, ComponentDescription)

    async def typed(self, name: str, version: int | None = None) -> TypedComponent:
        """Return a version with everything it imports and exports, as types.

        Raises:
            UnknownComponentError: there is none.
        """
        body = {"name": name, "version": version}
        answer = await self._requests.ask("component.world", body, timeout_s=ADD_TIMEOUT_S)
        return msgspec.convert(answer, TypedComponent)

    async def download(self, name: str, version: int | None = None) -> bytes:
        """Return the bytes of a version, checked against its digest.

        Raises:
            UnknownComponentError: there is none.
            InternalError: its bytes are missing or damaged.
        """
        record = await self.get(name, version)
        place = f"component {name!r} version {record.version}"
        try:
            data = await self._blobs.get(f"component/{record.digest}")
        except NotFoundError as error:
            raise InternalError(f"{place}: its bytes are missing; upload it again") from error
        except BrokerError as error:
            raise broker_error(error) from error
        if hashlib.sha256(data).hexdigest() != record.digest:
            raise InternalError(f"{place}: its bytes are damaged; upload it again")
        return data

    async def delete(
        self, name: str, version: int | None = None, *, force: bool = False
    ) -> list[Component]:
        """Delete a version, or all; return what was deleted.

        Raises:
            UnknownComponentError: there is none.
            RefusedError: of kind `component-in-use`, unless forced.
        """
        body = {"name": name, "version": version, "force": force}
        answer = await self._requests.ask("component.delete", body, timeout_s=60.0)
        return msgspec.convert(answer, dict[Literal["deleted"], list[Component]])["deleted"]


def _listed(answer: object) -> list[Component]:
    return msgspec.convert(answer, dict[Literal["components"], list[Component]])["components"]


def _describe(path: str, content: bytes, permissions: Literal["ro", "rw"]) -> InitialFile:
    return InitialFile(
        path=path,
        digest=hashlib.sha256(content).hexdigest(),
        size=len(content),
        permissions=permissions,
    )


def _tell(progress: Progress | None, step: str, done: int, total: int) -> None:
    if progress is not None:
        progress(step, done, total)
