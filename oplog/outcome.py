"""Outcomes read back: the log is the only place that keeps them, for ever."""

from typing import TypeAlias

from broker.ports import Blobs, Journal
from oplog import headers as commit_headers
from oplog import payloads
from oplog.archive import archived_commit
from oplog.codec import decode
from oplog.entries import (
    CancelPendingInvocation,
    ExportedFunctionCompleted,
    InvocationRejected,
)
from oplog.errors import CorruptLogError
from oplog.replay import OutcomeRef

__all__ = ["Outcome", "read_outcome"]

Outcome: TypeAlias = ExportedFunctionCompleted | InvocationRejected | CancelPendingInvocation


async def read_outcome(journal: Journal, blobs: Blobs, subject: str, ref: OutcomeRef) -> Outcome:
    """Return the outcome that stands at `ref` of the log `subject`, its result fetched as well.

    The commit is checked against its own hash; its place in the chain was checked when the worker
    was loaded.

    Raises:
        CorruptLogError: there is no outcome at `ref`, or not intact; also after the worker was
            deleted.
    """
    message = await journal.get(subject, ref.log_sequence)
    if message is None:
        message = await archived_commit(blobs, subject, ref.index)
    if message is None:
        problem = "the commit that holds an outcome is gone"
        raise CorruptLogError(problem, index=ref.index, sequence=ref.log_sequence)
    peek = commit_headers.peek(message.headers, sequence=message.sequence)
    commit = decode(
        message.data,
        message.headers,
        expected_first=peek.first,
        expected_previous=None,
        sequence=message.sequence,
    )
    if not commit.first <= ref.index <= commit.last:
        problem = f"the commit holds entries {commit.first} to {commit.last}, not the outcome"
        raise CorruptLogError(problem, index=ref.index, sequence=ref.log_sequence)
    (entry,) = await payloads.internalise((commit.entries[ref.index - commit.first],), blobs)
    if isinstance(entry, Outcome):
        return entry
    problem = f"{type(entry).__name__} stands where an outcome should"
    raise CorruptLogError(problem, index=ref.index, sequence=ref.log_sequence)
