"""Guests that do what they must not: each ends in an error of the engine."""

import asyncio

import pytest
from wat_guests import MEMORY, OPTIONS, Host, new_guest

from actors.engine.errors import GuestTrap
from actors.engine.port import Limits


def run(scenario):
    asyncio.run(scenario())


async def wait(data, number):
    await asyncio.sleep(0)
    return number


# `realloc`, post-return and a destructor with a body of the test's choice.
CUSTOM = """
  (import "wait" (func $wait (param "n" u32) (result u32)))
  (import "note" (func $note (param "n" u32)))
  (core func $wait (canon lower (func $wait)))
  (core func $note (canon lower (func $note)))
  (core module $main
    (import "h" "wait" (func $wait (param i32) (result i32)))
    (import "h" "note" (func $note (param i32)))
    (memory (export "m") 1)
    (func (export "r") (param i32 i32 i32 i32) (result i32) {realloc})
    (func (export "post") (param i32) {post})
    (func (export "dtor") (param i32) {dtor})
    (func (export "echo") (param i32 i32) (result i32)
      (i32.store (i32.const 8) (local.get 0)) (i32.store (i32.const 12) (local.get 1))
      (i32.const 8))
    (func (export "nothing")))
  (core instance $main (instantiate $main (with "h" (instance
    (export "wait" (func $wait)) (export "note" (func $note))))))
  (type $r' (resource (rep i32) (dtor (core func $main "dtor"))))
  (export $r "r" (type $r'))
  (core func $new (canon resource.new $r'))
  (core func $drop (canon resource.drop $r'))
  (core module $more (import "h" "new" (func $new (param i32) (result i32)))
    (import "h" "drop" (func $drop (param i32)))
    (func (export "make-and-drop") (call $drop (call $new (i32.const 5))))
    (func (export "make") (result i32) (call $new (i32.const 5))))
  (core instance $more (instantiate $more (with "h" (instance
    (export "new" (func $new)) (export "drop" (func $drop))))))
  (func (export "echo") (param "s" string) (result string) (canon lift (core func $main "echo")
    (memory (core memory $main "m")) (realloc (core func $main "r"))
    (post-return (core func $main "post"))))
  (func (export "make-and-drop") (canon lift (core func $more "make-and-drop")))
  (func (export "make") (result (own $r)) (canon lift (core func $more "make")))
  (func (export "nothing") (canon lift (core func $main "nothing")))
"""
FINE = {"realloc": "i32.const 1024", "post": "", "dtor": ""}


def custom(**parts):
    return CUSTOM.format(**(FINE | parts))


def resolver(waiting=wait):
    return Host(plain={"note": lambda data, number: None}, waiting={"wait": waiting})


def test_the_harmless_version_works(engine):
    async def scenario():
        guest = await new_guest(engine, custom(), resolver())
        assert await guest.call("echo", "text") == "text"
        await guest.call("make-and-drop")
        guest.close()

    run(scenario)


@pytest.mark.parametrize("name", ["realloc", "post"])
@pytest.mark.parametrize(
    "call", ["(drop (call $wait (i32.const 1)))", "(call $note (i32.const 1))"]
)
def test_allocation_and_post_return_may_not_call_imports(engine, name, call):
    async def scenario():
        guest = await new_guest(engine, custom(**{name: f"{call} {FINE[name]}"}), resolver())
        with pytest.raises(GuestTrap, match="cannot leave component instance") as caught:
            await guest.call("echo", "text")
        assert caught.value.kind == "abi"
        assert not guest.instance.is_open

    run(scenario)


@pytest.mark.parametrize("name", ["realloc", "post"])
def test_endless_allocation_and_post_return_are_ended(engine, name):
    async def scenario():
        guest = await new_guest(engine, custom(**{name: f"(loop (br 0)) {FINE[name]}"}), resolver())
        with pytest.raises(GuestTrap) as caught:
            await guest.call("echo", "text")
        assert caught.value.kind == "limit"

    run(scenario)


