"""Core modules: what is read of them, and making their state reachable."""

import pytest
import wasmtime

from actors.engine.core.drops import bodies_of
from actors.engine.core.expose import expose
from actors.engine.core.instructions import drops_of
from actors.engine.core.module import ExternKind, FunctionSignature
from actors.engine.core.reader import read_core_module
from wit.errors import BinaryError


def compiled(text):
    return bytes(wasmtime.wat2wasm(text))


def read(data):
    return read_core_module(data, 0, len(data))


RICH = """(module
  (type (func (param i32 i64) (result f32)))
  (import "a" "f" (func (type 0))) (import "a" "m" (memory 1 2)) (import "a" "t" (table 1 funcref))
  (import "a" "g" (global i32))
  (memory 3) (table 5 externref) (global (mut i64) (i64.const -5)) (global f64 (f64.const 1.5))
  (global (mut f32) (f32.const 2))
  (global $e (export "e") (mut i32) (i32.add (i32.const 1) (i32.const 2)))
  (func (export "h") (param i32))
  (func $start) (start $start)
  (data (i32.const 0) "x") (elem (i32.const 0) func 0))"""


def test_types_and_index_spaces_hold_imports_first():
    module = read(compiled(RICH))
    assert [(each.name, each.kind.value) for each in module.imports] == [
        ("f", "func"),
        ("m", "memory"),
        ("t", "table"),
        ("g", "global"),
    ]
    assert module.function_signature(0) == FunctionSignature(("i32", "i64"), ("f32",))
    assert module.function_signature(1) == FunctionSignature(("i32",), ())
    assert module.function_signature(99) is None
    assert (module.imported_memories, len(module.memories)) == (1, 2)
    assert (module.imported_tables, len(module.tables)) == (1, 2)
    assert [each.type for each in module.globals] == ["i32", "i64", "f64", "f32", "i32"]
    assert module.start_function == 2
    assert [(each.name, each.kind.value) for each in module.exports] == [
        ("e", "global"),
        ("h", "func"),
    ]


def test_modules_of_newer_proposals_are_read():
    text = """(module
      (rec (type $s (struct (field i8) (field (mut (ref null $s))))) (type $a (array (mut i16))))
      (type $f (sub (func (param (ref $s)) (result externref))))
      (global (ref null $s) (ref.null $s)) (global v128 (v128.const i64x2 1 2))
      (table 2 funcref (ref.null func))
      (memory i64 1))"""
    module = read(compiled(text))
    assert module.types[:2] == (None, None)
    assert module.types[2] == FunctionSignature(("ref 0",), ("externref",))
    assert module.memories[0].is_64


@pytest.mark.parametrize("text", [RICH, '(module (memory (export "memory") 1))', "(module)"])
def test_exposed_state_is_exported_and_the_rest_unchanged(text):
    data = compiled(text)
    exposed = expose(data, 0, len(data), read(data))
    wasmtime.Module.validate(wasmtime.Engine(), exposed.data)
    before, after = read(data), read(exposed.data)
    assert after.exports[: len(before.exports)] == before.exports
    names = {each.name for each in after.exports}
    assert {each.name for each in exposed.state} <= names
    kinds = sorted(each.kind.value for each in exposed.state)
    if text == RICH:
        assert kinds == ["global", "global", "global", "memory", "table"]
    else:
        assert exposed.data == data


def test_a_name_that_is_taken_is_avoided():
    data = compiled('(module (memory 1) (func (export "\\00memory0")))')
    exposed = expose(data, 0, len(data), read(data))
    assert exposed.state[0].kind is ExternKind.MEMORY
    assert len({each.name for each in read(exposed.data).exports}) == 2
    wasmtime.Module.validate(wasmtime.Engine(), exposed.data)


def test_a_module_inside_other_bytes_is_read_in_place():
    data = compiled(RICH)
    framed = b"front" + data + b"back"
    module = read_core_module(framed, 5, 5 + len(data))
    assert expose(framed, 5, 5 + len(data), module).data == (
        expose(data, 0, len(data), read(data)).data
    )


def test_every_truncation_is_an_error_with_an_offset_or_a_shorter_module():
    data = compiled(RICH)
    offsets = {}
    for size in range(len(data)):
        try:
            read_core_module(data[:size], 0, size)
        except BinaryError as error:
            offsets[size] = error.offset
    assert len(offsets) > len(data) // 2
    assert all(0 <= offset <= size for size, offset in offsets.items())


