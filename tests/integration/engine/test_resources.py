"""Resources of the host in a guest, and resources of a guest in the host."""

import asyncio

import pytest
from wat_guests import MEMORY, OPTIONS, Host, new_guest

from actors.engine.errors import GuestTrap
from actors.engine.resources import GuestResource
from wit.errors import ValueMismatchError

# The guest keeps nothing: it works on handles given as numbers by the test.
OF_THE_HOST = """
  (import "things" (instance $things
    (export "thing" (type $thing (sub resource)))
    (export "make" (func (param "n" u32) (result (own $thing))))
    (export "peek" (func (param "t" (borrow $thing)) (result u32)))
    (export "take" (func (param "t" (own $thing)) (result u32)))
    (export "both" (func (param "b" (borrow $thing)) (param "o" (own $thing)) (result u32)))
    (export "wait" (func (param "t" (borrow $thing)) (result u32)))))
  (alias export $things "thing" (type $thing))
  (core func $make (canon lower (func $things "make")))
  (core func $peek (canon lower (func $things "peek")))
  (core func $take (canon lower (func $things "take")))
  (core func $both (canon lower (func $things "both")))
  (core func $wait (canon lower (func $things "wait")))
  (core func $drop (canon resource.drop $thing))
  (core module $main
    (import "h" "make" (func $make (param i32) (result i32)))
    (import "h" "peek" (func $peek (param i32) (result i32)))
    (import "h" "take" (func $take (param i32) (result i32)))
    (import "h" "both" (func $both (param i32 i32) (result i32)))
    (import "h" "wait" (func $wait (param i32) (result i32)))
    (import "h" "drop" (func $drop (param i32)))
    (func (export "make") (param i32) (result i32) (call $make (local.get 0)))
    (func (export "peek") (param i32) (result i32) (call $peek (local.get 0)))
    (func (export "take") (param i32) (result i32) (call $take (local.get 0)))
    (func (export "both") (param i32 i32) (result i32) (call $both (local.get 0) (local.get 1)))
    (func (export "wait") (param i32) (result i32) (call $wait (local.get 0)))
    (func (export "drop") (param i32) (call $drop (local.get 0)))
    (func (export "look") (param i32) (result i32) (local $n i32)
      (local.set $n (call $peek (local.get 0))) (call $drop (local.get 0)) (local.get $n))
    (func (export "keep") (param i32) (result i32) (call $peek (local.get 0)))
    (func (export "give") (param i32) (result i32) (call $make (local.get 0))))
  (core instance $main (instantiate $main (with "h" (instance
    (export "make" (func $make)) (export "peek" (func $peek)) (export "take" (func $take))
    (export "both" (func $both)) (export "wait" (func $wait)) (export "drop" (func $drop))))))
  (func (export "make") (param "n" u32) (result u32) (canon lift (core func $main "make")))
  (func (export "peek") (param "h" u32) (result u32) (canon lift (core func $main "peek")))
  (func (export "take") (param "h" u32) (result u32) (canon lift (core func $main "take")))
  (func (export "both") (param "b" u32) (param "o" u32) (result u32)
    (canon lift (core func $main "both")))
  (func (export "wait") (param "h" u32) (result u32) (canon lift (core func $main "wait")))
  (func (export "drop") (param "h" u32) (canon lift (core func $main "drop")))
  (func (export "look") (param "t" (borrow $thing)) (result u32)
    (canon lift (core func $main "look")))
  (func (export "keep") (param "t" (borrow $thing)) (result u32)
    (canon lift (core func $main "keep")))
  (func (export "give") (param "n" u32) (result (own $thing))
    (canon lift (core func $main "give")))
"""


class Thing:
    def __init__(self, number):
        self.number = number


def host(dropped):
    async def wait(data, thing):
        await asyncio.sleep(0)
        return thing.number

    return Host(
        plain={
            "things#make": lambda data, number: Thing(number),
            "things#peek": lambda data, thing: thing.number,
            "things#take": lambda data, thing: thing.number,
            "things#both": lambda data, borrowed, owned: borrowed.number + owned.number,
        },
        waiting={"things#wait": wait},
        drops={"thing": lambda data, thing: dropped.append(thing.number)},
    )


