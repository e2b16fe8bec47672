"""Traces of a real system, as a collector gets them: from the client's context to the commit."""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import nats
import pytest
from msgspec import Struct
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.guests.build import build
from tests.support.system import ROOT, RunningSystem

LIMIT_S = 60
TRACE = "0af7651916cd43dd8448eb211c80319c"
CALLER = "b7ad6b7169203331"
JOURNAL = "shem.oplog.*.counter.alice.log"
INVOKE = "shem.invoke.counter.alice"
RESULT = "shem.result.counter.alice"


class Span(Struct, frozen=True):
    service: str
    name: str
    trace: str
    id: str
    parent: str
    attributes: dict[str, str]
    begun_ns: int
    ended_ns: int


class Collector:
    """An OTLP/HTTP collector that keeps what it gets."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self._arrived = threading.Condition()

    def take(self, body: bytes) -> None:
        request = ExportTraceServiceRequest.FromString(body)
        spans = [
            Span(
                service=texts(of.resource.attributes)["service.name"],
                name=span.name,
                trace=span.trace_id.hex(),
                id=span.span_id.hex(),
                parent=span.parent_span_id.hex(),
                attributes=texts(span.attributes),
                begun_ns=span.start_time_unix_nano,
                ended_ns=span.end_time_unix_nano,
            )
            for of in request.resource_spans
            for scope in of.scope_spans
            for span in scope.spans
        ]
        with self._arrived:
            self.spans += spans
            self._arrived.notify_all()

    def wait_for(self, trace: Callable[[Span], bool], *names: str) -> dict[str, Span]:
        """Return the spans of one trace by the first word of their names, once all are there."""
        found: dict[str, Span] = {}

        def is_complete() -> bool:
            found.update({span.name.split()[0]: span for span in self.spans if trace(span)})
            return found.keys() >= set(names)

        with self._arrived:
            assert self._arrived.wait_for(is_complete, LIMIT_S), self.spans
        return found


def texts(attributes) -> dict[str, str]:
    return {each.key: each.value.string_value for each in attributes}


@pytest.fixture(scope="module")
def collector() -> Iterator[tuple[Collector, str]]:
    kept = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            kept.take(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield kept, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def system(
    collector: tuple[Collector, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningSystem]:
    environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector[1], "OTEL_BSP_SCHEDULE_DELAY": "50"}
    folder = tmp_path_factory.mktemp("traced")
    with RunningSystem(folder, environment=environment) as running:
        added = running.run("shem", "component", "add", "counter", str(build("load")))
        assert added.returncode == 0, added.stdout
        yield running


def headers(key: str, trace: str) -> dict[str, str]:
    return {"Shem-Key": key, "traceparent": f"00-{trace}-{CALLER}-01"}


def names_of(key: str) -> dict[str, str]:
    return {
        "shem.component": "counter",
        "shem.worker": "alice",
        "shem.idempotency_key": key,
    }


async def test_a_callers_trace_goes_on_through_queue_execution_and_commit(system, collector):
    client = await nats.connect(system.url)
    results = await client.subscribe(RESULT)
    await client.jetstream().publish(INVOKE, b"add(5)", headers=headers("traced", TRACE))
    heard = await results.next_msg(LIMIT_S)
    await client.close()

    assert heard.headers["traceparent"].split("-")[1] == TRACE
    spans = collector[0].wait_for(lambda span: span.trace == TRACE, "queue", "execute", "commit")
    queue, execute, commit = spans["queue"], spans["execute"], spans["commit"]
    assert spans.keys() == {"queue", "execute", "commit"}
    assert (queue.parent, execute.parent, commit.parent) == (CALLER, CALLER, execute.id)
    assert queue.begun_ns <= queue.ended_ns
    assert execute.begun_ns <= execute.ended_ns <= commit.begun_ns <= commit.ended_ns
    assert execute.name == "execute demo:counter/api.{add}"
    assert queue.attributes == names_of("traced")
    assert execute.attributes == {**names_of("traced"), "rpc.method": "demo:counter/api.{add}"}


async def test_an_invocation_that_survives_a_kill_goes_on_in_its_trace(system, collector):
    trace = TRACE[::-1]
    client = await nats.connect(system.url)
    results = await client.subscribe(RESULT)
    journal = await client.subscribe(JOURNAL)
    await client.jetstream().publish(INVOKE, b"nap(1500)", headers=headers("killed", trace))
    commit = await journal.next_msg(LIMIT_S)
    while "exported-function-invoked" not in commit.headers["Shem-Types"]:
        commit = await journal.next_msg(LIMIT_S)
    # What a killed executor has not exported yet is lost with it.
    collector[0].wait_for(lambda span: span.trace == trace, "queue")
    system.kill("executors")
    await results.next_msg(LIMIT_S)
    await client.close()

    spans = collector[0].wait_for(
        lambda span: span.trace == trace, "queue", "replay", "execute", "commit"
    )
    assert spans["replay"].parent == spans["execute"].parent == CALLER
    assert spans["commit"].parent == spans["execute"].id
    assert spans["replay"].ended_ns <= spans["execute"].begun_ns
    assert spans["replay"].attributes.items() >= names_of("killed").items()


def test_the_clients_publish_is_the_parent_of_what_the_executor_does(system, collector):
    done = system.run("shem", "worker", "invoke", "counter/alice", "get()", "--key", "asked")
    assert done.returncode == 0, done.stdout

    def is_ours(span: Span) -> bool:
        return span.name == "enqueue" and span.attributes == names_of("asked")

    enqueue = collector[0].wait_for(is_ours, "enqueue")["enqueue"]
    spans = collector[0].wait_for(
        lambda span: span.trace == enqueue.trace, "enqueue", "queue", "execute", "commit"
    )
    assert spans["queue"].parent == spans["execute"].parent == enqueue.id
    assert (enqueue.service, spans["execute"].service) == ("shem-cli", "shem-executor")


@pytest.mark.parametrize("program", ["shem.executor", "shem.cli.app", "shem.client"])
def test_without_an_endpoint_nothing_of_the_sdk_is_imported(program: str, tmp_path: Path):
    script = (
        f"import sys, {program}; from shem import telemetry; telemetry.set_up('x')(); "
        "from actors.tracing import Tracing; "
        "heavy = ('opentelemetry.sdk', 'opentelemetry.exporter', 'google.protobuf'); "
        "print(Tracing().enabled, [name for name in sys.modules if name.startswith(heavy)])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={"PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.stdout == "False []\n", done.stderr
