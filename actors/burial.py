"""The end of a worker: everything of it that the broker holds is taken away."""

from collections.abc import Awaitable, Callable

from msgspec import UNSET

from actors.enclosed import sweep_enclosures
from actors.identity import Address
from actors.ledger import Ledger
from actors.mailbox import Mailbox
from actors.message import understand
from actors.outcome import Outcome
from actors.services import Services
from broker.ports import Message
from oplog import payloads
from oplog.archive import sweep_archive
from oplog.commit import Marks
from oplog.entries import Failure
from oplog.snapshots import sweep_snapshots
from oplog.tombstone import bury

__all__ = ["bury_worker"]


async def bury_worker(
    order: Message,
    *,
    address: Address,
    services: Services,
    ledger: Ledger,
    mailbox: Mailbox,
    until_quiet: Callable[[], Awaitable[None]],
) -> None:
    """Delete a worker: its log, its queue up to the order, its payloads, snapshots and schedules.

    Whoever waits for it is told before. A crash in between leaves a part that nobody reads.
    """
    journal, blobs = services.broker.journal, services.broker.blobs
    _tell(order, ledger, mailbox)
    await ledger.writer.flush()
    # Callers are told before the log that names them is gone.
    await until_quiet()
    await ledger.writer.close()
    head = ledger.writer.head
    buried = await bury(
        journal,
        subject=address.log,
        head=head,
        marks=Marks(invoked=order.sequence, control=order.sequence),
        message_id=services.next_message_id(),
        at_ms=ledger.clock.stamp_ms(),
    )
    services.index.buried(ledger.id, buried.log_sequence)
    services.high_water.committed(
        address.partition, buried.log_sequence, address.log, buried.last_index, buried.hash
    )
    await journal.purge(address.mailbox, up_to_sequence=order.sequence)
    await journal.purge(address.schedules)
    await payloads.sweep(blobs, head.incarnation)
    await sweep_enclosures(blobs, ledger.id.component, ledger.id.worker)
    await sweep_archive(blobs, address.log)
    await sweep_snapshots(journal, blobs, address.snap, head.incarnation)


def _tell(order: Message, ledger: Ledger, mailbox: Mailbox) -> None:
    failure = Failure(kind="deleted", message="the worker was deleted before this ran")
    for message in mailbox.waiting():
        if message.sequence < order.sequence:
            envelope = understand(message).envelope
            outcome = Outcome(key=envelope.key, error=failure)
            ledger.outbox.answer(outcome, result_to=envelope.result_to)
            ledger.outbox.reply(envelope.caller, None, None, UNSET, failure)
    running = ledger.running
    if running is not None:
        failure = Failure(kind="deleted", message="the worker was deleted while this ran")
        outcome = Outcome(key=running.idempotency_key, function=running.function, error=failure)
        ledger.outbox.answer(outcome, result_to=running.result_to)
        ledger.outbox.reply(running.caller, None, running.function, UNSET, failure)
