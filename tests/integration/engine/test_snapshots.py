"""Saved instances: what goes on elsewhere, what is refused, and what is not believed."""

import asyncio
import struct

import pytest
from python_guest import python_guest
from small_wasi import Host as WasiHost
from small_wasi import World
from wat_guests import MEMORY, OPTIONS, Host, component, new_guest

from actors.engine.errors import GuestTrap, SnapshotRefusedError, SnapshotUnusableError
from actors.engine.port import InstanceImage, Limits
from actors.engine.snapshot.image import Binding, decode

pytestmark = pytest.mark.timeout(400)

# Every kind of state that a core module has, in two modules that share a table, and a start
# function that must not run a second time.
STATE = """
  (core module $a
    (memory (export "m") 1)
    (table $t (export "t") 4 20 funcref)
    (global $i (mut i32) (i32.const 1)) (global $j (mut i64) (i64.const 2))
    (global $f (mut f32) (f32.const 3)) (global $d (mut f64) (f64.const 4))
    (global $v (mut v128) (v128.const i64x2 5 6))
    (global $r (mut funcref) (ref.null func)) (global $x (mut externref) (ref.null extern))
    (global $started (mut i32) (i32.const 0))
    (type $n (func (result i32)))
    (func $one (result i32) (i32.const 1)) (func $two (result i32) (i32.const 2))
    (func $three (result i32) (i32.const 3)) (func $hidden (result i32) (i32.const 99))
    (elem (i32.const 0) func $one $two) (elem declare func $hidden)
    (func $start (global.set $started (i32.add (global.get $started) (i32.const 1)))
      (i32.store (i32.const 8) (i32.add (i32.load (i32.const 8)) (i32.const 1))))
    (start $start)
    (func (export "step") (param $k i32) (result i32)
      (global.set $i (i32.add (global.get $i) (local.get $k)))
      (global.set $j (i64.mul (i64.add (global.get $j) (i64.const 3)) (i64.const 7)))
      (global.set $f (f32.mul (global.get $f) (f32.const 1.5)))
      (global.set $d (f64.sqrt (global.get $d)))
      (global.set $v (i64x2.add (global.get $v) (i64x2.splat (global.get $j))))
      (i32.store (i32.const 60000) (global.get $i))
      (drop (memory.grow (i32.const 1)))
      (i32.store (i32.sub (i32.mul (memory.size) (i32.const 65536)) (i32.const 4)) (global.get $i))
      (if (i32.eq (local.get $k) (i32.const 1))
        (then (table.set $t (i32.const 0) (table.get $t (i32.const 1)))))
      (if (i32.eq (local.get $k) (i32.const 2))
        (then (table.set $t (i32.const 1) (ref.null func))
              (table.set $t (i32.const 3) (ref.func $hidden))
              (drop (table.grow $t (ref.func $hidden) (i32.const 2)))
              (global.set $r (ref.func $hidden))))
      (if (i32.eq (local.get $k) (i32.const 3))
        (then (global.set $r (ref.null func)) (table.set $t (i32.const 2) (ref.null func))))
      (call $sum))
    (func $call (param $at i32) (result i32)
      (if (result i32) (ref.is_null (table.get $t (local.get $at)))
        (then (i32.const 0)) (else (call_indirect $t (type $n) (local.get $at)))))
    (func $sum (export "sum") (result i32) (local $s i32) (local $at i32)
      (local.set $s (i32.add (global.get $i) (i32.wrap_i64 (global.get $j))))
      (local.set $s (i32.add (local.get $s) (i32.reinterpret_f32 (global.get $f))))
      (local.set $s (i32.add (local.get $s) (i32.wrap_i64 (i64.reinterpret_f64 (global.get $d)))))
      (local.set $s (i32.add (local.get $s)
        (i32.wrap_i64 (i64x2.extract_lane 1 (global.get $v)))))
      (local.set $s (i32.add (local.get $s) (i32.mul (global.get $started) (i32.const 1000003))))
      (local.set $s (i32.add (local.get $s) (i32.load (i32.const 8))))
      (local.set $s (i32.add (local.get $s) (memory.size)))
      (local.set $s (i32.add (local.get $s) (ref.is_null (global.get $r))))
      (loop $next
        (local.set $s (i32.add (i32.mul (local.get $s) (i32.const 31))
          (call $call (local.get $at))))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br_if $next (i32.lt_u (local.get $at) (table.size $t))))
      (local.get $s)))
  (core instance $a (instantiate $a))
  (core module $b
    (import "a" "t" (table 1 funcref))
    (func $four (result i32) (i32.const 4))
    (elem (i32.const 2) func $four))
  (core instance (instantiate $b (with "a" (instance (export "t" (table $a "t"))))))
  (func (export "step") (param "k" u32) (result u32) (canon lift (core func $a "step")))
  (func (export "sum") (result u32) (canon lift (core func $a "sum")))
"""


