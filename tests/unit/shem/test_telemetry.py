"""Tracing costs nothing until it is configured, and then reaches the collector."""

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
