"""Whole streams as files, by the server's own snapshots: everything keeps its sequence.

A snapshot is of one moment, taken while the stream is in use. Consumers are left out: what they
remember is of a later moment than what the stream holds.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Final, final

import msgspec
from msgspec import Raw, Struct

from broker.errors import BrokerError, InternalError, SetupError, UnavailableError
from broker.jetstream.api import STREAM_NOT_FOUND, ApiError, JetStreamApi, raise_for
from broker.jetstream.bucket import is_deletion
from broker.jetstream.connect import connect_wire
from broker.jetstream.limits import API_TIMEOUT_S
from broker.jetstream.oplog_streams import sharding_of_config
from broker.jetstream.options import ConnectOptions, with_url_credentials
from broker.jetstream.publisher import Publisher
from broker.jetstream.reader import StoredMessage, StreamReader
from broker.jetstream.wire import WireMessage
from broker.sharding import Sharding
from broker.subjects import MEMBERS_BUCKET, RESTORING, STREAM

__all__ = ["Archive", "Snapshot", "StreamState", "open_archive"]

_CHUNK_BYTES: Final = 256 * 1024
# The server reads and compresses between two chunks; on a busy disk that takes a while.
_SILENCE_MAX_S: Final = 60.0
_PREFIXES: Final = (STREAM, "KV_SHEM_", "OBJ_SHEM_")
_ROLLUP: Final = "Nats-Rollup"


class StreamState(Struct, frozen=True):
    """What a stream holds. Sequences are of the first and the last message, bytes as stored."""

    messages: int = 0
    bytes: int = 0
    first_seq: int = 0
    last_seq: int = 0


class Snapshot(Struct, frozen=True):
    """What a snapshot is of: the stream's settings and state, as the server describes them."""

    config: Raw
    state: Raw

    def stream_state(self) -> StreamState:
        """Return the state."""
        return msgspec.json.decode(self.state, type=StreamState)

    def sharding(self) -> Sharding | None:
        """Return how an oplog stream says that partitions are dealt out."""
        return sharding_of_config(self.config)


class _Names(Struct, frozen=True):
    streams: tuple[str, ...] | None = None
    total: int = 0


class _Info(Struct, frozen=True):
    state: StreamState = StreamState()


class _Target(Struct, frozen=True):
    deliver_subject: str


class _Answer(Struct, frozen=True):
    error: ApiError | None = None
    state: StreamState = StreamState()


class _Anything(Struct, frozen=True):
    pass


async def open_archive(options: ConnectOptions) -> "Archive":
    """Connect without making anything; close it afterwards.

    Raises:
        UnavailableError: no server answers.
        PermissionDeniedError: the server refuses the identity.
        SetupError: the options are wrong.
    """
    options = with_url_credentials(options)
    wire = await connect_wire(options)
    return Archive(JetStreamApi(wire, options.api_prefix))


