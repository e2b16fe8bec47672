"""Random programs over resources, and random graphs of components, as wasmtime runs them."""

import asyncio

import pytest
import wasmtime
from component_oracle import OracleInstance
from hypothesis import given
from hypothesis import strategies as st
from test_oracle import NoImports, bounded
from test_oracle import module_engine as module_engine
from test_oracle import oracle_engine as oracle_engine

from actors.engine.errors import GuestTrap
from actors.engine.port import Limits

SLOTS = 4


def component(text):
    return bytes(wasmtime.wat2wasm(f"(component {text})"))


async def ours(engine, data, *calls):
    """Return the results of calls, up to the first that traps."""
    loaded = await engine.load(data)
    instance = await loaded.link(NoImports()).instantiate(None, Limits())
    functions = {each.name: each for each in loaded.world.export_functions}
    results = []
    try:
        for name, *arguments in calls:
            results.append(await instance.call(functions[name], arguments))
    except GuestTrap:
        results.append("trap")
    finally:
        instance.close()
    return results


def theirs(engine, data, *calls):
    instance = OracleInstance(engine, data)
    results = []
    try:
        for name, *arguments in calls:
            results.append(instance.call(name, *arguments))
    except (wasmtime.WasmtimeError, wasmtime.Trap):
        results.append("trap")
    return results


# An inner component implements `r`; `log` counts what its destructor saw.
RESOURCE = """
  (component $Inner
    (core module $d (global $sum (mut i32) (i32.const 0))
      (func (export "dtor") (param i32)
        (global.set $sum (i32.add (i32.mul (global.get $sum) (i32.const 3)) (local.get 0))))
      (func (export "sum") (result i32) (global.get $sum)))
    (core instance $d (instantiate $d))
    (type $r' (resource (rep i32) (dtor (core func $d "dtor"))))
    (export $r "r" (type $r'))
    (core func $new (canon resource.new $r')) (core func $rep (canon resource.rep $r'))
    (core func $drop (canon resource.drop $r'))
    (core module $main (import "h" "new" (func $new (param i32) (result i32)))
      (import "h" "rep" (func $rep (param i32) (result i32)))
      (import "h" "drop" (func $drop (param i32)))
      (func (export "make") (param i32) (result i32) (call $new (local.get 0)))
      (func (export "value") (param i32) (result i32) (local.get 0))
      (func (export "both") (param i32 i32) (result i32)
        (i32.add (i32.mul (local.get 0) (i32.const 5)) (local.get 1)))
      (func (export "pass") (param i32) (result i32) (local.get 0))
      (func (export "renew") (param i32) (result i32) (local $n i32)
        (local.set $n (call $rep (local.get 0))) (call $drop (local.get 0))
        (call $new (i32.add (local.get $n) (i32.const 100))))
      (func (export "take") (param i32) (result i32) (local $n i32)
        (local.set $n (call $rep (local.get 0))) (call $drop (local.get 0)) (local.get $n))
      (func (export "mixed") (param i32 i32) (result i32)
        (call $drop (local.get 1)) (local.get 0)))
    (core instance $main (instantiate $main (with "h" (instance
      (export "new" (func $new)) (export "rep" (func $rep)) (export "drop" (func $drop))))))
    (func (export "sum") (result u32) (canon lift (core func $d "sum")))
    (func (export "make") (param "n" u32) (result (own $r)) (canon lift (core func $main "make")))
    (func (export "value") (param "x" (borrow $r)) (result u32)
      (canon lift (core func $main "value")))
    (func (export "both") (param "x" (borrow $r)) (param "y" (borrow $r)) (result u32)
      (canon lift (core func $main "both")))
    (func (export "pass") (param "x" (own $r)) (result (own $r))
      (canon lift (core func $main "pass")))
    (func (export "renew") (param "x" (own $r)) (result (own $r))
      (canon lift (core func $main "renew")))
    (func (export "take") (param "x" (own $r)) (result u32) (canon lift (core func $main "take")))
    (func (export "mixed") (param "x" (borrow $r)) (param "y" (own $r)) (result u32)
      (canon lift (core func $main "mixed"))))
  (instance $inner (instantiate $Inner))
"""
SIGNATURES = {
    "make": ('(param "n" u32) (result (own $r))', 1),
    "value": ('(param "x" (borrow $r)) (result u32)', 1),
    "both": ('(param "x" (borrow $r)) (param "y" (borrow $r)) (result u32)', 2),
    "pass": ('(param "x" (own $r)) (result (own $r))', 1),
    "renew": ('(param "x" (own $r)) (result (own $r))', 1),
    "take": ('(param "x" (own $r)) (result u32)', 1),
    "mixed": ('(param "x" (borrow $r)) (param "y" (own $r)) (result u32)', 2),
}
MAKING = {"make", "pass", "renew"}


