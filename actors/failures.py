"""The kinds of errors, and which of them are worth another try by the worker itself.

Each has a page under `docs/errors/`. A kind is a stable name: programs depend on it.
"""

from textwrap import indent
from typing import Final

from actors.engine.errors import GuestTrap
from oplog.entries import Failure
from oplog.status import Status

__all__ = ["KINDS", "exit_failure", "is_final", "last_failure", "refusal", "trap_text"]

# wasmtime's own words, with which its text about a trap goes on.
_BACKTRACE: Final = "\nerror while executing at wasm backtrace:"

_REFUSALS: Final = {
    "failed": "the worker has failed earlier and runs nothing any more",
    "exited": "the worker has ended its process and runs nothing any more",
}
# Whether the worker itself tries again, by its retry policy. All others say the same every time, or
# are for the caller to repeat.
KINDS: Final[dict[str, bool]] = {
    "bad-component": False,
    "bad-index": False,
    "bad-message": False,
    "bad-parameters": False,
    "bad-path": False,
    "bad-request": False,
    "bad-result": False,
    "bad-worker-name": False,
    "cancelled": False,
    "cannot-fork": False,
    "purged": False,
    "cannot-recover": False,
    "cannot-update": False,
    "component-in-use": False,
    "deadlock": False,
    "deleted": False,
    "denied": False,
    "divergence": True,
    "exited": False,
    "incomplete-write": False,
    "internal": True,
    "log-damaged": False,
    "out-of-memory": True,
    "previous-invocation-exited": False,
    "previous-invocation-failed": False,
    "quota-exceeded": False,
    "read-only": False,
    "snapshot-refused": False,
    "timed-out": False,
    "too-deep": False,
    "too-large": False,
    "trap": True,
    "unavailable": False,
    "unknown-component": False,
    "unknown-function": False,
    "unknown-invocation": False,
    "unknown-operation": False,
    "unknown-promise": False,
    "unknown-worker": False,
    "update-failed": False,
    "worker-busy": False,
    "worker-exists": False,
}


def is_final(kind: str) -> bool:
    """Whether a guest that failed so fails so again; unknown kinds are worth a try."""
    return not KINDS.get(kind, True)


def exit_failure(code: int, last_words: str = "") -> Failure:
    """Return what becomes of an invocation whose guest ended its own process."""
    said = _said(last_words)
    return Failure(kind="exited", message="\n".join((f"the guest exited with code {code}", *said)))


def trap_text(trap: GuestTrap) -> str:
    """Return what is told of a trap: why, what the guest said of it on stderr, and where."""
    where = [trap.backtrace] if trap.backtrace else []
    return "\n".join((str(trap), *_said(trap.last_words), *where))


def _said(last_words: str) -> list[str]:
    return [f"stderr:\n{indent(last_words, '    ')}"] if last_words else []


def last_failure(status: Status) -> Failure:
    """Return why a failed or exited worker runs nothing any more."""
    if status.state == "exited" or status.last_error is None:
        return exit_failure(status.exit_code or 0)
    return status.last_error


def refusal(status: Status) -> Failure:
    """Return what becomes of invocations that a failed or exited worker still gets."""
    last = status.last_error
    detail = ""
    if last is not None:
        # Where it trapped stands in its status and in the outcome of the invocation that failed.
        brief, _, _ = last.message.partition(_BACKTRACE)
        detail = f" (it failed with {last.kind}: {brief})"
    message = f"{_REFUSALS[status.state]}{detail}"
    return Failure(kind=f"previous-invocation-{status.state}", message=message)
