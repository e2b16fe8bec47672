"""The kinds of errors, and which of them are worth another try by the worker itself.

Each has a page under `docs/errors/`. A kind is a stable name: programs depend on it.
"""

from typing import Final

__all__ = ["KINDS", "is_final"]

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
    "cannot-update": False,
    "component-in-use": False,
    "deadlock": False,
    "deleted": False,
    "divergence": True,
    "exited": False,
    "incomplete-write": False,
    "internal": True,
    "log-damaged": False,
    "out-of-memory": True,
    "previous-invocation-exited": False,
    "previous-invocation-failed": False,
    "snapshot-refused": False,
    "timed-out": False,
    "too-deep": False,
    "too-large": False,
    "trap": True,
    "unavailable": False,
    "unknown-component": False,
    "unknown-function": False,
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
