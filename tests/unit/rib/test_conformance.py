"""The reference cases of the language: program, expected type and value, or the error's words."""

import asyncio

import pytest

import rib
from tests.unit.rib.shop import COMPONENTS, ORDERS, Echo
from wit.type_text import type_text
from wit.wave import format_value

W = 'let w = instance("w1"); '
WORKER = 'let worker = instance("w1"); '
B = W + 'let b = w.basket("eve"); '
ITEM = '{sku: "s", title: "t", cost: 1, qty: 2}'
STORED_ITEM = {"sku": "s", "title": "t", "cost": 1.0, "qty": 2}
BYTES = "let xs: list<u8> = [9,8,7]; "

VALUES = [
    ("1 literal", "7", "7", "u64"),
    ("1 negative", "-7", "-7", "s64"),
    ("1 decimal", "2.5", "2.5", "f64"),
    ("1 default of let", "let a = 1; let b = a + 2; b", "3", "u64"),
    ("2 suffix", "7u8", "7", "u8"),
    ("2 colon", "7: u8", "7", "u8"),
    ("3 true", "true", "true", "bool"),
    ("3 not", "!true", "false", "bool"),
    ("4 let", "let a = 4; let b = a + 5; b", "9", "u64"),
    ("5 block", "let v = { let t = 20; t + 1 }; v", "21", "u64"),
    ("7 last value", '1; "x"; true', "true", "bool"),
    ("8 interpolation", 'let p = "ab"; let q = "cd"; "${p}/${q}"', '"ab/cd"', "string"),
    ("9 nested string", '"${"in"}ner"', '"inner"', "string"),
    ("10 index", "let xs: list<u16> = [3, 5]; xs[1]", "5", "u16"),
    ("10 literal index", "[3, 5][0]", "3", "u64"),
    ("11 dynamic index", "let i: u8 = 2; " + BYTES + "xs[i]", "7", "u8"),
    ("12 slice", BYTES + "xs[0..=1]", "[9, 8]", "list<u8>"),
    ("12 open slice", BYTES + "xs[1..]", "[8, 7]", "list<u8>"),
    ("12 exclusive slice", BYTES + "xs[0..2]", "[9, 8]", "list<u8>"),
    ("13 field and index", '{name: "Ada", tags: ["x"]}.tags[0]', '"x"', "string"),
    ("14 some", "some(3u8)", "some(3)", "option<u8>"),
    ("14 typed none", "let o: option<u32> = none; o", "none", "option<u32>"),
    ("17 less", "3u8 < 4u8", "true", "bool"),
    ("17 greater", "3u8 >= 4u8", "false", "bool"),
    ("17 at most", "4u8 <= 4u8", "true", "bool"),
    ("17 more", "4u8 > 4u8", "false", "bool"),
    ("17 equal", "4u8 == 4u8", "true", "bool"),
    ("17 strings", '"a" == "b"', "false", "bool"),
    ("19 left", "10 - 3 - 2", "5", "u64"),
    ("19 precedence", "2 + 3 * 4", "14", "u64"),
    ("19 comparison", "1 + 2 == 3 && true", "true", "bool"),
    ("20 if", 'if 5 > 3 then "hi" else "lo"', '"hi"', "string"),
    (
        "22 nested option",
        "match some(some(4u64)) { some(some(t)) => t, some(none) => 1u64, none => 0u64 }",
        "4",
        "u64",
    ),
    ("23 result", 'match ok(2u8) { ok(_) => "good", err(_) => "bad" }', '"good"', "string"),
    ("24 literal", 'match 2u8 { 1 => "one", 2 => "two", _ => "many" }', '"two"', "string"),
    ("25 list pattern", "match [1u8, 2u8] { [x, y] => x + y, _ => 0u8 }", "3", "u8"),
    ("29 inclusive", "for i in 1..=3 { yield i; }", "[1, 2, 3]", "list<u64>"),
    ("29 exclusive", "for i in 1..3 { yield i; }", "[1, 2]", "list<u64>"),
    (
        "30 statements before yield",
        'let ws = ["a","b"]; for w in ws { let x = "${w}!"; yield x; }',
        '["a!", "b!"]',
        "list<string>",
    ),
    (
        "31 reduce",
        "let ns: list<u8> = [4, 6]; reduce acc, n in ns from 1u8 { yield acc + n; }",
        "11",
        "u8",
    ),
    (
        "31 reduce nothing",
        "let ns: list<u8> = []; reduce acc, n in ns from 1u8 { yield acc + n; }",
        "1",
        "u8",
    ),
    (
        "32 records",
        'let rs = [{n: "p", v: 1u64}, {n: "q", v: 2u64}]; for r in rs { yield r.n; }',
        '["p", "q"]',
        "list<string>",
    ),
    ("39 literal argument", W + "w.twice(4)", "8", "u64"),
    ("39 backwards", W + "let z = 1 + 2; w.twice(z)", "6", "u64"),
    ("43 lazy constructor", W + 'w.basket("eve"); "done"', '"done"', "string"),
    (
        "45 variant",
        'let v = refused("no"); match v { fine(r) => r.id, refused(m) => m, unknown => "?" }',
        '"no"',
        "string",
    ),
    ("46 shadowed case", W + "let red = 1; w.twice(red)", "2", "u64"),
    (
        "47 catch-all name",
        W + 'match w.outcome() { fine(r) => r.id, other => "x" }',
        '"r-1"',
        "string",
    ),
]

