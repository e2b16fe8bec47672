"""The records by which the golem interfaces name workers and components."""

import uuid
from typing import Final

from wit.values import Value

__all__ = ["component_id", "datetime", "uuid_of", "uuid_value", "worker_id", "worker_parts"]

_U64_MASK: Final = (1 << 64) - 1


def uuid_value(value: uuid.UUID) -> Value:
    """Return a `uuid`."""
    return {"high-bits": value.int >> 64, "low-bits": value.int & _U64_MASK}


def uuid_of(bits: Value) -> uuid.UUID:
    """Return what a `uuid` stands for."""
    return uuid.UUID(int=(bits["high-bits"] << 64) | bits["low-bits"])


def component_id(component: uuid.UUID) -> Value:
    """Return a `component-id`."""
    return {"uuid": uuid_value(component)}


def worker_id(component: uuid.UUID, worker: str) -> Value:
    """Return a `worker-id`."""
    return {"component-id": component_id(component), "worker-name": worker}


def worker_parts(value: Value) -> tuple[uuid.UUID, str]:
    """Return the component and the worker that a `worker-id` names."""
    return uuid_of(value["component-id"]["uuid"]), value["worker-name"]


def datetime(at_ms: int) -> Value:
    """Return a `datetime` of Unix milliseconds."""
    return {"seconds": at_ms // 1_000, "nanoseconds": at_ms % 1_000 * 1_000_000}
