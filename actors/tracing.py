"""Spans of an invocation: queue wait, replay, execute, commit; and the times of the same phases.

Free when nobody exports.

The client's trace context travels in the message headers (`traceparent`, `tracestate`) and stands
in the oplog, so that a worker that goes on after a crash goes on in the same trace.

    enqueue (client) ─┬─ queue      from the broker's acknowledgement until the worker takes it
                      ├─ replay     bringing the guest back, if this invocation needed it
                      └─ execute    running the guest; another one for each life that it goes on in
                           ├─ …        the guest's own (golem:api/context), told when they end
                           └─ commit   from the outcome until the broker has acknowledged it
                      └─ GET, POST …  a request that the guest sends, from there until it is over
                      └─ send         a call of another worker, whose spans are its children
                      └─ schedule     a call for later: the same, and linked

All but `commit`, which has them by its parent, name the worker and the idempotency key.
"""

import hashlib
import os
import time
from collections.abc import Mapping
from typing import Final, NamedTuple, final

from actors import spans
from actors.identity import WorkerId, own_trace
from actors.metrics import COMMIT, EXECUTE, QUEUE, Metrics
from actors.spans import Kind, Place, Span
from actors.trace_context import (
    Cause,
    attributes_of,
    cause_of,
    is_sampled,
    link_to,
    own_span,
    place_of,
    trace_id_of,
    with_schedule,
)
from broker import subjects
from oplog.entries import ExportedFunctionInvoked, Failure

__all__ = [
    "Cause",
    "GuestSpan",
    "InvocationTrace",
    "RequestTrace",
    "Tracing",
    "cause_of",
    "trace_id_of",
]

_NS_PER_MS: Final = 1_000_000
_NS_PER_S: Final = 1_000_000_000


class GuestSpan(NamedTuple):
    """A span of the guest's own that has ended; times in milliseconds of Unix time."""

    span_id: str
    name: str
    parent: str | None
    begun_ms: int
    ended_ms: int
    attributes: Mapping[str, str]


@final
class InvocationTrace:
    """The span and the times of one invocation that runs."""

    __slots__ = ("_begun", "_completed", "_component", "_metrics", "_span")

    def __init__(self, span: Span | None, metrics: Metrics, component: str, *, timed: bool) -> None:
        self._span = span
        self._metrics = metrics
        self._component = component
        self._begun = time.perf_counter() if timed else 0.0
        self._completed = 0.0

    def above(self, trace_id: str) -> str | None:
        """Return the identifier of the span, if there is one and it belongs to that trace."""
        if self._span is None or self._span.place.trace_id != trace_id:
            return None
        return self._span.span_id

    def completed(self, failure: Failure | None = None) -> None:
        """The guest has returned, or has failed for good."""
        if failure is not None:
            self._mark(failure)
        self.left()
        if self._metrics.enabled:
            self._metrics.count(self._component, "ok" if failure is None else failure.kind)
            if self._begun:
                self._completed = time.perf_counter()
                self._time(self._completed - self._begun, EXECUTE)

    def failed(self, failure: Failure) -> None:
        """This attempt has failed; there may be another one."""
        self._mark(failure)
        if self._metrics.enabled:
            labels = {"shem.component": self._component, "error.type": failure.kind}
            self._metrics.failures.add(1, labels)

    def left(self) -> None:
        """The guest is gone, done or not: suspended, interrupted, to be tried again."""
        if self._span is not None:
            self._span.end()

    def committed(self) -> None:
        """The outcome is durable."""
        if self._completed:
            self._time(time.perf_counter() - self._completed, COMMIT)
        if self._span is not None:
            self._span.child("commit", begun_ns=self._span.ended_ns).end()

    def _time(self, took_s: float, phase: Mapping[str, str]) -> None:
        self._metrics.duration.record(took_s, {"shem.component": self._component, **phase})

    def _mark(self, failure: Failure) -> None:
        if self._span is not None:
            self._span.fail(failure.kind, failure.message)