CALLS = [
    ("33 method", W + 'w.price-of("k")', [("w1", ORDERS + ".{price-of}", "k")]),
    ("34 no let", 'instance("w1").price-of("k")', [("w1", ORDERS + ".{price-of}", "k")]),
    ("36 interface", W + 'w.ping[admin]("x")', [("w1", "acme:store/admin.{ping}", "x")]),
    ("37 package", W + 'w.tick[acme:clock]("x")', [("w1", "acme:clock/mono.{tick}", "x")]),
    ("37 full", W + 'w.tick[acme:store/orders]("x")', [("w1", ORDERS + ".{tick}", "x")]),
    (
        "37 instance",
        'instance[acme:store]("w1").tick("x")',
        [("w1", ORDERS + ".{tick}", "x")],
    ),
    (
        "37 found alone",
        WORKER + 'worker.only-here("x")',
        [("w1", "acme:clock/mono.{only-here}", "x")],
    ),
    (
        "42 resource",
        f'{W}let b = w.basket("eve"); b.add({ITEM}); b.list-items()',
        [
            ("w1", ORDERS + '.{basket("eve").add}', STORED_ITEM),
            ("w1", ORDERS + '.{basket("eve").list-items}'),
        ],
    ),
    ("43 nothing invoked", W + 'w.basket("eve"); "done"', []),
    ("44 drop", B + "b.drop(); 1", [("w1", ORDERS + '.{basket("eve").drop}')]),
    ("46 enum case", W + "w.paint(green)", [("w1", ORDERS + ".{paint}", "green")]),
    ("46 shadowed case", W + "let red = 1; w.twice(red)", [("w1", ORDERS + ".{twice}", 1)]),
]