def run(scenario):
    asyncio.run(scenario())


async def loaded(engine, text, host=None):
    found = await engine.load(component(text))
    return found, found.link(host or Host())


async def elsewhere(program, image, data=None, objects=None):
    """Make the instance anew, with equals of the host's objects."""
    objects = image.objects if objects is None else objects
    return await program.restore(data, Limits(), InstanceImage(image.data, tuple(objects)))


def test_all_state_goes_on_at_every_point_and_start_functions_do_not_run_again(engine):
    async def scenario():
        found, program = await loaded(engine, STATE)
        _, other = await loaded(engine, STATE)
        functions = {each.name: each for each in found.world.export_functions}
        never_stopped = await program.instantiate(None, Limits())
        moving = await program.instantiate(None, Limits())
        images = []
        for number, step in enumerate([0, 1, 2, 5, 3, 1]):
            image = moving.save()
            moving.close()
            moving = await elsewhere((other, program)[number % 2], image)
            assert moving.save().data == image.data
            images.append(image.data)
            expected = await never_stopped.call(functions["step"], [step])
            assert await moving.call(functions["step"], [step]) == expected
            assert await moving.call(functions["sum"], []) == expected
        assert len(set(images)) == len(images)
        assert moving.save().data == never_stopped.save().data
        moving.close()
        never_stopped.close()

    run(scenario)


def test_saving_leaves_the_instance_as_it_is_and_an_old_image_goes_on_from_its_own_time(engine):
    async def scenario():
        found, program = await loaded(engine, STATE)
        step = next(each for each in found.world.export_functions if each.name == "step")
        first = await program.instantiate(None, Limits())
        early = first.save()
        results = [await first.call(step, [number]) for number in range(4)]
        second = await elsewhere(program, early)
        assert [await second.call(step, [number]) for number in range(4)] == results
        first.close()
        second.close()

    run(scenario)


THINGS = f"""
  (import "things" (instance $things
    (export "thing" (type $thing (sub resource)))
    (export "make" (func (param "n" u32) (result (own $thing))))
    (export "peek" (func (param "t" (borrow $thing)) (result u32)))))
  (alias export $things "thing" (type $thing))
  (core func $make (canon lower (func $things "make")))
  (core func $peek (canon lower (func $things "peek")))
  (core func $drop (canon resource.drop $thing))
  {MEMORY}
  (core module $main
    (import "h" "make" (func $make (param i32) (result i32)))
    (import "h" "peek" (func $peek (param i32) (result i32)))
    (import "h" "drop" (func $drop (param i32)))
    (func (export "make") (param i32) (result i32) (call $make (local.get 0)))
    (func (export "peek") (param i32) (result i32) (call $peek (local.get 0)))
    (func (export "drop") (param i32) (call $drop (local.get 0))))
  (core instance $main (instantiate $main (with "h" (instance
    (export "make" (func $make)) (export "peek" (func $peek)) (export "drop" (func $drop))))))
  (func (export "make") (param "n" u32) (result u32) (canon lift (core func $main "make")))
  (func (export "peek") (param "h" u32) (result u32) (canon lift (core func $main "peek")))
  (func (export "drop") (param "h" u32) (canon lift (core func $main "drop")))
"""


class Thing:
    def __init__(self, number):
        self.number = number


def things():
    return Host(
        plain={
            "things#make": lambda data, number: Thing(number),
            "things#peek": lambda data, thing: thing.number,
        },
        drops={"thing": lambda data, thing: None},
    )


def test_handles_keep_their_numbers_and_freed_ones_their_order(engine):
    async def scenario():
        guest = await new_guest(engine, THINGS, things())
        for number in (10, 11, 12, 13):
            await guest.call("make", number)
        await guest.call("drop", 3)
        await guest.call("drop", 1)
        image = guest.instance.save()
        assert [thing.number for thing in image.objects] == [11, 13]
        guest.close()
        _, program = await loaded(engine, THINGS, things())
        guest.instance = await elsewhere(program, image, objects=[Thing(11), Thing(13)])
        assert [await guest.call("peek", handle) for handle in (2, 4)] == [11, 13]
        assert [await guest.call("make", number) for number in (1, 2, 3)] == [1, 3, 5]
        for objects in ([], [Thing(1)], [Thing(1)] * 3):
            with pytest.raises(SnapshotUnusableError, match="host objects"):
                await elsewhere(program, image, objects=objects)
        guest.close()

    run(scenario)


