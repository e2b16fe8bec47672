"""Sending spans: in batches, never more than wait for it, and what is not taken is counted."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from structlog.testing import capture_logs

from actors.spans import Place, Sampling, Span
from shem.span_export import SpanExport, sampling_of

TRACE = "0af7651916cd43dd8448eb211c80319c"


@contextmanager
def collector(status: int = 200) -> Iterator[tuple[str, list[list[str]]]]:
    """Yield where it is, and the names of the spans of each request."""
    got: list[list[str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            (of,) = ExportTraceServiceRequest.FromString(body).resource_spans
            got.append([span.name for span in of.scope_spans[0].spans])
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1/traces", got
        finally:
            server.shutdown()
            thread.join()


def send(url: str, count: int, **environment: str) -> None:
    export = SpanExport(url, {"service.name": "ours"}, environment)
    for number in range(count):
        Span(export, Place(TRACE, None, None), f"s{number}").end()
    export.end()


def test_everything_that_waits_is_sent_at_the_end_in_order():
    with collector() as (url, got):
        send(url, 7)
    assert [name for names in got for name in names] == [f"s{number}" for number in range(7)]


def test_no_request_has_more_spans_than_are_allowed():
    with collector() as (url, got):
        send(url, 7, OTEL_BSP_MAX_EXPORT_BATCH_SIZE="3", OTEL_BSP_MAX_QUEUE_SIZE="100")
    assert sum(map(len, got)) == 7
    assert max(map(len, got)) == 3


def test_what_a_collector_refuses_is_lost_and_said():
    with collector(400) as (url, got), capture_logs() as logs:
        send(url, 5)
    assert len(got) == 1
    assert [(each["log_level"], each["spans"]) for each in logs] == [("warning", 5)]


def test_what_does_not_fit_into_the_queue_is_lost_and_said():
    held = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            arrived.set()
            held.wait(60)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    arrived = threading.Event()
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server, capture_logs() as logs:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        small = {"OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "2", "OTEL_BSP_MAX_QUEUE_SIZE": "2"}
        export = SpanExport(f"http://127.0.0.1:{server.server_port}/v1/traces", {}, small)
        for _ in range(2):
            Span(export, Place(TRACE, None, None), "sent").end()
        assert arrived.wait(60)
        # The first two are on their way and not answered: two more wait, the rest is lost.
        for _ in range(5):
            Span(export, Place(TRACE, None, None), "waits").end()
        held.set()
        export.end()
        server.shutdown()
        thread.join()
    assert [each["spans"] for each in logs] == [3]


@pytest.mark.parametrize(
    ("name", "argument", "expected"),
    [
        (None, None, Sampling(1.0)),
        ("parentbased_traceidratio", "0.1", Sampling(0.1)),
        ("traceidratio", "0.25", Sampling(0.25, follows=False)),
        ("parentbased_always_off", None, Sampling(0.0)),
        ("always_on", None, Sampling(1.0, follows=False)),
        ("always_off", None, Sampling(0.0, follows=False)),
        ("traceidratio", "much", Sampling(1.0, follows=False)),
        ("parentbased_traceidratio", "7", Sampling(1.0)),
        ("parentbased_somebody_s", None, Sampling(1.0)),
    ],
)
def test_sampling_is_what_the_environment_says(
    name: str | None, argument: str | None, expected: Sampling
):
    given = {"OTEL_TRACES_SAMPLER": name, "OTEL_TRACES_SAMPLER_ARG": argument}
    assert sampling_of({key: text for key, text in given.items() if text is not None}) == expected
