"""Spans of an invocation: queue wait, replay, execute, commit. Free when nobody exports.

The client's trace context travels in the message headers (`traceparent`, `tracestate`) and stands
in the oplog, so that a worker that goes on after a crash goes on in the same trace.

    enqueue (client) ─┬─ queue      from the broker's acknowledgement until the worker takes it
                      ├─ replay     bringing the guest back, if this invocation needed it
                      └─ execute    running the guest; another one for each life that it goes on in
                           └─ commit   from the outcome until the broker has acknowledged it
                      └─ GET, POST …  a request that the guest sends, from there until it is over

All but `commit`, which has them by its parent, name the worker and the idempotency key.
"""

import hashlib
import time
from typing import Final, NamedTuple, final

from opentelemetry import propagate, trace
from opentelemetry.context import Context
from opentelemetry.trace import ProxyTracerProvider, Span, SpanKind, StatusCode

from actors.identity import WorkerId
from actors.message import Envelope
from oplog.entries import ExportedFunctionInvoked, Failure

__all__ = ["Cause", "InvocationTrace", "RequestTrace", "Tracing", "cause_of", "trace_id_of"]

_MESSAGE_CHARACTERS_MAX: Final = 200


class Cause(NamedTuple):
    """What a span belongs to: an invocation's key and the trace context that came with it."""

    key: str
    traceparent: str | None
    tracestate: str | None


def cause_of(origin: Envelope | ExportedFunctionInvoked) -> Cause:
    """Return the cause that a message or the log names."""
    key = origin.key if isinstance(origin, Envelope) else origin.idempotency_key
    return Cause(key, origin.traceparent, origin.tracestate)


@final
class InvocationTrace:
    """The spans of one invocation that runs."""

    def __init__(self, tracer: trace.Tracer, span: Span) -> None:
        self._tracer = tracer
        self._span = span
        self._completed_ns = 0

    def completed(self, failure: Failure | None = None) -> None:
        """The guest has returned, or has failed for good."""
        if failure is not None:
            self.failed(failure)
        self.left()
        self._completed_ns = time.time_ns()

    def failed(self, failure: Failure) -> None:
        """This attempt has failed; there may be another one."""
        self._span.set_status(StatusCode.ERROR, failure.message[:_MESSAGE_CHARACTERS_MAX])
        self._span.set_attribute("error.type", failure.kind)

    def left(self) -> None:
        """The guest is gone, done or not: suspended, interrupted, to be tried again."""
        self._span.end()

    def committed(self) -> None:
        """The outcome is durable."""
        context = trace.set_span_in_context(self._span)
        self._tracer.start_span("commit", context, start_time=self._completed_ns).end()


@final
class RequestTrace:
    """The span of a request that a guest sends, if anybody exports it, and its trace headers.

    Without spans the other side is given the trace of the invocation all the same, with a span id
    that is the same at each attempt.
    """

    def __init__(self, span: Span | None, cause: Cause | None, key: str) -> None:
        self._span = span
        self.headers: list[tuple[str, bytes]] = []
        if span is not None:
            carrier: dict[str, str] = {}
            propagate.inject(carrier, trace.set_span_in_context(span, Context()))
            self.headers = [(name.lower(), text.encode()) for name, text in carrier.items()]
        elif cause is not None and cause.traceparent and trace_id_of(cause.traceparent):
            version, trace_id, _, flags = cause.traceparent.split("-")
            span_id = hashlib.sha256(key.encode()).hexdigest()[:16]
            parent = f"{version}-{trace_id}-{span_id}-{flags}"
            self.headers.append(("traceparent", parent.encode()))
            if cause.tracestate:
                self.headers.append(("tracestate", cause.tracestate.encode()))

    def answered(self, status: int) -> None:
        """Note the status of the response."""
        if self._span is not None:
            self._span.set_attribute("http.response.status_code", status)

    def end(self, error: str | None) -> None:
        """It is over."""
        if self._span is not None:
            if error is not None:
                self._span.set_status(StatusCode.ERROR, error)
                self._span.set_attribute("error.type", error)
            self._span.end()


@final
class Tracing:
    """Starts spans, if anybody exports them. `enabled` is fixed when the executor starts."""

    def __init__(self) -> None:
        self.enabled = not isinstance(trace.get_tracer_provider(), ProxyTracerProvider)
        self._tracer = trace.get_tracer("shem.actors")

    def queued(self, worker: WorkerId, cause: Cause, *, since_ns: int) -> None:
        """Record the wait between the broker's acknowledgement and now."""
        self._tracer.start_span(
            "queue",
            _context(cause),
            kind=SpanKind.CONSUMER,
            # Clocks of two machines may disagree; a span must not end before it begins.
            start_time=min(since_ns, time.time_ns()),
            attributes=_attributes(worker, cause),
        ).end()

    def replayed(
        self, worker: WorkerId, cause: Cause | None, *, since_ns: int, invocations: int
    ) -> None:
        """Record that a guest was brought back, for `cause` if it is known."""
        self._tracer.start_span(
            "replay",
            _context(cause),
            start_time=since_ns,
            attributes={**_attributes(worker, cause), "shem.replayed_invocations": invocations},
        ).end()

    def request(
        self, worker: WorkerId, cause: Cause | None, *, method: str, target: str, key: str
    ) -> RequestTrace:
        """Start the span of a request that a guest sends; `key` is its idempotency key."""
        span = None
        if self.enabled:
            attributes = {"http.request.method": method, "server.address": target}
            span = self._tracer.start_span(
                method,
                _context(cause),
                kind=SpanKind.CLIENT,
                attributes={**_attributes(worker, cause), **attributes},
            )
        return RequestTrace(span, cause, key)

    def execute(self, worker: WorkerId, invoked: ExportedFunctionInvoked) -> InvocationTrace:
        """Start the span of a running invocation."""
        cause = cause_of(invoked)
        span = self._tracer.start_span(
            f"execute {invoked.function}",
            _context(cause),
            kind=SpanKind.SERVER,
            attributes={**_attributes(worker, cause), "rpc.method": invoked.function},
        )
        return InvocationTrace(self._tracer, span)


def trace_id_of(traceparent: str) -> str | None:
    """Return the trace id in a W3C `traceparent`, None if it is malformed."""
    parts = traceparent.split("-")
    return parts[1] if len(parts) == 4 and len(parts[1]) == 32 else None


def _attributes(worker: WorkerId, cause: Cause | None) -> dict[str, str]:
    attributes = {"shem.component": worker.component, "shem.worker": worker.worker}
    if cause is not None:
        attributes["shem.idempotency_key"] = cause.key
    return attributes


def _context(cause: Cause | None) -> Context:
    # Never the current context of our task: a span without a cause begins a trace of its own.
    if cause is None or cause.traceparent is None:
        return Context()
    carrier = {"traceparent": cause.traceparent}
    if cause.tracestate is not None:
        carrier["tracestate"] = cause.tracestate
    return propagate.extract(carrier, Context())
