"""Ticks: there while a guest runs, however it runs, and not while none does."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from wat_guests import MEMORY, OPTIONS, Host, component, new_guest

from actors.engine.engine import WasmtimeEngine
from actors.engine.errors import GuestTrap
from actors.engine.port import Limits

GUEST = f"""
  (import "wait" (func $wait (param "s" string) (result string)))
  {MEMORY}
  (core func $wait (canon lower (func $wait) {OPTIONS}))
  (core module $main
    (import "host" "wait" (func $wait (param i32 i32 i32)))
    (import "mem" "m" (memory 1))
    (func (export "wait") (param i32 i32) (result i32)
      (call $wait (local.get 0) (local.get 1) (i32.const 16)) (i32.const 16))
    (func (export "spin") (loop (br 0)))
    (func (export "post") (param i32) (loop (br 0))))
  (core instance $main (instantiate $main (with "mem" (instance $mem))
    (with "host" (instance (export "wait" (func $wait))))))
  (func (export "wait") (param "s" string) (result string)
    (canon lift (core func $main "wait") {OPTIONS}))
  (func (export "endless") (param "s" string) (result string)
    (canon lift (core func $main "wait") {OPTIONS} (post-return (core func $main "post"))))
  (func (export "spin") (canon lift (core func $main "spin")))
"""
STARTS_ENDLESSLY = """
  (core module $main (func $spin (loop (br 0))) (start $spin))
  (core instance $main (instantiate $main))
"""


async def at_once(data, text):
    return text


def host(wait=at_once):
    return Host(plain={}, waiting={"wait": wait})


async def asleep(engine):
    """Return when there are no ticks."""
    async with asyncio.timeout(60):
        while not engine._machine.ticks._is_asleep:  # noqa: ASYNC110 - nobody tells of it
            await asyncio.sleep(0.001)


@asynccontextmanager
async def spinning(guest):
    call = asyncio.create_task(guest.call("spin"))
    # It has begun to run.
    await asyncio.sleep(0)
    try:
        yield call
    finally:
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)


def test_there_are_no_ticks_while_no_guest_runs(engine):
    async def scenario():
        await asleep(engine)
        guest = await new_guest(engine, GUEST, host())
        for _ in range(3):
            await guest.call("wait", "x")
            await asleep(engine)
        guest.close()

    asyncio.run(scenario())


def test_there_are_no_ticks_while_guests_only_wait(engine):
    async def scenario():
        gate = asyncio.Event()

        async def wait(data, text):
            await gate.wait()
            return text

        guest = await new_guest(engine, GUEST, host(wait))
        call = asyncio.create_task(guest.call("wait", "x"))
        await asleep(engine)
        assert not call.done()
        gate.set()
        assert await call == "x"
        guest.close()

    asyncio.run(scenario())


def test_a_guest_that_begins_when_there_are_no_ticks_is_sliced(engine):
    async def scenario():
        for _ in range(3):
            guest = await new_guest(engine, GUEST, host())
            await asleep(engine)
            async with spinning(guest) as call:
                for _ in range(10):
                    # Each of these turns is one that the guest was made to give.
                    await asyncio.sleep(0)
                assert not engine._machine.ticks._is_asleep
                assert not call.done()

    asyncio.run(scenario())


def test_ticks_are_quick_behind_a_long_slice(engine):
    async def scenario():
        ticks = engine._machine.ticks
        guest = await new_guest(engine, GUEST, host())
        async with spinning(guest):
            # The first turn of ours is over when the guest gives way.
            await asyncio.sleep(0)
            assert ticks._hurried > 0
        ticks._hurried = 0
        waiting = await new_guest(engine, GUEST, host())
        with pytest.raises(GuestTrap):
            await waiting.call("endless", "x")
        assert ticks._hurried > 0, "what cannot be sliced is not ended soon"

    asyncio.run(scenario())


def test_what_cannot_be_sliced_is_ended_though_there_were_no_ticks(engine):
    async def scenario():
        gate = asyncio.Event()

        async def wait(data, text):
            await gate.wait()
            return text

        waiting = await new_guest(engine, GUEST, host(wait))
        call = asyncio.create_task(waiting.call("endless", "x"))
        await asleep(engine)
        gate.set()
        with pytest.raises(GuestTrap) as caught:
            await call
        assert caught.value.kind == "limit"

    asyncio.run(scenario())


def test_a_start_function_that_begins_when_there_are_no_ticks_is_sliced(engine):
    async def scenario():
        loaded = await engine.load(component(STARTS_ENDLESSLY))
        program = loaded.link(host())
        await asleep(engine)
        making = asyncio.create_task(program.instantiate(None, Limits()))
        for _ in range(10):
            await asyncio.sleep(0)
        assert not making.done()
        making.cancel()
        with pytest.raises(asyncio.CancelledError):
            await making

    asyncio.run(scenario())


def test_two_engines_tick_each_for_its_own_guests(engine, cache_directory):
    async def scenario():
        other = WasmtimeEngine(cache_directory)
        await asleep(other)
        guest = await new_guest(engine, GUEST, host())
        async with spinning(guest):
            for _ in range(10):
                await asyncio.sleep(0)
            assert other._machine.ticks._is_asleep
        other.close()

    asyncio.run(scenario())
