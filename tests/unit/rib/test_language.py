"""The language beyond the reference cases: values, calls, errors, storing, limits."""

import asyncio
from pathlib import Path

import pytest
from msgspec.structs import replace

import rib
from rib.code import VERSION
from rib.limits import NESTING_MAX, TEXT_CHARACTERS_MAX
from tests.unit.rib.shop import COMPONENTS, ORDERS, SHOP, Echo
from wit.type_text import type_text
from wit.types import FunctionType
from wit.wave import format_value

W = 'let w = instance("w"); '

VALUES = [
    ("-7 / 2", "-3", "s64"),
    ("-7 % 2", "-1", "s64"),
    ("-128: s8", "-128", "s8"),
    ("1.5 + 1", "2.5", "f64"),
    ("0.1f32 + 0.2f32", "0.3", "f32"),
    ("7 != 8 || 1 / 0 == 1", "true", "bool"),
    ("false && 1 / 0 == 1", "false", "bool"),
    ("{a: [1], b: some(2)} == {a: [1], b: some(2)}", "true", "bool"),
    ("\"a\" < \"b\" && 'a' < 'b'", "true", "bool"),
    ("/* one */ 1 // two", "1", "u64"),
    (r'"\u{e9}\n\$\{\}"', r'"é\n${}"', "string"),
    ('"${[some(1), none]} ${red} ${true}"', '"[some(1), none] red true"', "string"),
    ('(1, "x")[1]', '"x"', "string"),
    ("1..=4", "{from: some(1), to: some(4), inclusive: true}", None),
    ("(1..4).from", "some(1)", "option<u64>"),
    ("1..", "{from: some(1), inclusive: false}", None),
    ('let r: result<_, string> = err("bad"); r', 'err("bad")', "result<_, string>"),
    ("{read, write}", "{read, write}", None),
    ('let a = 1; let b = [a]; let a = "x"; b', "[1]", "list<u64>"),
    ("if false then 1 else if true then 2 else 3", "2", "u64"),
    ("match (some(1), false) { (some(n), true) => n, (_, b) => 7 }", "7", "u64"),
    ("match {a: 1, b: 2} { {a: 1, b: x} => x, _ => 0 }", "2", "u64"),
    ("match some(3) { all @ some(n) => all, none => none }", "some(3)", "option<u64>"),
    ("match true { true => 1, false => 2 }", "1", "u64"),
    ("let c: colour = red; match c { red => 1, green => 2, blue => 3 }", "1", "u64"),
    ("for x in [[1, 2], [3]] { yield for y in x { yield y + 1; }; }", "[[2, 3], [4]]", None),
    ("[1u8, 2, 3].concat([4]).reverse()", "[4, 3, 2, 1]", "list<u8>"),
    ("[3, 1, 2].sort().first().unwrap-or(0)", "1", "u64"),
    ('length([1, 2]) + "abc".length()', "5", "u64"),
    ('"a,b".split(",").join("-").to-upper()', '"A-B"', "string"),
    ('"300".to-u8()', "none", "option<u8>"),
    ("(255u8).to-u16() + 1", "256", "u16"),
    ('{a: some(1), b: "x"}.to-json()', r'"{\"a\":1,\"b\":\"x\"}"', "string"),
    (r'"[1, 2]".parse-json().unwrap-or([0u8])', "[1, 2]", "list<u8>"),
    (W + 'let h = w.open("eve"); h.pay()', 'refused("no money")', "verdict"),
    (W + 'for i in 0..2 { yield w.log("x"); }', "[(), ()]", "list<tuple<>>"),
    ("acme:store/orders.{[static]basket.count}()", "2", "u64"),
    ("acme:store/orders.{twice}(3)", "6", "u64"),
]

