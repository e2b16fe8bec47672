"""What a log says about its worker: a fold over its entries, one at a time, hints included.

| entry | state afterwards |
|---|---|
| create | idle |
| exported-function-invoked, imported-function-invoked | running |
| exported-function-completed | idle, unless failed or exited |
| suspend | suspended |
| error | retrying if it says when, else failed |
| interrupted | interrupted |
| exited | exited |
| restart | running if an invocation is open, else idle |
| pending-update | retrying, if failed: the other version may do better |
| successful-update, failed-update | idle, failed again: if it had failed before |
| marks | running, if an invocation is open |
| all others | as before |

Entries in deleted regions are not for this fold, see `oplog.plan`.

Errors count as consecutive while nothing but hints lies between them: whatever replay consumes is
progress and starts the count again.
"""

from collections.abc import Iterable
from typing import Literal, TypeAlias, assert_never, final

from msgspec import Struct

from oplog.entries import (
    BeginAtomicRegion,
    BeginRemoteTransaction,
    BeginRemoteWrite,
    CancelPendingInvocation,
    ChangePersistenceLevel,
    ChangeRetryPolicy,
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
    NoOp,
    PendingUpdate,
    PreCommitRemoteTransaction,
    PreRollbackRemoteTransaction,
    PromiseCompleted,
    Purged,
    Restart,
    RetryRule,
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

__all__ = ["FoldState", "State", "Status", "StatusFold", "fold"]

State: TypeAlias = Literal[
    "idle", "running", "suspended", "interrupted", "retrying", "failed", "exited"
]


class Status(Struct, frozen=True, kw_only=True, omit_defaults=True, rename="kebab"):
    """The state of a worker after entry `index`. Times are Unix time in milliseconds.

    `attempt` counts consecutive errors, `invocations` those that began. `wake_at_ms` is set while
    suspended or retrying, if a time is known. `pending_update` is the version that is tried next.
    `pending` is what waits in the mailbox: the log does
    not know, the executor fills it in. The newest snapshot covers `snapshot_index` entries;
    `snapshot_problem` says why none was taken or used since. `retry` is the retry policy that an
    operator chose for this worker; empty: none.
    """

    state: State = "idle"
    index: int = 0
    component_version: int = 0
    created_at_ms: int = 0
    invocations: int = 0
    pending: int = 0
    attempt: int = 0
    last_error: Failure | None = None
    wake_at_ms: int | None = None
    exit_code: int | None = None
    running_key: str | None = None
    running_function: str | None = None
    pending_update: int | None = None
    last_update_problem: str | None = None
    args: tuple[str, ...] = ()
    env: dict[str, str] = {}
    snapshots: int = 0
    snapshot_index: int | None = None
    snapshot_size: int | None = None
    snapshot_took_us: int | None = None
    snapshot_problem: str | None = None
    retry: str = ""


class FoldState(Struct, frozen=True, kw_only=True, omit_defaults=True, rename="kebab"):
    """All that a `StatusFold` remembers, so that it can go on without the entries before.

    Its fields are the attributes of the fold, without underscores: one that is missing here is an
    error as soon as anything is saved.
    """

    state: State
    index: int
    attempt: int = 0
    last_error: Failure | None = None
    component_version: int = 0
    created_at_ms: int = 0
    invocations: int = 0
    wake_at_ms: int | None = None
    exit_code: int | None = None
    open: ExportedFunctionInvoked | None = None
    pending_update: int | None = None
    update_problem: str | None = None
    failed_before_update: bool = False
    retry: RetryRule | None = None
    ordered_retry: WorkerRetryPolicy | None = None
    snapshots: int = 0
    snapshot: Snapshot | None = None
    snapshot_problem: str | None = None
    args: tuple[str, ...] = ()
    env: dict[str, str] = {}


@final
class StatusFold:
    """The status of a log that grows."""

    def __init__(self) -> None:
        self.state: State = "idle"
        self.index = 0
        self.attempt = 0
        self.last_error: Failure | None = None
        self._component_version = 0
        self._created_at_ms = 0
        self._invocations = 0
        self._wake_at_ms: int | None = None
        self._exit_code: int | None = None
        self._open: ExportedFunctionInvoked | None = None
        self._pending_update: int | None = None
        self._update_problem: str | None = None
        self._args: tuple[str, ...] = ()
        self._env: dict[str, str] = {}
        self._failed_before_update = False
        self.retry: RetryRule | None = None
        """The retry policy that the guest chose, if it did."""
        self.ordered_retry: WorkerRetryPolicy | None = None
        """The one that an operator chose for this worker: it counts before all others."""
        self._snapshots = 0
        self._snapshot: Snapshot | None = None
        self._snapshot_problem: str | None = None

    def save(self) -> FoldState:
        """Return everything that it remembers."""
        return FoldState(**{name.lstrip("_"): value for name, value in vars(self).items()})

    @staticmethod
    def resumed(state: FoldState) -> "StatusFold":
        """Return a fold that goes on from what another remembered."""
        resumed = StatusFold()
        for name in vars(resumed):
            setattr(resumed, name, getattr(state, name.lstrip("_")))
        return resumed

    def status(self, *, pending: int = 0) -> Status:
        """Return the status after the last applied entry."""
        return Status(
            state=self.state,
            index=self.index,
            component_version=self._component_version,
            created_at_ms=self._created_at_ms,
            invocations=self._invocations,
            pending=pending,
            attempt=self.attempt,
            last_error=self.last_error,
            wake_at_ms=self._wake_at_ms,
            exit_code=self._exit_code,
            running_key=self._open.idempotency_key if self._open else None,
            running_function=self._open.function if self._open else None,
            pending_update=self._pending_update,
            last_update_problem=self._update_problem,
            snapshots=self._snapshots,
            snapshot_index=None if self._snapshot is None else self._snapshot.index,
            snapshot_size=None if self._snapshot is None else self._snapshot.size,
            snapshot_took_us=None if self._snapshot is None else self._snapshot.took_us,
            snapshot_problem=self._snapshot_problem,
            retry="" if self.ordered_retry is None else self.ordered_retry.text,
            args=self._args,
            env=self._env,
        )

    @property
    def gist(self) -> tuple[State, int, int | None]:
        """State, version, and the version that is tried next."""
        return self.state, self._component_version, self._pending_update

    @property
    def running_since_ms(self) -> int | None:
        """When the running invocation began (Unix time); None: nothing runs."""
        return None if self._open is None or self.state != "running" else self._open.at_ms

    def apply(self, index: int, entry: Entry) -> None:
        """Take the next entry into account."""
        self.index = index
        # The frequent ones first: each case is a comparison of its own.
        match entry:
            case ImportedFunctionInvoked():
                self._progress("running")
            case ExportedFunctionInvoked():
                self._progress("running")
                self._open = entry
                self._invocations += 1
            case ExportedFunctionCompleted():
                self._complete()
            case Log() | InvocationRejected() | CancelPendingInvocation():
                pass
            case Deleted():
                # Stands alone, at index 0: no worker is left to have a status.
                pass
            case Create():
                self._component_version = entry.component_version
                self._created_at_ms = entry.at_ms
                self._args = entry.args
                self._env = dict(entry.env)
            case ChangeRetryPolicy() | WorkerRetryPolicy():
                self._tried_again(entry)
            case PendingUpdate() | SuccessfulUpdate() | FailedUpdate():
                self._update(entry)
            case (
                Jump()
                | Revert()
                | ChangePersistenceLevel()
                | PromiseCompleted()
                | CommandDone()
                | Purged()
            ):
                pass
            case Snapshot() | SnapshotFailed():
                self._saved(entry)
            case Suspend():
                self.state = "suspended"
                self._wake_at_ms = entry.wake_at_ms
            case ErrorEntry():
                self.state = "failed" if entry.retry_at_ms is None else "retrying"
                self.attempt = entry.attempt
                self.last_error = entry.error
                self._wake_at_ms = entry.retry_at_ms
            case Interrupted():
                self.state = "interrupted"
            case Exited():
                self.state = "exited"
                self._exit_code = entry.code
            case Restart():
                self._progress("running" if self._open else "idle")
            case (
                NoOp()
                | BeginAtomicRegion()
                | EndAtomicRegion()
                | BeginRemoteWrite()
                | EndRemoteWrite()
                | BeginRemoteTransaction()
                | PreCommitRemoteTransaction()
                | PreRollbackRemoteTransaction()
                | CommittedRemoteTransaction()
                | RolledBackRemoteTransaction()
                | StartSpan()
                | FinishSpan()
                | SetSpanAttribute()
            ):
                self._marked()
            case _:
                assert_never(entry)

    def _tried_again(self, entry: ChangeRetryPolicy | WorkerRetryPolicy) -> None:
        match entry:
            case ChangeRetryPolicy():
                self.retry = entry.policy
                self._marked()
            case WorkerRetryPolicy():
                self.ordered_retry = None if entry.policy is None else entry

    def _saved(self, entry: Snapshot | SnapshotFailed) -> None:
        match entry:
            case Snapshot():
                self._snapshots += 1
                self._snapshot = entry
                self._snapshot_problem = None
            case SnapshotFailed():
                self._snapshot_problem = f"{entry.operation}: {entry.reason}"

    def _marked(self) -> None:
        if self._open is None:
            self.attempt = 0
        else:
            self._progress("running")

    def _update(self, entry: PendingUpdate | SuccessfulUpdate | FailedUpdate) -> None:
        match entry:
            case PendingUpdate():
                self._pending_update = entry.target_version
                if self.state == "failed":
                    self._failed_before_update = True
                    self.state = "retrying"
            case SuccessfulUpdate():
                self._pending_update = None
                self._update_problem = None
                # What the old version could not save, the new one may.
                self._snapshot_problem = None
                self._component_version = entry.target_version
                if self._failed_before_update:
                    self._failed_before_update = False
                    self._progress("idle")
                    self.last_error = None
            case FailedUpdate():
                self._pending_update = None
                self._update_problem = entry.details
                if self._failed_before_update:
                    self._failed_before_update = False
                    self.state = "failed"

    def _progress(self, state: State) -> None:
        self.state = state
        self.attempt = 0
        self._wake_at_ms = None

    def _complete(self) -> None:
        self._open = None
        if self.state not in {"failed", "exited"}:
            self._progress("idle")
            self.last_error = None


def fold(entries: Iterable[Entry], *, first: int = 1) -> Status:
    """Return the status after `entries`, the first of which has index `first`."""
    folded = StatusFold()
    for index, entry in enumerate(entries, first):
        folded.apply(index, entry)
    return folded.status()
