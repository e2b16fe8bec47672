"""Reading a stream: Direct Get for speed, the leader where staleness would matter."""

import asyncio
import itertools
from base64 import b64decode
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from datetime import datetime
from typing import Final, final

import msgspec
from msgspec import Struct

from broker.errors import (
    BrokerError,
    InternalError,
    NotFoundError,
    PermissionDeniedError,
    UnavailableError,
)
from broker.jetstream.api import JetStreamApi
from broker.jetstream.headers import user_headers
from broker.jetstream.limits import (
    READ_BATCH,
    READ_BATCH_BYTES,
    READ_PATIENCE_S,
    READ_SILENCE_MAX_S,
    READ_TIMEOUT_S,
)
from broker.jetstream.retry import Patience
from broker.jetstream.wire import (
    NO_RESPONDERS,
    WireMessage,
    WireSubscription,
    parse_header_block,
)
from broker.ports import Message

__all__ = ["Counted", "StoredMessage", "StreamReader", "parse_time"]

_END_OF_BATCH: Final = 204
_NOT_FOUND: Final = 404
_NS_PER_S: Final = 1_000_000_000


class StoredMessage(Struct, frozen=True):
    """A stored message with the broker's own headers."""

    subject: str
    sequence: int
    data: bytes
    raw_headers: dict[str, str]
    time_ns: int

    def shown(self) -> Message:
        """Return it without the broker's headers."""
        return Message(
            subject=self.subject,
            sequence=self.sequence,
            data=self.data,
            headers=user_headers(self.raw_headers),
            time_ns=self.time_ns,
        )


class Counted(Struct, frozen=True):
    """How many messages each subject has in a stream whose newest sequence is `last_seq`."""

    last_seq: int = 0
    subjects: dict[str, int] | None = None


class _Info(Struct, frozen=True):
    state: Counted


class _LeaderMessage(Struct, frozen=True):
    subject: str
    seq: int
    time: str
    data: str = ""
    hdrs: str = ""


class _LeaderAnswer(Struct, frozen=True):
    message: _LeaderMessage


@final
class _Batch:
    """Collects the answer to one batch request."""

    __slots__ = ("end", "messages")

    def __init__(self, end: asyncio.Future[WireMessage]) -> None:
        self.messages: list[WireMessage] = []
        self.end = end

    def take(self, message: WireMessage) -> None:
        if not message.status:
            self.messages.append(message)
        elif not self.end.done():
            self.end.set_result(message)