ERRORS = [
    ('1 + "x"', "RIB0202", "expected number, found string"),
    ("let x: u8 = 1; let y: u16 = x; y", "RIB0202", "convert it by `.to-u16()`"),
    ("300: u8", "RIB0204", "300 does not fit u8"),
    ("2.5u8", "RIB0204", "2.5 does not fit u8"),
    ("1;", "RIB0103", "unexpected `;` at the end of rib expression"),
    (r'"\q"', "RIB0104", "unknown escape"),
    ('"abc', "RIB0105", "no closing"),
    ("/* x", "RIB0105", "no `*/`"),
    ("1 < 2 < 3", "RIB0101", "cannot be chained"),
    ("{a}.b", "RIB0206", "field `b` not found"),
    ("{a: 1}.b", "RIB0206", "its fields are `a`"),
    ("[1][true]", "RIB0202", "expected integer, found bool"),
    ("let x: list<nope> = []; x", "RIB0207", "unknown type `nope`"),
    ("instance", "RIB0306", "`instance` is a reserved keyword"),
    ("instance", "RIB0306", 'use `instance("foo")`'),
    (W + 'w.basket("x")', "RIB0308", "program is invalid as it returns a resource constructor"),
    (W + "[w]", "RIB0307", "returns a worker instance"),
    (W + 'w.prce-of("x")', "RIB0301", "did you mean `price-of`?"),
    ('price-of("x")', "RIB0301", "call it on a worker"),
    (W + "w.price-of()", "RIB0305", "expects 1 arguments (sku), found 0"),
    (W + 'w.ping[nope]("x")', "RIB0302", "function 'ping' not found in interface 'nope'"),
    (W + 'w.ping[acme:clock]("x")', "RIB0302", "function 'ping' not found in package 'acme:clock'"),
    ("[1].foo()", "RIB0304", "is a valid instance type"),
    ("x.foo()", "RIB0304", "invalid method invocation `x.foo`"),
    (W + 'w.put({sku: "s", title: "t", cost: 1})', "RIB0205", "missing record fields: `qty`"),
    (
        W + 'w.put({sku: "s", title: 1, cost: 1, qty: 2})',
        "RIB0202",
        "type mismatch at path: `title`. expected string, found number",
    ),
    (
        W + 'w.put({sku: "s", title: 1, cost: 1, qty: 2})',
        "RIB0202",
        "invalid argument to the function `acme:store/orders.{put}`",
    ),
    (W + "w.twice(x); w.ping[admin](x)", "RIB0203", "ambiguous types: `string`, `u32`"),
    ("match 1 { 1 => 2 }", "RIB0401", "not covered: `_`"),
    (
        "match ok(some(1)) { ok(some(_)) => 1, err(_) => 2 }",
        "RIB0401",
        "not covered: `ok(none)`",
    ),
    (W + "match w.outcome() { fine(_) => 1 }", "RIB0401", "not covered: `refused`, `unknown`"),
    (W + "match w.outcome() { fine(_) => 1, refuse(_) => 2, _ => 3 }", "RIB0403", "no case"),
    ("match 1 { x => 1, y => 2 }", "RIB0402", "existence of the pattern `x` prior"),
    ('let x = log("a")', "RIB0301", "call it on a worker"),
    (W + 'let x = w.log("a"); x', "RIB0202", "found no value"),
]

RUN_ERRORS = [
    ("[1, 2][5]", "RIB0502", "index out of bound: 5 (size: 2)"),
    ("let xs = [1, 2]; xs[1..=2]", "RIB0502", "index out of bound: 1..=2 (size: 2)"),
    ("for i in 1.. { yield i; }", "RIB0503", "infinite computation detected"),
    ("255u8 + 1", "RIB0504", "255 + 1 does not fit u8"),
    ("1 - 2", "RIB0504", "1 - 2 does not fit u64"),
    ("1 / 0", "RIB0504", "division by zero"),
    ("1.0 / 0.0", "RIB0504", "division by zero"),
    ("(300).to-u8()", "RIB0505", "cast error from u64 to u8"),
    ('reduce a, i in 1..=40 from "ab" { yield "${a}${a}"; }', "RIB0507", "characters"),
    ("for i in 1..=100000000 { yield i; }", "RIB0507", "elements"),
    ("x + 1", "RIB0501", "input not found: x"),
]


@pytest.mark.parametrize(("text", "value", "type_"), VALUES, ids=[v[0] for v in VALUES])
def test_a_program_has_its_value(text, value, type_) -> None:
    program = rib.Program.decode(rib.compile(text, COMPONENTS).encode())
    found = asyncio.run(program.run(Echo()))

    assert format_value(found, program.result) == value
    assert type_ in {None, type_text(program.result)}


@pytest.mark.parametrize(("text", "code", "words"), ERRORS, ids=[e[0] for e in ERRORS])
def test_a_wrong_program_has_one_error_with_code_and_words(text, code, words) -> None:
    findings = rib.check(text, COMPONENTS)

    assert [finding.code.value for finding in findings] == [code]
    assert words in str(findings[0])


@pytest.mark.parametrize(("text", "code", "words"), RUN_ERRORS, ids=[e[0] for e in RUN_ERRORS])
def test_a_program_fails_at_run_time_with_code_and_words(text, code, words) -> None:
    program = rib.compile(text, COMPONENTS)
    with pytest.raises(rib.RunError, match=None) as caught:
        asyncio.run(program.run(Echo()))

    assert caught.value.code.value == code
    assert words in str(caught.value)


def test_all_independent_errors_are_found_at_once_with_their_ranges() -> None:
    text = 'let a = 1 + "x";\nlet b = [true, 2];\nnone'
    findings = rib.check(text)

    assert [(each.code.value, text[each.start : each.end]) for each in findings] == [
        ("RIB0202", '"x"'),
        ("RIB0202", "2"),
        ("RIB0201", "none"),
    ]
    assert [(each.line, each.column) for each in findings] == [(1, 13), (2, 16), (3, 1)]


def test_an_error_is_told_in_the_one_format() -> None:
    (finding,) = rib.check('if true then 1u8 else "x"')

    assert str(finding).splitlines() == [
        "error in the following rib found at line 1, column 23",
        '`"x"`',
        "found within:",
        '`if true then 1u8 else "x"`',
        "cause: type mismatch. expected u8, found string",
        "both branches of an `if` must have one type",
    ]


def test_the_gateway_allows_no_other_root_than_request() -> None:
    (finding,) = rib.check("let usr = 1; user", {}, rib.GATEWAY_GLOBALS)

    assert finding.code is rib.Code.UNKNOWN_NAME
    assert "did you mean `usr`?" in str(finding)


def test_the_body_takes_the_type_of_its_use() -> None:
    text = W + "let line = request.body; w.put({sku: line.sku, title: line.t, cost: 1, qty: 2})"
    program = rib.compile(text, COMPONENTS, rib.GATEWAY_GLOBALS)

    assert [(each.name, type_text(each.type)) for each in program.inputs] == [
        ("request.body", "record { sku: string, t: string }")
    ]


def test_a_repeated_run_makes_the_same_calls_at_the_same_positions() -> None:
    text = "let a = instance(); let b = instance(); a.twice(1); for i in 0..2 { yield b.twice(i); }"
    program = rib.compile(text, COMPONENTS)
    first, second = Echo(), Echo()
    asyncio.run(program.run(first))
    asyncio.run(program.run(second))

    assert [(call.position, call.worker.ordinal) for call in first.calls] == [
        (0, 0),
        (1, 1),
        (2, 1),
    ]
    assert first.calls == second.calls


def test_a_failed_call_fails_the_program_with_its_message() -> None:
    program = rib.compile(W + "w.twice(1) + w.fetch(2).unwrap-or(0)", COMPONENTS)
    port = Echo(fetch=rib.CallError("worker is gone"))
    with pytest.raises(rib.RunError) as caught:
        asyncio.run(program.run(port))

    assert caught.value.code is rib.Code.CALL_FAILED
    assert f"failed to invoke function {ORDERS}.{{fetch}}: worker is gone" in str(caught.value)


def test_an_input_of_the_wrong_type_is_refused_before_anything_runs() -> None:
    program = rib.compile(W + "w.twice(n)", COMPONENTS)
    port = Echo()
    with pytest.raises(rib.RunError) as caught:
        asyncio.run(program.run(port, {"n": "three"}))

    assert caught.value.code is rib.Code.INPUT_INVALID
    assert port.said == []


def test_a_redundant_arm_is_a_warning() -> None:
    program = rib.compile("match some(1) { some(a) => 1, some(b) => 2, none => 3 }")

    assert [warning.code for warning in program.warnings] == [rib.Code.REDUNDANT_ARM]


def test_a_program_knows_which_component_versions_break_it() -> None:
    program = rib.compile(W + 'w.twice(1) + w.price-of("k")', COMPONENTS)
    (orders, *others) = SHOP.export_interfaces
    changed = tuple(
        replace(function, type=FunctionType((), function.type.result))
        if function.name == "twice"
        else function
        for function in orders.functions
        if function.name != "price-of"
    )
    world = replace(SHOP, export_interfaces=(replace(orders, functions=changed), *others))

    assert rib.broken_by(program, COMPONENTS) == ()
    assert rib.broken_by(program, {"shop": world}) == (
        f"shop: {ORDERS}.{{twice}}: the function has another type",
        f"shop: {ORDERS}.{{price-of}}: the function is gone",
    )
    assert "no such component" in rib.broken_by(program, {})[0]


def test_a_prompt_may_end_a_line_with_a_semicolon() -> None:
    assert rib.compile("let x = 1; x;", tolerant=True).result is not None


def test_code_of_another_version_is_refused() -> None:
    stored = rib.compile("1").encode()
    other = stored.replace(b'"version":%d' % VERSION, b'"version":%d' % (VERSION + 1))
    with pytest.raises(rib.ProgramFormatError, match="compile its text again"):
        rib.Program.decode(other)


@pytest.mark.parametrize("opening", ["[", "(", "some(", "!", "-", "if ", '"${', "x.f("])
def test_deep_nesting_is_an_error(opening) -> None:
    (finding,) = rib.check(opening * (NESTING_MAX * 20))

    assert finding.code in {rib.Code.TOO_LARGE, rib.Code.SYNTAX}


@pytest.mark.parametrize("operator", ["+", "&&", "=="])
def test_long_chains_are_an_error(operator) -> None:
    findings = rib.check(f" {operator} ".join(["x"] * 5_000))

    assert {finding.code for finding in findings} <= {rib.Code.TOO_LARGE, rib.Code.SYNTAX}


def test_too_long_a_text_is_an_error() -> None:
    (finding,) = rib.check(" " * (TEXT_CHARACTERS_MAX + 1))

    assert finding.code is rib.Code.TOO_LARGE


@pytest.mark.parametrize("seed", ["1", "x"])
def test_types_that_double_with_every_line_are_an_error(seed) -> None:
    lines = [f"let v0 = {seed}", *[f"let v{i + 1} = (v{i}, v{i})" for i in range(60)]]
    findings = rib.check("; ".join([*lines, "v60"]))

    assert rib.Code.TOO_LARGE in {finding.code for finding in findings}


def test_every_code_is_explained() -> None:
    page = (Path(__file__).parents[3] / "docs" / "guide" / "rib.md").read_text()

    assert [code.value for code in rib.Code if f"| {code.value} |" not in page] == []
