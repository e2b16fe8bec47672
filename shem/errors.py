"""Errors of the public API. `kind` is the stable name that also goes over the wire.

ShemError
├── RetryableError                     the same call may succeed later
│   ├── UnavailableError               broker or executors do not answer; nothing is known done
│   └── ResultTimeoutError             the work is durable, its outcome is not there yet: has key
├── TerminalError                      the same call fails again
│   ├── InvocationError                the outcome of an invocation is an error
│   │   ├── BadRequestError            the caller's mistake: function, parameters, payload
│   │   ├── GuestError                 the guest's: trapped, exited, out of memory
│   │   └── WorkerStoppedError         failed before, interrupted, cancelled, deleted
│   ├── UnknownComponentError
│   ├── UnknownWorkerError
│   ├── RefusedError                   any other refusal of a command or a management request
│   ├── ManifestError                  an app manifest is wrong: has all problems with places
│   └── BuildError                     a component of an app cannot be built
├── LaggedError                        a feed was read too slowly and has lost messages
└── InternalError                      a bug of Shem
"""

from collections.abc import Sequence
from typing import Final

from shem.problems import Problem

__all__ = [
    "BadRequestError",
    "BuildError",
    "GuestError",
    "InternalError",
    "InvocationError",
    "LaggedError",
    "ManifestError",
    "RefusedError",
    "ResultTimeoutError",
    "RetryableError",
    "ShemError",
    "TerminalError",
    "UnavailableError",
    "UnknownComponentError",
    "UnknownWorkerError",
    "WorkerStoppedError",
    "file_problem",
    "from_kind",
]


class ShemError(Exception):
    """Anything that goes wrong. `key` is the idempotency key where there is one."""

    def __init__(self, message: str, *, kind: str = "internal", key: str | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.key = key


class RetryableError(ShemError):
    """The same call may succeed later."""


class TerminalError(ShemError):
    """The same call fails again."""


class InternalError(ShemError):
    """A bug of Shem."""


class LaggedError(ShemError):
    """A feed was read too slowly: messages are missing. Open it again."""


class UnavailableError(RetryableError):
    """The broker or the executors do not answer."""


class ResultTimeoutError(RetryableError):
    """No outcome in time. The work is durable: ask again with the same `key`."""


class InvocationError(TerminalError):
    """The outcome of an invocation is an error."""


class BadRequestError(InvocationError):
    """Function, parameters or payload are not what the component expects."""


class GuestError(InvocationError):
    """The guest trapped, exited or ran out of memory."""


class WorkerStoppedError(InvocationError):
    """The worker runs nothing: it failed before, or somebody stopped or deleted it.

    Or its log is damaged (`log-damaged`): then the invocation waits, and the same key has an
    outcome once that is mended.
    """


class UnknownComponentError(TerminalError):
    """No component of that name or version."""


class UnknownWorkerError(TerminalError):
    """No worker of that name."""


class RefusedError(TerminalError):
    """A command or a management request was refused."""


class ManifestError(TerminalError):
    """An app manifest is wrong. `problems` holds everything that was found, at least one."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(each) for each in problems), kind="bad-manifest")
        self.problems = tuple(problems)


class BuildError(TerminalError):
    """A component of an app cannot be built; the same sources fail again."""

    def __init__(self, message: str) -> None:
        super().__init__(message, kind="build-failed")


_CLASSES: Final[dict[str, type[ShemError]]] = {
    "bad-message": BadRequestError,
    "bad-parameters": BadRequestError,
    "too-large": BadRequestError,
    "unknown-function": BadRequestError,
    "trap": GuestError,
    "exited": GuestError,
    "out-of-memory": GuestError,
    "incomplete-write": GuestError,
    "divergence": GuestError,
    "previous-invocation-failed": WorkerStoppedError,
    "previous-invocation-exited": WorkerStoppedError,
    "interrupted": WorkerStoppedError,
    "cancelled": WorkerStoppedError,
    "deleted": WorkerStoppedError,
    "log-damaged": WorkerStoppedError,
    "unknown-component": UnknownComponentError,
    "unknown-worker": UnknownWorkerError,
    "unavailable": UnavailableError,
    "internal": InternalError,
}


def from_kind(
    kind: str,
    message: str,
    *,
    key: str | None = None,
    default: type[ShemError] = RefusedError,
) -> ShemError:
    """Return the exception for an error that came over the wire."""
    return _CLASSES.get(kind, default)(message, kind=kind, key=key)


def file_problem(error: OSError) -> str:
    """Return what is wrong with a file or folder, and with which."""
    if error.filename is None and isinstance(error, FileNotFoundError):
        # What asking for the working directory says.
        return "the folder that you stand in is gone: go to another one"
    return str(error) if error.filename is None else f"{error.filename}: {error.strerror}"