@final
class StreamReader:
    """Reads one stream. `replicated`: any of several servers may answer, and lag behind."""

    def __init__(self, api: JetStreamApi, stream: str, *, replicated: bool = False) -> None:
        self._api = api
        self._replicated = replicated
        self._wire = api.wire
        self._stream = stream
        self._direct = f"{api.prefix}DIRECT.GET.{stream}"
        self._inbox = ""
        self._subscription: WireSubscription | None = None
        self._subscribing = asyncio.Lock()
        self._numbers = itertools.count(1)
        self._batches: dict[str, _Batch] = {}

    async def read(self, subject: str, *, from_sequence: int = 1) -> AsyncIterator[StoredMessage]:
        """Yield the messages of a subject or pattern in order up to now.

        "Now" is the leader's: a message that a lagging replica does not have yet would be taken for
        one that was never stored.

        Raises:
            UnavailableError: no answer, or all replicas that answer lag, for longer than it takes
                to elect a leader.
            PermissionDeniedError: the identity may not read the stream.
        """
        sequence = max(1, from_sequence)
        patience = Patience(READ_PATIENCE_S)
        while True:
            async for stored in self.read_from_any(subject, from_sequence=sequence):
                sequence = stored.sequence + 1
                patience.renew()
                yield stored
            if not self._replicated:
                return
            newest = await self.last_from_leader(subject)
            if newest is None or newest.sequence < sequence:
                return
            await patience.wait(
                UnavailableError(
                    f"read of {subject!r}: the replicas that answer lack sequence {newest.sequence}"
                )
            )

    async def read_from_any(
        self, subject: str, *, from_sequence: int
    ) -> AsyncGenerator[StoredMessage]:
        """Yield what whichever replica answers has and can read of it."""
        sequence, more = from_sequence, True
        while more:
            batch, more = await self._read_batch(subject, sequence)
            for message in batch:
                stored = _from_direct(message)
                sequence = stored.sequence + 1
                yield stored

    async def counted(self, subject: str) -> Counted:
        """Return how many messages a subject has, as the leader counts them."""
        info = await self._api.call(
            f"STREAM.INFO.{self._stream}",
            {"subjects_filter": subject},
            _Info,
            timeout_s=READ_SILENCE_MAX_S,
            patience_s=READ_PATIENCE_S,
        )
        return info.state

    async def last(self, subject: str) -> StoredMessage | None:
        """Return the newest message of a subject, perhaps from a replica that lags.

        That there is none is the leader's word.
        """
        return await self._one({"last_by_subj": subject})

    async def get(self, sequence: int) -> StoredMessage | None:
        """Return one message by sequence; that there is none is the leader's word."""
        return await self._one({"seq": sequence})

    async def _one(self, which: Mapping[str, str | int]) -> StoredMessage | None:
        found = await self._direct_one(msgspec.json.encode(which))
        if found is None and self._replicated:
            # Whoever answered may lag behind, or have lost it.
            found = await self._from_leader(which)
        return found

    async def last_from_leader(self, subject: str) -> StoredMessage | None:
        """Return the newest message of a subject as the stream's leader has it."""
        return await self._from_leader({"last_by_subj": subject})

    async def _from_leader(self, which: Mapping[str, str | int]) -> StoredMessage | None:
        try:
            answer = await self._api.call(
                f"STREAM.MSG.GET.{self._stream}",
                which,
                _LeaderAnswer,
                timeout_s=READ_SILENCE_MAX_S,
                patience_s=READ_PATIENCE_S,
            )
        except NotFoundError:
            return None
        message = answer.message
        return StoredMessage(
            subject=message.subject,
            sequence=message.seq,
            data=b64decode(message.data),
            raw_headers=parse_header_block(b64decode(message.hdrs)),
            time_ns=parse_time(message.time),
        )

    async def _direct_one(self, body: bytes) -> StoredMessage | None:
        message = await self._ask_patiently(body)
        if message.status == _NOT_FOUND:
            return None
        if message.status:
            raise UnavailableError(f"read of {self._stream}: {message.description}")
        return _from_direct(message)

    async def _ask_patiently(self, body: bytes) -> WireMessage:
        patience = Patience(READ_PATIENCE_S)
        while True:
            try:
                return await self._wire.request(self._direct, body, timeout_s=READ_SILENCE_MAX_S)
            except UnavailableError as error:
                if self._wire.is_closed:
                    raise
                problem = error
            await patience.wait(problem)

    async def _read_batch(self, subject: str, sequence: int) -> tuple[list[WireMessage], bool]:
        """Return the next messages and whether there are more."""
        patience = Patience(READ_PATIENCE_S)
        while True:
            try:
                batch = await self._ask_batch(subject, sequence)
                end = batch.end.result()
            except UnavailableError as error:
                if self._wire.is_closed:
                    raise
                problem = error
            else:
                if end.status == _NOT_FOUND:
                    return [], False
                if end.status == _END_OF_BATCH:
                    more = end.headers.get("Nats-Num-Pending", "0") != "0" and bool(batch.messages)
                    return batch.messages, more
                problem = UnavailableError(f"read of {subject!r}: {end.status} {end.description}")
                if end.status != NO_RESPONDERS:
                    raise problem
            await patience.wait(problem)

    async def _ask_batch(self, subject: str, sequence: int) -> _Batch:
        """Return the whole answer to one request.

        Raises:
            UnavailableError: the server fell silent, or the connection was lost.
            PermissionDeniedError: it does not let us ask.
        """
        await self._ensure_inbox()
        if not self._wire.is_up:
            await self._wire.wait_until_up(READ_TIMEOUT_S)
        token = str(next(self._numbers))
        batch = _Batch(asyncio.get_running_loop().create_future())
        self._batches[token] = batch
        request = {
            "seq": sequence,
            "next_by_subj": subject,
            "batch": READ_BATCH,
            "max_bytes": READ_BATCH_BYTES,
        }
        try:
            self._wire.publish(
                self._direct, msgspec.json.encode(request), reply=f"{self._inbox}.{token}"
            )
            received = -1
            while not batch.end.done() and received < len(batch.messages):
                received = len(batch.messages)
                await asyncio.wait([batch.end], timeout=READ_SILENCE_MAX_S)
        finally:
            del self._batches[token]
        if not batch.end.done():
            raise UnavailableError(f"read of {subject!r} got no answer in time")
        return batch

    async def _ensure_inbox(self) -> None:
        if self._subscription is not None:
            return
        async with self._subscribing:
            if self._subscription is None:
                self._inbox = self._wire.new_inbox()
                self._wire.on_up(self._lose_batches)
                self._wire.on_denied(self._deny_batches)
                self._subscription = await self._wire.subscribe(f"{self._inbox}.*", self._take)

    def _take(self, message: WireMessage) -> None:
        batch = self._batches.get(message.subject.rpartition(".")[2])
        if batch is not None:
            batch.take(message)

    def _lose_batches(self) -> None:
        # What was asked on the old connection is answered on none.
        self._fail_batches(UnavailableError("the connection was lost while reading"))

    def _deny_batches(self, subject: str, error: PermissionDeniedError) -> bool:
        # Nobody answers what the server has not let through.
        return subject.lower() == self._direct.lower() and self._fail_batches(error)

    def _fail_batches(self, error: BrokerError) -> bool:
        waiting = [batch.end for batch in self._batches.values() if not batch.end.done()]
        for end in waiting:
            end.set_exception(error)
        return bool(waiting)


def parse_time(text: str) -> int:
    """Return nanoseconds since the epoch of an RFC 3339 time with up to nine decimals."""
    whole, _, rest = text.removesuffix("Z").partition(".")
    seconds = int(datetime.fromisoformat(whole + "+00:00").timestamp())
    return seconds * _NS_PER_S + (int(rest.ljust(9, "0")[:9]) if rest else 0)


def _from_direct(message: WireMessage) -> StoredMessage:
    headers = dict(message.headers)
    try:
        subject = headers.pop("Nats-Subject")
        sequence = int(headers.pop("Nats-Sequence"))
        stamp = headers.pop("Nats-Time-Stamp")
    except KeyError as error:
        raise InternalError(f"a read was answered without {error}: {headers}") from error
    return StoredMessage(
        subject=subject,
        sequence=sequence,
        data=message.data,
        raw_headers=headers,
        time_ns=parse_time(stamp),
    )
