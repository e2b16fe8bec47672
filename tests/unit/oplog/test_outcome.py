"""Outcomes read back from the log."""

import pytest

from oplog.entries import Failure, InvocationRejected, Raw
from oplog.errors import CorruptLogError
from oplog.limits import INLINE_BYTES_MAX
from oplog.outcome import read_outcome
from oplog.replay import Cursor, OutcomeRef


def test_an_outcome_is_read_back_by_what_the_cursor_collected(run, make):
    async def body(world):
        large = Raw(b'"' + b"x" * INLINE_BYTES_MAX + b'"')
        rejected = InvocationRejected(
            idempotency_key="bad", sequence=3, error=Failure(kind="bad-message", message="?")
        )
        log = await world.write(
            [make.create(), make.invoked("k1")],
            [make.completed("k1", result=large), rejected],
        )
        cursor = Cursor(log.commits())
        cursor.next_invocation()
        cursor.completed(result=large)

        found = {
            key: await read_outcome(world.journal, world.blobs, world.subject, ref)
            for key, ref in cursor.outcomes.items()
        }

        assert found == {"k1": make.completed("k1", result=large), "bad": rejected}

    run(body)


@pytest.mark.parametrize(
    ("index", "complaint"),
    [(1, "Create stands where an outcome should"), (9, "holds entries 1 to 2, not the outcome")],
)
def test_a_reference_to_something_else_is_corrupt(run, make, index, complaint):
    async def body(world):
        log = await world.write([make.create(), make.invoked()])

        with pytest.raises(CorruptLogError, match=complaint):
            await read_outcome(
                world.journal, world.blobs, world.subject, OutcomeRef(index, log.head.log_sequence)
            )

    run(body)


def test_an_outcome_of_a_deleted_worker_is_gone(run):
    async def body(world):
        with pytest.raises(CorruptLogError, match="is gone"):
            await read_outcome(world.journal, world.blobs, world.subject, OutcomeRef(1, 77))

    run(body)
