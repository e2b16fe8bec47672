"""Dealing the partitions of running streams out over more of them, without a message lost.

    schedules below their partitions ─▶ mirrors ─▶ the old streams give up what moves, and store
    what still queues up ─▶ mirrors catch up ─▶ mirrors become streams, with replicas ─▶ these take
    in what is theirs ─▶ schedules are set anew ─▶ the old streams forget

A mirror keeps every sequence, so that logs mean the same in their new stream. From the moment that
an old stream gives a partition up until its mirror has become a stream, nobody takes in what is
published for it: clients are told so at once and try again. Executors do not run meanwhile.

Each step looks at what is there: after a crash the same command goes on where it was. Until it is
through, nobody else connects.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any, Final, final

from msgspec import Struct

from broker.errors import SetupError, UnavailableError
from broker.jetstream.api import (
    CONSUMER_NOT_FOUND,
    SEQUENCE_NOT_FOUND,
    ApiFailure,
    JetStreamApi,
    is_missing_stream,
)
from broker.jetstream.connect import connect_wire
from broker.jetstream.limits import API_TIMEOUT_S
from broker.jetstream.mapping import check_mappings
from broker.jetstream.oplog_streams import (
    StreamConfig,
    differences_of,
    mirror_config,
    oplog_config,
    sharding_of,
    splitting_of,
)
from broker.jetstream.options import ConnectOptions, with_url_credentials
from broker.jetstream.publisher import Publisher
from broker.jetstream.reader import StoredMessage, StreamReader
from broker.layout import MESSAGE_ID
from broker.sharding import Sharding, published_as, stream_name
from broker.subjects import STREAM

__all__ = ["Split", "split"]

CATCH_UP_S: Final = 3_600.0
_POLL_S: Final = 0.1
_SCHEDULES: Final = "shem.sched.*.*.*"
_TARGET: Final = "Nats-Schedule-Target"
_OWN_ID: Final = "split-{}"
# Of a partition that the stream of its number keeps; neither a mailbox nor a log.
_MARKER: Final = "shem.oplog.{}.split.marker"
# A subject that nobody publishes to: a stream takes in its own name if it has none.
_NOTHING: Final = "shem.splitting.{}"

Progress = Callable[[str], None]


class Split(Struct, frozen=True, kw_only=True):
    """What was done: how many streams there were and are, and which partitions have moved."""

    before: int
    streams: int
    partitions: tuple[int, ...]
    schedules: int


class _Origin(Struct, frozen=True):
    name: str = ""


class _Config(StreamConfig, frozen=True):
    mirror: _Origin | None = None


class _State(Struct, frozen=True):
    last_seq: int = 0


class _Replica(Struct, frozen=True):
    current: bool = False
    lag: int = 0


class _Cluster(Struct, frozen=True):
    replicas: tuple[_Replica, ...] = ()


class _Info(Struct, frozen=True):
    config: _Config
    state: _State = _State()
    cluster: _Cluster = _Cluster()

    @property
    def is_mirror(self) -> bool:
        # How it gets on with mirroring is not told while it has no leader; the settings are.
        return self.config.mirror is not None

    @property
    def is_replicated(self) -> bool:
        followers = self.cluster.replicas
        return len(followers) == self.config.num_replicas - 1 and all(
            each.current and not each.lag for each in followers
        )


class _Anything(Struct, frozen=True):
    pass


async def split(options: ConnectOptions, streams: int, *, progress: Progress) -> Split:
    """Deal the partitions out over `streams` streams, a multiple of those that there are.

    Raises:
        SetupError: the streams cannot be split, or the server does not sort invocations by itself;
            then everything is as it was.
        UnavailableError: the broker does not answer: try again.
    """
    options = with_url_credentials(options)
    wire = await connect_wire(options)
    try:
        api = JetStreamApi(wire, options.api_prefix)
        return await _Splitting(api, streams, progress).run()
    finally:
        await wire.close()


@final
class _Splitting:
    def __init__(self, api: JetStreamApi, streams: int, progress: Progress) -> None:
        self._api = api
        self._progress = progress
        self._streams = streams
        self._old = Sharding(1)
        self._new = Sharding(1)
        self._replicas = 1

    async def run(self) -> Split:
        await self._look()
        moved = tuple(
            number
            for number in range(self._new.partitions)
            if self._new.stream_of(number) >= self._old.streams
        )
        await self._reserve()
        schedules = await self._file_schedules()
        new = range(self._old.streams, self._new.streams)
        for number in new:
            await self._mirror(number)
        for number in range(self._old.streams):
            await self._give_up(number)
        for number in range(self._old.streams):
            await self._settle(number)
        await self._check_sorting()
        for number in new:
            await self._end_mirror(number)
        for number in new:
            await self._promote(number)
        for number in range(self._old.streams):
            await self._forget(number)
        # The first stream says how many there are: this ends it.
        for number in reversed(range(self._new.streams)):
            await self._update(number, oplog_config(self._new, number, self._replicas))
        return Split(
            before=self._old.streams,
            streams=self._new.streams,
            partitions=moved,
            schedules=schedules,
        )

    async def _look(self) -> None:
        info = await self._info(0)
        if info is None:
            raise SetupError(f"there is no stream {STREAM}: `shem up --streams N` makes several")
        begun = splitting_of(info.config)
        found = begun[0] if begun is not None else sharding_of(info.config)
        if found is None:
            raise SetupError(f"stream {STREAM} cannot be split: {differences_of(info.config)}")
        if begun is not None and begun[1] != self._streams:
            raise SetupError(
                f"the streams are being split into {begun[1]}: finish that first, by "
                f"`shem streams split {begun[1]}`"
            )
        if self._streams % found.streams or self._streams <= found.streams:
            raise SetupError(
                f"{found.streams} stream(s) can be split into a multiple of that, not into "
                f"{self._streams}"
            )
        if self._streams > found.partitions:
            raise SetupError(
                f"{found.partitions} partitions cannot be dealt out over {self._streams} streams: "
                "one of them would stay empty"
            )
        self._old = found
        self._new = Sharding(found.partitions, self._streams)
        self._replicas = max(1, info.config.num_replicas)

    async def _reserve(self) -> None:
        """Keep everybody else away until this is through."""
        info = await self._info(0)
        if info is not None and splitting_of(info.config) is None:
            config = oplog_config(self._old, 0, self._replicas, splitting=self._new)
            # Schedules that came behind those that are filed would fire into a mailbox of nobody.
            taken = [each for each in config["subjects"] if each != _SCHEDULES]
            await self._update(0, {**config, "subjects": taken})

    async def _file_schedules(self) -> int:
        """Set the schedules of a single stream anew below their partitions."""
        if not self._old.is_single:
            return 0
        found = 0
        async for message in self._messages(0, _SCHEDULES):
            found += 1
            target = message.raw_headers.get(_TARGET, "")
            headers = {**message.raw_headers, _TARGET: self._new.stored(target)}
            await self._store(0, self._new.stored(message.subject), message, headers)
            await self._remove(0, message.sequence)
        self._progress(f"{found} schedules")
        return found

    async def _mirror(self, number: int) -> None:
        if await self._info(number) is None:
            # Replicas of a mirror get stuck, of an empty one at its first message, of others when
            # they are added: it has none before it is a stream.
            config = mirror_config(self._new, number, stream_name(self._source(number)))
            body = {"name": stream_name(number), **config, "num_replicas": 1}
            await self._api.call(
                f"STREAM.CREATE.{stream_name(number)}", body, _Anything, timeout_s=API_TIMEOUT_S
            )
        await self._catch_up(number)

    async def _until_replicated(self, number: int) -> None:
        """Wait until all replicas have all of it.

        Raises:
            UnavailableError: it is gone.
        """
        async with asyncio.timeout(CATCH_UP_S):
            while not (await self._there(number)).is_replicated:
                self._progress(f"{stream_name(number)}: its replicas catch up")
                await asyncio.sleep(_POLL_S)

    async def _catch_up(self, number: int) -> None:
        """Wait until a mirror has all that its partitions hold."""
        source = self._source(number)
        reader = self._reader(source)
        newest = 0
        for partition in self._partitions_of(number):
            last = await reader.last_from_leader(f"shem.oplog.{partition}.>")
            newest = max(newest, 0 if last is None else last.sequence)
        async with asyncio.timeout(CATCH_UP_S):
            while True:
                info = await self._there(number)
                if not info.is_mirror or info.state.last_seq >= newest:
                    return
                self._progress(f"{stream_name(number)}: {info.state.last_seq} of {newest}")
                await asyncio.sleep(_POLL_S)

    async def _give_up(self, number: int) -> None:
        config = oplog_config(self._new, number, self._replicas, splitting=self._new, of=self._old)
        await self._update(number, config)

    async def _settle(self, number: int) -> None:
        """Wait until a stream has stored all that it took in for partitions that it has given up.

        What it takes in queues up before it is stored, in its order, and nothing tells how much: a
        message of our own goes the same way behind it.
        """
        subject = _MARKER.format(number)
        reader = self._reader(number)
        publisher = Publisher(self._api.wire, lambda _: reader)
        async with asyncio.timeout(CATCH_UP_S):
            id_ = secrets.token_hex(8)
            await publisher.publish(subject, b"", message_id=id_, headers={})
        await self._purge(number, subject)

    async def _check_sorting(self) -> None:
        """See that the server sorts; if it does not, take everything in as before."""
        try:
            await check_mappings(self._api.wire, self._new, up_to=self._old.streams)
        except SetupError:
            for number in range(self._old.streams, self._new.streams):
                info = await self._info(number)
                if info is not None and info.is_mirror:
                    await self._delete(number)
            for number in reversed(range(self._old.streams)):
                await self._update(number, oplog_config(self._old, number, self._replicas))
            await self._unfile_schedules()
            raise

    async def _unfile_schedules(self) -> None:
        if not self._old.is_single:
            return
        async for message in self._messages(0, "shem.oplog.*.*.*.sched.*"):
            target = published_as(message.raw_headers.get(_TARGET, ""))
            subject = self._new.shown(message.subject)
            await self._store(0, subject, message, {**message.raw_headers, _TARGET: target})
            await self._remove(0, message.sequence)

    async def _end_mirror(self, number: int) -> None:
        """Make a stream of a mirror, once it has everything; it takes in nothing yet."""
        if not (await self._there(number)).is_mirror:
            return
        await self._catch_up(number)
        for partition in self._partitions_of(number):
            # A mirror keeps what its origin removes: so nothing fires in both.
            await self._purge(self._source(number), f"shem.oplog.{partition}.*.*.sched.*")
        await self._catch_up(number)
        config = oplog_config(self._new, number, self._replicas)
        await self._update(number, {**config, "subjects": [_NOTHING.format(number)]})

    async def _promote(self, number: int) -> None:
        """Have a stream take in what is its own once its replicas have all; its schedules run."""
        await self._until_replicated(number)
        await self._update(number, oplog_config(self._new, number, self._replicas))
        for partition in self._partitions_of(number):
            pattern = f"shem.oplog.{partition}.*.*.sched.*"
            # Each is stored under the same subject again: read to the end before.
            for message in [each async for each in self._messages(number, pattern)]:
                await self._store(number, message.subject, message, message.raw_headers)
        self._progress(f"{stream_name(number)} is a stream")

    async def _forget(self, number: int) -> None:
        """Remove what has moved.

        Raises:
            SetupError: its newest message is not in its new stream.
        """
        for partition in range(number, self._new.partitions, self._old.streams):
            target = self._new.stream_of(partition)
            if target == number:
                continue
            pattern = f"shem.oplog.{partition}.>"
            last = await self._reader(number).last_from_leader(pattern)
            if last is not None:
                copy = await self._reader(target).get(last.sequence)
                if copy is None or copy.subject != last.subject:
                    raise SetupError(
                        f"{stream_name(target)} lacks sequence {last.sequence} of "
                        f"{stream_name(number)}: nothing was removed; look at both"
                    )
            await self._purge(number, pattern)
            await self._drop_consumer(number, partition)

    def _source(self, number: int) -> int:
        return number % self._old.streams

    def _partitions_of(self, number: int) -> Iterable[int]:
        return range(number, self._new.partitions, self._new.streams)

    def _messages(self, number: int, pattern: str) -> AsyncIterator[StoredMessage]:
        return self._reader(number).read(pattern)

    def _reader(self, number: int) -> StreamReader:
        return StreamReader(self._api, stream_name(number), replicated=self._replicas > 1)

    async def _store(
        self, number: int, subject: str, message: StoredMessage, headers: dict[str, str]
    ) -> None:
        kept = {name: text for name, text in headers.items() if name != MESSAGE_ID}
        reader = self._reader(number)
        publisher = Publisher(self._api.wire, lambda _: reader)
        id_ = _OWN_ID.format(f"{number}-{message.sequence}-{subject}")
        await publisher.publish(subject, message.data, message_id=id_, headers=kept)

    async def _info(self, number: int) -> _Info | None:
        try:
            return await self._api.call(f"STREAM.INFO.{stream_name(number)}", None, _Info)
        except SetupError as error:
            if is_missing_stream(error):
                return None
            raise

    async def _there(self, number: int) -> _Info:
        info = await self._info(number)
        if info is None:
            raise UnavailableError(f"stream {stream_name(number)} is gone")
        return info

    async def _update(self, number: int, config: dict[str, Any]) -> None:
        name = stream_name(number)
        await self._api.call(
            f"STREAM.UPDATE.{name}", {"name": name, **config}, _Anything, timeout_s=API_TIMEOUT_S
        )

    async def _delete(self, number: int) -> None:
        await self._api.call(f"STREAM.DELETE.{stream_name(number)}", None, _Anything)

    async def _purge(self, number: int, pattern: str) -> None:
        await self._api.call(f"STREAM.PURGE.{stream_name(number)}", {"filter": pattern}, _Anything)

    async def _remove(self, number: int, sequence: int) -> None:
        try:
            await self._api.call(
                f"STREAM.MSG.DELETE.{stream_name(number)}",
                {"seq": sequence, "no_erase": True},
                _Anything,
            )
        except ApiFailure as failure:
            # It has fired in the meantime.
            if failure.error.err_code != SEQUENCE_NOT_FOUND:
                raise

    async def _drop_consumer(self, number: int, partition: int) -> None:
        try:
            await self._api.call(
                f"CONSUMER.DELETE.{stream_name(number)}.P{partition}", None, _Anything
            )
        except ApiFailure as failure:
            if failure.error.err_code != CONSUMER_NOT_FOUND:
                raise
