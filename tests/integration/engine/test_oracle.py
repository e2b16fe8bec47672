"""Values as wasmtime's component implementation lowers and lifts them, for random types.

An *image* is what lowering left in a guest: the memory in use and the pointer to the arguments.
One component makes images, another lifts from them, so each engine can read what the other wrote.
"""

import asyncio
import os

import pytest
import wasmtime
from component_oracle import OracleInstance, TypeText, from_oracle, tagged_variants, to_oracle
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from random_types import types, values

from actors.engine.abi.signature import contains, core_signature
from actors.engine.port import HostCall, Limits
from wit.types import FunctionType, ListType, Parameter, Primitive, TupleType

EXAMPLES = int(os.environ.get("SHEM_ORACLE_EXAMPLES", "25"))

# Enough parameters that they travel through memory.
PADDING = TupleType((Primitive.U8,) * 17)
PAD = tuple(range(17))

MEMORY = """
  (core module $mem
    (memory (export "m") 16)
    (global $free (mut i32) (i32.const {base}))
    (func (export "end") (result i32) (global.get $free))
    (func (export "r") (param i32 i32 i32 i32) (result i32) (local $at i32)
      (if (i32.and (i32.ne (local.get 0) (i32.const 0)) (i32.le_u (local.get 3) (local.get 1)))
        (then (return (local.get 0))))
      (local.set $at (i32.and (i32.add (global.get $free) (i32.sub (local.get 2) (i32.const 1)))
                              (i32.sub (i32.const 0) (local.get 2))))
      (global.set $free (i32.add (local.get $at) (local.get 3)))
      (memory.copy (local.get $at) (local.get 0) (local.get 1))
      (local.get $at)))
  (core instance $mem (instantiate $mem))
"""
OPTIONS = (
    '(memory (core memory $mem "m")) (realloc (core func $mem "r")) string-encoding={encoding}'
)


def component(text):
    return bytes(wasmtime.wat2wasm(f"(component {text})"))


def writer(type_, encoding):
    """`image: func(x: T, pad: …) -> list<u8>`: the memory from 1020 on, led by the pointer."""
    text = TypeText()
    parameter, pad = text.of(type_), text.of(PADDING)
    return component(f"""
      {MEMORY.format(base=1024)} {" ".join(text.definitions)}
      (core module $main
        (import "mem" "m" (memory 1)) (import "mem" "end" (func $end (result i32)))
        (func (export "image") (param i32) (result i32)
          (i32.store (i32.const 1020) (local.get 0))
          (i32.store (i32.const 8) (i32.const 1020))
          (i32.store (i32.const 12) (i32.sub (call $end) (i32.const 1020)))
          (i32.const 8)))
      (core instance $main (instantiate $main (with "mem" (instance $mem))))
      (func (export "image") (param "x" {parameter}) (param "pad" {pad}) (result (list u8))
        (canon lift (core func $main "image") {OPTIONS.format(encoding=encoding)}))""")


def reader(type_, encoding):
    """`value: func(image: list<u8>) -> tuple<T, pad>`: copies the image back to 1020."""
    text = TypeText()
    result = text.of(TupleType((type_, PADDING)))
    return component(f"""
      {MEMORY.format(base=1 << 19)} {" ".join(text.definitions)}
      (core module $main
        (import "mem" "m" (memory 1))
        (func (export "value") (param i32 i32) (result i32)
          (memory.copy (i32.const 1020) (local.get 0) (local.get 1))
          (i32.load (i32.const 1020))))
      (core instance $main (instantiate $main (with "mem" (instance $mem))))
      (func (export "value") (param "image" (list u8)) (result {result})
        (canon lift (core func $main "value") {OPTIONS.format(encoding=encoding)}))""")


def flat(type_):
    """`flat: func(x: T) -> list<u8>`: the core parameters, eight bytes each."""
    text = TypeText()
    parameter = text.of(type_)
    signature = core_signature(FunctionType((Parameter("x", type_),)), lowered=False)
    cores = signature.parameters
    stores = "".join(
        f"({core}.store (i32.const {16 + 8 * index}) (local.get {index}))"
        for index, core in enumerate(cores)
    )
    return component(f"""
      {MEMORY.format(base=1024)} {" ".join(text.definitions)}
      (core module $main
        (import "mem" "m" (memory 1))
        (func (export "flat") {"".join(f"(param {core})" for core in cores)} (result i32)
          {stores}
          (i32.store (i32.const 8) (i32.const 16))
          (i32.store (i32.const 12) (i32.const {8 * len(cores)}))
          (i32.const 8)))
      (core instance $main (instantiate $main (with "mem" (instance $mem))))
      (func (export "flat") (param "x" {parameter}) (result (list u8))
        (canon lift (core func $main "flat") {OPTIONS.format(encoding="utf8")}))""")


