"""The oplog stream in memory: storage, deduplication, fences, schedules."""

from collections.abc import Callable, Iterator, Mapping
from typing import Final, final

from broker.errors import FencedError, InternalError, TooLargeError
from broker.layout import DUPLICATE_WINDOW_S, MESSAGE_ID, is_captured, matches, stored_subject
from broker.memory.clock import NS_PER_S, Clock, Timer
from broker.ports import Ack, Message

__all__ = ["MemoryStream"]

PAYLOAD_BYTES_MAX: Final = 4 * 1024 * 1024


@final
class MemoryStream:
    """Messages in one order, found by sequence or by subject."""

    def __init__(self, clock: Clock, *, partitions: int) -> None:
        self.partitions = partitions
        self.payload_bytes_max = PAYLOAD_BYTES_MAX
        self._clock = clock
        self._sequence = 0
        self._messages: dict[int, Message] = {}
        self._by_subject: dict[str, dict[int, None]] = {}
        # Mailbox reads name all children of one parent; scanning every subject would be quadratic.
        self._by_parent: dict[str, dict[str, None]] = {}
        self._ids: dict[str, tuple[int, int]] = {}
        self._timers: dict[str, Timer] = {}
        self._on_store: list[Callable[[Message], None]] = []

    def on_store(self, callback: Callable[[Message], None]) -> None:
        """Call back with every message that is stored from now on."""
        self._on_store.append(callback)

    def store(
        self,
        subject: str,
        data: bytes,
        headers: Mapping[str, str],
        *,
        message_id: str | None,
        expected_sequence: int | None = None,
    ) -> Ack:
        """Store a message unless its id is known or its fence is broken.

        Raises:
            FencedError: the last sequence of the stored subject is another one.
            TooLargeError: above the payload limit.
        """
        if not is_captured(subject):
            raise InternalError(f"no stream takes in {subject!r}: use the names of broker.subjects")
        size = len(data) + sum(len(name) + len(value) for name, value in headers.items())
        if size > self.payload_bytes_max:
            raise TooLargeError(
                f"message to {subject!r} has {size} bytes, the broker takes "
                f"{self.payload_bytes_max}: split it or raise the limit"
            )
        target = stored_subject(subject, self.partitions)
        self._check_fence(target, message_id, expected_sequence)
        original = self._duplicate_of(message_id)
        if original is not None:
            return Ack(sequence=original, duplicate=True)
        kept = dict(headers)
        if message_id is not None:
            kept[MESSAGE_ID] = message_id
        return Ack(sequence=self._put(target, data, kept).sequence)

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
        """Store a message and publish its content to `target` at `at_ns`."""
        ack = self.store(subject, data, headers, message_id=message_id)
        if ack.duplicate:
            return ack
        self._remove(
            [sequence for sequence in self._by_subject[subject] if sequence != ack.sequence]
        )
        self._cancel_timer(subject)
        self._timers[subject] = self._clock.call_at(
            max(at_ns, self._clock.now_ns()),
            lambda: self._fire(subject, target, data, dict(headers)),
        )
        return ack

    @property
    def newest_id(self) -> str | None:
        """The id of the message that was stored last; None if it has none, or is gone."""
        newest = self._messages.get(self._sequence)
        return None if newest is None else newest.headers.get(MESSAGE_ID)

    def select(self, pattern: str, from_sequence: int = 1) -> list[Message]:
        """Return the messages of a subject or pattern in order."""
        found = [
            sequence
            for subject in self._matching(pattern)
            for sequence in self._by_subject[subject]
            if sequence >= from_sequence
        ]
        return [self._messages[sequence] for sequence in sorted(found)]

    def last(self, pattern: str) -> Message | None:
        """Return the newest message of a subject or pattern."""
        newest = max(
            (next(reversed(self._by_subject[subject])) for subject in self._matching(pattern)),
            default=None,
        )
        return None if newest is None else self._messages[newest]

    def get(self, sequence: int) -> Message | None:
        """Return one message."""
        return self._messages.get(sequence)

    @property
    def end(self) -> int:
        """The sequence given out last."""
        return self._sequence

    def shorten(self, end: int) -> None:
        """Lose everything behind a sequence, as a server with a damaged file does at its start."""
        for sequence in [each for each in self._messages if each > end]:
            self.remove(sequence)
        self._sequence = min(self._sequence, end)
        self._ids = {name: known for name, known in self._ids.items() if known[0] <= end}

    def subjects(self, pattern: str) -> dict[str, int]:
        """Count the messages of each matching subject."""
        return {subject: len(self._by_subject[subject]) for subject in self._matching(pattern)}

    def purge(self, pattern: str, up_to_sequence: int | None) -> int:
        """Remove matching messages and cancel the schedules among them."""
        doomed = [
            message.sequence
            for message in self.select(pattern)
            if up_to_sequence is None or message.sequence <= up_to_sequence
        ]
        emptied = self._remove(doomed)
        for subject in emptied:
            self._cancel_timer(subject)
        return len(doomed)

    def remove(self, sequence: int) -> None:
        """Remove one message and cancel the schedule that it is."""
        if sequence in self._messages:
            for subject in self._remove([sequence]):
                self._cancel_timer(subject)

    def _check_fence(
        self, subject: str, message_id: str | None, expected_sequence: int | None
    ) -> None:
        if expected_sequence is None:
            return
        last = self.last(subject)
        actual = 0 if last is None else last.sequence
        if actual == expected_sequence:
            return
        # The retry of a stored append finds itself as the newest message: that is no conflict.
        if last is not None and message_id and last.headers.get(MESSAGE_ID) == message_id:
            return
        raise FencedError(
            f"append to {subject!r} behind sequence {expected_sequence} came second: "
            f"the last one is {actual}",
            sequence=actual,
        )

    def _duplicate_of(self, message_id: str | None) -> int | None:
        if message_id is None:
            return None
        now_ns = self._clock.now_ns()
        known = self._ids.get(message_id)
        if known is not None and now_ns - known[1] < DUPLICATE_WINDOW_S * NS_PER_S:
            return known[0]
        self._ids.pop(message_id, None)
        self._ids[message_id] = (self._sequence + 1, now_ns)
        return None

    def _put(self, subject: str, data: bytes, headers: Mapping[str, str]) -> Message:
        self._sequence += 1
        message = Message(
            subject=subject,
            sequence=self._sequence,
            data=bytes(data),
            headers=headers,
            time_ns=self._clock.now_ns(),
        )
        self._messages[message.sequence] = message
        if subject not in self._by_subject:
            self._by_subject[subject] = {}
            self._by_parent.setdefault(_parent(subject), {})[subject] = None
        self._by_subject[subject][message.sequence] = None
        for callback in self._on_store:
            callback(message)
        return message

    def _remove(self, sequences: list[int]) -> list[str]:
        emptied: list[str] = []
        for sequence in sequences:
            subject = self._messages.pop(sequence).subject
            del self._by_subject[subject][sequence]
            if not self._by_subject[subject]:
                del self._by_subject[subject]
                del self._by_parent[_parent(subject)][subject]
                emptied.append(subject)
        return emptied

    def _matching(self, pattern: str) -> Iterator[str]:
        if "*" not in pattern and ">" not in pattern:
            if pattern in self._by_subject:
                yield pattern
            return
        parent = _parent(pattern)
        if "*" not in parent and not pattern.endswith(">"):
            yield from list(self._by_parent.get(parent, ()))
            return
        for subject in list(self._by_subject):
            if matches(pattern, subject):
                yield subject

    def _fire(self, subject: str, target: str, data: bytes, headers: dict[str, str]) -> None:
        self._timers.pop(subject, None)
        self._remove(list(self._by_subject.get(subject, ())))
        self._put(stored_subject(target, self.partitions), data, headers)

    def _cancel_timer(self, subject: str) -> None:
        timer = self._timers.pop(subject, None)
        if timer is not None:
            timer.cancel()


def _parent(subject: str) -> str:
    return subject.rpartition(".")[0]
