"""Two components in one: the outer one passes values on to the inner one."""

import wasmtime
from component_oracle import TypeText
from test_oracle import MEMORY, OPTIONS, PADDING

from actors.engine.abi.signature import core_signature, size_of
from wit.types import FunctionType, Parameter, TupleType


def _component(inner, outer, instantiation):
    return bytes(
        wasmtime.wat2wasm(f"""(component
          (component $Inner {inner}) (component $Outer {outer})
          (instance $inner (instantiate $Inner))
          (instance $outer (instantiate $Outer {instantiation}))
          (export "out" (instance $outer)))""")
    )


def _arguments(text):
    names = [f'(with "{name}" (type $inner "{name}"))' for name in text.names]
    return " ".join([*names, '(with "pass" (func $inner "pass"))'])


def passing_memory(type_, inner_encoding, outer_encoding):
    """`out#pass: func(x: T, pad) -> tuple<T, pad>`, all of it in memory."""
    inner = TypeText()
    parameter, pad = inner.of(type_), inner.of(PADDING)
    result = inner.of(TupleType((type_, PADDING)))
    inside = f"""{MEMORY.format(base=1024)} {" ".join(inner.definitions)}
      (core module $main (func (export "pass") (param i32) (result i32) (local.get 0)))
      (core instance $main (instantiate $main))
      (func (export "pass") (param "x" {parameter}) (param "pad" {pad}) (result {result})
        (canon lift (core func $main "pass") {OPTIONS.format(encoding=inner_encoding)}))"""
    given, shown = TypeText(imported=True, prefix="g"), TypeText(prefix="s")
    types = [
        (text.of(type_), text.of(PADDING), text.of(TupleType((type_, PADDING))))
        for text in (given, shown)
    ]
    options = OPTIONS.format(encoding=outer_encoding)
    size = size_of(TupleType((type_, PADDING))).bytes
    outside = f"""{MEMORY.format(base=1024)} {" ".join(given.definitions + shown.definitions)}
      (import "pass" (func $f (param "x" {types[0][0]}) (param "pad" {types[0][1]})
        (result {types[0][2]})))
      (core func $f (canon lower (func $f) {options}))
      (core module $main
        (import "mem" "m" (memory 1)) (import "host" "f" (func $f (param i32 i32)))
        (import "mem" "r" (func $r (param i32 i32 i32 i32) (result i32)))
        (func (export "pass") (param i32) (result i32) (local $to i32)
          (local.set $to (call $r (i32.const 0) (i32.const 0) (i32.const 8) (i32.const {size})))
          (call $f (local.get 0) (local.get $to)) (local.get $to)))
      (core instance $main (instantiate $main (with "mem" (instance $mem))
        (with "host" (instance (export "f" (func $f))))))
      (func (export "pass") (param "x" {types[1][0]}) (param "pad" {types[1][1]})
        (result {types[1][2]}) (canon lift (core func $main "pass") {options}))"""
    return _component(inside, outside, _arguments(given))


def passing_flat(type_):
    """`out#pass: func(x: T) -> list<u8>`: the core values that the inner component gets."""
    cores = core_signature(FunctionType((Parameter("x", type_),)), lowered=False).parameters
    stores = "".join(
        f"({core}.store (i32.const {16 + 8 * index}) (local.get {index}))"
        for index, core in enumerate(cores)
    )
    parameters = "".join(f"(param {core})" for core in cores)
    options = OPTIONS.format(encoding="utf8")
    inner = TypeText()
    parameter = inner.of(type_)
    inside = f"""{MEMORY.format(base=1024)} {" ".join(inner.definitions)}
      (core module $main (import "mem" "m" (memory 1))
        (func (export "pass") {parameters} (result i32) {stores}
          (i32.store (i32.const 8) (i32.const 16))
          (i32.store (i32.const 12) (i32.const {8 * len(cores)})) (i32.const 8)))
      (core instance $main (instantiate $main (with "mem" (instance $mem))))
      (func (export "pass") (param "x" {parameter}) (result (list u8))
        (canon lift (core func $main "pass") {options}))"""
    given, shown = TypeText(imported=True, prefix="g"), TypeText(prefix="s")
    types = [given.of(type_), shown.of(type_)]
    values = " ".join(f"(local.get {index})" for index in range(len(cores)))
    outside = f"""{MEMORY.format(base=4096)} {" ".join(given.definitions + shown.definitions)}
      (import "pass" (func $f (param "x" {types[0]}) (result (list u8))))
      (core func $f (canon lower (func $f) {options}))
      (core module $main (import "host" "f" (func $f {parameters} (param i32)))
        (func (export "pass") {parameters} (result i32)
          (call $f {values} (i32.const 8)) (i32.const 8)))
      (core instance $main (instantiate $main (with "host" (instance (export "f" (func $f))))))
      (func (export "pass") (param "x" {types[1]}) (result (list u8))
        (canon lift (core func $main "pass") {options}))"""
    return _component(inside, outside, _arguments(given))
