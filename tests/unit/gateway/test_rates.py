"""How often a client may ask."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.rates import Rates, client_of


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def test_a_client_may_ask_so_often_and_waits_for_more():
    clock = Clock()
    rates = Rates(clock)

    assert [rates.take("eve", requests=2, per_s=10) for _ in range(3)] == [0, 0, 5]
    assert rates.take("bob", requests=2, per_s=10) == 0
    clock.now = 4
    assert rates.take("eve", requests=2, per_s=10) == pytest.approx(1)
    clock.now = 5
    assert [rates.take("eve", requests=2, per_s=10) for _ in range(2)] == [0, pytest.approx(5)]


@given(st.lists(st.floats(0, 5), max_size=50), st.integers(1, 5), st.floats(0.5, 20))
def test_never_more_than_the_bucket_and_what_came_back(pauses, requests, per_s):
    clock = Clock()
    rates = Rates(clock)
    passed = 0
    for pause in pauses:
        clock.now += pause
        wait_s = rates.take("eve", requests=requests, per_s=per_s)
        passed += wait_s == 0
        assert wait_s <= per_s / requests + 1e-9
    assert passed <= requests + clock.now * requests / per_s + 1e-6


def test_memory_is_bounded():
    rates = Rates(Clock(), buckets_max=2)
    for client in ("a", "b", "c"):
        rates.take(client, requests=1, per_s=1)
    assert rates.take("b", requests=1, per_s=1) > 0
    assert rates.take("a", requests=1, per_s=1) == 0, "the client that was quiet longest is new"


def test_an_ipv6_client_is_its_network():
    assert client_of("2001:db8::1") == client_of("2001:db8::ffff:2") == "2001:db8::/64"
    assert client_of("::ffff:192.0.2.1") == "192.0.2.1"
    assert client_of("192.0.2.1") == "192.0.2.1"
    assert client_of("") == ""
