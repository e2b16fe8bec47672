"""What the log says when a worker is loaded: one pass over it, before any guest runs.

From this it is decided whether a guest is needed at all: a suspended, failed or idle worker without
work is understood without replay.
"""

import asyncio
from array import array
from typing import Final, final

from msgspec import Raw

from actors.keys import order_key
from actors.limits import PAST_ENTRIES_PER_TURN_MAX
from actors.waits import Open, load_outstanding
from broker.ports import Blobs
from oplog import payloads
from oplog.asked_before import KEY_SUFFIX, AskedBefore
from oplog.attempts import Attempts
from oplog.entries import (
    CommandDone,
    Create,
    Entry,
    ErrorEntry,
    ExportedFunctionCompleted,
    ExportedFunctionInvoked,
    ImportedFunctionInvoked,
    InvocationRejected,
    PendingUpdate,
    PromiseCompleted,
    Suspend,
    has_answer,
)
from oplog.plan import NOTHING_SKIPPED, STRUCTURAL, Plan, refuses_what_waits
from oplog.purge import without_base
from oplog.reader import LoadedLog
from oplog.replay import OutcomeRef
from oplog.snapshots import Base
from oplog.status import StatusFold

__all__ = ["Past"]

# Of what settles a call, only a cancellation has changed something outside.
_TAKEN_BACK: Final = "write-remote"


