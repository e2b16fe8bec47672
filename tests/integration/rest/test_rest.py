"""The management API: everything that the command line can do, by HTTP, for who may."""

import base64
import inspect
import json
import time
from urllib.parse import quote

import jsonschema_rs
import pytest

from shem.client.components import Components
from shem.rest.components import Options, Upload
from tests.guests.build import build
from tests.integration.rest.conftest import token
from tests.integration.rest.http import Api, fetch

WORKER = "/components/rest/workers/alice"


@pytest.fixture(scope="module", autouse=True)
def component(admin: Api) -> None:
    made = admin("PUT", "/components/rest/upload", build("tiny").read_bytes())
    assert (made.status, made.json["version"]) == (201, 0)
    assert made.headers["location"].endswith("/components/rest/versions/0")


def invoke(api: Api, function: str, *params: object, worker: str = "alice", **headers: str):
    path = f"/components/rest/workers/{worker}/invoke-and-await"
    return api("POST", path, {"function": function, "params": params}, **headers)


def test_a_worker_from_its_first_invocation_to_its_end(admin):
    first = invoke(admin, "add", 5, worker="w")
    assert (first.status, first.json["result"], first.json["wave"]) == (200, 5, "5")
    at = "/components/rest/workers/w"
    assert admin("GET", at).json["invocations"] == 1
    assert admin("POST", f"{at}/interrupt").status == 204
    assert admin("GET", at).json["status"] == "interrupted"
    assert admin("POST", f"{at}/resume").status == 204
    assert invoke(admin, "add", 2, worker="w").json["result"] == 7
    assert admin("POST", f"{at}/revert", {"invocations": 1}).json["reverted"] > 0
    assert invoke(admin, "get", worker="w").json["result"] == 5
    assert admin("POST", f"{at}/fork", {"worker": "copy"}).status == 201
    assert invoke(admin, "get", worker="copy").json["result"] == 5
    assert admin("DELETE", at).status == 204
    assert admin("GET", at).status == 404


def test_the_same_key_is_the_same_invocation(admin):
    answers = [invoke(admin, "add", 1, worker="k", Idempotency_Key="once") for _ in range(3)]
    assert {each.json["result"] for each in answers} == {1}
    assert invoke(admin, "get", worker="k").json["result"] == 1


def test_who_does_not_want_to_wait_gets_a_place_to_look_at(admin):
    given = invoke(admin, "add", 3, worker="p", Prefer="respond-async", Idempotency_Key="later")
    assert given.status == 202
    assert given.headers["preference-applied"] == "respond-async"
    place = given.headers["location"].removeprefix("/.shem/v1")
    deadline = time.monotonic() + 30
    while (found := admin("GET", place)).json.get("state") != "done":
        assert found.status == 200, found
        assert time.monotonic() < deadline
    assert found.json == {
        "key": "later",
        "state": "done",
        "function": "demo:tiny/api.{add}",
        "result": 3,
    }
    unknown = admin("GET", "/components/rest/workers/p/invocations/never")
    assert (unknown.status, unknown.json["type"]) == (404, "urn:shem:problem:unknown-invocation")


def test_what_waits_is_pending_and_can_be_cancelled(admin):
    at = "/components/rest/workers/held"
    invoke(admin, "add", 1, worker="held")
    admin("POST", f"{at}/interrupt")
    queued = {"function": "add", "params": [1]}
    assert admin("POST", f"{at}/invoke", queued, Idempotency_Key="q").status == 202
    assert admin("GET", f"{at}/invocations/q").json["state"] == "pending"
    assert admin("DELETE", f"{at}/invocations/q").json == {"cancelled": True}
    assert admin("GET", f"{at}/invocations/q").json["error"]["kind"] == "cancelled"