def passing(type_, encoding):
    """`pass: func(x: T) -> T`, which calls an import of the same type."""
    text = TypeText(imported=True)
    name = text.of(type_)
    function = FunctionType((Parameter("x", type_),), type_)
    outer, inner = (core_signature(function, lowered=lowered) for lowered in (False, True))
    given = " ".join(f"(local.get {index})" for index in range(len(outer.parameters)))
    types_of = lambda signature: (  # noqa: E731 - a shorthand for the text below
        "".join(f"(param {core})" for core in signature.parameters)
        + "".join(f"(result {core})" for core in signature.results)
    )
    body = f"(call $f {given})"
    if len(inner.parameters) > len(outer.parameters):
        body = f"(call $f {given} (i32.const 16)) (i32.const 16)"
    options = OPTIONS.format(encoding=encoding)
    return component(f"""
      {MEMORY.format(base=1 << 16)} {" ".join(text.definitions)}
      (import "pass" (func $f (param "x" {name}) (result {name})))
      (core func $f (canon lower (func $f) {options}))
      (core module $main
        (import "mem" "m" (memory 1)) (import "host" "f" (func $f {types_of(inner)}))
        (func (export "pass") {types_of(outer)} {body}))
      (core instance $main (instantiate $main (with "mem" (instance $mem))
        (with "host" (instance (export "f" (func $f))))))
      (func (export "pass") (param "x" {name}) (result {name})
        (canon lift (core func $main "pass") {options}))""")


class NoImports:
    def function(self, interface, name, type_):
        return None

    def drop(self, resource):
        return None


class Passing:
    """Gives back what it gets: at once, after a turn of the loop, or without blocking at all."""

    def __init__(self, kind):
        self.kind = kind
        self.seen = []

    def function(self, interface, name, type_):
        def plain(data, value):
            self.seen.append(value)
            return value

        async def blocking(data, value):
            self.seen.append(value)
            if self.kind == "waiting":
                await asyncio.sleep(0)
            return value

        return HostCall(plain) if self.kind == "plain" else HostCall(blocking, blocking=True)

    def drop(self, resource):
        return None


async def ours(engine, data, name, *arguments, host=None):
    component = await engine.load(data)
    instance = await component.link(host or NoImports()).instantiate(None, Limits())
    function = next(each for each in component.world.export_functions if each.name == name)
    try:
        return await instance.call(function, arguments)
    finally:
        instance.close()


@pytest.fixture(scope="module")
def module_engine():
    from actors.engine.engine import WasmtimeEngine

    engine = WasmtimeEngine()
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def oracle_engine():
    return wasmtime.Engine()


typed_values = types.flatmap(lambda type_: st.tuples(st.just(type_), values(type_)))
encodings = st.sampled_from(["utf8", "utf16", "latin1+utf16"])
bounded = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


@given(typed=typed_values, encoding=encodings)
@bounded
@pytest.mark.timeout(600)
def test_each_engine_reads_what_the_other_wrote(module_engine, oracle_engine, typed, encoding):
    type_, value = typed
    pair = TupleType((type_, PADDING))
    write, read = writer(type_, encoding), reader(type_, encoding)
    with tagged_variants():
        their_image = OracleInstance(oracle_engine, write).call(
            "image", to_oracle(type_, value), PAD
        )
        our_image = asyncio.run(ours(module_engine, write, "image", value, PAD))
        theirs = OracleInstance(oracle_engine, read).call("value", our_image)
    assert from_oracle(pair, theirs) == (value, PAD)
    assert asyncio.run(ours(module_engine, read, "value", bytes(their_image))) == (value, PAD)
    assert asyncio.run(ours(module_engine, read, "value", our_image)) == (value, PAD)


@given(typed=typed_values)
@bounded
@pytest.mark.timeout(600)
def test_core_parameters_are_those_of_the_oracle(module_engine, oracle_engine, typed):
    type_, value = typed
    assume(not contains(type_, (ListType,)) and "string" not in repr(type_))
    data = flat(type_)
    with tagged_variants():
        theirs = OracleInstance(oracle_engine, data).call("flat", to_oracle(type_, value))
    assert asyncio.run(ours(module_engine, data, "flat", value)) == bytes(theirs)


@given(typed=typed_values, encoding=encodings, kind=st.sampled_from(["plain", "ready", "waiting"]))
@bounded
@pytest.mark.timeout(600)
def test_values_pass_through_imports_of_every_kind(module_engine, typed, encoding, kind):
    type_, value = typed
    host = Passing(kind)
    data = passing(type_, encoding)
    assert asyncio.run(ours(module_engine, data, "pass", value, host=host)) == value
    assert host.seen == [value]
