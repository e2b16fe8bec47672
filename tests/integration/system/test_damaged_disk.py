"""A bit that flips on the disk of the only broker: what is lost with it is noticed."""

import time
from pathlib import Path

import pytest

from tests.chaos.operations import COMPONENT
from tests.integration.system.whole import Whole, running

WORKER = f"{COMPONENT}/alice"
NOTICED_S = 60


@pytest.fixture
def alone(tmp_path: Path):
    with running(tmp_path) as started:
        yield started


def flip_a_bit(folder: Path, key: str) -> None:
    """Change one bit of the stored commit of the invocation with this key."""
    for file in folder.rglob("SHEM_OPLOG/msgs/*.blk"):
        data = bytearray(file.read_bytes())
        place = data.find(b'"exported-function-invoked"')
        place = data.find(f'"{key}"'.encode(), place)
        if place >= 0:
            data[place + 1] ^= 1
            file.write_bytes(bytes(data))
            return
    raise AssertionError("the commit is not found")


def begin_again_damaged(alone: Whole, key: str) -> None:
    flip_a_bit(alone.folder, key)
    alone.start_server()
    alone.executors[0].start()
    alone.executors[0].wait_until_ready()


def test_a_shortened_stream_is_held_back_until_the_loss_is_accepted(alone: Whole):
    for number in range(6):
        alone.json("worker", "invoke", WORKER, "add(1)", "--key", f"key-{number}")
    # The marks are written once a second, and at the latest when an executor leaves.
    alone.executors[0].terminate()
    alone.server.kill()
    begin_again_damaged(alone, "key-3")

    found = alone.run("oplog", "verify", "-o", "json")
    assert found.returncode == 1
    assert "acknowledged messages are gone" in found.stdout
    assert "shortened" in found.stdout
    told = alone.run("doctor")
    assert told.returncode == 1
    assert "acknowledged messages are gone" in told.stdout

    # Nothing is answered from what is left.
    late = alone.run("worker", "invoke", WORKER, "add(1)", "--key", "late", "--timeout", "2")
    assert late.returncode == 1

    alone.json("oplog", "accept-loss")
    assert alone.run("oplog", "verify").returncode == 1
    accepted = alone.json("oplog", "accept-loss", "--yes")
    assert accepted["losses"]["partitions"]
    deadline = time.monotonic() + NOTICED_S
    while alone.run("worker", "invoke", WORKER, "get()", "--timeout", "5").returncode:
        assert time.monotonic() < deadline
    # Three outcomes are left, a message whose outcome was lost, and what came afterwards.
    assert alone.json("worker", "invoke", WORKER, "get()")["result"] == 5
    assert alone.run("oplog", "verify").returncode == 0
    assert alone.run("doctor").returncode == 0


def test_a_worker_whose_only_commit_cannot_be_read_is_not_begun_anew(alone: Whole):
    alone.json("worker", "invoke", WORKER, "add(1)", "--key", "key-0")
    for number in range(20):
        # What was committed last of a partition is known from its mark.
        alone.json("worker", "invoke", f"{COMPONENT}/other-{number}", "add(1)")
    alone.executors[0].terminate()
    # A server that ends in order goes on counting what it cannot read.
    alone.server.terminate()
    begin_again_damaged(alone, "key-0")

    late = alone.run("worker", "invoke", WORKER, "add(1)", "--key", "late", "--timeout", "20")

    assert late.returncode == 1
    assert "log-damaged" in late.stderr
    assert "counts 1 commits, and can read none" in late.stderr
    assert alone.json("worker", "invoke", f"{COMPONENT}/other-0", "add(1)")["result"] == 2
