"""Reading a worker's log back from the broker.

Loading looks at the headers of all commits and at the bodies of the first and the last; the others
stay as they are stored and are decoded, and their place in the hash chain checked, only when
somebody gets to them. Values in the blob store stay references (see `payloads.fetch`), so a long
log with large values needs no more memory than its commits.
"""

from collections.abc import Iterator, Mapping
from typing import Final, final

from msgspec import Struct

from broker.ports import Blobs, Journal, Message
from oplog import headers as commit_headers
from oplog import payloads
from oplog.codec import decode
from oplog.commit import Commit, Head
from oplog.entries import Create, Deleted, Entry
from oplog.errors import CorruptLogError
from oplog.headers import Peek
from oplog.plan import STRUCTURAL, Plan, plan_of

__all__ = ["LoadedLog", "StoredCommit", "load"]

_STRUCTURAL_TYPES: Final = frozenset(str(entry.__struct_config__.tag) for entry in STRUCTURAL)


class StoredCommit(Struct, frozen=True):
    """A commit as the broker holds it. `previous` is the hash of the one before."""

    sequence: int
    data: bytes
    headers: Mapping[str, str]
    peek: Peek
    previous: str

    def decode(self) -> Commit:
        """Decode it and check its place in the chain; raises `CorruptLogError`."""
        return decode(
            self.data,
            self.headers,
            expected_first=self.peek.first,
            expected_previous=self.previous,
            sequence=self.sequence,
        )


@final
class LoadedLog:
    """A worker's log as it was when it was read.

    `deleted` says that nothing but a tombstone is left: `head` then has its watermarks and no
    entries, and the worker may be created anew behind it.
    """

    def __init__(
        self, *, head: Head, stored: tuple[StoredCommit, ...], blobs: Blobs, deleted: bool
    ) -> None:
        self.head = head
        self.stored = stored
        self.deleted = deleted
        self._blobs = blobs
        self._plan: Plan | None = None

    def plan(self) -> Plan:
        """Return what replay leaves out; only commits that say something of it are decoded.

        Raises:
            CorruptLogError: one of them is damaged.
        """
        if self._plan is None:
            self._plan = plan_of(self._structural())
        return self._plan

    def _structural(self) -> Iterator[tuple[int, Entry]]:
        for stored in self.stored:
            if commit_headers.mentions(stored.headers, _STRUCTURAL_TYPES):
                commit = stored.decode()
                yield from enumerate(commit.entries, commit.first)

    def commits(self, *, after: int = 0) -> Iterator[tuple[Commit, int]]:
        """Yield the commits that hold an entry above index `after`, with their stream sequences.

        Raises:
            CorruptLogError: at the commit that is damaged; those before it were fine.
        """
        for stored in self.stored:
            if stored.peek.last > after:
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


async def load(journal: Journal, blobs: Blobs, subject: str) -> LoadedLog:
    """Read the whole log of `subject`, which may be empty.

    A tombstone voids everything before it, which a crash may have left behind.

    Raises:
        CorruptLogError: a commit is missing or damaged, as far as headers and ends tell.
    """
    stored: list[StoredCommit] = []
    head = Head()
    deleted = False
    async for message in journal.read(subject):
        peek = commit_headers.peek(message.headers, sequence=message.sequence)
        if peek.is_tombstone:
            head = _entombed(message, previous=head.hash if head.log_sequence else None)
            deleted = True
            stored.clear()
            continue
        _check_contiguous(peek, head, message.sequence)
        stored.append(
            StoredCommit(message.sequence, message.data, message.headers, peek, head.hash)
        )
        head = Head(peek.last, peek.hash, message.sequence, peek.marks)
    if stored:
        deleted = False
        head = _check_ends(stored, head)
    return LoadedLog(head=head, stored=tuple(stored), blobs=blobs, deleted=deleted)


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
    first = stored[0].decode()
    if len(stored) > 1:
        stored[-1].decode()
    created = first.entries[0]
    if not isinstance(created, Create):
        problem = f"log begins with {type(created).__name__} instead of create"
        raise CorruptLogError(problem, index=first.first, sequence=stored[0].sequence)
    return Head(head.last_index, head.hash, head.log_sequence, head.marks, created.incarnation)
