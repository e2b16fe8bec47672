"""A KV bucket as the `Bucket` port, in the layout that every NATS client understands."""

import math
import os
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Final, final

from broker.errors import ExistsError, FencedError, InternalError
from broker.jetstream.api import JetStreamApi
from broker.jetstream.headers import encode_message_id
from broker.jetstream.keys import decode_key, encode_key
from broker.jetstream.limits import MARKER_TTL_S
from broker.jetstream.publisher import Publisher
from broker.jetstream.reader import StoredMessage, StreamReader
from broker.jetstream.watch import BucketWatch
from broker.layout import MESSAGE_ID
from broker.ports import BucketEntry, Subscription

__all__ = ["JetStreamBucket", "is_deletion"]

_OPERATION: Final = "KV-Operation"
_MARKER: Final = "Nats-Marker-Reason"
_TTL: Final = "Nats-TTL"
_ROLLUP: Final = "Nats-Rollup"
_CREATE_ATTEMPTS_MAX: Final = 3


@final
class JetStreamBucket:
    """One bucket, or with `within` what lies under that token of the keys of one."""

    def __init__(
        self,
        api: JetStreamApi,
        name: str,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
        *,
        within: str | None = None,
    ) -> None:
        self._api = api
        self._name = name
        self._stream = f"KV_{name}"
        self._prefix = f"$KV.{name}."
        if within is not None:
            self._prefix += f"{encode_key(within)}."
        self._reader = reader = StreamReader(api, self._stream)
        # The reader and not `self`, which would keep itself in memory: some live as long as a life.
        self._publisher = Publisher(api.wire, lambda _: reader)
        self._spawn = spawn
        self._watches: set[BucketWatch] = set()

    async def get(self, key: str) -> BucketEntry | None:
        """Return the newest value, read from the leader."""
        message = await self._reader.last_from_leader(self._subject(key))
        if message is None or is_deletion(message.raw_headers):
            return None
        return BucketEntry(key=key, data=message.data, revision=message.sequence)

    async def put(self, key: str, data: bytes, *, ttl_s: float | None = None) -> int:
        """Write and return the revision."""
        headers: dict[str, str] = {}
        if ttl_s is not None:
            headers[_TTL] = f"{max(1, math.ceil(ttl_s))}s"
            # Where older values are kept, one of them would come back when this one expires.
            headers[_ROLLUP] = "sub"
        ack = await self._publisher.publish(
            self._subject(key), data, message_id=_new_id(), headers=headers
        )
        return ack.sequence

    async def create(self, key: str, data: bytes) -> int:
        """Write a key that must not exist."""
        return await self._create(key, data, None)

    async def _create(self, key: str, data: bytes, write_id: str | None) -> int:
        revision = 0
        for _ in range(_CREATE_ATTEMPTS_MAX):
            try:
                return await self._write_after(key, data, revision, write_id)
            except FencedError:
                written = await self._written(key, write_id)
                if written is not None:
                    return written
                newest = await self._reader.last_from_leader(self._subject(key))
                if newest is None:
                    # Its marker has just expired.
                    revision = 0
                elif is_deletion(newest.raw_headers):
                    revision = newest.sequence
                else:
                    break
        raise ExistsError(f"key {key!r} of bucket {self._name} exists already")

    async def update(
        self, key: str, data: bytes, *, revision: int, write_id: str | None = None
    ) -> int:
        """Write a key whose newest revision must be `revision`; 0: there must be none."""
        if revision == 0:
            return await self._create(key, data, write_id)
        try:
            return await self._write_after(key, data, revision, write_id)
        except FencedError as error:
            written = await self._written(key, write_id)
            if written is not None:
                return written
            raise ExistsError(
                f"key {key!r} of bucket {self._name} is at revision {error.sequence}, "
                f"not {revision}: read it again"
            ) from error

    async def delete(self, key: str) -> None:
        """Leave a marker that watchers see and that expires by itself."""
        if await self.get(key) is None:
            return
        await self._publisher.publish(
            self._subject(key),
            b"",
            message_id=_new_id(),
            headers={_OPERATION: "PURGE", _ROLLUP: "sub", _TTL: f"{MARKER_TTL_S}s"},
        )

    async def keys(self, prefix: str = "") -> Sequence[str]:
        """Return the living keys that start with `prefix`, sorted."""
        found: set[str] = set()
        async for message in self._reader.read(f"{self._prefix}>"):
            key = self._key(message)
            if is_deletion(message.raw_headers):
                found.discard(key)
            elif key.startswith(prefix):
                found.add(key)
        return sorted(found)

    async def changes(self, *, behind: int = 0) -> Sequence[BucketEntry]:
        """Return every key written behind revision `behind` with its newest value, in that order.

        Deleted ones have no data; those deleted long ago may be left out.
        """
        found: dict[str, BucketEntry] = {}
        async for message in self._reader.read(f"{self._prefix}>", from_sequence=behind + 1):
            key = self._key(message)
            data = None if is_deletion(message.raw_headers) else message.data
            found.pop(key, None)
            found[key] = BucketEntry(key=key, data=data, revision=message.sequence)
        return tuple(found.values())

    async def watch(
        self, callback: Callable[[BucketEntry], None], *, prefix: str = ""
    ) -> Subscription:
        """Call back for every present key and every later change."""
        watch = BucketWatch(
            self._api,
            stream=self._stream,
            subject_prefix=self._prefix,
            key_prefix=prefix,
            callback=callback,
            spawn=self._spawn,
            is_deletion=is_deletion,
        )
        await watch.start()
        self._watches.add(watch)
        watch.on_close(lambda: self._watches.discard(watch))
        return watch

    def link_up(self) -> None:
        """Renew the watches after a reconnection."""
        for watch in self._watches:
            watch.renew()

    async def _written(self, key: str, write_id: str | None) -> int | None:
        """Return the revision that an earlier attempt of the same write has made."""
        if write_id is None:
            return None
        wire_id = encode_message_id(write_id)
        async for message in self._reader.read(self._subject(key)):
            if message.raw_headers.get(MESSAGE_ID) == wire_id:
                return message.sequence
        return None

    async def _write_after(
        self, key: str, data: bytes, revision: int, write_id: str | None = None
    ) -> int:
        return await self._publisher.append(
            self._subject(key),
            data,
            message_id=write_id or _new_id(),
            expected_sequence=revision,
            headers={},
        )

    def _subject(self, key: str) -> str:
        return self._prefix + encode_key(key)

    def _key(self, message: StoredMessage) -> str:
        token = message.subject.removeprefix(self._prefix)
        try:
            return decode_key(token)
        except ValueError as error:
            raise InternalError(f"bucket {self._name} holds a key not ours: {token!r}") from error


def is_deletion(headers: Mapping[str, str]) -> bool:
    """Say whether a stored message of a bucket means that its key is gone."""
    return _MARKER in headers or headers.get(_OPERATION) in {"DEL", "PURGE"}


def _new_id() -> str:
    return os.urandom(12).hex()
