"""Durable publishing: with a fence or without, through outages, to a known outcome.

Theory. An answer may be lost, so a retry may meet its own earlier attempt. All attempts carry one
message id. On one replica the server checks the fence before the id, so the retry is answered
"wrong last sequence"; on three it checks the id first and answers "duplicate". Therefore, after
anything ambiguous, a fence error is not believed: the newest message of the subject is read from
the leader, and if it bears our id the append was ours.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeAlias, final

import msgspec
import structlog

from broker.errors import (
    BrokerError,
    FencedError,
    InternalError,
    NotFoundError,
    OutcomeUnknownError,
    UnavailableError,
)
from broker.jetstream.api import (
    IN_FLIGHT_COLLISION,
    WRONG_LAST_SEQUENCE,
    ApiError,
    PubAck,
    is_retryable,
    raise_for,
)
from broker.jetstream.headers import encode_message_id
from broker.jetstream.limits import PUBLISH_TIMEOUT_S
from broker.jetstream.reader import StreamReader
from broker.jetstream.retry import Backoff
from broker.jetstream.wire import Wire
from broker.layout import MESSAGE_ID
from broker.ports import Ack

__all__ = ["Aim", "Publisher"]

_EXPECTED_ID: Final = "Nats-Expected-Last-Msg-Id"
_EXPECTED: Final = "Nats-Expected-Last-Subject-Sequence"
_ATTEMPTS_BETWEEN_WARNINGS: Final = 10
_ACK: Final = msgspec.json.Decoder(PubAck)

# A subject, and the headers that depend on it.
Aim: TypeAlias = tuple[str, Mapping[str, str]]

log = structlog.get_logger(__name__)


@final
class Publisher:
    """Publishes durably. `reader_of` gives the reader of the stream that holds a subject."""

    def __init__(self, wire: Wire, reader_of: Callable[[str], StreamReader]) -> None:
        self._wire = wire
        self._reader_of = reader_of

    async def append(
        self,
        subject: str,
        data: bytes,
        *,
        message_id: str,
        expected_sequence: int,
        headers: dict[str, str],
    ) -> int:
        """Append behind `expected_sequence`, retrying until the outcome is known.

        Raises:
            FencedError: another message stands there.
            OutcomeUnknownError: the connection was closed for good in between.
        """
        wire_id = encode_message_id(message_id)
        headers[MESSAGE_ID] = wire_id
        headers[_EXPECTED] = str(expected_sequence)
        ambiguous = False
        backoff = Backoff()
        while True:
            try:
                message = await self._wire.request(
                    subject, data, headers, timeout_s=PUBLISH_TIMEOUT_S
                )
            except UnavailableError as error:
                self._require_open(subject, error)
                reason: object = error
            else:
                answer = _ack(message.data, subject)
                if answer.error is None:
                    return answer.seq
                reason = answer.error.description
                if answer.error.err_code == WRONG_LAST_SEQUENCE:
                    stored = await self._own_message(subject, wire_id) if ambiguous else None
                    if stored is not None:
                        return stored
                    raise _fenced(subject, expected_sequence, answer.error)
                # After a collision in flight, ours or somebody else's append is on its way through
                # the replicas: the retry will find it stored.
                if answer.error.err_code != IN_FLIGHT_COLLISION and not is_retryable(answer.error):
                    raise_for(answer.error, f"append to {subject!r}")
            ambiguous = True
            await self._wait(backoff, subject, reason)

    async def publish(
        self,
        subject: str,
        data: bytes,
        *,
        message_id: str | None,
        headers: dict[str, str],
        aim: Callable[[], Awaitable[Aim]] | None = None,
    ) -> Ack:
        """Publish; with an id retry until acknowledged.

        `aim` is asked before a retry, since what takes the message in may be elsewhere by then.

        Raises:
            UnavailableError: without an id, when the one attempt got no answer.
        """
        if message_id is not None:
            headers[MESSAGE_ID] = encode_message_id(message_id)
        backoff = Backoff()
        while True:
            try:
                message = await self._wire.request(
                    subject, data, headers, timeout_s=PUBLISH_TIMEOUT_S
                )
            except UnavailableError as error:
                if message_id is None:
                    raise
                self._require_open(subject, error)
                reason: object = error
                if aim is not None:
                    subject, own = await aim()
                    headers.update(own)
            else:
                answer = _ack(message.data, subject)
                if answer.error is None:
                    return Ack(sequence=answer.seq, duplicate=answer.duplicate)
                if message_id is None or not is_retryable(answer.error):
                    raise_for(answer.error, f"publish to {subject!r}")
                reason = answer.error.description
            await self._wait(backoff, subject, reason)

    async def follow(
        self, subject: str, data: bytes, *, behind: str, message_id: str, headers: dict[str, str]
    ) -> bool:
        """Publish once if the newest message has the id `behind`; say whether it is stored.

        The server takes what one connection publishes in its order, so an append that was written
        just before is decided by then.
        """
        headers[MESSAGE_ID] = encode_message_id(message_id)
        headers[_EXPECTED_ID] = encode_message_id(behind)
        if not self._wire.is_up:
            return False
        try:
            message = await self._wire.request(subject, data, headers, timeout_s=PUBLISH_TIMEOUT_S)
            return _ack(message.data, subject).error is None
        except BrokerError as error:
            log.debug("nothing followed an append", subject=subject, error=str(error))
            return False

    def _require_open(self, subject: str, error: UnavailableError) -> None:
        if self._wire.is_closed:
            raise OutcomeUnknownError(
                f"the connection was closed while publishing to {subject!r}"
            ) from error

    async def _own_message(self, subject: str, wire_id: str) -> int | None:
        """Return the sequence of the newest message of the subject if it bears our id."""
        backoff = Backoff()
        while True:
            try:
                newest = await self._reader_of(subject).last_from_leader(subject)
            except NotFoundError:
                return None
            except UnavailableError as error:
                if self._wire.is_closed:
                    raise OutcomeUnknownError(
                        f"the connection was closed before an append to {subject!r} was verified"
                    ) from error
                await self._wait(backoff, subject, error)
                continue
            if newest is not None and newest.raw_headers.get(MESSAGE_ID) == wire_id:
                return newest.sequence
            return None

    async def _wait(self, backoff: Backoff, subject: str, reason: object) -> None:
        await backoff.wait()
        if backoff.attempts % _ATTEMPTS_BETWEEN_WARNINGS == 0:
            log.warning(
                "the broker does not acknowledge; trying on",
                subject=subject,
                attempts=backoff.attempts,
                reason=str(reason),
            )


def _ack(data: bytes, subject: str) -> PubAck:
    try:
        return _ACK.decode(data)
    except msgspec.DecodeError as error:
        raise InternalError(
            f"publish to {subject!r} was answered by something that is no stream: {error}"
        ) from error


def _fenced(subject: str, expected: int, error: ApiError) -> FencedError:
    number = error.description.rpartition(": ")[2]
    actual = int(number) if number.isdecimal() else None
    return FencedError(
        f"append to {subject!r} behind sequence {expected} came second: the last one is {actual}",
        sequence=actual,
    )
