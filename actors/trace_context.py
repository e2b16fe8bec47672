"""What a span belongs to: the trace context that came with an invocation, or one of its own."""

import re
from typing import Final, NamedTuple

from actors.identity import WorkerId, own_trace
from actors.message import Envelope
from actors.spans import Link, Place, Sampling
from oplog.entries import ExportedFunctionInvoked

__all__ = [
    "Cause",
    "attributes_of",
    "cause_of",
    "is_sampled",
    "link_to",
    "own_span",
    "place_of",
    "trace_id_of",
    "with_schedule",
]

# In the trace state of what runs long after its cause has ended.
_SCHEDULED: Final = "shem=scheduled"
_SAMPLED: Final = frozenset("13579bdf")
_TRACEPARENT: Final = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}(?:-.*)?"
)


class Cause(NamedTuple):
    """What a span belongs to: an invocation's key and the trace context that came with it."""

    key: str
    traceparent: str | None
    tracestate: str | None


def cause_of(origin: Envelope | ExportedFunctionInvoked) -> Cause:
    """Return the cause that a message or the log names."""
    key = origin.key if isinstance(origin, Envelope) else origin.idempotency_key
    return Cause(key, origin.traceparent, origin.tracestate)


def is_sampled(cause: Cause) -> bool:
    """Whether whoever has begun the trace records it; the last of the flags says so."""
    flags = "0" if cause.traceparent is None else cause.traceparent[-1:]
    return flags in _SAMPLED


def place_of(worker: WorkerId, cause: Cause, sampling: Sampling) -> Place | None:
    """Return where the spans of an invocation are, None if its trace is not recorded.

    Without a caller's trace it has one of its own, by whose id the guest knows it, too.
    """
    if cause.traceparent is not None:
        if not is_sampled(cause):
            return None
        found = _TRACEPARENT.fullmatch(cause.traceparent)
        if found is not None:
            trace_id, parent = found.groups()
            recorded = sampling.goes_on(trace_id)
            return Place(trace_id, parent, cause.tracestate) if recorded else None
    if not sampling.begins(f"{worker.worker}{cause.key}"):
        return None
    own = own_trace(worker, cause.key)
    return Place(own, own_span(own), None)


def own_span(own_trace_id: str) -> str:
    """Return the identifier of the outermost span of an invocation's own trace."""
    return own_trace_id[:16]


def link_to(cause: Cause, place: Place) -> Link | None:
    """Return a link to what has scheduled this, so that the time between does not hide it."""
    if cause.tracestate is None or _SCHEDULED not in cause.tracestate or place.parent_id is None:
        return None
    return Link(place.trace_id, place.parent_id, "schedule")


def with_schedule(state: str | None) -> str:
    """Return the trace state that says that what bears it runs by a schedule."""
    return f"{_SCHEDULED},{state}" if state else _SCHEDULED


def trace_id_of(traceparent: str) -> str | None:
    """Return the trace id in a W3C `traceparent`, None if it is malformed."""
    parts = traceparent.split("-")
    return parts[1] if len(parts) == 4 and len(parts[1]) == 32 else None


def attributes_of(worker: WorkerId, cause: Cause | None) -> dict[str, str | int]:
    """Return what all spans say of what they belong to."""
    attributes: dict[str, str | int] = {
        "shem.component": worker.component,
        "shem.worker": worker.worker,
    }
    if cause is not None:
        attributes["shem.idempotency_key"] = cause.key
    return attributes
