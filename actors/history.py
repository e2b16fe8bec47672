"""A worker's log in short, up to its committed end: what a snapshot says of the entries before it.

Fed with every commit while the worker is in memory, so that a snapshot costs no reading back.
"""

from typing import TypeAlias, final

from actors.past import Past
from oplog.commit import Commit
from oplog.entries import Entry, ExportedFunctionInvoked
from oplog.plan import STRUCTURAL
from oplog.purge import without_base
from oplog.status import FoldState, State, Status, StatusFold

__all__ = ["Gist", "History"]

# What of a worker others look for: state, version, version that is tried.
Gist: TypeAlias = tuple[State, int, int | None]


@final
class History:
    """Follows the log from where it was loaded."""

    def __init__(self, past: Past) -> None:
        # A fold of its own: the plan of a life goes by the status at its load.
        self._status = StatusFold.resumed(past.status.save())
        self.structural: list[tuple[int, Entry]] = list(past.structural)
        self.last_ms = past.last_ms
        self.begun = past.begun_indices[:]

    def committed(self, commit: Commit) -> None:
        """Take a commit into account."""
        apply = self._status.apply
        for index, entry in enumerate(commit.entries, commit.first):
            apply(index, entry)
            self.last_ms = max(self.last_ms, entry.at_ms)
            if type(entry) is ExportedFunctionInvoked:
                self.begun.append(index)
            elif isinstance(entry, STRUCTURAL):
                self.structural.append((index, without_base(entry)))

    def status(self) -> FoldState:
        """Return the status after the newest committed entry."""
        return self._status.save()

    def now(self) -> Status:
        """Return the same for people."""
        return self._status.status()

    @property
    def gist(self) -> Gist:
        """What of it matters to who looks for workers."""
        return self._status.gist

    @property
    def running_since_ms(self) -> int | None:
        """When the running invocation began (Unix time); None: nothing runs."""
        return self._status.running_since_ms
