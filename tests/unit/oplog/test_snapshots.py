"""Whether a snapshot still says what the log says."""

import pytest

from oplog.entries import Create, Jump, PendingUpdate, Raw, Revert, SuccessfulUpdate
from oplog.plan import plan_of
from oplog.snapshots import Base, SavedCommit, holds_at
from oplog.status import FoldState, StatusFold

CREATED = Create(incarnation="i", component="c", worker="w", component_version=0)
BEFORE = [(8, Jump(start=4, end=7))]


def base(index, structural):
    return Base(
        commit=SavedCommit(index=index, log_sequence=99, hash="h"),
        blob="snapshot/i/20-x",
        size=1,
        sha256="x",
        at_ms=0,
        created=CREATED,
        status=FoldState(state="idle", index=index),
        last_ms=0,
        structural=tuple(structural),
    )


@pytest.mark.parametrize(
    ("behind", "holds"),
    [
        ([], True),
        ([(30, Revert(start=21, end=29))], True),
        ([(30, Revert(start=20, end=29))], False),
        ([(30, Revert(start=2, end=29))], False),
        ([(30, Jump(start=25, end=29))], True),
        ([(30, Jump(start=19, end=29))], False),
        # What was jumped over, and then never happened.
        ([(30, Jump(start=19, end=29)), (35, Revert(start=18, end=34))], False),
        ([(30, Jump(start=19, end=29)), (35, Revert(start=25, end=34))], True),
        ([(30, PendingUpdate(target_version=1)), (31, SuccessfulUpdate(target_version=1))], True),
        (
            [
                (30, PendingUpdate(target_version=1, snapshot=Raw(b'""'))),
                (31, SuccessfulUpdate(target_version=1)),
            ],
            False,
        ),
    ],
)
def test_a_snapshot_holds_unless_something_before_it_was_taken_back(behind, holds):
    plan = plan_of([*BEFORE, *behind])
    assert holds_at(base(20, BEFORE), plan) is holds


def test_a_fold_goes_on_from_what_it_remembers():
    fold = StatusFold()
    fold.apply(1, CREATED)
    again = StatusFold.resumed(fold.save())
    assert vars(again) == vars(fold)
    assert again.status() == fold.status()
