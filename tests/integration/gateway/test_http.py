"""HTTP through a real gateway to real workers, and what happens when processes die."""

import asyncio
import http.client
import json
import socket
import threading
import time
import urllib.request
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.guests.build import build
from tests.support.forged_log import forge
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
    for name in ("a%0Ab", "a%0Db", "a%0D%0AShem-Key:%20x", "%20", "%01", "%F4%8F%BF%BF", "%2E%2E"):
        assert ask(system, "POST", f"/counters/{name}/add/1")[0] == 201, name
        assert ask(system, "GET", f"/counters/{name}")[2] == 1, name


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


def test_who_waits_for_a_damaged_log_is_told_and_answered_once_it_is_mended(
    system: RunningSystem,
) -> None:
    place = "/counters/hurt/add/1"
    assert ask(system, "POST", place)[0] == 201
    asyncio.run(forge(system.url, "tiny", "hurt"))
    status, _, told = ask(system, "POST", place, Idempotency_Key="hurt-1")
    assert (status, told["type"]) == (503, "urn:shem:problem:log-damaged")
    assert told["detail"].startswith("what a worker that the request needs has kept is damaged;")
    assert system.run("shem", "oplog", "cut", "tiny/hurt", "--yes").returncode == 0
    assert ask(system, "POST", place, Idempotency_Key="hurt-1")[2]["total"] == 2
    assert ask(system, "POST", place, Idempotency_Key="hurt-2")[2]["total"] == 3


def test_an_answer_may_come_later(system: RunningSystem) -> None:
    prefer = {"Prefer": "respond-async", "Idempotency_Key": "later-1"}
    status, headers, body = ask(system, "POST", "/counters/later/add/2", **prefer)
    assert (status, body["status"], headers["preference-applied"]) == (
        202,
        "running",
        "respond-async",
    )
    place = headers["location"]
    assert body["location"] == place
    status, headers, body = answer_at(system, place)
    assert (status, body, headers["x-total"]) == (201, {"name": "later", "total": 2}, "2")
    # The same request is the same run, also for one that waits.
    assert ask(system, "POST", "/counters/later/add/2", **prefer)[1]["location"] == place
    assert ask(system, "POST", "/counters/later/add/2", Idempotency_Key="later-1")[2]["total"] == 2
    assert answer_at(system, place)[2] == {"name": "later", "total": 2}
    # Who waits long enough is answered at once.
    prefer = {"Prefer": "respond-async, wait=30"}
    assert ask(system, "POST", "/counters/later/add/3", **prefer)[2]["total"] == 5
    # What fails says so in the same place, and what does not fit at once.
    place = ask(system, "GET", "/divide/0", Prefer="respond-async")[1]["location"]
    assert answer_at(system, place)[2]["type"] == "urn:shem:problem:program-failed"
    assert ask(system, "POST", "/counters/later/add/x", Prefer="respond-async")[0] == 400
    assert ask(system, "GET", "/.shem/runs/http-0")[2]["type"] == "urn:shem:problem:unknown-run"
    assert ask(system, "DELETE", place)[0] == 405
    elsewhere = ask(system, "GET", place, Host="elsewhere.example:1")
    assert elsewhere[0] == 500, "the site for all hosts is the same site"


def answer_at(system: RunningSystem, place: str) -> tuple[int, dict[str, str], Any]:
    """Return the answer to a request that is answered later, once it is there."""
    deadline = time.monotonic() + PATIENCE_S
    while (found := ask(system, "GET", place))[0] == 202:
        assert time.monotonic() < deadline, system.log
        time.sleep(0.05)
    return found


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


def exchanged(system: RunningSystem, *pieces: bytes) -> bytes:
    """Return what comes back until the connection is closed, or a first answer."""
    place = urlsplit(system.http_url)
    with socket.create_connection((place.hostname, place.port), PATIENCE_S) as connection:
        try:
            for piece in pieces:
                connection.sendall(piece)
            return connection.recv(65_536)
        except OSError:
            return b""


def test_a_head_that_is_too_long_is_refused_before_it_is_all_there(system: RunningSystem) -> None:
    head = b"GET /counters/eve HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 70_000
    assert exchanged(system, head + b"\r\n\r\n").startswith(b"HTTP/1.1 431")
    # One that has no end is not kept in memory either.
    endless = exchanged(system, b"GET / HTTP/1.1\r\nX: ", *[b"x" * 65_536] * 64)
    assert not endless or endless.startswith(b"HTTP/1.1 431")
    many = b"".join(b"X-%d: y\r\n" % number for number in range(20_000))
    answer = exchanged(system, b"GET / HTTP/1.1\r\nHost: a\r\n" + many + b"\r\n")
    assert not answer or answer.startswith(b"HTTP/1.1 431")
    long_path = b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n"
    assert exchanged(system, long_path).startswith(b"HTTP/1.1 4")
    assert ask(system, "GET", "/.shem/health")[2] == {"status": "ok"}


