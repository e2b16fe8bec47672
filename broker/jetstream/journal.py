"""The oplog stream as the `Journal` port."""

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from typing import Final, final

from msgspec import Struct

from broker.errors import InternalError
from broker.jetstream.api import JetStreamApi
from broker.jetstream.headers import with_user_headers
from broker.jetstream.limits import API_RETRIED_TIMEOUT_S
from broker.jetstream.publisher import Publisher
from broker.jetstream.reader import StreamReader
from broker.layout import is_captured
from broker.ports import NO_HEADERS, Ack, Message
from broker.subjects import STREAM

__all__ = ["JetStreamJournal", "schedule_time"]

_NS_PER_S: Final = 1_000_000_000
_SCHEDULE: Final = "Nats-Schedule"
_TARGET: Final = "Nats-Schedule-Target"


class _Purged(Struct, frozen=True):
    purged: int = 0


class _State(Struct, frozen=True):
    subjects: dict[str, int] | None = None


class _Info(Struct, frozen=True):
    state: _State
    total: int = 0


@final
class JetStreamJournal:
    """Reads and writes the oplog stream."""

    def __init__(self, api: JetStreamApi, *, replicated: bool) -> None:
        self._api = api
        self._reader = StreamReader(api, STREAM, replicated=replicated)
        self._publisher = Publisher(api.wire, self._reader)

    async def append(
        self,
        subject: str,
        data: bytes,
        *,
        message_id: str,
        expected_sequence: int,
        headers: Mapping[str, str] = NO_HEADERS,
    ) -> int:
        """Append behind `expected_sequence` and return the new sequence."""
        return await self._publisher.append(
            _checked(subject),
            data,
            message_id=message_id,
            expected_sequence=expected_sequence,
            headers=with_user_headers({}, headers),
        )

    async def publish(
        self,
        subject: str,
        data: bytes,
        *,
        message_id: str | None = None,
        headers: Mapping[str, str] = NO_HEADERS,
    ) -> Ack:
        """Publish durably."""
        return await self._publisher.publish(
            _checked(subject), data, message_id=message_id, headers=with_user_headers({}, headers)
        )

    async def read(self, subject: str, *, from_sequence: int = 1) -> AsyncIterator[Message]:
        """Yield what is stored under `subject` up to now."""
        async for message in self._reader.read(subject, from_sequence=from_sequence):
            yield message.shown()

    async def last(self, subject: str, *, leader: bool = False) -> Message | None:
        """Return the newest message of `subject`."""
        if leader:
            found = await self._reader.last_from_leader(subject)
        else:
            found = await self._reader.last(subject)
        return None if found is None else found.shown()

    async def get(self, sequence: int) -> Message | None:
        """Return one message by its sequence."""
        found = await self._reader.get(sequence)
        return None if found is None else found.shown()

    async def subjects(self, pattern: str) -> dict[str, int]:
        """Count stored messages by subject, page by page."""
        found: dict[str, int] = {}
        while True:
            body = {"subjects_filter": pattern, "offset": len(found)}
            info = await self._api.call(f"STREAM.INFO.{STREAM}", body, _Info)
            page = info.state.subjects or {}
            found.update(page)
            if not page or len(found) >= info.total:
                return found

    async def purge(self, subject: str, *, up_to_sequence: int | None = None) -> int:
        """Remove messages up to and including a sequence."""
        body: dict[str, str | int] = {"filter": subject}
        if up_to_sequence is not None:
            body["seq"] = up_to_sequence + 1
        answer = await self._api.call(
            f"STREAM.PURGE.{STREAM}", body, _Purged, timeout_s=API_RETRIED_TIMEOUT_S
        )
        return answer.purged

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
        own = {_SCHEDULE: schedule_time(at_ns), _TARGET: _checked(target)}
        return await self._publisher.publish(
            _checked(subject), data, message_id=message_id, headers=with_user_headers(own, headers)
        )


def schedule_time(at_ns: int) -> str:
    """Return a schedule that fires once at a Unix time in nanoseconds."""
    seconds, fraction_ns = divmod(at_ns, _NS_PER_S)
    stamp = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"@at {stamp}.{fraction_ns:09d}Z"


def _checked(subject: str) -> str:
    # A subject that no stream takes in is never acknowledged: the publisher would wait for ever.
    if not is_captured(subject):
        raise InternalError(f"no stream takes in {subject!r}: use the names of broker.subjects")
    return subject
