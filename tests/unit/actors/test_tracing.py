"""Spans of what a worker does outside, under the span of the invocation that runs."""

import asyncio

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from actors import tracing
from actors.identity import WorkerId
from oplog.entries import ExportedFunctionInvoked, Failure

WORKER = WorkerId("counter", "alice")


@pytest.fixture
def exported(monkeypatch):
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(tracing.trace, "get_tracer_provider", lambda: provider)
    monkeypatch.setattr(tracing.trace, "get_tracer", provider.get_tracer)
    return lambda: {span.name.split()[0]: span for span in exporter.get_finished_spans()}


def invocation():
    return ExportedFunctionInvoked(
        at_ms=1, function="f", params=b"[]", idempotency_key="k", sequence=1
    )


def test_what_an_invocation_does_outside_is_part_of_its_span(exported):
    async def outside():
        span = tracing.remote_span("GET", {"server.port": 80})
        await asyncio.sleep(0)
        span.ended({"http.response.status_code": 503}, error="refused")
        return span.headers["traceparent"]

    async def scenario():
        trace = tracing.Tracing().execute(WORKER, invocation())
        # Like a connection, which has a task of its own.
        header = await asyncio.create_task(outside())
        trace.completed()
        trace.committed()
        return header

    header = asyncio.run(scenario())
    spans = exported()
    get, execute, commit = spans["GET"], spans["execute"], spans["commit"]
    assert get.parent.span_id == commit.parent.span_id == execute.context.span_id
    assert header.split("-")[2] == f"{get.context.span_id:016x}"
    wanted = {"server.port": 80, "http.response.status_code": 503, "error.type": "refused"}
    assert dict(get.attributes) == wanted
    assert not get.status.is_ok


def test_between_invocations_nothing_is_traced(exported):
    async def scenario():
        trace = tracing.Tracing().execute(WORKER, invocation())
        trace.failed(Failure(kind="trap", message="it"))
        trace.left()
        trace.left()
        span = tracing.remote_span("GET", {})
        span.ended({})
        return span.headers

    assert asyncio.run(scenario()) == {}
    assert exported().keys() == {"execute"}
