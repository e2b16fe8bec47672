"""What becomes of the part of a log that snapshots stand for, by the policy of its component.

`keep` leaves it where it is. `archive` moves it to the object store, where everything that reads
logs finds it. `purge` throws it away: see `oplog.purge` for what is left of it, and for the order
in which that happens. Either is done behind a snapshot, for a thousand entries or more together.
"""

from collections.abc import Sequence
from typing import Final, final

import structlog

from actors.components.record import HistoryPolicy
from actors.engine.errors import SnapshotUnusableError
from actors.identity import Address
from actors.ledger import Ledger
from actors.past import Past
from actors.saved_worker import fetch
from actors.services import Services
from broker.errors import BrokerError, FencedError
from oplog.archive import archive
from oplog.entries import Purged
from oplog.errors import CorruptLogError
from oplog.limits import SNAPSHOTS_KEPT_MAX
from oplog.purge import forget, purged_at, without_base
from oplog.snapshots import Base

__all__ = ["OldHistory"]

# A chunk is an object in the store, and each purge leaves an entry.
MOVED_ENTRIES_MIN: Final = 1_000

log = structlog.get_logger(__name__)


@final
class OldHistory:
    """The old part of one worker's log."""

    policy: HistoryPolicy = "keep"

    def __init__(self, ledger: Ledger, address: Address, services: Services, past: Past) -> None:
        self._ledger = ledger
        self._address = address
        self._services = services
        self._archived = 0
        purges = [entry for _, entry in past.structural if isinstance(entry, Purged)]
        self._purged = purges[-1] if purges else None
        # A former owner may not have lived to remove what it said was gone.
        self._is_forgotten = not purges

    @property
    def spared(self) -> str:
        """The blob that stands for what was purged: kept as long as nothing newer does."""
        return "" if self._purged is None else self._purged.blob

    async def settle(self, known: Sequence[Base]) -> None:
        """Move or throw away what the oldest of the kept snapshots, newest first, stands for.

        A crash at any point leaves what is complete: the old part where it was, or at both places.

        Raises:
            FencedError: somebody else owns the worker.
        """
        try:
            match self.policy:
                case "keep":
                    pass
                case "archive":
                    await self._archive(known[-1])
                case "purge":
                    await self._purge(known)
        except FencedError:
            raise
        except BrokerError as error:
            log.info("the old part of the log stays for now", error=str(error))

    async def _archive(self, oldest: Base) -> None:
        if oldest.commit.index - self._archived < MOVED_ENTRIES_MIN:
            return
        broker, before = self._services.broker, oldest.commit.log_sequence
        try:
            moved = await archive(broker.journal, broker.blobs, self._address.log, before=before)
        except CorruptLogError as error:
            log.exception("the log cannot be archived", error=str(error))
            moved = oldest.commit.index
        self._archived = max(self._archived, moved)

    async def _purge(self, known: Sequence[Base]) -> None:
        oldest, before = known[-1], 0 if self._purged is None else self._purged.index
        # With a single snapshot, everything would hang by that one.
        is_due = oldest.commit.index - before >= MOVED_ENTRIES_MIN
        if is_due and len(known) == SNAPSHOTS_KEPT_MAX and await self._is_good(oldest):
            await self._record(oldest)
        if self._purged is not None and not self._is_forgotten:
            broker = self._services.broker
            await forget(
                broker.journal,
                broker.blobs,
                self._address.log,
                self._purged,
                incarnation=self._ledger.outbox.incarnation,
            )
            self._is_forgotten = True

    async def _is_good(self, base: Base) -> bool:
        try:
            await fetch(self._services.broker.blobs, base, self._services.secrets)
        except SnapshotUnusableError as error:
            log.warning("the log is not purged", error=str(error))
            return False
        return True

    async def _record(self, oldest: Base) -> None:
        ledger, former = self._ledger, self.spared
        entry = purged_at(oldest, at_ms=ledger.clock.stamp_ms())
        await ledger.writer.wait_committed(ledger.writer.add(entry))
        kept = without_base(entry)
        assert isinstance(kept, Purged), "it is one still"
        self._purged, self._is_forgotten = kept, False
        ledger.repeats.purged_to = entry.index
        if former:
            await self._services.broker.blobs.delete(former)
