"""The small form of `make http-load`."""

from tests.replay.harness import Guests
from tests.replay.http_load import load


def test_requests_over_connections_that_are_cut_end_right_or_reported() -> None:
    guests = Guests()
    ends = load(guests, workers=8, requests=240, seed=7)
    guests.close()
    assert ends["right"] + ends["reported"] == 240
    assert 0 < ends["reported"] <= ends["cut"]