@pytest.mark.parametrize(
    "smuggled",
    [
        b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: xchunked\r\n\r\n",
        b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\nx\r\n",
        b"Content-Length: -1\r\n\r\n",
        b"Content-Length: 1_0\r\n\r\n",
        b"X: a\nContent-Length: 40\r\n\r\n",
        b" Folded: x\r\n\r\n",
        b"Name\x00: x\r\n\r\n",
    ],
)
def test_no_request_hides_in_another(system: RunningSystem, smuggled: bytes) -> None:
    hidden = b"POST /counters/smuggled/add/1 HTTP/1.1\r\nHost: a\r\n\r\n"
    answer = exchanged(system, b"POST /echo HTTP/1.1\r\nHost: a\r\n" + smuggled + hidden)
    assert not answer or answer.startswith(b"HTTP/1.1 4"), answer
    assert ask(system, "GET", "/counters/smuggled")[2] == 0


@pytest.mark.parametrize("host", ["elsewhere.example", "", "a b", "127.0.0.1:1", "[::1]", "*"])
def test_unknown_hosts_are_told_so(system: RunningSystem, host: str) -> None:
    route = "{method: GET, path: /only, binding: {type: default, response: '1'}}"
    (system.folder / "only.yaml").write_text(f'id: only\nversion: "1"\nroutes: [{route}]\n')
    done = system.run("shem", "api", "deploy", "only.yaml", "--host", "only.example")
    assert done.returncode == 0, done.stdout
    deadline = time.monotonic() + PATIENCE_S
    while ask(system, "GET", "/only", Host="only.example:80")[0] != 200:
        assert time.monotonic() < deadline, system.log
        time.sleep(0.02)
    assert ask(system, "GET", "/only", Host=host)[0] == 404
    assert ask(system, "GET", "/only", Host="ONLY.example")[0] == 200


def test_limits_of_a_route(system: RunningSystem) -> None:
    form = {"Content_Type": "application/x-www-form-urlencoded"}
    assert ask(system, "POST", "/echo?name=a", b"n=4", **form)[2] == {"n": 5, "name": "a"}
    status, _, problem = ask(system, "POST", "/echo?name=a", b"n=" + b"4" * 1000, **form)
    assert (status, problem["detail"]) == (413, "the body has more than 1000 bytes")

    answers = [ask(system, "GET", "/rare", Cookie="visits=3") for _ in range(3)]
    assert [status for status, _, _ in answers] == [200, 200, 429]
    assert answers[0][2] == "seen 3 times"
    assert 1 < int(answers[2][1]["retry-after"]) <= 1800
    assert answers[2][2]["detail"] == "at most 2 requests in 3600 s"


def test_the_api_is_told_as_openapi(system: RunningSystem) -> None:
    exported = json.loads(system.run("shem", "api", "openapi", "counter", "1").stdout)
    status, headers, served = ask(system, "GET", "/docs/openapi.json")
    assert (status, headers["content-type"]) == (200, "application/json")
    assert served == exported
    assert exported["paths"]["/counters/{name}/add/{amount}"]["post"]["responses"]["201"]
    page = system.http_url + "/docs"
    with urllib.request.urlopen(page, timeout=PATIENCE_S) as response:
        assert b"docs/page.js" in response.read()

    (system.folder / "imported.json").write_text(json.dumps({**exported, "x-shem-api-id": "again"}))
    done = system.run("shem", "api", "deploy", "imported.json", "--host", "again.example")
    assert done.returncode == 0, done.stdout
    assert ask(system, "GET", "/docs/openapi.json", Host="again.example")[2]["paths"]


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
    assert "take them down by `shem api undeploy` until" in done.stdout
    assert "GET /counters/{name}: tiny: demo:tiny/api.{get}: the function is gone" in done.stdout
    assert system.run("shem", "component", "add", "tiny", str(build("tiny"))).returncode == 0


def test_a_component_that_an_api_calls_is_not_deleted(system: RunningSystem) -> None:
    assert system.run("shem", "component", "add", "doomed", str(build("tiny"))).returncode == 0
    binding = "{type: default, components: [doomed], response: 'instance(\"w\").get()'}"
    text = f'id: doomed\nversion: "1"\nroutes: [{{method: GET, path: /doomed, binding: {binding}}}]'
    (system.folder / "doomed.yaml").write_text(text)
    assert system.run("shem", "api", "deploy", "doomed.yaml").returncode == 0
    done = system.run("shem", "component", "delete", "doomed")
    assert done.returncode == 1
    assert "component-in-use" in done.stdout
    assert "GET /doomed: calls it" in done.stdout
    assert system.run("shem", "api", "undeploy", "doomed").returncode == 0
    assert system.run("shem", "component", "delete", "doomed").returncode == 0


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
