"""Files and components' own HTTP handlers, served by a real gateway."""

import contextlib
import hashlib
import http.client
import json
import random
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.guests.build import build
from tests.support.system import RunningSystem

pytestmark = pytest.mark.timeout(600)
PATIENCE_S = 60
LARGE = bytes(range(256)) * 4096

API = """
id: bound
version: "1"
routes:
  - method: GET
    path: /assets/{+rest}
    binding: {type: file-server, component: probe, file: '"/www/${request.path.rest}"'}
  - method: GET
    path: /files/{worker}/{+rest}
    binding:
      type: file-server
      component: probe
      worker: request.path.worker
      file: '"/${request.path.rest}"'
  - method: GET
    path: /framed
    binding:
      type: file-server
      component: probe
      file: |
        {file: "/www/page.html", status: 203u16, headers: {cache-control: "max-age=60"}}
  - method: POST
    path: /handled/{worker}/{+rest}
    binding: {type: http-handler, component: probe, worker: request.path.worker}
  - method: POST
    path: /uploads/{worker}
    binding: {type: http-handler, component: probe, worker: request.path.worker}
    limits: {body-bytes: 20000000}
  - method: POST
    path: /uploads
    binding: {type: http-handler, component: probe}
    limits: {body-bytes: 20000000}
  - method: GET
    path: /alone
    binding: {type: http-handler, component: probe}
  - method: POST
    path: /run/{worker}
    binding:
      type: default
      components: [probe]
      response: instance(request.path.worker).run[demo:probe](request.body)
  - method: POST
    path: /told/{worker}
    binding:
      type: default
      components: [probe]
      response: instance(request.path.worker).run[demo:probe](request.body)
      invocation-context: |
        let state: option<string> = request.headers.x-state;
        {
          trace-id: request.headers.x-trace, span-id: "b7ad6b7169203331", trace-state: state,
          user: request.query.user, order: 7u32
        }
"""


def ask(
    system: RunningSystem,
    method: str,
    path: str,
    body: bytes | Iterator[bytes] | None = None,
    **headers: str,
) -> tuple[int, http.client.HTTPMessage, bytes]:
    place = urlsplit(system.http_url)
    connection = http.client.HTTPConnection(place.hostname, place.port, timeout=PATIENCE_S)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    is_chunked = "Transfer-Encoding" in named
    connection.request(method, path, body, named, encode_chunked=is_chunked)
    response = connection.getresponse()
    data = response.read()
    connection.close()
    return response.status, response.headers, data


@pytest.fixture(scope="module")
def bound(python_system: RunningSystem) -> RunningSystem:
    system = python_system
    added = system.run("shem", "component", "add", "tiny", str(build("tiny")))
    assert added.returncode == 0, added.stdout
    www = system.folder / "www"
    www.mkdir()
    (www / "page.html").write_text("<p>é</p>")
    (www / "large.bin").write_bytes(LARGE)
    (www / "notes.txt").write_text("may change")
    added = system.run(
        *("shem", "component", "add", "probe", str(build("probe"))),
        *("--file", "www/page.html:/www/page.html", "--file", "www/large.bin:/www/large.bin"),
        *("--file", "www/notes.txt:/www/notes.txt:rw"),
    )
    assert added.returncode == 0, added.stdout
    (system.folder / "bound.yaml").write_text(API)
    deployed = system.run("shem", "api", "deploy", "bound.yaml")
    assert deployed.returncode == 0, deployed.stdout
    deadline = time.monotonic() + PATIENCE_S
    while ask(system, "GET", "/framed")[0] == 404:
        assert time.monotonic() < deadline, system.log
        time.sleep(0.02)
    return system


