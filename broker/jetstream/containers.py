"""The containers of guests: one object store of the broker for each."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Final, TypeVar, final

from msgspec import Struct

from broker.errors import NotFoundError, SetupError, TooManyError, UnavailableError
from broker.jetstream.api import STREAM_NOT_FOUND, JetStreamApi
from broker.jetstream.blobs import JetStreamBlobs
from broker.jetstream.limits import CONTAINERS_MAX
from broker.jetstream.setup import blobs_config
from broker.ports import BlobInfo
from broker.subjects import container_bucket

__all__ = ["JetStreamContainer", "JetStreamContainers"]

_NAME: Final = "name"
_Answer = TypeVar("_Answer")


class _Info(Struct, frozen=True):
    created: str = ""


class _Names(Struct, frozen=True):
    total: int = 0


class _Anything(Struct, frozen=True):
    pass


@final
class JetStreamContainers:
    """Makes, finds and deletes object stores."""

    def __init__(self, api: JetStreamApi, *, replicas: int) -> None:
        self._api = api
        self._replicas = replicas

    async def create(self, name: str) -> None:
        """Make an empty one; one that exists stays as it is."""
        if await self.created_ms(name) is not None:
            return
        names = await self._api.call("STREAM.NAMES", {"subject": "$O.*.C.>"}, _Names)
        if names.total >= CONTAINERS_MAX:
            raise TooManyError(f"there are {names.total} containers, at most {CONTAINERS_MAX}")
        stream = _stream(name)
        config = blobs_config(container_bucket(name), self._replicas)
        body = {_NAME: stream, **config, "metadata": {_NAME: name}}
        await self._api.call(f"STREAM.CREATE.{stream}", body, _Anything)

    async def created_ms(self, name: str) -> int | None:
        """Return the Unix time of its creation, None if there is none."""
        return await _created_ms(self._api, _stream(name))

    async def delete(self, name: str) -> None:
        """Remove it with everything in it."""
        try:
            await self._api.call(f"STREAM.DELETE.{_stream(name)}", None, _Anything)
        except SetupError as error:
            if not _is_missing(error):
                raise

    def open(self, name: str) -> "JetStreamContainer":
        """Return it."""
        return JetStreamContainer(self._api, name)


@final
class JetStreamContainer:
    """One container."""

    def __init__(self, api: JetStreamApi, name: str) -> None:
        self._api = api
        self._name = name
        self._blobs = JetStreamBlobs(api, container_bucket(name))

    async def put(self, name: str, data: bytes) -> None:
        """Store an object."""
        await self._within(lambda: self._blobs.put(name, data))

    async def get(self, name: str) -> bytes:
        """Return an object."""
        return await self._within(lambda: self._blobs.get(name))

    async def delete(self, name: str) -> None:
        """Remove an object."""
        await self._within(lambda: self._blobs.delete(name))

    async def names(self, prefix: str = "") -> Sequence[str]:
        """Return the names that start with `prefix`, sorted."""
        # Nobody tells a direct read that its stream is gone: it would wait as long as for a leader.
        if await _created_ms(self._api, _stream(self._name)) is None:
            raise self._missing()
        return await self._within(lambda: self._blobs.names(prefix))

    async def info(self, name: str) -> BlobInfo | None:
        """Return what is known of an object."""
        return await self._within(lambda: self._blobs.info(name))

    async def clear(self) -> None:
        """Remove all objects."""
        purge = f"STREAM.PURGE.{_stream(self._name)}"
        await self._within(lambda: self._api.call(purge, None, _Anything))

    async def _within(self, call: Callable[[], Awaitable[_Answer]]) -> _Answer:
        try:
            return await call()
        except (SetupError, UnavailableError) as error:
            # Nobody answers a read of a stream that is gone.
            if await _created_ms(self._api, _stream(self._name)) is None:
                raise self._missing() from error
            raise

    def _missing(self) -> NotFoundError:
        return NotFoundError(f"there is no container {self._name!r}")


async def _created_ms(api: JetStreamApi, stream: str) -> int | None:
    try:
        info = await api.call(f"STREAM.INFO.{stream}", None, _Info)
    except SetupError as error:
        if _is_missing(error):
            return None
        raise
    return round(datetime.fromisoformat(info.created).timestamp() * 1_000)


def _stream(name: str) -> str:
    return f"OBJ_{container_bucket(name)}"


def _is_missing(error: SetupError) -> bool:
    return f"JetStream {STREAM_NOT_FOUND}" in str(error)
