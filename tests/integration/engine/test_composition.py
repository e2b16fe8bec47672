"""Components inside components: calls, values and resources between them."""

import asyncio

import pytest
from wat_guests import Host, new_guest

from actors.engine.errors import GuestTrap

ALLOCATOR = """
    (memory (export "m") 1)
    (global $free (mut i32) (i32.const 1024))
    (func $r (export "r") (param i32 i32 i32 i32) (result i32) (local $at i32)
      (local.set $at (i32.and (i32.add (global.get $free) (i32.sub (local.get 2) (i32.const 1)))
                              (i32.sub (i32.const 0) (local.get 2))))
      (global.set $free (i32.add (local.get $at) (local.get 3)))
      (local.get $at))
"""
OPTIONS = '(memory (core memory $main "m")) (realloc (core func $main "r"))'

# The inner component doubles strings (in UTF-16) and implements a resource; the outer one uses it.
INNER = f"""
  (component $Inner
    (import "wait" (func $wait (param "n" u32) (result u32)))
    (core func $wait (canon lower (func $wait)))
    (core module $main
      (import "h" "wait" (func $wait (param i32) (result i32))) {ALLOCATOR}
      (func (export "double") (param i32 i32) (result i32) (local $at i32)
        (local.set $at (call $r (i32.const 0) (i32.const 0) (i32.const 2)
          (i32.mul (local.get 1) (i32.const 4))))
        (memory.copy (local.get $at) (local.get 0) (i32.mul (local.get 1) (i32.const 2)))
        (memory.copy (i32.add (local.get $at) (i32.mul (local.get 1) (i32.const 2)))
          (local.get 0) (i32.mul (local.get 1) (i32.const 2)))
        (i32.store (i32.const 16) (local.get $at))
        (i32.store (i32.const 20) (i32.mul (local.get 1) (i32.const 2)))
        (i32.const 16))
      (func (export "dtor") (param i32)
        (global.set $dropped (i32.add (global.get $dropped) (local.get 0))))
      (func (export "value") (param i32) (result i32) (local.get 0))
      (func (export "dropped") (result i32) (global.get $dropped))
      (func (export "waits") (param i32) (result i32) (call $wait (local.get 0)))
      (global $dropped (mut i32) (i32.const 0)))
    (core instance $main (instantiate $main
      (with "h" (instance (export "wait" (func $wait))))))
    (type $r' (resource (rep i32) (dtor (core func $main "dtor"))))
    (export $r "r" (type $r'))
    (core func $new (canon resource.new $r'))
    (func (export "double") (param "s" string) (result string)
      (canon lift (core func $main "double") {OPTIONS} string-encoding=utf16))
    (func (export "make") (param "n" u32) (result (own $r)) (canon lift (core func $new)))
    (func (export "value") (param "r" (borrow $r)) (result u32)
      (canon lift (core func $main "value")))
    (func (export "dropped") (result u32) (canon lift (core func $main "dropped")))
    (func (export "waits") (param "n" u32) (result u32)
      (canon lift (core func $main "waits"))))
"""
COMPOSED = f"""
  (import "wait" (func $wait (param "n" u32) (result u32)))
  {INNER}
  (instance $inner (instantiate $Inner (with "wait" (func $wait))))
  (component $Outer
    (import "double" (func $double (param "s" string) (result string)))
    (import "r" (type $r (sub resource)))
    (import "make" (func $make (param "n" u32) (result (own $r))))
    (import "value" (func $value (param "r" (borrow $r)) (result u32)))
    (core module $memory {ALLOCATOR})
    (core instance $main (instantiate $memory))
    (core func $double (canon lower (func $double) {OPTIONS}))
    (core func $make (canon lower (func $make)))
    (core func $value (canon lower (func $value)))
    (core func $drop (canon resource.drop $r))
    (core module $code (import "mem" "m" (memory 1))
      (import "h" "double" (func $double (param i32 i32 i32)))
      (import "h" "make" (func $make (param i32) (result i32)))
      (import "h" "value" (func $value (param i32) (result i32)))
      (import "h" "drop" (func $drop (param i32)))
      (func (export "quadruple") (param i32 i32) (result i32)
        (call $double (local.get 0) (local.get 1) (i32.const 16))
        (call $double (i32.load (i32.const 16)) (i32.load (i32.const 20)) (i32.const 24))
        (i32.const 24))
      (func (export "use") (param i32) (result i32) (local $h i32) (local $n i32)
        (local.set $h (call $make (local.get 0)))
        (local.set $n (i32.add (call $value (local.get $h)) (call $value (local.get $h))))
        (call $drop (local.get $h))
        (local.get $n)))
    (core instance $code (instantiate $code (with "mem" (instance $main)) (with "h" (instance
      (export "double" (func $double)) (export "make" (func $make))
      (export "value" (func $value)) (export "drop" (func $drop))))))
    (func (export "quadruple") (param "s" string) (result string)
      (canon lift (core func $code "quadruple") {OPTIONS}))
    (func (export "use") (param "n" u32) (result u32) (canon lift (core func $code "use"))))
  (instance $outer (instantiate $Outer (with "double" (func $inner "double"))
    (with "r" (type $inner "r")) (with "make" (func $inner "make"))
    (with "value" (func $inner "value"))))
  (export "quadruple" (func $outer "quadruple"))
  (export "use" (func $outer "use"))
  (export "dropped" (func $inner "dropped"))
  (export "waits" (func $inner "waits"))
"""


