"""Reading a worker's log back from the broker.

Loading looks at the headers of all commits and at the bodies of the first and the last; the others
stay as they are stored and are decoded, and their place in the hash chain checked, only when
somebody gets to them. Values in the blob store stay references (see `payloads.fetch`), so a long
log with large values needs no more memory than its commits.
"""

from collections import deque
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Final, final

from msgspec import Struct, structs

from broker.ports import Blobs, Journal, Message
from oplog import headers as commit_headers
from oplog import payloads
from oplog.archive import archived_before
from oplog.codec import decode, previous_of
from oplog.commit import Commit, Head
from oplog.entries import Create, Deleted, Entry
from oplog.errors import CorruptLogError
from oplog.headers import Peek
from oplog.plan import STRUCTURAL, Plan, plan_of
from oplog.purge import PURGED, base_of
from oplog.snapshots import Base, SavedCommit, holds_at

__all__ = ["LoadedLog", "StoredCommit", "load", "load_from", "load_whole", "understand"]

# Decoded commits that wait for their replay: a long log is decoded twice instead.
DECODED_KEPT_MAX: Final = 64
_STRUCTURAL_TYPES: Final = frozenset(str(entry.__struct_config__.tag) for entry in STRUCTURAL)


class StoredCommit(Struct):
    """A commit as the broker holds it. `previous` is the hash of the one before."""

    sequence: int
    data: bytes
    headers: Mapping[str, str]
    peek: Peek
    previous: str
    decoded: Commit | None = None

    def decode(self, *, keep: bool = False) -> Commit:
        """Decode it and check its place in the chain; raises `CorruptLogError`.

        `keep`: whoever decodes it next gets the same.
        """
        commit = self.decoded or decode(
            self.data,
            self.headers,
            expected_first=self.peek.first,
            expected_previous=self.previous,
            sequence=self.sequence,
            peek=self.peek,
        )
        self.decoded = commit if keep else None
        return commit


