"""Random programs of regions, batches, transactions, jumps, levels and sleeps, crashed anywhere.

The reference model is a list of what counts. It knows neither entries nor plans: a crash cuts it
behind the first begin that has lost its end, again and again until none has; a jump cuts it at its
place. A transaction that has lost its end is gone with its begin, unless the bank has committed it.
Whatever happens, a guest that is brought back must have seen exactly what the model lists.
"""

import asyncio

from hypothesis import example, given, settings
from hypothesis import strategies as st

from actors.durability import (
    begin_batch,
    begin_transaction,
    commit,
    end_batch,
    rollback,
    step,
    waiting_step,
)
from actors.host.interface import Kind
from actors.journal import WorkerJournal
from oplog.attempts import Attempts
from oplog.commit import Commit, Marks
from oplog.entries import (
    BeginAtomicRegion,
    BeginRemoteTransaction,
    ChangePersistenceLevel,
    CommittedRemoteTransaction,
    Create,
    EndAtomicRegion,
    ExportedFunctionInvoked,
    ImportedFunctionInvoked,
    Jump,
    NoOp,
    PreCommitRemoteTransaction,
    Raw,
    RolledBackRemoteTransaction,
    Suspend,
)
from oplog.plan import plan_of
from oplog.replay import Cursor
from wit.types import Primitive

U64 = Primitive.U64


class CrashError(Exception):
    """The process is gone."""


class Restart(BaseException):
    """The guest is of no use; its log is."""


class Clock:
    def stamp_ms(self):
        return 0


class ListedLog:
    """A log in memory that crashes after a number of entries. What a writer and a ledger are."""

    def __init__(self, entries, crash_after, model):
        self.entries = entries
        self.model = model
        self.committed = 0
        self.left = crash_after
        self.clock = Clock()
        self.writer = self.waits = self
        self.progressed = False
        self.recorded_ms = 0
        self.begun_index = 2

    @property
    def last_index(self):
        return len(self.entries)

    def called(self, function, kind, request, response, *, begin, is_progress):
        entry = ImportedFunctionInvoked(
            function=function, kind=kind, request=request, response=response, begin_index=begin
        )
        return self.add(entry)

    def updated(self):
        """No version is tried here."""

    def cannot_rehearse(self, reason):
        """Nor is one rehearsed."""

    @property
    def asked_before(self):
        """Nor is anything asked under a key."""
        return self

    def settle(self, plan, cut):
        """So that nothing is known of keys."""

    async def flush(self):
        self.committed = len(self.entries)

    def forget_behind(self, index):
        """Nothing is asked of the world here that is answered later."""

    def add(self, entry):
        if self.left == 0:
            raise CrashError
        self.left -= 1
        self.entries.append(entry)
        self.model.recorded(entry, self.entries)
        return len(self.entries)


class Model:
    """What counts: answers, begins and ends, each with the length of the log after it."""

    def __init__(self, world):
        self.events = []
        self.world = world
        # Transactions whose commit was asked for, with the length of the log after that.
        self.asked = {}

    def add(self, kind, value, length):
        self.events.append((kind, value, length))

    def recorded(self, entry, entries):
        """Follow the transactions, whose entries are many."""
        length = len(entries)
        match entry:
            case BeginRemoteTransaction():
                self.add("transaction", entry.transaction_id, length)
            case PreCommitRemoteTransaction():
                # Asked again after a crash, what counts is the first time.
                self.asked.setdefault(entries[entry.begin_index - 1].transaction_id, length)
            case CommittedRemoteTransaction() | RolledBackRemoteTransaction():
                self.add("end", entries[entry.begin_index - 1].transaction_id, length)
            case _:
                pass

    def cut_at(self, length):
        self.events = [event for event in self.events if event[2] <= length]
        self.asked = {id_: at for id_, at in self.asked.items() if at <= length}

    def tear(self, *, suspended):
        while (torn := self.torn(suspended=suspended)) is not None:
            if self.events[torn][0] == "transaction":
                # It begins anew, under another name.
                del self.events[torn:]
                continue
            del self.events[torn + 1 :]
            # What follows the begin now is nothing: it is open, but there is nothing to tear.
            if all(kind != "end" for kind, _, _ in self.events[torn:]):
                others = self.torn(suspended=suspended)
                if others == torn:
                    return

    def torn(self, *, suspended):
        ended = {value for kind, value, _ in self.events if kind == "end"}
        for number, (kind, value, _) in enumerate(self.events):
            if kind == "atomic" and suspended:
                continue
            if kind == "transaction" and value in self.asked and value in self.world.bank:
                continue
            if kind in {"atomic", "batch", "transaction"} and value not in ended:
                return number
        return None

    def answers(self):
        return [value for kind, value, _ in self.events if kind == "answer"]


