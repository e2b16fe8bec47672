"""The worker's journal as host calls see it: the replay cursor until it ends, then the writer."""

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import Final, TypeVar, final

from msgspec import UNSET, Raw, UnsetType, structs

from actors.engine.errors import SnapshotRefusedError
from actors.errors import BadPlaceError, IncompleteWriteError, ReadOnlyError
from actors.host.interface import Kind
from actors.ledger import Ledger
from actors.limits import UNCOMMITTED_ENTRIES_MAX
from actors.refusing import Refusing
from oplog import payloads
from oplog.attempts import Attempts, Cut
from oplog.entries import (
    Asks,
    BeginRemoteTransaction,
    BeginRemoteWrite,
    ChangePersistenceLevel,
    CommittedRemoteTransaction,
    EndAtomicRegion,
    EndRemoteWrite,
    ExportedFunctionInvoked,
    ImportedFunctionInvoked,
    Jump,
    Log,
    Mark,
    RolledBackRemoteTransaction,
)
from oplog.region_entries import PersistenceLevel
from oplog.replay import Cursor

__all__ = ["UNRECORDED", "WorkerJournal"]

M = TypeVar("M", bound=Mark)

_ENDS: Final = (
    EndAtomicRegion,
    EndRemoteWrite,
    CommittedRemoteTransaction,
    RolledBackRemoteTransaction,
)
# Which host calls a persistence level leaves unrecorded: they run again at replay.
UNRECORDED: Final[Mapping[PersistenceLevel, frozenset[Kind]]] = {
    "smart": frozenset(),
    "persist-remote-side-effects": frozenset({Kind.READ_LOCAL, Kind.WRITE_LOCAL}),
    "persist-nothing": frozenset(Kind),
}
# What a read-only function may do: nobody replays it, so that nothing of it is recorded.
READS: Final = frozenset({Kind.READ_LOCAL, Kind.READ_REMOTE, Kind.BLOCKING})


