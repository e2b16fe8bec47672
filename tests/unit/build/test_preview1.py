"""The adapters for WASI preview 1: what they are made of, and for which modules."""

from pathlib import Path

import pytest
from wasmtime import wat2wasm

from shem.build.preview1 import MODULE, adapter_for
from shem.build.preview1.make import KINDS, make
from wit.binary.core_module import read_core_module
from wit.text.resolver import resolve_text
from wit.world import World

HERE = Path(adapter_for.__code__.co_filename).parent


def world(text: str = "") -> World:
    resolved = resolve_text(f"package a:b; world w {{ {text} }}").world()
    assert resolved is not None
    return resolved


def importing(*names: str) -> bytes:
    imports = "".join(f'(import "{MODULE}" "{each}" (func))' for each in names)
    return bytes(wat2wasm(f"(module {imports})"))


@pytest.mark.parametrize("kind", KINDS)
def test_the_adapters_are_made_of_their_sources(kind: str) -> None:
    assert make(kind) == (HERE / f"{kind}.wasm").read_bytes()


def test_the_large_one_does_all_of_preview_1() -> None:
    exports = read_core_module((HERE / "full.wasm").read_bytes()).exports
    small = read_core_module((HERE / "small.wasm").read_bytes()).exports

    assert len(exports.keys() - {"memory", "cabi_realloc"}) == 46
    assert small.keys() <= exports.keys()


def test_a_module_without_files_gets_the_small_one() -> None:
    small = adapter_for(importing("fd_write", "random_get"), world())
    full = adapter_for(importing("fd_write", "path_open"), world())

    assert small is not None
    assert full is not None
    names = {each.name for each in small.world.import_interfaces}
    assert "wasi:cli/stdout@0.2.0" in names
    assert "wasi:filesystem/types@0.2.0" not in names
    assert "wasi:filesystem/types@0.2.0" in {e.name for e in full.world.import_interfaces}


def test_a_module_that_imports_no_preview_1_gets_none() -> None:
    assert adapter_for(bytes(wat2wasm("(module)")), world()) is None


def test_the_adapter_speaks_of_the_version_that_the_world_does() -> None:
    text = "import wasi:io/poll@0.2.6; } package wasi:io@0.2.6 { interface poll { f: func(); }"

    found = adapter_for(importing("fd_write"), world(text))

    assert found is not None
    assert {each.name.partition("@")[2] for each in found.world.import_interfaces} == {"0.2.6"}
