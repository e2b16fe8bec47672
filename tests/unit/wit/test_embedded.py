"""WIT inside binaries: published packages, worlds in core modules, documentation."""

from pathlib import Path

import pytest
import wasmtime
from msgspec.structs import replace

from wit.binary import parse as parse_component
from wit.binary.definitions import StringEncoding
from wit.binary.metadata import with_documentation
from wit.component import describe
from wit.embedded import (
    component_of,
    decode_packages,
    documentation,
    embedded_world,
    is_wit_package,
    without_world,
)
from wit.errors import BinaryError, WitError
from wit.signatures import export_signatures
from wit.text.folder import load
from wit.text.from_packages import packages_file
from wit.text.from_world import world_text
from wit.text.printer import print_file
from wit.text.resolver import resolve, resolve_text

# A core module into which jco put the world `demo:shop/shop@1.2.0`, and a component made of it.
SEEDS = Path(__file__).parents[2] / "fuzz" / "seeds"
CORE = (SEEDS / "embedded.wasm").read_bytes()

# `demo:io` as registries publish packages: interfaces and worlds as component types.
PUBLISHED = bytes(
    wasmtime.wat2wasm(
        """(component
          (type $streams (component
            (type $i (instance
              (export "input" (type $input (sub resource)))
              (type $b (borrow $input))
              (type $l (list u8))
              (type $f (func (param "self" $b) (result $l)))
              (export "[method]input.read" (func (type $f)))))
            (export "demo:io/streams@0.2.0" (instance (type $i)))))
          (export "streams" (type $streams))
          (type $log (component
            (type $base (instance
              (type $r (record (field "a" u8)))
              (export "entry" (type (eq $r)))))
            (import "demo:base/types@1.0.0" (instance $t (type $base)))
            (alias export $t "entry" (type $e))
            (type $i (instance
              (alias outer 1 $e (type $o))
              (export "entry" (type $entry (eq $o)))
              (type $f (func (param "e" $entry)))
              (export "write" (func (type $f)))))
            (export "demo:io/log@0.2.0" (instance (type $i)))))
          (export "log" (type $log))
          (type $world (component
            (type $w (component
              (type $i (instance
                (export "input" (type $input (sub resource)))))
              (import "demo:io/streams@0.2.0" (instance (type $i)))
              (type $run (func (result u32)))
              (export "run" (func (type $run)))))
            (export "demo:io/program@0.2.0" (component (type $w)))))
          (export "program" (type $world)))"""
    )
)
TEXT = """package demo:io@0.2.0;

interface streams {
  resource input {
    read: func() -> list<u8>;
  }
}

interface log {
  use demo:base/types@1.0.0.{entry};
  write: func(e: entry);
}

world program {
  import demo:io/streams@0.2.0;
  export run: func() -> u32;
}

package demo:base@1.0.0 {
  interface types {
    record entry {
      a: u8,
    }
  }
}
"""


def test_a_published_package_is_the_package_that_its_text_resolves_to():
    assert is_wit_package(parse_component(PUBLISHED))
    found, source = decode_packages(PUBLISHED), resolve_text(TEXT)
    assert found.main == source.main
    assert {name: dict(each.interfaces) for name, each in found.packages.items()} == {
        name: dict(each.interfaces) for name, each in source.packages.items()
    }
    assert print_file(packages_file(found)) == TEXT
    assert export_signatures(found.world("program")) == ("{run}() -> u32",)


def test_documentation_of_a_published_package_is_found():
    main = resolve_text(
        TEXT.replace("interface log", "/// Writes.\ninterface log").replace(
            "    read", "    /// Reads.\n    read"
        )
    ).packages["demo:io@0.2.0"]
    documented = with_documentation(PUBLISHED, main)
    found = decode_packages(documented)
    assert found.packages["demo:io@0.2.0"].notes == main.notes
    assert "/// Writes.\ninterface log" in print_file(packages_file(found))
    assert "    /// Reads.\n    read" in print_file(packages_file(found))
    rubbish = documented.replace(b'\x01{"interfaces"', b'\x07{"interfaces"')
    assert documentation(rubbish, parse_component(rubbish)) == ()