@final
class WorkerJournal:
    """Answers from the log while it lasts; the first call beyond it makes the worker live."""

    def __init__(
        self,
        replay: Cursor | Refusing,
        ledger: Ledger,
        references: Mapping[bytes, Raw],
        attempts: Attempts,
    ) -> None:
        self._replay: Cursor | Refusing = replay
        self._ledger = ledger
        self._writer = ledger.writer
        self._clock = ledger.clock
        self._references = references
        self._attempts = attempts
        self._live = False
        self._only_reads = False
        # The begin whose attempt is done again: what it records is no progress until its end.
        self._redoing: int | None = None
        self._batches: set[int] = set()
        self.level: PersistenceLevel = "smart"
        """What of the guest's host calls is recorded; the guest chooses it, at replay again."""
        self.unrecorded: frozenset[Kind] = UNRECORDED["smart"]
        """The kinds that the level leaves out."""
        self.idempotent = True
        """Whether a remote write without known outcome may be repeated; the guest chooses it."""

    def resume(self, level: PersistenceLevel, *, idempotent: bool) -> None:
        """Take over what the guest of a snapshot had chosen."""
        self.level, self.idempotent = level, idempotent
        self.unrecorded = UNRECORDED[level]

    def only_read(self, tell: Callable[[str, str, str], None]) -> None:
        """Refuse from now on whatever would be recorded; `tell` gets what the guest prints."""
        self._replay = Refusing(self.consumed_index, self.recorded_ms, tell)
        self._live = False
        self._only_reads = True
        self.level, self.unrecorded = "smart", READS

    def check_saveable(self) -> None:
        """Refuse a snapshot while something outside is half done.

        Raises:
            SnapshotRefusedError: it is.
        """
        if self._batches or self._redoing is not None:
            raise SnapshotRefusedError("the worker has begun a remote write and not ended it")
        if not self.is_live:
            raise SnapshotRefusedError("the worker is still being replayed")

    @property
    def consumed_index(self) -> int:
        """The last entry that replay consumed, or the end of the log."""
        return self._writer.last_index if self._live else self._replay.index

    @property
    def recorded_ms(self) -> int:
        """Time stamp of the newest consumed or recorded entry, in milliseconds of Unix time."""
        return self._ledger.recorded_ms or self._replay.consumed_ms

    @property
    def only_reads(self) -> bool:
        """Whether the guest changes nothing outside."""
        return self._only_reads

    @property
    def is_live(self) -> bool:
        """Whether what the guest does next is new."""
        return self._live or self._replay.at_end

    @property
    def may_suspend(self) -> bool:
        """Whether the worker may leave memory in mid-call.

        A deadline that is not recorded would be another one after every suspension, and what is
        half done outside would be done again each time: such a guest waits in memory.
        """
        return not self.unrecorded and not self._batches

    @property
    def index(self) -> int:
        """The entry that was consumed or recorded last."""
        return self._writer.last_index if self.is_live else self._replay.index

    def answer(self, function: str, request: Raw | UnsetType) -> Raw | None:
        """Return the recorded answer, None when live."""
        if self._live:
            return None
        recorded = self._replay.answer(function, request)
        if recorded is None:
            self._go_live()
        elif payloads.is_reference(recorded):
            return self._references[bytes(recorded)]
        return recorded

    def next_call(self) -> tuple[int, ImportedFunctionInvoked, Raw]:
        """Return the next recorded host call, whatever it is, its index and its response.

        Raises:
            BadPlaceError: the log has ended.
        """
        found = None if self._live else self._replay.next_call()
        if found is None:
            raise BadPlaceError("the worker is live: no persisted call is left to read")
        index, entry = found
        response = entry.response
        if payloads.is_reference(response):
            response = self._references[bytes(response)]
        return index, entry, response

    def record(
        self,
        function: str,
        kind: str,
        request: Raw | UnsetType,
        response: Raw,
        *,
        begin: int | None = None,
    ) -> None:
        """Record the answer of a call that has just run; `begin` is what it is a part of."""
        if self._only_reads:
            raise ReadOnlyError(function)
        self._ledger.called(
            function, kind, request, response, begin=begin, is_progress=self._redoing is None
        )

    @property
    def answered_index(self) -> int:
        """The index of the entry that `answer` returned last."""
        return self._replay.index

    def ask(
        self, function: str, kind: str, request: Raw | UnsetType, response: Raw, asks: Asks | None
    ) -> int:
        """Record a call that asks something of the world; return its index."""
        is_progress = self._redoing is None
        return self._ledger.called(
            function, kind, request, response, asks=asks, is_progress=is_progress
        )

    def settle(self, function: str, kind: str, response: Raw, index: int) -> None:
        """Record the answer to entry `index` as observed."""
        is_progress = self._redoing is None
        self._ledger.called(function, kind, UNSET, response, settles=index, is_progress=is_progress)

    def complete(self, function: str, index: int, data: Raw) -> bool:
        """Complete an own promise, if nobody has; recorded with the completion, or not at all."""
        is_first = index not in self._ledger.promises
        self._ledger.called(
            function,
            Kind.WRITE_LOCAL.value,
            data,
            Raw(b"true" if is_first else b"false"),
            completes=index if is_first else None,
            is_progress=self._redoing is None,
        )
        return is_first

    def mark(self, ours: M) -> tuple[int, M]:
        """Do what belongs to the course of things; return its entry and where it stands.

        At a begin whose attempt was not finished, the rest of the log is jumped over and the worker
        is live. Under `persist-nothing` nothing is recorded, and the index is the one before.

        Raises:
            DivergenceError: the log holds something else at this place.
            IncompleteWriteError: the attempt must not be repeated.
        """
        if self.level == "persist-nothing":
            return self.index, ours
        found = self._place(ours)
        if isinstance(ours, BeginRemoteWrite | BeginRemoteTransaction):
            self._batches.add(found[0])
        elif isinstance(ours, _ENDS):
            self._batches.discard(ours.begin_index)
        return found

    @property
    def has_unknown(self) -> bool:
        """Whether the transaction that was begun last waits for `settle_unknown`."""
        if self._live:
            # It is settled, and replay stays where it ended.
            return False
        cut = self._replay.cut
        return cut is not None and cut.unknown and self._replay.index == cut.index

    def settle_unknown(
        self, found: tuple[int, BeginRemoteTransaction], ours: BeginRemoteTransaction, *, done: bool
    ) -> tuple[int, BeginRemoteTransaction]:
        """Go on after a transaction was begun whose outcome only the other system knew.

        `done`: it has committed, and the log counts; otherwise it is done again as `ours`.
        """
        cut = self._replay.cut
        assert cut is not None
        assert cut.unknown, "only an unknown outcome is settled"
        if not done:
            self._replay.drop_rest()
            return self._do_again(cut, found, ours)
        self._attempts.confirmed(cut.index)
        self._replay.cut = self._attempts.cut()
        self._ledger.asked_before.settle(self._replay.plan, self._replay.cut)
        return found

    def go_back(self, index: int) -> None:
        """Record that everything behind entry `index` is left out from now on.

        The guest is of no use afterwards: it has to be brought back from the log.

        Raises:
            BadPlaceError: nobody can go there.
            DivergenceError: the log goes on, so that it was not written by such a guest.
        """
        self._replay.require_end(f"a jump back to entry {index}")
        last = self._writer.last_index
        problem = self._replay.plan.problem_with(index, last)
        if problem is None and index in self._replay.plan.skipped:
            problem = f"entry {index} lies in a region that was jumped over"
        begun = self._ledger.begun_index
        if problem is None and index < begun:
            problem = f"entry {index} lies before the running invocation, which began at {begun}"
        if problem is not None:
            raise BadPlaceError(problem)
        self._ledger.progressed = True
        self._ledger.waits.forget_behind(index)
        self._writer.add(Jump(at_ms=self._clock.stamp_ms(), start=index + 1, end=last))

    def choose_level(self, level: PersistenceLevel) -> None:
        """Record other host calls from now on."""
        if level == self.level:
            return
        if self._only_reads:
            raise ReadOnlyError("golem:api/host#set-oplog-persistence-level")
        if level != "smart":
            # A rehearsal must do nothing outside, and what is not recorded runs again.
            self._ledger.cannot_rehearse(f"nothing tells what runs again at the level {level}")
        if self.is_live:
            self._writer.add(ChangePersistenceLevel(at_ms=self._clock.stamp_ms(), level=level))
        self.level = level
        self.unrecorded = UNRECORDED[level]

    def key_of(self, index: int) -> str:
        """Return the idempotency key of what entry `index` causes."""
        return self._ledger.key_of(index)

    def request_key(self, function: str, content: Raw, begin: int) -> str:
        """Return the key of a request that begins at `begin` and whose key `function` records.

        An attempt that is done again asks under the key of the first, if it asks the same; if not,
        its begin must not give it that key either.
        """
        known = self._ledger.asked_before.key_of_request(function, content)
        if known is not None:
            return known
        return self._ledger.next_key() if begin == self._redoing else self._ledger.key_of(begin)

    @property
    def running(self) -> ExportedFunctionInvoked | None:
        """The invocation that the guest is in; at replay one of the past."""
        return self._ledger.running if self.is_live else self._replay.current

    @property
    def is_answered_already(self) -> bool:
        """Whether the outcome of the invocation that the guest is in is in the log."""
        running, open_ = self.running, self._ledger.running
        return running is not None and (open_ is None or open_.sequence != running.sequence)

    async def committed(self) -> None:
        """Return when everything recorded so far is committed."""
        await self._writer.flush()

    async def throttle(self) -> None:
        """Wait while far more is recorded than committed."""
        writer = self._writer
        if writer.last_index - writer.committed_index > UNCOMMITTED_ENTRIES_MAX:
            await writer.wait_committed(writer.last_index - UNCOMMITTED_ENTRIES_MAX // 2)

    def output(self, level: str, message: str, *, context: str = "") -> None:
        """Record what the guest prints, unless the log shows that it was printed before."""
        if not self._live and self._replay.already_logged(level, message, context=context):
            return
        self._writer.add(
            Log(at_ms=self._clock.stamp_ms(), level=level, message=message, context=context)
        )

    @contextmanager
    def unheard(self) -> Generator[None]:
        """Record nothing, and ask nothing of the log: for what is no part of the worker's course.

        Restoring and saving a state that the guest describes itself.
        """
        before = self.level, self.unrecorded
        self.level, self.unrecorded = "persist-nothing", UNRECORDED["persist-nothing"]
        try:
            yield
        finally:
            self.level, self.unrecorded = before

    def _go_live(self) -> None:
        self._live = True
        # A version that is tried has repeated everything.
        self._ledger.updated()

    def _stamp(self) -> int:
        if self._redoing is None:
            self._ledger.progressed = True
        self._ledger.recorded_ms = at_ms = self._clock.stamp_ms()
        return at_ms

    def _place(self, ours: M) -> tuple[int, M]:
        if not self._live:
            cut = self._replay.cut
            found = self._replay.mark(ours)
            if found is not None:
                if cut is not None and found[0] == cut.index and not cut.unknown:
                    return self._do_again(cut, found, ours)
                return found
            self._go_live()
        return self._add(ours)

    def _add(self, ours: M) -> tuple[int, M]:
        if isinstance(ours, _ENDS) and ours.begin_index == self._redoing:
            self._redoing = None
        ours = structs.replace(ours, at_ms=self._stamp())
        return self._writer.add(ours), ours

    def _do_again(self, cut: Cut, found: tuple[int, M], ours: M) -> tuple[int, M]:
        if isinstance(cut.entry, BeginRemoteWrite) and not cut.entry.idempotent:
            raise IncompleteWriteError(cut.entry.function, cut.index)
        self._go_live()
        last = self._writer.last_index
        self._ledger.waits.forget_behind(cut.index)
        # The other side knows a transaction by its identifier, so that a new attempt has a begin of
        # its own; the attempts of all others share theirs.
        replaced = isinstance(ours, BeginRemoteTransaction)
        start = cut.index if replaced else cut.index + 1
        self._redoing = cut.index
        if last >= start:
            self._writer.add(Jump(at_ms=self._clock.stamp_ms(), start=start, end=last, retry=True))
        if not replaced:
            return found
        again = self._add(structs.replace(ours, original_begin_index=cut.index))
        self._redoing = again[0]
        return again
