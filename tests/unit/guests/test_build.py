"""Guests are built once per content, and only whole files are ever seen."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import wasmtime

from tests.guests import build as builder
from tests.guests import recipes, wrap

TEXT = '(component (core module $guest) (core module $other (func (export "x"))))'


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A guest called `probe` whose recipe counts how often it ran."""
    file = tmp_path / "probe.wat"
    file.write_text("(component)")
    runs = tmp_path / "runs"

    def make(scratch: Path) -> bytes:
        runs.write_text(runs.read_text() + "x" if runs.exists() else "x")
        return recipes.text(file)(scratch)

    guest = builder.Guest(sources=(file,), tools=("wasmtime",), make=make)
    monkeypatch.setattr(builder, "GUESTS", {"probe": guest})
    return file


def runs(source: Path) -> int:
    return len(source.with_name("runs").read_text())


def test_a_guest_is_built_once(source: Path, tmp_path: Path) -> None:
    first = builder.build("probe", cache=tmp_path / "cache")
    assert builder.build("probe", cache=tmp_path / "cache") == first
    assert runs(source) == 1


def test_a_changed_source_is_built_again_beside_the_old_one(source: Path, tmp_path: Path) -> None:
    first = builder.build("probe", cache=tmp_path / "cache")
    source.write_text('(component (component $inner) (export "inner" (component $inner)))')
    second = builder.build("probe", cache=tmp_path / "cache")
    assert first.exists()
    assert first.read_bytes() != second.read_bytes()
    assert runs(source) == 2


def test_callers_at_once_build_once(source: Path, tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        built = set(pool.map(lambda _: builder.build("probe", cache=tmp_path / "c"), range(8)))
    assert len(built) == 1
    assert runs(source) == 1


def test_a_failed_build_leaves_nothing_and_is_tried_again(source: Path, tmp_path: Path) -> None:
    source.write_text("(component")
    with pytest.raises(wasmtime.WasmtimeError, match="expected"):
        builder.build("probe", cache=tmp_path / "cache")
    assert not list((tmp_path / "cache").glob("probe-*"))
    source.write_text("(component)")
    assert builder.build("probe", cache=tmp_path / "cache").exists()


def test_an_unknown_guest_is_named_with_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert builder.main(["nope"]) == 2
    told = capsys.readouterr().err
    assert f"no guest called nope; there are: {', '.join(builder.GUESTS)}" in told


def test_the_empty_module_and_no_other_is_replaced() -> None:
    outer = bytes(wasmtime.wat2wasm(TEXT))
    core = bytes(wasmtime.wat2wasm('(module (func (export "compiled")))'))
    spliced = wrap.splice(outer, core)
    assert core in spliced
    assert len(spliced) > len(outer)
    assert spliced.count(b"\0asm") == outer.count(b"\0asm")


def test_a_component_without_an_empty_module_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected one empty core module to replace, found 0"):
        wrap.splice(bytes(wasmtime.wat2wasm("(component)")), b"")


def test_a_module_longer_than_one_size_byte_keeps_its_size() -> None:
    core = bytes(wasmtime.wat2wasm(f'(module (memory 1) (data (i32.const 0) "{"x" * 5000}"))'))
    assert core in wrap.splice(bytes(wasmtime.wat2wasm("(component (core module))")), core)


def test_a_failing_tool_says_its_command_and_its_words(tmp_path: Path) -> None:
    broken = tmp_path / "broken.c"
    broken.write_text("int f(void) { return nothing; }")
    with pytest.raises(RuntimeError, match=r"(?s)ziglang cc .*broken\.c.*ended with 1:.*nothing"):
        recipes.c_with_text(broken, broken)(tmp_path)
