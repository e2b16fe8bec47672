"""The replay cursor, on logs that never saw a broker."""

import pytest
from msgspec import UNSET

from oplog.codec import encode
from oplog.commit import Commit, Marks
from oplog.entries import (
    CancelPendingInvocation,
    Deleted,
    ErrorEntry,
    Failure,
    Interrupted,
    InvocationRejected,
    Log,
    NoOp,
    Raw,
    Restart,
    Suspend,
)
from oplog.errors import CorruptLogError, DivergenceError
from oplog.payloads import equals_reference
from oplog.replay import Cursor, OutcomeRef


def cursor(*batches):
    """A cursor over commits that hold these entries; their stream sequences are 10, 20, …."""
    commits = []
    first = 1
    for number, entries in enumerate(batches, 1):
        commits.append((Commit(first, tuple(entries), Marks(), "", ""), number * 10))
        first += len(entries)
    return Cursor(commits)


def failure(kind="trap", message="unreachable"):
    return Failure(kind=kind, message=message)


def out(message, level="stdout", context=""):
    return Log(level=level, message=message, context=context)


def test_an_empty_log_is_live_at_once():
    replay = cursor()

    assert replay.at_end
    assert replay.created is None
    assert replay.next_invocation() is None


def test_a_whole_invocation_is_answered_in_order(make):
    replay = cursor(
        [make.create(), make.invoked("k1")],
        [make.imported("now", b"17"), make.imported("random", b"4")],
        [make.completed("k1", result=Raw(b"21"))],
    )

    assert replay.created == make.create()
    assert replay.next_invocation() == make.invoked("k1")
    assert replay.answer("now") == Raw(b"17")
    assert replay.index == 3
    assert replay.answer("random") == Raw(b"4")
    assert not replay.at_end
    assert replay.completed(result=Raw(b"21")) == make.completed("k1", result=Raw(b"21"))
    assert replay.at_end
    assert (replay.index, replay.current) == (5, None)
    assert replay.next_invocation() is None
    assert replay.outcomes == {"k1": OutcomeRef(5, 30)}


def test_the_time_of_the_last_answer_is_known(make):
    replay = cursor([make.create(at_ms=5), out("a"), make.invoked(at_ms=7), make.imported(at_ms=9)])

    assert replay.consumed_ms == 5
    replay.next_invocation()
    assert replay.consumed_ms == 7
    replay.answer("now")
    assert replay.consumed_ms == 9


def test_the_log_may_end_in_the_middle_of_an_invocation(make):
    replay = cursor([make.create(), make.invoked(), make.imported("now", b"17")])

    assert replay.next_invocation() is not None
    assert replay.answer("now") == Raw(b"17")
    assert replay.at_end
    assert replay.answer("now") is None
    assert replay.current == make.invoked()
    assert replay.completed(result=Raw(b"1")) is None
    assert replay.current is None
    assert replay.next_invocation() is None


def test_host_calls_of_the_instantiation_come_before_the_first_invocation(make):
    replay = cursor([make.create(), make.imported("random", b"4"), make.invoked()])

    assert replay.answer("random") == Raw(b"4")
    assert replay.next_invocation() == make.invoked()


def test_another_host_call_than_recorded_is_a_divergence(make):
    replay = cursor([make.create(), make.invoked(), make.imported("now")])
    replay.next_invocation()

    with pytest.raises(DivergenceError) as caught:
        replay.answer("random")
    assert (caught.value.expected, caught.value.got, caught.value.index) == (
        "a call of now",
        "a call of random",
        3,
    )


def test_another_request_than_recorded_is_a_divergence(make):
    replay = cursor([make.create(), make.invoked(), make.imported("get", request=Raw(b'["a"]'))])
    replay.next_invocation()

    with pytest.raises(DivergenceError, match=r'call of get with \["a"\], not one with \["b"\]'):
        replay.answer("get", Raw(b'["b"]'))


@pytest.mark.parametrize("request_", [UNSET, Raw(b'["a"]'), Raw(b'[ "a" ]')])
def test_a_request_is_compared_only_where_both_sides_know_it(make, request_):
    replay = cursor(
        [make.create(), make.imported("get", request=Raw(b'["a"]')), make.imported("get")]
    )

    assert replay.answer("get", request_) == Raw(b"1")
    assert replay.answer("get", Raw(b'["b"]')) == Raw(b"1")


def test_a_host_call_too_many_is_a_divergence(make):
    replay = cursor([make.create(), make.invoked(), make.completed(result=Raw(b"1"))])
    replay.next_invocation()

    with pytest.raises(DivergenceError, match="the log has the result 1, not a call of now"):
        replay.answer("now")


def test_a_host_call_too_few_is_a_divergence(make):
    replay = cursor([make.create(), make.invoked(), make.imported("now")])
    replay.next_invocation()

    with pytest.raises(DivergenceError, match="has a call of now, not the end of the invocation"):
        replay.completed()


def test_a_host_call_missing_before_the_first_invocation_is_a_divergence(make):
    replay = cursor([make.create(), make.imported("now"), make.invoked()])

    with pytest.raises(DivergenceError, match="has a call of now, not the next invocation"):
        replay.next_invocation()


