"""Spans as bytes, read again by the protocol's own library."""

import pytest
from google.protobuf.unknown_fields import UnknownFieldSet
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from actors.spans import Kind, Link, Place, Sampling, Span
from shem.otlp import ATTRIBUTES_MAX, REMOTE, batch, encode, scope

HEX = "0123456789abcdef"
TRACE = "0af7651916cd43dd8448eb211c80319c"
NUMBERS = st.integers(-(1 << 63), (1 << 63) - 1)
TEXTS = st.text(max_size=300)


class Kept:
    """A sink that keeps spans."""

    sampling = Sampling(1.0)

    def __init__(self) -> None:
        self.spans: list[Span] = []

    def take(self, span: Span) -> None:
        self.spans.append(span)


def read(*spans: Span) -> ExportTraceServiceRequest:
    whose = scope({"service.name": "ours"}, "shem.actors")
    return ExportTraceServiceRequest.FromString(batch(whose, map(encode, spans)))


def ids(digits: int) -> st.SearchStrategy[str]:
    return st.text(HEX, min_size=digits, max_size=digits)


@st.composite
def ended_spans(draw: st.DrawFn) -> Span:
    links = st.builds(Link, ids(32), ids(16), TEXTS)
    place = Place(draw(ids(32)), draw(st.none() | ids(16)), draw(st.none() | TEXTS))
    span = Span(
        Kept(),
        place,
        draw(TEXTS),
        draw(st.sampled_from(Kind)),
        draw(st.dictionaries(TEXTS, TEXTS | NUMBERS, max_size=9)),
        begun_ns=draw(st.integers(0, 1 << 62)),
        link=draw(st.none() | links),
    )
    if draw(st.booleans()):
        span.fail("trap", draw(TEXTS))
    span.end(draw(st.integers(1, 1 << 62)))
    return span


@given(st.lists(ended_spans(), max_size=4))
def test_the_protocol_s_library_reads_what_is_written(spans: list[Span]):
    (of,) = read(*spans).resource_spans
    (scoped,) = of.scope_spans
    assert {each.key: each.value.string_value for each in of.resource.attributes} == {
        "service.name": "ours"
    }
    assert scoped.scope.name == "shem.actors"
    for span, found in zip(spans, scoped.spans, strict=True):
        place = span.place
        assert (found.trace_id.hex(), found.span_id.hex()) == (place.trace_id, span.span_id)
        assert found.parent_span_id.hex() == (place.parent_id or "")
        assert found.trace_state == (place.state or "")
        assert (found.name, found.kind, found.flags) == (span.name, span.kind, REMOTE)
        assert (found.start_time_unix_nano, found.end_time_unix_nano) == (
            span.begun_ns,
            span.ended_ns,
        )
        values = {
            each.key: getattr(each.value, each.value.WhichOneof("value"))
            for each in found.attributes
        }
        assert values == span.attributes
        links = [(each.trace_id.hex(), each.span_id.hex()) for each in found.links]
        assert links == ([] if span.link is None else [(span.link.trace_id, span.link.span_id)])
        assert found.status.code == (0 if span.error is None else 2)
        assert found.status.message == (span.error or "")
        # Nothing that the library does not know.
        assert not UnknownFieldSet(found)


def test_of_too_many_attributes_some_are_left_out_and_counted():
    attributes: dict[str, str | int] = {f"a{number}": number for number in range(200)}
    span = Span(Kept(), Place(TRACE, None, None), "many", attributes=attributes)
    span.end()
    (of,) = read(span).resource_spans
    (found,) = of.scope_spans[0].spans
    assert len(found.attributes) == ATTRIBUTES_MAX
    assert found.dropped_attributes_count == 200 - ATTRIBUTES_MAX


def test_what_is_no_unicode_is_replaced():
    span = Span(Kept(), Place(TRACE, None, None), "\ud800", attributes={"a": "\udfff"})
    span.end()
    (of,) = read(span).resource_spans
    (found,) = of.scope_spans[0].spans
    assert (found.name, found.attributes[0].value.string_value) == ("?", "?")


def test_a_span_ends_once():
    sink = Kept()
    span = Span(sink, Place(TRACE, None, None), "once")
    span.end(5)
    span.end(6)
    assert [each.ended_ns for each in sink.spans] == [5]


@pytest.mark.parametrize("ratio", [0.0, 0.1, 0.5, 1.0])
def test_as_many_traces_begin_and_go_on_as_are_asked_for(ratio: float):
    sampling = Sampling(ratio, follows=False)
    begun = sum(sampling.begins(f"w{number % 50}key-{number}") for number in range(20_000))
    gone = sum(
        sampling.goes_on(f"{number * 0x9E3779B97F4A7C15:032x}"[-32:]) for number in range(20_000)
    )
    assert begun / 20_000 == pytest.approx(ratio, abs=0.02)
    assert gone / 20_000 == pytest.approx(ratio, abs=0.02)
