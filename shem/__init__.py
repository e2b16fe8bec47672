"""WebAssembly components as durable workers on NATS JetStream.

The public API; everything else may change.

    async with await Client.connect() as client:
        await client.components.add("counter", Path("counter.wasm").read_bytes())
        total = await client.worker("counter", "alice").invoke("add", 5)
"""

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
