"""What a worker does, as it happens: server-sent events and websockets, from any point on."""

import asyncio
import http.client
import json
from urllib.parse import urlsplit

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.guests.build import build
from tests.integration.rest.conftest import token

PATIENCE_S = 60


@pytest.fixture(scope="module", autouse=True)
def component(admin) -> None:
    assert admin("PUT", "/components/told/upload", build("load").read_bytes()).status == 201


def invoke(admin, worker, function, *params, key):
    path = f"/components/told/workers/{worker}/invoke-and-await"
    body = {"function": function, "params": params}
    return admin("POST", path, body, Idempotency_Key=key)


class Stream:
    """Server-sent events as a browser reads them."""

    def __init__(self, api, path, **headers):
        place = urlsplit(api.url)
        self._connection = http.client.HTTPConnection(
            place.hostname, place.port, timeout=PATIENCE_S
        )
        headers["Authorization"] = f"Bearer {api.token}"
        self._connection.request("GET", place.path + path, headers=headers)
        self.response = self._connection.getresponse()

    def __iter__(self):
        event = {}
        while line := self.response.readline().decode().rstrip("\n"):
            self._field(event, line)
            while line := self.response.readline().decode().rstrip("\n"):
                self._field(event, line)
            if "data" in event:
                yield event
            event = {}

    def _field(self, event, line):
        name, _, value = line.partition(": ")
        if name:
            event[name] = json.loads(value) if name == "data" else value

    def until(self, type_):
        found = []
        for event in self:
            assert event["event"] == event["data"]["type"]
            found.append(event)
            if event["event"] == type_:
                return found
        raise AssertionError("the stream has ended")

    def close(self):
        self.response.close()
        self._connection.close()


def test_server_sent_events_tell_what_was_and_what_comes(admin):
    invoke(admin, "sse", "add", 5, key="first")
    path = "/components/told/workers/sse/events"
    stream = Stream(admin, path)
    assert stream.response.status == 200
    assert stream.response.getheader("content-type") == "text/event-stream"
    told = stream.until("invocation-finished")
    assert [each["event"] for each in told] == [
        "status",
        "invocation-started",
        "invocation-finished",
    ]
    assert told[1]["data"]["key"] == told[2]["data"]["key"] == "first"
    invoke(admin, "sse", "say", "hello", key="second")
    said = stream.until("invocation-finished")
    assert [each["data"]["message"] for each in said if each["event"] == "stdout"] == ["hello\n"]
    stream.close()
    # Who comes back goes on behind the last event.
    again = Stream(admin, path, **{"Last-Event-ID": told[-1]["id"]})
    assert again.until("invocation-finished") == said
    again.close()
    late = Stream(admin, f"{path}?backlog=0")
    invoke(admin, "sse", "get", key="third")
    assert late.until("invocation-finished")[-1]["data"]["key"] == "third"
    late.close()


def test_failures_and_states_are_told(admin):
    stream = Stream(admin, "/components/told/workers/states/events")
    invoke(admin, "states", "add", 1, key="a")
    stream.until("invocation-finished")
    admin("POST", "/components/told/workers/states/interrupt")
    assert stream.until("status")[-1]["data"]["status"] == "interrupted"
    admin("POST", "/components/told/workers/states/resume")
    assert stream.until("status")[-1]["data"]["status"] == "idle"
    invoke(admin, "states", "nope", key="b")
    failed = stream.until("invocation-finished")[-1]["data"]
    assert failed["error"]["kind"] == "unknown-function"
    admin("DELETE", "/components/told/workers/states")
    assert stream.until("status")[-1]["data"]["status"] == "deleted"
    invoke(admin, "states", "add", 1, key="a")
    assert stream.until("invocation-finished")[0]["data"]["status"] == "created"
    stream.close()


def test_the_same_by_websocket(admin, system):
    async def watch():
        base = admin.url.replace("http", "ws")
        path = "/components/told/workers/socket/events"
        secret = await asyncio.to_thread(token, system, "viewer")
        async with connect(f"{base}{path}?access_token={secret}") as connection:
            await asyncio.to_thread(invoke, admin, "socket", "add", 5, key="k")
            types = []
            while "invocation-finished" not in types:
                async with asyncio.timeout(PATIENCE_S):
                    types.append(json.loads(await connection.recv())["type"])
            assert types == ["status", "invocation-started", "invocation-finished"]
        for url, status in (
            (f"{base}{path}", 401),
            (f"{base}{path}?access_token=forged", 401),
            (f"{base}/components/nope/workers/w/events?access_token={secret}", 404),
            (f"{base}/version?access_token={secret}", 401),
        ):
            with pytest.raises(InvalidStatus) as error:
                async with connect(url):
                    pass
            assert error.value.response.status_code == status

    asyncio.run(watch())


def test_streams_go_on_when_the_executor_is_killed_and_end_with_the_gateway(admin, system):
    invoke(admin, "kill", "add", 1, key="a")
    stream = Stream(admin, "/components/told/workers/kill/events")
    first = stream.until("invocation-finished")
    system.kill("executors")
    invoke(admin, "kill", "add", 1, key="b")
    second = stream.until("invocation-finished")
    assert second[-1]["data"]["key"] == "b"
    system.kill("gateway")
    with pytest.raises((OSError, http.client.HTTPException, AssertionError)):
        stream.until("invocation-finished")
    stream.close()
    admin.wait()
    again = Stream(admin, f"/components/told/workers/kill/events?after={first[-1]['id']}")
    assert again.until("invocation-finished") == second
    again.close()
