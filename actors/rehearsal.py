"""An update tried without consequences: what would another version do with this log?

The guest runs on the log like in an update, over a broker that takes nothing in. It ends where the
log ends, before anything is done for the first time, or at the first thing that the log does not
have.
"""

from collections.abc import Mapping

from msgspec import Raw, structs

from actors.commands import Commands
from actors.deaf import Silent, deaf_ledger, deafened
from actors.engine.errors import ComponentError
from actors.errors import ComponentUnknownError
from actors.guest import Guest
from actors.identity import WorkerId
from actors.mailbox import Mailbox
from actors.past import Past
from actors.remote import Remote
from actors.services import Services
from actors.session import Session
from actors.waiting import Waiting
from oplog.plan import Plan
from oplog.reader import LoadedLog
from oplog.replay import Cursor

__all__ = ["rehearse"]


async def rehearse(
    worker_id: WorkerId,
    services: Services,
    *,
    loaded: LoadedLog,
    past: Past,
    references: Mapping[bytes, Raw],
    version: int,
) -> str | None:
    """Say why the worker would not be updated to a version automatically; None if it would.

    Raises:
        RetryableError: the broker does not answer now.
    """
    try:
        prepared = await services.programs.prepare(worker_id.component, version)
    except (ComponentUnknownError, ComponentError) as error:
        return str(error)
    deaf = deafened(services)
    ledger = deaf_ledger(worker_id, deaf, loaded, past, references)
    ledger.is_rehearsal = True
    ledger.trying = version
    ledger.obey_component(prepared)
    marks = loaded.head.marks
    mailbox = Mailbox(invoked=marks.invoked, control=marks.control)
    waiting = Waiting(
        ledger.waits,
        ledger.clock,
        suspend_after_s=services.options.suspend_after_s,
        reread=_nothing_async,
        on_blocked=_nothing,
    )
    plan = _plan(past, version)
    cursor = Cursor(loaded.commits(), plan, past.attempts.cut())
    session = Session(
        ledger,
        mailbox,
        Commands(ledger, mailbox, Silent(), past=past, on_completed=_ignore),  # type: ignore[arg-type] # pyright: ignore[reportArgumentType] # it is told nothing
        cursor,
        options=services.options,
        attempts_before=0,
        is_leaving=lambda: True,
        next_work=_nothing_async,
        on_invocation=_nothing,
        tracing=services.tracing,
    )
    guests: list[Guest] = []

    async def start() -> Guest:
        guest = await Guest.start(
            prepared,
            ledger,
            replay=cursor,
            references=references,
            options=services.options,
            stores=deaf.broker,
            attempts=past.attempts,
            base=plan.base,
            waiting=waiting,
            directory=services.directory,
            forks=services.forks,
            remote=Remote(ledger, services, timeout_s=None),
            tracing=services.tracing,
        )
        guests.append(guest)
        return guest

    try:
        await session.run(start)
    finally:
        for guest in guests:
            guest.close()
        await ledger.writer.close()
    return ledger.rehearsed


def _plan(past: Past, version: int) -> Plan:
    plan = past.plan
    skipped = plan.skipped
    if past.status.state == "failed" and past.failed_index:
        # An update leaves out what failed.
        skipped = skipped.joined([(past.failed_index, past.last_index)])
    return structs.replace(plan, skipped=skipped, pending=None, version=version)


def _nothing() -> None:
    pass


async def _nothing_async(*_ignored: object) -> None:
    pass


def _ignore(_: object) -> None:
    pass