NESTED = """
  (component $inner
    (type $thing' (resource (rep i32)))
    (core func $new (canon resource.new $thing'))
    (core func $rep (canon resource.rep $thing'))
    (core module $main
      (import "h" "new" (func $new (param i32) (result i32)))
      (import "h" "rep" (func $rep (param i32) (result i32)))
      (global $made (mut i32) (i32.const 0))
      (func (export "make") (result i32)
        (global.set $made (i32.add (global.get $made) (i32.const 100)))
        (call $new (global.get $made)))
      (func (export "look") (param i32) (result i32) (local.get 0)))
    (core instance $main (instantiate $main (with "h" (instance
      (export "new" (func $new)) (export "rep" (func $rep))))))
    (export $thing "thing" (type $thing'))
    (func (export "make") (result (own $thing)) (canon lift (core func $main "make")))
    (func (export "look") (param "t" (borrow $thing)) (result u32)
      (canon lift (core func $main "look"))))
  (instance $one (instantiate $inner))
  (instance $two (instantiate $inner))
  (alias export $one "thing" (type $one-thing))
  (alias export $two "thing" (type $two-thing))
  (core func $make1 (canon lower (func $one "make")))
  (core func $make2 (canon lower (func $two "make")))
  (core func $look1 (canon lower (func $one "look")))
  (core func $look2 (canon lower (func $two "look")))
  (core module $outer
    (import "h" "make1" (func $make1 (result i32))) (import "h" "make2" (func $make2 (result i32)))
    (import "h" "look1" (func $look1 (param i32) (result i32)))
    (import "h" "look2" (func $look2 (param i32) (result i32)))
    (func (export "make") (param i32) (result i32)
      (if (result i32) (local.get 0) (then (call $make2)) (else (call $make1))))
    (func (export "look") (param i32 i32) (result i32)
      (if (result i32) (local.get 0)
        (then (call $look2 (local.get 1))) (else (call $look1 (local.get 1))))))
  (core instance $outer (instantiate $outer (with "h" (instance
    (export "make1" (func $make1)) (export "make2" (func $make2))
    (export "look1" (func $look1)) (export "look2" (func $look2))))))
  (func (export "make") (param "which" u32) (result u32) (canon lift (core func $outer "make")))
  (func (export "look") (param "which" u32) (param "h" u32) (result u32)
    (canon lift (core func $outer "look")))
"""


def test_nested_components_and_their_resources_go_on(engine):
    async def scenario():
        guest = await new_guest(engine, NESTED)
        assert [await guest.call("make", which) for which in (0, 1, 1)] == [1, 2, 3]
        image = guest.instance.save()
        guest.close()
        _, program = await loaded(engine, NESTED)
        guest.instance = await elsewhere(program, image)
        assert [await guest.call("look", which, h) for which, h in ((0, 1), (1, 2), (1, 3))] == [
            100, 100, 200,
        ]  # fmt: skip
        assert await guest.call("make", 0) == 4
        assert await guest.call("look", 0, 4) == 200
        guest.close()

    run(scenario)


EXPORTS_A_RESOURCE = f"""
  {MEMORY}
  (type $thing' (resource (rep i32)))
  (core func $new (canon resource.new $thing'))
  (core module $main
    (import "h" "new" (func $new (param i32) (result i32)))
    (global $made (mut i32) (i32.const 0))
    (func (export "make") (result i32)
      (global.set $made (i32.add (global.get $made) (i32.const 7)))
      (call $new (global.get $made)))
    (func (export "look") (param i32) (result i32) (local.get 0)))
  (core instance $main (instantiate $main (with "h" (instance (export "new" (func $new))))))
  (export $thing "thing" (type $thing'))
  (func (export "make") (result (own $thing)) (canon lift (core func $main "make")))
  (func (export "look") (param "t" (borrow $thing)) (result u32)
    (canon lift (core func $main "look")))
"""


def test_a_guests_resource_that_the_host_holds_goes_on_too(engine):
    async def scenario():
        guest = await new_guest(engine, EXPORTS_A_RESOURCE)
        first, second = await guest.call("make"), await guest.call("make")
        image = guest.instance.save()
        _, program = await loaded(engine, EXPORTS_A_RESOURCE)
        restored = await elsewhere(program, image)
        adopted = [restored.adopt(*one.save()) for one in (first, second)]
        guest.close()
        guest.instance = restored
        assert [await guest.call("look", one) for one in adopted] == [7, 14]
        with pytest.raises(SnapshotUnusableError, match="no resource type 99"):
            restored.adopt(99, 1)
        guest.close()

    run(scenario)


