"""Everything is visible with a bare NATS client, and with the `nats` command line."""

import json
import shutil
import subprocess
import time
from typing import Any

import nats
import pytest
from nats.aio.client import Client as Connection

from tests.integration.system.whole import Whole

# They share one system.

TIMEOUT_S = 30


async def test_a_bare_client_publishes_hears_asks_and_reads_the_log(whole: Whole) -> None:
    """Nothing but nats-py and what docs/MESSAGES.md says."""
    client = await nats.connect(whole.server.url)
    try:
        await _use(client)
    finally:
        await client.close()


async def _use(client: Connection) -> None:
    results = await client.subscribe("shem.result.load.bare")
    events = await client.subscribe("shem.event.load.bare")
    stored = await client.jetstream().publish("shem.invoke.load.bare", b"add(5)")
    result = await results.next_msg(TIMEOUT_S)
    assert json.loads(result.data) == {
        "key": f"seq-{stored.seq}",
        "function": "demo:counter/api.{add}",
        "result": 5,
        "wave": "5",
    }
    assert result.headers is not None
    assert result.headers["Shem-Key"] == f"seq-{stored.seq}"
    assert (result.headers["Shem-Component"], result.headers["Shem-Worker"]) == ("load", "bare")
    await client.jetstream().publish(
        "shem.invoke.load.bare",
        b'{"function": "say", "params": ["hello"]}',
        headers={"Shem-Key": "greeting"},
    )
    event = json.loads((await events.next_msg(TIMEOUT_S)).data)
    assert (event["type"], event["message"].strip()) == ("stdout", "hello")
    said = json.loads((await results.next_msg(TIMEOUT_S)).data)
    assert said == {"key": "greeting", "function": "demo:counter/api.{say}"}
    answer = await client.request("shem.call.load.bare", b"get()", timeout=TIMEOUT_S)
    assert json.loads(answer.data)["result"] == 5
    info = json.loads((await client.request("$SRV.INFO.shem", timeout=TIMEOUT_S)).data)
    subjects = {each["subject"] for each in info["endpoints"]}
    assert subjects >= {"shem.api.worker.list", "shem.api.component.add", "shem.call.*.*"}
    await _read_log(client, event["index"])


async def _read_log(client: Connection, stdout_index: int) -> None:
    subscription = await client.jetstream().subscribe(
        "shem.oplog.*.load.bare.log", ordered_consumer=True
    )
    entries: list[dict[str, Any]] = []
    previous = ""
    while "get}" not in json.dumps(entries[-1:]):
        message = await subscription.next_msg(TIMEOUT_S)
        commit = json.loads(message.data)
        headers = message.headers
        assert headers is not None
        assert commit["v"] == 1
        assert commit["previous"] == previous
        assert int(headers["Shem-First"]) == commit["first"] == len(entries) + 1
        assert int(headers["Shem-Last"]) == len(entries) + len(commit["entries"])
        assert int(headers["Shem-Invoked"]) == commit["invoked"]
        types = headers["Shem-Types"].split(",")
        assert types[0].partition("*")[0] == commit["entries"][0]["type"]
        previous = headers["Shem-Hash"]
        entries += commit["entries"]
    assert entries[0]["type"] == "create"
    assert (entries[0]["component"], entries[0]["worker"]) == ("load", "bare")
    assert entries[1]["function"] == "demo:counter/api.{add}"
    assert entries[1]["params"] == [5]
    assert entries[2]["result"] == 5
    assert entries[stdout_index - 1]["message"].strip() == "hello"


@pytest.fixture
def nats_command(whole: Whole) -> list[str]:
    found = shutil.which("nats")
    if found is None:
        pytest.skip("the `nats` command line is not on PATH")
    return [found, "--server", whole.server.url]


def test_the_nats_command_line_sees_it_all(nats_command: list[str]) -> None:
    def nats_(*arguments: str) -> str:
        done = subprocess.run(
            [*nats_command, *arguments],
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    listening = subprocess.Popen(
        [*nats_command, "sub", "shem.result.load.typed", "--count", "1", "--raw"],
        stdout=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + TIMEOUT_S
    try:
        # Nobody tells when it listens; the same key is answered each time and executed once.
        while listening.poll() is None:
            assert time.monotonic() < deadline
            nats_("pub", "shem.invoke.load.typed", "add(5)", "-H", "Shem-Key:typed")
        heard, _ = listening.communicate(timeout=TIMEOUT_S)
    finally:
        listening.kill()
        listening.wait()
    assert json.loads(heard)["result"] == 5
    asked = nats_("req", "shem.call.load.typed", "get()", "--raw", "--timeout", "20s")
    assert json.loads(asked)["wave"] == "5"
    last = nats_("stream", "get", "SHEM_OPLOG", "-S", _log_subject(nats_))
    assert "exported-function-completed" in last
    assert "Shem-Hash" in last


def _log_subject(nats_: Any) -> str:
    subjects = json.loads(nats_("stream", "subjects", "SHEM_OPLOG", "--json"))
    (found,) = [name for name in subjects if name.endswith(".load.typed.log")]
    return str(found)
