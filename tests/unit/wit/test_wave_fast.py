"""The quick way of reading WAVE never differs from the full one, whatever the text is."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.support.wit_strategies import same, typed_values, types, values
from wit.errors import ParseError, ValueMismatchError, WitError
from wit.limits import WAVE_CHARACTERS_MAX
from wit.misfit import Misfit
from wit.text.type_expression import parse_type
from wit.types import (
    Case,
    EnumType,
    Field,
    FlagsType,
    ListType,
    OptionType,
    Primitive,
    RecordType,
    VariantType,
)
from wit.wave import format_value, parse_call, parse_value
from wit.wave_binding import bind
from wit.wave_fast import LONG_TEXT_CHARACTERS, NotPlainError, quick_value
from wit.wave_nodes import NumberNode, StringNode
from wit.wave_syntax import _Parser, parse_value_text

ITEM = RecordType(
    (
        Field("name", Primitive.STRING),
        Field("qty", Primitive.U32),
        Field("note", OptionType(Primitive.STRING)),
    )
)
SHAPE = VariantType((Case("dot"), Case("dot-dot", Primitive.F32), Case("ok")))
PERMS = FlagsType(("read", "write"))


def full(text, type_):
    return bind(parse_value_text(text), type_, None)


def assert_never_different(text, type_):
    try:
        value = quick_value(text, type_)
    except NotPlainError:
        return
    assert same(value, full(text, type_))


@settings(max_examples=200)
@given(typed_values(), st.data())
def test_what_is_read_quickly_is_read_the_same(typed, data):
    type_, value = typed
    text = format_value(value, type_)
    assert_never_different(text, type_)
    if text:
        at = data.draw(st.integers(0, len(text)))
        piece = data.draw(st.sampled_from([*' ,:"()[]{}\\n1-.%ea', "//", "\n", "some(", "none"]))
        for changed in (text[:at] + piece + text[at:], text[:at] + text[at + 1 :]):
            assert_never_different(changed, type_)


@settings(max_examples=60)
@given(types(), types(), st.data())
def test_the_value_of_another_type_is_not_taken_for_one(type_, other, data):
    assert_never_different(format_value(data.draw(values(other)), other), type_)


@pytest.mark.parametrize(
    ("text", "type_"),
    [
        ('{name: "a", qty: 5, note: some("x")}', ITEM),
        (' { name : "a" , qty : 5 , } ', ITEM),
        ('{name: "\\"\\n\\t", qty: 0}', ITEM),
        ('[{name: "a", qty: 5}, {name: "b", qty: 6, note: none},]', ListType(ITEM)),
        ("[]", ListType(ITEM)),
        ("[[1, 2], [], [3,]]", ListType(ListType(Primitive.U8))),
        ("[dot, dot-dot(1.5), dot-dot(-inf)]", ListType(SHAPE)),
        ("[{read}, {}, {write, read,}]", ListType(PERMS)),
        ("(some(none), ok([true]), err('☃'))", "tuple<option<option<u8>>, result<list<bool>>, "),
        ("[red, deep-red]", ListType(EnumType(("red", "deep-red")))),
        ("[-5, 0, -0]", ListType(Primitive.S8)),
    ],
)
def test_what_programs_write_is_plain(text, type_):
    if isinstance(type_, str):
        type_ = parse_type(type_ + "result<_, char>>")
    assert same(quick_value(text, type_), full(text, type_))


@pytest.mark.parametrize(
    ("text", "type_"),
    [
        ("5", ITEM),
        ('{name: "a"}', ITEM),
        ("[1, 2", ListType(Primitive.U8)),
        ("[256]", ListType(Primitive.U8)),
        ("[1e999]", ListType(Primitive.F64)),
        ("[1e40]", ListType(Primitive.F32)),
        ("[01]", ListType(Primitive.U8)),
        ("[1] // comment", ListType(Primitive.U8)),
        ("[ok]", ListType(SHAPE)),
        ("[{read, read}]", ListType(PERMS)),
        ("[%red]", ListType(EnumType(("red",)))),
        ("{}", RecordType(())),
        ('["""\na\n"""]', ListType(Primitive.STRING)),
    ],
)
def test_everything_else_is_left_to_the_full_way(text, type_):
    with pytest.raises(NotPlainError):
        quick_value(text, type_)


def test_long_texts_take_the_quick_way_and_errors_stay_as_good():
    items = [{"name": f"n{n}", "qty": n, "note": None} for n in range(1000)]
    text = format_value(items, ListType(ITEM))
    assert len(text) > LONG_TEXT_CHARACTERS
    assert parse_value(text, ListType(ITEM)) == items
    with pytest.raises(ValueMismatchError) as caught:
        parse_value(text.replace("qty: 999", "qty: -1"), ListType(ITEM))
    assert caught.value.path == "[999].qty"
    with pytest.raises(ParseError, match="is never closed"):
        parse_value(text[:-1], ListType(ITEM))
    assert parse_value(text[:-1] + "// the end\n]", ListType(ITEM)) == items
    with pytest.raises(ParseError, match="at most"):
        parse_value(" " * (WAVE_CHARACTERS_MAX + 1), ListType(ITEM))


FLOATS = ListType(Primitive.F64)
WITH_OPTIONS = ListType(
    RecordType((Field("a", Primitive.S32), Field("b", OptionType(Primitive.S32))))
)


@pytest.mark.parametrize(
    ("text", "type_"),
    [
        ("[1.]", FLOATS),
        ("[1e+]", FLOATS),
        ("[1.5, 2.0e]", FLOATS),
        ("[{a: 1, b: }]", WITH_OPTIONS),
        ("[{a: 1, b: some( }]", WITH_OPTIONS),
        ("[{a: 1, ,}]", WITH_OPTIONS),
    ],
)
def test_what_is_broken_off_is_not_read_quickly(text, type_):
    with pytest.raises(NotPlainError):
        quick_value(text, type_)


def full_call(text):
    parser = _Parser(text)
    call = parser.call()
    parser.end("end of text: only one call")
    return call


def outcome(read, text):
    try:
        return read(text)
    except WitError as error:
        return str(error)


_CALLS = st.sampled_from(
    ["add", "a-b", "a/b", "x.y", "[method]a.b", "a:b/c@1.0.0", "1a", "%a", "", "a b", "é"]
)
_ARGUMENTS = st.sampled_from(
    ["", "5", "-5", "05", "5.0", '"a"', '"a\\n"', '""', " 5", "5,", "5 6", '"""', "x", "(5)"]
)


@given(_CALLS, st.lists(_ARGUMENTS, max_size=3), st.sampled_from([",", ", ", ",  ", " , "]))
@example("a", ["9" * 400], ",")
@example("a", ["5"] * 20, ",")
@example("a", ["5,", ""], ",")
@example("a", ["5", " ", '"a"'], ",")
def test_a_plain_call_is_the_call_that_the_parser_reads(name, arguments, comma):
    text = f"{name}({comma.join(arguments)})"
    assert outcome(parse_call, text) == outcome(full_call, text)


def test_the_places_of_a_plain_call_are_right():
    assert parse_call("add(5)").arguments == (NumberNode(4, "5"),)
    assert parse_call('say("x")').arguments == (StringNode(4, "x"),)
    both = (StringNode(4, "x"), NumberNode(9, "-5"), StringNode(12, ""))
    assert parse_call('say("x", -5,"")').arguments == both


@pytest.mark.parametrize("text", ["\u0661\u0662", "-\u0661", "--1", "-", "", "1.0", "\u00b2"])
def test_a_node_whose_text_is_no_integer_binds_to_none(text):
    with pytest.raises(Misfit):
        bind(NumberNode(0, text), Primitive.S32, None)
