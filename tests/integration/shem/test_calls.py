"""Ephemeral workers and what is scheduled, on a real system by the command line."""

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.integration.shem.conftest import COUNTER, System

WITHIN_S = 30


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    running = System(tmp_path_factory.mktemp("calls"))
    try:
        running.start()
        running.add_counter()
        file = running.directory / "brief.wasm"
        file.write_bytes(COUNTER)
        running.json("component", "add", "brief", str(file), "--ephemeral")
        yield running
    finally:
        running.kill()


def until(condition: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + WITHIN_S
    while not (found := condition()):
        assert time.monotonic() < deadline, f"{what}: not within {WITHIN_S} s"
        time.sleep(0.1)
    return found


def at(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


def test_a_dash_makes_up_a_name_for_each_invocation(system: System) -> None:
    for component in ("counter", "brief"):
        before = {each["worker"] for each in workers(system, component)}
        for _ in range(3):
            assert system.json("worker", "invoke", f"{component}/-", "add(5)") == {"result": 5}
        made = until(lambda at=before, of=component: new(system, of, at), "three made-up names")
        assert all(len(name) >= 16 for name in made)


def test_an_ephemeral_worker_forgets_and_is_refused_updates_and_recovery(system: System) -> None:
    for _ in range(2):
        assert system.json("worker", "invoke", "brief/x", "add(5)") == {"result": 5}
    file = system.directory / "brief.wasm"
    added = system.json("component", "add", "brief", str(file), "--ephemeral")
    update = ["worker", "update", "brief/x", "--version", str(added["version"])]
    done = system.run(*update, "--mode", "automatic", "-o", "json")
    assert (done.returncode, json.loads(done.stdout)["error"]["kind"]) == (1, "cannot-update")
    done = system.run("worker", "interrupt", "brief/x", "--recover", "-o", "json")
    assert (done.returncode, json.loads(done.stdout)["error"]["kind"]) == (1, "cannot-recover")
    assert system.json("worker", "invoke", "brief/x", "get()") == {"result": 0}


def test_what_is_scheduled_is_listed_taken_back_and_run(system: System) -> None:
    soon = system.json("worker", "invoke", "counter/later", "add(5)", "--at", at(4), "--key", "s1")
    assert soon["key"] == "s1"
    system.json("worker", "invoke", "counter/later", "add(70)", "--at", at(3_600), "--key", "s2")
    listed = system.json("worker", "scheduled", "counter/later")["scheduled"]
    assert [each["key"] for each in listed] == ["s1", "s2"]
    assert listed[1]["call"] == "add(70)"
    system.json("worker", "unschedule", "counter/later", "s2")
    done = system.run("worker", "unschedule", "counter/later", "s2", "-o", "json")
    assert json.loads(done.stdout)["error"]["kind"] == "unknown-schedule"
    until(lambda: total(system, "later") == 5, "the scheduled invocation has run")
    assert system.json("worker", "scheduled", "counter/later")["scheduled"] == []


def test_what_repeats_is_paused_and_goes_on(system: System) -> None:
    system.json("worker", "repeat", "counter/again", "add(1)", "--id", "tick", "--every", "1s")
    until(lambda: total(system, "again") >= 2, "it has run twice")
    system.json("worker", "pause", "counter/again", "tick")
    (paused,) = system.json("worker", "scheduled", "counter/again")["scheduled"]
    assert paused["paused"]
    # One may have been on its way; afterwards it rests.
    time.sleep(1.5)
    rested = total(system, "again")
    time.sleep(2.5)
    assert total(system, "again") == rested
    system.json("worker", "unpause", "counter/again", "tick")
    until(lambda: total(system, "again") > rested, "it goes on")
    system.json("worker", "unschedule", "counter/again", "tick")
    for command in ("pause", "unpause", "unschedule"):
        done = system.run("worker", command, "counter/again", "nothing", "-o", "json")
        assert (done.returncode, json.loads(done.stdout)["error"]["kind"]) == (
            1,
            "unknown-schedule",
        )


def test_only_what_waits_is_said_to_be_cancelled(system: System) -> None:
    system.json("worker", "invoke", "counter/queue", "nap(60000)", "--no-wait", "--key", "begun")
    system.json("worker", "invoke", "counter/queue", "add(5)", "--no-wait", "--key", "waits")
    until(lambda: system.json("worker", "get", "counter/queue")["running-key"], "the nap has begun")
    system.json("worker", "cancel", "counter/queue", "waits")
    for key in ("waits", "begun", "nothing"):
        done = system.run("worker", "cancel", "counter/queue", key, "-o", "json")
        kind = json.loads(done.stdout)["error"]["kind"]
        assert (done.returncode, kind) == (1, "not-cancelled")
    system.json("worker", "delete", "counter/queue")


def test_keys_and_ids_that_no_header_can_carry_are_refused(system: System) -> None:
    for call in (
        ["invoke", "counter/keys", "get()", "--key", "a\nb"],
        ["invoke", "counter/keys", "get()", "--key", "k" * 300],
        ["invoke", "counter/keys", "get()", "--key", "a\nb", "--at", at(3_600)],
        ["repeat", "counter/keys", "get()", "--id", "a\nb", "--every", "1h"],
    ):
        done = system.run("worker", *call, "-o", "json")
        assert (done.returncode, json.loads(done.stdout)["error"]["kind"]) == (1, "bad-request")


def test_a_function_that_only_reads_answers_beside_a_long_invocation(system: System) -> None:
    file = system.directory / "counter.wasm"
    added = system.json("component", "add", "reader", str(file), "--read-only", "api.get")
    assert added["read-only"] == ["demo:counter/api.{get}"]
    assert "read-only" in system.run("component", "get", "reader").stdout
    system.json("worker", "invoke", "reader/r", "add(5)")
    system.json("worker", "invoke", "reader/r", "nap(60000)", "--no-wait")
    for _ in range(3):
        assert system.json("worker", "invoke", "reader/r", "get()") == {"result": 5}
    log = system.json("worker", "oplog", "reader/r")
    assert "{get}" not in json.dumps(log)
    refused = system.run("component", "add", "other", str(file), "--read-only", "got", "-o", "json")
    assert refused.returncode == 1
    assert "did you mean" in json.loads(refused.stdout)["error"]["message"]


def total(system: System, worker: str) -> int:
    return int(system.json("worker", "invoke", f"counter/{worker}", "get()")["result"])


def workers(system: System, component: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = system.json("worker", "list", component)
    return found


def new(system: System, component: str, before: set[str]) -> set[str] | None:
    found = {each["worker"] for each in workers(system, component)} - before
    return found if len(found) == 3 else None