def test_published_packages_may_lie_among_the_dependencies(tmp_path):
    (tmp_path / "deps").mkdir()
    (tmp_path / "deps" / "io.wasm").write_bytes(PUBLISHED)
    (tmp_path / "a.wit").write_text(
        "package a:b; interface i { use demo:io/streams@0.2.0.{input}; f: func(x: input); }"
        " world w { export i; import demo:io/log@0.2.0; }"
    )
    packages = load(tmp_path)
    assert list(packages.packages) == ["demo:io@0.2.0", "demo:base@1.0.0", "a:b"]
    assert [each.name for each in packages.world().import_interfaces] == [
        "demo:base/types@1.0.0",
        "demo:io/log@0.2.0",
        "demo:io/streams@0.2.0",
    ]
    # What a text says about a package is whole, and comes first.
    (tmp_path / "deps" / "base.wit").write_text(
        "package demo:base@1.0.0; interface types { record entry { a: u8 } type more = u8; }"
    )
    assert len(load(tmp_path).interface("demo:base/types@1.0.0").types) == 2
    (tmp_path / "deps" / "io.wasm").write_bytes(b"\0asm\x01\0\0\0")
    with pytest.raises(WitError, match=r"deps/io\.wasm: a core module, expected a component"):
        load(tmp_path)


def test_a_component_is_no_published_package():
    component = (SEEDS / "shop.wasm").read_bytes()
    assert not is_wit_package(parse_component(component))
    with pytest.raises(BinaryError, match="is no interface or world of a WIT package"):
        decode_packages(component)
    with pytest.raises(BinaryError, match="expected a WIT package"):
        decode_packages(bytes(wasmtime.wat2wasm("(component)")))


def test_the_world_in_a_core_module_is_read():
    found = embedded_world(CORE)
    assert (found.name, found.package.text) == ("shop", "demo:shop@1.2.0")
    assert found.string_encoding is StringEncoding.UTF8
    described = describe((SEEDS / "shop.wasm").read_bytes())
    assert set(export_signatures(found.world)) == set(export_signatures(described))
    text = world_text(found.world, "shop")
    assert resolve([[*_files(text)]]).world("shop") is not None


def _files(text):
    from wit.text.parser import parse

    return [parse(text)]


def test_a_core_module_without_a_world_has_none():
    assert embedded_world(without_world(CORE)) is None
    assert embedded_world(bytes(wasmtime.wat2wasm("(module)"))) is None
    with pytest.raises(BinaryError, match="expected a core module"):
        embedded_world(b"\0asm\x0d\0\x01\0")


def _section(name, content):
    head = bytes([len(name)]) + name.encode()
    size = len(head) + len(content)
    return b"\0" + bytes([size & 0x7F | 0x80, size >> 7]) + head + content


def world_section(world, name="demo:a/w"):
    """Return the section that a compiler leaves for a world written as text."""
    component = wasmtime.wat2wasm(
        f"""(component
          (@custom "wit-component-encoding" "\\04\\00")
          (type (component (type (component {world})) (export "{name}" (component (type 0)))))
          (export "w" (type 0)))"""
    )
    return _section("component-type:x", bytes(component))


MODULE = bytes(
    wasmtime.wat2wasm('(module (func (export "f") (param i32) (result i32) local.get 0))')
)


def test_worlds_of_libraries_and_of_the_program_are_put_together():
    library = world_section('(import "log" (func (param "x" u32)))', "demo:lib/lib")
    program = world_section('(export "f" (func (param "x" u32) (result u32)))')
    found = embedded_world(MODULE + library + program)
    assert (found.name, found.package.text) == ("w", "demo:a")
    assert [each.name for each in found.world.import_functions] == ["log"]
    assert export_signatures(found.world) == ("{f}(x: u32) -> u32",)


def test_a_core_module_with_its_world_becomes_a_component():
    core = MODULE + world_section('(export "f" (func (param "x" u32) (result u32)))')
    assert export_signatures(describe(component_of(core))) == ("{f}(x: u32) -> u32",)
    with pytest.raises(WitError, match="no world inside"):
        component_of(MODULE)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no WebAssembly"),
        (bytes(wasmtime.wat2wasm("(component)")), "expected a world in the section"),
        (
            bytes(wasmtime.wat2wasm('(component (@custom "wit-component-encoding" "\\03\\00"))')),
            "world in the encoding 0300, expected version 4",
        ),
    ],
)
def test_a_section_that_holds_no_world_is_refused_with_its_place(content, message):
    with pytest.raises(BinaryError, match=message) as caught:
        embedded_world(MODULE + _section("component-type", content))
    assert len(MODULE) <= caught.value.offset <= len(MODULE) + len(content) + 30


def test_resources_that_are_used_without_being_mentioned_keep_their_origin():
    text = """package a:b;
    interface base { resource thing; }
    interface user { use base.{thing as other}; f: func() -> u8; }
    world w { import base; export user; }
    """
    (user,) = resolve_text(text).world().export_interfaces
    assert [(name, origin.name, origin.interface) for name, origin in user.used] == [
        ("other", "thing", "a:b/base")
    ]
    again = resolve_text(world_text(resolve_text(text).world())).world("root")
    assert again.export_interfaces == (user,)
    assert replace(user, used=()) != user
