"""Refusing what is above the quota of a component."""

from actors.ledger import Ledger
from actors.mailbox import Mailbox
from actors.message import understand
from actors.quota_policy import Quota
from actors.stored_logs import too_much
from broker.ports import Message
from oplog.entries import Failure

__all__ = ["refuse_above", "refuse_beyond", "too_long"]


def refuse_above(ledger: Ledger, mailbox: Mailbox, message: Message, *, pending: int) -> None:
    """Refuse an invocation that the mailbox has taken in if more wait than may.

    It stays in the queue, where its key makes it a duplicate that is answered the same again.
    """
    if mailbox.undecided <= pending:
        return
    if ledger.created is None or mailbox.is_consumed(message.sequence):
        return
    envelope = understand(message).envelope
    if envelope.key in ledger.keys or ledger.runs(envelope.key):
        mailbox.refused(message.sequence)
    elif not _waits(mailbox, envelope.key, message.sequence):
        _refuse(ledger, mailbox, message, pending=pending)


def refuse_beyond(ledger: Ledger, mailbox: Mailbox, *, pending: int) -> None:
    """Refuse what waits above the quota in a mailbox that was read: it came while nobody looked.

    One more may wait than while something runs: the first is about to.
    """
    room = pending if ledger.running is not None else pending + 1
    known: set[str] = set()
    for message in mailbox.waiting():
        key = understand(message).envelope.key
        if key in ledger.keys or ledger.runs(key):
            mailbox.refused(message.sequence)
        elif key not in known and len(known) >= room:
            _refuse(ledger, mailbox, message, pending=pending)
        else:
            known.add(key)


def _refuse(ledger: Ledger, mailbox: Mailbox, message: Message, *, pending: int) -> None:
    text = f"{pending} invocations of {ledger.id} wait already: ask again later"
    ledger.reject(understand(message).envelope, _exceeded(text), consumed=False)
    mailbox.refused(message.sequence)


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
