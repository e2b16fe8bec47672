"""WASI 0.2 from compiled guests: each function called, with its errors, and killed everywhere."""

from collections.abc import Iterator

import pytest

from actors.host.table import TABLE
from tests.replay.harness import Guests, Row, check_everywhere, run_once
from tests.replay.wasi_rows import WASI_ROWS

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def guests() -> Iterator[Guests]:
    guests = Guests()
    yield guests
    guests.close()


@pytest.mark.parametrize("row", WASI_ROWS, ids=lambda row: row.name)
def test_a_crash_anywhere_changes_nothing(row: Row, guests: Guests) -> None:
    check_everywhere(row, guests)


def test_compiled_guests_call_every_function_of_wasi(guests: Guests) -> None:
    for row in WASI_ROWS:
        if row.name not in guests.ran:
            run_once(row, guests)
    offered = {
        f"{interface}#{name}"
        for interface, found in TABLE.items()
        if interface.startswith("wasi:")
        for name in found.functions
    }
    assert offered - guests.called == set()
