"""Bad WIT: each input is refused with its place and with what was expected."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wit.errors import ParseError, WitError
from wit.limits import TYPE_DEPTH_MAX, WIT_CHARACTERS_MAX
from wit.text.parser import parse
from wit.text.printer import print_file
from wit.text.resolver import ALL_FEATURES, find_problems, resolve, resolve_text

P = "package a:b;\n"


def interface(*lines):
    return P + "interface i {\n" + "\n".join(lines) + "\n}\n"


def world(*lines):
    return P + "interface i { type t = u8; f: func(); }\nworld w {\n" + "\n".join(lines) + "\n}\n"


SYNTAX = [
    ("", "1:1: expected a package, the text is empty"),
    ("interface i {}", "1:1: expected `package namespace:name;` before everything"),
    ("use a:b/c;", "expected `package namespace:name;` before everything"),
    ("package a;", "1:10: expected `:`, got `;`"),
    ("package a:b", "1:12: expected `;` or `{`, got end of file"),
    ("package a:b@1;", "1:13: expected a version like 1.0.0, got `1`"),
    ("package a:b@1.0.0", "got end of file"),
    ("package a:b@01.0.0;", "`01.0.0` is no version"),
    (P + "package c:d;", "2:1: `package …;` stands once, before everything else"),
    (P + "interface i {}\npackage c:d;", "3:1: `package …;` stands once"),
    (P + "interface {}", "2:11: expected a name, got `{`"),
    (P + "interface list {}", "2:11: expected a name, got `list`: it is a keyword"),
    (P + "interface %list {", "2:18: expected a type, a function, `use` or `}`, got end of file"),
    (P + "interface i { x }", "2:17: expected `:`, got `}`"),
    (P + "interface i { x: u8; }", "2:18: expected `async` or `func`, got `u8`"),
    (P + "interface i { x: func() }", "2:25: expected `->` or `;`, got `}`"),
    (P + "interface i { x: func(u8); }", "2:23: expected"),
    (P + "interface i { x: func(a u8); }", "2:25: expected `:`, got `u8`"),
    (P + "interface i { x: func() -> ; }", "2:28: expected a type, got `;`"),
    (P + "interface i { x: func() -> (a: u8); }", "2:28: expected a type, got `(`"),
    (interface("type t = list<u8"), "4:1: expected `,` or `>`, got `}`"),
    (interface("type t = list<>;"), "3:15: expected a type, got `>`"),
    (interface("type t = list<u8, x>;"), "3:19: expected a number, got `x`"),
    (interface("type t = list<u8, 0>;"), "3:19: expected a length between 1 and"),
    (interface(f"type t = list<u8, {2**32}>;"), "expected a length between 1 and"),
    (interface("type t = result<_>;"), "3:18: expected `,`, got `>`"),
    (interface("type t = option<_>;"), "3:17: expected a type, got `_`"),
    (interface("type t = borrow<u8>;"), "3:17: expected a name, got `u8`"),
    (interface("type t = u8"), "4:1: expected `;`, got `}`"),
    (interface("record r { a u8 }"), "3:14: expected `:`, got `u8`"),
    (interface("record r { a: u8; }"), "3:17: expected `,` or `}`, got `;`"),
    (interface("variant v { a(); }"), "3:15: expected a type, got `)`"),
    (interface("enum e { a(u8) }"), "3:11: expected `,` or `}`, got `(`"),
    (interface("flags f { a: u8 }"), "3:12: expected `,` or `}`, got `:`"),
    (interface("resource r { constructor(); x }"), "expected `:`, got `}`"),
    (interface("resource r { constructor: func(); }"), "3:25: expected `(`, got `:`"),
    (interface("use x;"), "3:6: expected `.` or `:`, got `;`"),
    (interface("use x.{};"), "3:8: expected a name, got `}`"),
    (interface("use x.{a b};"), "3:10: expected `,`, `as` or `}`, got `b`"),
    (interface("import x;"), "3:1: expected a type, a function, `use` or `}`, got `import`"),
    (world("include x with { a };"), "expected `as`, got `}`"),
    (world("x: func();"), "expected a type, `use`, `export`, `import`, `include` or `}`, got `x`"),
    (world("import a:b;"), "4:8: `a:b` names a package, expected `a:b/interface`"),
    (P + "interface i { camelCase: func(); }", "`camelCase` is no name: names are words joined"),
    (P + "interface i { camelCase: func(); }", "write `camel-case`"),
    (P + "interface snake_case {}", "write `snake-case`"),
    (P + "interface a- {}", "`a-` is no name"),
    (P + "interface i { $: func(); }", "2:15: unexpected character '$'"),
    (P + "/* open", "2:1: the comment is never closed by `*/`"),
    (P + "/* a /* b */", "2:1: the comment is never closed by `*/`"),
    (P + "@since interface i {}", "2:8: expected `(`, got `interface`"),
    (P + "@later(version = 1.0.0) interface i {}", "2:2: unknown gate @later"),
    (P + "@since(feature = 1.0.0) interface i {}", "2:8: expected `version` in @since"),
    (P + "@since(version = x) interface i {}", "2:18: expected a version, got `x`"),
    (P + "@unstable(feature = 1.0.0) interface i {}", "expected the name of a feature"),
    (P + '@stable("x") interface i {}', "unknown attribute @stable"),
    (P + "@since(version = 1.0.0) @since(version = 1.0.0) interface i {}", "2:26: the gate stands"),
    (P + "@since(version = 1.0.0) use c:d/e;", "2:2: gates stand before interfaces and worlds"),
    (P + "package c:d { package e:f; }", "2:15: a package with braces holds no `package …;`"),
]

J = "interface j { use i.{t}; }"
CD = "package c:d@1.0.0 { interface j { type t = u8; } }"
CIRCLE = """
package a:b { interface i { use c:d/i.{t}; } interface j { type t = u8; } }
package c:d { interface i { type t = u8; } interface j { use a:b/j.{t}; } }
"""

NAMES = [
    (interface("type t = u;"), "3:10: unknown type"),
    (interface("type point = u8; type t = pint;"), "did you mean point?"),
    (interface("type t = t;"), "3:10: the type contains itself: t → t"),
    (interface("record a { x: b }", "record b { x: list<a> }"), "contains itself: a → b → a"),
    (interface("variant a { x(option<a>) }"), "the type contains itself: a → a"),
    (interface("type t = u8; type t = u16;"), "3:19: the name t is declared twice"),
    (interface("f: func(); f: func();"), "3:12: the name f is declared twice"),
    (interface("f: func(); resource f;"), "the name f is declared twice"),
    (interface("record r { a: u8, a: u8 }"), "3:19: the field a is declared twice"),
    (interface("record r { a-b: u8, A-B: u8 }"), "the field A-B is declared twice"),
    (interface("variant v { a, a }"), "the case a is declared twice"),
    (interface("enum e { a, a }"), "the case a is declared twice"),
    (interface("flags f { a, a }"), "the label a is declared twice"),
    (interface("f: func(a: u8, a: u8);"), "3:16: the parameter a is declared twice"),
    (interface("record r {}"), "3:8: r needs at least one field"),
    (interface("variant v {}"), "v needs at least one case"),
    (interface("enum e {}"), "e needs at least one case"),
    (interface("flags f {}"), "f needs at least one label"),
    (interface("resource r { a: func(); a: static func(); }"), "the function a is declared twice"),
    (interface("resource r { constructor(); constructor(); }"), "declared twice"),
    (interface("resource r { constructor() -> u8; }"), "returns nothing or result<r, …>"),
    (interface("resource r { constructor() -> result<u8>; }"), "returns nothing or result<r, …>"),
    (interface("record r { a: u8 }", "f: func(x: borrow<r>);"), "r is a record, borrow<…> needs"),
    (interface("type r = u8;", "f: func(x: own<r>);"), "r is a type, own<…> needs a resource"),
    (
        interface("resource r; f: func() -> option<borrow<r>>;"),
        "3:40: a result cannot hold a borrow<…>",
    ),
    (
        interface("resource r; record p { r: borrow<r> } f: func() -> list<p>;"),
        "3:57: a result cannot hold p: there is a borrow in it",
    ),
    (interface("type m = map<f32, u8>;"), "the key of a map is a bool, an integer, a char or"),
    (interface("type m = map<list<u8>, u8>;"), "3:10: the key of a map"),
    (interface("use j.{t};"), '3:5: unknown interface or world of a:b "j"'),
    (interface("use c:d/j.{t};"), '3:5: unknown package "c:d"'),
    (interface("use i.{t};"), "3:5: interfaces use each other in a circle: a:b/i → a:b/i"),
    (interface("use w.{t};") + "world w {}", "3:5: w is a world, expected an interface"),
    (
        interface("use j.{f};") + "interface j { f: func(); }",
        "f is a function of a:b/j, only types",
    ),
    (interface("use j.{u};") + "interface j { type t = u8; }", "3:8: unknown type of a:b/j"),
    (interface("use j.{t}; type t = u8;") + "interface j { type t = u8; }", "declared twice"),
    (interface("use j.{t, t};") + "interface j { type t = u8; }", "3:11: the name t is declared"),
    (P + "interface i {}\ninterface i {}", "3:11: i is declared twice"),
    (P + "interface i {}\nworld i {}", "3:7: i is declared twice"),
    (P + "use c:d/i;\ninterface i {}", "i is declared in this package: give the other one"),
    (P + "use c:d/i;\nuse c:e/i;", "3:9: i is used twice"),
    (world("import i; import i;"), "4:18: a:b/i is imported twice"),
    (world("import f: func(); import f: func();"), "f is imported twice"),
    (world("export f: func(); export f: func();"), "f is exported twice"),
    (world("import w;"), "4:8: w is a world, expected an interface"),
    (world("import x;"), 'unknown interface or world of a:b "x"'),
    (world("include i;"), "4:9: i is an interface, expected a world"),
    (world("include w;"), "worlds include each other in a circle: a:b/w → a:b/w"),
    (world("include v;") + "world v { include w; }", "in a circle: a:b/w → a:b/v → a:b/w"),
    (world("include v with { x as y };") + "world v {}", 'unknown name in v "x"'),
    (
        world("import f: func(); include v;") + "world v { import f: func(); }",
        "f is imported twice: give the included one another name by `with { f as … }`",
    ),
    (world("import f: func(x: t);"), "4:19: unknown type"),
    ("package a:b { }\npackage a:b { }", "2:9: the package a:b is declared twice"),
    ("package a:b { package c:d { } }", "1:23: packages do not nest inside each other"),
    (
        "package a:b { interface i { use c:d/j@2.0.0.{t}; } }\n" + CD,
        "no package c:d@2.0.0 here, only c:d@1.0.0",
    ),
    (
        CIRCLE,
        "packages depend on each other in a circle: a:b → c:d → a:b",
    ),
    (interface("@since(version = 1.0.0) f: func();"), "gates need a version: declare the package"),
    (
        "package a:b@1.0.0; @since(version = 1.0.0) @unstable(feature = x) interface i {}",
        "an item is either @since or @unstable, not both",
    ),
    (
        "package a:b@1.0.0; @deprecated(version = 1.0.0) interface i {}",
        "@deprecated needs @since or @unstable beside it",
    ),
    (
        "package a:b@1.0.0; interface i { @unstable(feature = x) type t = u8; f: func(a: t); }",
        "t is not there: it needs the feature x",
    ),
    (
        "package a:b@1.0.0; interface i { @since(version = 1.1.0) type t = u8; f: func(a: t); }",
        "t is not there: it comes with version 1.1.0",
    ),
    (
        "package a:b@1.0.0; @unstable(feature = x) interface i { type t = u8; }\n" + J,
        "i is not there: it needs the feature x",
    ),
    (
        "package a:b@1.0.0; interface i { @unstable(feature = x) type t = u8; }\n" + J,
        "t is not there: it needs the feature x",
    ),
]


@pytest.mark.parametrize(("text", "message"), SYNTAX + NAMES)
def test_bad_text_is_placed_and_explained(text, message):
    with pytest.raises(ParseError) as caught:
        resolve_text(text, "x.wit")
    error = caught.value
    assert message in str(error)
    assert str(error).startswith(f"x.wit:{error.line}:{error.column}: ")
    assert "^" in str(error).splitlines()[-1]


def test_there_are_enough_bad_inputs():
    assert len({text for text, _ in SYNTAX + NAMES}) >= 100


def test_the_caret_marks_the_whole_word():
    with pytest.raises(ParseError) as caught:
        resolve_text(interface("  type t = unknown-type;"), "x.wit")
    assert str(caught.value).splitlines()[1:] == [
        "  3 |   type t = unknown-type;",
        "    |            ^^^^^^^^^^^^",
    ]


def test_an_error_in_another_file_names_that_file():
    files = [
        parse("package a:b; interface i { use j.{t}; }", "i.wit"),
        parse("interface j { type t = x; }", "j.wit"),
    ]
    with pytest.raises(ParseError, match=r"^j\.wit:1:24: unknown type"):
        resolve([files])


def test_two_package_names_in_one_folder_are_refused():
    files = [parse("package a:b;", "i.wit"), parse("package a:c;", "j.wit")]
    with pytest.raises(ParseError, match=r"j\.wit:1:9: this folder is already the package a:b"):
        resolve([files])


_WORDS = """
    package interface world use type record variant enum flags resource func static async import
    export include with as list option result tuple borrow map future stream u8 a b a:b a-b %list _
    -> { } ( ) < > ; : , . / = @ @since 1.0.0 7 /// // /* */ "
