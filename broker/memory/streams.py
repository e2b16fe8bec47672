"""The streams in memory, behind one handle: each has an order and sequences of its own."""

from collections.abc import Callable, Mapping
from typing import final

from broker.errors import InternalError
from broker.memory.clock import Clock
from broker.memory.stream import MemoryStream
from broker.ports import Ack, Message
from broker.sharding import Sharding

__all__ = ["MemoryStreams"]


@final
class MemoryStreams:
    """Finds the stream of a subject; reads over all of them one after the other."""

    def __init__(self, clock: Clock, sharding: Sharding) -> None:
        self.sharding = sharding
        self._streams = tuple(
            MemoryStream(clock, partitions=sharding.partitions) for _ in range(sharding.streams)
        )
        self.payload_bytes_max = self._streams[0].payload_bytes_max

    def of_partition(self, partition: int) -> MemoryStream:
        """Return the stream that holds a partition."""
        return self._streams[self.sharding.stream_of(partition)]

    def on_store(self, callback: Callable[[Message], None]) -> None:
        """Call back with every message that is stored from now on."""
        for stream in self._streams:
            stream.on_store(callback)

    def store(
        self,
        subject: str,
        data: bytes,
        headers: Mapping[str, str],
        *,
        message_id: str | None,
        expected_sequence: int | None = None,
    ) -> Ack:
        """Store a message; raises as a stream does."""
        return self._one(subject).store(
            subject, data, headers, message_id=message_id, expected_sequence=expected_sequence
        )

    def schedule(
        self,
        subject: str,
        data: bytes,
        headers: Mapping[str, str],
        *,
        target: str,
        at_ns: int,
        message_id: str | None,
    ) -> Ack:
        """Store a message and publish its content to `target`, of the same stream, at `at_ns`."""
        stream = self._one(subject)
        if self._one(target) is not stream:
            raise InternalError(f"{subject!r} and its target {target!r} lie in different streams")
        return stream.schedule(
            subject, data, headers, target=target, at_ns=at_ns, message_id=message_id
        )

    def select(self, pattern: str, from_sequences: tuple[int, ...] = ()) -> list[Message]:
        """Return the messages of a subject or pattern, stream by stream.

        `from_sequences` has a number for each stream; without them all of it.
        """
        return [
            message
            for number in self.sharding.streams_of(pattern)
            for message in self._streams[number].select(
                pattern, from_sequences[number] if from_sequences else 1
            )
        ]

    def last(self, pattern: str) -> Message | None:
        """Return the newest message of a subject or of a pattern within one stream."""
        return self._one(pattern).last(pattern)

    def newest_id(self, subject: str) -> str | None:
        """Return the id of the newest message of the stream that holds `subject`."""
        return self._one(subject).newest_id

    def newest(self, pattern: str) -> tuple[int, ...]:
        """Return the sequence of the newest message that matches, in each stream; 0: none."""
        found = (stream.last(pattern) for stream in self._streams)
        return tuple(0 if message is None else message.sequence for message in found)

    def get(self, subject: str, sequence: int) -> Message | None:
        """Return one message of the stream that holds `subject`."""
        return self._one(subject).get(sequence)

    def subjects(self, pattern: str) -> dict[str, int]:
        """Count the messages of each matching subject."""
        found: dict[str, int] = {}
        for number in self.sharding.streams_of(pattern):
            found.update(self._streams[number].subjects(pattern))
        return found

    def purge(self, pattern: str, up_to_sequence: int | None) -> int:
        """Remove matching messages and cancel the schedules among them."""
        numbers = self.sharding.streams_of(pattern)
        return sum(self._streams[number].purge(pattern, up_to_sequence) for number in numbers)

    def remove(self, subject: str, sequence: int) -> None:
        """Remove one message of the stream that holds `subject`."""
        self._one(subject).remove(sequence)

    def _one(self, subject: str) -> MemoryStream:
        return self._streams[self.sharding.stream_of_subject(subject)]
