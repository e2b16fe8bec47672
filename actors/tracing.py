"""Spans of an invocation: queue wait, replay, execute, commit. Free when nobody exports.

The client's trace context travels in the message headers (`traceparent`, `tracestate`) and stands
in the oplog, so that a worker that goes on after a crash goes on in the same trace.

    enqueue (client) ─┬─ queue      from the broker's acknowledgement until the worker takes it
                      ├─ replay     bringing the guest back, if this invocation needed it
                      └─ execute    running the guest; host calls that leave the worker lie inside
                           └─ commit   from the outcome until the broker has acknowledged it
"""

import time
from typing import Final, final

from opentelemetry import propagate, trace
from opentelemetry.context import Context
from opentelemetry.trace import ProxyTracerProvider, Span, SpanKind, StatusCode

from actors.identity import WorkerId
from oplog.entries import ExportedFunctionInvoked, Failure

__all__ = ["InvocationTrace", "Tracing", "trace_id_of"]

_WORKER: Final = "shem.worker"
_COMPONENT: Final = "shem.component"
_KEY: Final = "shem.idempotency_key"
_FUNCTION: Final = "rpc.method"


@final
class InvocationTrace:
    """The spans of one invocation that runs."""

    def __init__(self, tracer: trace.Tracer, span: Span) -> None:
        self._tracer = tracer
        self._span = span
        self._completed_ns = 0

    @property
    def traceparent(self) -> str | None:
        """The context for whatever this invocation causes elsewhere."""
        carrier: dict[str, str] = {}
        propagate.inject(carrier, trace.set_span_in_context(self._span))
        return carrier.get("traceparent")

    def completed(self, failure: Failure | None = None) -> None:
        """The guest has returned, or has failed for good."""
        if failure is not None:
            self._span.set_status(StatusCode.ERROR, failure.message[:200])
            self._span.set_attribute("error.type", failure.kind)
        self._span.end()
        self._completed_ns = time.time_ns()

    def committed(self) -> None:
        """The outcome is durable."""
        context = trace.set_span_in_context(self._span)
        self._tracer.start_span("commit", context, start_time=self._completed_ns).end()


@final
class Tracing:
    """Starts spans, if anybody exports them. `enabled` is fixed when the executor starts."""

    def __init__(self) -> None:
        self.enabled = not isinstance(trace.get_tracer_provider(), ProxyTracerProvider)
        self._tracer = trace.get_tracer("shem.actors")

    def queued(
        self, worker: WorkerId, traceparent: str | None, tracestate: str | None, since_ns: int
    ) -> None:
        """Record the wait between the broker's acknowledgement and now."""
        context = _context(traceparent, tracestate)
        attributes = {_COMPONENT: worker.component, _WORKER: worker.worker}
        self._tracer.start_span(
            "queue", context, kind=SpanKind.CONSUMER, start_time=since_ns, attributes=attributes
        ).end()

    def replayed(
        self, worker: WorkerId, traceparent: str | None, *, since_ns: int, invocations: int
    ) -> None:
        """Record that a guest was brought back for an invocation."""
        attributes: dict[str, str | int] = {
            _COMPONENT: worker.component,
            _WORKER: worker.worker,
            "shem.replayed_invocations": invocations,
        }
        self._tracer.start_span(
            "replay", _context(traceparent, None), start_time=since_ns, attributes=attributes
        ).end()

    def execute(self, worker: WorkerId, invoked: ExportedFunctionInvoked) -> InvocationTrace:
        """Start the span of a running invocation."""
        span = self._tracer.start_span(
            f"execute {invoked.function}",
            _context(invoked.traceparent, invoked.tracestate),
            kind=SpanKind.SERVER,
            attributes={
                _COMPONENT: worker.component,
                _WORKER: worker.worker,
                _KEY: invoked.idempotency_key,
                _FUNCTION: invoked.function,
            },
        )
        return InvocationTrace(self._tracer, span)


def trace_id_of(traceparent: str) -> str | None:
    """Return the trace id in a W3C `traceparent`, None if it is malformed."""
    parts = traceparent.split("-")
    return parts[1] if len(parts) == 4 and len(parts[1]) == 32 else None


def _context(traceparent: str | None, tracestate: str | None) -> Context | None:
    if traceparent is None:
        return None
    carrier = {"traceparent": traceparent}
    if tracestate is not None:
        carrier["tracestate"] = tracestate
    return propagate.extract(carrier)
