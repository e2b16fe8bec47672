"""The workers of a running system, as a gateway needs them."""

import secrets
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping
from functools import partial
from typing import Final, final

import msgspec

import rib
from actors.enclosed import enclosure_prefix
from actors.stored_bodies import BodyWriter, StoredBody, pieces_of
from broker.errors import BrokerError, NotFoundError
from broker.ports import Blobs
from gateway.clients.holder import Post
from gateway.errors import RequestError
from gateway.workers import FileVersion
from shem.client import Client
from shem.client.worker import FilePiece, Worker
from shem.errors import (
    InvocationError,
    ResultTimeoutError,
    ShemError,
    UnavailableError,
    UnknownComponentError,
)
from shem.records import Component
from shem.scripts import WorkerPort

__all__ = ["ClientWorkers", "explain", "post_by"]

# How long a gateway may serve the files of a component after a newer version was uploaded.
COMPONENT_AGE_S_MAX: Final = 1.0
# Files that components bring, kept in memory: all together, in bytes.
KEPT_BYTES_MAX: Final = 64 * 1024 * 1024
PIECE_BYTES: Final = 256 * 1024

_FAILED: Final = 500, "program-failed"
# Of commands, that there is nothing to show.
_NOTHING: Final = frozenset({"bad-path", "bad-worker-name", "unknown-worker", "unknown-component"})


def post_by(client: Client) -> Post:
    """Return what publishes invocations of connected clients durably."""

    async def post(component: str, worker: str, payload: bytes, key: str) -> None:
        try:
            await client.worker(component, worker).send(payload, key=key)
        except ShemError as error:
            status = 503 if isinstance(error, UnavailableError) else 500
            raise RequestError(status, error.kind, str(error)) from error

    return post


@final
class ClientWorkers:
    """Reaches workers by a connected client, and the files of components in the object store."""

    def __init__(self, client: Client, blobs: Blobs) -> None:
        self._client = client
        self._blobs = blobs
        self._kept = _Kept(blobs)
        self._components: dict[str, tuple[float, Component | None]] = {}

    def port(
        self, key: str, *, timeout_s: float, attributes: Mapping[str, str] | None = None
    ) -> rib.Port:
        """Return the port of one run."""
        return WorkerPort(self._client, key, timeout_s=timeout_s, attributes=attributes)

    def explain(self, error: rib.RunError) -> tuple[int, str]:
        """Return what a failed run means for the client."""
        return explain(error)

    async def store_body(
        self, component: str, worker: str, key: str, pieces: AsyncIterator[bytes]
    ) -> StoredBody:
        """Store the body of a request as it comes, and return where it lies."""
        name = f"{enclosure_prefix(component, worker)}body/{key}"
        try:
            known = await self._stored(name)
            if known is not None:
                async for _ in pieces:
                    pass
                return known
            # Of two that store the same at the same time, neither may take away the other's.
            writer = BodyWriter(self._blobs, f"{name}/{secrets.token_hex(6)}")
            try:
                async for piece in pieces:
                    writer.append(piece)
                    await writer.pass_on()
                stored = await writer.finish()
            except Exception:
                await writer.discard()
                raise
            # Last, so that it says of nothing that is not there.
            await self._blobs.put(name, msgspec.json.encode(stored))
        except BrokerError as error:
            detail = f"the body cannot be stored now: {error}"
            raise RequestError(503, "unavailable", detail, (("retry-after", "1"),)) from error
        return stored

    async def _stored(self, name: str) -> StoredBody | None:
        try:
            return msgspec.json.decode(await self._blobs.get(name), type=StoredBody)
        except NotFoundError:
            return None

    def stored_body(self, body: StoredBody) -> AsyncIterator[bytes]:
        """Yield a body that lies in the object store."""
        return pieces_of(self._blobs, body)

    async def initial_file(
        self, component: str, path: str, *, with_writable: bool
    ) -> FileVersion | None:
        """Return a file of the newest version, read from the object store."""
        found = await self._component(component)
        for file in () if found is None else found.files:
            if file.path == path and (with_writable or file.permissions == "ro"):
                return FileVersion(
                    file.size, f'"{file.digest}"', partial(self._pieces, file.digest)
                )
        return None

    async def _pieces(self, digest: str, offset: int) -> AsyncIterator[bytes]:
        data = await self._kept.get(digest)
        for start in range(offset, len(data), PIECE_BYTES):
            yield data[start : start + PIECE_BYTES]

    async def worker_file(self, component: str, worker: str, path: str) -> FileVersion | None:
        """Return a file of a worker, whose first piece has been read."""
        try:
            handle = self._client.worker(component, worker)
            first = await handle.read_piece(path)
        except ShemError as error:
            if error.kind in _NOTHING:
                return None
            raise _refused(error) from error

        async def read(offset: int) -> AsyncIterator[bytes]:
            piece = first if offset == 0 else None
            while offset < first.size:
                piece = piece or await _piece(handle, path, offset, first)
                yield piece.data
                offset += len(piece.data)
                piece = None

        return FileVersion(first.size, f'W/"{first.size}-{first.modified_ms}"', read)

    async def _component(self, name: str) -> Component | None:
        now = time.monotonic()
        known = self._components.get(name)
        if known is not None and now < known[0]:
            return known[1]
        try:
            found = await self._client.components.get(name)
        except UnknownComponentError:
            found = None
        except ShemError as error:
            raise _refused(error) from error
        self._components[name] = now + COMPONENT_AGE_S_MAX, found
        return found