class World:
    """Outside: never says the same twice, sends guests back now and then, and wakes them up."""

    def __init__(self, again):
        self.again = list(again)
        self.count = 0
        self.asleep = True
        self.ids = 0
        self.bank = set()
        """The transactions that it has committed."""

    def number(self):
        self.count += 1
        return self.count

    def new_id(self):
        self.ids += 1
        return f"tx-{self.ids}"

    async def was_committed(self, id_):
        return id_ in self.bank

    async def sleep(self):
        self.asleep = not self.asleep
        if not self.asleep:
            raise Restart("suspend")
        return self.number()


class Guest:
    def __init__(self, journal, log, model, world):
        self.journal, self.log, self.model, self.world = journal, log, model, world
        self.seen = []
        self.fresh = []
        self.places = {}
        self.batches = {}
        self.gone_to = 0

    def told(self, kind, value):
        self.model.add(kind, value, len(self.log.entries))

    def call(self, kind, begin=None):
        live = self.journal.is_live
        name = f"world#{kind.value}"
        value = step(self.journal, name, kind, U64, self.world.number, begin=begin)
        if kind in self.journal.unrecorded:
            self.fresh.append(value)
        else:
            self.seen.append(value)
            if live:
                self.told("answer", value)

    def mark(self, kind, mark, value=None):
        live = self.journal.is_live
        index, _ = self.journal.mark(mark)
        if live and self.journal.level != "persist-nothing":
            self.told(kind, index if value is None else value)
        return index

    async def run(self, program):
        for op, *rest in program:
            await getattr(self, f"do_{op}")(*rest)

    async def do_local(self):
        self.call(Kind.READ_LOCAL)

    async def do_remote(self):
        self.call(Kind.READ_REMOTE)

    async def do_atomic(self, body):
        if self.journal.level == "persist-nothing":
            await self.run(body)
            return
        level = self.journal.level
        begin = self.mark("atomic", BeginAtomicRegion())
        await self.run(body)
        self.journal.choose_level(level)
        self.mark("end", EndAtomicRegion(begin_index=begin), begin)

    async def do_open(self, slot):
        if slot in self.batches or self.journal.level == "persist-nothing":
            return
        live = self.journal.is_live
        self.batches[slot] = begin = begin_batch(self.journal, "world#batch")
        if live:
            self.told("batch", begin)

    async def do_close(self, slot):
        if slot not in self.batches or self.journal.level == "persist-nothing":
            return
        live = self.journal.is_live
        begin = self.batches.pop(slot)
        end_batch(self.journal, begin)
        if live:
            self.told("end", begin)

    async def do_write(self, slot):
        if slot in self.batches:
            self.call(Kind.WRITE_REMOTE_BATCHED, begin=self.batches[slot])

    async def do_transaction(self, ends, body):
        journal, world, level = self.journal, self.world, self.journal.level
        if level == "persist-nothing":
            await self.run(body)
            return
        found = await begin_transaction(
            journal, "bank#begin", new_id=world.new_id, was_committed=world.was_committed
        )
        self.call(Kind.WRITE_REMOTE_TRANSACTION, begin=found.begin)
        await self.run(body)
        journal.choose_level(level)

        async def at_the_bank():
            if ends == "commit":
                assert found.id not in world.bank, "committed twice"
                world.bank.add(found.id)

        await (commit if ends == "commit" else rollback)(journal, found, at_the_bank)

    async def do_place(self, slot):
        if self.journal.level != "persist-nothing":
            self.places[slot] = self.mark("place", NoOp(function="host#place"))

    async def do_back(self, slot):
        if slot not in self.places:
            return
        live = self.journal.is_live
        if live and self.world.again and self.world.again.pop():
            place = self.places[slot]
            self.journal.go_back(place)
            self.gone_to = place
            raise Restart("jump")
        self.call(Kind.READ_REMOTE)

    async def do_level(self, level, body):
        before = self.journal.level
        self.journal.choose_level(level)
        await self.run(body)
        self.journal.choose_level(before)

    async def do_sleep(self):
        if not self.journal.may_suspend:
            return
        live = self.journal.is_live
        value = await waiting_step(
            self.journal, "world#sleep", Kind.BLOCKING, U64, self.world.sleep
        )
        self.seen.append(value)
        if live:
            self.told("answer", value)