@pytest.mark.parametrize(
    ("recorded", "ours"),
    [
        ({"result": Raw(b"1")}, {"result": Raw(b"2")}),
        ({"result": Raw(b"1")}, {}),
        ({}, {"result": Raw(b"null")}),
        ({"result": Raw(b"1")}, {"error": failure()}),
        ({"error": failure()}, {"result": Raw(b"1")}),
        ({"error": failure("trap")}, {"error": failure("exited")}),
    ],
)
def test_another_outcome_than_recorded_is_a_divergence(make, recorded, ours):
    replay = cursor([make.create(), make.invoked(), make.completed(**recorded)])
    replay.next_invocation()

    with pytest.raises(DivergenceError) as caught:
        replay.completed(**ours)
    assert caught.value.index == 3


@pytest.mark.parametrize(
    ("recorded", "ours"),
    [
        ({"result": Raw(b'{"a":1,"b":2}')}, {"result": Raw(b'{"b": 2, "a": 1}')}),
        ({}, {}),
        ({"error": failure("trap", "at 0x1")}, {"error": failure("trap", "at 0x2")}),
    ],
)
def test_the_same_outcome_written_in_another_way_is_the_same(make, recorded, ours):
    replay = cursor([make.create(), make.invoked(), make.completed(**recorded)])
    replay.next_invocation()

    assert replay.completed(**ours) == make.completed(**recorded)


def test_a_large_outcome_is_compared_by_its_digest(make):
    reference = Raw(
        b'{"$blob":"payload/inc1/3-x","size":3,"sha256":'
        b'"2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"}'
    )
    assert equals_reference(Raw(b"foo"), reference)
    log = [make.create(), make.invoked(), make.completed(result=reference)]

    same, other = cursor(log), cursor(log)
    same.next_invocation()
    other.next_invocation()

    assert same.completed(result=Raw(b"foo")) == log[2]
    with pytest.raises(DivergenceError):
        other.completed(result=Raw(b"bar"))


def test_hints_are_passed_over_and_folded(make):
    rejected = InvocationRejected(idempotency_key="bad", sequence=4, error=failure("bad-message"))
    replay = cursor(
        [make.create(), rejected, make.invoked("k1")],
        [Suspend(), Interrupted(), Restart(), NoOp(), make.imported()],
        [
            ErrorEntry(error=failure(), attempt=1, retry_at_ms=5),
            ErrorEntry(error=failure(), attempt=2, retry_at_ms=6),
            CancelPendingInvocation(idempotency_key="gone"),
        ],
    )

    assert replay.outcomes == {"bad": OutcomeRef(2, 10)}
    replay.next_invocation()
    assert replay.status.state == "running"
    assert replay.answer("now") is not None
    assert replay.at_end
    assert (replay.status.state, replay.status.attempt, replay.status.index) == ("retrying", 2, 11)
    assert replay.index == 8
    assert replay.outcomes["gone"] == OutcomeRef(11, 30)


def test_the_first_outcome_of_a_key_stays(make):
    replay = cursor(
        [make.create(), make.invoked("k"), make.completed("k")],
        [CancelPendingInvocation(idempotency_key="k")],
    )
    replay.next_invocation()
    replay.completed()

    assert replay.outcomes == {"k": OutcomeRef(3, 10)}


def test_output_before_the_end_is_never_new(make):
    replay = cursor([make.create(), make.invoked(), out("a"), make.imported()])
    replay.next_invocation()

    assert replay.already_logged("stdout", "a")
    assert replay.already_logged("stdout", "whatever")


def test_output_at_the_border_is_new_after_as_many_lines_as_the_log_has(make):
    replay = cursor(
        [make.create(), make.invoked(), out("old"), make.imported()],
        [out("a"), out("a"), out("b", "warn", "ctx")],
    )
    replay.next_invocation()
    replay.answer("now")

    assert replay.already_logged("stdout", "a")
    assert not replay.already_logged("stdout", "old")
    assert not replay.already_logged("warn", "b")
    assert replay.already_logged("warn", "b", context="ctx")
    assert replay.already_logged("stdout", "a")
    assert not replay.already_logged("stdout", "a")


def test_all_output_is_new_once_the_guest_has_asked_for_something_new(make):
    replay = cursor([make.create(), make.invoked(), out("a")])
    replay.next_invocation()

    assert replay.answer("now") is None
    assert not replay.already_logged("stdout", "a")


def test_a_completion_without_invocation_is_corrupt(make):
    replay = cursor([make.create(), make.completed()])

    with pytest.raises(CorruptLogError, match="stands where the next invocation should"):
        replay.next_invocation()


def test_an_invocation_inside_another_is_corrupt(make):
    replay = cursor([make.create(), make.invoked("k1"), make.invoked("k2")])
    replay.next_invocation()

    with pytest.raises(CorruptLogError, match="'k2' stands where") as caught:
        replay.completed()
    assert (caught.value.index, caught.value.sequence) == (3, 10)


@pytest.mark.parametrize("name", ["create", "deleted"])
def test_a_second_beginning_is_corrupt(make, name):
    entry = make.create() if name == "create" else Deleted(incarnation="inc1")

    with pytest.raises(CorruptLogError, match="in the middle of a log"):
        cursor([make.create(), entry])


def test_commits_are_taken_only_when_the_cursor_gets_there(make):
    taken = []

    def commits():
        for first, entries in ((1, (make.create(), make.invoked())), (3, (make.imported(),))):
            taken.append(first)
            encoded = encode(first, entries, Marks(), "")
            yield Commit(first, entries, Marks(), "", encoded.hash), first

    replay = Cursor(commits())
    assert taken == [1]
    replay.next_invocation()
    assert taken == [1, 3]
