"""Large objects in chunks, in the layout of the NATS object store.

An object is its meta message; the chunks lie under a name used once. Writing stores new chunks
first, then replaces the meta message, then removes the old chunks: a reader sees the old object or
the new one, and a crash leaves at most chunks that nobody names.
"""

import asyncio
import os
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final, final

import msgspec
from msgspec import Struct

from broker.errors import InternalError, NotFoundError, UnavailableError
from broker.jetstream.api import JetStreamApi
from broker.jetstream.limits import (
    BLOB_ATTEMPTS_MAX,
    BLOB_CHUNK_BYTES_MAX,
    BLOB_CHUNKS_IN_FLIGHT_MAX,
    HEADER_RESERVE_BYTES,
)
from broker.jetstream.publisher import Publisher
from broker.jetstream.reader import StreamReader
from broker.jetstream.retry import Backoff
from broker.ports import BlobInfo

__all__ = ["JetStreamBlobs"]

_ROLLUP: Final = "Nats-Rollup"
_DIGEST_PREFIX: Final = "SHA-256="


class _Options(Struct, frozen=True, omit_defaults=True):
    max_chunk_size: int = 0


class _Meta(Struct, frozen=True, omit_defaults=True):
    """The object store's own description of an object."""

    name: str
    bucket: str = ""
    nuid: str = ""
    size: int = 0
    mtime: str = ""
    chunks: int = 0
    digest: str = ""
    deleted: bool = False
    options: _Options | None = None


class _Anything(Struct, frozen=True):
    pass


@final
class JetStreamBlobs:
    """One object store bucket."""

    def __init__(self, api: JetStreamApi, bucket: str) -> None:
        self._api = api
        self._bucket = bucket
        self._stream = f"OBJ_{bucket}"
        self._reader = StreamReader(api, self._stream)
        self._publisher = Publisher(api.wire, lambda _: self._reader)

    async def put(self, name: str, data: bytes) -> None:
        """Store an object."""
        previous = await self._meta(name)
        chunk_bytes = min(
            BLOB_CHUNK_BYTES_MAX, self._api.wire.server.max_payload - HEADER_RESERVE_BYTES
        )
        nuid, chunks = await self._put_chunks(data, chunk_bytes)
        await self._put_meta(
            _Meta(
                name=name,
                bucket=self._bucket,
                nuid=nuid,
                size=len(data),
                mtime=datetime.now(UTC).isoformat().replace("+00:00", "Z"),
                chunks=chunks,
                digest=_digest(data),
                options=_Options(max_chunk_size=chunk_bytes),
            )
        )
        if previous is not None and previous.nuid:
            await self._purge(previous.nuid)

    async def get(self, name: str) -> bytes:
        """Return an object."""
        backoff = Backoff()
        while True:
            meta = await self._meta(name)
            if meta is None:
                raise NotFoundError(f"no object is named {name!r} in {self._bucket}")
            data = await self._get_chunks(meta)
            if len(data) == meta.size and _digest(data) == meta.digest:
                return data
            # A replica that lags, or a writer that has replaced the object between our reads.
            if backoff.attempts >= BLOB_ATTEMPTS_MAX:
                raise InternalError(
                    f"object {name!r} is damaged: {len(data)} of {meta.size} bytes, "
                    f"digest {_digest(data)} instead of {meta.digest}; upload it again"
                )
            await backoff.wait()

    async def delete(self, name: str) -> None:
        """Remove an object."""
        meta = await self._meta(name)
        if meta is None:
            return
        await self._put_meta(_Meta(name=name, bucket=self._bucket, deleted=True))
        await self._purge(meta.nuid)

    async def names(self, prefix: str = "") -> Sequence[str]:
        """Return the names that start with `prefix`, sorted."""
        found: set[str] = set()
        async for message in self._reader.read(f"$O.{self._bucket}.M.*"):
            meta = msgspec.json.decode(message.data, type=_Meta)
            if meta.deleted:
                found.discard(meta.name)
            elif meta.name.startswith(prefix):
                found.add(meta.name)
        return sorted(found)

    async def info(self, name: str) -> BlobInfo | None:
        """Return what is known of an object."""
        meta = await self._meta(name)
        if meta is None:
            return None
        modified = datetime.fromisoformat(meta.mtime).timestamp() if meta.mtime else 0
        return BlobInfo(name=name, size=meta.size, modified_ms=round(modified * 1_000))

    async def _meta(self, name: str) -> _Meta | None:
        message = await self._reader.last_from_leader(self._meta_subject(name))
        if message is None:
            return None
        meta = msgspec.json.decode(message.data, type=_Meta)
        return None if meta.deleted else meta

    async def _put_meta(self, meta: _Meta) -> None:
        await self._publisher.publish(
            self._meta_subject(meta.name),
            msgspec.json.encode(meta),
            message_id=f"{os.urandom(12).hex()}",
            headers={_ROLLUP: "sub"},
        )

    async def _put_chunks(self, data: bytes, chunk_bytes: int) -> tuple[str, int]:
        """Store the chunks in order under a new name; start over when order may be broken."""
        pieces = [data[start : start + chunk_bytes] for start in range(0, len(data), chunk_bytes)]
        backoff = Backoff()
        while True:
            nuid = os.urandom(11).hex()
            try:
                for start in range(0, len(pieces), BLOB_CHUNKS_IN_FLIGHT_MAX):
                    window = pieces[start : start + BLOB_CHUNKS_IN_FLIGHT_MAX]
                    await self._put_window(nuid, window)
            except UnavailableError:
                if backoff.attempts >= BLOB_ATTEMPTS_MAX:
                    raise
                await backoff.wait()
                await self._purge(nuid)
            else:
                return nuid, len(pieces)

    async def _put_window(self, nuid: str, pieces: list[bytes]) -> None:
        # Without ids a chunk is tried once: a retry could store it behind its successor.
        acks = await asyncio.gather(
            *(
                self._publisher.publish(
                    self._chunk_subject(nuid), piece, message_id=None, headers={}
                )
                for piece in pieces
            )
        )
        sequences = [ack.sequence for ack in acks]
        if sequences != sorted(sequences):
            raise UnavailableError("chunks of an object were stored out of order")

    async def _get_chunks(self, meta: _Meta) -> bytes:
        subject = self._chunk_subject(meta.nuid)
        return b"".join([message.data async for message in self._reader.read(subject)])

    async def _purge(self, nuid: str) -> None:
        await self._api.call(
            f"STREAM.PURGE.{self._stream}", {"filter": self._chunk_subject(nuid)}, _Anything
        )

    def _meta_subject(self, name: str) -> str:
        return f"$O.{self._bucket}.M.{urlsafe_b64encode(name.encode()).decode()}"

    def _chunk_subject(self, nuid: str) -> str:
        return f"$O.{self._bucket}.C.{nuid}"


def _digest(data: bytes) -> str:
    return _DIGEST_PREFIX + urlsafe_b64encode(sha256(data).digest()).decode()
