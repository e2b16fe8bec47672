"""A worker that moves on by snapshots at every point between its invocations is the same worker.

The rows of `rows.py`, on real guests: each invocation runs on an instance made from the snapshot
taken after the one before, on another executor. Answers, effects outside and the journal have to be
those of the worker that was never stopped; then the executor is killed around every append that
taking snapshots makes.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest
from msgspec import structs

from oplog.entries import HINTS
from tests.guests.build import unavailable
from tests.replay import patience
from tests.replay.harness import Guests, Row, check_everywhere, play_moving
from tests.replay.language_rows import HOLDER, LANGUAGES, SHELF
from tests.replay.rows import JAVASCRIPT, ROWS

pytestmark = pytest.mark.timeout(300)

_HINTS = {str(hint.__struct_config__.tag) for hint in HINTS}
_PORT = re.compile(r"(?<=127\.0\.0\.1:)[0-9]+")
# What a guest of these rows may hold at the end of an invocation that no snapshot can: the reason
# that its status then gives.
REFUSED = (
    "its connection exists in this process alone",
    "a connection cannot be saved",
    "the future of a cache call is held",
    "does not say how it is saved",
)
# Rows whose course is decided by chance or by how long a move takes: two runs of them differ.
_UNLIKE_THEMSELVES = {"the own history", "a cache"}
# How often Go's runtime looks at the clock depends on how long what it does took.
_BY_CHANCE = {"go": "wasi:clocks/monotonic-clock#now"}
_MOVED = [row for row in ROWS if row.name not in _UNLIKE_THEMSELVES]


@pytest.fixture(scope="module")
def guests() -> Iterator[Guests]:
    guests = Guests()
    yield guests
    guests.close()


def shapes(entries: Sequence[Mapping[str, Any]], guest: str) -> list[tuple[Any, ...]]:
    """What of a log is decided by the guest and its invocations, random numbers left out."""
    left_out = _BY_CHANCE.get(guest)
    return [
        (one["type"], one.get("function"), _PORT.sub("", json.dumps(one.get("params"))))
        for one in entries
        if one["type"] not in _HINTS and (left_out is None or one.get("function") != left_out)
    ]


_BY_TOOLCHAIN = [pytest.param(row, marks=pytest.mark.toolchain) for row in (*LANGUAGES, JAVASCRIPT)]


@pytest.mark.parametrize("row", [*_MOVED, SHELF, HOLDER, *_BY_TOOLCHAIN], ids=lambda row: row.name)
def test_every_invocation_on_another_executor_from_a_snapshot(row: Row, guests: Guests) -> None:
    if reason := unavailable(row.guest):
        pytest.skip(reason)
    component = guests.prepare(row.guest)
    staying = structs.replace(row, options={**row.options, "snapshots": "never"})
    moving = structs.replace(row, options={**row.options, "snapshots": "every=1"})
    stayed = patience.run(play_moving(staying, guests, component, moves=False))
    moved = patience.run(play_moving(moving, guests, component, moves=True))
    assert shapes(moved.entries, row.guest) == shapes(stayed.entries, row.guest)
    types = [one["type"] for one in moved.entries]
    invocations = types.count("exported-function-completed")
    reasons = {one["reason"] for one in moved.entries if one["type"] == "snapshot-failed"}
    assert all(reason.endswith(REFUSED) for reason in reasons), reasons
    # What is sent to clients is still on its way when an invocation ends, and a snapshot waits.
    if not reasons and not row.clients:
        assert types.count("snapshot") >= invocations
        assert moved.restored >= invocations - 1


_CRASHED = [row for row in ROWS if row.name in {"numbers and naps of a C guest", "files"}]


@pytest.mark.parametrize("row", _CRASHED, ids=lambda row: row.name)
def test_a_crash_anywhere_while_taking_snapshots_changes_nothing(row: Row, guests: Guests) -> None:
    check_everywhere(structs.replace(row, options={**row.options, "snapshots": "every=1"}), guests)
