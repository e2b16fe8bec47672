"""Errors of the engine.

EngineError
├── ComponentError            the bytes are no component we can run; terminal
│   └── MissingImportsError   imports that nobody provides; terminal
├── GuestTrap                 the guest failed (see `kind`); the retry policy decides
├── CapacityError             this process holds as many instances as it can; retry elsewhere
├── SnapshotRefusedError      an instance holds what cannot be saved, and says what; terminal
├── SnapshotUnusableError     bytes that are no snapshot of this component; terminal: replay
├── InstanceStateError        closed, poisoned or busy: a bug of the caller
└── EngineInternalError       our bug, or a wasmtime that is not the pinned one
"""

from typing import Literal, TypeAlias

__all__ = [
    "CapacityError",
    "ComponentError",
    "EngineError",
    "EngineInternalError",
    "GuestTrap",
    "InstanceStateError",
    "MissingImportsError",
    "SnapshotRefusedError",
    "SnapshotUnusableError",
    "TrapKind",
]

TrapKind: TypeAlias = Literal[
    "unreachable",
    "memory",
    "table",
    "stack-overflow",
    "arithmetic",
    "abi",
    "limit",
    "remote",
    "other",
]


class EngineError(Exception):
    """Anything the engine reports."""


class ComponentError(EngineError):
    """The component cannot be run. The message names the place and what was expected."""


class MissingImportsError(ComponentError):
    """`missing` lists each import as `interface#function`."""

    def __init__(self, missing: tuple[str, ...]) -> None:
        super().__init__("imports that this host does not provide: " + ", ".join(missing))
        self.missing = missing


class GuestTrap(EngineError):  # noqa: N818 - a trap is the field's word for it
    """The guest trapped. `backtrace` is wasmtime's, as text."""

    def __init__(self, message: str, *, kind: TrapKind = "other", backtrace: str = "") -> None:
        super().__init__(message)
        self.kind: TrapKind = kind
        self.backtrace = backtrace
        self.memory_bytes = 0
        """What the guest's memories had, if it was in a call."""
        self.lacked_memory: bool | None = None
        """Whether a memory had not grown as was asked; None: nobody knows."""
        self.last_words = ""
        """What it wrote to stderr last, if whoever runs it listens to that."""


class CapacityError(EngineError):
    """The process holds as many instances as the machine allows. Suspend some, or use another."""


class InstanceStateError(EngineError):
    """The instance was closed, failed before, or is running another call."""


class EngineInternalError(EngineError):
    """Our bug."""


class SnapshotRefusedError(EngineError):
    """The instance cannot be saved as it is now, for the reason that the message gives."""


class SnapshotUnusableError(EngineError):
    """Bytes that are damaged, or of another format or component. Nothing was restored."""
