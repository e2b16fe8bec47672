"""wasi:clocks, wasi:random and wasi:cli."""

import asyncio

import pytest

from actors.engine.errors import GuestTrap
from actors.host.context import ExitRequest
from actors.host.wasi.random import RANDOM_BYTES_MAX
from wit.values import err, ok

MONOTONIC = "wasi:clocks/monotonic-clock#"
WALL = "wasi:clocks/wall-clock#"
ZONE = "wasi:clocks/timezone#"


def test_clocks_tell_the_workers_time(context, call):
    context.clock.now_ns = 1_700_000_000 * 10**9 + 5
    assert call(context, MONOTONIC + "now") == 100_000_000 * 10**9 + 5
    assert call(context, WALL + "now") == {"seconds": 1_700_000_000, "nanoseconds": 5}


def test_resolutions_are_constants(context, call):
    assert call(context, MONOTONIC + "resolution") == 1_000
    assert call(context, WALL + "resolution") == {"seconds": 0, "nanoseconds": 1_000}


def test_a_worker_lives_in_utc(context, call):
    when = {"seconds": 0, "nanoseconds": 0}
    assert call(context, ZONE + "utc-offset", when) == 0
    assert call(context, ZONE + "display", when) == {
        "utc-offset": 0,
        "name": "UTC",
        "in-daylight-saving-time": False,
    }


def test_an_instant_is_its_own_deadline(context, call):
    assert call(context, MONOTONIC + "subscribe-instant", 42).deadline_ns == 42
    assert context.log == []


def test_a_duration_keeps_its_deadline_at_replay(context, call):
    timer = call(context, MONOTONIC + "subscribe-duration", 10)
    assert timer.deadline_ns == context.clock.monotonic_ns() + 10
    replayed = context.replayed()
    replayed.clock.now_ns += 3600 * 10**9
    again = call(replayed, MONOTONIC + "subscribe-duration", 10)
    assert again.deadline_ns == timer.deadline_ns
    assert again.ready(replayed)


def test_a_duration_that_overflows_ends_with_time(context, call):
    timer = call(context, MONOTONIC + "subscribe-duration", 2**64 - 1)
    assert timer.deadline_ns == 2**64 - 1


def test_random_bytes_have_the_length_asked_for(context, call):
    for name in ("random#get-random-bytes", "insecure#get-insecure-random-bytes"):
        assert [len(call(context, "wasi:random/" + name, n)) for n in (0, 1, 33)] == [0, 1, 33]


def test_random_numbers_have_64_bits(context, call):
    names = ("random#get-random-u64", "insecure#get-insecure-random-u64")
    numbers = [call(context, "wasi:random/" + name) for name in names for _ in range(64)]
    assert len(set(numbers)) == 128
    assert 2**63 < max(numbers) < 2**64


def test_the_insecure_seed_has_two_halves(context, call):
    low, high = call(context, "wasi:random/insecure-seed#insecure-seed")
    assert low != high


def test_too_many_random_bytes_trap(context, call):
    with pytest.raises(GuestTrap, match=str(RANDOM_BYTES_MAX)):
        call(context, "wasi:random/random#get-random-bytes", RANDOM_BYTES_MAX + 1)


def test_environment_and_arguments_are_those_of_the_creation(new_context, call):
    context = new_context(arguments=["a", "b"], environment=[("K", "V")])
    assert call(context, "wasi:cli/environment#get-environment") == [("K", "V")]
    assert call(context, "wasi:cli/environment#get-arguments") == ["a", "b"]


@pytest.mark.parametrize(
    ("name", "argument", "code"),
    [("exit", ok(), 0), ("exit", err(), 1), ("exit-with-code", 7, 7)],
)
def test_exit_ends_the_guest_with_a_code(context, call, name, argument, code):
    with pytest.raises(ExitRequest) as caught:
        call(context, "wasi:cli/exit#" + name, argument)
    assert caught.value.code == code


@pytest.mark.parametrize("name", ["stdout", "stderr"])
def test_standard_output_goes_to_the_worker(context, call, name):
    sink = call(context, f"wasi:cli/{name}#get-{name}")
    sink.write(context, b"hello")
    assert context.output == [(name, b"hello")]


def test_standard_input_is_at_its_end(context, call):
    source = call(context, "wasi:cli/stdin#get-stdin")
    assert asyncio.run(source.blocking_read(context, 1)) == err(("closed", None))


@pytest.mark.parametrize("name", ["stdin", "stdout", "stderr"])
def test_there_is_no_terminal(context, call, name):
    assert call(context, f"wasi:cli/terminal-{name}#get-terminal-{name}") is None