@final
class Past:
    """A worker's history, folded.

    `unsent` are the entries, in order, whose messages may not have left the executor that wrote
    them.
    """

    def __init__(self, *, sent: int, invoked: int = 0, plan: Plan = NOTHING_SKIPPED) -> None:
        self.plan = plan
        self.attempts = Attempts()
        """What of the running invocation is half done."""
        self.asked_before = AskedBefore()
        """Under which keys earlier attempts at it asked the outside."""
        self.created: Create | None = None
        self.open: ExportedFunctionInvoked | None = None
        """The invocation that has begun and has no outcome."""
        self.status = StatusFold()
        self.outcomes: dict[str, OutcomeRef] = {}
        self.unsent: dict[int, Entry] = {}
        self.unsent_of: ExportedFunctionInvoked | None = None
        """The invocation that ran at the first of them: an outcome is sent to whom it names."""
        self.last_ms = 0
        self.last_index = 0
        self.references: set[bytes] = set()
        """Values that lie in the blob store, as they stand in the entries."""
        self.waiting_since = 0
        """The index of the entry that says until when the worker waits."""
        self.waits_for: tuple[int, ...] = ()
        """The entries whose answers end the suspension."""
        self.outstanding: dict[int, Open] = {}
        """The entries that asked and whose answers the guest has not observed."""
        self.structural: tuple[tuple[int, Entry], ...] = ()
        """The entries that say what replay leaves out."""
        self.promises: dict[int, Raw] = {}
        """What promises were completed with, by the entry that made them."""
        self.begun_indices = array("Q")
        """Where invocations begin that have not been reverted."""
        self.completed_index = 0
        """The outcome that was recorded last (0: none), or the snapshot that stands for it."""
        self.failed_index = 0
        """Where the invocation begins that failed for good, if the last one did."""
        self._begun: tuple[int, ExportedFunctionInvoked] | None = None
        self._sent = sent
        self._invoked = invoked
        self._skips = bool(plan.skipped)

    @property
    def begun_index(self) -> int:
        """The index of the invocation that began last (0: none)."""
        return 0 if self._begun is None else self._begun[0]

    @property
    def tries_update(self) -> bool:
        """Whether the next life tries another version.

        An update by snapshot is tried when the old version has saved its state.
        """
        pending = self.plan.pending
        return pending is not None and (pending.entry.mode == "automatic" or pending.has_snapshot)

    @property
    def is_unfinished_copy(self) -> bool:
        """Whether the worker is a copy that is still being made."""
        return self.created is not None and self.created.copied > self.last_index

    @property
    def is_fresh_copy(self) -> bool:
        """Whether the worker is a copy that has done nothing yet."""
        return self.created is not None and self.created.copied == self.last_index > 0

    @staticmethod
    async def read(log: LoadedLog) -> "Past":
        """Fold the log, behind the snapshot that it begins at, giving way to others now and then.

        Raises:
            CorruptLogError: a commit cannot be believed.
        """
        marks = log.head.marks
        past = Past(sent=marks.sent, invoked=marks.invoked, plan=log.plan())
        past.structural = tuple(
            (index, without_base(entry))
            for index, entry in log.structural()
            if isinstance(entry, STRUCTURAL)
        )
        if log.base is not None:
            past._resume(log.base)
        past.last_index = log.head.last_index
        turn_ends = PAST_ENTRIES_PER_TURN_MAX
        for commit, sequence in log.commits(for_replay=True):
            for index, entry in enumerate(commit.entries, commit.first):
                past._apply(index, entry, sequence)
            if commit.last >= turn_ends:
                turn_ends = commit.last + PAST_ENTRIES_PER_TURN_MAX
                await asyncio.sleep(0)
        past.asked_before.settle(past.plan, past.attempts.cut())
        return past

    async def referenced(self, blobs: Blobs) -> dict[bytes, Raw]:
        """Return what the entries refer to in the blob store.

        Raises:
            RetryableError: the broker does not answer now.
        """
        return {
            reference: await payloads.fetch(Raw(reference), blobs) for reference in self.references
        }

    def _resume(self, base: Base) -> None:
        """Take over what the entries before a snapshot said."""
        self.created = base.created
        self.completed_index = base.commit.index
        self.status = StatusFold.resumed(base.status)
        self.last_ms = base.last_ms
        self.outstanding = dict(load_outstanding(base.outstanding))

    def _apply(self, index: int, entry: Entry, sequence: int) -> None:
        self.last_ms = max(self.last_ms, entry.at_ms)
        if type(entry) is CommandDone and entry.caller is not None:
            # Also one that was undone: whoever gave it has its answer, and may send it again.
            key = order_key(entry.caller)
            self.outcomes.setdefault(key, OutcomeRef(index, sequence))
        skipped = self._skips and index in self.plan.skipped
        if skipped and index in self.plan.deleted:
            # What a copy has of its original speaks of another mailbox.
            copied = 0 if self.created is None else self.created.copied
            if index > copied and refuses_what_waits(entry, self._invoked):
                self.outcomes.setdefault(entry.idempotency_key, OutcomeRef(index, sequence))
            return
        self.status.apply(index, entry)
        if not skipped:
            self.attempts.apply(index, entry)
            self._collect_references(entry)
        elif index in self.plan.retried:
            self.attempts.passed_over(entry)
        self._follow(index, entry, sequence)
        if index > self._sent and self._is_owed(index, entry):
            if not self.unsent and self._begun is not None and self._begun[0] < index:
                self.unsent_of = self._begun[1]
            self.unsent[index] = entry

    def _is_owed(self, index: int, entry: Entry) -> bool:
        """Whether what an entry causes is this worker's to send.

        A copy asks again for what its original waits for; what that told was told by the original.
        """
        if self.created is None or index > self.created.copied:
            return True
        return isinstance(entry, ImportedFunctionInvoked | Suspend | ErrorEntry)

    def _follow(self, index: int, entry: Entry, sequence: int) -> None:
        # The frequent ones first: each case is a comparison of its own.
        match entry:
            case ImportedFunctionInvoked(asks=None, settles=None, completes=None):
                if entry.function.endswith(KEY_SUFFIX):
                    self.asked_before.apply(index, entry)
            case ImportedFunctionInvoked():
                self.asked_before.apply(index, entry)
                if not (self._skips and index in self.plan.skipped):
                    self._follow_answers(index, entry, sequence)
            case ExportedFunctionInvoked():
                self.open = entry
                self.asked_before.begins()
                self._begun = index, entry
                self.begun_indices.append(index)
            case ExportedFunctionCompleted():
                self.open = None
                self.asked_before.begins()
                self.completed_index = index
                self.failed_index = 0 if entry.error is None else self.begun_index
                self.outcomes.setdefault(entry.idempotency_key, OutcomeRef(index, sequence))
            case Create():
                self.created = entry
            case InvocationRejected():
                self.outcomes.setdefault(entry.idempotency_key, OutcomeRef(index, sequence))
            case PromiseCompleted():
                self.outstanding.pop(entry.promise_index, None)
                self.promises.setdefault(entry.promise_index, entry.result)
                self._collect_references(entry)
            case PendingUpdate():
                self._collect_references(entry)
            case Suspend():
                self.waiting_since = index
                self.waits_for = entry.waits_for
            case ErrorEntry():
                self.waiting_since = index
            case _:
                pass

    def _follow_answers(self, index: int, entry: ImportedFunctionInvoked, sequence: int) -> None:
        asks = entry.asks
        if asks is not None and has_answer(asks):
            self.outstanding[index] = Open(asks, sequence)
        if entry.settles is not None:
            self.outstanding.pop(entry.settles, None)
            if entry.kind == _TAKEN_BACK:
                # A copy would schedule it again, under its own name.
                self.unsent.pop(entry.settles, None)
        if entry.completes is not None and isinstance(entry.request, Raw):
            self.outstanding.pop(entry.completes, None)
            self.promises.setdefault(entry.completes, entry.request)

    def _collect_references(self, entry: Entry) -> None:
        for name in payloads.RAW_FIELDS[type(entry)]:
            value = getattr(entry, name)
            if isinstance(value, Raw) and payloads.is_reference(value):
                self.references.add(bytes(value))
