"""Compiled components in memory: a small cache in which each digest is loaded once at a time."""

import asyncio
import hashlib
from collections import OrderedDict
from typing import Final, final

from actors.components.errors import ComponentDamagedError
from actors.components.record import ComponentRecord, blob_name
from actors.engine.port import Component, Engine, Progress
from broker.errors import NotFoundError
from broker.ports import Blobs

__all__ = ["Loader"]

LOADED_MAX: Final = 64


@final
class Loader:
    """Loads components by digest, keeping the `LOADED_MAX` that were used last."""

    def __init__(self, blobs: Blobs, engine: Engine, *, loaded_max: int = LOADED_MAX) -> None:
        self._blobs = blobs
        self._engine = engine
        self._loaded_max = loaded_max
        self._loaded: OrderedDict[str, Component] = OrderedDict()
        self._loading: dict[str, asyncio.Task[Component]] = {}

    async def load(self, record: ComponentRecord) -> Component:
        """Return the compiled component of a record.

        A caller that is cancelled leaves the load running for the others.

        Raises:
            ComponentDamagedError: the bytes are missing, or are not those that were uploaded.
            ComponentError: this engine cannot run them.
        """
        loaded = self._loaded.get(record.digest)
        if loaded is not None:
            self._loaded.move_to_end(record.digest)
            return loaded
        task = self._loading.get(record.digest)
        if task is None:
            task = asyncio.create_task(self._load(record), name=f"load {record.name}")
            self._loading[record.digest] = task
            task.add_done_callback(lambda done: self._finish(record.digest, done))
        return await asyncio.shield(task)

    async def compile(self, data: bytes, *, progress: Progress | None = None) -> Component:
        """Compile bytes that have no record yet, and keep the result.

        Raises:
            ComponentError: this engine cannot run them.
        """
        component = await self._engine.load(data, progress=progress)
        self._keep(hashlib.sha256(data).hexdigest(), component)
        return component

    async def close(self) -> None:
        """Abandon what is being loaded and forget the rest."""
        tasks = list(self._loading.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._loaded.clear()

    async def _load(self, record: ComponentRecord) -> Component:
        return await self._engine.load(await read_checked(self._blobs, record))

    def _finish(self, digest: str, task: asyncio.Task[Component]) -> None:
        del self._loading[digest]
        # Asking for the exception marks it as seen: every caller may have been cancelled meanwhile.
        if not task.cancelled() and task.exception() is None:
            self._keep(digest, task.result())

    def _keep(self, digest: str, component: Component) -> None:
        self._loaded[digest] = component
        self._loaded.move_to_end(digest)
        while len(self._loaded) > self._loaded_max:
            self._loaded.popitem(last=False)


async def read_checked(blobs: Blobs, record: ComponentRecord) -> bytes:
    """Return the bytes of a version.

    Raises:
        ComponentDamagedError: they are missing, or are not those that were uploaded.
    """
    place = f"component {record.name} version {record.version}"
    try:
        data = await blobs.get(blob_name(record.digest))
    except NotFoundError as error:
        raise ComponentDamagedError(
            f"{place}: blob {blob_name(record.digest)} is missing; upload a new version"
        ) from error
    actual = hashlib.sha256(data).hexdigest()
    if actual != record.digest:
        raise ComponentDamagedError(
            f"{place}: stored bytes have SHA-256 {actual}, expected {record.digest}; "
            "upload a new version"
        )
    return data
