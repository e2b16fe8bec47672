"""The oplog stream seen through one connection."""

from collections.abc import AsyncIterator, Mapping
from typing import Final, final

from broker.memory.faults import Faults
from broker.memory.link import Link
from broker.memory.stream import MemoryStream
from broker.ports import NO_HEADERS, Ack, Message

__all__ = ["MemoryJournal"]

READ_BATCH: Final = 1000


@final
class MemoryJournal:
    """Reads and writes the shared stream; writes outlast a cut connection."""

    def __init__(self, stream: MemoryStream, link: Link, faults: Faults) -> None:
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

    async def read(self, subject: str, *, from_sequence: int = 1) -> AsyncIterator[Message]:
        """Yield what is stored under `subject` up to now."""
        await self._link.turn()
        messages = self._stream.select(subject, from_sequence)
        for start in range(0, len(messages), READ_BATCH):
            if start:
                await self._link.turn()
            for message in messages[start : start + READ_BATCH]:
                yield message

    async def last(self, subject: str, *, leader: bool = False) -> Message | None:
        """Return the newest message; there is only a leader here."""
        del leader
        await self._link.turn()
        return self._stream.last(subject)

    async def get(self, sequence: int) -> Message | None:
        """Return one message."""
        await self._link.turn()
        return self._stream.get(sequence)

    async def subjects(self, pattern: str) -> dict[str, int]:
        """Count stored messages by subject."""
        await self._link.turn()
        return self._stream.subjects(pattern)

    async def purge(self, subject: str, *, up_to_sequence: int | None = None) -> int:
        """Remove messages."""
        await self._link.turn()
        return self._stream.purge(subject, up_to_sequence)

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