@final
class RequestTrace:
    """The span of a request that a guest sends, if anybody exports it, and its trace headers.

    Without spans the other side is given the trace of the invocation all the same, with a span id
    that is the same at each attempt.
    """

    def __init__(self, span: Span | None, cause: Cause | None, key: str) -> None:
        self._span = span
        self.headers: list[tuple[str, bytes]] = []
        state = None
        if span is not None:
            self.headers.append(("traceparent", span.traceparent.encode()))
            state = span.place.state
        elif cause is not None and cause.traceparent and trace_id_of(cause.traceparent):
            version, trace_id, _, flags = cause.traceparent.split("-")
            span_id = hashlib.sha256(key.encode()).hexdigest()[:16]
            parent = f"{version}-{trace_id}-{span_id}-{flags}"
            self.headers.append(("traceparent", parent.encode()))
            state = cause.tracestate
        if state:
            self.headers.append(("tracestate", state.encode()))

    def answered(self, status: int) -> None:
        """Note the status of the response."""
        if self._span is not None:
            self._span.attributes["http.response.status_code"] = status

    def end(self, error: str | None) -> None:
        """It is over."""
        if self._span is not None:
            if error is not None:
                self._span.fail(error, error)
            self._span.end()


@final
class Tracing:
    """Starts spans and takes times, if anybody exports them.

    `enabled` says whether anybody does, `traces` whether it is spans; both are fixed when the
    executor starts.
    """

    def __init__(self, metrics: Metrics | None = None) -> None:
        self.metrics = metrics or Metrics()
        self._sink = spans.installed()
        self.traces = self._sink is not None
        self.enabled = self.traces or self.metrics.enabled
        self._timed = False
        self._is_first_life = False

    def queued(self, worker: WorkerId, cause: Cause, *, since_ns: int) -> None:
        """Record the wait between the broker's acknowledgement and now; `execute` follows."""
        self._is_first_life = True
        self._timed = self.metrics.times_now()
        if self._timed:
            # Clocks of two machines may disagree; nothing waits for less than no time.
            waited_s = max(0, time.time_ns() - since_ns) / _NS_PER_S
            self.metrics.duration.record(waited_s, {"shem.component": worker.component} | QUEUE)
        # Without a trace to belong to it would be a trace of its own, which tells nobody anything.
        if self._sink is None or not is_sampled(cause):
            return
        place = place_of(worker, cause, self._sink.sampling)
        if place is None:
            return
        attributes = attributes_of(worker, cause)
        attributes |= _messaging("receive", worker)
        attributes["messaging.message.id"] = cause.key
        now_ns = time.time_ns()
        Span(
            self._sink,
            place,
            "queue",
            Kind.CONSUMER,
            attributes,
            begun_ns=min(since_ns, now_ns),
            link=link_to(cause, place),
        ).end(now_ns)

    def replayed(
        self,
        worker: WorkerId,
        cause: Cause | None,
        *,
        since_ns: int,
        invocations: int,
        entries: int = 0,
    ) -> None:
        """Record that a guest was brought back, for `cause` if it is known."""
        if self.metrics.enabled:
            labels = {"shem.component": worker.component}
            self.metrics.replayed_entries.add(entries, labels)
            took_s = max(0, time.time_ns() - since_ns) / _NS_PER_S
            self.metrics.replay_duration.record(took_s, labels)
        attributes: dict[str, str | int] = {
            "shem.replayed_invocations": invocations,
            "shem.replayed_entries": entries,
        }
        span = self._begin(worker, cause, "replay", Kind.INTERNAL, attributes, begun_ns=since_ns)
        if span is not None:
            span.end()

    def request(
        self, worker: WorkerId, cause: Cause | None, *, method: str, target: str, key: str
    ) -> RequestTrace:
        """Start the span of a request that a guest sends; `key` is its idempotency key."""
        attributes: dict[str, str | int] = {
            "http.request.method": method,
            "server.address": target,
        }
        span = self._begin(worker, cause, method, Kind.CLIENT, attributes)
        return RequestTrace(span, cause, key)

    def called(
        self, worker: WorkerId, cause: Cause | None, target: WorkerId, function: str, *, later: bool
    ) -> tuple[str | None, str | None]:
        """Record that a worker calls another one; return the trace context that travels with it.

        The span is over at once: the answer may come after a crash, elsewhere, or never. What runs
        by a schedule is a child of it like any other, and linked to it, since it had ended.
        """
        attributes: dict[str, str | int] = {"rpc.method": function, **_messaging("send", target)}
        name = f"{'schedule' if later else 'send'} {function}"
        span = self._begin(worker, cause, name, Kind.PRODUCER, attributes)
        if span is not None:
            span.end()
            state = span.place.state
            return span.traceparent, with_schedule(state) if later else state
        if cause is None:
            return None, None
        if self.traces and cause.traceparent is None:
            # Or the other worker would choose anew, and record half a trace.
            own = own_trace(worker, cause.key)
            return f"00-{own}-{own_span(own)}-00", None
        return cause.traceparent, cause.tracestate

    def guest_span(
        self,
        worker: WorkerId,
        cause: Cause | None,
        within: tuple[str, str, str | None],
        ended: GuestSpan,
        executed: InvocationTrace | None,
    ) -> None:
        """Export a span of the guest's own, under the identifiers that the guest knows.

        `within` are the trace id and the span of the invocation, as the guest knows them;
        `executed` is the span that runs the guest, below which the outermost ones are.
        """
        trace_id, caller, _ = within
        runs = None if executed is None else executed.above(trace_id)
        # Without a caller's trace, it is exported if the span that runs it is.
        recorded = runs is not None or cause is None or is_sampled(cause)
        if self._sink is None or not recorded:
            return
        Span(
            self._sink,
            Place(trace_id, ended.parent or runs or caller, None),
            ended.name,
            attributes={**ended.attributes, **attributes_of(worker, cause)},
            begun_ns=ended.begun_ms * _NS_PER_MS,
            span_id=ended.span_id,
        ).end(ended.ended_ms * _NS_PER_MS)

    def execute(self, worker: WorkerId, invoked: ExportedFunctionInvoked) -> InvocationTrace | None:
        """Start the span of a running invocation, None if nobody wants to know of it."""
        is_first, self._is_first_life = self._is_first_life, False
        span = None
        if self._sink is not None:
            cause = cause_of(invoked)
            place = place_of(worker, cause, self._sink.sampling)
            if place is not None:
                span = self._executing(worker, cause, invoked, place, is_first=is_first)
        if span is None and not self.metrics.enabled:
            return None
        # Those that wait in a queue are chosen there; one that goes on after a crash waits in none.
        return InvocationTrace(span, self.metrics, worker.component, timed=self._timed)

    def _executing(
        self,
        worker: WorkerId,
        cause: Cause,
        invoked: ExportedFunctionInvoked,
        place: Place,
        *,
        is_first: bool,
    ) -> Span:
        assert self._sink is not None, "there is a place for a span only if somebody takes it"
        # What whoever invoked says comes first: our own names say what they always say.
        attributes = {**dict(invoked.attributes), **attributes_of(worker, cause)}
        attributes |= {"rpc.system": "shem", "rpc.method": invoked.function}
        span_id = None
        if is_first and cause.traceparent is None:
            # It is the outermost one of its own trace; what else belongs to it lies below.
            span_id, place = place.parent_id, place._replace(parent_id=None)
        return Span(
            self._sink,
            place,
            f"execute {invoked.function}",
            Kind.SERVER,
            attributes,
            span_id=span_id,
            link=link_to(cause, place),
        )

    def read(
        self,
        worker: WorkerId,
        cause: Cause,
        function: str,
        *,
        since_ns: int,
        failure: Failure | None,
    ) -> None:
        """Record a read-only call that was taken out of its mailbox at `since_ns` and is over."""
        # Without a trace to belong to it would be a trace of its own, as of what waits.
        if not is_sampled(cause):
            return
        called: dict[str, str | int] = {"rpc.system": "shem", "rpc.method": function}
        span = self._begin(
            worker, cause, f"read {function}", Kind.SERVER, called, begun_ns=since_ns
        )
        if span is not None:
            span.link = link_to(cause, span.place)
            if failure is not None:
                span.fail(failure.kind, failure.message)
            span.end()

    def _begin(
        self,
        worker: WorkerId,
        cause: Cause | None,
        name: str,
        kind: Kind,
        attributes: Mapping[str, str | int],
        *,
        begun_ns: int | None = None,
    ) -> Span | None:
        """Begin a span of an invocation, or of a worker that has none: a trace of its own."""
        if self._sink is None:
            return None
        if cause is None:
            fresh = os.urandom(16).hex()
            place = Place(fresh, None, None) if self._sink.sampling.begins(fresh) else None
        else:
            place = place_of(worker, cause, self._sink.sampling)
        if place is None:
            return None
        whole = {**attributes_of(worker, cause), **attributes}
        return Span(self._sink, place, name, kind, whole, begun_ns=begun_ns)


def _messaging(operation: str, target: WorkerId) -> dict[str, str | int]:
    return {
        "messaging.system": "nats",
        "messaging.operation.type": operation,
        "messaging.destination.name": subjects.invoke(target.component, target.worker),
    }