LEVELS = ["persist-nothing", "persist-remote-side-effects", "smart"]
SLOT = st.integers(0, 1)
LEAF = st.one_of(
    st.just(("local",)),
    st.just(("remote",)),
    st.just(("sleep",)),
    st.tuples(st.sampled_from(["open", "write", "close", "place", "back"]), SLOT),
)
OP = st.recursive(
    LEAF,
    lambda op: st.one_of(
        st.tuples(st.just("atomic"), st.lists(op, max_size=4)),
        st.tuples(
            st.just("transaction"),
            st.sampled_from(["commit", "rollback"]),
            st.lists(op, max_size=4),
        ),
        st.tuples(st.just("level"), st.sampled_from(LEVELS), st.lists(op, max_size=3)),
    ),
    max_leaves=8,
)
PROGRAM = st.lists(OP, min_size=1, max_size=6)
# After how many entries each life crashes, and how many of them are lost with it.
CRASHES = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3)), max_size=5)


def bring_back(entries, crash_after, model):
    """A journal as the executor makes it of a log."""
    plan = plan_of(enumerate(entries, 1))
    attempts = Attempts()
    for index, entry in enumerate(entries, 1):
        if index not in plan.skipped:
            attempts.apply(index, entry)
        elif index in plan.retried:
            attempts.passed_over(entry)
    commits = [(Commit(1, tuple(entries), Marks(), "", ""), 1)]
    cursor = Cursor(commits, plan, attempts.cut())
    assert cursor.next_invocation() is not None
    log = ListedLog(entries, crash_after, model)
    return WorkerJournal(cursor, log, {}, attempts), log


def live_once(entries, crash_after, program, model, world):
    """Bring the guest back and let it run; return how its life ended."""
    journal, log = bring_back(entries, crash_after, model)
    guest = Guest(journal, log, model, world)
    try:
        asyncio.run(guest.run(program))
    except CrashError:
        return "crash", guest
    except Restart as restart:
        return str(restart), guest
    return "done", guest


def left_on_its_own(entries):
    """Whether the worker suspended. A level that was chosen since is nothing to be torn."""
    told = (entry for entry in reversed(entries) if type(entry) is not ChangePersistenceLevel)
    return type(next(told)) is Suspend


def begun():
    return [
        Create(incarnation="i", component="c", worker="w", component_version=0),
        ExportedFunctionInvoked(function="f", params=Raw(b"[]"), idempotency_key="k", sequence=1),
    ]


# Two batches at the same time: the second is torn, and with it the end of the first.
OVERLAPPING = [
    ("open", 0),
    ("remote",),
    ("open", 1),
    ("close", 0),
    ("remote",),
    ("close", 1),
]
# A transaction with a batch that is open while the bank commits.
COMMITTING = [("transaction", "commit", [("open", 0), ("remote",), ("write", 0)]), ("close", 0)]
# The same, and its end in the log is lost with what the batch does again.
UNCLOSED = [("transaction", "commit", [("open", 0), ("remote",)]), ("remote",)]
NESTED = [("atomic", [("local",), ("atomic", [("sleep",), ("remote",)]), ("local",)])]

# Brought back from its sleep, it chooses a level once more, and is gone again.
ASLEEP = [("atomic", [("local",), ("level", "persist-nothing", []), ("sleep",)])]


@example(program=ASLEEP, crashes=[(1, 0), (4, 0)], again=[])
@example(program=OVERLAPPING, crashes=[(5, 0)], again=[])
@example(program=NESTED, crashes=[(2, 0), (4, 0)], again=[])
@example(program=UNCLOSED, crashes=[(7, 0)], again=[])
@example(program=COMMITTING, crashes=[(3, 0), (6, 0)], again=[])
@given(program=PROGRAM, crashes=CRASHES, again=st.lists(st.booleans(), max_size=3))
@settings(max_examples=250)
def test_a_guest_that_is_brought_back_has_seen_exactly_what_counts(program, crashes, again):
    entries, world = begun(), World(again)
    model = Model(world)
    crashes = list(crashes)
    while True:
        found = len(entries)
        crash_after, lost = crashes.pop() if crashes else (-1, 0)
        ended, guest = live_once(entries, crash_after, program, model, world)
        assert guest.seen == model.answers()
        match ended:
            case "done":
                break
            case "suspend":
                entries.append(Suspend())
            case "jump":
                model.cut_at(guest.gone_to)
            case "crash":
                # What a life has read from the broker is committed.
                kept = max(len(entries) - lost, found, guest.log.committed)
                del entries[kept:]
                model.cut_at(kept)
        model.tear(suspended=left_on_its_own(entries))

    # And once more from the finished log: nothing is asked of the world but what is not recorded.
    length, before = len(entries), world.count
    ended, again_guest = live_once(entries, -1, program, Model(world), world)
    if model.torn(suspended=False) is None:
        assert (ended, again_guest.seen) == ("done", guest.seen)
        assert world.count - before == len(again_guest.fresh)
        assert not [entry for entry in entries[length:] if type(entry) is Jump]
