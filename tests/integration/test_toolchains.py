"""Components of all toolchains at hand, read by us and by others: wasmtime, and jco where it is."""

from pathlib import Path

import msgspec
import pytest
from wasmtime import wat2wasm

from tests.guests.build import build
from tests.guests.node_tools import ask, missing
from tests.support.compiler import Compiler
from tests.unit.wit.binary.test_component import oracle_side, our_outline
from tests.unit.wit.test_compose import adder, caller
from tests.unit.wit.text.test_corpus import EVERYTHING, WASI, WORLDS
from wit.binary import parse as parse_component
from wit.binary.custom import Producer, component_name, producers
from wit.binary.metadata import Metadata, with_metadata
from wit.binary.sections import contents
from wit.binary.writer import componentize
from wit.component import describe
from wit.compose import plug
from wit.embedded import embedded_world, without_world
from wit.names import is_hidden_interface, visible_exports
from wit.signatures import export_signatures
from wit.text.from_world import world_items
from wit.text.nodes import ExternNode, FileNode, Name, WorldNode
from wit.text.parser import parse
from wit.text.printer import print_file
from wit.text.resolver import resolve, resolve_text
from wit.world import World

ROOT = Path(__file__).parents[2]
LOADS = {
    "load": (),
    "tiny": (),
    "counter": (),
    "js": (pytest.mark.toolchain, pytest.mark.timeout(300)),
}
SOURCES = {
    "counter": ROOT / "examples" / "counter" / "wit" / "counter.wit",
    "js": ROOT / "tests" / "guests" / "js" / "guest.wit",
}
PACKAGES = sorted((ROOT / "wit" / "packages" / "wasi").rglob("*.wit"))
ALL = (
    f"{EVERYTHING}\nworld all {{ export types; export shapes; }}\n"
    f"package wasi:io@0.2.0 {{ {WASI.split(';', 1)[1]} }}"
)


def needs_node() -> None:
    reason = missing()
    if reason:
        pytest.skip(reason)


@pytest.fixture(scope="session")
def compiler() -> Compiler:
    return Compiler()


@pytest.fixture(params=[pytest.param(name, marks=marks) for name, marks in LOADS.items()])
def guest(request: pytest.FixtureRequest) -> str:
    if request.param == "js":
        needs_node()
    return str(request.param)


def ordered(world: World) -> object:
    """Return a world in an order of its own: tools sort imports and exports as they like."""

    def interface(name, *parts):
        return (name, *(sorted(map(repr, part)) for part in parts))

    sides = (world.import_interfaces, world.export_interfaces)
    return [
        *(sorted(interface(*msgspec.structs.astuple(each)) for each in side) for side in sides),
        *(sorted(map(repr, side)) for side in (world.import_functions, world.export_functions)),
    ]


def printed_items(world: WorldNode) -> set[str]:
    return {
        print_file(FileNode(None, (WorldNode(Name("w"), (item,)),)))
        for item in world.items
        if not (isinstance(item, ExternNode) and item.name and item.name.text == "exports")
    }


def test_wasmtime_sees_the_same_imports_and_exports(guest: str, compiler: Compiler) -> None:
    type_ = compiler.component(guest).type
    assert our_outline(build(guest).read_bytes()) == [
        oracle_side(type_.imports(compiler.engine), compiler.engine),
        {
            name: functions
            for name, functions in oracle_side(
                type_.exports(compiler.engine), compiler.engine
            ).items()
            if name != "exports"
        },
    ]


@pytest.mark.toolchain
def test_jco_sees_the_same_world(guest: str) -> None:
    needs_node()
    data = build(guest).read_bytes()
    (text,) = ask([{"do": "wit", "component": data}])
    (theirs,) = (item for item in parse(text).items if isinstance(item, WorldNode))
    ours = WorldNode(Name("root"), tuple(world_items(describe(data))))
    assert printed_items(ours) == printed_items(theirs)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=LOADS[name]) for name in SOURCES], ids=list(SOURCES)
)
def test_exports_are_those_of_the_source_and_no_machinery(name: str) -> None:
    if name == "js":
        needs_node()
    found = describe(build(name).read_bytes())
    source = resolve_text(SOURCES[name].read_text()).world()
    assert export_signatures(found) == export_signatures(source)
    assert [each.type for each in visible_exports(found)] == [
        each.type for each in visible_exports(source)
    ]
    assert not any(map(is_hidden_interface, found.export_interfaces))


@pytest.mark.parametrize(
    ("name", "tool"),
    [
        pytest.param("counter", "wit-component", marks=LOADS["counter"]),
        pytest.param("js", "wit-component", marks=LOADS["js"]),
    ],
)
def test_the_parts_of_a_large_component_are_told(name: str, tool: str) -> None:
    if name == "js":
        needs_node()
    data = build(name).read_bytes()
    component = parse_component(data)
    inside = contents(data, component)
    assert inside.size == len(data)
    assert max(each.size for each in inside.modules) > len(data) // 3
    assert all(each.code_size + each.data_size <= each.size for each in inside.modules)
    assert tool in {each.name for each in producers(data, component)}
    component_name(data, component)


