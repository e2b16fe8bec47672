"""HTTP through a real gateway to real workers, and what happens when processes die."""

import http.client
import json
import socket
import threading
import time
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.guests.build import build
from tests.support.system import RunningSystem

pytestmark = pytest.mark.timeout(240)
PATIENCE_S = 60


def ask(
    system: RunningSystem, method: str, path: str, body: bytes | None = None, **headers: str
) -> tuple[int, dict[str, str], Any]:
    """Return status, headers and decoded body of a response."""
    place = urlsplit(system.http_url)
    connection = http.client.HTTPConnection(place.hostname, place.port, timeout=PATIENCE_S)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, body, named)
    response = connection.getresponse()
    data = response.read()
    connection.close()
    shown = {name.lower(): value for name, value in response.getheaders()}
    return response.status, shown, json.loads(data) if data else None


def wait_until_served(system: RunningSystem, path: str) -> None:
    """Return when a path is answered by a route: deployments reach gateways a moment later."""
    deadline = time.monotonic() + PATIENCE_S
    while ask(system, "GET", path)[0] == 404:
        assert time.monotonic() < deadline, system.log
        time.sleep(0.02)


@pytest.fixture(autouse=True)
def served(system: RunningSystem) -> None:
    wait_until_served(system, "/counters/ready")


def test_requests_become_invocations(system: RunningSystem) -> None:
    status, headers, body = ask(system, "POST", "/counters/eve/add/5")

    assert (status, body) == (201, {"name": "eve", "total": 5})
    assert headers["x-total"] == "5"
    assert ask(system, "GET", "/counters/eve")[2] == 5
    assert ask(system, "HEAD", "/counters/eve")[0] == 200
    assert ask(system, "GET", "/counters/e%2Fe")[2] == 0


def test_a_repeated_request_is_the_same_invocation(system: RunningSystem) -> None:
    first = ask(system, "POST", "/counters/key/add/2", Idempotency_Key="k-1")
    assert ask(system, "POST", "/counters/key/add/2", Idempotency_Key="k-1")[2] == first[2]
    assert ask(system, "POST", "/counters/key/add/2", Idempotency_Key="k-2")[2]["total"] == 4
    # The same key in another place is another request.
    assert ask(system, "POST", "/counters/other/add/2", Idempotency_Key="k-1")[2]["total"] == 2
    order = {"Content_Type": "application/json"}
    assert ask(system, "POST", "/by-order", b'{"order": 7}', **order)[2] == 1
    assert ask(system, "POST", "/by-order", b'{"order": 7}', **order)[2] == 1
    assert ask(system, "POST", "/by-order", b'{"order": 8}', **order)[2] == 2


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "kind", "detail"),
    [
        ("GET", "/nowhere", None, 404, "unknown-path", "no route for /nowhere"),
        ("DELETE", "/counters/eve", None, 405, "method-not-allowed", "takes GET, OPTIONS"),
        ("POST", "/counters/eve/add/x", None, 400, "bad-request", "path.amount: expected u64"),
        ("POST", "/echo", b'{"n": 1}', 400, "bad-request", "query.name: expected string"),
        ("POST", "/echo?name=a", b'{"n": "1"}', 400, "bad-request", "body: n: expected u64"),
        ("POST", "/echo?name=%ff", b'{"n": 1}', 400, "bad-request", "the query is no UTF-8"),
        ("GET", "/counters/%ff", None, 400, "bad-request", "the path is no UTF-8"),
        ("GET", "/counters/%00", None, 400, "bad-request", "zero byte"),
        ("GET", "/fail", None, 502, "worker-failed", "a worker that the request needs has failed"),
        ("GET", "/divide/0", None, 500, "program-failed", "the request failed (id "),
    ],
)
def test_errors_are_problems(
    system: RunningSystem,
    method: str,
    path: str,
    body: bytes | None,
    status: int,
    kind: str,
    detail: str,
) -> None:
    found, headers, problem = ask(system, method, path, body, Content_Type="application/json")

    assert (found, headers["content-type"]) == (status, "application/problem+json")
    assert problem["type"] == f"urn:shem:problem:{kind}"
    assert detail in problem["detail"]
    if status >= 500:
        assert "unreachable" not in problem["detail"], "strangers need not know the guest's insides"
        assert problem["instance"].removeprefix("urn:uuid:") in system.log


