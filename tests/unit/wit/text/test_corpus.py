"""Every feature of WIT: what it resolves to, and that its print means the same."""

from pathlib import Path

import msgspec
import pytest

from wit.errors import WitError
from wit.signatures import export_signatures, function_type_text
from wit.text.folder import load, read_folder
from wit.text.parser import parse
from wit.text.printer import print_file
from wit.text.resolver import ALL_FEATURES, resolve, resolve_text
from wit.type_text import definition_text
from wit.types import (
    Borrow,
    EnumType,
    FlagsType,
    ListType,
    Own,
    Primitive,
    RecordType,
    ResourceName,
    TypeName,
    VariantType,
)

EVERYTHING = """
/// A package.
/// In two lines.
package demo:all@1.2.3-rc.1+build.5;

use wasi:io/streams@0.2.0 as io;
use types as kinds;

/** A block comment
  * over lines.
  */
interface types {
  type number = u32;
  type names = list<string>;
  /// A point.
  record point {
    /// Left to right.
    x: s32,
    y: s32
  }
  variant shape { dot, circle(f64), %list(list<point>), }
  enum color { red, green }
  flags perms { read, write, }
  resource blob {
    constructor(init: list<u8>);
    /// Reads.
    read: func(n: u32) -> list<u8>;
    merge: static func(lhs: borrow<blob>, rhs: blob) -> blob;
    later: async func() -> future<u8>;
    away: static async func();
  }
  resource bare;
  resource failing { constructor() -> result<failing, string>; }
  type blobs = list<own<blob>>;
  type alias-of-blob = blob;
  see: func(b: borrow<alias-of-blob>);
}

interface shapes {
  use types.{point, shape as figure};
  a: func();
  b: func(p: point, f: figure,) -> tuple<bool, char, f32, f64>;
  c: func() -> result;
  d: func() -> result<u8>;
  e: func() -> result<_, string>;
  f: func() -> result<option<u8>, list<u8, 16>>;
  g: func(a: map<string, u64>) -> error-context;
  h: func(a: stream<u8>, b: future<point>, c: stream, d: future);
  i: async func(map: u8) -> (u8);
}
""".replace(" -> (u8);", " -> u8;")

WORLDS = """
package demo:worlds@0.1.0;

interface base { type id = u64; resource thing; }
interface middle { use base.{id}; get: func() -> id; }
interface top { use middle.{id as other}; use base.{thing}; put: func(x: other, t: thing); }

world one {
  import log: func(message: string);
  import extra: interface { record r { a: u8 } go: func() -> r; }
  export top;
  export run: func() -> result;
}
world two {
  use base.{thing, id as key};
  record pair { a: key, b: key }
  import middle;
  export middle;
  export show: func(p: pair) -> thing;
}
world three {
  include one with { log as trace, extra as more };
  include two;
  import primary: base;
  import secondary: base;
  resource local { constructor(); ping: func(); }
}
"""

GATED = """
package demo:gated@1.1.0;

@since(version = 1.0.0)
interface calc {
  @since(version = 1.0.0)
  add: func(a: u8) -> u8;
  @since(version = 1.2.0)
  future-add: func();
  @unstable(feature = fancy)
  fancy: func();
  /// Old.
  @since(version = 1.0.0)
  @deprecated(version = 1.1.0)
  old: func();
  @unstable(feature = fancy)
  resource r { ping: func(); }
  @since(version = 1.0.0)
  resource s { @unstable(feature = fancy) ping: func(); pong: func(); }
}
@unstable(feature = fancy)
interface hidden {}
@unstable(feature = other)
world w {
  import calc;
  @unstable(feature = fancy) import hidden;
  @external-id("say \\"hi\\"") import f: func();
}
"""

SEVERAL = """
package demo:main;

package demo:first@1.0.0 { interface api { type t = u8; } }
package demo:second {
  use demo:first/api@1.0.0 as one;
  interface api { use one.{t}; f: func(x: t); }
}

interface api { use demo:second/api.{t}; }
world w { export api; export demo:second/api; }
"""