def run(scenario):
    asyncio.run(scenario())


def test_handles_count_from_one_and_the_last_freed_is_reused_first(engine):
    async def scenario():
        dropped = []
        guest = await new_guest(engine, OF_THE_HOST, host(dropped))
        assert [await guest.call("make", number) for number in (10, 11, 12)] == [1, 2, 3]
        assert await guest.call("peek", 2) == 11
        await guest.call("drop", 1)
        assert await guest.call("take", 2) == 11
        assert dropped == [10]
        assert [await guest.call("make", number) for number in (13, 14, 15)] == [2, 1, 4]
        assert await guest.call("wait", 4) == 15
        guest.close()

    run(scenario)


def test_a_borrowed_argument_must_be_dropped_before_the_call_ends(engine):
    async def scenario():
        dropped = []
        guest = await new_guest(engine, OF_THE_HOST, host(dropped))
        assert await guest.call("look", Thing(5)) == 5
        assert dropped == []
        with pytest.raises(GuestTrap, match="borrow handles still remain") as caught:
            await guest.call("keep", Thing(6))
        assert caught.value.kind == "abi"

    run(scenario)


def test_an_owned_result_leaves_the_guest(engine):
    async def scenario():
        guest = await new_guest(engine, OF_THE_HOST, host([]))
        assert (await guest.call("give", 7)).number == 7
        with pytest.raises(GuestTrap, match="unknown handle index 1"):
            await guest.call("peek", 1)

    run(scenario)


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("peek", [0], "unknown handle index 0"),
        ("peek", [9], "unknown handle index 9"),
        ("drop", [2**32 - 1], "unknown handle index"),
        ("take", [5], "unknown handle index 5"),
        ("both", [1, 1], "while borrowed"),
    ],
)
def test_misused_handles_trap(engine, name, arguments, message):
    async def scenario():
        guest = await new_guest(engine, OF_THE_HOST, host([]))
        assert await guest.call("make", 1) == 1
        with pytest.raises(GuestTrap, match=message) as caught:
            await guest.call(name, *arguments)
        assert caught.value.kind == "abi"
        assert not guest.instance.is_open

    run(scenario)


# A counter in the guest: the representation is its value; the destructor tells the host.
OF_THE_GUEST = """
  (import "gone" (func $gone (param "n" u32)))
  (core func $gone (canon lower (func $gone)))
  (core module $dtor (import "h" "gone" (func $gone (param i32)))
    (func (export "dtor") (param i32) (call $gone (local.get 0))))
  (core instance $dtor (instantiate $dtor (with "h" (instance (export "gone" (func $gone))))))
  (type $counter' (resource (rep i32) (dtor (core func $dtor "dtor"))))
  (export $counter "counter" (type $counter'))
  (core func $new (canon resource.new $counter'))
  (core func $rep (canon resource.rep $counter'))
  (core func $drop (canon resource.drop $counter'))
  (core module $main
    (import "h" "new" (func $new (param i32) (result i32)))
    (import "h" "rep" (func $rep (param i32) (result i32)))
    (import "h" "drop" (func $drop (param i32)))
    (global $kept (mut i32) (i32.const 0))
    (func (export "make") (param i32) (result i32) (call $new (local.get 0)))
    (func (export "value") (param i32) (result i32) (local.get 0))
    (func (export "consume") (param i32) (result i32) (local $n i32)
      (local.set $n (call $rep (local.get 0))) (call $drop (local.get 0)) (local.get $n))
    (func (export "keep") (param i32) (global.set $kept (local.get 0)))
    (func (export "kept") (result i32) (call $rep (global.get $kept))))
  (core instance $main (instantiate $main (with "h" (instance
    (export "new" (func $new)) (export "rep" (func $rep)) (export "drop" (func $drop))))))
  (func (export "[constructor]counter") (param "n" u32) (result (own $counter))
    (canon lift (core func $main "make")))
  (func (export "[method]counter.value") (param "self" (borrow $counter)) (result u32)
    (canon lift (core func $main "value")))
  (func (export "[static]counter.consume") (param "c" (own $counter)) (result u32)
    (canon lift (core func $main "consume")))
  (func (export "[static]counter.keep") (param "c" (own $counter))
    (canon lift (core func $main "keep")))
  (func (export "[static]counter.kept") (result u32) (canon lift (core func $main "kept")))
"""


