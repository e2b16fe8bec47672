"""What must hold for every log."""

import asyncio
import contextlib
import itertools

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from broker import subjects
from broker.memory import MemoryCluster
from oplog import limits
from oplog.codec import decode, encode
from oplog.commit import GENESIS_HASH, Commit, Head, Marks
from oplog.entries import (
    Caller,
    CancelPendingInvocation,
    Create,
    Deleted,
    ErrorEntry,
    Exited,
    ExportedFunctionCompleted,
    ExportedFunctionInvoked,
    Failure,
    ImportedFunctionInvoked,
    Interrupted,
    InvocationRejected,
    Log,
    NoOp,
    Raw,
    Restart,
    Suspend,
)
from oplog.errors import CorruptLogError
from oplog.public import page
from oplog.reader import load
from oplog.render import line
from oplog.replay import Cursor
from oplog.status import fold
from oplog.writer import Writer

TEXT = st.text(max_size=12)
NAME = st.text(min_size=1, max_size=8)
NUMBER = st.integers(0, 2**53)
AT = st.integers(0, 4_000_000_000_000)
VALUE = st.one_of(
    st.integers(-(2**63), 2**64 - 1).map(lambda n: Raw(str(n).encode())),
    st.sampled_from([b"null", b"true", b'"\xc5\xa1"', b'{"a":[1,{"b":2.5}]}', b"[]"]).map(Raw),
)
FAILURE = st.builds(Failure, kind=NAME, message=TEXT)
CALLER = st.builds(Caller, component=NAME, worker=NAME, incarnation=NAME, index=NUMBER)
MAYBE_CALLER = st.none() | CALLER

CREATE = st.builds(
    Create,
    at_ms=AT,
    incarnation=NAME,
    component=NAME,
    worker=NAME,
    component_version=NUMBER,
    args=st.lists(TEXT, max_size=2).map(tuple),
    env=st.lists(st.tuples(NAME, TEXT), max_size=2).map(tuple),
    parent=st.none() | NAME,
)
INVOKED = st.builds(
    ExportedFunctionInvoked,
    at_ms=AT,
    function=NAME,
    params=VALUE,
    idempotency_key=NAME,
    sequence=NUMBER,
    result_to=st.none() | NAME,
    caller=MAYBE_CALLER,
    chain=st.lists(NAME, max_size=2).map(tuple),
)
RESULTS = st.one_of(
    st.builds(dict),
    VALUE.map(lambda value: {"result": value}),
    FAILURE.map(lambda failure: {"error": failure}),
)
IMPORTED = st.builds(
    ImportedFunctionInvoked, at_ms=AT, function=NAME, response=VALUE, kind=NAME, request=VALUE
)
HINT = st.one_of(
    st.builds(Suspend, wake_at_ms=st.none() | AT),
    st.builds(ErrorEntry, error=FAILURE, attempt=st.integers(1, 9), retry_at_ms=st.none() | AT),
    st.builds(Interrupted),
    st.builds(Exited, code=st.integers(0, 255)),
    st.builds(Restart),
    st.builds(CancelPendingInvocation, idempotency_key=NAME),
    st.builds(
        InvocationRejected,
        idempotency_key=NAME,
        sequence=NUMBER,
        error=FAILURE,
        caller=MAYBE_CALLER,
    ),
    st.builds(Log, level=st.sampled_from(["stdout", "warn"]), message=st.sampled_from("ab")),
)
ANY = st.one_of(
    CREATE,
    INVOKED,
    st.builds(ExportedFunctionCompleted, idempotency_key=NAME),
    IMPORTED,
    HINT,
    st.builds(NoOp, at_ms=AT),
    st.builds(Deleted, incarnation=NAME),
)
MARKS = st.builds(Marks, invoked=NUMBER, control=NUMBER, sent=NUMBER)


@st.composite
def logs(draw):
    """A log as some worker could have written it, ending anywhere."""
    entries = [draw(CREATE)]
    hints = st.lists(HINT | st.builds(NoOp), max_size=2)
    for _ in range(draw(st.integers(0, 4))):
        invoked = draw(INVOKED)
        entries += [*draw(hints), invoked]
        for _ in range(draw(st.integers(0, 3))):
            entries += [*draw(hints), draw(IMPORTED)]
        completed = ExportedFunctionCompleted(
            idempotency_key=invoked.idempotency_key, **draw(RESULTS)
        )
        entries += [*draw(hints), completed]
    return entries[: draw(st.integers(1, len(entries)))]


