"""Waiting, slicing, abandoning: what happens to a guest while it is inside a call."""

import asyncio
import gc

import pytest
from wat_guests import MEMORY, OPTIONS, Guest, Host, component, new_guest

from actors.engine.errors import GuestTrap, InstanceStateError
from actors.engine.port import Limits

WAITING = f"""
  (import "wait" (func $wait (param "s" string) (result string)))
  (import "note" (func $note (param "n" u32)))
  {MEMORY}
  (core func $wait (canon lower (func $wait) {OPTIONS}))
  (core func $note (canon lower (func $note)))
  (core module $main
    (import "host" "wait" (func $wait (param i32 i32 i32)))
    (import "host" "note" (func $note (param i32)))
    (import "mem" "m" (memory 1))
    (func (export "twice") (param i32 i32) (result i32)
      (call $note (i32.const 1))
      (call $wait (local.get 0) (local.get 1) (i32.const 16))
      (call $note (i32.const 2))
      (call $wait (i32.load (i32.const 16)) (i32.load (i32.const 20)) (i32.const 24))
      (call $note (i32.const 3))
      (i32.const 24))
    (func (export "spin") (loop (br 0)))
    (func (export "count") (param i32) (result i32)
      (loop $l (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
      (i32.const 7)))
  (core instance $main (instantiate $main (with "mem" (instance $mem))
    (with "host" (instance (export "wait" (func $wait)) (export "note" (func $note))))))
  (func (export "twice") (param "s" string) (result string)
    (canon lift (core func $main "twice") {OPTIONS}))
  (func (export "spin") (canon lift (core func $main "spin")))
  (func (export "count") (param "n" u32) (result u32) (canon lift (core func $main "count")))
"""


def host(wait, notes=None):
    return Host(
        plain={"note": lambda data, number: (notes if notes is not None else []).append(number)},
        waiting={"wait": wait},
    )


async def doubled(data, text):
    await asyncio.sleep(0)
    return text * 2


def test_a_guest_waits_in_an_import_and_goes_on_with_its_result(engine):
    async def scenario():
        notes = []
        guest = await new_guest(engine, WAITING, host(doubled, notes))
        assert await guest.call("twice", "aé") == "aéaéaéaé"
        assert notes == [1, 2, 3]
        assert await guest.call("twice", "") == ""
        guest.close()

    asyncio.run(scenario())


def test_an_import_that_is_ready_costs_no_turn_of_the_loop(engine):
    async def ready(data, text):
        return text + "!"

    async def scenario():
        guest = await new_guest(engine, WAITING, host(ready))
        # A tick in mid-call would take a turn.
        engine._machine.ticks.stop()
        turns = []
        asyncio.get_running_loop().call_soon(turns.append, "a turn")
        assert await guest.call("twice", "x") == "x!!"
        assert turns == []
        guest.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("make", [asyncio.Future, lambda: asyncio.create_task(asyncio.sleep(0))])
def test_an_import_may_return_any_awaitable(engine, make):
    async def scenario():
        def wait(data, text):
            awaitable = make()
            if isinstance(awaitable, asyncio.Future) and not isinstance(awaitable, asyncio.Task):
                asyncio.get_running_loop().call_soon(awaitable.set_result, text)
                return awaitable
            return asyncio.wait_for(asyncio.shield(asyncio.sleep(0, text)), 5)

        guest = await new_guest(engine, WAITING, host(wait))
        assert await guest.call("twice", "x") == "x"
        guest.close()

    asyncio.run(scenario())


def test_timeouts_and_task_identity_hold_inside_an_import(engine):
    tasks = []

    async def wait(data, text):
        tasks.append(asyncio.current_task())
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.001):
                await asyncio.Event().wait()
        tasks.append(asyncio.current_task())
        return text

    async def scenario():
        guest = await new_guest(engine, WAITING, host(wait))
        assert await guest.call("twice", "x") == "x"
        assert set(tasks) == {asyncio.current_task()}
        guest.close()

    asyncio.run(scenario())


def test_a_thousand_instances_wait_on_one_loop(engine):
    async def scenario():
        gate, all_waiting = asyncio.Event(), asyncio.Event()
        waiting = 0

        async def wait(data, text):
            nonlocal waiting
            waiting += 1
            if waiting == 1000:
                all_waiting.set()
            await gate.wait()
            return f"{data}"

        loaded = await engine.load(component(WAITING))
        program = loaded.link(host(wait))
        guests = [Guest(loaded, await program.instantiate(n, Limits())) for n in range(1000)]
        calls = [asyncio.create_task(guest.call("twice", "x")) for guest in guests]
        await all_waiting.wait()
        gate.set()
        assert await asyncio.gather(*calls) == [str(number) for number in range(1000)]
        for guest in guests:
            guest.close()

    asyncio.run(scenario())


def test_cancelling_a_waiting_call_abandons_guest_and_import(engine):
    async def scenario():
        ended, begun = [], asyncio.Event()

        async def wait(data, text):
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                ended.append(text)

        notes = []
        guest = await new_guest(engine, WAITING, host(wait, notes))
        call = asyncio.create_task(guest.call("twice", "x"))
        await begun.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert ended == ["x"]
        assert notes == [1]
        assert not guest.instance.is_open
        assert engine.live_count == 0

    asyncio.run(scenario())


