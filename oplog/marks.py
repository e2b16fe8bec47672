"""What of a mark has to be the same when the guest comes by again."""

from typing import assert_never

from oplog.entries import (
    BeginAtomicRegion,
    BeginRemoteTransaction,
    BeginRemoteWrite,
    ChangeRetryPolicy,
    CommittedRemoteTransaction,
    EndAtomicRegion,
    EndRemoteWrite,
    FinishSpan,
    Mark,
    NoOp,
    PreCommitRemoteTransaction,
    PreRollbackRemoteTransaction,
    RolledBackRemoteTransaction,
    SetSpanAttribute,
    StartSpan,
)

__all__ = ["describe_mark", "same_mark"]


def same_mark(recorded: Mark, ours: Mark) -> bool:
    """Tell whether two marks of the same type say the same of what the guest does."""
    return type(recorded) is type(ours) and describe_mark(recorded) == describe_mark(ours)


def describe_mark(mark: Mark) -> str:
    """Return what a mark says the guest does, without times and identifiers given out for it."""
    match mark:
        case NoOp():
            return f"a call of {mark.function}"
        case BeginAtomicRegion():
            return "the begin of an atomic region"
        case BeginRemoteWrite():
            once = "" if mark.idempotent else ", not to be repeated"
            return f"the begin of a remote write by {mark.function}{once}"
        case BeginRemoteTransaction():
            return f"the begin of a transaction by {mark.function}"
        case EndAtomicRegion():
            return f"the end of the atomic region that began at {mark.begin_index}"
        case EndRemoteWrite():
            return f"the end of the remote write that began at {mark.begin_index}"
        case PreCommitRemoteTransaction() | CommittedRemoteTransaction():
            what = "intent" if isinstance(mark, PreCommitRemoteTransaction) else "end"
            return f"the commit ({what}) of the transaction that began at {mark.begin_index}"
        case PreRollbackRemoteTransaction() | RolledBackRemoteTransaction():
            what = "intent" if isinstance(mark, PreRollbackRemoteTransaction) else "end"
            return f"the rollback ({what}) of the transaction that began at {mark.begin_index}"
        case ChangeRetryPolicy():
            return f"the choice of the retry policy {mark.policy}"
        case StartSpan():
            return f"the start of the span {mark.name!r}"
        case FinishSpan():
            return f"the end of the span {mark.span_id}"
        case SetSpanAttribute():
            return f"the attribute {mark.key!r} of the span {mark.span_id}"
        case _:
            assert_never(mark)
