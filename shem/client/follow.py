"""A worker's log as it grows: everything in it, in order, without a gap.

The broker passes an append on to whoever listens to the log's subject, but that is only a nudge: an
append may still be refused, and a message to us be lost. What is told is what the stream has.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from msgspec import Struct

from broker import subjects
from broker.errors import BrokerError
from broker.ports import Broker, Message, Note
from oplog.codec import decode
from oplog.entries import Entry
from oplog.errors import CorruptLogError
from oplog.headers import peek
from shem.client.invocations import broker_error
from shem.errors import InternalError

__all__ = ["Followed", "follow"]

# A nudge can come before the stream has what it tells of; then it is looked for so often.
LOOKS_S: Final = (0.0, 0.01, 0.05, 0.25, 1.0)
# Nudges may be lost with a connection.
LOOK_AGAIN_S: Final = 10.0


class Followed(Struct, frozen=True):
    """An entry of the log. Indices begin with 1 again behind a `deleted`, which has 0."""

    index: int
    entry: Entry


async def follow(
    broker: Broker, component: str, worker: str, *, after: int | None = None, backlog: int = 0
) -> AsyncIterator[Followed]:
    """Yield the entries behind index `after`, then those to come, for ever.

    Without `after`: the last `backlog` of those that are there, then those to come. The worker need
    not exist yet.

    Raises:
        UnavailableError: the broker does not answer; go on behind the last index that was told.
        InternalError: the log is damaged.
    """
    subject = subjects.log(component, worker, broker.partitions)
    nudge = asyncio.Event()

    def on_note(_: Note) -> None:
        nudge.set()

    reader = _Reader(broker, subject, await _start(broker, subject, after, backlog))
    subscriptions = [
        await broker.signals.subscribe(each, on_note)
        for each in (subject, subjects.event(component, worker))
    ]
    try:
        while True:
            nudge.clear()
            async for found in reader.new():
                yield found
            try:
                async with asyncio.timeout(LOOK_AGAIN_S):
                    await nudge.wait()
            except TimeoutError:
                continue
            for pause_s in LOOKS_S:
                await asyncio.sleep(pause_s)
                if await reader.has_new():
                    break
    except BrokerError as error:
        raise broker_error(error) from error
    except CorruptLogError as error:
        raise InternalError(f"the log of {component}/{worker} is damaged: {error}") from error
    finally:
        for each in subscriptions:
            await each.close()


class _Reader:
    """Reads what is new in a log."""

    def __init__(self, broker: Broker, subject: str, after: int) -> None:
        self._broker = broker
        self._subject = subject
        self._after = after
        self._sequence = 0
        self._is_primed = False

    async def has_new(self) -> bool:
        last = await self._broker.journal.last(self._subject)
        return last is not None and last.sequence > self._sequence

    async def new(self) -> AsyncIterator[Followed]:
        journal = self._broker.journal
        async for message in journal.read(self._subject, from_sequence=self._sequence + 1):
            for found in self._entries(message):
                yield found
            self._sequence = message.sequence
        self._is_primed = True

    def _entries(self, message: Message) -> list[Followed]:
        head = peek(message.headers, sequence=message.sequence)
        if head.is_tombstone:
            # One that lay there before anybody followed tells nothing new.
            if not self._is_primed:
                return []
            self._after = -1
        if head.last <= self._after:
            return []
        commit = decode(
            message.data,
            message.headers,
            expected_first=head.first,
            expected_previous=None,
            sequence=message.sequence,
        )
        found = [
            Followed(index, entry)
            for index, entry in enumerate(commit.entries, commit.first)
            if index > self._after
        ]
        self._after = max(self._after, commit.last)
        return found


async def _start(broker: Broker, subject: str, after: int | None, backlog: int) -> int:
    if after is not None:
        return after
    try:
        last = await broker.journal.last(subject, leader=True)
    except BrokerError as error:
        raise broker_error(error) from error
    if last is None:
        return 0
    return max(0, peek(last.headers, sequence=last.sequence).last - backlog)