async def wait(data, number):
    await asyncio.sleep(0)
    return number + 1


def run(scenario):
    asyncio.run(scenario())


def test_strings_cross_between_components_of_different_encodings(engine):
    async def scenario():
        guest = await new_guest(engine, COMPOSED, Host(waiting={"wait": wait}))
        assert await guest.call("quadruple", "aé😀") == "aé😀" * 4
        guest.close()

    run(scenario)


def test_a_resource_of_one_component_is_a_handle_in_another(engine):
    async def scenario():
        guest = await new_guest(engine, COMPOSED, Host(waiting={"wait": wait}))
        assert await guest.call("use", 21) == 42
        assert await guest.call("dropped") == 21
        assert await guest.call("use", 4) == 8
        assert await guest.call("dropped") == 25
        guest.close()

    run(scenario)


def test_an_inner_component_called_by_the_host_may_wait(engine):
    async def scenario():
        guest = await new_guest(engine, COMPOSED, Host(waiting={"wait": wait}))
        assert await guest.call("waits", 1) == 2
        guest.close()

    run(scenario)


# The outer component calls an inner one that waits; so does the destructor that a drop runs.
WAITING = f"""
  (import "wait" (func $wait (param "n" u32) (result u32)))
  (component $Inner
    (import "wait" (func $wait (param "n" u32) (result u32)))
    (core func $wait (canon lower (func $wait)))
    (core module $main (import "h" "wait" (func $wait (param i32) (result i32))) {ALLOCATOR}
      (func (export "dtor") (param i32) (drop (call $wait (local.get 0))))
      (func (export "say") (param i32 i32) (result i32)
        (drop (call $wait (local.get 1)))
        (i32.store (i32.const 16) (local.get 0)) (i32.store (i32.const 20) (local.get 1))
        (i32.const 16)))
    (core instance $main (instantiate $main
      (with "h" (instance (export "wait" (func $wait))))))
    (type $r' (resource (rep i32) (dtor (core func $main "dtor"))))
    (export $r "r" (type $r'))
    (core func $new (canon resource.new $r'))
    (func (export "make") (param "n" u32) (result (own $r)) (canon lift (core func $new)))
    (func (export "say") (param "s" string) (result string)
      (canon lift (core func $main "say") {OPTIONS} string-encoding=utf16)))
  (instance $inner (instantiate $Inner (with "wait" (func $wait))))
  (component $Outer
    (import "r" (type $r (sub resource)))
    (import "make" (func $make (param "n" u32) (result (own $r))))
    (import "say" (func $say (param "s" string) (result string)))
    (core module $memory {ALLOCATOR})
    (core instance $main (instantiate $memory))
    (core func $make (canon lower (func $make)))
    (core func $say (canon lower (func $say) {OPTIONS}))
    (core func $drop (canon resource.drop $r))
    (core module $code (import "h" "say" (func $say (param i32 i32 i32)))
      (import "h" "make" (func $make (param i32) (result i32)))
      (import "h" "drop" (func $drop (param i32)))
      (func (export "say") (param i32 i32) (result i32)
        (call $say (local.get 0) (local.get 1) (i32.const 24)) (i32.const 24))
      (func (export "drop") (param i32) (call $drop (call $make (local.get 0)))))
    (core instance $code (instantiate $code (with "h" (instance
      (export "say" (func $say)) (export "make" (func $make)) (export "drop" (func $drop))))))
    (func (export "say") (param "s" string) (result string)
      (canon lift (core func $code "say") {OPTIONS}))
    (func (export "drop") (param "n" u32) (canon lift (core func $code "drop"))))
  (instance $outer (instantiate $Outer (with "say" (func $inner "say"))
    (with "r" (type $inner "r")) (with "make" (func $inner "make"))))
  (export "say" (func $outer "say")) (export "drop" (func $outer "drop"))
"""


