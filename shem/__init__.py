"""WebAssembly components as durable workers on NATS JetStream.

The public API; everything else may change.

    async with await Client.connect() as client:
        await client.components.add("counter", Path("counter.wasm").read_bytes())
        total = await client.worker("counter", "alice").invoke("add", 5)
"""

import importlib as _importlib
import typing as _typing

if _typing.TYPE_CHECKING:
    from shem.client import Client, Components, Event, Failure, Feed, Outcome, Result, Worker
    from shem.errors import (
        BadRequestError,
        GuestError,
        InternalError,
        InvocationError,
        LaggedError,
        RefusedError,
        ResultTimeoutError,
        RetryableError,
        ShemError,
        TerminalError,
        UnavailableError,
        UnknownComponentError,
        UnknownWorkerError,
        WorkerStoppedError,
    )
    from shem.records import (
        Component,
        ComponentDescription,
        InitialFile,
        OplogEntry,
        Reindexed,
        WorkerError,
        WorkerStatus,
    )

__all__ = [
    "BadRequestError",
    "Client",
    "Component",
    "ComponentDescription",
    "Components",
    "Event",
    "Failure",
    "Feed",
    "GuestError",
    "InitialFile",
    "InternalError",
    "InvocationError",
    "LaggedError",
    "OplogEntry",
    "Outcome",
    "RefusedError",
    "Reindexed",
    "Result",
    "ResultTimeoutError",
    "RetryableError",
    "ShemError",
    "TerminalError",
    "UnavailableError",
    "UnknownComponentError",
    "UnknownWorkerError",
    "Worker",
    "WorkerError",
    "WorkerStatus",
    "WorkerStoppedError",
]

# Imported when asked for: the command line imports this package with every command, and many need
# no client.
_HOMES: _typing.Final = {
    "shem.client": (
        "Client",
        "Components",
        "Event",
        "Failure",
        "Feed",
        "Outcome",
        "Result",
        "Worker",
    ),
    "shem.errors": (
        "BadRequestError",
        "GuestError",
        "InternalError",
        "InvocationError",
        "LaggedError",
        "RefusedError",
        "ResultTimeoutError",
        "RetryableError",
        "ShemError",
        "TerminalError",
        "UnavailableError",
        "UnknownComponentError",
        "UnknownWorkerError",
        "WorkerStoppedError",
    ),
    "shem.records": (
        "Component",
        "ComponentDescription",
        "InitialFile",
        "OplogEntry",
        "Reindexed",
        "WorkerError",
        "WorkerStatus",
    ),
}


def __getattr__(name: str) -> _typing.Any:
    for module, names in _HOMES.items():
        if name in names:
            return getattr(_importlib.import_module(module), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