def test_resources_of_a_guest_are_objects_usable_as_arguments(engine):
    async def scenario():
        gone = []
        guest = await new_guest(
            engine, OF_THE_GUEST, Host(plain={"gone": lambda data, number: gone.append(number)})
        )
        counter = await guest.call("[constructor]counter", 41)
        assert isinstance(counter, GuestResource)
        for _ in range(3):
            assert await guest.call("[method]counter.value", counter) == 41
        assert gone == []
        assert await guest.call("[static]counter.consume", counter) == 41
        assert gone == [41]
        with pytest.raises(ValueError, match="dropped or given away"):
            await guest.call("[method]counter.value", counter)
        guest.close()

    run(scenario)


def test_dropping_a_resource_of_a_guest_runs_its_destructor(engine):
    async def scenario():
        gone = []

        async def wait(data, number):
            await asyncio.sleep(0)
            gone.append(number)

        guest = await new_guest(engine, OF_THE_GUEST, Host(waiting={"gone": wait}))
        counter = await guest.call("[constructor]counter", 7)
        await guest.instance.drop(counter)
        assert gone == [7]
        with pytest.raises(ValueError, match="dropped or given away"):
            await guest.instance.drop(counter)
        await guest.call("[static]counter.keep", await guest.call("[constructor]counter", 8))
        assert await guest.call("[static]counter.kept") == 8
        guest.close()
        assert gone == [7]

    run(scenario)


def test_a_resource_of_one_instance_is_refused_by_another(engine):
    async def scenario():
        resolver = Host(plain={"gone": lambda data, number: None})
        one = await new_guest(engine, OF_THE_GUEST, resolver)
        other = await new_guest(engine, OF_THE_GUEST, resolver)
        counter = await one.call("[constructor]counter", 1)
        for wrong in (counter, "text", None):
            with pytest.raises(ValueMismatchError):
                await other.call("[method]counter.value", wrong)
        assert await one.call("[method]counter.value", counter) == 1
        one.close()
        other.close()

    run(scenario)


def test_memory_and_options_are_used_together_with_handles(engine):
    # A list of owned handles comes back in the same order.
    text = f"""
      (import "things" (instance $things
        (export "thing" (type $thing (sub resource)))
        (export "all" (func (param "t" (list (borrow $thing))) (result (list u32))))))
      (alias export $things "thing" (type $thing))
      {MEMORY}
      (core func $all (canon lower (func $things "all") {OPTIONS}))
      (core func $drop (canon resource.drop $thing))
      (core module $main (import "mem" "m" (memory 1))
        (import "h" "all" (func $all (param i32 i32 i32)))
        (import "h" "drop" (func $drop (param i32)))
        (func (export "all") (param i32 i32) (result i32) (local $i i32)
          (call $all (local.get 0) (local.get 1) (i32.const 16))
          (loop $l (if (i32.lt_u (local.get $i) (local.get 1)) (then
            (call $drop (i32.load (i32.add (local.get 0) (i32.mul (local.get $i) (i32.const 4)))))
            (local.set $i (i32.add (local.get $i) (i32.const 1))) (br $l))))
          (i32.const 16)))
      (core instance $main (instantiate $main (with "mem" (instance $mem))
        (with "h" (instance (export "all" (func $all)) (export "drop" (func $drop))))))
      (func (export "all") (param "t" (list (borrow $thing))) (result (list u32))
        (canon lift (core func $main "all") {OPTIONS}))"""

    async def scenario():
        resolver = Host(plain={"things#all": lambda data, all_: [each.number for each in all_]})
        guest = await new_guest(engine, text, resolver)
        assert await guest.call("all", [Thing(3), Thing(1), Thing(2)]) == [3, 1, 2]
        assert await guest.call("all", []) == []
        guest.close()

    run(scenario)