# Each kind of immediate once, with bytes inside that would be drops if they were instructions.
WALKED = """
  (module
    (memory 1) (memory $n 1) (table $t 1 funcref) (tag $oops (param i32))
    (type $s (struct (field (mut i32)))) (type $a (array (mut i8))) (type $f (func (result i32)))
    (data $d "\\fc\\09\\00") (elem $e func $walk) (global $g (mut i32) (i32.const 0))
    (func $walk (param i32) (result i32) (local f64 v128) (local (ref null $s) i64)
      (local.set 1 (f64.const 0x1.009fc09fc09fcp+1)) (drop (f32.const 0))
      (drop (v128.const i64x2 0x09fc09fc09fc0dfc 0x0dfc0dfc0dfc09fc))
      (drop (i8x16.shuffle 9 13 9 13 9 13 9 13 0 0 0 0 0 0 0 0 (local.get 2) (local.get 2)))
      (local.set 2 (v128.load8_lane $n offset=1276 3 (i32.const 9) (local.get 2)))
      (drop (i8x16.extract_lane_u 9 (local.get 2))) (drop (i8x16.splat (i32.const 1276)))
      (i32.store8 $n offset=1276 (i32.const -1540) (i32.load $n offset=9 (i32.const 0x9fc)))
      (local.set 4 (i64.const 0x0dfc09fc))
      (block (loop (br_if 1 (local.get 0)) (br_table 0 1 0 (local.get 0))))
      (drop (if (result i32) (local.get 0) (then (i32.const 1)) (else (i32.const 2))))
      (drop (select (result i32) (i32.const 1) (i32.const 2) (local.get 0)))
      (memory.init $d (i32.const 0) (i32.const 0) (i32.const 0)) (data.drop $d)
      (memory.copy $n 0 (i32.const 0) (i32.const 0) (i32.const 0))
      (memory.fill (i32.const 0) (i32.const 0) (i32.const 0)) (drop (memory.size $n))
      (table.init $t $e (i32.const 0) (i32.const 0) (i32.const 0)) (elem.drop $e)
      (drop (table.grow $t (ref.null func) (i32.const 0))) (table.set $t (i32.const 0) (ref.func 0))
      (drop (call_indirect $t (type $f) (i32.const 0))) (drop (i32.trunc_sat_f64_s (local.get 1)))
      (local.set 3 (struct.new $s (i32.const 9))) (drop (struct.get $s 0 (local.get 3)))
      (drop (array.new_data $a $d (i32.const 0) (i32.const 0)))
      (drop (array.new_fixed $a 2 (i32.const 9) (i32.const 13)))
      (drop (ref.test (ref null $s) (local.get 3))) (drop (ref.i31 (i32.const 5)))
      (drop (block $cast (result (ref i31))
        (drop (br_on_cast $cast anyref (ref i31) (ref.null any))) (unreachable)))
      (drop (block $caught (result i32)
        (block $any (try_table (catch $oops $caught) (catch_all $any)
          (throw $oops (i32.const 1)))) (i32.const 0)))
      (return (call $walk (i32.const 0)))))
"""


def test_drops_are_found_among_all_kinds_of_instructions():
    data = bytes(wasmtime.wat2wasm(WALKED))
    module = read(data)
    (code,) = [each for each in module.sections if each.code == 10]
    (body,) = bodies_of(data, code)
    found = drops_of(data, *body)
    assert [(each.is_element, each.segment) for each in found] == [(False, 0), (True, 0)]
    assert [data[each.end - 3 : each.end] for each in found] == [b"\xfc\x09\0", b"\xfc\x0d\0"]
    exposed = expose(data, 0, len(data), module)
    wasmtime.Module(wasmtime.Engine(), exposed.data)
    assert [each.type for each in exposed.state if each.kind is ExternKind.GLOBAL] == ["i32"] * 3
    assert exposed.again is not None
    assert not exposed.hides_drops


@pytest.mark.parametrize("code", [b"\xff\x0b", b"\xfc\x09", b"\xfc\x20\x0b", b"\xfe\0"])
def test_code_that_cannot_be_followed_hides_its_drops(code):
    tail = b"\xfc\x09\0" + code
    body = b"\0" + tail
    sized = bytes([len(body)]) + body
    section = b"\x01" + sized
    data = b"".join([
        bytes(wasmtime.wat2wasm('(module (data "x") (func))'))[:8],
        b"\x01\x04\x01\x60\0\0", b"\x03\x02\x01\0", b"\x0c\x01\x01",
        b"\x0a" + bytes([len(section)]) + section, b"\x0b\x04\x01\x01\x01x",
    ])  # fmt: skip
    exposed = expose(data, 0, len(data), read(data))
    assert exposed.hides_drops
    assert exposed.again is None
