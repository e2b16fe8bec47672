"""The streams of mailboxes and logs as the `Journal` port."""

from collections.abc import AsyncIterator, Coroutine, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, final

import structlog
from msgspec import Struct
from msgspec.structs import replace

from broker.errors import InternalError, PermissionDeniedError, UnavailableError
from broker.jetstream.api import SEQUENCE_NOT_FOUND, ApiFailure, JetStreamApi
from broker.jetstream.dealing import Dealing
from broker.jetstream.headers import is_forged, with_user_headers
from broker.jetstream.limits import API_RETRIED_TIMEOUT_S, FOLLOWER_HEARD_S
from broker.jetstream.publisher import Aim, Publisher
from broker.jetstream.reader import StoredMessage, StreamReader
from broker.jetstream.whole import read_whole
from broker.layout import is_captured
from broker.ports import NO_HEADERS, Ack, Message
from broker.sharding import Sharding, stream_name

__all__ = ["JetStreamJournal", "StreamInfo", "schedule_time"]

_NS_PER_S: Final = 1_000_000_000
# The server counts nanoseconds in 64 bits with a sign: what lies beyond, in the year 2262, has
# passed for it, and fires at once, again and again where a sleeper asks for its wake-up anew. What
# lies before 1970 has passed as well, and not every year of it is written with four digits.
_SCHEDULED_NS_MAX: Final = (1 << 63) - 1
_REMOVE_RETRIES: Final = 5
# Forged messages that one look at the newest message takes out of the way.
_FORGED_MAX: Final = 100
_SCHEDULE: Final = "Nats-Schedule"
_TARGET: Final = "Nats-Schedule-Target"
_SCHEDULES: Final = "shem.sched."
_CHECKED_MAX: Final = 2_048

log = structlog.get_logger(__name__)


class _Purged(Struct, frozen=True):
    purged: int = 0


class _Removed(Struct, frozen=True):
    success: bool = False


class _State(Struct, frozen=True):
    subjects: dict[str, int] | None = None
    last_seq: int = 0


class _Follower(Struct, frozen=True):
    active: int = 0
    offline: bool = False


class _Cluster(Struct, frozen=True):
    replicas: tuple[_Follower, ...] = ()


class StreamInfo(Struct, frozen=True):
    """What a stream's leader says of it."""

    state: _State
    total: int = 0
    cluster: _Cluster | None = None

    @property
    def is_led(self) -> bool:
        """Whether the leader has just heard from a majority; alone it always has."""
        followers = () if self.cluster is None else self.cluster.replicas
        heard = sum(
            not each.offline and each.active < FOLLOWER_HEARD_S * _NS_PER_S for each in followers
        )
        return 2 * (1 + heard) > 1 + len(followers)