async def _piece(handle: Worker, path: str, offset: int, first: FilePiece) -> FilePiece:
    """Return the next piece of the file that `first` is the beginning of."""
    piece = await handle.read_piece(path, offset)
    if (piece.size, piece.modified_ms) != (first.size, first.modified_ms) or not piece.data:
        # The headers are sent: the client must notice that it has no whole file.
        raise ConnectionAbortedError(f"{path} of {handle.name} changed while it was sent")
    return piece


@final
class _Kept:
    """Files from the object store, the last ones in memory; names are digests, so none changes."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs
        self._data: OrderedDict[str, bytes] = OrderedDict()
        self._size = 0

    async def get(self, digest: str) -> bytes:
        data = self._data.get(digest)
        if data is None:
            try:
                data = await self._blobs.get(f"file/{digest}")
            except NotFoundError as error:
                raise RequestError(404, "unknown-file", "there is no such file") from error
            except BrokerError as error:
                raise RequestError(503, "unavailable", str(error)) from error
            if digest not in self._data:
                self._data[digest] = data
                self._size += len(data)
        self._data.move_to_end(digest)
        while self._size > KEPT_BYTES_MAX and len(self._data) > 1:
            self._size -= len(self._data.popitem(last=False)[1])
        return data


def _refused(error: ShemError) -> RequestError:
    match error:
        case ResultTimeoutError():
            return RequestError(504, "timeout", str(error))
        case UnavailableError():
            return RequestError(503, "unavailable", str(error), (("retry-after", "1"),))
        case _ if error.kind == "worker-busy":
            return RequestError(503, "worker-busy", str(error), (("retry-after", "1"),))
        case _ if error.kind == "log-damaged":
            return RequestError(503, "log-damaged", str(error))
        case _ if error.kind == "bad-worker-name":
            # It was made of what the client sent, as a route's other names are.
            return RequestError(400, "bad-request", str(error))
        case _:
            return RequestError(502, "worker-failed", f"{error} ({error.kind})")


def explain(error: rib.RunError) -> tuple[int, str]:
    """Return what a failed run means for the client: a status and the kind of the problem."""
    if error.code is not rib.Code.CALL_FAILED:
        return _FAILED
    cause = None if error.__cause__ is None else error.__cause__.__cause__
    match cause:
        case ResultTimeoutError():
            return 504, "timeout"
        case UnavailableError():
            return 503, "unavailable"
        case ShemError(kind="log-damaged"):
            return 503, "log-damaged"
        case InvocationError(kind="too-large") if "the result has" in str(cause):
            return 502, "worker-failed"
        case ShemError(kind="too-large"):
            return 413, "content-too-large"
        case ShemError(kind="bad-worker-name"):
            return 400, "bad-request"
        case _:
            return 502, "worker-failed"