# `init` and `fill` take from a segment and trap where it was dropped.
SEGMENTS = """
  (core module $m (memory 1) (table $t 4 funcref) (global $kept (mut i32) (i32.const 7))
    (data $one "abcd") (data $two "efgh") (data (i32.const 64) "active")
    (func $f (result i32) (i32.const 42)) (elem $e func $f $f) (type $n (func (result i32)))
    (func (export "init") (param $which i32) (param $count i32) (result i32)
      (if (local.get $which)
        (then (memory.init $two (i32.const 0) (i32.const 0) (local.get $count)))
        (else (memory.init $one (i32.const 0) (i32.const 0) (local.get $count))))
      (i32.load8_u (i32.const 0)))
    (func (export "fill") (param $count i32) (result i32)
      (table.init $e (i32.const 1) (i32.const 0) (local.get $count))
      (if (result i32) (ref.is_null (table.get $t (i32.const 1)))
        (then (i32.const 0)) (else (call_indirect $t (type $n) (i32.const 1)))))
    (func (export "drop") (param $which i32)
      (local $long i64)
      (local.set $long (i64.const 0x09fc09fc09fc))
      (block $end (block $e (block $two (block $one
        (br_table $one $two $e $end (local.get $which)))
        (data.drop $one) (br $end)) (data.drop $two) (br $end)) (elem.drop $e))
      (global.set $kept (i32.add (global.get $kept) (i32.const 1))))
    (func (export "kept") (result i32) (global.get $kept)))
  (core instance $i (instantiate $m))
  (func (export "init") (param "which" u32) (param "count" u32) (result u32)
    (canon lift (core func $i "init")))
  (func (export "fill") (param "count" u32) (result u32) (canon lift (core func $i "fill")))
  (func (export "drop") (param "which" u32) (canon lift (core func $i "drop")))
  (func (export "kept") (result u32) (canon lift (core func $i "kept")))
"""


@pytest.mark.parametrize("dropped", [[], [0], [1], [2], [0, 2], [0, 1, 2]], ids=str)
def test_segments_that_were_dropped_stay_dropped_and_the_others_there(engine, dropped):
    async def scenario():
        _, program = await loaded(engine, SEGMENTS)
        guest = await new_guest(engine, SEGMENTS)
        for which in dropped:
            await guest.call("drop", which)
        image = guest.instance.save()
        guest.close()
        for call, which in ((("init", 0, 4), 0), (("init", 1, 4), 1), (("fill", 2), 2)):
            name, *arguments = call
            guest.instance = await elsewhere(program, image)
            assert guest.instance.save().data == image.data
            assert await guest.call("kept") == 7 + len(dropped)
            if which not in dropped:
                assert await guest.call(name, *arguments) in {ord("a"), ord("e"), 42}
            else:
                # To wasmtime a segment that is gone is one that is too short.
                with pytest.raises(GuestTrap, match="out of bounds"):
                    await guest.call(name, *arguments)
            guest.close()

    run(scenario)


def test_references_that_mean_nothing_elsewhere_are_refused(engine):
    text = """
      (core module $m (global $g (mut (ref null i31)) (ref.null i31)) (table $t 1 (ref null i31))
        (func (export "g") (global.set $g (ref.i31 (i32.const 5))))
        (func (export "clear") (global.set $g (ref.null i31)))
        (func (export "t") (table.set $t (i32.const 0) (ref.i31 (i32.const 5)))))
      (core instance $i (instantiate $m))
      (func (export "g") (canon lift (core func $i "g")))
      (func (export "clear") (canon lift (core func $i "clear")))
      (func (export "t") (canon lift (core func $i "t")))"""

    async def scenario():
        guest = await new_guest(engine, text)
        _, program = await loaded(engine, text)
        (await elsewhere(program, guest.instance.save())).close()
        await guest.call("g")
        with pytest.raises(SnapshotRefusedError, match=r"global .* of core instance 0 holds"):
            guest.instance.save()
        await guest.call("clear")
        (await elsewhere(program, guest.instance.save())).close()
        await guest.call("t")
        with pytest.raises(SnapshotRefusedError, match=r"table .* of core instance 0 holds"):
            guest.instance.save()
        guest.close()

    run(scenario)


