"""Evolution of worlds: every rule of docs/EVOLUTION.md."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.wit_strategies import types, values
from wit.compat import Bump, Verdict, compat
from wit.errors import ValueMismatchError
from wit.json_values import from_json, to_json
from wit.reading import reading_obstacle
from wit.text.resolver import resolve_text

OK, MESSAGES, BREAKING = Verdict.COMPATIBLE, Verdict.MESSAGES, Verdict.BREAKING


def world(types_and_functions, *, version="1.0.0", more=""):
    return resolve_text(
        f"package a:b@{version}; interface dep {{ resource r; h: func(); }}"
        f"interface api {{ {types_and_functions} }} world w {{ export api; {more} }}"
    ).world()


def verdicts(old, new):
    return [(change.verdict, change.reason) for change in compat(old, new).changes]


def of_parameter(old, new):
    return verdicts(world(f"{old} f: func(x: t);"), world(f"{new} f: func(x: t);"))


def of_result(old, new):
    return verdicts(world(f"{old} f: func() -> t;"), world(f"{new} f: func() -> t;"))


def test_equal_worlds_need_no_more_than_a_patch():
    report = compat(world("f: func();"), world("f: func();"))
    assert (report.changes, report.verdict, report.bump) == ((), OK, Bump.PATCH)


def test_a_renamed_type_is_no_change():
    assert (
        verdicts(world("enum t { a } f: func(x: t);"), world("enum u { a } f: func(x: u);")) == []
    )


def test_a_new_function_is_compatible_and_minor():
    report = compat(world("f: func();"), world("f: func(); g: func();"))
    assert [c.place for c in report.changes] == ["a:b/api@1.0.0.{g}"]
    assert (report.verdict, report.bump) == (OK, Bump.MINOR)


def test_a_removed_function_is_breaking_and_major():
    report = compat(world("f: func(); g: func();"), world("f: func();"))
    assert (report.verdict, report.bump) == (BREAKING, Bump.MAJOR)
    assert report.changes[0].reason == "the function is no longer exported"


def test_interfaces_come_and_go():
    assert verdicts(world(""), world("", more="export dep;")) == [
        (OK, "a new interface is exported")
    ]
    assert verdicts(world("", more="export dep;"), world(""))[0][0] is BREAKING


@pytest.mark.parametrize(
    ("old", "new", "verdict"),
    [("1.0.0", "1.1.0", OK), ("1.1.0", "1.0.0", BREAKING), ("1.0.0", "2.0.0", BREAKING)],
)
def test_versions_of_exported_interfaces(old, new, verdict):
    ((found, reason),) = verdicts(
        world("f: func();", version=old), world("f: func();", version=new)
    )
    assert found is verdict
    assert f"version {new} instead of {old}" in reason


def test_a_removed_resource_is_breaking():
    assert (BREAKING, "the resource is no longer exported") in verdicts(
        world("resource r; f: func();"), world("f: func();")
    )


WIDER = [
    ("type t = u8;", "type t = u32;"),
    ("type t = u8;", "type t = s16;"),
    ("type t = s32;", "type t = f64;"),
    ("type t = f32;", "type t = f64;"),
    ("enum t { a }", "enum t { a, b }"),
    ("flags t { a }", "flags t { a, b }"),
    ("variant t { a(u8) }", "variant t { a(u16), b }"),
    ("variant t { a }", "variant t { a(option<u8>) }"),
    ("record t { a: u8 }", "record t { a: u8, b: option<u8> }"),
    ("type t = u8;", "type t = option<u8>;"),
    ("type t = list<u16>;", "type t = list<u32>;"),
    ("type t = list<u16, 2>;", "type t = list<u16>;"),
    ("type t = list<u16, 2>;", "type t = list<u32, 2>;"),
    ("type t = tuple<u8, u8>;", "type t = tuple<u16, u8>;"),
    ("type t = map<string, u8>;", "type t = map<string, u16>;"),
    ("type t = result<u8, u8>;", "type t = result<u8, u16>;"),
    ("type t = option<u8>;", "type t = option<u16>;"),
]


@pytest.mark.parametrize(("narrow", "wide"), WIDER)
def test_a_parameter_may_take_more_for_callers_by_message(narrow, wide):
    ((verdict, _),) = of_parameter(narrow, wide)
    assert verdict is MESSAGES


@pytest.mark.parametrize(("narrow", "wide"), WIDER)
def test_a_parameter_may_not_take_less(narrow, wide):
    ((verdict, reason),) = of_parameter(wide, narrow)
    assert verdict is BREAKING
    assert reason.startswith("parameter x: ")


@pytest.mark.parametrize(("narrow", "wide"), WIDER)
def test_a_result_may_say_less_for_callers_by_message(narrow, wide):
    ((verdict, _),) = of_result(wide, narrow)
    # A field that is not written any more is missed only where it was required.
    assert verdict is MESSAGES


@pytest.mark.parametrize(("narrow", "wide"), WIDER)
def test_a_result_may_not_say_more(narrow, wide):
    ((verdict, reason),) = of_result(narrow, wide)
    assert verdict is BREAKING
    assert reason.startswith("result: ")


@pytest.mark.parametrize(
    ("old", "new", "verdict", "reason"),
    [
        ("f: func();", "f: func(x: option<u8>);", MESSAGES, "understands messages"),
        ("f: func();", "f: func(x: u8);", BREAKING, "parameter x is new and required"),
        ("f: func(x: u8);", "f: func();", BREAKING, "parameter x is gone"),
        ("f: func(x: u8);", "f: func(y: u8);", BREAKING, "is called y: calls by name break"),
        ("f: func();", "f: func() -> u8;", MESSAGES, "understands messages"),
        ("f: func() -> u8;", "f: func();", BREAKING, "the result is gone"),
        (
            "f: func(x: list<u8>);",
            "f: func(x: list<u16>);",
            BREAKING,
            "cannot be read as list<u16>",
        ),
        ("f: func(x: result);", "f: func(x: option<result>);", BREAKING, "cannot be read"),
        ("f: func(x: string);", "f: func(x: u8);", BREAKING, "string cannot be read as u8"),
        ("f: func(x: option<option<u8>>);", "f: func(x: option<u8>);", BREAKING, "cannot be read"),
        (
            "record t { a: u8 } f: func(x: list<t>);",
            "record t { a: u8, b: u8 } f: func(x: list<t>);",
            BREAKING,
            "parameter x: []: .b: the field is required, and not written",
        ),
        (
            "record t { a: u8 } f: func(x: t);",
            "record t { c: option<u8> } f: func(x: t);",
            BREAKING,
            ".a: the field is written, and not known",
        ),
        (
            "variant t { a } f: func(x: t);",
            "variant t { a(u8) } f: func(x: t);",
            BREAKING,
            ".a: a payload is required, and not written",
        ),
    ],
)
def test_other_changes_of_a_function(old, new, verdict, reason):
    ((found, text),) = verdicts(world(old), world(new))
    assert found is verdict
    assert reason in text


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("", "import dep;", [BREAKING]),
        ("import dep;", "", [OK]),
        ("", "import g: func();", [BREAKING]),
        ("import g: func();", "", [OK]),
        ("import g: func();", "import g: func(x: u8);", [BREAKING]),
    ],
)
def test_imports_ask_something_of_others(old, new, expected):
    assert [v for v, _ in verdicts(world("", more=old), world("", more=new))] == expected


@given(st.data())
def test_where_there_is_no_obstacle_every_value_is_read(data):
    writer = data.draw(types(2))
    reader = data.draw(types(2) | st.just(writer))
    value = data.draw(values(writer))
    if reading_obstacle(reader, writer) is None:
        try:
            from_json(to_json(value, writer), reader)
        except ValueMismatchError as error:
            raise AssertionError(f"{writer} is not readable as {reader}") from error
    assert reading_obstacle(writer, writer) is None
