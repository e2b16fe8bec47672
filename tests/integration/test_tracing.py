"""Traces of a real system, as a collector gets them: from the client's context to the commit."""

import json
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import nats
import pytest
from msgspec import Struct
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
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
    kind: int
    links: tuple[str, ...]
    attributes: dict[str, str]
    begun_ns: int
    ended_ns: int


class Collector:
    """An OTLP/HTTP collector that keeps what it gets."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.metrics: set[str] = set()
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
                kind=span.kind,
                links=tuple(link.span_id.hex() for link in span.links),
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

    def measure(self, body: bytes) -> None:
        request = ExportMetricsServiceRequest.FromString(body)
        with self._arrived:
            self.metrics |= {
                metric.name
                for of in request.resource_metrics
                for scope in of.scope_metrics
                for metric in scope.metrics
            }
            self._arrived.notify_all()

    def wait_until(self, condition: Callable[[], bool]) -> None:
        with self._arrived:
            assert self._arrived.wait_for(condition, LIMIT_S), self.spans

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
            body = self.rfile.read(int(self.headers["Content-Length"]))
            (kept.measure if self.path.endswith("/v1/metrics") else kept.take)(body)
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
    environment["OTEL_METRIC_EXPORT_INTERVAL"] = "500"
    folder = tmp_path_factory.mktemp("traced")
    with RunningSystem(folder, environment=environment, http=True) as running:
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
    assert queue.attributes == {
        **names_of("traced"),
        "messaging.system": "nats",
        "messaging.operation.type": "receive",
        "messaging.destination.name": INVOKE,
        "messaging.message.id": "traced",
    }
    assert execute.attributes == {
        **names_of("traced"),
        "rpc.system": "shem",
        "rpc.method": "demo:counter/api.{add}",
    }


async def test_a_read_only_call_is_a_span_of_its_caller_s_trace(system, collector):
    added = system.run(
        *("shem", "component", "add", "reader", str(build("load")), "--read-only", "api/get")
    )
    assert added.returncode == 0, added.stdout
    writing, reading = f"{6:032x}", f"{7:032x}"
    client = await nats.connect(system.url)
    results = await client.subscribe("shem.result.reader.alice")
    for key, call, trace in (("made", b"add(5)", writing), ("read", b"get()", reading)):
        await client.jetstream().publish(
            "shem.invoke.reader.alice", call, headers=headers(key, trace)
        )
        heard = await results.next_msg(LIMIT_S)
    await client.close()

    assert heard.headers["Shem-Key"] == "read"
    spans = collector[0].wait_for(lambda span: span.trace == reading, "read")
    assert spans.keys() == {"read"}
    assert spans["read"].name == "read demo:counter/api.{get}"
    assert spans["read"].parent == CALLER
    assert spans["read"].attributes == {
        **names_of("read"),
        "shem.component": "reader",
        "rpc.system": "shem",
        "rpc.method": "demo:counter/api.{get}",
    }


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


def test_a_request_is_the_parent_of_what_it_causes(system, collector):
    trace = TRACE.replace("0", "9")
    request = urllib.request.Request(
        f"{system.rest_url}/components/counter/workers/alice/invoke-and-await",
        b'{"function": "get"}',
        {"content-type": "application/json", "traceparent": f"00-{trace}-{CALLER}-01"},
    )
    with urllib.request.urlopen(request, timeout=LIMIT_S) as response:
        assert response.status == 200
    names = ("POST", "enqueue", "queue", "execute", "commit")
    spans = collector[0].wait_for(lambda span: span.trace == trace, *names)
    assert spans["POST"].service == "shem-gateway"
    assert spans["POST"].parent == CALLER
    assert spans["enqueue"].parent == spans["POST"].id
    assert spans["execute"].parent == spans["enqueue"].id
    assert spans["execute"].service == "shem-executor"


def test_the_clients_publish_is_the_parent_of_what_the_executor_does(system, collector):
    done = system.run("shem", "worker", "invoke", "counter/alice", "get()", "--key", "asked")
    assert done.returncode == 0, done.stdout

    def is_ours(span: Span) -> bool:
        return span.name == "enqueue" and span.attributes.items() >= names_of("asked").items()

    enqueue = collector[0].wait_for(is_ours, "enqueue")["enqueue"]
    spans = collector[0].wait_for(
        lambda span: span.trace == enqueue.trace, "enqueue", "queue", "execute", "commit"
    )
    assert spans["queue"].parent == spans["execute"].parent == enqueue.id
    assert (enqueue.service, spans["execute"].service) == ("shem-cli", "shem-executor")


async def test_without_a_caller_s_trace_the_guest_and_what_runs_it_share_one(system, collector):
    added = system.run("shem", "component", "add", "probe", str(build("probe")))
    assert added.returncode == 0, added.stdout
    client = await nats.connect(system.url)
    results = await client.subscribe("shem.result.probe.carol")
    call = json.dumps({"function": "api/run", "params": [SPANS]}).encode()
    await client.jetstream().publish("shem.invoke.probe.carol", call, headers={"Shem-Key": "own"})
    heard = json.loads((await results.next_msg(LIMIT_S)).data)
    await client.close()

    inner, trace_id = json.loads(heard["result"]["ok"])
    spans = collector[0].wait_for(lambda span: span.trace == trace_id, "outer", "inner", "execute")
    assert spans["inner"].id == inner
    assert spans["outer"].parent == spans["execute"].id
    assert not spans["execute"].parent


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


API = """
id: drive
version: "1"
routes:
  - method: POST
    path: /drive/{name}
    binding:
      type: default
      components: [remote]
      response: |
        let worker = instance(request.path.name);
        let told = worker.run(request.body.code);
        {status: 200u16, body: match told { ok(text) => text, err(text) => text }}
