"""Key-value buckets and blobs in memory."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, final

from broker.errors import ExistsError, NotFoundError
from broker.memory.clock import NS_PER_S, Clock, Timer
from broker.memory.link import Link
from broker.ports import BucketEntry, Subscription

# Writes of a key that are remembered by their ids.
HISTORY: Final = 16

__all__ = ["BlobStore", "BucketStore", "MemoryBlobs", "MemoryBucket"]


@final
class BucketStore:
    """The bucket as the broker keeps it."""

    def __init__(self, clock: Clock) -> None:
        self.entries: dict[str, BucketEntry] = {}
        self.deleted: dict[str, int] = {}
        self._clock = clock
        self._revision = 0
        self._timers: dict[str, Timer] = {}
        self._watches: dict[_Watch, None] = {}
        self._written: dict[str, deque[tuple[str | None, int]]] = {}

    def written(self, key: str, write_id: str | None) -> int | None:
        """Return the revision of the remembered write with that id."""
        if write_id is None:
            return None
        return next((two for one, two in self._written.get(key, ()) if one == write_id), None)

    def write(
        self,
        key: str,
        data: bytes | None,
        ttl_s: float | None = None,
        write_id: str | None = None,
    ) -> int:
        """Write or delete (`data` None) and tell the watchers."""
        self._revision += 1
        revision = self._revision
        if data is None or ttl_s is not None:
            self._written.pop(key, None)
        self._written.setdefault(key, deque(maxlen=HISTORY)).append((write_id, revision))
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()
        entry = BucketEntry(key=key, data=data, revision=revision)
        if data is None:
            self.entries.pop(key, None)
            self.deleted[key] = revision
        else:
            self.entries[key] = entry
            self.deleted.pop(key, None)
        if ttl_s is not None:
            when_ns = self._clock.now_ns() + int(ttl_s * NS_PER_S)
            self._timers[key] = self._clock.call_at(when_ns, lambda: self._expire(key))
        for watch in list(self._watches):
            watch.announce(entry)
        return revision

    def add_watch(self, watch: "_Watch") -> None:
        """Announce to `watch` what is there and what changes."""
        self._watches[watch] = None
        for entry in list(self.entries.values()):
            watch.announce(entry)

    def remove_watch(self, watch: "_Watch") -> None:
        """Announce nothing any more."""
        self._watches.pop(watch, None)

    def _expire(self, key: str) -> None:
        self._timers.pop(key, None)
        self.write(key, None)


@final
class _Watch:
    def __init__(
        self, store: BucketStore, link: Link, prefix: str, callback: Callable[[BucketEntry], None]
    ) -> None:
        self._store = store
        self._link = link
        self._prefix = prefix
        self._callback = callback
        self._seen: dict[str, int] = {}
        self._open = True

    def announce(self, entry: BucketEntry) -> None:
        if entry.key.startswith(self._prefix) and self._link.is_up:
            asyncio.get_running_loop().call_soon(self._deliver, entry)

    def catch_up(self) -> None:
        """Announce what changed while the connection was down."""
        for key in [key for key in self._seen if key not in self._store.entries]:
            self.announce(BucketEntry(key=key, data=None, revision=self._seen[key] + 1))
        for entry in list(self._store.entries.values()):
            if self._seen.get(entry.key) != entry.revision:
                self.announce(entry)

    def _deliver(self, entry: BucketEntry) -> None:
        if not self._open:
            return
        if entry.data is None:
            self._seen.pop(entry.key, None)
        else:
            self._seen[entry.key] = entry.revision
        self._callback(entry)

    async def close(self) -> None:
        self._open = False
        self._store.remove_watch(self)


@final
class MemoryBucket:
    """A bucket seen through one connection."""

    def __init__(self, store: BucketStore, link: Link) -> None:
        self._store = store
        self._link = link
        self._watches: list[_Watch] = []

    async def get(self, key: str) -> BucketEntry | None:
        """Return the newest value."""
        await self._link.turn()
        return self._store.entries.get(key)

    async def put(self, key: str, data: bytes, *, ttl_s: float | None = None) -> int:
        """Write a key."""
        await self._link.turn()
        return self._store.write(key, bytes(data), ttl_s)

    async def create(self, key: str, data: bytes) -> int:
        """Write a key that must not exist."""
        await self._link.turn()
        present = self._store.entries.get(key)
        if present is not None:
            raise ExistsError(f"key {key!r} exists already, at revision {present.revision}")
        return self._store.write(key, bytes(data))

    async def update(
        self, key: str, data: bytes, *, revision: int, write_id: str | None = None
    ) -> int:
        """Write a key whose newest revision must be `revision`."""
        await self._link.turn()
        written = self._store.written(key, write_id)
        if written is not None:
            return written
        present = self._store.entries.get(key)
        actual = 0 if present is None else present.revision
        if actual != revision:
            raise ExistsError(f"key {key!r} is at revision {actual}, not {revision}: read it again")
        return self._store.write(key, bytes(data), write_id=write_id)

    async def delete(self, key: str) -> None:
        """Remove a key."""
        await self._link.turn()
        if key in self._store.entries:
            self._store.write(key, None)

    async def keys(self, prefix: str = "") -> Sequence[str]:
        """Return the living keys that start with `prefix`, sorted."""
        await self._link.turn()
        return sorted(key for key in self._store.entries if key.startswith(prefix))

    async def changes(self, *, behind: int = 0) -> Sequence[BucketEntry]:
        """Return every key written behind revision `behind` with its newest value."""
        await self._link.turn()
        found = [entry for entry in self._store.entries.values() if entry.revision > behind]
        found += [
            BucketEntry(key=key, data=None, revision=revision)
            for key, revision in self._store.deleted.items()
            if revision > behind
        ]
        return tuple(sorted(found, key=lambda entry: entry.revision))

    async def watch(
        self, callback: Callable[[BucketEntry], None], *, prefix: str = ""
    ) -> Subscription:
        """Call back for every present key and every later change."""
        await self._link.turn()
        watch = _Watch(self._store, self._link, prefix, callback)
        self._watches.append(watch)
        self._store.add_watch(watch)
        return watch

    def link_up(self) -> None:
        """Announce what was missed."""
        for watch in self._watches:
            watch.catch_up()


@final
class BlobStore:
    """Objects as the broker keeps them."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}


@final
class MemoryBlobs:
    """Objects seen through one connection."""

    def __init__(self, store: BlobStore, link: Link) -> None:
        self._objects = store.objects
        self._link = link

    async def put(self, name: str, data: bytes) -> None:
        """Store an object."""
        await self._link.turn()
        self._objects[name] = bytes(data)

    async def get(self, name: str) -> bytes:
        """Return an object."""
        await self._link.turn()
        try:
            return self._objects[name]
        except KeyError:
            raise NotFoundError(f"no object is named {name!r}") from None

    async def delete(self, name: str) -> None:
        """Remove an object."""
        await self._link.turn()
        self._objects.pop(name, None)

    async def names(self, prefix: str = "") -> Sequence[str]:
        """Return the names that start with `prefix`, sorted."""
        await self._link.turn()
        return sorted(name for name in self._objects if name.startswith(prefix))
