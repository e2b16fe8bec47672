"""`shem doctor` and `shem oplog` on a real system, well and damaged."""

import asyncio
import time

import nats

from tests.chaos.operations import COMPONENT
from tests.integration.system.whole import Whole

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

    asyncio.run(forge(whole.server.url))
    done = whole.run("oplog", "verify")
    assert done.returncode == 1
    assert WORKER in done.stdout

    # What waits is not refused, since it may run once that is mended; but why is told.
    waits = whole.run("worker", "invoke", WORKER, "add(5)", "--key", "waits", "--timeout", "2")
    assert waits.returncode == 1
    assert "log-damaged" in waits.stderr
    assert "shem oplog verify" in waits.stderr

    whole.run("oplog", "cut", WORKER)
    nobody = whole.run("oplog", "cut", f"{WORKER}-nobody")
    assert nobody.returncode == 1
    assert "unknown-worker" in nobody.stderr
    assert whole.run("oplog", "verify", WORKER).returncode == 1
    assert whole.json("oplog", "cut", WORKER, "--yes")["done"]
    assert whole.run("oplog", "verify", WORKER).returncode == 0
    # What waited has run by now.
    assert whole.json("worker", "invoke", WORKER, "add(5)")["result"] == 25
    assert whole.json("worker", "invoke", WORKER, "add(5)", "--key", "waits")["result"] == 20


async def forge(url: str) -> None:
    """Append what no executor wrote, as damage of a disk cannot be had for the asking."""
    client = await nats.connect(url)
    stream = client.jetstream()
    pattern = f"shem.oplog.*.{COMPONENT}.carol.log"
    info = await stream.stream_info("SHEM_OPLOG", subjects_filter=pattern)
    (subject,) = info.state.subjects
    last = await stream.get_last_msg("SHEM_OPLOG", subject)
    told = {name: text for name, text in last.headers.items() if name.startswith("Shem-")}
    await stream.publish(subject, last.data, headers=told)
    await client.close()
