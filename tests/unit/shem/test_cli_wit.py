"""`shem wit`: what it prints, as text and as documents, and how it ends."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner
from wasmtime import wat2wasm

from shem.cli.app import app
from tests.unit.wit.test_embedded import PUBLISHED, TEXT
from wit.text.resolver import resolve_text

SHOP = """package demo:shop@1.0.0;
interface api {
  record item { name: string, qty: u32 }
  resource cart { constructor(owner: string); total: func() -> u64; }
  total: func(items: list<item>, limit: option<u32>) -> u64;
}
world shop { export api; }
"""
COMPONENT = bytes(
    wat2wasm(
        """(component
          (core module $m (func (export "f") (param i32) (result i32) local.get 0))
          (core instance $i (instantiate $m))
          (func $f (param "value" u32) (result u32) (canon lift (core func $i "f")))
          (instance $api (export "double" (func $f)))
          (export "demo:math/api@1.0.0" (instance $api)))"""
    )
)


def shem(*arguments, stdin=None):
    return CliRunner().invoke(app, ["wit", *map(str, arguments)], input=stdin)


def document(*arguments, status=0, stdin=None):
    done = shem(*arguments, "-o", "json", stdin=stdin)
    assert done.exit_code == status, done.output
    return json.loads(done.stdout)


@pytest.fixture
def shop(tmp_path):
    path = tmp_path / "shop.wit"
    path.write_text(SHOP)
    return path


@pytest.fixture
def component(tmp_path):
    path = tmp_path / "math.wasm"
    path.write_bytes(COMPONENT)
    return path


def test_a_right_package_is_summarised(shop):
    assert document("check", shop) == {
        "package": "demo:shop@1.0.0",
        "interfaces": ["api"],
        "worlds": ["shop"],
        "dependencies": [],
    }
    assert "worlds:\n  shop\ndependencies: none\n" in shem("check", shop).stdout


def test_a_component_is_summarised(component):
    assert document("check", component) == {
        "size": len(COMPONENT),
        "exports": ["demo:math/api@1.0.0.{double}(value: u32) -> u32"],
        "imports": [],
        "producers": [],
        "modules": [{"name": "m", "size": 46, "code": 6, "data": 0}],
        "components": [],
        "sections": [{"name": "component-name", "size": 32}],
    }
    assert "modules:\n  m, size 46, code 6, data 0\n" in shem("check", component).stdout


def test_all_problems_of_a_folder_are_told(tmp_path):
    (tmp_path / "deps").mkdir()
    (tmp_path / "a.wit").write_text(
        "package a:b;\ninterface i { f: func(x: foo); g: func() -> bar; }"
    )
    (tmp_path / "b.wit").write_text("world w { import nope; export i; }")
    error = document("check", tmp_path, status=1)["error"]
    assert error["kind"] == "bad-text"
    assert error["message"].startswith("a.wit:2:26: unknown type")
    places = [(each["file"], each["line"], each["column"]) for each in error["problems"]]
    assert places == [("a.wit", 2, 26), ("a.wit", 2, 45), ("b.wit", 1, 18)]
    done = shem("check", tmp_path)
    assert done.exit_code == 1
    assert done.stdout == ""
    assert done.stderr.count("error (bad-text)") == 3
    assert "  2 | interface i { f: func(x: foo); g: func() -> bar; }" in done.stderr


def test_each_file_tells_its_own_syntax_error(tmp_path):
    (tmp_path / "a.wit").write_text("package a:b\n")
    (tmp_path / "b.wit").write_text("world { }")
    problems = document("check", tmp_path, status=1)["error"]["problems"]
    assert [(each["file"], each["message"]) for each in problems] == [
        ("a.wit", "expected `;` or `{`, got end of file"),
        ("b.wit", "expected a name, got `{`"),
    ]


def test_text_may_come_from_stdin():
    assert document("check", "-", stdin=SHOP)["package"] == "demo:shop@1.0.0"
    error = document("check", "-", stdin="package a;", status=1)["error"]
    assert error["message"].startswith("<stdin>:1:10: expected `:`")


@pytest.mark.parametrize(
    ("content", "kind", "message"),
    [
        (b"\0asm\x01\0\0\0", "bad-component", "is a core module"),
        (b"\0asm\x0d\0\x01\0\xff", "bad-component", "at byte"),
        (b"package a:b;\xff", "bad-input", "no UTF-8 text at byte 12"),
    ],
)
def test_what_is_neither_wit_nor_a_component_is_refused(tmp_path, content, kind, message):
    path = tmp_path / "file"
    path.write_bytes(content)
    error = document("check", path, status=1)["error"]
    assert error["kind"] == kind
    assert message in error["message"]


def test_wrong_usage_ends_with_status_2(shop):
    for arguments in (
        ("check", "no-such-file"),
        ("convert", "5"),
        ("compat", shop),
        ("client", shop, "--package", "shop"),
    ):
        assert shem(*arguments).exit_code == 2


def test_what_is_printed_means_the_same(shop, component):
    printed = document("print", shop)["wit"]
    assert resolve_text(printed) == resolve_text(SHOP)
    assert shem("print", shop).stdout == printed
    assert "double: func(value: u32) -> u32;" in shem("print", component).stdout
    assert "export demo:shop/api@1.0.0;" in shem("print", shop, "--world", "shop").stdout


def test_a_folder_is_printed_as_one_text(tmp_path):
    (tmp_path / "deps").mkdir()
    (tmp_path / "a.wit").write_text(
        "/// Docs.\npackage a:b; use c:d/k as l; interface i { use l.{t}; }"
    )
    (tmp_path / "b.wit").write_text("use c:d/k as l; world w { export i; import l; }")
    (tmp_path / "deps" / "k.wit").write_text("package c:d; interface k { type t = u8; }")
    alone = document("print", tmp_path)["wit"]
    assert "package c:d" not in alone
    whole = document("print", tmp_path, "--deps")["wit"]
    world = resolve_text(whole).world("a:b/w")
    assert [each.name for each in world.import_interfaces] == ["c:d/k"]
    (tmp_path / "b.wit").write_text("use c:d/other as l; world w { export i; }")
    (tmp_path / "deps" / "o.wit").write_text("package c:d; interface other { }")
    assert shem("print", tmp_path).exit_code == 1


def test_changes_are_judged(shop, tmp_path):
    newer = tmp_path / "newer.wit"
    newer.write_text(SHOP.replace("  total: func(items", "  more: func();\n  total: func(items"))
    report = document("compat", shop, newer)
    assert (report["verdict"], report["bump"]) == ("compatible", "minor")
    assert report["changes"] == [
        {
            "place": "demo:shop/api@1.0.0.{more}",
            "verdict": "compatible",
            "reason": "a new function is exported",
        }
    ]
    assert document("compat", newer, shop, status=1)["bump"] == "major"
    assert "breaking  demo:shop/api@1.0.0.{more}: " in shem("compat", newer, shop).stdout
    assert document("compat", shop, shop)["changes"] == []


def test_changes_for_linked_components_alone_fail_if_asked(shop, tmp_path):
    newer = tmp_path / "newer.wit"
    newer.write_text(SHOP.replace("limit: option<u32>", "limit: option<u32>, more: option<u8>"))
    assert document("compat", shop, newer)["verdict"] == "messages"
    assert document("compat", shop, newer, "--strict", status=1)["verdict"] == "messages"


def test_a_package_without_worlds_is_compared_by_its_interfaces(tmp_path):
    for name, function in (("old", "f"), ("new", "g")):
        text = f"package a:b; interface i {{ {function}: func(); }}"
        (tmp_path / f"{name}.wit").write_text(text)
    report = document("compat", tmp_path / "old.wit", tmp_path / "new.wit", status=1)
    assert [each["place"] for each in report["changes"]] == ["a:b/i.{f}", "a:b/i.{g}"]


def test_one_of_several_worlds_has_to_be_named(tmp_path):
    path = tmp_path / "a.wit"
    path.write_text("package a:b; world v { export f: func(); } world w { }")
    error = document("client", path, status=1)["error"]
    assert error["message"].endswith("several worlds, name one by --world: v, w")
    assert document("client", path, "--world", "v")["world"] == "v"
    error = document("client", path, "--world", "x", status=1)["error"]
    assert "no world x in a:b, there are: v, w" in error["message"]


def test_clients_of_text_and_of_components(shop, component):
    made = document("client", shop)
    assert made["package"] == "demo:shop-client"
    assert "blocking-total: func(" in made["wit"]
    assert "constructor(worker-name: string" in made["wit"]
    assert "worker-name" not in document("client", shop, "--ephemeral")["wit"]
    assert document("client", component)["package"] == "demo:math-client"
    own = document("client", component, "--package", "x:y@2.0.0", "--world", "z")
    assert own["wit"].startswith("package x:y-client@2.0.0;\n\ninterface z-client {")


@pytest.mark.parametrize(
    ("value", "type_", "to", "text"),
    [
        ("[1, 2]", "list<u8>", "wave", "[1, 2]"),
        ('{name: "a", qty: 1}', "item", None, '{"name":"a","qty":1}'),
        ('{"name":"a","qty":1}', "item", None, '{name: "a", qty: 1}'),
        ("some(1)", "option<option<u8>>", None, '{"some":1}'),
        ("red", "string", None, None),
        ("ok(1)", "result<u8>", "nodes", '{"nodes":[{"result-value":{"ok":1}},{"prim-u8":1}]}'),
        ("none", "option<u8>", "nodes", '{"nodes":[{"option-value":null}]}'),
        ('"hi"', "string", "typed", '{"typ":{"type":"Str"},"value":"hi"}'),
        ("[1, 300]", "list<u16>", "packed", "0201ac02"),
    ],
)
def test_values_are_converted(shop, value, type_, to, text):
    chosen = () if to is None else ("--to", to)
    done = shem("convert", value, "--type", type_, "--in", shop, *chosen)
    if text is None:
        assert done.exit_code == 1
        assert "error (bad-value): expected string" in done.stderr
    else:
        assert done.stdout == text + "\n"


def test_a_converted_value_comes_in_all_notations(shop):
    nodes = document("convert", "some(5)", "--type", "option<u8>", "--to", "nodes")
    assert nodes == {
        "type": "option<u8>",
        "wave": "some(5)",
        "json": 5,
        "nodes": {"nodes": [{"option-value": 1}, {"prim-u8": 5}]},
    }


def test_calls_are_converted_both_ways(shop):
    wave = 'demo:shop/api@1.0.0.{total}([{name: "a", qty: 1}], none)'
    message = document("convert", 'total([{name: "a", qty: 1}])', "--in", shop)
    assert message == {
        "function": "demo:shop/api@1.0.0.{total}",
        "params": [[{"name": "a", "qty": 1}], None],
        "wave": wave,
    }
    text = '{"function":"total","params":[[{"name":"a","qty":1}]]}'
    assert shem("convert", text, "--in", shop).stdout == wave + "\n"
    assert shem("convert", "-", "--in", shop, stdin=text).stdout == wave + "\n"


@pytest.mark.parametrize(
    ("value", "kind", "message"),
    [
        ("totl([])", "unknown-function", "did you mean demo:shop/api@1.0.0.{total}?"),
        ("total(5)", "bad-value", "params[0]: expected list<item>"),
        ("total(", "bad-text", "1:7: expected a value or `)`"),
        ("[1]", "bad-input", 'an object like {"function": "add"'),
        ('{"function":"total","params":[[{"name":"a"}]]}', "bad-value", "params[0][0]"),
        ('cart("a").total()', "bad-input", "are two functions"),
    ],
)
def test_bad_calls_are_explained(shop, value, kind, message):
    error = document("convert", value, "--in", shop, status=1)["error"]
    assert error["kind"] == kind
    assert message in error["message"]


def test_a_core_module_with_a_world_is_checked_and_printed():
    path = Path(__file__).parents[2] / "fuzz" / "seeds" / "embedded.wasm"
    summary = document("check", path)
    assert (summary["package"], summary["world"]) == ("demo:shop@1.2.0", "shop")
    assert summary["string-encoding"] == "utf8"
    assert "demo:shop/api@1.2.0.{cart.new}(owner: string) -> cart" in summary["exports"]
    printed = document("print", path)["wit"]
    assert "world shop {" in printed
    assert "export demo:shop/api@1.2.0;" in printed
    assert document("client", path)["package"] == "demo:shop-client"


def test_published_wit_is_checked_and_printed_as_a_package(tmp_path):
    path = tmp_path / "io.wasm"
    path.write_bytes(PUBLISHED)
    assert document("check", path) == {
        "package": "demo:io@0.2.0",
        "interfaces": ["streams", "log"],
        "worlds": ["program"],
        "dependencies": ["demo:base@1.0.0"],
    }
    assert document("print", path)["wit"] == TEXT.partition("\npackage demo:base")[0]
    assert document("print", path, "--deps")["wit"] == TEXT
