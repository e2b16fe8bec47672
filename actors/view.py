"""A guest between two invocations, to be looked at: copied from a living one, or replayed.

What a read-only function sees is the state after an invocation whose outcome is committed. While
the worker has nothing to do, its guest is copied. In the middle of a long invocation, or while it
is out of memory, that state is brought back from the log beside it.
"""

import asyncio
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from types import MappingProxyType
from typing import final

from msgspec import Raw, Struct

from actors.deaf import deaf_ledger, deafened
from actors.guest import Guest
from actors.ledger import Ledger
from actors.limits import INVOCATIONS_PER_TURN_MAX
from actors.past import Past
from actors.programs import Prepared
from actors.recovery import cursor_of, recover
from actors.refusing import Refusing
from actors.remote import Remote
from actors.saved_worker import SavedGuest
from actors.services import Services
from actors.waiting import Waiting
from oplog.attempts import Attempts
from oplog.commit import Head
from oplog.plan import Update
from oplog.reader import LoadedLog
from oplog.replay import Cursor

__all__ = ["View", "Views"]


class View(Struct, frozen=True):
    """A guest as it was after the outcome at entry `index`, or a later one."""

    index: int
    prepared: Prepared
    saved: SavedGuest


@final
class Views:
    """Makes guests of one worker that change nothing. `ledger` is the worker's own."""

    def __init__(
        self,
        ledger: Ledger,
        services: Services,
        *,
        rejected: AbstractSet[str],
    ) -> None:
        self._id = ledger.id
        self._address = ledger.address
        self._services = services
        self._deaf = deafened(services)
        self._ledger = ledger
        self._rejected = rejected

    async def open(self, view: View) -> Guest:
        """Return a copy of the guest of a view. Close it.

        Raises:
            SnapshotUnusableError: it does not load.
        """
        tell = self._ledger.outbox.tell_output
        ledger = self._reading_ledger(view.prepared)
        guest = await self._start(
            view.prepared,
            ledger,
            replay=Refusing(view.index, ledger.recorded_ms, tell),
            saved=view.saved,
        )
        guest.only_read(tell)
        return guest

    async def replay(self) -> tuple[int, Prepared, Guest]:
        """Bring the guest back from the log up to the newest outcome; return that one's entry, too.

        Raises:
            Exception: whatever keeps the worker itself from being brought back.
        """
        services = self._services
        async with services.loading:
            recovered = await recover(
                services.broker, self._address, services.secrets, rejected=self._rejected
            )
        past, saved = recovered.past, recovered.saved
        version = past.status.status().component_version
        prepared = await services.programs.prepare(self._id.component, version)
        references = await past.referenced(services.broker.blobs)
        ledger = deaf_ledger(self._id, self._deaf, recovered.log, past, references)
        ledger.running = None
        cursor = cursor_of(recovered.log, past, past.plan, saved)
        guest = await self._start(
            prepared,
            ledger,
            replay=cursor,
            saved=recovered.guest,
            references=references,
            attempts=past.attempts,
            base=past.plan.base,
        )
        try:
            await _repeat(guest, cursor, past)
        except BaseException:
            guest.close()
            raise
        guest.only_read(self._ledger.outbox.tell_output)
        return past.completed_index, prepared, guest

    def _reading_ledger(self, prepared: Prepared) -> Ledger:
        """Return the books of a copy: whose it is and what time it is, nothing else."""
        ours = self._ledger
        past = Past(sent=0)
        past.created, past.last_ms = ours.created, ours.clock.stamp_ms()
        log = LoadedLog(
            head=Head(incarnation=ours.outbox.incarnation),
            stored=(),
            blobs=self._services.broker.blobs,
            deleted=False,
        )
        ledger = deaf_ledger(self._id, self._deaf, log, past, {})
        ledger.promises = ours.promises
        ledger.component_version = prepared.record.version
        return ledger

    async def _start(
        self,
        prepared: Prepared,
        ledger: Ledger,
        *,
        replay: Cursor | Refusing,
        saved: SavedGuest | None,
        references: Mapping[bytes, Raw] = MappingProxyType({}),
        attempts: Attempts | None = None,
        base: Update | None = None,
    ) -> Guest:
        services = self._services
        waiting = Waiting(
            ledger.waits, ledger.clock, suspend_after_s=0.0, reread=_nothing, on_blocked=_ignored
        )
        waiting.stay()
        return await Guest.start(
            prepared,
            ledger,
            replay=replay,
            references=references,
            options=services.options,
            stores=self._deaf.broker,
            attempts=attempts or Attempts(),
            base=base,
            waiting=waiting,
            remote=Remote(ledger, services, timeout_s=None),
            saved=saved,
            directory=services.directory,
            forks=services.forks,
            tracing=services.tracing,
        )


async def _repeat(guest: Guest, cursor: Cursor, past: Past) -> None:
    """Run everything that is over again, and not what is open."""
    repeated = 0
    while (invoked := cursor.next_invocation()) is not None:
        if past.open is not None and invoked.sequence == past.open.sequence:
            return
        bound, arguments = guest.recall(invoked)
        cursor.completed(result=await guest.call(bound, arguments))
        repeated += 1
        if repeated % INVOCATIONS_PER_TURN_MAX == 0:
            await asyncio.sleep(0)


async def _nothing() -> None:
    pass


def _ignored() -> None:
    pass
