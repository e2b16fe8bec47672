"""Entries as text for people: one line each, in columns, without colours.

    4  2026-11-22 21:31:12.345  imported-function-invoked   wasi:clocks/wall-clock.{now}() = 17

Long values are cut in the middle of nowhere and say so with `…`; control characters are escaped, so
that a guest's output cannot take over a terminal or pretend to be another line.
"""

from collections.abc import Iterable, Iterator
from typing import assert_never

from msgspec import Raw, UnsetType

from oplog import payloads
from oplog.codec import type_name
from oplog.entries import (
    BeginAtomicRegion,
    BeginRemoteTransaction,
    BeginRemoteWrite,
    CancelPendingInvocation,
    ChangePersistenceLevel,
    ChangeRetryPolicy,
    ClientMessage,
    CommandDone,
    CommittedRemoteTransaction,
    Create,
    Deleted,
    EndAtomicRegion,
    EndRemoteWrite,
    Entry,
    ErrorEntry,
    Exited,
    ExportedFunctionCompleted,
    ExportedFunctionInvoked,
    FailedUpdate,
    Failure,
    FinishSpan,
    ImportedFunctionInvoked,
    Interrupted,
    InvocationRejected,
    Jump,
    Log,
    Mark,
    NoOp,
    Order,
    PendingUpdate,
    PreCommitRemoteTransaction,
    PreRollbackRemoteTransaction,
    PromiseCompleted,
    Purged,
    RemoteCall,
    Restart,
    Revert,
    RolledBackRemoteTransaction,
    SetSpanAttribute,
    Snapshot,
    SnapshotFailed,
    StartSpan,
    SuccessfulUpdate,
    Suspend,
    WorkerRetryPolicy,
)
from oplog.limits import RENDER_CHARACTERS_MAX
from oplog.public import timestamp

__all__ = ["line", "lines"]

# The few longer names push their text to the right, instead of all others.
_TYPE_WIDTH = len("exported-function-completed")
_MOMENT_WIDTH = len("2026-11-22 21:31:12.345")
_INDEX_WIDTH = 6


def line(index: int, entry: Entry) -> str:
    """Return one entry as a line without line end."""
    moment = ""
    if entry.at_ms:
        moment = timestamp(entry.at_ms).replace("T", " ").removesuffix("Z")
    start = f"{index:>{_INDEX_WIDTH}}  {moment:<{_MOMENT_WIDTH}}"
    return _printable(f"{start}  {type_name(entry):<{_TYPE_WIDTH}}  {_text(entry)}").rstrip()


def lines(entries: Iterable[tuple[int, Entry]]) -> Iterator[str]:
    """Yield the lines of entries with their indices."""
    for index, entry in entries:
        yield line(index, entry)


def _text(entry: Entry) -> str:
    match entry:
        case Create():
            return _create(entry)
        case ExportedFunctionInvoked():
            caller = entry.caller
            by = "" if caller is None else f" from {caller.component}/{caller.worker}"
            return f"{_call(entry.function, entry.params)}  key {_short(entry.idempotency_key)}{by}"
        case ExportedFunctionCompleted():
            function = "" if entry.function is None else f"{_short(entry.function)} = "
            return f"{function}{_outcome(entry)}  key {_short(entry.idempotency_key)}"
        case ImportedFunctionInvoked():
            request = None if isinstance(entry.request, UnsetType) else entry.request
            if isinstance(entry.asks, RemoteCall):
                return _remote_call(entry.asks, request)
            if isinstance(entry.asks, ClientMessage):
                return f"to client {_short(entry.asks.client)}"
            if isinstance(entry.asks, Order):
                return f"to {_short(entry.asks.component)}/{_short(entry.asks.worker)}"
            whole = entry.begin_index if entry.settles is None else entry.settles
            part = "" if whole is None else f"  of {whole}"
            call = _call(entry.function, request)
            return f"{call} = {_value(entry.response)}  {entry.kind}{part}"
        case InvocationRejected():
            function = "" if entry.function is None else f"{_short(entry.function)}  "
            return f"{function}{_failure(entry.error)}  key {_short(entry.idempotency_key)}"
        case ErrorEntry():
            then = "given up"
            if entry.retry_at_ms is not None:
                then = f"again at {timestamp(entry.retry_at_ms)}"
            return f"{_failure(entry.error)}  attempt {entry.attempt}, {then}"
        case Suspend():
            parts = [f"for {', '.join(map(str, entry.waits_for))}"] if entry.waits_for else []
            if entry.wake_at_ms is not None:
                parts.append(f"until {timestamp(entry.wake_at_ms)}")
            return " or ".join(parts)
        case Exited():
            return f"code {entry.code}"
        case PromiseCompleted():
            return f"made at {entry.promise_index}"
        case CommandDone():
            caller = entry.caller
            by = "" if caller is None else f" from {caller.component}/{caller.worker}"
            outcome = "" if entry.error is None else f"  {_failure(entry.error)}"
            return f"{entry.command}{by}{outcome}"
        case CancelPendingInvocation():
            return f"key {_short(entry.idempotency_key)}"
        case Log():
            context = f"[{_short(entry.context)}] " if entry.context else ""
            return f"{entry.level}: {context}{_short(entry.message)}"
        case Purged():
            return f"up to entry {entry.index}"
        case WorkerRetryPolicy():
            return entry.text or "as its component has it"
        case Deleted():
            return f"incarnation {entry.incarnation}"
        case Interrupted() | Restart():
            return ""
        case _:
            return _mark(entry)


