"""Answers on the short way to callers in other executors: core messages, ahead of what is stored.

What is told is committed by whoever tells it. The executor of the caller says when the answer is
recorded there, so that it need not become a message at all; or that it cannot promise that. Nobody
depends on what is lost on this way: after a moment without a word, the answer is sent as a message.
"""

from collections.abc import Callable
from itertools import count
from typing import TypeAlias, final

import msgspec
import structlog
from msgspec import Struct

from actors.identity import WorkerId
from actors.waits import Answer
from broker.errors import BrokerError
from broker.ports import Note, Signals
from oplog.entries import Caller

__all__ = ["AnswerHere", "Heard", "Telling", "Told"]

log = structlog.get_logger(__name__)

AnswerHere: TypeAlias = Callable[[WorkerId, Answer, Callable[[], None] | None], bool]


class Told(Struct, frozen=True, omit_defaults=True, tag="told", tag_field="type"):
    """An answer. With `back` its sender waits there for `Heard` with the same `number`."""

    component: str
    worker: str
    answer: Answer
    number: int = 0
    back: str = ""


class Heard(Struct, frozen=True, tag="heard", tag_field="type"):
    """The caller has recorded what was told; not `recorded`: nobody promises that it will."""

    number: int
    recorded: bool


_decode = msgspec.json.Decoder(Told | Heard).decode
_encode = msgspec.json.Encoder().encode


@final
class Telling:
    """The inbox of one executor. `answer_here` hands an answer to one of its workers."""

    def __init__(self, signals: Signals, answer_here: AnswerHere) -> None:
        self._signals = signals
        self._answer_here = answer_here
        self._numbers = count(1)
        self._waiting: dict[int, Callable[[bool], None]] = {}
        self.inbox: str | None = None
        """Where others tell this executor; None: they cannot."""

    async def open(self) -> None:
        """Listen from now on."""
        inbox = self._signals.inbox()
        try:
            await self._signals.subscribe(inbox, self._received)
        except BrokerError as error:
            log.warning("answers from other executors come as messages only", error=str(error))
            return
        self.inbox = inbox

    def tell(
        self, at: str, caller: Caller, answer: Answer, heard: Callable[[bool], None] | None = None
    ) -> int:
        """Tell the executor that listens `at`; return the number by which to `forget` it.

        `heard(recorded)` is called at most once: it is recorded, or nobody promises that.
        """
        number = 0
        if heard is not None and self.inbox is not None:
            number = next(self._numbers)
            self._waiting[number] = heard
        back = self.inbox if number else None
        told = Told(caller.component, caller.worker, answer, number, back or "")
        self._signals.publish(at, _encode(told))
        return number

    def forget(self, number: int) -> None:
        """Wait for no word about it any more."""
        self._waiting.pop(number, None)

    def _received(self, note: Note) -> None:
        try:
            message: Told | Heard = _decode(note.data)
        except (msgspec.DecodeError, UnicodeDecodeError):
            log.warning("unreadable answer", subject=note.subject)
            return
        match message:
            case Told():
                self._told(message)
            case Heard():
                heard = self._waiting.pop(message.number, None)
                if heard is not None:
                    heard(message.recorded)

    def _told(self, told: Told) -> None:
        worker = WorkerId(told.component, told.worker)
        if not told.back:
            self._answer_here(worker, told.answer, None)
        elif not self._answer_here(worker, told.answer, lambda: self._say(told, recorded=True)):
            self._say(told, recorded=False)

    def _say(self, told: Told, *, recorded: bool) -> None:
        self._signals.publish(told.back, _encode(Heard(told.number, recorded)))
