"""The end of a worker: everything of it that the broker holds is taken away."""

import asyncio
from collections.abc import Awaitable, Callable

from msgspec import UNSET, structs

from actors.command import Delete, understand_command
from actors.enclosed import sweep_enclosures
from actors.identity import Address, WorkerId
from actors.ledger import Ledger
from actors.mailbox import Mailbox
from actors.message import is_inbox, understand
from actors.outcome import Outcome, encode_answer
from actors.past import Past
from actors.services import Services
from broker.ports import Journal, Message
from oplog import headers as commit_headers
from oplog import payloads
from oplog.archive import sweep_archive
from oplog.codec import decode
from oplog.commit import Head, Marks
from oplog.entries import Create, Failure
from oplog.errors import CorruptLogError
from oplog.snapshots import sweep_snapshots
from oplog.tombstone import bury

__all__ = ["bury_damaged", "bury_worker"]


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


async def bury_damaged(
    worker_id: WorkerId,
    address: Address,
    services: Services,
    *,
    on_failure: Callable[[BaseException], None],
) -> bool:
    """Obey an order to delete a worker whose log cannot be read; False: nobody gave one.

    No life can begin that would obey it, and nothing else than deleting needs no log.
    """
    journal = services.broker.journal
    last = await journal.last(address.log)
    if last is None:
        return False
    head, is_tombstone = _end_of(last)
    if is_tombstone:
        # It was obeyed, and what it voids is still there: a crash came in between.
        await journal.purge(address.log, up_to_sequence=last.sequence - 1)
        return True
    order = await _order_to_delete(journal, address, behind=head.marks.control)
    if order is None:
        return False
    quiet = asyncio.Event()
    ledger = Ledger(
        worker_id,
        address,
        services,
        head=structs.replace(head, incarnation=await _incarnation(journal, address)),
        past=Past(sent=head.marks.sent),
        references={},
        on_quiet=quiet.set,
        on_failure=on_failure,
    )

    async def until_quiet() -> None:
        while not ledger.is_quiet:
            quiet.clear()
            await quiet.wait()

    mailbox = Mailbox(invoked=head.marks.invoked, control=head.marks.control)
    waiting = journal.read_whole(address.mailbox_invoke, from_sequence=mailbox.invoked + 1)
    async for message in waiting:
        mailbox.offer("invoke", message)
    await bury_worker(
        order,
        address=address,
        services=services,
        ledger=ledger,
        mailbox=mailbox,
        until_quiet=until_quiet,
    )
    inbox = order.headers.get("Shem-Result-To")
    if inbox is not None and is_inbox(inbox):
        services.broker.signals.publish(inbox, encode_answer())
    return True


def _end_of(last: Message) -> tuple[Head, bool]:
    """Return where a damaged log ends, as far as that can be read, and whether it is void."""
    try:
        peek = commit_headers.peek(last.headers, sequence=last.sequence)
    except CorruptLogError:
        return Head(log_sequence=last.sequence), False
    return Head(peek.last, peek.hash, last.sequence, peek.marks), peek.is_tombstone


async def _order_to_delete(journal: Journal, address: Address, *, behind: int) -> Message | None:
    async for message in journal.read_whole(address.mailbox_control, from_sequence=behind + 1):
        if isinstance(understand_command(message), Delete):
            return message
    return None


async def _incarnation(journal: Journal, address: Address) -> str:
    """Return that of the damaged log, by which its payloads are found; empty if that is gone."""
    async for message in journal.read(address.log):
        try:
            commit = decode(
                message.data,
                message.headers,
                expected_first=1,
                expected_previous=None,
                sequence=message.sequence,
            )
        except CorruptLogError:
            break
        first = commit.entries[0]
        return first.incarnation if isinstance(first, Create) else ""
    return ""


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
