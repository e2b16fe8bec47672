"""Every row, killed at every index of its log."""

from collections.abc import Iterator

import pytest

from actors.host.table import TABLE
from tests.guests import node_tools
from tests.replay.harness import Guests, Row, check_everywhere, run_once
from tests.replay.hostile import HOSTILE
from tests.replay.language_rows import HOLDER, SHELF
from tests.replay.rows import JAVASCRIPT, ROWS

# What no toolchain of these guests binds, or what ends the worker. C calls it, in
# `test_wasi_conformance.py`.
NOT_CALLED = {
    "wasi:clocks/timezone#display",
    "wasi:clocks/timezone#utc-offset",
    "wasi:cli/exit#exit",
    "wasi:cli/exit#exit-with-code",
    "wasi:cli/terminal-stdin#get-terminal-stdin",
    "wasi:cli/terminal-stdout#get-terminal-stdout",
    "wasi:cli/terminal-stderr#get-terminal-stderr",
    "wasi:sockets/network#network-error-code",
    "wasi:keyvalue/cache#[method]future-get-result.listen-to-future-get-result",
    "wasi:keyvalue/cache#[method]future-exists-result.listen-to-future-exists-result",
}

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def guests() -> Iterator[Guests]:
    guests = Guests()
    yield guests
    guests.close()


@pytest.mark.parametrize("row", [*ROWS, SHELF, HOLDER, *HOSTILE], ids=lambda row: row.name)
def test_a_crash_anywhere_changes_nothing(row: Row, guests: Guests) -> None:
    check_everywhere(row, guests)


def test_every_function_is_called_from_a_guest(guests: Guests) -> None:
    for row in [*ROWS, *HOSTILE]:
        if row.name not in guests.ran:
            run_once(row, guests)
    offered = {
        f"{interface}#{name}"
        for interface, found in TABLE.items()
        # What is about calls of others has a matrix of its own.
        if not interface.startswith(("golem:rpc/", "shem:rpc/"))
        for name in found.functions
    }
    assert offered - guests.called == NOT_CALLED


@pytest.mark.toolchain
def test_a_crash_anywhere_changes_nothing_for_javascript(guests: Guests) -> None:
    if reason := node_tools.missing():
        pytest.skip(reason)
    check_everywhere(JAVASCRIPT, guests)
