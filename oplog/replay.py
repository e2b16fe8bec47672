"""The replay cursor: what the guest asks for, answered from the log.

Theory of operation. A guest is deterministic apart from what comes in from outside, and everything
that came in stands in the log in the order in which the guest asked. So an instance is brought back
by running it again from the start while the cursor hands out, in that order, the invocations and
the answers of the host. There are three questions: which invocation comes next, what did this host
call return, and was this the outcome. The tables below say for each question and each entry that
may stand there next what follows:

* TAKE: the entry answers the question. Its content is compared with what was asked; a difference is
  a divergence.
* DIVERGE: the guest did something else than it did when the log was written.
* CORRUPT: no run of any guest could have written this log.
* LIVE: the log has ended. The caller now really runs what it asked for, and records it.

Hints are passed over as soon as nothing stands before them, so the cursor always rests on an entry
that answers a question, or at the end. What they tell is folded: into the status, the outcomes by
key, and the output. Output is not asked for: the guest prints again what it printed. Before the end
everything it prints was printed; at the end that holds only for as many lines as the log has after
the last answer, each as often as it stands there. The first question answered by LIVE means that
the guest is past that point, and from then on all output is new.

What the plan of the log skips (`oplog.plan`) is passed over as well, hints within it included,
unless it was deleted. What a guest does that gets nothing from outside, but belongs to the course
of things, is a *mark*: the begin of an atomic region, a reserved index, a span. At the mark where
the plan says that a half-done attempt begins (`oplog.attempts`) the log ends for the cursor; what
lies behind is folded, and the caller skips it in the log before it records anything.

The cursor does no input or output and knows no time. Values may be references to the blob store
(`payloads.is_reference`); it compares their digests and hands them out as they are.
"""

from collections.abc import Iterable, Iterator, Mapping
from enum import Enum, auto
from typing import Final, TypeAlias, TypeVar, cast, final

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from oplog import payloads
from oplog.attempts import Cut
from oplog.commit import Commit
from oplog.entries import (
    HINTS,
    CancelPendingInvocation,
    Create,
    Deleted,
    Entry,
    ExportedFunctionCompleted,
    ExportedFunctionInvoked,
    Failure,
    ImportedFunctionInvoked,
    InvocationRejected,
    Log,
    Mark,
    NoOp,
)
from oplog.errors import CorruptLogError, DivergenceError
from oplog.marks import describe_mark, same_mark
from oplog.plan import NOTHING_SKIPPED, Plan
from oplog.status import StatusFold

__all__ = ["Cursor", "OutcomeRef"]


class OutcomeRef(Struct, frozen=True, gc=False):
    """Where an outcome stands: its entry, and the stream sequence of the commit that holds it."""

    index: int
    log_sequence: int


class _Move(Enum):
    TAKE = auto()
    DIVERGE = auto()
    CORRUPT = auto()
    LIVE = auto()


_Answering: TypeAlias = (
    ExportedFunctionInvoked | ImportedFunctionInvoked | ExportedFunctionCompleted | Mark
)

_Row: TypeAlias = Mapping[type[_Answering] | None, _Move]

# The columns are the entry that stands there next; `Mark` is any of them, None the end of the log.
_NEXT_INVOCATION: Final[_Row] = {
    ExportedFunctionInvoked: _Move.TAKE,
    ImportedFunctionInvoked: _Move.DIVERGE,
    ExportedFunctionCompleted: _Move.CORRUPT,
    None: _Move.LIVE,
}
_ANSWER: Final[_Row] = {
    ExportedFunctionInvoked: _Move.DIVERGE,
    ImportedFunctionInvoked: _Move.TAKE,
    ExportedFunctionCompleted: _Move.DIVERGE,
    None: _Move.LIVE,
}
_COMPLETED: Final[_Row] = {
    ExportedFunctionInvoked: _Move.CORRUPT,
    ImportedFunctionInvoked: _Move.DIVERGE,
    ExportedFunctionCompleted: _Move.TAKE,
    None: _Move.LIVE,
}
# A mark is taken by the question for it alone, and diverges from all others.
_MARK: Final[_Row] = {
    ExportedFunctionInvoked: _Move.DIVERGE,
    ImportedFunctionInvoked: _Move.DIVERGE,
    ExportedFunctionCompleted: _Move.DIVERGE,
    None: _Move.LIVE,
}

# The kind of failure of an invocation that ended well, with a result above the limits.
TOO_LARGE: Final = "too-large"

_PASSED_OVER: Final = frozenset((*HINTS, Create, Deleted))

M = TypeVar("M", bound=Mark)