@final
class JetStreamJournal:
    """Reads and writes the streams."""

    def __init__(self, api: JetStreamApi, dealing: Dealing, *, replicated: bool) -> None:
        self._api = api
        self._dealing = dealing
        self._replicated = replicated
        self._readers: dict[int, StreamReader] = {}
        self._publisher = Publisher(api.wire, self._reader_of)

    @property
    def _sharding(self) -> Sharding:
        return self._dealing.sharding

    def append(
        self,
        subject: str,
        data: bytes,
        *,
        message_id: str,
        expected_sequence: int,
        headers: Mapping[str, str] = NO_HEADERS,
    ) -> Coroutine[Any, Any, int]:
        """Append behind `expected_sequence` and return the new sequence."""
        return self._publisher.append(
            _checked(subject),
            data,
            message_id=message_id,
            expected_sequence=expected_sequence,
            headers=with_user_headers({}, headers),
        )

    def publish(
        self,
        subject: str,
        data: bytes,
        *,
        message_id: str | None = None,
        headers: Mapping[str, str] = NO_HEADERS,
    ) -> Coroutine[Any, Any, Ack]:
        """Publish durably."""
        if subject.startswith(_SCHEDULES):
            return self._schedule(subject, data, message_id=message_id, headers=headers)
        return self._publisher.publish(
            _checked(subject), data, message_id=message_id, headers=with_user_headers({}, headers)
        )

    async def follow(
        self,
        subject: str,
        data: bytes,
        *,
        behind: str,
        message_id: str,
        headers: Mapping[str, str] = NO_HEADERS,
    ) -> bool:
        """Publish if the newest message of the stream has the id `behind`.

        Not where there are replicas: a follower compares ids of its own, which may be others after
        it has caught up, and takes a difference for a damaged disk (nats-server 2.15).
        """
        if self._replicated:
            return False
        return await self._publisher.follow(
            _checked(subject),
            data,
            behind=behind,
            message_id=message_id,
            headers=with_user_headers({}, headers),
        )

    def read(
        self, subject: str, *, from_sequence: int | Sequence[int] = 1
    ) -> AsyncIterator[Message]:
        """Yield what is stored under `subject` up to now, stream by stream."""

        async def one(known: Sharding) -> AsyncIterator[Message]:
            starts = known.starts(subject, from_sequence)
            stored = known.stored(subject)
            for number in known.streams_of(subject):
                read = self._reader(number).read(stored, from_sequence=starts[number])
                async for message in self._believed(read):
                    yield message

        return self._dealing.read(subject, one)

    def read_whole(self, subject: str, *, from_sequence: int = 1) -> AsyncIterator[Message]:
        """Yield all messages of a subject up to now, whichever replica can read them."""
        if not self._replicated:
            return self.read(subject, from_sequence=from_sequence)

        def one(known: Sharding) -> AsyncIterator[Message]:
            reader = self._reader(known.stream_of_subject(subject))
            read = read_whole(reader, known.stored(subject), from_sequence=from_sequence)
            return self._believed(read)

        return self._dealing.read(subject, one)

    async def _believed(self, messages: AsyncIterator[StoredMessage]) -> AsyncIterator[Message]:
        async for message in messages:
            if is_forged(message.raw_headers):
                await self._expel(message)
            else:
                yield self._shown(message)

    async def last(self, subject: str, *, leader: bool = False) -> Message | None:
        """Return the newest message of `subject`."""

        def one(known: Sharding) -> Coroutine[Any, Any, Message | None]:
            stream = known.stream_of_subject(subject)
            return self._last(stream, known.stored(subject), leader=leader)

        return await self._dealing.ask(subject, one, nothing=None)

    async def newest(self, subject: str) -> tuple[int, ...]:
        """Return the newest sequence that matches, in each stream."""
        found = [0] * self._sharding.streams
        stored = self._sharding.stored(subject)
        for number in self._sharding.streams_of(subject):
            message = await self._last(number, stored, leader=False)
            found[number] = 0 if message is None else message.sequence
        return tuple(found)

    async def _last(self, stream: int, stored: str, *, leader: bool) -> Message | None:
        reader = self._reader(stream)
        for _ in range(_FORGED_MAX):
            found = await (reader.last_from_leader(stored) if leader else reader.last(stored))
            if found is None or not is_forged(found.raw_headers):
                return None if found is None else self._shown(found)
            await self._expel(found)
        raise UnavailableError(f"{stored!r} is being flooded with forged messages")

    async def get(self, subject: str, sequence: int) -> Message | None:
        """Return one message by its sequence."""

        def one(known: Sharding) -> Coroutine[Any, Any, StoredMessage | None]:
            return self._reader(known.stream_of_subject(subject)).get(sequence)

        found = await self._dealing.ask(subject, one, nothing=None)
        return None if found is None else self._shown(found)

    async def end(self, partition: int) -> int:
        """Return the sequence given out last."""
        stream = stream_name(self._sharding.stream_of(partition))
        info = await self._api.call(f"STREAM.INFO.{stream}", None, StreamInfo)
        return info.state.last_seq

    async def is_led(self, partition: int) -> bool:
        """Whether the leader has just heard from a majority."""
        stream = stream_name(self._sharding.stream_of(partition))
        return (await self._api.call(f"STREAM.INFO.{stream}", None, StreamInfo)).is_led

    async def subjects(self, pattern: str) -> dict[str, int]:
        """Count stored messages by subject, page by page."""

        async def one(known: Sharding) -> dict[str, int]:
            found: dict[str, int] = {}
            for number in known.streams_of(pattern):
                counts = await self._counts(stream_name(number), known.stored(pattern))
                found.update((known.shown(subject), count) for subject, count in counts)
            return found

        return await self._dealing.ask(pattern, one, nothing={})

    async def _counts(self, stream: str, pattern: str) -> Iterable[tuple[str, int]]:
        found: dict[str, int] = {}
        while True:
            body = {"subjects_filter": pattern, "offset": len(found)}
            info = await self._api.call(f"STREAM.INFO.{stream}", body, StreamInfo)
            page = info.state.subjects or {}
            found.update(page)
            if not page or len(found) >= info.total:
                return found.items()

    async def purge(self, subject: str, *, up_to_sequence: int | None = None) -> int:
        """Remove messages up to and including a sequence."""

        async def one(known: Sharding) -> int:
            body: dict[str, str | int] = {"filter": known.stored(subject)}
            if up_to_sequence is not None:
                body["seq"] = up_to_sequence + 1
            purged = 0
            for number in known.streams_of(subject):
                answer = await self._api.call(
                    f"STREAM.PURGE.{stream_name(number)}",
                    body,
                    _Purged,
                    timeout_s=API_RETRIED_TIMEOUT_S,
                )
                purged += answer.purged
            return purged

        return await self._dealing.ask(subject, one, nothing=0)

    async def _expel(self, message: StoredMessage) -> None:
        """Remove a message that counts for nothing, and would fence off the owner of a log."""
        log.warning("forged by a schedule", subject=message.subject, sequence=message.sequence)
        try:
            await self.remove(message.subject, message.sequence)
        except PermissionDeniedError:
            # Whoever only reads leaves it to the owner.
            log.debug("a forged message cannot be removed by us", sequence=message.sequence)

    async def remove(self, subject: str, sequence: int) -> None:
        """Remove one message; one that is gone already counts as removed."""

        async def one(known: Sharding) -> bool:
            try:
                await self._api.call(
                    f"STREAM.MSG.DELETE.{stream_name(known.stream_of_subject(subject))}",
                    {"seq": sequence, "no_erase": True},
                    _Removed,
                    timeout_s=API_RETRIED_TIMEOUT_S,
                    retries=_REMOVE_RETRIES,
                )
            except ApiFailure as failure:
                if failure.error.err_code != SEQUENCE_NOT_FOUND:
                    raise
                return False
            return True

        await self._dealing.ask(subject, one, nothing=False)

    async def schedule(
        self,
        subject: str,
        data: bytes,
        *,
        target: str,
        at_ns: int,
        message_id: str | None = None,
        headers: Mapping[str, str] = NO_HEADERS,
    ) -> Ack:
        """Store a message that the broker publishes to `target` at `at_ns`."""
        at = {_SCHEDULE: schedule_time(at_ns)}
        return await self._schedule(
            subject, data, message_id=message_id, headers=headers, target=target, own=at
        )

    async def _schedule(
        self,
        subject: str,
        data: bytes,
        *,
        message_id: str | None,
        headers: Mapping[str, str],
        target: str | None = None,
        own: Mapping[str, str] = NO_HEADERS,
    ) -> Ack:
        """Publish to a place for schedules, which no server sorts by itself."""

        def aimed(known: Sharding) -> Aim:
            at = {} if target is None else {_TARGET: known.stored(_checked(target))}
            return known.stored(_checked(subject)), at

        async def aim() -> Aim:
            try:
                await self._dealing.look(subject, self._sharding)
            except UnavailableError as error:
                log.debug("looking for the stream goes on", subject=subject, reason=str(error))
            return aimed(self._sharding)

        stored, at = aimed(self._sharding)
        return await self._publisher.publish(
            stored,
            data,
            message_id=message_id,
            headers=with_user_headers({**own, **at}, headers),
            aim=aim,
        )

    def _reader_of(self, subject: str) -> StreamReader:
        return self._reader(self._sharding.stream_of_subject(subject))

    def _reader(self, number: int) -> StreamReader:
        reader = self._readers.get(number)
        if reader is None:
            reader = StreamReader(self._api, stream_name(number), replicated=self._replicated)
            self._readers[number] = reader
        return reader

    def _shown(self, message: StoredMessage) -> Message:
        shown = message.shown()
        if self._sharding.is_single:
            return shown
        return replace(shown, subject=self._sharding.shown(shown.subject))


def schedule_time(at_ns: int) -> str:
    """Return a schedule that fires once at a Unix time in nanoseconds.

    A time that the server does not know becomes the nearest one that it does.
    """
    seconds, fraction_ns = divmod(max(0, min(at_ns, _SCHEDULED_NS_MAX)), _NS_PER_S)
    stamp = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"@at {stamp}.{fraction_ns:09d}Z"


# Logs and mailboxes are written to again and again.
@lru_cache(maxsize=_CHECKED_MAX)
def _checked(subject: str) -> str:
    # A subject that no stream takes in is never acknowledged: the publisher would wait for ever.
    if not is_captured(subject):
        raise InternalError(f"no stream takes in {subject!r}: use the names of broker.subjects")
    return subject
