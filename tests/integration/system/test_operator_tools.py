"""`shem doctor` and `shem oplog` on a real system, well and damaged."""

import asyncio
import json
import time
from typing import Any

import nats

from tests.chaos.operations import COMPONENT
from tests.integration.system.whole import Whole
from tests.support.forged_log import forge

WORKER = f"{COMPONENT}/carol"


def checks(document):
    return {each["check"]: each.get("level") for each in document["findings"]}


def test_the_doctor_finds_a_fresh_system_well_and_lists_what_was_looked_at(whole: Whole):
    # The mark of an executor tells of its partitions from its next heartbeat on.
    deadline = time.monotonic() + 20
    document = whole.json("doctor")
    while checks(document)["partitions"] != "ok" and time.monotonic() < deadline:
        document = whole.json("doctor")
    found = checks(document)

    assert document["well"]
    assert found["server-version"] == found["streams"] == found["executors"] == "ok"
    assert found["clock"] == found["partitions"] == found["lag"] == "ok"
    assert found["replicas"] == found["identity"] == found["encryption"] == "warning"
    assert found["sync"] == "unknown"


def test_the_doctor_fails_for_what_is_expected_and_not_there(whole: Whole):
    done = whole.run("doctor", "--replicas", "3", "--executors", "2", "--json")
    assert done.returncode == 1
    assert '"level":"error"' in done.stdout
    assert whole.run("doctor", "--strict").returncode == 1


def test_the_doctor_says_when_nobody_answers(whole: Whole, monkeypatch):
    healthy = whole.server
    try:
        whole.server = type("Gone", (), {"url": "nats://127.0.0.1:1"})()
        done = whole.run("doctor")
    finally:
        whole.server = healthy
    assert (done.returncode, "unavailable" in done.stderr) == (1, True)


def test_logs_are_verified_and_a_damaged_one_is_cut_back_and_goes_on(whole: Whole):
    for _ in range(3):
        whole.json("worker", "invoke", WORKER, "add(5)")
    assert whole.json("oplog", "verify", WORKER)["verified"]["damaged"] == []

    asyncio.run(forge(whole.server.url, COMPONENT, "carol"))
    done = whole.run("oplog", "verify")
    assert done.returncode == 1
    assert WORKER in done.stdout

    # What waits is not refused, since it may run once that is mended; but why is told.
    waits = whole.run("worker", "invoke", WORKER, "add(5)", "--key", "waits")
    assert waits.returncode == 1
    assert "error (log-damaged)" in waits.stderr
    assert "shem oplog verify" in waits.stderr
    assert asyncio.run(call(whole.server.url, "called"))["error"]["kind"] == "log-damaged"
    (finding,) = wait_for_logs(whole, are_damaged=True)
    assert (finding["level"], WORKER in finding["message"]) == ("error", True)

    whole.run("oplog", "cut", WORKER)
    nobody = whole.run("oplog", "cut", f"{WORKER}-nobody")
    assert nobody.returncode == 1
    assert "unknown-worker" in nobody.stderr
    assert whole.run("oplog", "verify", WORKER).returncode == 1
    assert whole.json("oplog", "cut", WORKER, "--yes")["done"]
    assert whole.run("oplog", "verify", WORKER).returncode == 0
    # What waited has run by now.
    assert whole.json("worker", "invoke", WORKER, "add(5)")["result"] == 30
    assert asyncio.run(call(whole.server.url, "called"))["result"] == 25
    wait_for_logs(whole, are_damaged=False)
    assert whole.json("worker", "invoke", WORKER, "add(5)", "--key", "waits")["result"] == 20


def wait_for_logs(whole: Whole, *, are_damaged: bool) -> list[dict[str, str]]:
    """Return what the doctor says of damaged logs: executors tell it with their heartbeats."""
    deadline = time.monotonic() + 20
    while True:
        findings = json.loads(whole.run("doctor", "--json").stdout)["findings"]
        found = [each for each in findings if each["check"] == "logs"]
        if bool(found) is are_damaged:
            return found
        assert time.monotonic() < deadline


async def call(url: str, key: str) -> dict[str, Any]:
    """Add 5 as a bare client does."""
    client = await nats.connect(url)
    subject = f"shem.call.{COMPONENT}.carol"
    answer = await client.request(subject, b"add(5)", timeout=30, headers={"Shem-Key": key})
    await client.close()
    told: dict[str, Any] = json.loads(answer.data)
    return told