def test_files_of_a_component(bound: RunningSystem) -> None:
    status, headers, body = ask(bound, "GET", "/assets/page.html")
    assert (status, body.decode()) == (200, "<p>é</p>")
    assert headers["content-type"] == "text/html; charset=utf-8"
    assert headers["x-content-type-options"] == "nosniff"
    assert ask(bound, "GET", "/assets/page.html", If_None_Match=headers["etag"])[0] == 304
    assert ask(bound, "GET", "/assets/notes.txt")[2] == b"may change"

    status, headers, body = ask(bound, "GET", "/framed")
    assert (status, headers["cache-control"]) == (203, "max-age=60")
    status, headers, body = ask(bound, "HEAD", "/assets/large.bin")
    assert (status, headers["content-length"], body) == (200, str(len(LARGE)), b"")
    assert ask(bound, "GET", "/assets/large.bin")[2] == LARGE


@pytest.mark.parametrize(
    ("range_", "status", "content_range", "body"),
    [
        ("bytes=0-3", 206, f"bytes 0-3/{len(LARGE)}", LARGE[:4]),
        ("bytes=300000-300009", 206, f"bytes 300000-300009/{len(LARGE)}", LARGE[300000:300010]),
        ("bytes=-5", 206, f"bytes {len(LARGE) - 5}-{len(LARGE) - 1}/{len(LARGE)}", LARGE[-5:]),
        (f"bytes={len(LARGE)}-", 416, f"bytes */{len(LARGE)}", None),
        ("bytes=0-1,3-4", 200, None, LARGE),
        ("lines=1-2", 200, None, LARGE),
    ],
)
def test_ranges(
    bound: RunningSystem, range_: str, status: int, content_range: str | None, body: bytes | None
) -> None:
    found, headers, data = ask(bound, "GET", "/assets/large.bin", Range=range_)
    assert (found, headers["content-range"]) == (status, content_range)
    if body is not None:
        assert data == body


@pytest.mark.parametrize(
    "path",
    [
        "/assets/../www/page.html",
        "/assets/%2e%2e/%2e%2e/etc/passwd",
        "/assets/..%2f..%2fetc/passwd",
        "/assets/..%5c..%5cetc",
        "/assets//page.html",
        "/assets/",
        "/assets/none.html",
        "/files/keeper/..%2fsecret",
        "/files/nobody/a.txt",
    ],
)
def test_no_path_leads_to_other_files(bound: RunningSystem, path: str) -> None:
    status, headers, body = ask(bound, "GET", path)
    assert status == 404
    assert headers["content-type"] == "application/problem+json"
    assert json.loads(body)["detail"] in {"there is no such file", f"no route for {path}"}


def test_files_of_a_worker(bound: RunningSystem) -> None:
    program = "open('/made.json', 'w').write('[1]'); open('/big', 'wb').write(bytes(700000)); 1"
    status, _, body = ask(bound, "POST", "/run/keeper", json.dumps(program).encode())
    assert status == 200, body
    status, headers, body = ask(bound, "GET", "/files/keeper/made.json")
    assert (status, body) == (200, b"[1]")
    assert headers["content-type"] == "application/json; charset=utf-8"
    assert headers["etag"].startswith('W/"3-')
    assert ask(bound, "GET", "/files/keeper/made.json", If_None_Match=headers["etag"])[0] == 304
    assert ask(bound, "GET", "/files/keeper/big")[2] == bytes(700000)
    assert ask(bound, "GET", "/files/keeper/big", Range="bytes=699999-")[2] == b"\0"
    assert ask(bound, "GET", "/files/keeper/www/page.html")[2].decode() == "<p>é</p>"
    assert ask(bound, "GET", "/files/keeper/www")[0] == 404


