"""Containers of guests in memory."""

from collections.abc import Sequence
from typing import final

from broker.errors import NotFoundError
from broker.memory.clock import Clock
from broker.memory.link import Link
from broker.ports import BlobInfo

__all__ = ["ContainerStore", "MemoryContainer", "MemoryContainers"]


@final
class ContainerStore:
    """One container as the broker keeps it: bytes and the time of writing by name."""

    def __init__(self, created_ms: int) -> None:
        self.created_ms = created_ms
        self.objects: dict[str, tuple[bytes, int]] = {}


@final
class MemoryContainers:
    """All containers seen through one connection."""

    def __init__(self, stores: dict[str, ContainerStore], clock: Clock, link: Link) -> None:
        self._stores = stores
        self._clock = clock
        self._link = link

    async def create(self, name: str) -> None:
        """Make an empty one; one that exists stays as it is."""
        await self._link.turn()
        self._stores.setdefault(name, ContainerStore(self._clock.now_ns() // 1_000_000))

    async def created_ms(self, name: str) -> int | None:
        """Return the Unix time of its creation."""
        await self._link.turn()
        store = self._stores.get(name)
        return None if store is None else store.created_ms

    async def delete(self, name: str) -> None:
        """Remove it with everything in it."""
        await self._link.turn()
        self._stores.pop(name, None)

    def open(self, name: str) -> "MemoryContainer":
        """Return it."""
        return MemoryContainer(self._stores, name, self._clock, self._link)


@final
class MemoryContainer:
    """One container seen through one connection."""

    def __init__(
        self, stores: dict[str, ContainerStore], name: str, clock: Clock, link: Link
    ) -> None:
        self._stores = stores
        self._name = name
        self._clock = clock
        self._link = link

    async def put(self, name: str, data: bytes) -> None:
        """Store an object."""
        objects = await self._objects()
        objects[name] = bytes(data), self._clock.now_ns() // 1_000_000

    async def get(self, name: str) -> bytes:
        """Return an object."""
        objects = await self._objects()
        if name not in objects:
            raise NotFoundError(f"no object is named {name!r} in {self._name}")
        return objects[name][0]

    async def delete(self, name: str) -> None:
        """Remove an object."""
        (await self._objects()).pop(name, None)

    async def names(self, prefix: str = "") -> Sequence[str]:
        """Return the names that start with `prefix`, sorted."""
        return sorted(name for name in await self._objects() if name.startswith(prefix))

    async def info(self, name: str) -> BlobInfo | None:
        """Return what is known of an object."""
        found = (await self._objects()).get(name)
        return None if found is None else BlobInfo(name, len(found[0]), found[1])

    async def clear(self) -> None:
        """Remove all objects."""
        (await self._objects()).clear()

    async def _objects(self) -> dict[str, tuple[bytes, int]]:
        await self._link.turn()
        store = self._stores.get(self._name)
        if store is None:
            raise NotFoundError(f"there is no container {self._name!r}")
        return store.objects
