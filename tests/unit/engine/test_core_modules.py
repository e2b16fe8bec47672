"""Core modules: what is read of them, and making their state reachable."""

import pytest
import wasmtime

from actors.engine.core.expose import expose
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
    assert module.types[2] == FunctionSignature(("ref 00",), ("externref",))
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
