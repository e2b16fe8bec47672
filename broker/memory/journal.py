"""The oplog stream seen through one connection."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Final, final

from broker.errors import BrokerError
from broker.memory.faults import Faults
from broker.memory.link import Link
from broker.memory.streams import MemoryStreams
from broker.ports import NO_HEADERS, Ack, Message

__all__ = ["MemoryJournal"]

READ_BATCH: Final = 1000
_TURNS_OF_APPEND: Final = 2


@final
class MemoryJournal:
    """Reads and writes the shared stream; writes outlast a cut connection."""

    def __init__(self, stream: MemoryStreams, link: Link, faults: Faults) -> None:
        self._stream = stream
        self._link = link
        self._faults = faults

    async def append(
        self,
        subject: str,
        data: bytes,
        *,
        message_id: str,
        expected_sequence: int,
        headers: Mapping[str, str] = NO_HEADERS,
    ) -> int:
        """Append behind `expected_sequence`."""
        await self._link.wait_until_up()
        error = await self._faults.before_append(subject)
        await self._link.wait_until_up()
        ack = self._stream.store(
            subject, data, headers, message_id=message_id, expected_sequence=expected_sequence
        )
        await self._link.wait_until_up()
        if error is not None:
            raise error
        return ack.sequence

    async def publish(
        self,
        subject: str,
        data: bytes,
        *,
        message_id: str | None = None,
        headers: Mapping[str, str] = NO_HEADERS,
    ) -> Ack:
        """Publish durably."""
        await self._cross(retries=message_id is not None)
        error = await self._faults.before_append(subject)
        ack = self._stream.store(subject, data, headers, message_id=message_id)
        await self._cross(retries=message_id is not None)
        if error is not None:
            raise error
        return ack

    async def follow(
        self,
        subject: str,
        data: bytes,
        *,
        behind: str,
        message_id: str,
        headers: Mapping[str, str] = NO_HEADERS,
    ) -> bool:
        """Publish if the newest message of the stream has the id `behind`."""
        try:
            # An append takes as many turns until it is stored.
            for _ in range(_TURNS_OF_APPEND):
                await self._link.turn()
            if await self._faults.before_append(subject) is not None:
                return False
            if self._stream.newest_id(subject) != behind:
                return False
            self._stream.store(subject, data, headers, message_id=message_id)
            await self._link.turn()
        except BrokerError:
            return False
        return True

    async def read(
        self, subject: str, *, from_sequence: int | Sequence[int] = 1
    ) -> AsyncIterator[Message]:
        """Yield what is stored under `subject` up to now."""
        await self._link.turn()
        sharding = self._stream.sharding
        messages = self._stream.select(subject, sharding.starts(subject, from_sequence))
        for start in range(0, len(messages), READ_BATCH):
            if start:
                await self._link.turn()
            for message in messages[start : start + READ_BATCH]:
                yield message

    def read_whole(self, subject: str, *, from_sequence: int = 1) -> AsyncIterator[Message]:
        """Yield what is stored under `subject` up to now; everything can be read here."""
        return self.read(subject, from_sequence=from_sequence)

    async def last(self, subject: str, *, leader: bool = False) -> Message | None:
        """Return the newest message; there is only a leader here."""
        del leader
        await self._link.turn()
        return self._stream.last(subject)

    async def newest(self, subject: str) -> tuple[int, ...]:
        """Return the newest sequence that matches, in each stream."""
        await self._link.turn()
        return self._stream.newest(subject)

    async def get(self, subject: str, sequence: int) -> Message | None:
        """Return one message."""
        await self._link.turn()
        return self._stream.get(subject, sequence)

    async def end(self, partition: int) -> int:
        """Return the sequence given out last."""
        await self._link.turn()
        return self._stream.of_partition(partition).end

    async def is_led(self, partition: int) -> bool:
        """Whether the leader has just heard from a majority: one server is one."""
        del partition
        await self._link.turn()
        return True

    async def subjects(self, pattern: str) -> dict[str, int]:
        """Count stored messages by subject."""
        await self._link.turn()
        return self._stream.subjects(pattern)

    async def purge(self, subject: str, *, up_to_sequence: int | None = None) -> int:
        """Remove messages."""
        await self._link.turn()
        return self._stream.purge(subject, up_to_sequence)

    async def remove(self, subject: str, sequence: int) -> None:
        """Remove one message."""
        await self._link.turn()
        self._stream.remove(subject, sequence)

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
        """Store a message that is published to `target` at `at_ns`."""
        await self._cross(retries=message_id is not None)
        error = await self._faults.before_append(subject)
        ack = self._stream.schedule(
            subject, data, headers, target=target, at_ns=at_ns, message_id=message_id
        )
        await self._cross(retries=message_id is not None)
        if error is not None:
            raise error
        return ack

    async def _cross(self, *, retries: bool) -> None:
        if retries:
            await self._link.wait_until_up()
        else:
            await self._link.turn()
