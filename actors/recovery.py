"""Where a worker's life begins: at its newest good snapshot, an older one, or the first entry."""

from array import array
from collections.abc import Set as AbstractSet

import structlog
from msgspec import Struct

from actors.engine.errors import SnapshotUnusableError
from actors.holdings import Holdings
from actors.identity import Address
from actors.past import Past
from actors.remembered import messages_of
from actors.saved_worker import SavedGuest, SavedWorker, fetch
from actors.secrets import SecretStore
from broker.ports import Broker
from oplog.errors import CorruptLogError
from oplog.plan import Plan
from oplog.reader import LoadedLog, load, load_from, load_whole, understand
from oplog.replay import Cursor, Start
from oplog.snapshots import Base, Pointer, holds_at, read_pointer
from oplog.status import StatusFold

__all__ = ["Recovered", "cursor_of", "recall", "recover"]

log = structlog.get_logger(__name__)


class Recovered(Struct, frozen=True, kw_only=True):
    """A log that was read, with the snapshot that it begins at, if any.

    `usable` are the snapshots that the pointer named and that can still serve, newest first;
    `pointer_sequence` is where the pointer stands. `problem` says why a newer one did not. `saved`
    may hold what was purged of the log although its guest counts no more, after an update that
    began the worker anew.
    """

    log: LoadedLog
    past: Past
    saved: SavedWorker | None
    usable: tuple[Base, ...]
    pointer_sequence: int
    problem: str | None

    @property
    def guest(self) -> SavedGuest | None:
        """The guest to go on with, if not a new one."""
        base = self.log.base
        if self.saved is None or base is None or self.past.tries_update:
            return None
        return self.saved.guest if holds_at(base, self.past.plan) else None


async def recover(
    broker: Broker,
    address: Address,
    secrets: SecretStore,
    *,
    rejected: AbstractSet[str],
    holdings: Holdings | None = None,
) -> Recovered:
    """Read a worker's log from its newest snapshot on that is not among the `rejected` blobs.

    Where the `holdings` say that there is none of something, it is not asked for.

    Raises:
        CorruptLogError: the log cannot be believed.
        UnavailableError: the broker does not answer now.
    """
    if holdings is not None and holdings.is_new:
        return await recall(broker, address, ())
    pointer, sequence = Pointer(), 0
    if holdings is None or holdings.snapshots:
        pointer, sequence = await read_pointer(broker.journal, address.snap)
    candidates = [base for base in pointer.snapshots if base.blob not in rejected]
    saved: SavedWorker | None = None
    loaded: LoadedLog | None = None
    problem: str | None = None
    while candidates and saved is None:
        try:
            loaded = await load_from(broker.journal, broker.blobs, address.log, candidates[0])
            if loaded is not None:
                saved = await fetch(broker.blobs, candidates[0], secrets)
        except SnapshotUnusableError as error:
            problem = problem or str(error)
            log.warning("snapshot is of no use", error=str(error))
        if saved is None:
            candidates.pop(0)
    if loaded is None or saved is None:
        loaded, saved = await _whole(broker, address, secrets, rejected)
    if loaded.is_empty and holdings is not None and holdings.commits:
        loaded = await _counted(broker, address)
    past = await Past.read(loaded)
    if saved is not None and past.tries_update:
        # Another version of the component runs the whole log again.
        loaded, saved = await _whole(broker, address, secrets, rejected)
        past = await Past.read(loaded)
    if saved is not None:
        past.begun_indices = array("Q", saved.begun) + past.begun_indices
    return Recovered(
        log=loaded,
        past=past,
        saved=saved,
        usable=tuple(candidates),
        pointer_sequence=sequence,
        problem=problem,
    )


async def recall(broker: Broker, address: Address, remembered: tuple[bytes, ...]) -> Recovered:
    """Understand a log that was remembered: whole, and of a worker without snapshots.

    Raises:
        CorruptLogError: it cannot be believed.
    """
    loaded = await understand(messages_of(address.log, remembered), broker.blobs, address.log)
    past = await Past.read(loaded)
    return Recovered(log=loaded, past=past, saved=None, usable=(), pointer_sequence=0, problem=None)


async def _whole(
    broker: Broker, address: Address, secrets: SecretStore, rejected: AbstractSet[str]
) -> tuple[LoadedLog, SavedWorker | None]:
    """Read all that there is of a log, with the snapshot that stands for what was purged of it."""
    loaded = await load(broker.journal, broker.blobs, address.log)
    if loaded.base is None:
        return loaded, None
    reason = "its guest does not come back"
    if loaded.base.blob not in rejected:
        try:
            return loaded, await fetch(broker.blobs, loaded.base, secrets)
        except SnapshotUnusableError as error:
            reason = str(error)
    problem = f"the log before entry {loaded.base.commit.index + 1} was purged, and {reason}"
    raise CorruptLogError(problem, index=loaded.base.commit.index)


async def _counted(broker: Broker, address: Address) -> LoadedLog:
    """Return a log of which the broker counts commits and gave none.

    A server whose disk has damaged them passes over them, goes on counting them, and would let the
    worker begin anew.
    """
    loaded = await load_whole(broker.journal, broker.blobs, address.log)
    if loaded.is_empty:
        # Something may have been taken out of it since: what was forged, or by an operator.
        holdings = await Holdings.count(broker.journal, address)
        if holdings.commits:
            problem = f"the broker counts {holdings.commits} commits, and can read none"
            raise CorruptLogError(problem, index=1)
    return loaded


def cursor_of(loaded: LoadedLog, past: Past, plan: Plan, saved: SavedWorker | None) -> Cursor:
    """Return the replay of a log, from the snapshot on that it begins at; it takes the log along.

    A worker stays in memory for long, and what it has replayed is no use to it there.
    """
    start = None
    if loaded.base is not None and saved is not None:
        start = Start(
            created=loaded.base.created,
            index=saved.consumed_index,
            consumed_ms=saved.consumed_ms,
            status=StatusFold.resumed(loaded.base.status),
        )
    return Cursor(loaded.taken(), plan, past.attempts.cut(), start)
