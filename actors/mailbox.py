"""The mailbox of one resident worker: invocations in stream order, commands as they come.

Pure: it is fed messages, by deliveries and by reads of the stream alike, and tells what is next.
The order of invocations is their stream sequence, whatever order they arrive in; what was consumed
before (at or below the watermark) or is queued already is not taken twice.
"""

from heapq import heappop, heappush

from actors.limits import QUEUE_MESSAGES_MAX
from broker.ports import Message

__all__ = ["Mailbox"]


class Mailbox:
    """Queues of one worker. `invoked` and `control` are the watermarks of consumed messages."""

    def __init__(self, *, invoked: int, control: int) -> None:
        self.invoked = invoked
        self.control = control
        self.consumed = 0
        """How many messages were taken out."""
        # Indices of the entries whose wake-up schedules have fired.
        self.woken: set[int] = set()
        # Invariant: set while the stream holds waiting messages above it that are not in memory.
        self._ceiling: int | None = None
        self._invocations: list[tuple[int, Message]] = []
        self._commands: list[tuple[int, Message]] = []
        self._known: set[int] = set()
        self._refused: set[int] = set()

    def __len__(self) -> int:
        return len(self._invocations)

    @property
    def undecided(self) -> int:
        """How many invocations wait that were not refused."""
        return len(self._invocations) - len(self._refused)

    def refused(self, sequence: int) -> None:
        """Take note that a queued invocation has its outcome already."""
        self._refused.add(sequence)

    @property
    def has_commands(self) -> bool:
        """Whether an operator's command waits."""
        return bool(self._commands)

    @property
    def overflowed(self) -> bool:
        """Whether messages were left in the stream: an empty queue means nothing then."""
        return self._ceiling is not None

    def begin_read(self) -> None:
        """Say that the whole mailbox is about to be offered again."""
        self._ceiling = None

    def _shed(self) -> None:
        """Keep the older half. Nothing is lost: the rest lies in the stream and is read again."""
        self._invocations.sort()
        keep = len(self._invocations) // 2
        self._invocations = self._invocations[:keep]
        self._ceiling = self._invocations[-1][0]
        self._known = {sequence for sequence, _ in self._invocations}
        self._refused &= self._known
        self._known.update(sequence for sequence, _ in self._commands)

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits: no invocation in memory or left in the stream, no command."""
        return not (self._invocations or self._commands) and self._ceiling is None

    def offer(self, kind: str, message: Message) -> None:
        """Take a message in; duplicates and consumed ones are ignored."""
        sequence = message.sequence
        if sequence in self._known:
            return
        match kind:
            case "invoke":
                if sequence <= self.invoked:
                    return
                if self._ceiling is not None and sequence > self._ceiling:
                    return
                heappush(self._invocations, (sequence, message))
                if len(self._invocations) > QUEUE_MESSAGES_MAX:
                    self._shed()
                    return
            case "control":
                if sequence <= self.control:
                    return
                heappush(self._commands, (sequence, message))
            case _:
                return
        self._known.add(sequence)

    def is_consumed(self, sequence: int) -> bool:
        """Whether an invocation was taken out of the queue before."""
        return sequence <= self.invoked

    def next_invocation(self) -> Message | None:
        """Take out the oldest invocation and move the watermark; None if there is none."""
        while self._invocations:
            sequence, message = heappop(self._invocations)
            self._known.discard(sequence)
            self._refused.discard(sequence)
            if sequence > self.invoked:
                self.invoked = sequence
                self.consumed += 1
                return message
        return None

    def first_command(self) -> Message | None:
        """Return the oldest command, leaving it queued; None if there is none."""
        return self._commands[0][1] if self._commands else None

    def next_command(self) -> Message | None:
        """Take out the oldest command and move its watermark; None if there is none."""
        if not self._commands:
            return None
        sequence, message = heappop(self._commands)
        self._known.discard(sequence)
        self.control = sequence
        self.consumed += 1
        return message

    def waiting(self) -> list[Message]:
        """Return the queued invocations in order, leaving them queued."""
        return [message for _, message in sorted(self._invocations)]

    def commands(self) -> list[Message]:
        """Return the queued commands in order, leaving them queued."""
        return [message for _, message in sorted(self._commands)]