def test_a_destructor_in_mid_call_may_call_and_wait(engine):
    waited = []

    async def ready(data, number):
        return number

    async def waiting(data, number):
        await asyncio.sleep(0)
        waited.append(number)
        return number

    async def scenario():
        text = custom(dtor="(drop (call $wait (local.get 0)))")
        for implementation in (ready, waiting):
            guest = await new_guest(engine, text, resolver(implementation))
            await guest.call("make-and-drop")
            guest.close()
        assert waited == [5]

    run(scenario)


@pytest.mark.parametrize("by", ["host", "guest"])
def test_an_endless_destructor_is_sliced_and_cancelled(engine, by):
    async def scenario():
        guest = await new_guest(engine, custom(dtor="(loop (br 0))"), resolver())
        if by == "host":
            resource = await guest.call("make")
            task = asyncio.create_task(guest.instance.drop(resource))
        else:
            task = asyncio.create_task(guest.call("make-and-drop"))
        for _ in range(5):
            await asyncio.sleep(0.01)
        assert not task.done()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not guest.instance.is_open

    run(scenario)


@pytest.mark.parametrize(
    ("realloc", "message"),
    [
        ("i32.const 65534", "out of bounds"),
        ("i32.const -4", "out of bounds"),
        ("unreachable", "unreachable"),
        ("(i32.div_u (i32.const 1) (i32.const 0))", "divide by zero"),
    ],
)
def test_wild_allocations_trap(engine, realloc, message):
    async def scenario():
        guest = await new_guest(engine, custom(realloc=realloc), resolver())
        with pytest.raises(GuestTrap, match=message):
            await guest.call("echo", "text")

    run(scenario)


RESULTS = f"""
  {MEMORY}
  (core module $main (import "mem" "m" (memory 1))
    (data (i32.const 0) "\\ff\\fe\\00\\d8\\00\\00")
    (func (export "f") (result i32) {{body}}))
  (core instance $main (instantiate $main (with "mem" (instance $mem))))
  (type $e' (enum "a" "b" "c")) (export $e "e" (type $e'))
  (func (export "f") (result {{type}})
    (canon lift (core func $main "f") {OPTIONS} string-encoding={{encoding}}))
"""
PAIR = "(i32.store (i32.const 16) (i32.const {})) (i32.store (i32.const 20) (i32.const {})) {}"


@pytest.mark.parametrize(
    ("type_", "body", "message"),
    [
        ("string", "(i32.const -1)", "unaligned|out of bounds"),
        ("string", "(i32.const 131068)", "out of bounds"),
        ("string", "(i32.const 17)", "unaligned"),
        ("string", PAIR.format(131000, 1000, "(i32.const 16)"), "out of bounds"),
        ("string", PAIR.format(-1, -1, "(i32.const 16)"), "out of bounds"),
        ("string", PAIR.format(0, 2, "(i32.const 16)"), "invalid utf-8"),
        ("(list u32)", PAIR.format(2, 1, "(i32.const 16)"), "unaligned"),
        ("(list u64)", PAIR.format(0, 1 << 29, "(i32.const 16)"), "out of bounds"),
        ("(list string)", PAIR.format(0, -1, "(i32.const 16)"), "out of bounds"),
        ("$e", "(i32.const 3)", "discriminant 3"),
        ("char", "(i32.const 0xd800)", "scalar value"),
        ("char", "(i32.const 0x110000)", "scalar value"),
    ],
)
def test_results_that_break_the_canonical_abi_trap(engine, type_, body, message):
    async def scenario():
        text = RESULTS.format(type=type_, body=body, encoding="utf8")
        guest = await new_guest(engine, text)
        with pytest.raises(GuestTrap, match=message) as caught:
            await guest.call("f")
        assert caught.value.kind == "abi"

    run(scenario)


@pytest.mark.parametrize(("encoding", "length"), [("utf16", 2), ("latin1+utf16", -(2**31) + 2)])
def test_lone_surrogates_trap(engine, encoding, length):
    async def scenario():
        body = PAIR.format(2, length, "(i32.const 16)")
        guest = await new_guest(engine, RESULTS.format(type="string", body=body, encoding=encoding))
        with pytest.raises(GuestTrap, match="utf-16"):
            await guest.call("f")

    run(scenario)