WASI = """
package wasi:io@0.2.0;
interface streams { resource input-stream; }
"""

PACKAGES = Path(__file__).parents[4] / "wit" / "packages"
SHIPPED = sorted(PACKAGES.rglob("*.wit"))


def placeless(node):
    """Return a tree without offsets and texts, to compare trees of different texts."""
    built = msgspec.to_builtins(node)

    def strip(value):
        match value:
            case {"text": word, "offset": _}:
                return word
            case dict():
                return {k: strip(v) for k, v in value.items() if k != "offset"}
            case list() | tuple():
                return [strip(item) for item in value]
            case _:
                return value

    return strip({"package": built["package"], "items": built["items"]})


CORPUS = {"everything": EVERYTHING, "worlds": WORLDS, "gated": GATED, "several": SEVERAL}
CORPUS |= {file.name: file.read_text(encoding="utf-8") for file in SHIPPED}


@pytest.mark.parametrize("text", CORPUS.values(), ids=CORPUS.keys())
def test_a_printed_file_parses_to_the_same_tree(text):
    tree = parse(text)
    printed = print_file(tree)
    assert placeless(parse(printed)) == placeless(tree)
    assert print_file(parse(printed)) == printed


@pytest.mark.parametrize("text", [WORLDS, GATED, SEVERAL], ids=["worlds", "gated", "several"])
def test_a_printed_file_resolves_to_the_same_packages(text):
    printed = print_file(parse(text))
    assert resolve_text(printed, features=ALL_FEATURES) == resolve_text(text, features=ALL_FEATURES)


def everything():
    return resolve([[parse(WASI)], [parse(EVERYTHING)]]).packages["demo:all@1.2.3-rc.1+build.5"]


def test_each_kind_of_type():
    interface = everything().interfaces["types"]
    owner = "demo:all/types@1.2.3-rc.1+build.5"
    assert interface.name == owner
    types = {each.name: each.type for each in interface.types}
    assert types["number"] is Primitive.U32
    assert types["names"] == ListType(Primitive.STRING)
    assert definition_text(types["point"]) == "record point { x: s32, y: s32 }"
    assert isinstance(types["point"], RecordType)
    assert types["point"].name == TypeName("point", owner)
    assert isinstance(types["shape"], VariantType)
    assert definition_text(types["shape"]).endswith("circle(f64), %list(list<point>) }")
    assert isinstance(types["color"], EnumType)
    assert isinstance(types["perms"], FlagsType)
    assert types["blobs"] == ListType(Own(ResourceName("blob", owner)))
    assert interface.resources == ("blob", "bare", "failing", "alias-of-blob")
    see = interface.functions[-1].type.parameters[0]
    assert see.type == Borrow(ResourceName("blob", owner))


def test_functions_of_resources_have_raw_names():
    functions = everything().interfaces["types"].functions
    assert [(each.name, function_type_text(each.type)) for each in functions[:-1]] == [
        ("[constructor]blob", "func(init: list<u8>) -> blob"),
        ("[method]blob.read", "func(self: borrow<blob>, n: u32) -> list<u8>"),
        ("[static]blob.merge", "func(lhs: borrow<blob>, rhs: blob) -> blob"),
        ("[method]blob.later", "async func(self: borrow<blob>) -> future<u8>"),
        ("[static]blob.away", "async func()"),
        ("[constructor]failing", "func() -> result<failing, string>"),
    ]


def test_each_form_of_a_function():
    shapes = everything().interfaces["shapes"]
    assert [function_type_text(each.type) for each in shapes.functions] == [
        "func()",
        "func(p: point, f: shape) -> tuple<bool, char, f32, f64>",
        "func() -> result",
        "func() -> result<u8>",
        "func() -> result<_, string>",
        "func() -> result<option<u8>, list<u8, 16>>",
        "func(a: map<string, u64>) -> error-context",
        "func(a: stream<u8>, b: future<point>, c: stream, d: future)",
        "async func(%map: u8) -> u8",
    ]
    assert [each.name for each in shapes.types] == ["point", "figure"]