"""
CODE = """
remote_client.Api("bob").blocking_add(5)
now = wall_clock.now()
at = wall_clock.Datetime(now.seconds + 1, now.nanoseconds)
remote_client.Api("carol").schedule_note("later", at)
"""


def test_one_trace_spans_gateway_client_two_workers_and_a_scheduled_call(system, collector):
    deploy_remote(system)
    trace = "5" * 32

    status, told = ask(system.http_url, f"00-{trace}-{CALLER}-01")

    assert status == 200, told
    kept = collector[0]

    def of_trace(name: str, worker: str | None = None) -> Span | None:
        return next(
            (
                span
                for span in kept.spans
                if span.trace == trace
                and span.name.startswith(name)
                and worker in {None, span.attributes.get("shem.worker")}
            ),
            None,
        )

    kept.wait_until(lambda: of_trace("execute", "carol") is not None)
    served, enqueued = of_trace("POST"), of_trace("enqueue", "alice")
    driven, sent = of_trace("execute", "alice"), of_trace("send")
    called, scheduled = of_trace("execute", "bob"), of_trace("schedule")
    later, waited = of_trace("execute", "carol"), of_trace("queue", "carol")
    assert (served.service, served.parent, served.kind) == ("shem-gateway", CALLER, SERVER)
    assert (enqueued.parent, enqueued.kind) == (served.id, PRODUCER)
    assert (driven.parent, driven.service) == (enqueued.id, "shem-executor")
    assert called.parent == sent.id
    assert later.parent == waited.parent == scheduled.id
    # What caused it had ended a second before: it is linked, too.
    assert later.links == waited.links == (scheduled.id,)
    assert called.links == driven.links == ()
    assert later.begun_ns - scheduled.ended_ns > 500_000_000


def test_metrics_reach_the_collector(system, collector):
    wanted = {
        "shem.invocations",
        "shem.invocation.duration",
        "shem.partitions.owned",
        "shem.workers.resident",
        "shem.workers.suspended",
        "shem.broker.round_trip",
        "shem.component.loads",
    }
    collector[0].wait_until(lambda: wanted <= collector[0].metrics)


SERVER, PRODUCER = 2, 4


def deploy_remote(system: RunningSystem) -> None:
    """Upload the guest that calls others as it is told, and a route to it."""
    (system.folder / "api.yaml").write_text(API)
    link = "demo:remote-client/remote-client=remote"
    guest = str(build("remote"))
    for command in (
        ("component", "add", "remote", guest, "--link", link),
        ("api", "deploy", "api.yaml"),
    ):
        done = system.run("shem", *command)
        assert done.returncode == 0, done.stdout


def ask(url: str, traceparent: str) -> tuple[int, str]:
    request = Request(
        f"{url}/drive/alice",
        data=json.dumps({"code": CODE}).encode(),
        headers={"Content-Type": "application/json", "traceparent": traceparent},
    )
    try:
        with urlopen(request, timeout=LIMIT_S) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        return error.code, error.read().decode()


SPANS = """
with context.start_span('outer') as outer:
    outer.set_attribute('order', context.AttributeValue_String('17'))
    with context.start_span('inner') as inner:
        ids = [context.current_context().span_id()]