EMBEDDED = [
    *((WORLDS, name) for name in ("one", "two", "three")),
    (ALL, "all"),
    (SOURCES["counter"].read_text(), "counter"),
]


@pytest.mark.toolchain
@pytest.mark.parametrize(("source", "name"), EMBEDDED, ids=[name for _, name in EMBEDDED])
def test_a_world_that_jco_puts_into_a_core_module_is_the_one_we_resolve(source, name) -> None:
    needs_node()
    text = print_file(parse(source))
    (core,) = ask([{"do": "embed", "source": text, "world": name}])
    found = embedded_world(core)
    assert found is not None
    packages = resolve_text(source)
    assert (found.name, found.package.text) == (name, packages.main)
    assert ordered(found.world) == ordered(packages.world(name))
    assert embedded_world(without_world(core)) is None


@pytest.mark.toolchain
def test_the_shipped_packages_mean_the_same_to_jco() -> None:
    needs_node()
    files = [parse(file.read_text("utf-8"), file.name) for file in PACKAGES]
    packages = resolve([[each] for each in files])
    names = ["wasi:cli/imports@0.2.9", "wasi:http/imports@0.2.9"]
    worlds = [packages.world(name) for name in names]
    text = "package demo:all;\n" + "".join(
        f"world w{n} {{ include {name}; }}\n" for n, name in enumerate(names)
    )
    for file in files:
        head, _, rest = print_file(file).partition(";\n")
        text += f"{head} {{\n{rest}}}\n"
    cores = ask([{"do": "embed", "source": text, "world": f"w{n}"} for n in range(len(names))])
    for core, world in zip(cores, worlds, strict=True):
        found = embedded_world(core)
        assert found is not None
        assert ordered(found.world) == ordered(world)


@pytest.mark.toolchain
def test_a_component_that_jco_makes_of_a_world_is_described_as_that_world() -> None:
    needs_node()
    (core,) = ask([{"do": "embed", "source": print_file(parse(WORLDS)), "world": "two"}])
    (component,) = ask([{"do": "new", "core": core}])
    found, world = describe(component), resolve_text(WORLDS).world("two")
    assert ordered(found)[1] == ordered(world)[1]
    assert export_signatures(found) == export_signatures(world)


MADE = """
package demo:made@1.0.0;
interface types { record item { name: string, qty: u32 } }
interface api {
  use types.{item};
  resource cart { constructor(owner: string); put: func(item: item) -> u32; }
  total: func(items: list<item>) -> u64;
}
world made { import log: func(message: string); export api; export run: func(n: u64) -> u64; }
"""
CORE = """
(module
  (import "$root" "log" (func (param i32 i32)))
  (import "[export]demo:made/api@1.0.0" "[resource-new]cart" (func (param i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) i32.const 64)
  (func (export "demo:made/api@1.0.0#[constructor]cart") (param i32 i32) (result i32) i32.const 1)
  (func (export "demo:made/api@1.0.0#[method]cart.put") (param i32 i32 i32 i32) (result i32)
    local.get 3)
  (func (export "demo:made/api@1.0.0#[dtor]cart") (param i32))
  (func (export "demo:made/api@1.0.0#total") (param i32 i32) (result i64) i64.const 7)
  (func (export "run") (param i64) (result i64) local.get 0))
"""


@pytest.mark.toolchain
def test_what_we_make_of_a_core_module_is_what_jco_makes_of_it() -> None:
    needs_node()
    (core,) = ask([{"do": "embed", "core": wat2wasm(CORE), "source": MADE, "world": "made"}])
    (theirs,) = ask([{"do": "new", "core": core}])
    found = embedded_world(core)
    assert found is not None
    ours = componentize(without_world(core), found.world)
    assert ordered(describe(ours)) == ordered(describe(theirs))
    (text,) = ask([{"do": "wit", "component": ours}])
    assert "export demo:made/api@1.0.0;" in text


@pytest.mark.toolchain
def test_what_is_composed_and_named_is_read_by_jco() -> None:
    needs_node()
    composed = plug(caller(), [adder()])
    added = Metadata(
        name="demo:sum", version="1.2.3", producers=(Producer("processed-by", "shem", "0.1.0"),)
    )
    named = with_metadata(composed, added)
    text, metadata = ask([{"do": "wit", "component": named}, {"do": "metadata", "binary": named}])
    assert text == "package root:component;\n\nworld root {\n  export demo:app/api;\n}\n"
    whole = metadata[0]
    assert whole["name"] == "demo:sum"
    assert whole["producers"] == [["processed-by", [["shem", "0.1.0"]]]]


def test_a_python_component_is_composed_like_any_other() -> None:
    data = build("counter").read_bytes()
    composed = plug(data, [])
    found, world = describe(composed), describe(data)
    assert export_signatures(found) == export_signatures(world)
    assert ordered(found)[0] == ordered(world)[0]
    assert len(composed) < len(data) * 1.01