def test_documentation_and_gates_are_kept():
    package = everything()
    assert package.notes[""].docs == "A package.\nIn two lines."
    assert package.notes["types"].docs == "A block comment\nover lines."
    assert package.notes["types.point"].docs == "A point."
    assert package.notes["types.point.x"].docs == "Left to right."
    assert package.notes["types.blob.read"].docs == "Reads."
    gated = resolve_text(GATED, features=ALL_FEATURES).packages["demo:gated@1.1.0"]
    assert gated.notes["calc.old"].docs == "Old."
    assert (gated.notes["calc.old"].since, gated.notes["calc.old"].deprecated) == ("1.0.0", "1.1.0")
    assert gated.notes["w.f"].external_id == 'say "hi"'


def names(functions):
    return [function.name for function in functions]


def test_a_world_imports_what_its_exports_need_and_does_not_export():
    one = resolve_text(WORLDS).world("one")
    assert names(one.import_interfaces) == [
        "extra",
        "demo:worlds/base@0.1.0",
        "demo:worlds/middle@0.1.0",
    ]
    assert names(one.import_functions) == ["log"]
    assert export_signatures(one) == (
        "demo:worlds/top@0.1.0.{put}(x: u64, t: thing)",
        "{run}() -> result",
    )


def test_types_of_a_world_belong_to_no_interface():
    two = resolve_text(WORLDS).world("two")
    assert names(two.import_interfaces) == ["demo:worlds/base@0.1.0", "demo:worlds/middle@0.1.0"]
    assert names(two.export_interfaces) == ["demo:worlds/middle@0.1.0"]
    assert two.export_functions[0].type.parameters[0].type.name == TypeName("pair", None)


def test_an_include_renames_plain_names():
    three = resolve_text(WORLDS).world("three")
    assert names(three.import_functions) == ["[constructor]local", "[method]local.ping", "trace"]
    assert names(three.import_interfaces) == [
        "primary",
        "secondary",
        "more",
        "demo:worlds/base@0.1.0",
        "demo:worlds/middle@0.1.0",
    ]
    more = three.import_interfaces[2]
    assert more.functions[0].interface == "more"
    assert names(three.export_interfaces) == ["demo:worlds/top@0.1.0", "demo:worlds/middle@0.1.0"]


def test_an_interface_under_another_name_has_its_own_types():
    primary, secondary = resolve_text(WORLDS).world("three").import_interfaces[:2]
    assert primary.resources == secondary.resources == ("thing",)
    assert (primary.name, secondary.name) == ("primary", "secondary")


@pytest.mark.parametrize(
    ("features", "functions"),
    [
        ((), ["[method]s.pong", "add", "old"]),
        (("fancy",), ["[method]r.ping", "[method]s.ping", "[method]s.pong", "add", "fancy", "old"]),
    ],
)
def test_gates_hide_what_is_not_enabled(features, functions):
    packages = resolve_text(GATED, features=features).packages["demo:gated@1.1.0"]
    assert sorted(names(packages.interfaces["calc"].functions)) == functions
    assert ("hidden" in packages.interfaces) is ("fancy" in features)
    assert not packages.worlds


def test_several_packages_in_one_text():
    packages = resolve_text(SEVERAL)
    assert packages.main == "demo:main"
    assert list(packages.packages) == ["demo:main", "demo:first@1.0.0", "demo:second"]
    world = packages.world()
    assert names(world.import_interfaces) == ["demo:first/api@1.0.0"]
    assert packages.interface("demo:second/api").functions[0].name == "f"
    assert packages.interface("demo:second/nope") is None
    assert packages.world("demo:main/w") is world
    assert packages.world("nope") is None


