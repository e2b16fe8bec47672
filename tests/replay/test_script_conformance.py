"""WASI 0.2 from JavaScript, over the functions themselves and not the engine's globals."""

from collections.abc import Iterator

import pytest

from actors.host.table import TABLE
from tests.guests.build import unavailable
from tests.replay.harness import SLOW_CRASHES_MAX, Guests, Row, check_everywhere, run_once
from tests.replay.script_rows import NOT_CALLED, SCRIPT_ROWS

pytestmark = [pytest.mark.timeout(300), pytest.mark.toolchain]


@pytest.fixture(scope="module")
def guests() -> Iterator[Guests]:
    if reason := unavailable("wasi-js"):
        pytest.skip(reason)
    guests = Guests()
    yield guests
    guests.close()


@pytest.mark.parametrize("row", SCRIPT_ROWS, ids=lambda row: row.name)
def test_a_crash_changes_nothing(row: Row, guests: Guests) -> None:
    check_everywhere(row, guests, at_most=SLOW_CRASHES_MAX)


def test_javascript_calls_every_function_of_wasi(guests: Guests) -> None:
    for row in SCRIPT_ROWS:
        if row.name not in guests.ran:
            run_once(row, guests)
    offered = {
        f"{interface}#{name}"
        for interface, found in TABLE.items()
        if interface.startswith("wasi:")
        for name in found.functions
    }
    assert offered - guests.called == NOT_CALLED
