"""Answers that are told to their callers directly, before and mostly instead of a message.

Whoever called has recorded the answer a moment later, and says so. If not, it is sent as a message.
It is committed before it is told, and told or sent again after any crash until the entry that has
it counts as sent.
"""

import asyncio
from collections.abc import Callable
from typing import final

from msgspec import Struct

from actors.identity import WorkerId
from actors.limits import HANDED_WAIT_S
from actors.telling import AnswerHere, Telling
from actors.waits import Answer
from oplog.entries import Caller

__all__ = ["Handing"]


@final
class _Handed(Struct, frozen=True):
    """An answer that its caller was told, and until when the message in its place waits."""

    caller: Caller
    answer: Answer
    timer: asyncio.TimerHandle
    number: int


@final
class Handing:
    """The answers of one worker that callers have, and perhaps have not recorded yet."""

    def __init__(
        self,
        telling: Telling,
        answer_here: AnswerHere,
        *,
        on_recorded: Callable[[int], None],
        on_unheard: Callable[[int, Caller, Answer], None],
    ) -> None:
        """Both are called with the index of the entry that has the answer.

        `on_recorded`: nobody needs it any more; `on_unheard`: it has to be sent.
        """
        self._telling = telling
        self._answer_here = answer_here
        self._on_recorded = on_recorded
        self._on_unheard = on_unheard
        # By what asks: where the executor of the caller listens, if it is another one.
        self._listening: dict[tuple[str, int], str] = {}
        self._handed: dict[int, _Handed] = {}

    def listens(self, caller: Caller | None, tell_at: str | None) -> None:
        """Learn where the executor of a caller listens for the answer, until it is given."""
        if caller is not None and tell_at is not None and tell_at != self._telling.inbox:
            self._listening[caller.incarnation, caller.index] = tell_at

    def tell(self, caller: Caller, answer: Answer) -> None:
        """Tell an answer that is sent besides."""
        tell_at = self._listening.pop((caller.incarnation, caller.index), None)
        if tell_at is not None:
            self._telling.tell(tell_at, caller, answer)
        else:
            self._answer_here(WorkerId(caller.component, caller.worker), answer, None)

    def hand(self, index: int, caller: Caller, answer: Answer) -> bool:
        """Tell the answer that entry `index` has; False: nobody is there to hear it."""
        tell_at = self._listening.pop((caller.incarnation, caller.index), None)
        number = 0
        if tell_at is not None:
            number = self._telling.tell(
                tell_at, caller, answer, lambda recorded: self._heard(index, recorded=recorded)
            )
        elif not self._answer_here(
            WorkerId(caller.component, caller.worker),
            answer,
            lambda: self._heard(index, recorded=True),
        ):
            return False
        loop = asyncio.get_running_loop()
        timer = loop.call_later(HANDED_WAIT_S, self._heard, index)
        self._handed[index] = _Handed(caller, answer, timer, number)
        return True

    def close(self) -> None:
        """Tell nobody of what is still on its way."""
        for handed in self._handed.values():
            handed.timer.cancel()
            self._telling.forget(handed.number)
        self._handed.clear()
        # Whoever was told may still answer; and two that hold each other stay in memory.
        self._on_recorded = self._on_unheard = _nobody

    def _heard(self, index: int, *, recorded: bool = False) -> None:
        handed = self._handed.pop(index, None)
        if handed is None:
            return
        handed.timer.cancel()
        self._telling.forget(handed.number)
        if recorded:
            self._on_recorded(index)
        else:
            self._on_unheard(index, handed.caller, handed.answer)


def _nobody(*_: object) -> None:
    """Nobody waits any more for what was told."""
