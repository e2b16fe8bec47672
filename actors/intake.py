"""What has come in for a worker, read from the broker: its mailbox, and the answers to its calls.

Deliveries bring the same, but not all of it to everybody: a partition that changed hands, or a
consumer that was made anew, leaves gaps. Whoever takes from the mailbox looks at `trusted` first.
"""

from collections.abc import Sequence
from typing import final

import msgspec
import structlog
from msgspec import Struct

from actors.holdings import KINDS_READ
from actors.identity import Address
from actors.knots import Knots, Survey
from actors.mailbox import Mailbox
from actors.past import Past
from actors.reads import Reads
from actors.waiting import Waiting
from actors.waits import Answer, Wake
from broker.ports import Journal, Message

__all__ = ["Delivered", "Intake"]

log = structlog.get_logger(__name__)

_decode_answer = msgspec.json.Decoder(Answer | Survey | Wake).decode


class Delivered(Struct, frozen=True):
    """What came in for a worker before it had a life, by kind.

    `are_all`: nothing else lies in the mailbox.
    """

    messages: Sequence[tuple[str, Message]]
    are_all: bool


@final
class Intake:
    """The mailbox of one life, and what reads it.

    `trusted`: nothing was missed since the last reading. `woken`: the entries whose schedules of
    the broker have fired.
    """

    def __init__(
        self,
        address: Address,
        journal: Journal,
        past: Past,
        mailbox: Mailbox,
        reads: Reads,
        *,
        waiting: Waiting,
        knots: Knots,
    ) -> None:
        self.trusted = False
        self.woken: set[int] = set()
        self.mailbox = mailbox
        self.reads = reads
        self._address = address
        self._journal = journal
        self._past = past
        self._waiting = waiting
        self._knots = knots

    async def read_mailbox(self) -> None:
        """Read all of it that is not done yet."""
        await self.begin((), unread=KINDS_READ)

    async def begin(
        self, delivered: Sequence[tuple[str, Message]], *, unread: Sequence[str]
    ) -> None:
        """Take in what was `delivered`, and read the kinds of which more may lie in the mailbox.

        Answers are read all the same, as those that an earlier life had heard are in no log.
        """
        self.trusted = True
        self.mailbox.begin_read()
        # One exact subject after the other: the broker finds their first message by an index, but
        # searches the stream for a wildcard. What comes in between is delivered as well. Everything
        # is known before anything is taken, so the order of the kinds does not matter.
        for kind in KINDS_READ:
            if kind in unread:
                await self._read(kind)
            else:
                for each, message in delivered:
                    if each == kind:
                        self._offer(kind, message)
        await self.read_answers()

    async def _read(self, kind: str) -> None:
        start = self.mailbox.invoked + 1
        if kind == "invoke" and self.reads.are_declared:
            # Reads are not passed by the watermark: they are there until they are answered.
            start = 1
        subject = {
            "control": self._address.mailbox_control,
            "invoke": self._address.mailbox_invoke,
        }[kind]
        # All of it: what is passed over now lies below the watermark soon, and never runs.
        async for message in self._journal.read_whole(subject, from_sequence=start):
            self._offer(kind, message)

    def _offer(self, kind: str, message: Message) -> None:
        if kind != "invoke" or not self.reads.takes(message):
            self.mailbox.offer(kind, message)

    async def read_answers(self) -> None:
        """Answers have no watermark, since they overtake invocations: read what can matter."""
        start = self._waiting.book.read_from
        if self._past.status.state in {"suspended", "retrying"}:
            start = min(start or self.mailbox.invoked + 1, self.mailbox.invoked + 1)
        if start is None:
            return
        read = self._journal.read_whole
        async for message in read(self._address.mailbox_reply, from_sequence=start):
            self.answered_by(message)

    def answered_by(self, message: Message) -> None:
        """Take in what came as an answer: of a worker, of a survey, of a schedule."""
        try:
            answer: Answer | Survey | Wake = _decode_answer(message.data)
        except (msgspec.DecodeError, UnicodeDecodeError):
            log.warning("unreadable answer", sequence=message.sequence)
            return
        match answer:
            case Wake():
                self.woken.add(answer.index)
            case Survey():
                self._knots.received(answer)
            case Answer():
                self._waiting.offer(answer)