def test_requests_reach_a_handler_as_they_are(bound: RunningSystem) -> None:
    path = "/handled/web/a%2Fb?x=1"
    status, headers, body = ask(bound, "POST", path, b"\x00body", X_Mine="1", Idempotency_Key="k")
    told = json.loads(body)
    assert (status, headers["content-type"]) == (201, "application/json")
    assert headers.get_all("x-two") == ["1", "2"]
    assert (told["path"], told["authority"]) == (path, urlsplit(bound.http_url).netloc)
    assert "x-mine" in {name for name, _ in told["headers"]}
    assert "host" not in {name for name, _ in told["headers"]}

    again = ask(bound, "POST", path, b"\x00body", Idempotency_Key="k")[2]
    assert json.loads(again)["served"] == told["served"] == 1
    assert json.loads(ask(bound, "POST", path, b"")[2])["served"] == 2
    # A worker for each request.
    assert json.loads(ask(bound, "GET", "/alone")[2])["served"] == 1
    assert json.loads(ask(bound, "GET", "/alone")[2])["served"] == 1


def test_a_binding_says_what_travels_with_its_invocations(bound: RunningSystem) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    program = """
here = context.current_context()
told = {each.key: each.value.value for each in here.get_attributes(True)}
[here.trace_id(), here.span_id(), told, here.get_attribute("user", False) is not None]
"""
    body = json.dumps(program).encode()
    path = "/told/context?user=zo%C3%AB"
    status, _, told = ask(bound, "POST", path, body, X_Trace=trace)
    attributes = {"user": "zoë", "order": "7"}
    assert status == 200, told
    trace_id, _, told_attributes, is_own = json.loads(json.loads(told)["ok"])
    assert (trace_id, told_attributes, is_own) == (trace, attributes, True)
    # It is in the journal, so that a replay says the same.
    bound.kill("executors")
    again = json.dumps("[each.value.value for each in here.get_attributes(True)]").encode()
    status, _, told = ask(bound, "POST", "/run/context", again)
    assert (status, json.loads(told)) == (200, {"ok": '["7", "zo\\u00eb"]'})
    status, _, told = ask(bound, "POST", path, body, X_Trace="none")
    assert (status, json.loads(told)["type"]) == (500, "urn:shem:problem:program-failed")


def test_bodies_larger_than_any_message_come_and_go(bound: RunningSystem) -> None:
    status, _, body = ask(bound, "POST", "/handled/large/x", bytes(8_000_000), Idempotency_Key="l")
    assert status == 201, body
    assert body.count(b"\\u0000") > 300
    # Replayed from the log, which has it all.
    bound.kill("executors")
    again = ask(bound, "POST", "/handled/large/x", bytes(8_000_000), Idempotency_Key="l")
    assert again[2] == body
    program = json.dumps("'x' * 9_000_000").encode()
    status, _, body = ask(bound, "POST", "/run/large", program)
    assert status == 200
    assert len(body) > 9_000_000


COPYING = """
import hashlib
copied = {"bytes": 0, "digest": hashlib.sha256(), "calls": 0}

def copy(request, out):
    incoming = request.consume()
    source = incoming.stream()
    response = wasi_http.OutgoingResponse(wasi_http.Fields.from_list([("x-copy", b"1")]))
    outgoing = response.body()
    wasi_http.ResponseOutparam.set(out, Ok(response))
    copied["calls"] += 1
    with outgoing.write() as sink:
        while True:
            try:
                piece = source.read(65536) if copied["calls"] % 2 else source.blocking_read(65536)
            except Err:
                break
            copied["bytes"] += len(piece)
            copied["digest"].update(piece)
            sink.blocking_write_and_flush(piece)
    source.__exit__(None, None, None)
    wasi_http.IncomingBody.finish(incoming).__exit__(None, None, None)
    wasi_http.OutgoingBody.finish(outgoing, None)

NAMESPACE["handler"] = copy
"""