ERRORS = [
    ("6 keyword", "let ok = 1; ok", "ok is a keyword"),
    ("14 none", "none", "cannot determine the type"),
    ("15 quoted key", 'let r = {"k": 1}; r', "unquoted"),
    ("16 field of a list", "let a = [1,2]; a.b", "field `b` not found"),
    (
        "18 widths",
        W + "w.twice(1: u8 + 2: u8)",
        "type mismatch. expected u32, found u8",
    ),
    ("21 branches", 'if true then 1u8 else "x"', "type mismatch. expected u8, found string"),
    (
        "26 uncovered",
        "let o = some(1u8); match o { some(x) => x }",
        "non-exhaustive pattern match: the following patterns are not covered: `none`",
    ),
    (
        "26 help",
        "let o = some(1u8); match o { some(x) => x }",
        "help: to ensure a complete match, add missing patterns or use wildcard (`_`)",
    ),
    (
        "27 dead",
        'match some(1u8) { _ => "x", none => "y" }',
        (
            "dead code detected, pattern `none` is unreachable due to the existence of the"
            " pattern `_` prior to it"
        ),
    ),
    (
        "28 arms",
        'match some(1u64) { some(x) => x, none => "s" }',
        "type mismatch. expected string, found u64",
    ),
    (
        "28 place of the arm",
        'match some(1u64) { some(x) => x, none => "s" }',
        "expected string based on pattern match branch at line 1 column 42",
    ),
    ("35 returns instance", "instance()", "returns a worker instance"),
    (
        "36 ambiguous interface",
        W + 'w.ping("x")',
        (
            "multiple interfaces contain function 'ping'. specify an interface name as type"
            " parameter from: admin, orders"
        ),
    ),
    (
        "37 ambiguous package",
        W + 'w.tick("x")',
        (
            "function 'tick' exists in multiple packages. specify a package name as type parameter"
            " from: acme:clock (interfaces: mono), acme:store (interfaces: orders)"
        ),
    ),
    (
        "38 worker name",
        'let w = instance(3: u32); w.price-of("k")',
        "expected string, found u32",
    ),
    ("41 request", "request", "cannot determine the type"),
    ("41 body", "request.body", "cannot determine the type"),
]


def run(text, inputs=None, *, globals_=rib.ANY_GLOBALS):
    """Compile, store, load and run; returns the program, the value and what the port heard."""
    program = rib.Program.decode(rib.compile(text, COMPONENTS, globals_).encode())
    port = Echo()
    value = asyncio.run(program.run(port, inputs))
    return program, value, port


@pytest.mark.parametrize(("name", "text", "value", "type_"), VALUES, ids=[v[0] for v in VALUES])
def test_a_case_has_its_value(name, text, value, type_) -> None:
    program, found, _ = run(text)

    assert (format_value(found, program.result), type_text(program.result)) == (value, type_)


@pytest.mark.parametrize(("name", "text", "said"), CALLS, ids=[c[0] for c in CALLS])
def test_a_case_makes_its_calls(name, text, said) -> None:
    _, _, port = run(text)

    assert port.said == said


@pytest.mark.parametrize(("name", "text", "words"), ERRORS, ids=[e[0] for e in ERRORS])
@pytest.mark.parametrize("globals_", [rib.ANY_GLOBALS, rib.GATEWAY_GLOBALS], ids=["any", "gateway"])
def test_a_case_has_its_error(name, text, words, globals_) -> None:
    with pytest.raises(rib.CompileError) as caught:
        rib.compile(text, COMPONENTS, globals_)

    assert words in str(caught.value)
    assert len(caught.value.diagnostics) == 1


def test_case_40_globals_of_the_gateway_are_strings_unless_annotated() -> None:
    text = (
        'let n: string = request.path.user; let w = instance("u-${n}");'
        " w.price-of(request.query.sku)"
    )
    inputs = {"request.path.user": "eve", "request.query.sku": "k"}
    program, value, port = run(text, inputs, globals_=rib.GATEWAY_GLOBALS)

    assert value == 7
    assert port.said == [("u-eve", ORDERS + ".{price-of}", "k")]
    assert [(each.name, type_text(each.type)) for each in program.inputs] == [
        ("request.path.user", "string"),
        ("request.query.sku", "string"),
    ]


def test_case_40_an_annotation_makes_the_gateway_parse_a_number() -> None:
    program = rib.compile("let id: u32 = request.path.user; id", {}, rib.GATEWAY_GLOBALS)

    assert [(each.name, type_text(each.type)) for each in program.inputs] == [
        ("request.path.user", "u32")
    ]
