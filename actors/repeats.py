"""Answers to whoever asks again for what is decided: the first outcome, as often as it is asked.

A key that is decided is decided for ever, also after a crash. Recent outcomes are in memory, others
are read from the log; nothing is recorded but that the message is done with.
"""

from typing import final

from actors.keys import Decided, Keys
from actors.message import Envelope
from actors.outbox import Outbox
from actors.outcome import Outcome
from actors.services import Services
from broker.errors import BrokerError
from oplog.entries import (
    CancelPendingInvocation,
    ExportedFunctionCompleted,
    Failure,
    InvocationRejected,
)
from oplog.errors import CorruptLogError
from oplog.outcome import read_outcome
from oplog.writer import Writer

__all__ = ["Repeats"]


@final
class Repeats:
    """The outcomes of one worker, told again."""

    purged_to = 0
    """The entries up to here are gone."""

    def __init__(
        self,
        keys: Keys,
        writer: Writer,
        outbox: Outbox,
        services: Services,
        log: str,
    ) -> None:
        """`log`: the subject of the worker's log."""
        self._keys = keys
        self._writer = writer
        self._outbox = outbox
        self._broker = services.broker
        self._log = log
        self._spawn = services.spawn

    def answer(self, envelope: Envelope, *, consumed: bool = True) -> None:
        """Answer a duplicate with the first outcome, once that is committed.

        `consumed` False: the message does not stand in the queue.
        """
        if consumed:
            self._writer.mark(invoked=envelope.sequence)
        self._outbox.listens(envelope.caller, envelope.tell_at)
        recent = self._keys.recent(envelope.key)
        if recent is not None:
            index, entry = recent
            self._writer.when_committed(index, lambda: self._tell(envelope, entry, index))
        else:
            self._spawn(self._answer_from_log(envelope))

    async def _answer_from_log(self, envelope: Envelope) -> None:
        ref = self._keys.where(envelope.key)
        assert ref is not None, "a decided key is recent or committed"
        if ref.index <= self.purged_to:
            text = "it is done; its outcome was purged with the old part of the worker's log"
            outcome = Outcome(key=envelope.key, error=Failure(kind="purged", message=text))
            self._send(envelope, outcome, ref.index)
            return
        broker = self._broker
        try:
            entry = await read_outcome(broker.journal, broker.blobs, self._log, ref)
        except (BrokerError, CorruptLogError):
            # The asker has a time-out and asks again; nothing depends on this answer. A log that is
            # damaged, or was deleted meanwhile, is no reason for all others to end with it.
            return
        self._tell(envelope, entry, ref.index)

    def _tell(
        self, envelope: Envelope, entry: Decided | CancelPendingInvocation, index: int
    ) -> None:
        match entry:
            case ExportedFunctionCompleted():
                outcome = self._outbox.outcome_of(
                    envelope.key, entry.function, entry.result, entry.error
                )
            case InvocationRejected():
                outcome = Outcome(key=envelope.key, function=entry.function, error=entry.error)
            case CancelPendingInvocation():
                failure = Failure(kind="cancelled", message="cancelled before it began")
                outcome = Outcome(key=envelope.key, error=failure)
        self._send(envelope, outcome, index)

    def _send(self, envelope: Envelope, outcome: Outcome, index: int) -> None:
        self._outbox.answer(
            outcome, result_to=envelope.result_to, traceparent=envelope.traceparent, index=index
        )
        self._outbox.reply(envelope.caller, None, outcome.function, outcome.result, outcome.error)