def test_bodies_that_no_invocation_can_carry_pass_through_in_pieces(bound: RunningSystem) -> None:
    status, _, told = ask(bound, "POST", "/run/copier", json.dumps(COPYING).encode())
    assert (status, json.loads(told)) == (200, {"ok": "null"})
    large = random.Random(7).randbytes(18_000_001)

    status, headers, body = ask(bound, "POST", "/uploads/copier", large, Idempotency_Key="large")
    assert (status, headers["x-copy"], headers["content-length"]) == (200, "1", str(len(large)))
    assert body == large
    # The body of a request that is repeated is where it was, and so is the answer.
    status, _, again = ask(bound, "POST", "/uploads/copier", large, Idempotency_Key="large")
    assert (status, again == large) == (200, True)

    def chunks() -> Iterator[bytes]:
        yield from (large[start : start + 100_000] for start in range(0, 3_000_000, 100_000))

    status, _, body = ask(bound, "POST", "/uploads/copier", chunks(), Transfer_Encoding="chunked")
    assert (status, body == large[:3_000_000]) == (200, True)
    # Brought back from its log, the worker reads the same bodies again.
    bound.kill("executors")
    seen = json.dumps('[copied["bytes"], copied["digest"].hexdigest(), copied["calls"]]')
    status, _, told = ask(bound, "POST", "/run/copier", seen.encode())
    digest = hashlib.sha256(large + large[:3_000_000]).hexdigest()
    assert (status, json.loads(json.loads(told)["ok"])) == (200, [21_000_001, digest, 2])


def test_what_is_answered_later_survives_the_gateway(bound: RunningSystem) -> None:
    counted = json.dumps("calls = globals().get('calls', 0) + 1; time.sleep(1); calls").encode()
    later = {"Prefer": "respond-async", "Idempotency_Key": "survives"}
    status, headers, _ = ask(bound, "POST", "/run/later", counted, **later)
    bound.kill("gateway")
    deadline = time.monotonic() + PATIENCE_S
    # Others take over a dead gateway's requests once it is known to be dead.
    found: tuple[int, Any, bytes] = (0, None, b"")
    while found[0] in {0, 202, 404}:
        assert time.monotonic() < deadline, bound.log
        with contextlib.suppress(OSError):
            found = ask(bound, "GET", headers["location"])
        time.sleep(0.2)
    assert (status, found[0], json.loads(found[2])) == (202, 200, {"ok": "1"})
    assert "a request of a gateway that is gone goes on here" in bound.log
    # Handlers, too, also with a body in pieces, in both directions.
    large = random.Random(8).randbytes(1_000_000)
    program = json.dumps(COPYING).encode()
    assert ask(bound, "POST", "/run/later", program)[0] == 200
    later = {"Prefer": "respond-async, wait=60", "Idempotency_Key": "large"}
    assert ask(bound, "POST", "/uploads/later", large, **later)[2] == large


def test_bodies_beyond_a_limit_are_refused_in_the_middle(bound: RunningSystem) -> None:
    def too_many() -> Iterator[bytes]:
        yield from (bytes(1_000_000) for _ in range(20))
        yield b"1"

    status, _, body = ask(bound, "POST", "/uploads", too_many(), Transfer_Encoding="chunked")
    assert (status, json.loads(body)["type"]) == (413, "urn:shem:problem:content-too-large")


def test_bindings_that_do_not_fit_are_refused(bound: RunningSystem) -> None:
    wrong = """
id: wrong
version: "1"
routes:
  - {method: GET, path: /a, binding: {type: file-server, component: probe, file: '7'}}
  - {method: GET, path: /b, binding: {type: http-handler, component: tiny}}
  - {method: GET, path: /c, binding: {type: http-handler, component: probe, worker: '1'}}
  - {method: GET, path: /d, binding: {type: file-server, component: none, file: '"a"'}}
"""
    (bound.folder / "wrong.yaml").write_text(wrong)
    refused = bound.run("shem", "api", "define", "wrong.yaml").stdout
    for each in (
        "wrong@1: GET /a: file: it must be a string, or a record of `file`",
        "wrong@1: GET /b: the component tiny does not export wasi:http/incoming-handler",
        "wrong@1: GET /c: worker: it must be a string",
        "wrong@1: GET /d: there is no component none",
    ):
        assert each in refused
