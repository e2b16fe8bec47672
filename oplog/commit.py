"""A commit: some entries in one message, and what it says about the mailbox and the outbox."""

from typing import Final

from msgspec import Struct

from oplog.entries import Entry

__all__ = ["GENESIS_HASH", "NO_MARKS", "Commit", "Head", "Marks"]

# What the first commit of a log is chained over.
GENESIS_HASH: Final = ""


class Marks(Struct, frozen=True, kw_only=True):
    """How far the worker has come, besides its entries. None of them ever goes back.

    `invoked` and `control` are stream sequences: the newest mailbox message of that kind that was
    taken out of the queue. `sent` is an entry index: every message that an entry up to it causes
    is acknowledged by the broker, so recovery sends again only what is above.
    """

    invoked: int = 0
    control: int = 0
    sent: int = 0


NO_MARKS: Final = Marks()


class Commit(Struct, frozen=True):
    """Entries `first`, `first + 1`, …, written together or not at all.

    `hash` covers the body, which holds `previous`, the hash of the commit before. A tombstone has
    `first` 0 and the entry `Deleted` alone: the worker that comes after it starts at 1 again.
    """

    first: int
    entries: tuple[Entry, ...]
    marks: Marks
    previous: str
    hash: str

    @property
    def last(self) -> int:
        """The index of the last entry."""
        return self.first + len(self.entries) - 1


class Head(Struct, frozen=True):
    """Where a log ends: what the next commit has to know of all that came before.

    `log_sequence` is the stream sequence of the last commit (0: there is none), `incarnation` that
    of the living worker (empty: there is none).
    """

    last_index: int = 0
    hash: str = GENESIS_HASH
    log_sequence: int = 0
    marks: Marks = NO_MARKS
    incarnation: str = ""