def test_lists_come_in_pages(admin):
    for name in "abc":
        invoke(admin, "add", 1, worker=f"page-{name}")
    query = "/components/rest/workers?prefix=page-&count=2"
    first = admin("GET", query).json
    rest = admin("GET", f"{query}&cursor={first['next']}").json
    names = [each["worker"] for page in (first, rest) for each in page["workers"]]
    assert (names, rest["next"]) == (["page-a", "page-b", "page-c"], None)
    entries = admin("GET", "/components/rest/workers/page-a/oplog?count=2").json
    assert entries["entries"][0]["entry"]["type"] == "create"
    more = admin("GET", f"/components/rest/workers/page-a/oplog?from={entries['next']}").json
    assert more["entries"][-1]["entry"]["type"] == "exported-function-completed"


def test_components_with_files_and_their_workers(admin):
    body = {
        "component": base64.b64encode(build("tiny").read_bytes()).decode(),
        "files": [{"path": "/data/hello.txt", "content": base64.b64encode(b"hello").decode()}],
    }
    assert admin("POST", "/components/filed/versions", body).status == 201
    at = "/components/filed/workers/w"
    assert admin("POST", "/components/filed/workers", {"name": "w"}).status == 201
    listed = admin("GET", f"{at}/files/data").json["files"]
    assert [(each["name"], each["size"]) for each in listed] == [("hello.txt", 5)]
    read = admin("GET", f"{at}/file-contents/data/hello.txt")
    assert (read.data, read.headers["content-type"]) == (b"hello", "application/octet-stream")
    assert admin("GET", f"{at}/file-contents/../../etc/passwd").status == 404
    again = admin("POST", "/components/filed/versions", body).json["version"]
    done = admin("POST", "/components/filed/updates", {"version": again}).json
    assert done["workers"] == [{"worker": "w", "outcome": "updated", "reason": None}]
    same = admin("GET", f"/components/filed/versions/{again}/download").data
    assert same == build("tiny").read_bytes()
    assert admin("DELETE", "/components/filed").status == 409
    assert len(admin("DELETE", "/components/filed?force=true").json["deleted"]) == 2


def test_an_upload_can_say_what_the_client_can_say(admin):
    said = {"quota": "workers=7", "memory": "max=64MiB", "retry": "attempts=5", "history": "purge"}
    wasm = build("tiny").read_bytes()
    query = "&".join(f"{name}={quote(value)}" for name, value in said.items())
    first = admin("PUT", f"/components/bounded/upload?{query}", wasm)
    body = {"component": base64.b64encode(wasm).decode(), **said}
    second = admin("POST", "/components/bounded/versions", body)
    for made in (first, second):
        assert made.status == 201, made
        assert {name: made.json[name] for name in said} == said

    client = set(inspect.signature(Components.add).parameters)
    options = {"link" if each == "links" else each.rstrip("_") for each in client}
    assert options - set(Options.__struct_fields__) == {"self", "name", "data", "files", "progress"}
    assert {each.rstrip("_") for each in client} - set(Upload.__struct_fields__) == {
        *("self", "name", "data", "progress"),
    }


def test_schedules(admin):
    rule = {"id": "tick", "call": "add(1)", "every-ms": 3_600_000}
    assert admin("POST", f"{WORKER}/schedules", rule).status == 201
    assert [each["id"] for each in admin("GET", f"{WORKER}/schedules").json["scheduled"]] == [
        "tick"
    ]
    assert admin("DELETE", f"{WORKER}/schedules/tick").status == 204
    assert admin("DELETE", f"{WORKER}/schedules/tock").status == 404