@final
class Cursor:
    """A position in a log that moves only forward. `commits` is consumed as it gets there.

    Every method may raise `CorruptLogError`, from `commits` or since the order of entries is
    impossible; the cursor is of no use afterwards.
    """

    def __init__(
        self,
        commits: Iterable[tuple[Commit, int]],
        plan: Plan = NOTHING_SKIPPED,
        cut: Cut | None = None,
    ) -> None:
        self.plan = plan
        self.cut = cut
        """Where the log ends for the guest, if a half-done attempt follows."""
        self.created: Create | None = None
        """How the worker was created; None only if the log is empty."""
        self.current: ExportedFunctionInvoked | None = None
        """The invocation that was handed out and is not completed."""
        self.index = 0
        """The last entry that answered a question (0: none yet)."""
        self.consumed_ms = 0
        """Time stamp of that entry, or of the creation, in milliseconds of Unix time."""
        self.outcomes: dict[str, OutcomeRef] = {}
        """The outcome of every idempotency key, as far as the cursor has come."""
        self.status = StatusFold()
        """The state of the worker after the last entry passed."""
        self._source = _flatten(commits)
        self._skipped = plan.skipped
        self._next: _Answering | None = None
        self._next_index = 0
        self._next_sequence = 0
        self._logged: dict[tuple[str, str, str], int] = {}
        self._skip()

    @property
    def at_end(self) -> bool:
        """Whether no answer is left: what the guest asks for next is new."""
        return self._next is None

    def next_invocation(self) -> ExportedFunctionInvoked | None:
        """Return the next recorded invocation, or None: take one from the mailbox.

        Raises:
            DivergenceError: the one before made fewer host calls than the log has.
        """
        assert self.current is None, "an invocation is handed out after the one before completed"
        move = self._move(_NEXT_INVOCATION)
        if move is _Move.LIVE:
            return None
        if move is not _Move.TAKE:
            raise self._refusal(move, "the next invocation")
        self.current = cast("ExportedFunctionInvoked", self._take())
        return self.current

    def answer(self, function: str, request: Raw | UnsetType = UNSET) -> Raw | None:
        """Return what the host call `function` returned, or None: call it.

        `request` is compared where it was recorded.

        Raises:
            DivergenceError: something else than this call of `function` is recorded here.
        """
        move = self._move(_ANSWER)
        if move is _Move.LIVE:
            return None
        entry = cast("ImportedFunctionInvoked", self._next)
        if move is not _Move.TAKE or entry.function != function:
            raise self._refusal(move, f"a call of {function}")
        if (
            not isinstance(entry.request, UnsetType)
            and not isinstance(request, UnsetType)
            and not _same_value(entry.request, request)
        ):
            raise DivergenceError(
                f"{_describe(entry)} with {_short(entry.request)}",
                f"one with {_short(request)}",
                self._next_index,
            )
        self._take()
        return entry.response

    def mark(self, ours: M) -> tuple[int, M] | None:
        """Return the recorded mark that equals `ours` and its index, or None: record it.

        What only the one who records a mark can know, such as its time and the identifiers that it
        gives out, is not compared. At the cut the mark is returned, and the log has ended; if the
        outcome of the attempt is unknown, the caller decides, and calls `drop_rest` or moves `cut`.

        Raises:
            DivergenceError: something else is recorded here.
        """
        move = self._move(_MARK)
        if move is _Move.LIVE:
            return None
        entry = self._next
        index = self._next_index
        if type(entry) is not type(ours) or not same_mark(cast("Mark", entry), ours):
            raise self._refusal(_Move.DIVERGE, describe_mark(ours))
        self._take()
        if self.cut is not None and index == self.cut.index and not self.cut.unknown:
            self.drop_rest()
        return index, cast("M", entry)

    def drop_rest(self) -> None:
        """End the log here: what lies behind is folded, and answers nothing."""
        if self._next is not None:
            self._fold(self._next_index, self._next, self._next_sequence)
            self._next = None
        for index, entry, sequence in self._source:
            self._pass_skipped(index, entry, sequence)
        self._logged.clear()

    def next_call(self) -> tuple[int, ImportedFunctionInvoked] | None:
        """Return the next host call, whatever it is, and its index, or None: the log has ended.

        Raises:
            DivergenceError: something else is recorded here.
        """
        move = self._move(_ANSWER)
        if move is _Move.LIVE:
            return None
        if move is not _Move.TAKE:
            raise self._refusal(move, "a host call that the guest reads itself")
        return self._next_index, cast("ImportedFunctionInvoked", self._take())

    def require_end(self, got: str) -> None:
        """Say that the guest does something that no log holds, described by `got`.

        Raises:
            DivergenceError: the log goes on.
        """
        if self._next is not None:
            raise self._refusal(_Move.DIVERGE, got)

    def completed(
        self, *, result: Raw | UnsetType = UNSET, error: Failure | None = None
    ) -> ExportedFunctionCompleted | None:
        """Return the recorded end of the current invocation, or None: record it.

        Errors are the same if their kinds are: messages may hold what differs from run to run.

        Raises:
            DivergenceError: another outcome, or another host call, is recorded here.
        """
        assert self.current is not None, "no invocation is running"
        ours = ExportedFunctionCompleted(
            idempotency_key=self.current.idempotency_key, result=result, error=error
        )
        move = self._move(_COMPLETED)
        if move is _Move.LIVE:
            # The log ended within the invocation; its end is recorded now, and it is over.
            self.current = None
            return None
        entry = cast("ExportedFunctionCompleted", self._next)
        if move is not _Move.TAKE or not _same_outcome(entry, ours):
            raise self._refusal(move, _describe(ours))
        self._take()
        self.current = None
        return entry

    def already_logged(self, level: str, message: str, *, context: str = "") -> bool:
        """Whether this output of the guest stands in the log. Ask once for each."""
        if self._next is not None:
            return True
        key = (level, message, context)
        left = self._logged.get(key, 0)
        if left == 0:
            return False
        self._logged[key] = left - 1
        return True

    def _move(self, row: _Row) -> _Move:
        entry = self._next
        if entry is None:
            self._logged.clear()
            return row[None]
        # A mark that nobody asks for is a divergence, whatever the question.
        return row.get(type(entry), _Move.DIVERGE)

    def _refusal(self, move: _Move, got: str) -> DivergenceError | CorruptLogError:
        expected = _describe(cast("_Answering", self._next))
        if move is _Move.CORRUPT:
            message = f"{expected} stands where {got} should"
            return CorruptLogError(message, index=self._next_index, sequence=self._next_sequence)
        return DivergenceError(expected, got, self._next_index)

    def _take(self) -> _Answering:
        """Consume the entry that the cursor rests on."""
        entry = self._next
        assert entry is not None
        self.index = self._next_index
        self.consumed_ms = entry.at_ms
        self.status.apply(self.index, entry)
        if isinstance(entry, ExportedFunctionCompleted):
            self._outcome(entry.idempotency_key, self.index, self._next_sequence)
        self._logged.clear()
        self._skip()
        return entry

    def _skip(self) -> None:
        """Go to the next entry that answers a question and fold what is passed on the way."""
        for index, entry, sequence in self._source:
            if self._skipped and index in self._skipped:
                self._pass_skipped(index, entry, sequence)
                continue
            if type(entry) not in _PASSED_OVER and not _is_unasked(entry):
                self._next = cast("_Answering", entry)
                self._next_index = index
                self._next_sequence = sequence
                return
            self._fold(index, entry, sequence)
            match entry:
                case Log():
                    key = (entry.level, entry.message, entry.context)
                    self._logged[key] = self._logged.get(key, 0) + 1
                case Create() if index == 1:
                    self.created = entry
                    self.consumed_ms = entry.at_ms
                case Create() | Deleted():
                    message = f"{type(entry).__name__} in the middle of a log"
                    raise CorruptLogError(message, index=index, sequence=sequence)
                case _:
                    pass
        self._next = None

    def _pass_skipped(self, index: int, entry: Entry, sequence: int) -> None:
        if index not in self.plan.deleted:
            self._fold(index, entry, sequence)

    def _fold(self, index: int, entry: Entry, sequence: int) -> None:
        self.status.apply(index, entry)
        match entry:
            case ExportedFunctionCompleted() | InvocationRejected() | CancelPendingInvocation():
                self._outcome(entry.idempotency_key, index, sequence)
            case _:
                pass

    def _outcome(self, key: str, index: int, sequence: int) -> None:
        # The first outcome of a key counts for ever; a second one can only repeat it.
        self.outcomes.setdefault(key, OutcomeRef(index, sequence))


