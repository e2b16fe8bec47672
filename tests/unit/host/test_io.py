"""wasi:io: pollables and streams."""

import asyncio

import pytest

from actors.engine.errors import GuestTrap
from actors.host.pollable import POLLABLES_MAX, Always, Event, Never, Timer, wait_for_any
from actors.host.streams import (
    CLOSED,
    READ_BYTES_MAX,
    WRITE_BYTES_MAX,
    ClosedInput,
    ConsoleOutput,
    InputSource,
    IoError,
    failed,
)
from wit.values import ok

IN = "wasi:io/streams#[method]input-stream."
OUT = "wasi:io/streams#[method]output-stream."


class Bytes(InputSource):
    """A source over bytes that remembers what it was asked for."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.asked = []
        self.closed = False

    def read(self, context, length):
        self.asked.append(length)
        part, self.data = self.data[:length], self.data[length:]
        return ok(part) if part else CLOSED

    def close(self, context):
        self.closed = True


def test_polling_returns_every_ready_index_without_waiting(context, call):
    pollables = [Never(), Always(), Timer(0), Always()]
    assert call(context, "wasi:io/poll#poll", pollables) == [1, 2, 3]
    assert context.slept == []


def test_polling_timers_only_sleeps_until_the_earliest_one(context, call):
    now = context.clock.monotonic_ns()
    timers = [Timer(now + 9_000), Never(), Timer(now + 5_000)]
    assert call(context, "wasi:io/poll#poll", timers) == [2]
    assert context.slept == [now + 5_000]


def test_blocking_on_a_timer_sleeps_and_it_is_ready_then(context, call):
    timer = Timer(context.clock.monotonic_ns() + 1)
    assert call(context, "wasi:io/poll#[method]pollable.ready", timer) is False
    assert call(context, "wasi:io/poll#[method]pollable.block", timer) is None
    assert call(context, "wasi:io/poll#[method]pollable.ready", timer) is True


def test_polling_events_returns_the_one_that_happened(context):
    async def scenario():
        first, second = asyncio.Event(), asyncio.Event()
        pollables = [Event(first.is_set, first.wait), Event(second.is_set, second.wait)]
        waiting = asyncio.ensure_future(wait_for_any(context, pollables))
        await asyncio.sleep(0)
        second.set()
        assert await waiting == [1]
        first.set()
        assert await wait_for_any(context, pollables) == [0, 1]
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(scenario())


def test_polling_an_event_beside_a_due_timer_returns_the_timer(context):
    async def scenario():
        event = asyncio.Event()
        pollables = [Event(event.is_set, event.wait), Timer(context.clock.monotonic_ns() + 1000)]
        waiting = asyncio.ensure_future(wait_for_any(context, pollables))
        await asyncio.sleep(0)
        context.clock.now_ns += 1_000
        assert await waiting == [1]

    asyncio.run(scenario())


def test_a_cancelled_poll_leaves_no_task_behind(context):
    async def scenario():
        event = asyncio.Event()
        waits = [Event(event.is_set, event.wait), Event(event.is_set, event.wait)]
        waiting = asyncio.ensure_future(wait_for_any(context, waits))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(scenario())


def test_an_event_whose_wait_fails_fails_the_poll(context):
    async def broken():
        raise ConnectionResetError

    async def forever():
        await asyncio.Event().wait()

    pollables = [Event(lambda: False, broken), Event(lambda: False, forever)]
    with pytest.raises(ConnectionResetError):
        asyncio.run(wait_for_any(context, pollables))


@pytest.mark.parametrize("pollables", [[], [Never(), Never()]])
def test_polling_what_can_never_end_traps(context, call, pollables):
    with pytest.raises(GuestTrap, match="poll: "):
        call(context, "wasi:io/poll#poll", pollables)


def test_polling_too_many_traps(context, call):
    with pytest.raises(GuestTrap, match=str(POLLABLES_MAX)):
        call(context, "wasi:io/poll#poll", [Always()] * (POLLABLES_MAX + 1))


@pytest.mark.parametrize("method", ["read", "blocking-read", "skip", "blocking-skip"])
def test_closed_input_is_at_its_end(context, call, method):
    assert call(context, IN + method, ClosedInput(), 10) == CLOSED


def test_reading_is_capped_whatever_the_guest_asks_for(context, call):
    source = Bytes(b"abcdef")
    assert call(context, IN + "read", source, 2**64 - 1) == ok(b"abcdef")
    assert source.asked == [READ_BYTES_MAX]


def test_skipping_counts_bytes(context, call):
    source = Bytes(b"abcdef")
    assert call(context, IN + "skip", source, 2) == ok(2)
    assert call(context, IN + "blocking-skip", source, 10) == ok(4)
    assert call(context, IN + "blocking-read", source, 1) == CLOSED


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_console_output_arrives_whole_and_in_order(context, call, stream):
    sink = ConsoleOutput(stream)
    assert call(context, OUT + "check-write", sink) == ok(WRITE_BYTES_MAX)
    assert call(context, OUT + "write", sink, b"a") == ok()
    assert call(context, OUT + "blocking-write-and-flush", sink, b"b") == ok()
    assert call(context, OUT + "write-zeroes", sink, 2) == ok()
    assert call(context, OUT + "blocking-write-zeroes-and-flush", sink, 1) == ok()
    assert call(context, OUT + "flush", sink) == ok()
    assert call(context, OUT + "blocking-flush", sink) == ok()
    assert b"".join(data for _, data in context.output) == b"ab\0\0\0"
    assert {name for name, _ in context.output} == {stream}


def test_console_output_and_closed_input_are_always_ready(context, call):
    assert call(context, OUT + "subscribe", ConsoleOutput("stdout")).ready(context)
    assert call(context, IN + "subscribe", ClosedInput()).ready(context)


@pytest.mark.parametrize(
    ("method", "argument"),
    [
        ("write", bytes(WRITE_BYTES_MAX + 1)),
        ("blocking-write-and-flush", bytes(WRITE_BYTES_MAX + 1)),
        ("write-zeroes", WRITE_BYTES_MAX + 1),
        ("blocking-write-zeroes-and-flush", 2**64 - 1),
    ],
)
def test_writing_more_than_permitted_traps_before_anything_is_written(
    context, call, method, argument
):
    with pytest.raises(GuestTrap, match="check-write"):
        call(context, OUT + method, ConsoleOutput("stdout"), argument)
    assert context.output == []


@pytest.mark.parametrize("method", ["splice", "blocking-splice"])
def test_splicing_moves_what_fits(context, call, method):
    sink, source = ConsoleOutput("stdout"), Bytes(b"abcdef")
    assert call(context, OUT + method, sink, source, 4) == ok(4)
    assert call(context, OUT + method, sink, source, 2**64 - 1) == ok(2)
    assert call(context, OUT + method, sink, source, 0) == ok(0)
    assert call(context, OUT + method, sink, source, 1) == CLOSED
    assert b"".join(data for _, data in context.output) == b"abcdef"


def test_an_error_tells_what_happened(context, call):
    error = IoError("disk is gone", filesystem_code="io")
    assert failed(error) == ("err", ("last-operation-failed", error))
    assert call(context, "wasi:io/error#[method]error.to-debug-string", error) == "disk is gone"