ids.append(context.current_context().trace_id())
ids
"""


CLIENT = 3


@contextmanager
def server_outside() -> Iterator[tuple[str, list[str]]]:
    """A server that answers a guest; yield where it is and the traces that requests brought."""
    brought: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            brought.append(self.headers["traceparent"])
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_port}", brought
        server.shutdown()
        thread.join()


async def test_a_request_that_a_guest_sends_is_a_span_of_its_invocation(system, collector):
    added = system.run("shem", "component", "add", "probe", str(build("probe")))
    assert added.returncode == 0, added.stdout
    trace_id = "6cd66ef5095369c7b0d1f8f4bd33716b"
    client = await nats.connect(system.url)
    results = await client.subscribe("shem.result.probe.bob")
    with server_outside() as (authority, brought):
        code = f"fetch('get', {authority!r}, '/there').status"
        call = json.dumps({"function": "api/run", "params": [code]}).encode()
        subject = "shem.invoke.probe.bob"
        await client.jetstream().publish(subject, call, headers=headers("asks", trace_id))
        heard = json.loads((await results.next_msg(LIMIT_S)).data)
    await client.close()

    assert heard["result"] == {"ok": "204"}, heard
    spans = collector[0].wait_for(lambda span: span.trace == trace_id, "GET", "execute")
    asked = spans["GET"]
    assert (asked.kind, asked.service, asked.parent) == (CLIENT, "shem-executor", CALLER)
    assert asked.attributes["server.address"] == authority
    assert asked.attributes["http.request.method"] == "GET"
    # The other side goes on from it.
    assert brought == [f"00-{trace_id}-{asked.id}-01"]


async def test_spans_of_the_guest_are_part_of_the_invocation_s_trace(system, collector):
    added = system.run("shem", "component", "add", "probe", str(build("probe")))
    assert added.returncode == 0, added.stdout
    trace_id = "5bd66ef5095369c7b0d1f8f4bd33716a"
    client = await nats.connect(system.url)
    results = await client.subscribe("shem.result.probe.alice")
    call = json.dumps({"function": "api/run", "params": [SPANS]}).encode()
    subject = "shem.invoke.probe.alice"
    await client.jetstream().publish(subject, call, headers=headers("spans", trace_id))
    heard = json.loads((await results.next_msg(LIMIT_S)).data)
    await client.close()

    assert "result" in heard, heard
    known = json.loads(heard["result"]["ok"])
    spans = collector[0].wait_for(lambda span: span.trace == trace_id, "outer", "inner", "execute")
    outer, inner = spans["outer"], spans["inner"]
    # As the guest knows them.
    assert known == [inner.id, trace_id]
    assert (outer.parent, inner.parent) == (spans["execute"].id, outer.id)
    assert spans["execute"].parent == CALLER
    assert outer.attributes["order"] == "17"
    assert inner.attributes["shem.worker"] == "alice"
    assert outer.begun_ns <= inner.begun_ns <= inner.ended_ns <= outer.ended_ns