def test_an_inner_component_called_by_another_may_wait(engine):
    seen = []

    async def note(data, number):
        await asyncio.sleep(0)
        seen.append(number)
        return number

    async def scenario():
        guest = await new_guest(engine, WAITING, Host(waiting={"wait": note}))
        assert await guest.call("say", "aé😀") == "aé😀"
        await guest.call("drop", 77)
        assert seen == [4, 77]
        assert not any(guest.instance._store.flags)
        guest.close()

    run(scenario)


def test_a_guest_that_waits_two_components_deep_can_be_abandoned(engine):
    async def never(data, number):
        await asyncio.Event().wait()

    async def scenario():
        guest = await new_guest(engine, WAITING, Host(waiting={"wait": never}))
        task = asyncio.create_task(guest.call("say", "text"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not guest.instance.is_open

    run(scenario)


RECURSIVE = """
  (component $Inner
    (import "back" (func $back))
    (core func $back (canon lower (func $back)))
    (core module $main (import "h" "back" (func $back)) (func (export "f") (call $back)))
    (core instance $main (instantiate $main (with "h" (instance (export "back" (func $back))))))
    (func (export "f") (canon lift (core func $main "f"))))
  (import "wait" (func $wait (param "n" u32) (result u32)))
  (core func $wait (canon lower (func $wait)))
  (core module $shim (table (export "t") 1 funcref)
    (type $f (func)) (func (export "call") (call_indirect (type $f) (i32.const 0)))
    (func (export "run") (call_indirect (type $f) (i32.const 0))))
  (core instance $shim (instantiate $shim))
  (func $back (canon lift (core func $shim "call")))
  (instance $inner (instantiate $Inner (with "back" (func $back))))
  (core func $f (canon lower (func $inner "f")))
  (core module $fill (import "s" "t" (table 1 funcref)) (import "h" "f" (func $f))
    (elem (i32.const 0) func $f))
  (core instance (instantiate $fill (with "s" (instance $shim))
    (with "h" (instance (export "f" (func $f))))))
  (func (export "run") (canon lift (core func $shim "run")))
"""


def test_a_component_that_is_running_cannot_be_entered_again(engine):
    async def scenario():
        guest = await new_guest(engine, RECURSIVE, Host(waiting={"wait": wait}))
        with pytest.raises(GuestTrap, match="cannot enter component instance") as caught:
            await guest.call("run")
        assert caught.value.kind == "abi"

    run(scenario)