@final
class LoadedLog:
    """A worker's log as it was when it was read.

    `deleted` says that nothing but a tombstone is left: `head` then has its watermarks and no
    entries, and the worker may be created anew behind it.
    """

    def __init__(
        self,
        *,
        head: Head,
        stored: tuple[StoredCommit, ...],
        blobs: Blobs,
        deleted: bool,
        base: Base | None = None,
    ) -> None:
        self.head = head
        self.stored = stored
        self.deleted = deleted
        self.base = base
        """The snapshot that stands for everything before what is `stored`."""
        self._blobs = blobs
        self._plan: Plan | None = None

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing, not even a tombstone."""
        return not self.head.log_sequence

    def plan(self) -> Plan:
        """Return what replay leaves out; only commits that say something of it are decoded.

        Raises:
            CorruptLogError: one of them is damaged.
        """
        if self._plan is None:
            self._plan = plan_of(self.structural())
        return self._plan

    def structural(self) -> Iterator[tuple[int, Entry]]:
        """Yield the entries that say what replay leaves out, and some others, with their indices.

        Raises:
            CorruptLogError: one of their commits is damaged.
        """
        if self.base is not None:
            yield from self.base.structural
        for stored in self.stored:
            if commit_headers.mentions(stored.headers, _STRUCTURAL_TYPES):
                commit = stored.decode()
                yield from enumerate(commit.entries, commit.first)

    def commits(self, *, after: int = 0, for_replay: bool = False) -> Iterator[tuple[Commit, int]]:
        """Yield the commits that hold an entry above index `after`, with their stream sequences.

        `for_replay`: they are asked for once more, and need not be decoded again if they are few.

        Raises:
            CorruptLogError: at the commit that is damaged; those before it were fine.
        """
        keep = for_replay and len(self.stored) <= DECODED_KEPT_MAX
        for stored in self.stored:
            if stored.peek.last > after:
                yield stored.decode(keep=keep), stored.sequence

    def taken(self) -> Iterator[tuple[Commit, int]]:
        """Yield all commits for their replay, and let each go: nothing is `stored` any more.

        Raises:
            CorruptLogError: at the commit that is damaged; those before it were fine.
        """
        left = deque(self.stored)
        self.stored = ()
        while left:
            stored = left.popleft()
            yield stored.decode(), stored.sequence

    def entries(self, *, after: int = 0) -> Iterator[tuple[int, Entry, int]]:
        """Yield (index, entry, stream sequence of its commit) above index `after`."""
        for commit, sequence in self.commits(after=after):
            for index, entry in enumerate(commit.entries, commit.first):
                if index > after:
                    yield index, entry, sequence

    async def internalise(self, entry: Entry) -> Entry:
        """Return the entry with the values that lie in the blob store; see `payloads`."""
        (whole,) = await payloads.internalise((entry,), self._blobs)
        return whole


async def load_from(journal: Journal, blobs: Blobs, subject: str, base: Base) -> LoadedLog | None:
    """Read the log of `subject` behind a snapshot; None if it does not lead on from there.

    It does not if the worker was deleted since, if the snapshot is of another log, or if a part of
    what it holds has been taken back.

    Raises:
        CorruptLogError: a commit is missing or damaged, as far as headers and ends tell.
    """
    start = base.commit.log_sequence
    try:
        return await _understand_from(journal.read(subject, from_sequence=start), blobs, base)
    except CorruptLogError:
        whole = _whole(journal, subject, from_sequence=start)
        return await _understand_from(whole, blobs, base)


async def _understand_from(
    messages: AsyncIterator[Message], blobs: Blobs, base: Base
) -> LoadedLog | None:
    stored: list[StoredCommit] = []
    head: Head | None = None
    async for message in messages:
        peek = commit_headers.peek(message.headers, sequence=message.sequence)
        if peek.is_tombstone:
            return None
        if head is None:
            found = SavedCommit(index=peek.last, log_sequence=message.sequence, hash=peek.hash)
            if found != base.commit:
                return None
        else:
            _check_contiguous(peek, head, message.sequence)
            stored.append(
                StoredCommit(message.sequence, message.data, message.headers, peek, head.hash)
            )
        incarnation = base.created.incarnation
        head = Head(peek.last, peek.hash, message.sequence, peek.marks, incarnation)
    if head is None:
        return None
    if stored:
        # The last commit vouches for the head that the next one is chained to.
        stored[-1].decode()
    log = LoadedLog(head=head, stored=tuple(stored), blobs=blobs, deleted=False, base=base)
    return log if holds_at(base, log.plan()) else None


async def load(journal: Journal, blobs: Blobs, subject: str) -> LoadedLog:
    """Read the whole log of `subject`, which may be empty.

    A tombstone voids everything before it, which a crash may have left behind. What was archived
    is read from there. Where a part was purged, what is left begins at the snapshot that stands
    for it.

    Raises:
        CorruptLogError: a commit is missing or damaged, as far as headers and ends tell.
    """
    try:
        return await understand(journal.read(subject), blobs, subject)
    except CorruptLogError:
        # Its beginning may have been moved while it was read.
        return await load_whole(journal, blobs, subject)


async def load_whole(journal: Journal, blobs: Blobs, subject: str) -> LoadedLog:
    """Read the whole log like `load`, and what one replica cannot read from another one.

    Raises:
        CorruptLogError: a commit is missing or damaged for all of them.
    """
    return await understand(_whole(journal, subject), blobs, subject)


async def _whole(
    journal: Journal, subject: str, *, from_sequence: int = 1
) -> AsyncIterator[Message]:
    """Yield a log once more in order, with what the replica that answered could not read."""
    read = journal.read_whole(subject, from_sequence=from_sequence)
    for message in sorted([each async for each in read], key=lambda each: each.sequence):
        yield message


async def understand(messages: AsyncIterator[Message], blobs: Blobs, subject: str) -> LoadedLog:
    """Return the log whose `messages` are all that is stored under `subject`; see `load`."""
    stored: list[StoredCommit] = []
    head = Head()
    deleted = False
    begins = 1
    async for message in _with_archived(messages, blobs, subject):
        peek = commit_headers.peek(message.headers, sequence=message.sequence)
        if peek.is_tombstone:
            head = _entombed(message, previous=head.hash if head.log_sequence else None)
            deleted = True
            begins = 1
            stored.clear()
            continue
        if peek.first > 1 and head == Head():
            # Perhaps it was purged: what follows tells.
            begins = peek.first
            link = previous_of(message.data, message.headers, sequence=message.sequence)
            head = Head(begins - 1, link)
        _check_contiguous(peek, head, message.sequence)
        stored.append(
            StoredCommit(message.sequence, message.data, message.headers, peek, head.hash)
        )
        head = Head(peek.last, peek.hash, message.sequence, peek.marks)
    if not stored:
        return LoadedLog(head=head, stored=(), blobs=blobs, deleted=deleted)
    base = await _purged(stored, blobs, begins=begins)
    if base is not None:
        stored = [each for each in stored if each.peek.first > base.commit.index]
        head = structs.replace(head, incarnation=base.created.incarnation)
        if stored:
            stored[-1].decode()
    else:
        head = _check_ends(stored, head)
    return LoadedLog(head=head, stored=tuple(stored), blobs=blobs, deleted=False, base=base)


async def _purged(stored: list[StoredCommit], blobs: Blobs, *, begins: int) -> Base | None:
    """Return the snapshot that stands for the beginning of the log, if the log says so."""
    for each in reversed(stored):
        if not commit_headers.mentions(each.headers, PURGED):
            continue
        base = await base_of(each.decode().entries, blobs)
        if base is not None and any(_is_at(other, base) for other in stored):
            return base
    if begins > 1:
        problem = (
            f"log has a hole: it begins with entry {begins}, nothing before is archived, and "
            "nothing behind says that it was purged"
        )
        raise CorruptLogError(problem, index=begins - 1)
    return None


def _is_at(stored: StoredCommit, base: Base) -> bool:
    return (stored.peek.last, stored.peek.hash) == (base.commit.index, base.commit.hash)


async def _with_archived(
    messages: AsyncIterator[Message], blobs: Blobs, subject: str
) -> AsyncIterator[Message]:
    is_first = True
    async for message in messages:
        if is_first:
            is_first = False
            first = commit_headers.peek(message.headers, sequence=message.sequence).first
            if first > 1:
                link = previous_of(message.data, message.headers, sequence=message.sequence)
                for each in await archived_before(blobs, subject, first=first, previous=link):
                    yield each
        yield message


def _entombed(message: Message, *, previous: str | None) -> Head:
    commit = decode(
        message.data,
        message.headers,
        expected_first=0,
        expected_previous=previous,
        sequence=message.sequence,
    )
    if len(commit.entries) != 1 or not isinstance(commit.entries[0], Deleted):
        problem = "a tombstone must hold one entry of type 'deleted' and nothing else"
        raise CorruptLogError(problem, index=0, sequence=message.sequence)
    return Head(0, commit.hash, message.sequence, commit.marks)


def _check_contiguous(peek: Peek, head: Head, sequence: int) -> None:
    if peek.first != head.last_index + 1:
        problem = (
            f"log has a hole: a commit begins with entry {peek.first} where "
            f"{head.last_index + 1} should follow"
        )
        raise CorruptLogError(problem, index=head.last_index + 1, sequence=sequence)
    before = head.marks
    if (
        peek.marks.invoked < before.invoked
        or peek.marks.control < before.control
        or peek.marks.sent < before.sent
    ):
        problem = f"watermarks go back from {before} to {peek.marks}"
        raise CorruptLogError(problem, index=peek.first, sequence=sequence)


def _check_ends(stored: list[StoredCommit], head: Head) -> Head:
    # The last commit vouches for the head that the next one is chained to.
    first = stored[0].decode(keep=True)
    if len(stored) > 1:
        stored[-1].decode(keep=True)
    created = first.entries[0]
    if not isinstance(created, Create):
        problem = f"log begins with {type(created).__name__} instead of create"
        raise CorruptLogError(problem, index=first.first, sequence=stored[0].sequence)
    return Head(head.last_index, head.hash, head.log_sequence, head.marks, created.incarnation)