def _is_unasked(entry: Entry) -> bool:
    # Without a function, an index was reserved by nobody who will ask for it.
    return type(entry) is NoOp and entry.function is None


def _flatten(commits: Iterable[tuple[Commit, int]]) -> Iterator[tuple[int, Entry, int]]:
    for commit, sequence in commits:
        for index, entry in enumerate(commit.entries, commit.first):
            yield index, entry, sequence


def _same_outcome(recorded: ExportedFunctionCompleted, ours: ExportedFunctionCompleted) -> bool:
    if recorded.error is not None and recorded.error.kind == TOO_LARGE and ours.error is None:
        # The guest had returned something that no message could carry; limits may change.
        return True
    if recorded.error is not None or ours.error is not None:
        return (
            recorded.error is not None
            and ours.error is not None
            and recorded.error.kind == ours.error.kind
        )
    if isinstance(recorded.result, UnsetType) or isinstance(ours.result, UnsetType):
        return recorded.result is ours.result
    return _same_value(recorded.result, ours.result)


def _same_value(recorded: Raw, ours: Raw) -> bool:
    if payloads.is_reference(recorded):
        return payloads.equals_reference(ours, recorded)
    # A later release may write the same value in another way.
    return recorded == ours or msgspec.json.decode(recorded) == msgspec.json.decode(ours)


def _describe(entry: _Answering) -> str:
    match entry:
        case ExportedFunctionInvoked():
            return f"the invocation of {entry.function} with key {entry.idempotency_key!r}"
        case ImportedFunctionInvoked():
            return f"a call of {entry.function}"
        case ExportedFunctionCompleted(error=Failure() as error):
            return f"the failure {error.kind!r}"
        case ExportedFunctionCompleted(result=UnsetType()):
            return "the end of the invocation without result"
        case ExportedFunctionCompleted():
            return f"the result {_short(cast('Raw', entry.result))}"
        case _:
            return describe_mark(entry)


def _short(value: Raw) -> str:
    text = bytes(memoryview(value)[:100]).decode(errors="replace")
    return text if len(value) <= 100 else f"{text}…"
