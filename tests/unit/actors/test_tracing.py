"""Spans of an invocation: which there are, where they belong, and what travels on."""

import uuid
from collections.abc import Iterator

import pytest

from actors import spans
from actors.identity import WorkerId, component_uuid, own_trace
from actors.spans import Place, Sampling, Span
from actors.tracing import Cause, Tracing, cause_of
from oplog.entries import ExportedFunctionInvoked, Failure, Raw

ALICE = WorkerId("counter", "alice")
BOB = WorkerId("counter", "bob")
TRACE = "0af7651916cd43dd8448eb211c80319c"
CALLER = "b7ad6b7169203331"
SAMPLED = f"00-{TRACE}-{CALLER}-01"
UNSAMPLED = f"00-{TRACE}-{CALLER}-00"


class Kept:
    def __init__(self) -> None:
        self.sampling = Sampling(1.0)
        self.spans: list[Span] = []

    def take(self, span: Span) -> None:
        self.spans.append(span)

    def names(self) -> list[str]:
        return [span.name for span in self.spans]


@pytest.fixture
def sink() -> Iterator[Kept]:
    kept = Kept()
    spans.install(kept)
    yield kept
    spans.install(None)


def invoked(traceparent: str | None, tracestate: str | None = None) -> ExportedFunctionInvoked:
    return ExportedFunctionInvoked(
        function="add",
        params=Raw(b"[5]"),
        idempotency_key="k",
        sequence=1,
        traceparent=traceparent,
        tracestate=tracestate,
    )


def run(tracing: Tracing, what: ExportedFunctionInvoked, failure: Failure | None = None) -> None:
    tracing.queued(ALICE, cause_of(what), since_ns=5)
    running = tracing.execute(ALICE, what)
    if running is not None:
        running.completed(failure)
        running.committed()


def test_the_id_of_an_own_trace_is_that_of_a_name_in_its_component():
    for worker, key in ((ALICE, "k"), (WorkerId("ä", "b/c"), ""), (BOB, "x" * 99)):
        named = uuid.uuid5(component_uuid(worker.component), f"{worker}{key}")
        assert own_trace(worker, key) == named.hex


def test_of_a_caller_s_trace_there_are_queue_execution_and_commit(sink: Kept):
    run(Tracing(), invoked(SAMPLED, "a=b"))
    queue, execute, commit = sink.spans
    assert sink.names() == ["queue", "execute add", "commit"]
    assert queue.place == execute.place == Place(TRACE, CALLER, "a=b")
    assert commit.place == Place(TRACE, execute.span_id, "a=b")
    assert queue.begun_ns == 5


def test_a_trace_that_its_caller_does_not_record_is_not_recorded_and_makes_nothing(sink: Kept):
    tracing = Tracing()
    run(tracing, invoked(UNSAMPLED))
    assert tracing.execute(ALICE, invoked(UNSAMPLED)) is None
    assert not sink.spans


def test_without_a_caller_s_trace_the_execution_is_the_outermost_span_of_its_own(sink: Kept):
    run(Tracing(), invoked(None))
    own = own_trace(ALICE, "k")
    execute, commit = sink.spans
    assert (execute.place, execute.span_id) == (Place(own, None, None), own[:16])
    assert commit.place.parent_id == own[:16]


def test_a_life_that_goes_on_with_it_lies_below_the_first(sink: Kept):
    tracing = Tracing()
    tracing.queued(ALICE, cause_of(invoked(None)), since_ns=5)
    for _ in range(2):
        running = tracing.execute(ALICE, invoked(None))
        assert running is not None
        running.left()
    first, second = sink.spans
    assert second.place.parent_id == first.span_id != second.span_id


@pytest.mark.parametrize(
    "malformed", ["nonsense1", f"00-{'0' * 32}-{CALLER}-01", f"ff{SAMPLED[2:]}"]
)
def test_a_malformed_trace_parent_is_as_none(sink: Kept, malformed: str):
    run(Tracing(), invoked(malformed))
    assert {span.place.trace_id for span in sink.spans} == {own_trace(ALICE, "k")}


def test_a_failure_is_said_by_the_span_of_its_execution(sink: Kept):
    run(Tracing(), invoked(SAMPLED), Failure(kind="trap", message="x" * 1_000))
    _, execute, _ = sink.spans
    assert execute.error == "x" * 200
    assert execute.attributes["error.type"] == "trap"


def test_a_call_takes_the_trace_along(sink: Kept):
    traceparent, state = Tracing().called(
        ALICE, Cause("k", SAMPLED, "a=b"), BOB, "add", later=False
    )
    (send,) = sink.spans
    assert (traceparent, state) == (f"00-{TRACE}-{send.span_id}-01", "a=b")
    assert send.name == "send add"


def test_what_is_scheduled_is_linked_to_what_scheduled_it(sink: Kept):
    tracing = Tracing()
    traceparent, state = tracing.called(ALICE, Cause("k", SAMPLED, None), BOB, "add", later=True)
    run(tracing, invoked(traceparent, state))
    schedule, queue, execute, _ = sink.spans
    assert state == "shem=scheduled"
    for later in (queue, execute):
        assert later.link is not None
        assert (later.link.span_id, later.link.cause) == (schedule.span_id, "schedule")


def test_who_is_called_out_of_an_own_trace_that_is_not_recorded_does_not_record_it(sink: Kept):
    sink.sampling = Sampling(0.0)
    traceparent, _ = Tracing().called(ALICE, Cause("k", None, None), BOB, "add", later=False)
    own = own_trace(ALICE, "k")
    assert traceparent == f"00-{own}-{own[:16]}-00"
    assert not sink.spans


def test_while_nobody_exports_the_caller_s_context_travels_as_it_came():
    assert Tracing().called(ALICE, Cause("k", SAMPLED, "a=b"), BOB, "add", later=False) == (
        SAMPLED,
        "a=b",
    )
