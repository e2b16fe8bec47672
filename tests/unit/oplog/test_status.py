"""The status of a worker as a fold over its log."""

import pytest

from oplog.entries import (
    CancelPendingInvocation,
    Deleted,
    ErrorEntry,
    Exited,
    Failure,
    Interrupted,
    InvocationRejected,
    Log,
    NoOp,
    Restart,
    Suspend,
)
from oplog.status import Status, StatusFold, fold

TRAP = Failure(kind="trap", message="unreachable")
RETRY = ErrorEntry(error=TRAP, attempt=1, retry_at_ms=500)
GIVEN_UP = ErrorEntry(error=TRAP, attempt=3)


def test_nothing_is_idle():
    assert fold([]) == Status()


def test_a_created_worker_is_idle(make):
    status = fold([make.create(component_version=4, at_ms=77)])

    assert status == Status(index=1, component_version=4, created_at_ms=77)


@pytest.mark.parametrize(
    ("tail", "state"),
    [
        ([], "running"),
        ([NoOp()], "running"),
        ([Suspend(wake_at_ms=9)], "suspended"),
        ([RETRY], "retrying"),
        ([GIVEN_UP], "failed"),
        ([Interrupted()], "interrupted"),
        ([Interrupted(), Restart()], "running"),
        ([GIVEN_UP, Restart()], "running"),
        ([Exited(code=3)], "exited"),
        ([RETRY, Log(level="stderr", message="still at it")], "retrying"),
        ([InvocationRejected(idempotency_key="r", sequence=1, error=TRAP)], "running"),
        ([CancelPendingInvocation(idempotency_key="r")], "running"),
        ([Deleted(incarnation="inc1")], "running"),
    ],
)
def test_an_entry_in_an_invocation_decides_the_state(make, tail, state):
    status = fold([make.create(), make.invoked("k", "add"), *tail])

    assert status.state == state
    assert (status.running_key, status.running_function) == ("k", "add")
    assert (status.invocations, status.index) == (1, 2 + len(tail))


def test_progress_after_a_failure_starts_the_count_again(make):
    log = [make.create(), make.invoked(), RETRY]

    assert fold(log).attempt == 1
    assert fold(log).wake_at_ms == 500
    assert fold(log).last_error == TRAP
    status = fold([*log, make.imported()])
    assert (status.state, status.attempt, status.wake_at_ms) == ("running", 0, None)
    assert status.last_error == TRAP


def test_a_completed_invocation_leaves_the_worker_idle_and_forgets_the_error(make):
    status = fold([make.create(), make.invoked(), RETRY, make.completed()])

    assert (status.state, status.last_error, status.running_key) == ("idle", None, None)


@pytest.mark.parametrize(("end", "state"), [(GIVEN_UP, "failed"), (Exited(code=3), "exited")])
def test_failed_and_exited_workers_stay_so_when_their_outcome_is_recorded(make, end, state):
    status = fold([make.create(), make.invoked(), end, make.completed(error=TRAP)])

    assert status.state == state
    assert status.running_key is None


def test_an_exit_code_is_kept(make):
    assert fold([make.create(), make.invoked(), Exited(code=3)]).exit_code == 3


def test_an_interrupted_idle_worker_is_idle_again_after_restart(make):
    assert fold([make.create(), Interrupted(), Restart()]).state == "idle"


def test_an_invocation_wakes_an_interrupted_worker(make):
    assert fold([make.create(), Interrupted(), make.invoked()]).state == "running"


def test_what_waits_in_the_mailbox_is_filled_in_by_the_caller(make):
    folded = StatusFold()
    folded.apply(1, make.create())

    assert folded.status(pending=3).pending == 3