def commits_of(entries, cuts):
    """The entries as a chain of commits, cut at some indices."""
    bounds = sorted({0, len(entries), *(cut for cut in cuts if cut < len(entries))})
    previous = GENESIS_HASH
    chain = []
    for start, end in itertools.pairwise(bounds):
        encoded = encode(start + 1, entries[start:end], Marks(), previous)
        chain.append((start + 1, previous, encoded))
        previous = encoded.hash
    return chain


def decoded(chain):
    for number, (first, previous, encoded) in enumerate(chain, 1):
        commit = decode(
            encoded.data, encoded.headers, expected_first=first, expected_previous=previous
        )
        yield commit, number


def replay(cursor, entries):
    """Run a guest that does exactly what the log says; return what it was answered."""
    answers = []
    for entry in entries:
        match entry:
            case ExportedFunctionInvoked():
                answers.append(cursor.next_invocation())
            case ImportedFunctionInvoked():
                answers.append(cursor.answer(entry.function, entry.request))
            case ExportedFunctionCompleted():
                answers.append(cursor.completed(result=entry.result, error=entry.error))
            case _:
                pass
    return answers


@given(st.integers(0, 10**9), st.lists(ANY, min_size=1, max_size=8), MARKS, TEXT)
def test_whatever_is_encoded_decodes_to_the_same(first, entries, marks, previous):
    encoded = encode(first, entries, marks, previous)

    commit = decode(encoded.data, encoded.headers, expected_first=first, expected_previous=previous)

    assert commit == Commit(first, tuple(entries), marks, previous, encoded.hash)
    assert encode(first, commit.entries, marks, previous) == encoded


