"""The entries of an oplog: one frozen struct each, tagged by its name in the JSON.

Indices start at 1; entry 1 is always `Create`. An entry holds values as JSON (`Raw`), mapped by
the types of the component (see `wit.json_values`); a value above `limits.INLINE_BYTES_MAX` lies in
the blob store and its place holds `{"$blob": name, "size": n, "sha256": digest}`, which no WIT
value can look like, because WIT names never start with `$`.

*Hints* tell about the worker and are skipped by replay; all other entries are consumed by replay
in order. Names and fields follow Golem's public oplog where it has the same entry. Fields are only
ever added, always with a default, so that old bytes decode for ever.
"""

from typing import Final, TypeAlias

from msgspec import UNSET, Raw, Struct, UnsetType

from oplog.base_entry import BaseEntry
from oplog.region_entries import (
    BeginAtomicRegion,
    BeginRemoteTransaction,
    BeginRemoteWrite,
    ChangePersistenceLevel,
    ChangeRetryPolicy,
    CommittedRemoteTransaction,
    EndAtomicRegion,
    EndRemoteWrite,
    Jump,
    PreCommitRemoteTransaction,
    PreRollbackRemoteTransaction,
    RetryRule,
    Revert,
    RolledBackRemoteTransaction,
    WorkerRetryPolicy,
)
from oplog.snapshot_entries import Purged, Snapshot, SnapshotFailed
from oplog.span_entries import FinishSpan, SetSpanAttribute, StartSpan
from oplog.update_entries import FailedUpdate, PendingUpdate, SuccessfulUpdate

__all__ = [
    "HINTS",
    "Asks",
    "BeginAtomicRegion",
    "BeginRemoteTransaction",
    "BeginRemoteWrite",
    "Caller",
    "CancelPendingInvocation",
    "ChangePersistenceLevel",
    "ChangeRetryPolicy",
    "CommandDone",
    "CommittedRemoteTransaction",
    "Create",
    "Deleted",
    "EndAtomicRegion",
    "EndRemoteWrite",
    "Entry",
    "ErrorEntry",
    "Exited",
    "ExportedFunctionCompleted",
    "ExportedFunctionInvoked",
    "FailedUpdate",
    "Failure",
    "FinishSpan",
    "ImportedFunctionInvoked",
    "Interrupted",
    "InvocationRejected",
    "Jump",
    "Log",
    "Mark",
    "NoOp",
    "Order",
    "PendingUpdate",
    "PreCommitRemoteTransaction",
    "PreRollbackRemoteTransaction",
    "Promise",
    "PromiseCompleted",
    "Purged",
    "RemoteCall",
    "Repeat",
    "Restart",
    "RetryRule",
    "Revert",
    "RolledBackRemoteTransaction",
    "SetSpanAttribute",
    "Snapshot",
    "SnapshotFailed",
    "StartSpan",
    "SuccessfulUpdate",
    "Suspend",
    "WorkerRetryPolicy",
]


