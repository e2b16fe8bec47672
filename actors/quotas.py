"""Refusing what is above the quota of a component."""

from actors.ledger import Ledger
from actors.mailbox import Mailbox
from actors.message import understand
from actors.quota_policy import Quota
from actors.stored_logs import too_much
from broker.ports import Message
from oplog.entries import Failure

__all__ = ["refuse_above", "too_long"]


def refuse_above(ledger: Ledger, mailbox: Mailbox, message: Message, *, pending: int) -> None:
    """Refuse an invocation that the mailbox has taken in if more wait than may.

    It stays in the queue, where its key makes it a duplicate that is answered the same again.
    """
    if len(mailbox) <= pending:
        return
    if ledger.created is None or mailbox.is_consumed(message.sequence):
        return
    envelope = understand(message).envelope
    if envelope.key not in ledger.keys and not _waits(mailbox, envelope.key, message.sequence):
        text = f"{pending} invocations of {ledger.id} wait already: ask again later"
        ledger.reject(envelope, _exceeded(text), consumed=False)


def _waits(mailbox: Mailbox, key: str, before: int) -> bool:
    """Whether an invocation of this key was taken in: whoever asks for its outcome adds nothing."""
    waiting = (each for each in mailbox.waiting() if each.sequence < before)
    return any(each.headers.get("Shem-Key") == key for each in waiting)


def too_long(ledger: Ledger, quota: Quota) -> Failure | None:
    """Return why a worker runs nothing any more: its log or all logs are as long as allowed."""
    if quota.entries is not None and ledger.writer.last_index >= quota.entries:
        return _exceeded(
            f"the log of {ledger.id} has {ledger.writer.last_index} entries, at most "
            f"{quota.entries} are allowed: delete the worker, or raise the quota by a new version "
            "of its component and update it to that"
        )
    if quota.bytes is not None:
        stored = ledger.stored().bytes
        if stored >= quota.bytes:
            return _exceeded(too_much(ledger.id.component, stored, quota.bytes))
    return None


def _exceeded(text: str) -> Failure:
    return Failure(kind="quota-exceeded", message=text)