def test_apis_are_defined_deployed_and_served_at_once(admin, system):
    binding = {"type": "default", "components": ["rest"], "response": 'instance("w2").get()'}
    definition = {
        "id": "managed",
        "version": "1",
        "routes": [{"method": "GET", "path": "/managed", "binding": binding}],
    }
    assert admin("POST", "/apis", definition).status == 201
    deployed = {"apis": [{"id": "managed", "version": "1"}], "host": "managed.example"}
    assert admin("POST", "/deployments", deployed).status == 200
    deadline = time.monotonic() + 30
    url = f"{system.http_url}/managed"
    while (found := fetch("GET", url, Host="managed.example")).status == 404:
        assert time.monotonic() < deadline
    assert (found.status, found.json) == (200, 0)
    assert admin("GET", "/apis/managed/1/openapi").json["openapi"].startswith("3.1")
    assert admin("DELETE", "/apis/managed/1").status == 409
    assert admin("DELETE", "/deployments/managed.example").status == 204
    assert admin("DELETE", "/apis/managed/1").status == 204


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "kind"),
    [
        ("GET", "/components/nope", None, 404, "unknown-component"),
        ("GET", "/components/rest/workers/nobody", None, 404, "unknown-worker"),
        ("GET", "/nothing", None, 404, "unknown-path"),
        ("PATCH", "/components", None, 405, "method-not-allowed"),
        ("GET", "/components?count=0", None, 400, "bad-request"),
        ("GET", "/components?count=1&count=2", None, 400, "bad-request"),
        ("GET", "/components?oops=1", None, 400, "bad-request"),
        ("GET", "/components/%FF", None, 400, "bad-request"),
        ("POST", "/apis", {"id": "x"}, 400, "bad-request"),
        ("PUT", "/components/bad/upload", b"no wasm", 400, "bad-component"),
        ("POST", f"{WORKER}/invoke-and-await", {"function": "nope"}, 400, "unknown-function"),
        ("POST", f"{WORKER}/invoke-and-await", {"function": "fail"}, 502, "trap"),
        ("POST", f"{WORKER}/revert", {}, 400, "bad-index"),
        # An integer to JSON Schema, so that it is told what is wrong with the number.
        ("POST", f"{WORKER}/revert", {"invocations": 500.0}, 400, "bad-index"),
        ("POST", f"{WORKER}/revert", {"invocations": 1.5}, 400, "bad-request"),
        ("GET", f"{WORKER}/oplog?query=(", None, 400, "bad-request"),
        ("POST", f"{WORKER}/promises/999/complete", {}, 404, "unknown-promise"),
        ("POST", f"{WORKER}/promises/9/complete", {"data": "", "text": ""}, 400, "bad-request"),
    ],
)
def test_what_goes_wrong_is_a_problem_that_says_what(admin, method, path, body, status, kind):
    if "fail" not in str(body):
        invoke(admin, "add", 0)
    path = path.replace("alice", "failing") if "fail" in str(body) else path
    given = admin(method, path, body)
    assert (given.status, given.json["type"]) == (status, f"urn:shem:problem:{kind}"), given
    assert given.headers["content-type"] == "application/problem+json"


def test_the_document_says_what_bodies_have_to_be(admin):
    document = admin("GET", "/openapi.json").json
    assert document["security"] == [{"token": []}]

    def accepts(path, body):
        content = document["paths"][path]["post"]["requestBody"]["content"]
        schema = {**content["application/json"]["schema"], "components": document["components"]}
        return jsonschema_rs.validator_for(schema).is_valid(body)

    route = {"method": "GET", "path": "/x", "binding": {"type": "default", "response": "1"}}
    api = {"id": "x", "version": "1", "routes": [route]}
    assert accepts("/apis", api)
    assert not accepts("/apis", {**api, "routes": [{}]})
    assert not accepts("/apis", {**api, "routes": [{**route, "method": "FETCH"}]})
    assert accepts("/security-schemes", {"type": "basic", "name": "x", "users": []})
    assert not accepts("/security-schemes", {})
    one = "/components/{component}/workers/{worker}"
    assert accepts(f"{one}/revert", {"invocations": 1, "last-oplog-index": None})
    assert not accepts(f"{one}/revert", {"invocations": 1, "last-oplog-index": 1})
    assert not accepts(f"{one}/revert", {})
    assert accepts(f"{one}/schedules", {"id": "x", "call": "get()", "every-ms": 1000})
    assert not accepts(f"{one}/schedules", {"id": "x", "call": "get()"})


def test_bodies_of_another_type_are_refused(admin):
    given = admin("POST", f"{WORKER}/invoke", {"function": "add"}, Content_Type="text/plain")
    assert given.status == 415


