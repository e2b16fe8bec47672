"""Memories that are asked to grow and do not: seen by a global, and nothing else is different."""

from typing import Any

import pytest
import wasmtime
from wasmtime import wat2wasm

from actors.engine.core.expose import expose
from actors.engine.core.reader import read_core_module

ONE = """
(module
  (memory 1 4)
  (global $kept (mut i32) (i32.const 7))
  (func (export "grow") (param i32) (result i32)
    (block (br_if 0 (i32.eqz (local.get 0))) (global.set $kept (local.get 0)))
    (memory.grow (local.get 0)))
  (func (export "size") (result i32) (memory.size)))
"""
TWO = """
(module
  (import "m" "m" (memory 1 2))
  (memory $own i64 1 3)
  (func (export "grow") (param i32) (result i32) (memory.grow 0 (local.get 0)))
  (func (export "grow-own") (param i64) (result i64)
    (memory.grow $own (local.get 0))))
"""
NONE = '(module (memory (export "m") 1) (func (export "f") (result i32) (i32.const 64)))'


def exposed(text: str) -> Any:
    data = bytes(wat2wasm(text))
    return expose(data, 0, len(data), read_core_module(data, 0, len(data)))


def instance_of(found: Any, imports: Any = lambda _: []) -> tuple[Any, Any]:
    config = wasmtime.Config()
    config.wasm_multi_memory = True
    config.wasm_memory64 = True
    store = wasmtime.Store(wasmtime.Engine(config))
    module = wasmtime.Module(store.engine, found.data)
    return store, wasmtime.Instance(store, module, imports(store)).exports(store)


def test_a_refusal_sets_the_global_and_nothing_else() -> None:
    found = exposed(ONE)
    store, exports = instance_of(found)
    refused = exports[found.refused]
    assert [exports["grow"](store, n) for n in (0, 1, 2)] == [1, 1, 2]
    assert refused.value(store) == 0
    assert exports["grow"](store, 1) == -1
    assert (refused.value(store), exports["size"](store)) == (1, 4)
    refused.set_value(store, 0)
    assert exports["grow"](store, 0) == 4
    assert refused.value(store) == 0


def test_the_global_is_no_state_of_the_guest() -> None:
    found = exposed(ONE)
    assert found.refused not in {each.name for each in found.state}
    assert [each.kind.value for each in found.state] == ["global", "memory"]


def test_memories_of_any_kind_are_followed() -> None:
    found = exposed(TWO)

    def imports(store: Any) -> list[Any]:
        limits = wasmtime.MemoryType(wasmtime.Limits(1, 2))
        return [wasmtime.Memory(store, limits)]

    store, exports = instance_of(found, imports)
    refused = exports[found.refused]
    assert exports["grow"](store, 1) == 1
    assert exports["grow-own"](store, 2) == 1
    assert refused.value(store) == 0
    assert exports["grow-own"](store, 1) == -1
    assert refused.value(store) == 1
    refused.set_value(store, 0)
    assert exports["grow"](store, 1) == -1
    assert refused.value(store) == 1


@pytest.mark.parametrize("text", [NONE, "(module)"])
def test_what_grows_nothing_stays_as_it_is(text: str) -> None:
    found = exposed(text)
    assert (found.refused, found.hides_grows) == (None, False)


def test_code_that_cannot_be_followed_is_left_alone_and_told() -> None:
    data = bytes(wat2wasm(ONE))
    # memory.grow 0, end, and before it an opcode that there is not.
    at = data.rindex(b"\x20\x00\x40\x00\x0b")
    broken = data[:at] + b"\xff" + data[at + 1 :]
    found = expose(broken, 0, len(broken), read_core_module(broken, 0, len(broken)))
    assert (found.refused, found.hides_grows) == (None, True)