def program(steps):
    """An outer component whose `run` does the steps and returns what it saw, handles included."""
    body = []
    for name, first, second in steps:
        one, other = (f"(local.get $s{slot % SLOTS})" for slot in (first, second))
        if name == "make":
            call = f"(call $make (i32.const {second}))"
        elif name == "drop":
            body.append(f"(call $drop {one})")
            continue
        else:
            call = f"(call ${name} {one}{f' {other}' if SIGNATURES[name][1] == 2 else ''})"
        if name in MAKING:
            call = f"(local.tee $s{first % SLOTS} {call})"
        body.append(f"(local.set $seen (i32.add (i32.mul (local.get $seen) (i32.const 7)) {call}))")
    imports = "".join(
        f'(import "{name}" (func ${name} {type_})) (core func ${name} (canon lower (func ${name})))'
        for name, (type_, _) in SIGNATURES.items()
    )
    core = "".join(
        f'(import "h" "{name}" (func ${name} {"(param i32)" * count} (result i32)))'
        for name, (_, count) in SIGNATURES.items()
    )
    given = "".join(f'(export "{name}" (func ${name}))' for name in SIGNATURES)
    arguments = "".join(f'(with "{name}" (func $inner "{name}"))' for name in SIGNATURES)
    slots = "".join(f"(local $s{slot} i32)" for slot in range(SLOTS))
    return component(f"""{RESOURCE}
      (component $Outer (import "r" (type $r (sub resource))) {imports}
        (core func $drop (canon resource.drop $r))
        (core module $main {core} (import "h" "drop" (func $drop (param i32)))
          (func (export "run") (result i32) (local $seen i32) {slots}
            {" ".join(body)} (local.get $seen)))
        (core instance $main (instantiate $main (with "h" (instance {given}
          (export "drop" (func $drop))))))
        (func (export "run") (result u32) (canon lift (core func $main "run"))))
      (instance $outer (instantiate $Outer (with "r" (type $inner "r")) {arguments}))
      (export "run" (func $outer "run")) (export "sum" (func $inner "sum"))""")


operations = st.tuples(
    st.sampled_from(["make", "make", "make", *SIGNATURES, "drop"]),
    st.integers(0, SLOTS - 1),
    st.integers(0, SLOTS - 1),
)


@given(steps=st.lists(operations, min_size=1, max_size=14))
@bounded
@pytest.mark.timeout(600)
def test_resource_programs_end_as_with_the_oracle(module_engine, oracle_engine, steps):
    # Most start with resources in all slots, so that more than the first step can succeed.
    made = [("make", slot, slot + 10) for slot in range(SLOTS)]
    for prefix in ([], made):
        data = program([*prefix, *steps])
        calls = ("run",), ("sum",), ("run",), ("sum",)
        assert asyncio.run(ours(module_engine, data, *calls)) == theirs(oracle_engine, data, *calls)


# Grows in place or moves, since wasmtime allocates for the worst case and corrects that.
REALLOC = """
    (memory (export "m") 1)
    (global $free (mut i32) (i32.const 1024))
    (func (export "r") (param i32 i32 i32 i32) (result i32) (local $at i32)
      (if (i32.and (i32.ne (local.get 0) (i32.const 0)) (i32.le_u (local.get 3) (local.get 1)))
        (then (return (local.get 0))))
      (local.set $at (i32.and (i32.add (global.get $free) (i32.sub (local.get 2) (i32.const 1)))
                              (i32.sub (i32.const 0) (local.get 2))))
      (global.set $free (i32.add (local.get $at) (local.get 3)))
      (memory.copy (local.get $at) (local.get 0) (local.get 1))
      (local.get $at))
"""


def graph(nodes):
    """Each component calls earlier ones with what it was given, in an encoding of its own."""
    parts = []
    for number, (encoding, targets) in enumerate(nodes):
        options = (
            '(memory (core memory $mem "m")) (realloc (core func $mem "r")) '
            f"string-encoding={encoding}"
        )
        names = [f"t{index}" for index in range(len(targets))]
        imports = "".join(
            f'(import "{name}" (func ${name} (param "s" string) (result string)))' for name in names
        )
        lowered = "".join(
            f"(core func ${name} (canon lower (func ${name}) {options}))" for name in names
        )
        core = "".join(
            f'(import "h" "{name}" (func ${name} (param i32 i32 i32)))' for name in names
        )
        given = "".join(f'(export "{name}" (func ${name}))' for name in names)
        calls = "".join(
            f"(call ${name} (i32.load (i32.const 16)) (i32.load (i32.const 20)) (i32.const 16))"
            for name in names
        )
        with_ = "".join(
            f'(with "{name}" (func $c{target} "f"))'
            for name, target in zip(names, targets, strict=True)
        )
        parts.append(f"""
          (component $C{number} {imports}
            (core module $memory {REALLOC}) (core instance $mem (instantiate $memory))
            {lowered}
            (core module $main (import "mem" "m" (memory 1)) {core}
              (global $n (mut i32) (i32.const 0))
              (func (export "f") (param i32 i32) (result i32)
                (global.set $n (i32.add (global.get $n) (i32.const 1)))
                (i32.store (i32.const 16) (local.get 0)) (i32.store (i32.const 20) (local.get 1))
                {calls} (i32.const 16))
              (func (export "n") (result i32) (global.get $n)))
            (core instance $main (instantiate $main (with "mem" (instance $mem))
              {f'(with "h" (instance {given}))' if names else ""}))
            (func (export "f") (param "s" string) (result string)
              (canon lift (core func $main "f") {options}))
            (func (export "n") (result u32) (canon lift (core func $main "n"))))
          (instance $c{number} (instantiate $C{number} {with_}))
          (export "n{number}" (func $c{number} "n"))""")
    last = len(nodes) - 1
    return component(f'{"".join(parts)} (export "f" (func $c{last} "f"))')


@st.composite
def graphs(draw):
    encodings = st.sampled_from(["utf8", "utf16", "latin1+utf16"])
    count = draw(st.integers(1, 5))
    return [
        (draw(encodings), draw(st.lists(st.integers(0, number - 1), max_size=2)) if number else [])
        for number in range(count)
    ]


@given(nodes=graphs(), text=st.text(st.characters(codec="utf-8"), max_size=12))
@bounded
@pytest.mark.timeout(600)
def test_graphs_of_components_pass_text_on(module_engine, oracle_engine, nodes, text):
    data = graph(nodes)
    calls = [("f", text), *[(f"n{number}",) for number in range(len(nodes))]]
    results = asyncio.run(ours(module_engine, data, *calls))
    assert results == theirs(oracle_engine, data, *calls)
    assert results[0] == text
