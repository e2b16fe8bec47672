"""An update tried without consequences: what would another version do with this log?

The guest runs on the log like in an update, over a broker that takes nothing in. It ends where the
log ends, before anything is done for the first time, or at the first thing that the log does not
have.
"""

import asyncio
import copy
from collections.abc import Mapping
from typing import Any, NoReturn, cast, final

from msgspec import Raw

from actors.commands import Commands
from actors.engine.errors import ComponentError
from actors.errors import ComponentUnknownError
from actors.guest import Guest
from actors.identity import Address, WorkerId
from actors.ledger import Ledger
from actors.mailbox import Mailbox
from actors.past import Past
from actors.remote import Remote
from actors.services import Services
from actors.session import Session
from actors.waiting import Waiting
from broker.ports import Broker
from oplog.plan import Plan
from oplog.reader import LoadedLog
from oplog.replay import Cursor

__all__ = ["rehearse"]


@final
class _Deaf:
    """A part of a broker that takes nothing in: whoever sends waits, and is ended."""

    def __init__(self, real: Any) -> None:
        self._real = real

    def __getattr__(self, name: str) -> Any:
        match name:
            case "append" | "publish" | "schedule" | "purge" | "put":
                return self._never
            case "journal" | "blobs":
                return _Deaf(getattr(self._real, name))
            case "signals":
                return _Silent()
            case _:
                return getattr(self._real, name)

    async def _never(self, *_arguments: Any, **_options: Any) -> NoReturn:
        await asyncio.Event().wait()
        raise AssertionError("nothing sets it")


@final
class _Silent:
    """Tells nobody."""

    def publish(self, *_arguments: Any, **_options: Any) -> None:
        """Drop it."""


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
    deaf = copy.copy(services)
    deaf.broker = cast("Broker", _Deaf(services.broker))
    ledger = _ledger(worker_id, deaf, loaded, past, references)
    ledger.trying = version
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
        Commands(ledger, mailbox, _Silent(), past=past, on_completed=_ignore),  # type: ignore[arg-type] # pyright: ignore[reportArgumentType] # it is told nothing
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
            remote=Remote(ledger, services.programs.components, timeout_s=None),
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


def _ledger(
    worker_id: WorkerId,
    services: Services,
    loaded: LoadedLog,
    past: Past,
    references: Mapping[bytes, Raw],
) -> Ledger:
    ledger = Ledger(
        worker_id,
        Address.of(worker_id, services.broker.partitions),
        services,
        head=loaded.head,
        past=past,
        references=references,
        on_quiet=_nothing,
        on_failure=_ignore,
    )
    ledger.is_rehearsal = True
    return ledger


def _plan(past: Past, version: int) -> Plan:
    plan = past.plan
    skipped = plan.skipped
    if past.status.state == "failed" and past.failed_index:
        # An update leaves out what failed.
        skipped = skipped.joined([(past.failed_index, past.last_index)])
    return Plan(plan.deleted, skipped, None, plan.base, version)


def _nothing() -> None:
    pass


async def _nothing_async() -> None:
    pass


def _ignore(_: object) -> None:
    pass