class Create(BaseEntry, tag="create", frozen=True, kw_only=True):
    """The worker came to be. `incarnation` is random and tells it from a deleted namesake.

    A copy of another worker, its `parent`, begins with `copied` entries; with fewer it is not done.
    """

    incarnation: str
    component: str
    worker: str
    component_version: int
    args: tuple[str, ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    parent: str | None = None
    copied: int = 0


class ExportedFunctionInvoked(
    BaseEntry, tag="exported-function-invoked", frozen=True, kw_only=True
):
    """An invocation begins. It repeats the whole request, so that replay reads the log alone.

    `sequence` is the stream sequence of the message; `result_to` an inbox that wants the outcome;
    `caller` the worker that waits for a reply, `chain` the callers up to the first; `attributes`
    what whoever invoked says of it.
    """

    function: str
    params: Raw
    idempotency_key: str
    sequence: int
    result_to: str | None = None
    caller: "Caller | None" = None
    chain: tuple[str, ...] = ()
    traceparent: str | None = None
    tracestate: str | None = None
    repeat: "Repeat | None" = None
    attributes: tuple[tuple[str, str], ...] = ()


class Repeat(Struct, frozen=True, kw_only=True, omit_defaults=True, rename="kebab"):
    """An invocation that comes again: its rule, and when it is due (Unix time).

    In an entry `due_ms` is that of the next occurrence, which is scheduled because of the entry.
    """

    id: str
    due_ms: int
    call: str = ""
    cron: str | None = None
    every_ms: int | None = None
    zone: str = "UTC"
    catch_up: str = "one"


class Caller(Struct, frozen=True, kw_only=True, omit_defaults=True, rename="kebab"):
    """Whom to reply to: the worker, its incarnation, and the index of its call.

    `form` says how it wants results: as `json`, or as `wit-value`, a node list that its guest can
    read without knowing the types.
    """

    component: str
    worker: str
    incarnation: str
    index: int
    form: str = "json"


class ExportedFunctionCompleted(
    BaseEntry, tag="exported-function-completed", frozen=True, kw_only=True
):
    """The outcome of the invocation begun last: `result` (unset: none) or `error`, never both.

    `function` repeats what was invoked, so that an outcome can be told from this entry alone.
    """

    idempotency_key: str
    function: str | None = None
    result: Raw | UnsetType = UNSET
    error: "Failure | None" = None


class Failure(Struct, frozen=True, kw_only=True, omit_defaults=True, rename="kebab"):
    """Why an invocation failed: a stable kind for programs and a message for people."""

    kind: str
    message: str


class InvocationRejected(BaseEntry, tag="invocation-rejected", frozen=True, kw_only=True):
    """An invocation whose outcome was decided without running the guest.

    Malformed messages, unknown functions and bad parameters; also what a failed worker still gets.
    """

    idempotency_key: str
    sequence: int
    error: Failure
    result_to: str | None = None
    caller: Caller | None = None
    function: str | None = None
    repeat: Repeat | None = None


class RemoteCall(Struct, frozen=True, kw_only=True, omit_defaults=True, rename="kebab", tag="call"):
    """A call of another worker, whose parameters are the entry's `request`.

    `form` says how those are written: `json`, or `wit-values`. `awaits` is False for a call that
    nobody waits for. `run_at_ms` (Unix time) makes it a scheduled one, `deadline_ms` ends the wait.
    `chain` are the callers up to the first, the calling worker last.
    """

    component: str
    worker: str
    function: str
    key: str
    form: str = "json"
    awaits: bool = True
    run_at_ms: int | None = None
    deadline_ms: int | None = None
    chain: tuple[str, ...] = ()
    traceparent: str | None = None
    tracestate: str | None = None
    attributes: tuple[tuple[str, str], ...] = ()


class Promise(Struct, frozen=True, kw_only=True, omit_defaults=True, rename="kebab", tag="promise"):
    """Something that anybody may complete, once, by naming the worker and the entry's index."""


class Order(Struct, frozen=True, kw_only=True, omit_defaults=True, rename="kebab", tag="order"):
    """A command to a worker, as `body`, which is what an operator would send."""

    component: str
    worker: str
    body: str


class ClientMessage(
    Struct, frozen=True, kw_only=True, omit_defaults=True, rename="kebab", tag="client-message"
):
    """A message to a connected client, which is the entry's `request`. It has no answer.

    `incarnation` is the sender's: a copy of a worker does not send again what its original sent.
    """

    client: str
    incarnation: str


Asks: TypeAlias = RemoteCall | Promise | Order | ClientMessage
"""What a host call asks of the world, to be answered by a message to the worker, or not at all."""


def has_answer(asks: Asks) -> bool:
    """Whether an answer is to come."""
    match asks:
        case RemoteCall():
            return asks.awaits
        case ClientMessage():
            return False
        case Promise() | Order():
            return True


class ImportedFunctionInvoked(
    BaseEntry, tag="imported-function-invoked", frozen=True, kw_only=True
):
    """A host call and its answer. `kind` is the durability kind the answer was recorded under.

    With `asks` the true answer comes later, as a message that names this entry's index; `settles`
    is the index of the entry that asked, once its answer has been observed or is not wanted.
    `begin_index` names the remote write or transaction that it is a part of. `completes` is the
    index of a promise that the guest has completed hereby, with `request`, base64 text.
    """

    function: str
    response: Raw
    kind: str
    request: Raw | UnsetType = UNSET
    begin_index: int | None = None
    asks: Asks | None = None
    settles: int | None = None
    completes: int | None = None


class NoOp(BaseEntry, tag="no-op", frozen=True, kw_only=True):
    """Reserves an index: for the host call `function`, which replay then expects here."""

    function: str | None = None


class Suspend(BaseEntry, tag="suspend", frozen=True, kw_only=True):
    """The worker left memory; with `wake_at_ms` (Unix time) a broker schedule brings it back.

    An answer to one of the entries `waits_for` brings it back as well.
    """

    wake_at_ms: int | None = None
    waits_for: tuple[int, ...] = ()


class ErrorEntry(BaseEntry, tag="error", frozen=True, kw_only=True):
    """The running invocation failed for the `attempt`-th time in a row (from 1).

    `retry_at_ms` None: given up. What the attempt recorded stays and is replayed by the next one.
    """

    error: Failure
    attempt: int
    retry_at_ms: int | None = None


class Interrupted(BaseEntry, tag="interrupted", frozen=True, kw_only=True):
    """An operator stopped the worker; it stays so until `resume` or a new invocation."""


class Exited(BaseEntry, tag="exited", frozen=True, kw_only=True):
    """The guest ended its own process."""

    code: int = 0


class Restart(BaseEntry, tag="restart", frozen=True, kw_only=True):
    """An operator resumed the worker."""


class CancelPendingInvocation(
    BaseEntry, tag="cancel-pending-invocation", frozen=True, kw_only=True
):
    """A queued invocation was cancelled before it began."""

    idempotency_key: str


class PromiseCompleted(BaseEntry, tag="promise-completed", frozen=True, kw_only=True):
    """The promise made by entry `promise_index` has its `result`: base64 text, as JSON."""

    promise_index: int
    result: Raw


class CommandDone(BaseEntry, tag="command-done", frozen=True, kw_only=True):
    """A command was obeyed; the worker that gave it, if one did, gets `result` or `error`."""

    command: str
    caller: Caller | None = None
    result: Raw | UnsetType = UNSET
    error: Failure | None = None


class Log(BaseEntry, tag="log", frozen=True, kw_only=True):
    """Output of the guest.

    `level` is stdout, stderr, trace, debug, info, warn, error or critical.
    """

    level: str
    message: str
    context: str = ""


class Deleted(BaseEntry, tag="deleted", frozen=True, kw_only=True):
    """The tombstone: the only entry of a deleted worker's log, kept for its watermarks."""

    incarnation: str


Entry: TypeAlias = (
    Create
    | ExportedFunctionInvoked
    | ExportedFunctionCompleted
    | InvocationRejected
    | ImportedFunctionInvoked
    | NoOp
    | Suspend
    | ErrorEntry
    | Interrupted
    | Exited
    | Restart
    | CancelPendingInvocation
    | Log
    | Deleted
    | Jump
    | Revert
    | BeginAtomicRegion
    | EndAtomicRegion
    | BeginRemoteWrite
    | EndRemoteWrite
    | BeginRemoteTransaction
    | PreCommitRemoteTransaction
    | PreRollbackRemoteTransaction
    | CommittedRemoteTransaction
    | RolledBackRemoteTransaction
    | ChangeRetryPolicy
    | ChangePersistenceLevel
    | WorkerRetryPolicy
    | PendingUpdate
    | SuccessfulUpdate
    | FailedUpdate
    | StartSpan
    | FinishSpan
    | SetSpanAttribute
    | Snapshot
    | SnapshotFailed
    | Purged
    | PromiseCompleted
    | CommandDone
)

# What a guest does without getting anything from outside: replay expects the same at this place.
Mark: TypeAlias = (
    NoOp
    | BeginAtomicRegion
    | EndAtomicRegion
    | BeginRemoteWrite
    | EndRemoteWrite
    | BeginRemoteTransaction
    | PreCommitRemoteTransaction
    | PreRollbackRemoteTransaction
    | CommittedRemoteTransaction
    | RolledBackRemoteTransaction
    | ChangeRetryPolicy
    | StartSpan
    | FinishSpan
    | SetSpanAttribute
)

# What replay passes over: told for status and for people, never an answer to the guest.
HINTS: Final = (
    Suspend,
    ErrorEntry,
    Interrupted,
    Exited,
    Restart,
    CancelPendingInvocation,
    InvocationRejected,
    Log,
    Jump,
    Revert,
    ChangePersistenceLevel,
    WorkerRetryPolicy,
    PendingUpdate,
    SuccessfulUpdate,
    FailedUpdate,
    Snapshot,
    SnapshotFailed,
    Purged,
    PromiseCompleted,
    CommandDone,
)