def test_other_origins_may_read_what_a_preflight_route_says(system: RunningSystem) -> None:
    status, headers, _ = ask(system, "OPTIONS", "/counters/eve", Origin="https://page.example")
    assert status == 204
    assert headers["access-control-allow-origin"] == "*"
    assert "GET" in headers["access-control-allow-methods"]
    _, headers, _ = ask(system, "GET", "/counters/eve", Origin="https://page.example")
    assert headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize(
    "request_",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0",
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
        b"\x16\x03\x01\x00\xa5 nonsense\r\n\r\n",
    ],
)
def test_malformed_requests_are_refused_and_harm_nobody(
    system: RunningSystem, request_: bytes
) -> None:
    place = urlsplit(system.http_url)
    with socket.create_connection((place.hostname, place.port), PATIENCE_S) as connection:
        connection.sendall(request_)
        answer = connection.recv(65_536)
    assert not answer or answer.split()[1].startswith(b"4"), answer
    assert ask(system, "GET", "/.shem/health")[2] == {"status": "ok"}


def test_a_body_that_is_too_large_is_refused_before_it_is_sent(system: RunningSystem) -> None:
    place = urlsplit(system.http_url)
    with socket.create_connection((place.hostname, place.port), PATIENCE_S) as connection:
        connection.sendall(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9000000\r\n\r\n")
        answer = connection.recv(65_536)
    assert answer.startswith(b"HTTP/1.1 413")


def test_deployments_change_at_once_and_conflicts_are_refused(system: RunningSystem) -> None:
    route = "{method: GET, path: '%s', binding: {type: default, response: '%s'}}"
    rival = system.folder / "rival.yaml"
    rival.write_text(f'id: rival\nversion: "1"\nroutes: [{route % ("/counters/{other}", "1")}]\n')
    done = system.run("shem", "api", "deploy", "rival.yaml")
    assert done.returncode == 1
    assert "GET /counters/{name} of counter@1" in done.stdout
    assert "GET /counters/{other} of rival@1" in done.stdout

    for version in ("1", "2"):
        text = f'id: hot\nversion: "{version}"\nroutes: [{route % (f"/hot-{version}", version)}]\n'
        (system.folder / "hot.yaml").write_text(text)
        assert system.run("shem", "api", "deploy", "hot.yaml").returncode == 0
        wait_until_served(system, f"/hot-{version}")
    assert ask(system, "GET", "/hot-1")[0] == 404
    sites = json.loads(system.run("shem", "api", "sites", "-o", "json").stdout)
    assert [each["id"] for each in sites[0]["apis"]] == ["counter", "hot"]
    refused = system.run("shem", "api", "delete", "hot", "2")
    assert "is deployed at *; undeploy it first" in refused.stdout
    assert system.run("shem", "api", "undeploy", "hot").returncode == 0
    assert system.run("shem", "api", "delete", "hot", "2").returncode == 0


def test_a_component_that_would_break_an_api_is_refused(system: RunningSystem) -> None:
    done = system.run("shem", "component", "add", "tiny", str(build("shelf")))

    assert done.returncode == 1
    assert "component-in-use" in done.stdout
    assert "GET /counters/{name}: tiny: demo:tiny/api.{get}: the function is gone" in done.stdout
    assert system.run("shem", "component", "add", "tiny", str(build("tiny"))).returncode == 0


def test_what_clients_repeat_happens_once_although_everything_is_killed(
    system: RunningSystem,
) -> None:
    total, failures = 30, []

    def client(number: int) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                status = ask(
                    system, "POST", "/counters/killed/add/1", Idempotency_Key=f"killed-{number}"
                )[0]
                if status == 201:
                    return
                assert status in {502, 503, 504, 404}, status
            except (OSError, http.client.HTTPException):
                pass
            if time.monotonic() > deadline:
                failures.append(number)
                return
            time.sleep(0.05)

    threads = [threading.Thread(target=client, args=(number,)) for number in range(total)]
    for thread in threads[: total // 2]:
        thread.start()
    system.kill("gateway")
    for thread in threads[total // 2 :]:
        thread.start()
    system.kill("executors", "gateway")
    for thread in threads:
        thread.join()

    assert failures == []
    assert ask(system, "GET", "/counters/killed")[2] == total