def test_roles(admin, system):
    viewer, operator = (Api(system.rest_url, token(system, role)) for role in VIEWS)
    stranger = Api(system.rest_url)
    assert stranger("GET", "/version").status == 401
    assert stranger("GET", "/openapi.json").status == 401
    assert stranger("GET", "/version").headers["www-authenticate"].startswith("Bearer")
    assert viewer("GET", "/components").status == 200
    assert invoke(viewer, "add", 1).status == 403
    assert invoke(operator, "add", 1).status == 200
    assert operator("GET", "/tokens").status == 403
    assert operator("DELETE", "/components/rest").status == 403
    assert admin("GET", "/tokens").status == 200


VIEWS = ("viewer", "operator")


def test_forged_expired_and_revoked_tokens_count_no_more(admin, system):
    secret = token(system, "viewer")
    for forged in (secret[:-1] + ("a" if secret[-1] != "a" else "b"), "shem_x", "", secret.upper()):
        assert Api(system.rest_url, forged)("GET", "/version").status == 401
    expired = admin("POST", "/tokens", {"name": "old", "role": "viewer", "expires-at-ms": 1}).json
    assert Api(system.rest_url, expired["secret"])("GET", "/version").status == 401
    ours = Api(system.rest_url, secret)
    assert ours("GET", "/version").status == 200
    assert admin("DELETE", f"/tokens/{secret.split('_')[1]}").status == 204
    deadline = time.monotonic() + 30
    while ours("GET", "/version").status != 401:
        assert time.monotonic() < deadline


def test_requests_are_logged_without_what_may_be_secret(system):
    fetch("GET", f"{system.http_url}/logged/path?token=secret")
    deadline = time.monotonic() + 30
    while not (found := [each for each in system.log.splitlines() if "/logged/path" in each]):
        assert time.monotonic() < deadline
    line = json.loads(found[0])
    assert (line["event"], line["method"], line["status"]) == ("request", "GET", 404)
    assert line["ms"] >= 0
    assert "secret" not in found[0]


def test_security_schemes(admin):
    scheme = {
        "name": "machines",
        "type": "api-key",
        "keys": [{"name": "ci", "key": "a-long-enough-key-for-tests-0123456789"}],
    }
    assert admin("POST", "/security-schemes", scheme).status == 201
    listed = admin("GET", "/security-schemes")
    assert b"a-long-enough-key" not in listed.data
    assert [each["name"] for each in listed.json["schemes"]] == ["machines"]
    assert admin("GET", "/security-schemes/machines").json["type"] == "api-key"
    assert admin("DELETE", "/security-schemes/machines").status == 204
    assert admin("GET", "/security-schemes/machines").status == 404
    assert admin("POST", "/security-schemes", {"name": "x"}).status == 400


def test_secrets_are_set_and_listed_and_told_by_nobody(admin, system):
    path = "/components/rest/secrets"
    made = admin("POST", f"{path}/api-key", {"value": "a-value-to-look-for"})
    assert (made.status, made.json) == (201, {"version": 1})
    assert admin("POST", f"{path}/api-key", {"value": "a-value-to-look-for"}).json["version"] == 2
    listed = admin("GET", path)
    assert listed.json["secrets"][0]["versions"] == [1, 2]
    assert admin("POST", f"{path}/no%20name", {"value": "x"}).status == 400
    assert admin("POST", "/components/none/secrets/x", {"value": "x"}).status == 404
    wrong = admin("POST", f"{path}/api-key", {"value": 7, "other": "a-value-to-look-for"})
    assert wrong.status == 400
    assert admin("DELETE", f"{path}/api-key?version=1").json == {"erased": [1]}
    assert admin("DELETE", f"{path}/api-key?version=1").status == 404
    for text in (listed.data, wrong.data, system.log.encode()):
        assert b"a-value-to-look-for" not in text


def test_the_port_of_apis_does_not_manage(system):
    assert fetch("GET", f"{system.http_url}/.shem/v1/version").status == 404
    assert fetch("GET", system.rest_url.replace("/.shem/v1", "/elsewhere")).status == 404