def test_an_instance_in_a_call_or_closed_is_refused(engine):
    text = f"""
      (import "wait" (func $wait))
      {MEMORY}
      (core func $wait (canon lower (func $wait)))
      (core module $m (import "h" "wait" (func $wait)) (func (export "f") (call $wait)))
      (core instance $i (instantiate $m (with "h" (instance (export "wait" (func $wait))))))
      (func (export "f") (canon lift (core func $i "f")))"""

    async def scenario():
        waiting, go = asyncio.Event(), asyncio.Event()

        async def wait(_data):
            waiting.set()
            await go.wait()

        guest = await new_guest(engine, text, Host(waiting={"wait": wait}))
        call = asyncio.create_task(guest.call("f"))
        await waiting.wait()
        with pytest.raises(SnapshotRefusedError, match="in a call"):
            guest.instance.save()
        go.set()
        await call
        assert guest.instance.save().data
        guest.close()
        with pytest.raises(SnapshotRefusedError, match="closed"):
            guest.instance.save()

    run(scenario)


def test_no_damaged_or_foreign_image_is_ever_half_loaded(engine):
    async def scenario():
        found, program = await loaded(engine, STATE)
        step = next(each for each in found.world.export_functions if each.name == "step")
        guest = await program.instantiate(None, Limits())
        await guest.call(step, [2])
        data = guest.save().data
        guest.close()
        for place in range(len(data)):
            damaged = bytearray(data)
            damaged[place] ^= 0x10
            with pytest.raises(SnapshotUnusableError):
                await elsewhere(program, InstanceImage(bytes(damaged)))
        for size in (0, 7, 40, len(data) - 1):
            with pytest.raises(SnapshotUnusableError):
                await elsewhere(program, InstanceImage(data[:size]))
        _, foreign = await loaded(engine, NESTED)
        with pytest.raises(SnapshotUnusableError, match="another component"):
            await elsewhere(foreign, InstanceImage(data))
        with pytest.raises(SnapshotUnusableError, match="another configuration"):
            decode(
                data,
                Binding(
                    component=program.binding.component,
                    layout=program.binding.layout,
                    configuration="other",
                ),
            )
        assert engine.live_count == 0

    run(scenario)


def test_an_image_above_the_limits_is_refused_and_nothing_stays_open(engine):
    async def scenario():
        found, program = await loaded(engine, STATE)
        step = next(each for each in found.world.export_functions if each.name == "step")
        guest = await program.instantiate(None, Limits())
        for _ in range(5):
            await guest.call(step, [0])
        image = guest.save()
        guest.close()
        with pytest.raises(SnapshotUnusableError, match="cannot grow to 393216 bytes"):
            await program.restore(None, Limits(memory_bytes_max=4 * 65536), image)
        assert engine.live_count == 0

    run(scenario)


def test_a_python_guest_goes_on_exactly_as_the_one_that_was_never_stopped(engine):
    async def scenario():
        found = await engine.load(python_guest())
        program = found.link(WasiHost())
        functions = {
            function.name: function
            for interface in found.world.export_interfaces
            for function in interface.functions
        }
        worlds = [World(seed=5), World(seed=5)]
        never_stopped, moving = [await program.instantiate(world, Limits()) for world in worlds]
        calls = [
            ("greet", ["Ada"]),
            ("remember", ["one"]),
            ("roll", [3]),
            ("total", [[{"name": "x", "qty": 2, "price": 0.25}]]),
            ("remember", ["two"]),
            ("echo", [bytes(range(256)) * 2000]),
            ("roll", [2]),
            ("greet", ["Bob"]),
        ]
        for name, arguments in calls:
            image = moving.save()
            moving.close()
            # Handles of this host are numbers and entries that the guest holds no longer.
            assert set(image.objects) <= {1, 2}
            moving = await elsewhere(program, image, worlds[1])
            expected = await never_stopped.call(functions[name], arguments)
            assert await moving.call(functions[name], arguments) == expected
            assert worlds[0].output == worlds[1].output
            assert worlds[0].random.getstate() == worlds[1].random.getstate()
        assert moving.save().data == never_stopped.save().data
        never_stopped.close()
        moving.close()

    run(scenario)


def test_pages_are_listed_in_order(engine):
    async def scenario():
        guest = await new_guest(
            engine,
            f"""{MEMORY}
          (core module $m (import "m" "m" (memory 1))
            (func (export "put") (param i32) (i32.store8 (local.get 0) (i32.const 1))))
          (core instance $i (instantiate $m (with "m" (instance (export "m" (memory $mem "m"))))))
          (func (export "put") (param "at" u32) (canon lift (core func $i "put") {OPTIONS}))""",
        )
        for place in (70000, 5, 4096, 131071):
            await guest.call("put", place)
        data = guest.instance.save().data
        (memory,) = decode(data, guest.instance._program.binding).memories
        assert struct.unpack("<4I", memory.pages) == (0, 1, 17, 31)
        guest.close()

    run(scenario)