"""
_PIECES = st.lists(st.sampled_from([*_WORDS.split(), "\n"]), max_size=25).map(" ".join)


@given(_PIECES | st.text(max_size=30))
def test_any_text_is_parsed_or_refused_with_our_own_error(text):
    with contextlib.suppress(WitError):
        file = parse(text)
        assert print_file(parse(print_file(file))) == print_file(file)
    with contextlib.suppress(WitError):
        resolve_text(P + "interface a {" + text + "}")


def test_limits_are_errors_and_not_crashes():
    deep = "list<" * (TYPE_DEPTH_MAX + 1) + "u8" + ">" * (TYPE_DEPTH_MAX + 1)
    with pytest.raises(ParseError, match="types nest deeper than"):
        parse(interface(f"type t = {deep};"))
    chain = [f"type t{n} = option<t{n + 1}>;" for n in range(TYPE_DEPTH_MAX + 1)]
    with pytest.raises(ParseError, match="types nest deeper than"):
        resolve_text(interface(*chain, f"type t{TYPE_DEPTH_MAX + 1} = u8;"))
    doubling = [f"type t{n} = tuple<t{n + 1}, t{n + 1}>;" for n in range(20)]
    with pytest.raises(ParseError, match="the type has more than"):
        resolve_text(interface(*doubling, "type t20 = u8;"))
    with pytest.raises(ParseError, match="over too many steps"):
        resolve_text(
            interface(*[f"type t{n} = t{n + 1};" for n in range(5000)], "type t5000 = u8;")
        )
    with pytest.raises(ParseError, match="at most"):
        parse(" " * (WIT_CHARACTERS_MAX + 1))


def test_all_problems_are_found_and_each_is_told_once():
    text = P + (
        "interface i {\n"
        "  use nope.{t};\n"
        "  record r { x: foo, y: t }\n"
        "  record s { z: r }\n"
        "  f: func(x: s);\n"
        "  g: func(x: bar) -> t;\n"
        "}\n"
        "interface j { use i.{r}; type a = b; type b = a; }\n"
        "world w { import nothere; export k; export i; include v; }\n"
    )
    found = find_problems([[parse(text, "x.wit")]])
    assert [(each.file, each.line, each.column, each.reason.split(",")[0]) for each in found] == [
        ("x.wit", 3, 7, 'unknown interface or world of a:b "nope"'),
        ("x.wit", 4, 17, 'unknown type "foo"'),
        ("x.wit", 7, 14, 'unknown type "bar"'),
        ("x.wit", 9, 47, "the type contains itself: a → b → a"),
        ("x.wit", 10, 18, 'unknown interface or world of a:b "nothere"'),
        ("x.wit", 10, 34, 'unknown interface or world of a:b "k"'),
        ("x.wit", 10, 55, 'unknown interface or world of a:b "v"'),
    ]


@pytest.mark.parametrize(("text", "message"), NAMES)
def test_the_first_problem_is_among_all_of_them(text, message):
    found = find_problems([[parse(text, "x.wit")]])
    assert any(message in str(each) for each in found)


@pytest.mark.parametrize(
    ("features", "is_right"), [((), False), (("x",), True), (ALL_FEATURES, True)]
)
def test_a_type_in_a_gated_interface_is_gated_too(features, is_right):
    text = "package a:b@1.0.0; @unstable(feature = x) interface i { type t = u8; }"
    if is_right:
        assert resolve_text(text, features=features).interface("a:b/i@1.0.0").types
        return
    with pytest.raises(ParseError, match="t is not gated, but its interface i is not there"):
        resolve_text(text, features=features)
    gated = text.replace("type t", "@unstable(feature = x) type t")
    assert not resolve_text(gated).packages["a:b@1.0.0"].interfaces
