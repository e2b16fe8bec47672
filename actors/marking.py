"""Writing down that everything was sent, where nobody would drop what is sent again.

Whoever takes a worker over sends again what is above its watermark. The broker drops that as long
as it knows the ids, workers and gateways for ever; but the place of a schedule that an operator
took back, and a worker that was deleted, remember nothing: both would come to life again. The
watermark travels in the next commit, and where none follows, this makes one before the broker has
forgotten.
"""

import asyncio
from typing import final

from actors.ledger import Ledger
from actors.limits import MARK_SENT_AFTER_S

__all__ = ["Marking"]

_COMMAND = "SentMark"


@final
class Marking:
    """The watermark of one life."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_owed(self) -> bool:
        """Whether the worker has to be brought back until this is done."""
        ledger = self._ledger
        marked = ledger.writer.head.marks.sent
        return ledger.is_quiet and ledger.outbox.lasting > marked and not ledger.is_ephemeral

    def look(self) -> None:
        """Everything is committed and sent: see to it that this is written down soon."""
        if not self.is_owed:
            self._ledger.outbox.forget_heeded()
        elif self._timer is None:
            # Together with what is recorded next, perhaps.
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(MARK_SENT_AFTER_S, self._ring)

    def write(self) -> bool:
        """Write it down now, if nothing else has; False: there was no need to."""
        if not self.is_owed:
            return False
        self._ledger.command_done(_COMMAND, None)
        return True

    def close(self) -> None:
        """Write nothing more by itself."""
        if self._timer is not None:
            self._timer.cancel()

    def _ring(self) -> None:
        self._timer = None
        self.write()
