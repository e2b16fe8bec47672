"""Consumed messages, removed from the mailbox of one worker: nobody reads them again."""

from typing import final

import structlog

from actors.ledger import Ledger
from actors.limits import MAILBOX_PURGE_MIN
from actors.mailbox import Mailbox
from broker.errors import BrokerError
from broker.ports import Journal
from oplog.commit import Marks

__all__ = ["Leftovers"]

log = structlog.get_logger(__name__)


@final
class Leftovers:
    """What one life leaves in the mailbox."""

    def __init__(self, ledger: Ledger, mailbox: Mailbox, journal: Journal) -> None:
        self._ledger = ledger
        self._mailbox = mailbox
        self._address = ledger.address
        self._journal = journal
        self._removed = 0

    def are_many(self, *, stays: bool) -> bool:
        """Whether removing them is worth a request. `stays`: the worker stays in memory.

        A worker that leaves memory forgets how many it has left behind; going by chance, as its
        watermark has it, one that is woken for single messages still leaves only some dozens.
        """
        if self._ledger.created is None or self._answered_again:
            return True
        worth = MAILBOX_PURGE_MIN
        if not stays:
            worth = 1 + self._ledger.writer.head.marks.invoked % (MAILBOX_PURGE_MIN // 8)
        return self._mailbox.consumed - self._removed >= worth

    @property
    def _answered_again(self) -> bool:
        """Whether an ephemeral worker has answered what no commit says is consumed."""
        committed = self._ledger.writer.head.marks.invoked
        return self._ledger.is_ephemeral and self._mailbox.invoked > committed

    async def remove(self, *, before: int | None, answers: bool) -> None:
        """Remove them, of invocations those below stream sequence `before` only.

        `answers`: no invocation is open, so that old answers can go, too.
        """
        # Only what is committed as consumed may go; without a worker there is nothing to commit to,
        # and what asked an ephemeral one again must not outlive its log.
        done = self._ledger.writer.head.marks
        if self._ledger.created is None or self._answered_again:
            done = Marks(invoked=self._mailbox.invoked, control=self._mailbox.control)
        invoked = done.invoked if before is None else min(done.invoked, before - 1)
        purge = self._journal.purge
        try:
            if invoked > 0:
                await purge(self._address.mailbox_invoke, up_to_sequence=invoked)
            if done.control > 0:
                await purge(self._address.mailbox_control, up_to_sequence=done.control)
            if answers:
                wanted_from = self._ledger.waits.read_from
                newest = self._ledger.writer.head.log_sequence
                await purge(
                    self._address.mailbox_reply,
                    up_to_sequence=newest if wanted_from is None else wanted_from - 1,
                )
        except BrokerError as error:
            log.info("cannot purge the mailbox now", error=str(error))
            return
        self._removed = self._mailbox.consumed