def test_closing_in_mid_wait_ends_the_call(engine):
    async def scenario():
        gate = asyncio.Event()

        async def wait(data, text):
            await gate.wait()
            return text

        guest = await new_guest(engine, WAITING, host(wait))
        call = asyncio.create_task(guest.call("twice", "x"))
        await asyncio.sleep(0)
        guest.close()
        assert engine.live_count == 0
        gate.set()
        with pytest.raises(InstanceStateError):
            await call
        guest.close()

    asyncio.run(scenario())


def test_closing_from_within_the_guest_is_refused(engine):
    async def scenario():
        refused = []

        async def wait(data, text):
            with pytest.raises(InstanceStateError):
                guest.close()
            refused.append(text)
            return text

        guest = await new_guest(engine, WAITING, host(wait))
        assert await guest.call("twice", "x") == "x"
        assert refused == ["x", "x"]
        guest.close()

    asyncio.run(scenario())


def test_endless_loops_take_turns_and_can_be_cancelled(engine):
    async def scenario():
        guests = [await new_guest(engine, WAITING, host(doubled)) for _ in range(3)]
        calls = [asyncio.create_task(guest.call("spin")) for guest in guests]
        other = await new_guest(engine, WAITING, host(doubled))
        for number in range(10):
            assert await other.call("twice", str(number)) == str(number) * 4
        assert not any(call.done() for call in calls)
        for call in calls:
            call.cancel()
        results = await asyncio.gather(*calls, return_exceptions=True)
        assert all(isinstance(result, asyncio.CancelledError) for result in results)
        other.close()

    asyncio.run(scenario())


def test_a_sliced_computation_ends_with_its_result(engine):
    async def scenario():
        guest = await new_guest(engine, WAITING, host(doubled))
        turns = 0

        async def count_turns():
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        counting = asyncio.create_task(count_turns())
        assert await guest.call("count", 200_000_000) == 7
        counting.cancel()
        assert turns > 1
        guest.close()

    asyncio.run(scenario())


class Stop(BaseException):
    """Control flow out of the guest."""


@pytest.mark.parametrize("error", [ValueError("v"), Stop(), KeyboardInterrupt()])
@pytest.mark.parametrize("where", ["at once", "after waiting", "plain"])
def test_exceptions_of_the_host_arrive_as_the_same_object(engine, error, where):
    def fail(*_):
        raise error

    async def wait(data, text):
        if where == "after waiting":
            await asyncio.sleep(0)
        raise error

    async def scenario():
        resolver = host(wait)
        if where == "plain":
            resolver.plain["note"] = fail
        guest = await new_guest(engine, WAITING, resolver)
        with pytest.raises(type(error)) as caught:
            await guest.call("twice", "x")
        assert caught.value is error
        assert not guest.instance.is_open
        with pytest.raises(InstanceStateError):
            await guest.call("count", 1)

    coroutine = scenario()
    with asyncio.Runner() as runner:
        runner.run(coroutine)
    gc.collect()


def test_an_instance_runs_one_call_at_a_time(engine):
    async def scenario():
        gate = asyncio.Event()

        async def wait(data, text):
            await gate.wait()
            return text

        guest = await new_guest(engine, WAITING, host(wait))
        call = asyncio.create_task(guest.call("twice", "x"))
        await asyncio.sleep(0)
        with pytest.raises(InstanceStateError):
            await guest.call("count", 1)
        gate.set()
        assert await call == "x"
        assert await guest.call("count", 1) == 7
        guest.close()

    asyncio.run(scenario())


def test_a_guest_may_wait_for_another_guest(engine):
    async def scenario():
        guests = []

        async def wait(data, text):
            if data == 0:
                await asyncio.sleep(0)
                return text + "."
            return await guests[data - 1].call("twice", text)

        loaded = await engine.load(component(WAITING))
        program = loaded.link(host(wait))
        instances = [await program.instantiate(number, Limits()) for number in range(5)]
        guests.extend(Guest(loaded, instance) for instance in instances)
        assert await guests[4].call("twice", "x") == "x" + "." * 32
        for guest in guests:
            guest.close()

    asyncio.run(scenario())


START = """
  (import "wait" (func $wait (param "n" u32) (result u32)))
  (core func $wait (canon lower (func $wait)))
  (core module $main
    (import "host" "wait" (func $wait (param i32) (result i32)))
    (global $seen (mut i32) (i32.const 0))
    (func $start {body})
    (start $start)
    (func (export "seen") (result i32) (global.get $seen)))
  (core instance $main (instantiate $main (with "host" (instance (export "wait" (func $wait))))))
  (func (export "seen") (result u32) (canon lift (core func $main "seen")))
"""


def test_a_start_function_may_wait(engine):
    async def wait(data, number):
        await asyncio.sleep(0)
        return number + 1

    async def scenario():
        text = START.format(body="(global.set $seen (call $wait (i32.const 41)))")
        guest = await new_guest(engine, text, Host(waiting={"wait": wait}))
        assert await guest.call("seen") == 42
        guest.close()

    asyncio.run(scenario())


def test_an_endless_start_function_is_sliced_and_cancelled(engine):
    async def wait(data, number):
        return number

    async def scenario():
        text = START.format(body="(loop (br 0))")
        task = asyncio.create_task(new_guest(engine, text, Host(waiting={"wait": wait})))
        for _ in range(5):
            await asyncio.sleep(0.01)
        assert not task.done()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert engine.live_count == 0

    asyncio.run(scenario())


def test_a_trapping_start_function_is_a_trap(engine):
    async def scenario():
        with pytest.raises(GuestTrap) as caught:
            await new_guest(
                engine, START.format(body="unreachable"), Host(plain={"wait": lambda d, n: n})
            )
        assert caught.value.kind == "unreachable"

    asyncio.run(scenario())
