"""Answering what waits for a worker that runs nothing any more, or that cannot run."""

from msgspec import UNSET

from actors.errors import ComponentUnknownError, QuotaError
from actors.ledger import Ledger
from actors.mailbox import Mailbox
from actors.message import understand
from actors.outcome import Outcome
from oplog.entries import Failure

__all__ = ["cannot_run", "refuse_all"]


def cannot_run(error: Exception) -> Failure:
    """Return what becomes of invocations of a component that is not there, or of no use."""
    if isinstance(error, QuotaError):
        return Failure(kind="quota-exceeded", message=str(error))
    kind = "unknown-component" if isinstance(error, ComponentUnknownError) else "bad-component"
    return Failure(kind=kind, message=str(error))


def refuse_all(ledger: Ledger, mailbox: Mailbox, failure: Failure) -> None:
    """Make `failure` the outcome of everything that waits."""
    refuse = _tell_all if ledger.created is None else _reject_all
    refuse(ledger, mailbox, failure)


def _reject_all(ledger: Ledger, mailbox: Mailbox, failure: Failure) -> None:
    while (message := mailbox.next_invocation()) is not None:
        envelope = understand(message).envelope
        if envelope.key in ledger.keys:
            ledger.repeats.answer(envelope)
        elif ledger.runs(envelope.key):
            # It asks for the outcome of what has begun, which may come yet.
            ledger.writer.mark(invoked=envelope.sequence)
        else:
            ledger.reject(envelope, failure)


def _tell_all(ledger: Ledger, mailbox: Mailbox, failure: Failure) -> None:
    """Answer everything that waits for a worker that does not exist.

    There is no log to record an outcome in; without its message in the mailbox it cannot be
    answered twice.
    """
    while (message := mailbox.next_invocation()) is not None:
        envelope = understand(message).envelope
        outcome = Outcome(key=envelope.key, error=failure)
        ledger.outbox.answer(outcome, result_to=envelope.result_to)
        ledger.outbox.reply(envelope.caller, None, None, UNSET, failure)
