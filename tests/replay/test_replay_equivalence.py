"""Every row, killed at every index of its log."""

from collections.abc import Iterator

import pytest

from tests.guests import node_tools
from tests.replay.harness import Guests, Row, check_everywhere
from tests.replay.rows import HOSTILE, JAVASCRIPT, ROWS

pytestmark = [pytest.mark.timeout(300), pytest.mark.xdist_group("python")]


@pytest.fixture(scope="module")
def guests() -> Iterator[Guests]:
    guests = Guests()
    yield guests
    guests.close()


@pytest.mark.parametrize("row", [*ROWS, *HOSTILE], ids=lambda row: row.name)
def test_a_crash_anywhere_changes_nothing(row: Row, guests: Guests) -> None:
    check_everywhere(row, guests)


@pytest.mark.toolchain
def test_a_crash_anywhere_changes_nothing_for_javascript(guests: Guests) -> None:
    if reason := node_tools.missing():
        pytest.skip(reason)
    check_everywhere(JAVASCRIPT, guests)