@given(st.data(), st.booleans())
def test_a_flipped_bit_anywhere_is_noticed(data, large):
    entries = [data.draw(ANY)]
    if large:
        entries += [Log(level="stdout", message=f"{n}") for n in range(200)]
    encoded = encode(1, entries, Marks(invoked=7), GENESIS_HASH)
    damaged = bytearray(encoded.data)
    bit = data.draw(st.integers(0, len(damaged) * 8 - 1))
    damaged[bit // 8] ^= 1 << bit % 8

    # A bit of a compressed frame that carries no information may flip without changing the content.
    outcome = None
    with contextlib.suppress(CorruptLogError):
        outcome = decode(
            bytes(damaged), encoded.headers, expected_first=1, expected_previous=GENESIS_HASH
        )

    assert outcome is None or (large and outcome.entries == tuple(entries))


@given(st.data())
def test_a_damaged_header_is_noticed(data):
    encoded = encode(3, [NoOp(), NoOp()], Marks(invoked=7, control=8, sent=2), "ab")
    name = data.draw(st.sampled_from(sorted(encoded.headers)))
    value = data.draw(st.text(st.characters(max_codepoint=127), max_size=8))
    assume(name != "Shem-Types")
    # Leading zeros write the same number.
    assume(value.lstrip("0") != encoded.headers[name].lstrip("0"))

    refused = False
    try:
        decode(
            encoded.data,
            {**encoded.headers, name: value},
            expected_first=3,
            expected_previous="ab",
        )
    except CorruptLogError:
        refused = True

    assert refused


@given(logs(), st.sets(st.integers(1, 20), max_size=6), st.data())
def test_every_prefix_of_a_log_replays_to_its_own_state(entries, cuts, data):
    entries = entries[: data.draw(st.integers(1, len(entries)))]
    cursor = Cursor(decoded(commits_of(entries, cuts)))

    answers = replay(cursor, entries)

    assert None not in answers
    assert cursor.at_end
    assert cursor.created == entries[0]
    assert cursor.status.status() == fold(entries)
    outcomes = {}
    for index, entry in enumerate(entries, 1):
        if isinstance(
            entry, ExportedFunctionCompleted | InvocationRejected | CancelPendingInvocation
        ):
            outcomes.setdefault(entry.idempotency_key, index)
    assert {key: ref.index for key, ref in cursor.outcomes.items()} == outcomes
    for key, ref in cursor.outcomes.items():
        held = [first for first, _, _ in commits_of(entries, cuts)]
        assert held[ref.log_sequence - 1] <= ref.index, key
    if cursor.current is None:
        assert cursor.next_invocation() is None
    else:
        assert cursor.answer("anything") is None


@given(logs(), st.sets(st.integers(1, 20), max_size=6))
def test_output_after_the_last_answer_is_recognised_as_often_as_it_was_written(entries, cuts):
    cursor = Cursor(decoded(commits_of(entries, cuts)))
    replay(cursor, entries)
    tail = []
    for entry in reversed(entries):
        if isinstance(
            entry, ExportedFunctionInvoked | ImportedFunctionInvoked | ExportedFunctionCompleted
        ):
            break
        tail += [entry] if isinstance(entry, Log) else []

    assert all(cursor.already_logged(log.level, log.message) for log in tail)
    assert not cursor.already_logged("stdout", "a")
    assert not cursor.already_logged("warn", "b")


@given(logs())
def test_every_entry_is_shown_on_one_line(entries):
    for index, entry in enumerate(entries, 1):
        shown = line(index, entry)
        assert shown.isprintable()
        assert shown.lstrip().startswith(f"{index}  ")


SUBJECT = subjects.log("c", "w", 4)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from(["add", "large", "mark", "turn", "open", "hold"]), max_size=40),
    st.integers(0, 3),
)
def test_group_commit_keeps_every_entry_once_in_order_with_marks_that_never_overtake(
    script, crash_after
):
    """A writer is driven through turns and held appends, then dropped: a prefix is stored."""

    async def body():
        cluster = MemoryCluster(partitions=4)
        broker = cluster.connect()
        ids = itertools.count()
        announced, called, added = [], [], []
        writer = Writer(
            journal=broker.journal,
            blobs=broker.blobs,
            subject=SUBJECT,
            head=Head(),
            next_message_id=lambda: f"m-{next(ids)}",
            sent_mark=lambda: announced[-1] if announced else 0,
            on_commit=lambda commit, _: announced.append(commit.last),
            on_failure=called.append,
        )

        def add(entry):
            index = writer.add(entry, invoked=len(added) * 10)
            added.append(entry)
            writer.when_committed(index, lambda: called.append(index))

        add(Create(incarnation="i", component="c", worker="w", component_version=0))
        gates = []
        large = b'"' + b"x" * limits.INLINE_BYTES_MAX + b'"'
        for number, step in enumerate(script):
            match step:
                case "add":
                    add(Log(level="stdout", message=str(number)))
                case "large":
                    add(
                        ImportedFunctionInvoked(
                            function=str(number), response=Raw(large), kind="read-remote"
                        )
                    )
                case "mark":
                    writer.mark(invoked=len(added) * 10 - 5)
                case "turn":
                    await asyncio.sleep(0)
                case "hold":
                    gates.append(cluster.faults.hold_next_append())
                case "open" if gates:
                    gates.pop(0).open()
                case _:
                    pass
        for _ in range(crash_after):
            await asyncio.sleep(0)
        await writer.close()

        log = await load(broker.journal, broker.blobs, SUBJECT)
        stored = [await log.internalise(entry) for _, entry, _ in log.entries()]
        assert stored == added[: len(stored)]
        assert writer.committed_index <= len(stored)
        assert called == list(range(1, writer.committed_index + 1))
        for commit, _ in log.commits():
            # Message 10·n was consumed by entry n + 1; whatever is marked stands in the log.
            assert commit.marks.invoked // 10 <= commit.last
            assert commit.marks.sent < commit.first

    asyncio.run(body())


@settings(max_examples=40, deadline=None)
@given(logs(), st.integers(1, 6), st.integers(1, 5))
def test_pages_give_the_whole_log_in_order(entries, size, start):
    async def body():
        cluster = MemoryCluster(partitions=4)
        broker = cluster.connect()
        first = 1
        sequence = 0
        previous = GENESIS_HASH
        for at in range(0, len(entries), size):
            encoded = encode(first, entries[at : at + size], Marks(), previous)
            sequence = await broker.journal.append(
                SUBJECT,
                encoded.data,
                message_id=f"m-{at}",
                expected_sequence=sequence,
                headers=encoded.headers,
            )
            first, previous = first + len(entries[at : at + size]), encoded.hash
        log = await load(broker.journal, broker.blobs, SUBJECT)

        seen = []
        at = start
        while at is not None:
            part = page(log, start=at, limit=size)
            assert len(part.entries) <= size
            seen += [entry.index for entry in part.entries]
            at = part.next

        assert seen == list(range(start, len(entries) + 1))

    asyncio.run(body())
