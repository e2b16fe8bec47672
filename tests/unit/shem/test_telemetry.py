"""Tracing costs nothing until it is configured, and then reaches the collector."""

import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from shem import telemetry


def run(script: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": ":".join(sys.path), **environment},
        timeout=60,
        check=True,
    )
    return done.stdout


def test_without_an_endpoint_the_sdk_is_not_even_imported():
    script = (
        "import sys; from shem import telemetry; telemetry.set_up('x')(); "
        "print('opentelemetry.sdk.trace' in sys.modules, telemetry.inject({'a': 'b'}))"
    )
    assert run(script) == "False {'a': 'b'}\n"


@pytest.mark.parametrize("by_option", [True, False])
def test_spans_reach_the_configured_collector_and_headers_carry_the_context(by_option):
    received: list[str] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            received.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Collector) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}"
        argument = f", endpoint={url!r}" if by_option else ""
        script = (
            "from opentelemetry import trace; from shem import telemetry; "
            f"end = telemetry.set_up('x'{argument})\n"
            "with trace.get_tracer('t').start_as_current_span('s'): "
            "print(telemetry.inject({})['traceparent'])\n"
            "end()"
        )
        try:
            printed = run(script, **({} if by_option else {"OTEL_EXPORTER_OTLP_ENDPOINT": url}))
        finally:
            server.shutdown()
            thread.join()
    assert received == ["/v1/traces"]
    assert printed.startswith("00-")


def test_headers_stay_as_they_are_outside_of_any_span():
    assert telemetry.inject({"Shem-Key": "k"}) == {"Shem-Key": "k"}


def test_a_process_ends_soon_whatever_the_collector_does():
    script = (
        "import time\n"
        "from opentelemetry import metrics, trace\n"
        "from shem import telemetry\n"
        "end = telemetry.set_up('x', endpoint=url)\n"
        "end_metrics = telemetry.measure('x', endpoint=url)\n"
        "metrics.get_meter('m').create_counter('c').add(1)\n"
        "with trace.get_tracer('t').start_as_current_span('s'): pass\n"
        "begun = time.monotonic()\n"
        "end_metrics(); end()\n"
        "print(time.monotonic() - begun)"
    )
    with socket.create_server(("127.0.0.1", 0)) as silent:
        # The one takes connections and says nothing, the other takes none.
        with socket.create_server(("127.0.0.1", 0)) as other:
            closed = other.getsockname()[1]
        for port in (silent.getsockname()[1], closed):
            took_s = float(run(f"url = 'http://127.0.0.1:{port}'\n{script}"))
            assert took_s < 5


def test_a_protocol_that_is_not_spoken_is_told():
    script = "from shem import telemetry; telemetry.set_up('x', endpoint='http://127.0.0.1:9')()"
    assert "HTTP only" in run(script, OTEL_EXPORTER_OTLP_PROTOCOL="grpc")
    assert "HTTP only" not in run(script, OTEL_EXPORTER_OTLP_PROTOCOL="http/protobuf")