TRAPS = """
  (core module $main
    (memory 1 2) (table 2 10 funcref) (type $t (func))
    (func $deep (export "deep") (call $deep))
    (func (export "unreachable") unreachable)
    (func (export "memory") (drop (i32.load (i32.const -4))))
    (func (export "table") (call_indirect (type $t) (i32.const 7)))
    (func (export "null") (call_indirect (type $t) (i32.const 0)))
    (func (export "divide") (drop (i32.div_s (i32.const 1) (i32.const 0))))
    (func (export "convert") (drop (i32.trunc_f32_s (f32.const nan))))
    (func (export "grow") (result i32) (memory.grow (i32.const 1000))))
  (core instance $main (instantiate $main))
"""
NAMES = ["deep", "unreachable", "memory", "table", "null", "divide", "convert"]
TRAPS += "".join(
    f'(func (export "{name}") (canon lift (core func $main "{name}")))' for name in NAMES
)
TRAPS += '(func (export "grow") (result s32) (canon lift (core func $main "grow")))'


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("deep", "stack-overflow"),
        ("unreachable", "unreachable"),
        ("memory", "memory"),
        ("table", "table"),
        ("null", "table"),
        ("divide", "arithmetic"),
        ("convert", "arithmetic"),
    ],
)
def test_traps_have_a_kind_and_a_backtrace(engine, name, kind):
    async def scenario():
        guest = await new_guest(engine, TRAPS)
        with pytest.raises(GuestTrap) as caught:
            await guest.call(name)
        assert caught.value.kind == kind
        assert "backtrace" in caught.value.backtrace

    run(scenario)


def test_memory_beyond_the_limit_is_refused_to_the_guest(engine):
    async def scenario():
        guest = await new_guest(engine, TRAPS, limits=Limits(memory_bytes_max=1 << 17))
        assert await guest.call("grow") == -1
        assert guest.instance.memory_bytes == 1 << 16
        guest.close()
        with pytest.raises(GuestTrap) as caught:
            await new_guest(engine, TRAPS, limits=Limits(memory_bytes_max=1 << 10))
        assert caught.value.kind == "limit"
        with pytest.raises(GuestTrap) as caught:
            await new_guest(engine, TRAPS, limits=Limits(table_elements_max=1))
        assert caught.value.kind == "limit"

    run(scenario)


GREEDY = """
  (core module $one (memory (export "m") 1))
  (core instance $a (instantiate $one))
  (core instance $b (instantiate $one))
  (core module $main (import "a" "m" (memory $a 1)) (import "b" "m" (memory $b 1))
    (func (export "grow") (param i32) (result i32)
      (drop (memory.grow $a (local.get 0))) (memory.grow $b (local.get 0))))
  (core instance $main (instantiate $main (with "a" (instance $a)) (with "b" (instance $b))))
  (func (export "grow") (param "pages" u32) (result s32) (canon lift (core func $main "grow")))
"""


def test_memories_together_stay_within_the_limit(engine):
    async def scenario():
        guest = await new_guest(engine, GREEDY, limits=Limits(memory_bytes_max=8 << 16))
        assert await guest.call("grow", 1) == 1
        assert guest.instance.memory_bytes == 4 << 16
        with pytest.raises(GuestTrap) as caught:
            await guest.call("grow", 5)
        assert caught.value.kind == "limit"
        assert not guest.instance.is_open
        with pytest.raises(GuestTrap):
            await new_guest(engine, GREEDY, limits=Limits(memory_bytes_max=1 << 16))

    run(scenario)


def test_values_of_the_host_that_do_not_fit_leave_the_instance_alive(engine):
    from wit.errors import ValueMismatchError

    async def scenario():
        guest = await new_guest(engine, custom(), resolver())
        for wrong in (5, None, b"bytes"):
            with pytest.raises(ValueMismatchError):
                await guest.call("echo", wrong)
        with pytest.raises(ValueMismatchError):
            await guest.call("echo")
        assert await guest.call("echo", "text") == "text"
        guest.close()

    run(scenario)
