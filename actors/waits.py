"""The book of answers that one worker waits for, each under the index of the entry that asked.

Pure: it is told what is asked, committed, answered and observed, and says what is outstanding. An
answer is a durable message that names the incarnation and the index of the entry that asked. It may
come before anybody waits for it, more than once, or when nobody wants it any more: all but the
first to an outstanding entry are ignored. An answer counts as consumed when the entry that observes
it is recorded; until then it can be read again from the mailbox, from the commit of the oldest
outstanding entry onwards.
"""

from collections.abc import Callable, Iterable
from typing import Final, final

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from oplog.entries import Asks, Failure, Promise, RemoteCall
from oplog.errors import CorruptLogError

__all__ = ["Answer", "Open", "Waits", "Wake", "load_outstanding"]


class Answer(Struct, frozen=True, kw_only=True, omit_defaults=True, tag="reply", tag_field="type"):
    """The body of an answer: `result` (unset: none) or `error`.

    `incarnation` is that of the worker that asked; without one, whatever worker has that name.
    """

    index: int
    incarnation: str = ""
    result: Raw | UnsetType = UNSET
    error: Failure | None = None


class Wake(Struct, frozen=True, tag="wake", tag_field="type"):
    """The nudge of a schedule: the time of entry `index` may have come."""

    index: int
    incarnation: str = ""


class Open(Struct, frozen=True, array_like=True):
    """An entry that asked, and the stream sequence of its commit (0: not committed yet)."""

    asks: Asks
    log_sequence: int = 0


_OUTSTANDING: Final = msgspec.json.Decoder(tuple[tuple[int, Open], ...])


def load_outstanding(saved: Raw) -> tuple[tuple[int, Open], ...]:
    """Return what `Waits.save` returned, after it was JSON.

    Raises:
        CorruptLogError: it is something else.
    """
    try:
        return _OUTSTANDING.decode(saved)
    except msgspec.DecodeError as error:
        raise CorruptLogError(
            f"what a snapshot says of open calls does not decode: {error}"
        ) from error


@final
class Waits:
    """What is asked and not observed."""

    def __init__(self, outstanding: dict[int, Open]) -> None:
        self.incarnation = ""
        self._open = dict(outstanding)
        self._answers: dict[int, Answer] = {}
        self._observed: dict[int, Callable[[], None]] = {}

    def save(self) -> tuple[tuple[int, Open], ...]:
        """Return what is asked and not observed. Answers stay where they are: in the mailbox."""
        return tuple(self._open.items())

    def __contains__(self, index: int) -> bool:
        return index in self._open

    def __len__(self) -> int:
        return len(self._open)

    def asked(self, index: int, asks: Asks) -> None:
        """Entry `index` was recorded."""
        self._open[index] = Open(asks)

    def committed(self, index: int, log_sequence: int) -> None:
        """Entry `index` was committed: its answer can only come behind `log_sequence`."""
        found = self._open.get(index)
        if found is not None:
            self._open[index] = Open(found.asks, log_sequence)

    def is_promise(self, index: int) -> bool:
        """Whether entry `index` made a promise that nobody has completed before this life."""
        found = self._open.get(index)
        return found is not None and isinstance(found.asks, Promise)

    def settled(self, index: int) -> Callable[[], None] | None:
        """The answer was observed, or nobody wants it any more; return who waits for that."""
        self._open.pop(index, None)
        self._answers.pop(index, None)
        return self._observed.pop(index, None)

    def forget_behind(self, index: int) -> None:
        """Nobody waits any more for what was asked behind entry `index`."""
        for each in [each for each in self._open if each > index]:
            self.settled(each)

    def offer(self, answer: Answer, observed: Callable[[], None] | None = None) -> bool:
        """Take an answer in; False if it is late, doubled, or for another incarnation.

        `observed` is what `settled` returns for it.
        """
        if answer.incarnation and answer.incarnation != self.incarnation:
            return False
        if answer.index not in self._open or answer.index in self._answers:
            return False
        self._answers[answer.index] = answer
        if observed is not None:
            self._observed[answer.index] = observed
        return True

    def answer(self, index: int) -> Answer | None:
        """Return the answer to entry `index`, None if it has not come."""
        return self._answers.get(index)

    def is_answered(self, indices: Iterable[int]) -> bool:
        """Whether one of the entries is answered, or was settled before."""
        answers, open_ = self._answers, self._open
        for index in indices:  # noqa: SIM110 - asked several times in every call, mostly of one
            if index in answers or index not in open_:
                return True
        return False

    def call(self, index: int) -> RemoteCall | None:
        """Return the outstanding call of entry `index`."""
        found = self._open.get(index)
        return found.asks if found is not None and isinstance(found.asks, RemoteCall) else None

    def deadline_ms(self, index: int) -> int | None:
        """Return the Unix time at which the wait for entry `index` ends."""
        call = self.call(index)
        return None if call is None else call.deadline_ms

    @property
    def read_from(self) -> int | None:
        """The stream sequence from which on answers may lie in the mailbox; None: none can."""
        # A promise is completed by a command, whose place in the mailbox the watermark knows.
        sequences = [
            found.log_sequence
            for found in self._open.values()
            if found.log_sequence and not isinstance(found.asks, Promise)
        ]
        return min(sequences) + 1 if sequences else None
