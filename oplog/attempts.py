"""Half-done attempts: which part of the running invocation has to be done again as a whole.

An atomic region, a remote write and a transaction have a begin and an end. If the log ends before
the end, what lies behind the begin is of no use: the outside does not remember the first half of an
exchange. Replay then stops at the *cut*, the begin itself, and the guest goes on live from there;
what lies behind is jumped over.

Regions may overlap, like two exchanges at the same time. One that is done but ended behind the cut
of another has lost its end with it, so the cut moves to its begin, until no region is torn.

A worker that suspended left on its own: the log has all it did, and it comes back by replay, in the
middle of an atomic region too. A connection has not survived that, so that for remote writes and
transactions it is like a crash. Regions do not reach beyond the invocation in which they began.
"""

from typing import Final, TypeAlias, final

from msgspec import Struct

from oplog.entries import (
    HINTS,
    BeginAtomicRegion,
    BeginRemoteTransaction,
    BeginRemoteWrite,
    CommittedRemoteTransaction,
    EndAtomicRegion,
    EndRemoteWrite,
    Entry,
    ErrorEntry,
    ExportedFunctionCompleted,
    ExportedFunctionInvoked,
    ImportedFunctionInvoked,
    PreCommitRemoteTransaction,
    RolledBackRemoteTransaction,
    Suspend,
)

__all__ = ["Attempts", "Begin", "Cut"]

Begin: TypeAlias = BeginAtomicRegion | BeginRemoteWrite | BeginRemoteTransaction

_PASSED: Final = frozenset(HINTS) - {Suspend, ErrorEntry}


class Cut(Struct, frozen=True):
    """Where replay stops: at the begin `entry`, which has index `index`.

    `unknown`: a transaction whose commit was asked for, so that only the other system knows whether
    it is done.
    """

    index: int
    entry: Begin
    unknown: bool = False


@final
class Attempts:
    """The regions of the running invocation. Feed it all entries in order."""

    def __init__(self) -> None:
        self._open: dict[int, Begin] = {}
        # Invariant: those that ended while another was open, with their ends.
        self._done: list[tuple[int, int, Begin]] = []
        self._committing: set[int] = set()
        self._suspended = False

    def apply(self, index: int, entry: Entry) -> None:
        """Take the next entry into account."""
        # The most frequent one first.
        if type(entry) is ImportedFunctionInvoked:
            self._suspended = False
            return
        if type(entry) in _PASSED:
            return
        self._suspended = type(entry) is Suspend
        match entry:
            case BeginAtomicRegion() | BeginRemoteWrite() | BeginRemoteTransaction():
                self._open[index] = entry
            case EndAtomicRegion() | EndRemoteWrite():
                self._end(entry.begin_index, index)
            case CommittedRemoteTransaction() | RolledBackRemoteTransaction():
                self._end(entry.begin_index, index)
            case PreCommitRemoteTransaction():
                self._committing.add(entry.begin_index)
            case ExportedFunctionInvoked() | ExportedFunctionCompleted():
                self._open.clear()
                self._done.clear()
                self._committing.clear()
            case _:
                pass

    def passed_over(self, entry: Entry) -> None:
        """Take an entry into account that is skipped because an attempt around it is done again.

        Whoever was told to commit may have done so, although the log counts no more.
        """
        if isinstance(entry, PreCommitRemoteTransaction) and entry.begin_index in self._open:
            self._committing.add(entry.begin_index)

    def cut(self) -> Cut | None:
        """Return where replay stops if the log ends here; None: it goes on to the end."""
        torn = {
            index: entry
            for index, entry in self._open.items()
            if not (self._suspended and isinstance(entry, BeginAtomicRegion))
        }
        if not torn:
            return None
        at = min(torn)
        begins = dict(torn)
        # Later begins first: each may tear only what began before it.
        for begin, end, entry in sorted(self._done, key=_begin_of, reverse=True):
            if begin < at < end:
                at = begin
                begins[begin] = entry
        return Cut(at, begins[at], unknown=at in self._committing)

    def confirmed(self, begin: int) -> None:
        """Take a transaction as done, since the other system says so."""
        self._open.pop(begin, None)
        # One that had its end in the log must not have its begin cut off with it.
        self._done = [done for done in self._done if done[0] != begin]
        self._committing.discard(begin)

    def _end(self, begin: int, end: int) -> None:
        entry = self._open.pop(begin, None)
        if entry is None:
            return
        self._done.append((begin, end, entry))
        if not self._open:
            self._done.clear()
            self._committing.clear()


def _begin_of(done: tuple[int, int, Begin]) -> int:
    return done[0]
