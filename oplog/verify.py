"""Checking a whole log: every commit decoded, its place in the chain, holes, values outside.

Loading a worker stops at the first thing that is wrong and looks only at what it needs. This goes
on, so that all damage of a log is told at once, and looks at everything.
"""

from collections.abc import Sequence
from typing import Final, final

import msgspec
from msgspec import Struct

from broker.ports import Blobs, Message
from oplog import headers as commit_headers
from oplog import payloads
from oplog.codec import decode
from oplog.commit import GENESIS_HASH, Commit, Marks
from oplog.entries import Create, Deleted, Purged
from oplog.errors import CorruptLogError, UnknownEntryError, UnknownVersionError

__all__ = ["Damage", "LogReport", "LogVerifier", "damaged_values"]

DAMAGE_KEPT_MAX: Final = 100
"""How much damage of one log is told in detail; the rest is counted."""


class Damage(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that is wrong. `kind`: hole, chain, body, order, payload, archive, newer-format."""

    kind: str
    message: str
    index: int | None = None
    sequence: int | None = None


class LogReport(Struct, frozen=True, kw_only=True):
    """What a log is like. `intact_to`: the last entry before the first damage.

    It has entries from `begins` on: those before were purged, as it says itself.
    """

    commits: int
    entries: int
    last_index: int
    last_sequence: int
    intact_to: int
    intact_sequence: int
    is_deleted: bool
    damage: tuple[Damage, ...]
    damage_count: int
    begins: int = 1


@final
class LogVerifier:
    """Takes the messages of one log in order."""

    def __init__(self) -> None:
        self._commits = 0
        self._entries = 0
        self._last = 0
        self._hash: str | None = GENESIS_HASH
        self._marks = Marks()
        self._sequence = 0
        self._intact_to = 0
        self._intact_sequence = 0
        self._deleted = False
        self._damage: list[Damage] = []
        self._count = 0
        self._begins = 1
        # What the log says of it, and with which entries its commits end.
        self._purged: Purged | None = None
        self._ends: set[int] = set()

    def take(self, message: Message) -> Commit | None:
        """Check the next message; return its commit if it can be read."""
        self._commits += 1
        self._sequence = message.sequence
        try:
            peek = commit_headers.peek(message.headers, sequence=message.sequence)
        except CorruptLogError as error:
            self._note("body", error, message)
            self._hash = None
            return None
        if peek.is_tombstone:
            self._begin_anew()
        elif self._commits == 1 and peek.first > 1:
            # Perhaps it was purged: what follows tells.
            self._begins = peek.first
            self._last, self._hash = peek.first - 1, None
        self._check_order(peek, message)
        try:
            # The link is looked at here, so that a commit behind a damaged one is still read.
            commit = decode(
                message.data,
                message.headers,
                expected_first=peek.first,
                expected_previous=None,
                sequence=message.sequence,
            )
        except CorruptLogError as error:
            is_newer = isinstance(error, UnknownEntryError | UnknownVersionError)
            self._note("newer-format" if is_newer else "body", error, message)
            # What follows names the hash that this one should have.
            self._last, self._hash, self._marks = peek.last, peek.hash, peek.marks
            return None
        self._check_chain(commit, message)
        self._last, self._hash, self._marks = commit.last, commit.hash, commit.marks
        self._deleted = peek.is_tombstone
        if self._deleted:
            self._last = 0
        else:
            self._entries += len(commit.entries)
            self._follow_purges(commit)
        if not self._count:
            self._intact_to, self._intact_sequence = self._last, message.sequence
        return commit

    def note(self, damage: Damage) -> None:
        """Add damage that was found elsewhere, such as in the blob store."""
        self._count += 1
        if len(self._damage) < DAMAGE_KEPT_MAX:
            self._damage.append(damage)

    def report(self) -> LogReport:
        """Return what was found so far."""
        begins, damage, count = self._begins, tuple(self._damage), self._count
        hole = self._hole()
        if hole is not None:
            begins, damage, count = 1, (hole, *damage), count + 1
        return LogReport(
            commits=self._commits,
            entries=self._entries,
            last_index=self._last,
            last_sequence=self._sequence,
            intact_to=0 if hole is not None else self._intact_to,
            intact_sequence=0 if hole is not None else self._intact_sequence,
            is_deleted=self._deleted,
            damage=damage,
            damage_count=count,
            begins=begins,
        )

    def _follow_purges(self, commit: Commit) -> None:
        if self._begins == 1:
            return
        # The chain vouches for what lies between the commit that is named and the one that names.
        self._ends.add(commit.last)
        for entry in commit.entries:
            if isinstance(entry, Purged) and isinstance(entry.base, msgspec.Raw):
                self._purged = entry

    def _hole(self) -> Damage | None:
        """Return what is missing at the beginning, unless the log says that it was purged."""
        if self._begins == 1 or (self._purged is not None and self._purged.index in self._ends):
            return None
        text = f"a commit begins with entry {self._begins} where 1 should follow"
        return Damage(kind="hole", message=text, index=1)

    def _begin_anew(self) -> None:
        # A tombstone voids everything before it, also what is wrong there.
        self._damage.clear()
        self._count = 0
        self._entries = 0
        self._begins = 1
        self._last = -1
        self._hash = None

    def _check_order(self, peek: commit_headers.Peek, message: Message) -> None:
        if peek.first != self._last + 1:
            text = f"a commit begins with entry {peek.first} where {self._last + 1} should follow"
            self._note("hole", text, message, index=self._last + 1)
            self._hash = None
        before = self._marks
        went_back = (
            peek.marks.invoked < before.invoked
            or peek.marks.control < before.control
            or peek.marks.sent < before.sent
        )
        if went_back and not peek.is_tombstone and not self._deleted:
            self._note("order", f"watermarks go back to {peek.marks}", message, index=peek.first)

    def _check_chain(self, commit: Commit, message: Message) -> None:
        if self._hash is not None and commit.previous != self._hash:
            text = (
                f"commit follows one with the hash {commit.previous or 'of nothing'}, the one "
                f"before it has {self._hash or 'none'}"
            )
            self._note("chain", text, message, index=commit.first)
        kind = type(commit.entries[0])
        if commit.first == 1 and kind is not Create:
            self._note("body", f"log begins with {kind.__name__}", message, index=1)
        if commit.first == 0 and (kind is not Deleted or len(commit.entries) != 1):
            self._note("body", "a tombstone holds something else than its entry", message, index=0)

    def _note(self, kind: str, why: object, message: Message, *, index: int | None = None) -> None:
        if isinstance(why, CorruptLogError):
            index = why.index
        self.note(Damage(kind=kind, message=str(why), index=index, sequence=message.sequence))


async def damaged_values(commit: Commit, blobs: Blobs) -> Sequence[Damage]:
    """Return which values of the commit that lie in the blob store are gone or changed."""
    found: list[Damage] = []
    for index, entry in enumerate(commit.entries, commit.first):
        for name in payloads.RAW_FIELDS[type(entry)]:
            value = getattr(entry, name)
            if not isinstance(value, msgspec.Raw) or not payloads.is_reference(value):
                continue
            try:
                await payloads.fetch(value, blobs)
            except CorruptLogError as error:
                found.append(Damage(kind="payload", message=f"{name}: {error}", index=index))
    return found
