"""The link step: composed components run, follow their parts, and say who they are."""

import asyncio
from pathlib import Path

import pytest
import wasmtime
from wasmtime import component as native

from shem.build.builder import Builder, artifact_of
from shem.build.steps import Done, Step
from shem.errors import BuildError
from shem.manifest.application import load
from tests.unit.wit.test_compose import Running, adder, caller
from wit.binary import parse
from wit.binary.metadata import metadata_of
from wit.component import describe
from wit.embedded import documentation

MANIFEST = """
components:
  demo:app:
    {{sourceWit: wit, generatedWit: gen, componentWasm: app.wasm, linkedWasm: out/linked.wasm}}
  demo:math: {{sourceWit: math, componentWasm: math.wasm}}
dependencies:
  demo:app: [{dependency}]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "wit").mkdir()
    (tmp_path / "wit" / "app.wit").write_text(
        "/// Sums.\npackage demo:app@1.2.0;\n"
        "interface api { add: func(value: u32) -> u32; }\nworld app { export api; }\n"
    )
    (tmp_path / "math").mkdir()
    (tmp_path / "math" / "math.wit").write_text(
        "package demo:math;\ninterface api { add: func(value: u32) -> u32; }\n"
        "world math { export api; }\n"
    )
    (tmp_path / "app.wasm").write_bytes(caller())
    (tmp_path / "math.wasm").write_bytes(adder())
    return tmp_path


def build(folder: Path, dependency: str = "{type: wasm, target: demo:math}") -> list[Done]:
    (folder / "shem.yaml").write_text(MANIFEST.format(dependency=dependency))
    app = load(folder / "shem.yaml")
    done: list[Done] = []
    asyncio.run(Builder(app, on_done=done.append).build(list(app.components.values())))
    return [each for each in done if (each.component, each.step) == ("demo:app", Step.LINK)]


def test_what_a_component_depends_on_is_composed_into_it(folder: Path) -> None:
    (done,) = build(folder)
    assert (done.ran, done.what) == (True, "composition of 2")
    linked = (folder / "out" / "linked.wasm").read_bytes()
    assert not describe(linked).import_interfaces
    assert Running(linked).call("demo:app/api", "add", 1) == 21


def test_a_file_may_be_composed_too(folder: Path) -> None:
    build(folder, "{type: wasm, path: math.wasm}")
    linked = (folder / "out" / "linked.wasm").read_bytes()
    assert Running(linked).call("demo:app/api", "add", 0) == 20


def test_it_is_composed_again_only_if_a_part_changed(folder: Path) -> None:
    build(folder)
    assert [each.ran for each in build(folder)] == [False]
    (folder / "math.wasm").write_bytes(adder(add=1))
    assert [each.ran for each in build(folder)] == [True]
    linked = (folder / "out" / "linked.wasm").read_bytes()
    assert Running(linked).call("demo:app/api", "add", 0) == 2


def test_the_result_says_who_it_is(folder: Path) -> None:
    build(folder)
    linked = (folder / "out" / "linked.wasm").read_bytes()
    found = metadata_of(linked)
    assert (found.name, found.version) == ("demo:app", "1.2.0")
    (docs,) = documentation(linked, parse(linked))
    assert docs.notes[""].docs == "Sums."


def test_a_component_without_parts_is_named_as_well(folder: Path) -> None:
    (folder / "app.wasm").write_bytes(adder())
    (done,) = build(folder, "{type: wasm-rpc, target: demo:math}")
    assert done.what == "metadata"


def test_a_client_is_never_composed_in(folder: Path) -> None:
    (folder / "app.wasm").write_bytes(adder())
    (done,) = build(folder, "{type: static-wasm-rpc, target: demo:math}")
    assert done.what == "metadata"


@pytest.mark.parametrize(
    ("dependency", "message"),
    [
        ("{type: wasm, path: nowhere.wasm}", "nowhere.wasm: No such file"),
        ("{type: wasm, url: 'file:///x.wasm'}", "file:/x.wasm"),
        ("{type: wasm, path: shem.yaml}", "no WebAssembly, expected a component"),
        ("{type: wasm, path: other.wasm}", "nobody uses other.wasm: it exports demo:other/api"),
    ],
)
def test_what_cannot_be_linked_is_explained(folder: Path, dependency: str, message: str) -> None:
    (folder / "other.wasm").write_bytes(adder("demo:other/api"))
    with pytest.raises(BuildError) as caught:
        build(folder, dependency)
    assert message in str(caught.value)
    assert not (folder / "out" / "linked.wasm").exists()


def test_a_core_module_becomes_a_component_by_its_wit(folder: Path) -> None:
    text = """(module (memory (export "memory") 1)
      (func (export "demo:app/api@1.2.0#add") (param i32) (result i32)
        (i32.add (local.get 0) (i32.const 2))))"""
    (folder / "app.wasm").write_bytes(wasmtime.wat2wasm(text))
    build(folder, "")
    linked = (folder / "out" / "linked.wasm").read_bytes()
    assert Running(linked).call("demo:app/api@1.2.0", "add", 1) == 3


def test_a_core_module_that_does_not_fit_its_wit_is_refused(folder: Path) -> None:
    (folder / "app.wasm").write_bytes(wasmtime.wat2wasm("(module)"))
    with pytest.raises(BuildError, match=r"does not export 'demo:app/api@1\.2\.0#add'"):
        build(folder, "")


def test_the_linked_file_is_what_is_deployed(folder: Path) -> None:
    build(folder)
    app = load(folder / "shem.yaml")
    assert artifact_of(app, app.components["demo:app"]) == folder.resolve() / "out" / "linked.wasm"
    native.Component(wasmtime.Engine(), (folder / "out" / "linked.wasm").read_bytes())
