"""What replay leaves out of a log, and from where it begins: computed from entries alone.

| entry | leaves out |
|---|---|
| `revert` | its region, for everything: status, keys and replay. *Deleted* |
| `jump` that is not deleted itself | its region, for replay alone. *Skipped* |
| `successful-update` after a `pending-update` with a snapshot, neither deleted | everything \
between `create` and the snapshot, for replay alone |

What was deleted never happened, so that a jump or an update in a deleted region has no effect: the
worker is again as it was at the last entry before the region. A revert counts wherever it stands,
since nothing reverts to a place in a deleted region (`Plan.problem_with`): a region that holds a
revert holds what that one deleted as well. One thing outlives a revert: the outcome of what was
refused, or cancelled, in the queue, for as long as its message is there (`refuses_what_waits`).

A half-done attempt at the end of the log is another matter, see `oplog.attempts`.
"""

from collections.abc import Iterable
from typing import Final, TypeAlias, TypeGuard

from msgspec import Struct, UnsetType, structs

from oplog.entries import (
    Entry,
    FailedUpdate,
    InvocationRejected,
    Jump,
    PendingUpdate,
    Purged,
    Revert,
    SuccessfulUpdate,
)
from oplog.regions import NO_REGIONS, Regions

__all__ = [
    "NOTHING_SKIPPED",
    "STRUCTURAL",
    "Plan",
    "Structural",
    "Update",
    "plan_of",
    "refuses_what_waits",
]

Structural: TypeAlias = Jump | Revert | PendingUpdate | SuccessfulUpdate | FailedUpdate | Purged
STRUCTURAL: Final = (Jump, Revert, PendingUpdate, SuccessfulUpdate, FailedUpdate, Purged)


class Update(Struct, frozen=True):
    """A `pending-update` and where it stands."""

    index: int
    entry: PendingUpdate

    @property
    def has_snapshot(self) -> bool:
        """Whether replay begins from it."""
        return not isinstance(self.entry.snapshot, UnsetType)


class Plan(Struct, frozen=True):
    """What a log says of itself.

    `deleted` is a part of `skipped`. `pending` is an update without outcome; `base` the snapshot
    from which replay begins, if not from the first entry; `version` the component version after
    updates, None without any. Of what jumps skip, `retried` is done again after a crash, and guests
    went back over `taken_back` on purpose. Entries up to `purged` are gone, 0: none.
    """

    deleted: Regions = NO_REGIONS
    skipped: Regions = NO_REGIONS
    pending: Update | None = None
    base: Update | None = None
    version: int | None = None
    retried: Regions = NO_REGIONS
    taken_back: Regions = NO_REGIONS
    purged: int = 0

    def trying(self) -> "Plan":
        """Return the plan by which the pending update is tried."""
        update = self.pending
        assert update is not None, "no update is pending"
        version = update.entry.target_version
        if not update.has_snapshot:
            return structs.replace(self, version=version)
        skipped = self.skipped.joined([_before(update)])
        return structs.replace(self, skipped=skipped, base=update, version=version)

    def problem_with(self, last_kept: int, last_index: int) -> str | None:
        """Say why nobody can undo all behind entry `last_kept` of `last_index`; None if one can.

        What was jumped over or updated away may be kept: that is undone with the rest.
        """
        if not 1 <= last_kept <= last_index:
            return f"there is no entry {last_kept}: the log has entries 1 to {last_index}"
        if last_kept < self.purged:
            return (
                f"entry {last_kept} was purged: the log begins behind entry {self.purged}, with "
                "the state that the worker had then"
            )
        if last_kept in self.deleted:
            return f"entry {last_kept} was deleted by a revert: it never happened"
        return None


NOTHING_SKIPPED: Final = Plan()


def refuses_what_waits(entry: Entry, invoked: int) -> TypeGuard[InvocationRejected]:
    """Whether an entry refuses a message that is still in the queue, above the mark `invoked`.

    Whoever sent it was told so. Without the outcome it would run when its turn comes.
    """
    return isinstance(entry, InvocationRejected) and entry.sequence > invoked


def plan_of(entries: Iterable[tuple[int, Entry]]) -> Plan:
    """Return the plan of a log, of which only the structural entries matter, with their indices."""
    structural = [(index, entry) for index, entry in entries if isinstance(entry, STRUCTURAL)]
    if not structural:
        return NOTHING_SKIPPED
    deleted = Regions((e.start, e.end) for _, e in structural if isinstance(e, Revert))
    skipped: list[tuple[int, int]] = []
    retried: list[tuple[int, int]] = []
    taken_back: list[tuple[int, int]] = []
    pending: Update | None = None
    base: Update | None = None
    version: int | None = None
    purged = 0
    for index, entry in structural:
        if isinstance(entry, Purged):
            # Nothing that is taken back brings back what is gone.
            purged = entry.index
        if index in deleted:
            continue
        match entry:
            case Jump():
                skipped.append((entry.start, entry.end))
                (retried if entry.retry else taken_back).append((entry.start, entry.end))
            case PendingUpdate():
                pending = Update(index, entry)
            case SuccessfulUpdate():
                version = entry.target_version
                if pending is not None and pending.has_snapshot:
                    base = pending
                pending = None
            case FailedUpdate():
                pending = None
            case Revert() | Purged():
                pass
    if base is not None:
        skipped.append(_before(base))
    return Plan(
        deleted,
        deleted.joined(skipped),
        pending,
        base,
        version,
        Regions(retried),
        Regions(taken_back),
        purged,
    )


def _before(update: Update) -> tuple[int, int]:
    # Entry 1 says who the worker is: nothing replaces it.
    return 2, update.index