@final
class Archive:
    """The streams of one account."""

    def __init__(self, api: JetStreamApi) -> None:
        self._api = api
        self._wire = api.wire

    @property
    def server_version(self) -> str:
        """The version of the server that we are connected to."""
        return self._wire.server.version

    async def close(self) -> None:
        """Disconnect."""
        await self._wire.close()

    async def streams(self) -> list[str]:
        """Return the names of the streams that are Shem's, sorted."""
        found: list[str] = []
        while True:
            page = await self._api.call("STREAM.NAMES", {"offset": len(found)}, _Names)
            names = page.streams or ()
            found += names
            if not names or len(found) >= page.total:
                return sorted(name for name in found if name.startswith(_PREFIXES))

    async def state(self, stream: str) -> StreamState | None:
        """Return what a stream holds; None: there is none of that name."""
        try:
            return (await self._api.call(f"STREAM.INFO.{stream}", None, _Info)).state
        except SetupError as error:
            if f"JetStream {STREAM_NOT_FOUND}" in str(error):
                return None
            raise

    async def living_executors(self) -> list[str]:
        """Return the keys of executors whose heartbeat has not expired."""
        stream, prefix = f"KV_{MEMBERS_BUCKET}", f"$KV.{MEMBERS_BUCKET}."
        if await self.state(stream) is None:
            return []
        found: set[str] = set()
        async for message in StreamReader(self._api, stream).read(f"{prefix}>"):
            name = message.subject.removeprefix(prefix)
            if is_deletion(message.raw_headers):
                found.discard(name)
            else:
                found.add(name)
        return sorted(found)

    async def save(self, stream: str, write: Callable[[bytes], None]) -> Snapshot:
        """Hand the pieces of a snapshot to `write`, which may raise to end it.

        Raises:
            UnavailableError: the server fell silent, or a file of the stream is damaged.
        """
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        heard = loop.time()

        def take(message: WireMessage) -> None:
            nonlocal heard
            heard = loop.time()
            if done.done():
                return
            if message.data:
                try:
                    write(message.data)
                except OSError as error:
                    done.set_exception(error)
                    return
                if message.reply:
                    self._wire.publish(message.reply, b"")
            elif message.status and message.status >= 400:
                text = f"{message.status} {message.description}"
                done.set_exception(UnavailableError(f"snapshot of {stream}: {text}"))
            else:
                done.set_result(None)

        inbox = self._wire.new_inbox()
        subscription = await self._wire.subscribe(inbox, take)
        try:
            snapshot = await self._api.call(
                f"STREAM.SNAPSHOT.{stream}",
                {
                    "deliver_subject": inbox,
                    "no_consumers": True,
                    "jsck": True,
                    "chunk_size": _CHUNK_BYTES,
                },
                Snapshot,
                timeout_s=_SILENCE_MAX_S,
            )
            while not done.done():
                await asyncio.wait([done], timeout=1.0)
                if loop.time() - heard > _SILENCE_MAX_S:
                    raise UnavailableError(f"snapshot of {stream}: the server fell silent")
            done.result()
        finally:
            subscription.unsubscribe()
            done.cancel()
        return snapshot

    async def load(
        self, stream: str, snapshot: Snapshot, pieces: AsyncIterator[bytes], *, replicas: int | None
    ) -> StreamState:
        """Make a stream of the pieces of a snapshot; there must be none of that name.

        Raises:
            ApiFailure: the server refuses it.
            UnavailableError: it does not answer; what was begun is dropped by the server.
        """
        config: dict[str, object] = msgspec.json.decode(snapshot.config)
        if replicas is not None:
            config["num_replicas"] = replicas
        body = {"config": config, "state": snapshot.state}
        target = await self._api.call(
            f"STREAM.RESTORE.{stream}", body, _Target, timeout_s=_SILENCE_MAX_S
        )
        try:
            async for piece in pieces:
                await self._hand_over(stream, target.deliver_subject, piece)
        except BaseException:
            # The server may have all of it, and be about to make a stream: with its answer that is
            # decided. Who is interrupted and removes the stream has to know that it is there.
            with contextlib.suppress(BrokerError):
                await self._end(stream, target.deliver_subject)
            raise
        return await self._end(stream, target.deliver_subject)

    async def _end(self, stream: str, subject: str) -> StreamState:
        """Say that there are no more pieces, and wait for the answer even if we are cancelled."""
        ending = asyncio.ensure_future(self._hand_over(stream, subject, b""))
        try:
            return await asyncio.shield(ending)
        finally:
            await asyncio.wait([ending])

    async def delete(self, stream: str) -> None:
        """Remove a stream."""
        await self._api.call(f"STREAM.DELETE.{stream}", None, _Anything, timeout_s=API_TIMEOUT_S)

    async def mark(self) -> None:
        """Say that streams are being restored, for whoever comes after a crash."""
        config = {"name": RESTORING, "subjects": [RESTORING], "storage": "file", "max_msgs": 1}
        await self._api.call(
            f"STREAM.CREATE.{RESTORING}", config, _Anything, timeout_s=API_TIMEOUT_S
        )

    async def is_marked(self) -> bool:
        """Whether somebody said so and did not take it back."""
        return await self.state(RESTORING) is not None

    async def unmark(self) -> None:
        """Say that restoring has come to its end."""
        await self.delete(RESTORING)

    async def messages(self, stream: str, subject: str, *, behind: int) -> list[StoredMessage]:
        """Return what was stored behind a sequence."""
        reader = StreamReader(self._api, stream)
        return [each async for each in reader.read(subject, from_sequence=behind + 1)]

    async def store(
        self, stream: str, subject: str, data: bytes, headers: Mapping[str, str]
    ) -> None:
        """Store a message as it was; of the broker's own headers only the replacing of older ones.

        Raises:
            BrokerError: it was not stored.
        """
        kept = {name: text for name, text in headers.items() if name == _ROLLUP}
        publisher = Publisher(self._wire, lambda _: StreamReader(self._api, stream))
        await publisher.publish(subject, data, message_id=None, headers=kept)

    async def _hand_over(self, stream: str, subject: str, piece: bytes) -> StreamState:
        answer = await self._wire.request(subject, piece, timeout_s=_SILENCE_MAX_S)
        if not answer.data:
            return StreamState()
        try:
            decoded = msgspec.json.decode(answer.data, type=_Answer)
        except msgspec.DecodeError as error:
            raise InternalError(f"restore of {stream}: {answer.data[:200]!r}") from error
        if decoded.error is not None:
            raise_for(decoded.error, f"restore of {stream}")
        return decoded.state
