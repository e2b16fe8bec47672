"""Metrics, health and request spans of a process, from the outside."""

import subprocess
import sys
import urllib.error
import urllib.request

import pytest

from shem.health import Health
from shem.health_server import HealthServer


def get(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.fixture
def served():
    health = Health()
    server = HealthServer("127.0.0.1", 0, health)
    server.start()
    yield health, server.port
    server.stop()


def test_a_process_is_ready_between_ready_and_leaving_and_alive_all_the_time(served):
    health, port = served
    assert get(port, "/readyz") == (503, "not ready\n")
    health.ready()
    assert get(port, "/readyz") == (200, "ready\n")
    health.leaving()
    assert get(port, "/readyz") == (503, "not ready\n")
    assert get(port, "/healthz") == (200, "alive\n")


def test_a_loop_that_does_not_turn_is_neither_alive_nor_ready(served, monkeypatch):
    health, port = served
    health.ready()
    monkeypatch.setattr("shem.health.STUCK_AFTER_S", 0.0)
    assert get(port, "/healthz")[0] == get(port, "/readyz")[0] == 503


def test_metrics_are_served_and_anything_else_is_not_found(served):
    _, port = served
    status, text = get(port, "/metrics")
    assert (status, "python_info" in text) == (200, True)
    assert get(port, "/")[0] == 404


def run(script: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": ":".join(sys.path)},
        timeout=60,
        check=True,
    )
    return done.stdout


def test_phases_of_an_invocation_are_measured_with_their_component_and_outcome():
    """In a process of its own, since a meter provider is set once and for all."""
    script = """
from shem import telemetry
end = telemetry.measure("x", scraped=True)
from actors.identity import WorkerId
from actors.metrics import Metrics
from actors.tracing import Cause, Tracing
from oplog.entries import ExportedFunctionInvoked, Failure, Raw
from prometheus_client import generate_latest
tracing = Tracing(Metrics(enabled=True))
alice = WorkerId("counter", "alice")
invoked = ExportedFunctionInvoked(
    function="add", params=Raw(b"[]"), idempotency_key="k", sequence=1
)
tracing.queued(alice, Cause("k", None, None), since_ns=0)
for failure in (None, Failure(kind="trap", message="t")):
    running = tracing.execute(alice, invoked)
    running.completed(failure)
    running.committed()
tracing.replayed(alice, None, since_ns=0, invocations=1, entries=7)
text = generate_latest().decode()
for line in text.splitlines():
    if line.startswith("shem_") and "bucket" not in line and "_sum" not in line:
        print(line.split("otel_scope")[0], line.rsplit(" ", 1)[1], line.count("counter"))
end()
"""
    lines = run(script)
    assert "shem_invocations_total" in lines
    assert "shem_invocation_duration_seconds_count" in lines
    assert "shem_replay_entries_total" in lines
