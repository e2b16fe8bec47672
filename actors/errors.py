"""Errors of the executor.

ActorError
├── RetryableError             the same call may succeed later
│   └── PartitionLostError     we are no owner any more: drop everything, send nothing
├── ApiError                   a management request that cannot be answered, with a stable kind
├── TerminalError              the same call fails again
│   ├── RejectedError          an invocation that cannot run: has the failure for the caller
│   ├── ComponentUnknownError  no component of that name or version
│   ├── QuotaError             a component has as many workers as it may have
│   ├── BadPlaceError          a guest wants to go back to where nobody can go
│   ├── ReadOnlyError          a read-only function does what has to be recorded
│   └── IncompleteWriteError   nobody knows whether something was done that must not be repeated
└── InternalError              our bug

StopGuest (BaseException)      leaves guest code on purpose: suspension, hand-over
"""

from oplog.entries import Failure

__all__ = [
    "ActorError",
    "ApiError",
    "BadPlaceError",
    "ComponentUnknownError",
    "IncompleteWriteError",
    "InternalError",
    "LeaveGuest",
    "PartitionLostError",
    "QuotaError",
    "ReadOnlyError",
    "RejectedError",
    "RestartGuest",
    "RetryableError",
    "StopGuest",
    "SuspendGuest",
    "TerminalError",
]


class ActorError(Exception):
    """Anything the executor reports."""


class RetryableError(ActorError):
    """The same call may succeed later."""


class TerminalError(ActorError):
    """The same call fails again."""


class ApiError(ActorError):
    """A request that cannot be answered. `kind` is for programs, the message for people.

    Terminal, unless the kind is `unavailable`.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class InternalError(ActorError):
    """A bug of ours."""


class PartitionLostError(RetryableError):
    """Another executor owns the partition now."""


class ComponentUnknownError(TerminalError):
    """No component of that name or version."""


class QuotaError(TerminalError):
    """A component has as many workers as it may have."""


class BadPlaceError(TerminalError):
    """There is no way back to that entry."""


class IncompleteWriteError(TerminalError):
    """A remote write that must not be repeated has begun, and its outcome is not in the log."""

    def __init__(self, function: str, index: int) -> None:
        super().__init__(
            f"{function} began to change something outside at entry {index}, must not be repeated, "
            "and its outcome is unknown: find out, then revert the worker to an entry before it"
        )


class ReadOnlyError(TerminalError):
    """A read-only function calls what changes something, or what has to be recorded."""

    def __init__(self, function: str) -> None:
        super().__init__(
            f"{function} changes something or has to be recorded, which a read-only function must "
            "not do; upload the component without declaring the function read-only"
        )


class RejectedError(TerminalError):
    """An invocation that cannot run."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(f"{failure.kind}: {failure.message}")
        self.failure = failure


class StopGuest(BaseException):
    """Leaves guest code on purpose. Not an Exception: no host function may swallow it."""


class SuspendGuest(StopGuest):
    """The guest waits for `wake_at_ms` (Unix time) or for answers, and leaves memory until then."""

    def __init__(self, wake_at_ms: int | None, waits_for: tuple[int, ...] = ()) -> None:
        super().__init__(f"suspended until {wake_at_ms}, or an answer to {waits_for}")
        self.wake_at_ms = wake_at_ms
        self.waits_for = waits_for


class LeaveGuest(StopGuest):
    """The guest waits, and its worker leaves this executor. Nothing is recorded."""


class RestartGuest(StopGuest):
    """The guest changed what its log means: it is brought back from there at once."""