def _mark(
    entry: Mark
    | Jump
    | Revert
    | ChangePersistenceLevel
    | PendingUpdate
    | SuccessfulUpdate
    | FailedUpdate
    | Snapshot
    | SnapshotFailed,
) -> str:
    match entry:
        case NoOp():
            return "" if entry.function is None else _short(entry.function)
        case BeginAtomicRegion():
            return ""
        case Jump() | Revert():
            return f"entries {entry.start} to {entry.end}"
        case BeginRemoteWrite():
            return f"{_short(entry.function)}{'' if entry.idempotent else '  at most once'}"
        case BeginRemoteTransaction():
            return f"{_short(entry.function)}  transaction {_short(entry.transaction_id)}"
        case (
            EndAtomicRegion()
            | EndRemoteWrite()
            | PreCommitRemoteTransaction()
            | PreRollbackRemoteTransaction()
            | CommittedRemoteTransaction()
            | RolledBackRemoteTransaction()
        ):
            return f"begun at {entry.begin_index}"
        case (
            ChangeRetryPolicy()
            | ChangePersistenceLevel()
            | PendingUpdate()
            | SuccessfulUpdate()
            | FailedUpdate()
        ):
            return _change(entry)
        case StartSpan():
            below = "" if entry.parent is None else f" below {_short(entry.parent)}"
            return f"{_short(entry.span_id)} {_short(entry.name)}{below}"
        case FinishSpan():
            return _short(entry.span_id)
        case SetSpanAttribute():
            return f"{_short(entry.span_id)} {_short(entry.key)} = {_short(entry.value)}"
        case Snapshot():
            return f"up to entry {entry.index}, {entry.size} bytes, {entry.took_us / 1_000:.1f} ms"
        case SnapshotFailed():
            return f"{entry.operation}: {_short(entry.reason)}"
        case _:
            assert_never(entry)


def _change(
    entry: ChangeRetryPolicy
    | ChangePersistenceLevel
    | PendingUpdate
    | SuccessfulUpdate
    | FailedUpdate,
) -> str:
    match entry:
        case ChangeRetryPolicy(policy=policy):
            return (
                f"{policy.max_attempts} attempts, {policy.min_delay_ns / 1e9:g} s to "
                f"{policy.max_delay_ns / 1e9:g} s, times {policy.multiplier:g}"
            )
        case ChangePersistenceLevel():
            return entry.level
        case PendingUpdate():
            return f"to version {entry.target_version}, {entry.mode}"
        case SuccessfulUpdate():
            return f"to version {entry.target_version}"
        case FailedUpdate():
            why = "" if entry.details is None else f": {_short(entry.details)}"
            return f"to version {entry.target_version}{why}"


def _remote_call(call: RemoteCall, params: Raw | None) -> str:
    target = f"{_short(call.component)}/{_short(call.worker)}"
    when = "" if call.run_at_ms is None else f"  at {timestamp(call.run_at_ms)}"
    return f"calls {target} {_call(call.function, params)}{when}  key {_short(call.key)}"


def _create(entry: Create) -> str:
    parts = [
        f"{_short(entry.component)}/{_short(entry.worker)} version {entry.component_version}",
        f"incarnation {entry.incarnation}",
    ]
    if entry.args:
        parts.append(f"args {_short(' '.join(entry.args))}")
    if entry.env:
        # Values of the environment are where secrets live.
        parts.append(f"env {_short(' '.join(name for name, _ in entry.env))}")
    if entry.parent is not None:
        parts.append(f"parent {_short(entry.parent)}")
    return "  ".join(parts)


def _call(function: str, values: Raw | None) -> str:
    if values is None:
        return f"{_short(function)}()"
    text = _value(values)
    if text.startswith("[") and text.endswith("]"):
        text = text[1:-1]
    return f"{_short(function)}({text})"


def _outcome(entry: ExportedFunctionCompleted) -> str:
    if entry.error is not None:
        return _failure(entry.error)
    return "done" if isinstance(entry.result, UnsetType) else _value(entry.result)


def _failure(error: Failure) -> str:
    return f"{error.kind}: {_short(error.message)}"


def _value(value: Raw) -> str:
    if payloads.is_reference(value):
        return f"<{payloads.referenced_size(value)} bytes in the blob store>"
    # A character has at most four bytes: enough are decoded to tell that there is more.
    start = bytes(memoryview(value)[: 4 * RENDER_CHARACTERS_MAX + 4])
    return _short(start.decode(errors="ignore"))


def _short(text: str) -> str:
    if len(text) <= RENDER_CHARACTERS_MAX:
        return text
    return f"{text[:RENDER_CHARACTERS_MAX]}…"


def _printable(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )
