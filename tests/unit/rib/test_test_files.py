"""Test files: what they may say, what assertions show, where errors are."""

import asyncio

import pytest

import rib
from tests.unit.rib.shop import COMPONENTS, Echo


def outcome(body, *, before="", name="it"):
    """Return the report of the one test in a file, empty if it passes."""
    text = f'{before}test "{name}" {{\n{body}\n}}\n'
    file = rib.parse_tests(text)
    try:
        program = rib.compile_test(file, file.tests[0], COMPONENTS)
        asyncio.run(rib.Program.decode(program.encode()).run(Echo()))
    except rib.CompileError as error:
        return rib.report(error.diagnostics, text)
    except rib.RunError as error:
        return rib.report([error.diagnostic], text)
    return ""


W = 'let w = instance("a");\n'


@pytest.mark.parametrize(
    "body",
    [
        "assert 1 + 1 == 2;",
        "assert true; assert !false",
        "assert fails 1 / 0;",
        'assert fails 1 / 0 with "division by zero"',
        'assert fails for i in 1..3 { yield [1][i]; } with "index"; assert true',
        "let assert = 1; assert + 1;",
        "let fails = true; assert fails;",
        "let fails = 1; assert fails == 1;",
        "assert [1] == [1]",
    ],
)
def test_passing(body):
    assert outcome(body) == ""


def test_calls_and_statements_before_the_tests():
    assert outcome("assert w.twice(2) == 4;", before=W) == ""


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        ("assert 1 + 1 == 3", ["assertion failed", "found:    2", "expected: 3"]),
        ("assert 1 > 2", ["left:  1", "not >: 2"]),
        ("assert 1 != 1", ["left:   1", "not !=: 1"]),
        ("assert false", ["assertion failed: it is false", "2 | assert false"]),
        ("assert fails 1 / 1", ["it should fail, and did not"]),
        ('assert fails 1 / 0 with "nope"', ["does not say 'nope'", "division by zero"]),
        ("assert 1", ["type mismatch. expected bool, found number"]),
        ("assert x", ["unknown name `x`"]),
        ("assert fails 1 / 0 with 3", ["expected string, found number"]),
        ("let x = 1 / 0; assert true", ["division by zero"]),
        ("assert fails { assert 1 == 2; 1 }", ["found:    1"]),
    ],
)
def test_failing(body, shown):
    text = outcome(body)
    for each in shown:
        assert each in text


def test_long_values_are_compared_line_by_line():
    body = (
        'let a = for i in 1..20 { yield {name: "item ${i}", n: i}; };'
        ' let b = for i in 1..20 { yield {name: "item ${i}", n: i + i / 19}; }; assert a == b'
    )
    text = outcome(body)

    assert '-  {name: "item 19", n: 20},' in text
    assert '+  {name: "item 19", n: 19},' in text
    assert "item 3" not in text


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ('test "a" { 1 } test "a" { 2 }', "there are two tests 'a'"),
        ('test "a" { }', "a test needs at least one statement"),
        ('test "a" { 1', "expected `}` or `;` after a statement, found the end of the text"),
        ('test "a ${1}" { 1 }', "a pattern cannot be interpolated"),
        ("component shop from 1;", "expected the file of the component in quotes, found `1`"),
        ("let x = 1", "expected `;` after a statement outside of tests"),
    ],
)
def test_files_that_do_not_parse(text, cause):
    with pytest.raises(rib.CompileError) as error:
        rib.parse_tests(text)
    assert cause in error.value.diagnostics[0].cause


def test_what_a_file_needs():
    text = 'component shop from "../shop.wasm" ephemeral; component b from "b.wasm";'
    found = [
        (each.name, each.file, each.is_ephemeral) for each in rib.parse_tests(text).requirements
    ]

    assert found == [("shop", "../shop.wasm", True), ("b", "b.wasm", False)]


def test_assertions_are_for_test_files_only():
    (finding, *_) = rib.check("assert 1 == 1")

    assert "expected an operator" in finding.cause
    assert rib.check("let assert = 1; assert") == ()