def test_a_file_of_packages_alone_needs_no_package_of_its_own():
    packages = resolve_text("package a:b { interface i {} }\npackage c:d { world w {} }")
    assert packages.main == "c:d"


def versions(*available):
    return [[parse(f"package x:y@{v}; interface i {{ type t = u8; }}")] for v in available]


@pytest.mark.parametrize(
    ("wanted", "available", "unify", "found"),
    [
        ("0.2.0", ["0.2.0"], True, "0.2.0"),
        ("0.2.0", ["0.2.0", "0.2.3"], True, "0.2.3"),
        ("0.2.0", ["0.2.0", "0.2.3"], False, "0.2.0"),
        ("0.2.0", ["0.2.3"], False, "0.2.3"),
        ("1.0.0", ["1.0.0", "1.9.0", "2.0.0"], True, "1.9.0"),
        ("1.0.0-rc.1", ["1.0.0-rc.1", "1.0.0"], True, "1.0.0-rc.1"),
    ],
)
def test_a_reference_goes_to_a_compatible_version(wanted, available, unify, found):
    main = parse(
        f"package a:b; interface j {{ use x:y/i@{wanted}.{{t}}; }} world w {{ import j; }}"
    )
    packages = resolve([*versions(*available), [main]], unify=unify)
    assert names(packages.world().import_interfaces) == [f"x:y/i@{found}", "a:b/j"]


@pytest.mark.parametrize(
    ("wanted", "available"), [("0.2.4", "0.2.3"), ("0.3.0", "0.2.3"), ("0.0.1", "0.0.2")]
)
def test_an_incompatible_version_is_refused(wanted, available):
    main = parse(f"package a:b; interface j {{ use x:y/i@{wanted}.{{t}}; }}")
    with pytest.raises(WitError, match=f"no package x:y@{wanted} here, only x:y@{available}"):
        resolve([*versions(available), [main]])


def test_the_shipped_packages_resolve_together():
    packages = resolve([[parse(file.read_text("utf-8"), file.name)] for file in SHIPPED])
    imports = packages.world("wasi:cli/imports@0.2.9").import_interfaces
    assert "wasi:io/streams@0.2.9" in names(imports)
    everywhere = resolve(
        [[parse(file.read_text("utf-8"), file.name)] for file in SHIPPED], features=ALL_FEATURES
    )
    assert len(everywhere.world("wasi:cli/imports@0.2.9").import_interfaces) > len(imports)


def write(folder, files):
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def test_a_folder_is_read_with_its_dependencies(tmp_path):
    write(
        tmp_path,
        {
            "world.wit": "package a:b; world w { import j; }",
            "types.wit": "interface j { use c:d/i.{t}; }",
            "deps/cd/i.wit": "package c:d; interface i { use e:f/i.{t}; }",
            "deps/cd/deps/ef.wit": "package e:f; interface i { type t = u8; }",
            "deps/ef.wit": "package e:f; interface i { type t = u8; }",
            "deps/README.md": "not read",
        },
    )
    packages = load(tmp_path)
    assert packages.main == "a:b"
    assert names(packages.world().import_interfaces) == ["e:f/i", "c:d/i", "a:b/j"]
    assert [folder[0].file for folder in read_folder(tmp_path)] == [
        "deps/cd/i.wit",
        "deps/cd/deps/ef.wit",
        "types.wit",
    ]
    assert load(tmp_path / "deps" / "ef.wit").main == "e:f"


def test_a_folder_without_wit_says_so(tmp_path):
    with pytest.raises(WitError, match=r"expected \.wit files in the folder"):
        load(tmp_path)


def test_a_file_that_is_no_text_says_so(tmp_path):
    (tmp_path / "a.wit").write_bytes(b"package a:b;\xff")
    with pytest.raises(WitError, match=r"a\.wit: no UTF-8 text at byte 12"):
        load(tmp_path)
