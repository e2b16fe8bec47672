"""Metadata of binaries: what is added is read again, and everything else stays as it was."""

import pytest
import wasmtime
from hypothesis import given
from hypothesis import strategies as st
from wasmtime import component as native

from wit.binary import parse
from wit.binary.custom import Producer, component_name, producers
from wit.binary.metadata import Metadata, metadata_of, with_documentation, with_metadata
from wit.component import describe
from wit.embedded import documentation
from wit.errors import BinaryError
from wit.text.from_packages import annotated
from wit.text.from_world import world_file
from wit.text.printer import print_file
from wit.text.resolver import resolve_text

COMPONENT = bytes(
    wasmtime.wat2wasm(
        """(component $before
          (core module $inner (func $f (export "f") (param i32) (result i32) local.get 0))
          (core instance $i (instantiate $inner))
          (func $f (param "value" u32) (result u32) (canon lift (core func $i "f")))
          (instance $api (export "double" (func $f)))
          (export "demo:math/api@1.0.0" (instance $api)))"""
    )
)
MODULE = bytes(wasmtime.wat2wasm('(module $before (func $named (export "f")))'))
ADDED = Metadata(
    name="demo:math",
    version="1.0.0",
    description="Doubles.",
    licenses="Apache-2.0",
    producers=(Producer("processed-by", "shem", "0.1.0"),),
)


@pytest.mark.parametrize("data", [COMPONENT, MODULE], ids=["component", "module"])
def test_what_is_added_is_read_again(data):
    assert metadata_of(data).name == "before"
    changed = with_metadata(data, ADDED)
    assert metadata_of(changed) == ADDED
    assert metadata_of(with_metadata(changed, Metadata(version="2.0.0"))).version == "2.0.0"
    assert metadata_of(with_metadata(changed, Metadata(version="2.0.0"))).name == "demo:math"
    assert with_metadata(changed, Metadata()) == changed


def test_a_component_with_metadata_is_the_same_component():
    changed = with_metadata(COMPONENT, ADDED)
    assert describe(changed) == describe(COMPONENT)
    assert component_name(changed, parse(changed)) == "demo:math"
    assert producers(changed, parse(changed)) == ADDED.producers
    native.Component(wasmtime.Engine(), changed)
    wasmtime.Module(wasmtime.Engine(), with_metadata(MODULE, ADDED))


def test_a_producer_is_told_once_in_its_newest_version():
    once = with_metadata(COMPONENT, ADDED)
    newer = Metadata(producers=(Producer("processed-by", "shem", "0.2.0"),))
    more = Metadata(producers=(Producer("language", "C", "23"),))
    assert metadata_of(with_metadata(with_metadata(once, newer), more)).producers == (
        Producer("processed-by", "shem", "0.2.0"),
        Producer("language", "C", "23"),
    )


def test_names_of_functions_inside_stay():
    changed = with_metadata(MODULE, ADDED)
    assert b"named" in changed
    assert len(changed) < len(MODULE) + 200


@given(st.text(max_size=20), st.text(max_size=20))
def test_any_text_comes_back(name, description):
    added = Metadata(name=name, description=description)
    found = metadata_of(with_metadata(COMPONENT, added))
    assert found.name == (name or "before")
    assert found.description == description


def test_documentation_travels_with_a_component():
    text = """/// The package.
package demo:math@1.0.0;

/// Arithmetic.
interface api {
  /// A pair.
  record pair {
    /// The first.
    a: u32,
    b: u32,
  }

  /// A calculator.
  resource calc {
    /// Makes one.
    constructor(start: u32);

    /// Adds.
    add: func(value: u32) -> u32;
  }

  /// Twice as much.
  @since(version = 1.0.0)
  double: func(value: u32) -> u32;
}

/// The world.
world math {
  export api;
}
"""
    package = resolve_text(text).packages["demo:math@1.0.0"]
    changed = with_documentation(COMPONENT, package)
    (docs,) = documentation(changed, parse(changed))
    assert docs.notes == package.notes
    world = describe(changed)
    printed = print_file(annotated(world_file(world), {"demo:math@1.0.0": docs.notes}))
    assert "/// Arithmetic." in printed
    assert "    /// Twice as much.\n    @since(version = 1.0.0)\n    double: func" in printed


@pytest.mark.parametrize("data", [b"", b"\0asm\2\0\0\0", MODULE[:-2] + b"\x7f"])
def test_other_bytes_are_refused(data):
    with pytest.raises(BinaryError):
        with_metadata(data, ADDED)
