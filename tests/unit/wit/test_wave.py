"""WAVE: round trips over random types, each form of the format, and errors with their place."""

import contextlib
import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.support.wit_strategies import calls, same, typed_values, types
from wit.errors import ParseError, ValueMismatchError, WitError
from wit.limits import WAVE_CHARACTERS_MAX, WAVE_DEPTH_MAX
from wit.types import (
    Borrow,
    Case,
    EnumType,
    Field,
    FixedListType,
    FlagsType,
    FunctionType,
    ListType,
    MapType,
    OptionType,
    Own,
    Parameter,
    Primitive,
    RecordType,
    ResourceName,
    ResultType,
    StreamType,
    TupleType,
    TypeName,
    VariantType,
)
from wit.wave import (
    bind_arguments,
    bind_nodes,
    bind_result,
    format_call,
    format_outcome,
    format_value,
    parse_call,
    parse_outcome,
    parse_value,
)

U8, U32, S64, F32, F64, STRING, CHAR, BOOL = (
    Primitive.U8,
    Primitive.U32,
    Primitive.S64,
    Primitive.F32,
    Primitive.F64,
    Primitive.STRING,
    Primitive.CHAR,
    Primitive.BOOL,
)
ITEM = RecordType(
    (Field("name", STRING), Field("qty", U32), Field("note", OptionType(STRING))),
    TypeName("item", "demo:shop/api"),
)
LOOSE = RecordType((Field("a", OptionType(U8)),), TypeName("loose"))
SHAPE = VariantType((Case("point"), Case("circle", F64), Case("err", STRING)), TypeName("shape"))
STATUS = EnumType(("ok", "not-found"), TypeName("status"))
PERMS = FlagsType(("read", "write", "exec"), TypeName("perms"))


@given(typed_values())
def test_every_value_survives_its_text(typed):
    type_, value = typed
    text = format_value(value, type_)
    assert same(parse_value(text, type_), value)
    assert "\n" not in text


@given(calls())
def test_every_call_survives_its_text(call):
    function, arguments = call
    text = format_call("demo:shop/api.{buy}", arguments, function.parameters)
    parsed = parse_call(text)
    assert parsed.function == "demo:shop/api.{buy}"
    assert same(bind_arguments(parsed, function), arguments)


_MARKS = ["{", "}", "[", "]", "(", ")", ",", ":", ".", "%", "-", '"', '"""', "'", "\\", "\n", " "]
_WORDS = ["a", "some", "ok", "inf", "1", "-1.5e3", "//", "\\u{41}", "☃", "\x00", "a-b", '"x"']
_PIECES = st.lists(st.sampled_from(_MARKS + _WORDS), max_size=12).map("".join)


@given(_PIECES | st.text(max_size=20), types(2))
@example('"""\n"""', STRING)
def test_any_text_is_read_or_refused_with_our_own_error(text, type_):
    with contextlib.suppress(WitError):
        parse_call(text)
    try:
        value = parse_value(text, type_)
    except WitError:
        return
    assert same(parse_value(format_value(value, type_), type_), value)


@pytest.mark.parametrize(
    ("text", "type_", "value"),
    [
        ("true", BOOL, True),
        (" false // no", BOOL, False),
        ("123", U32, 123),
        ("-9", S64, -9),
        ("3.14", F64, 3.14),
        ("6.022e+23", F64, 6.022e23),
        ("1E2", F64, 100.0),
        ("5", F64, 5.0),
        ("nan", F64, math.nan),
        ("inf", F32, math.inf),
        ("-inf", F64, -math.inf),
        ("-0.0", F64, -0.0),
        ("0.1", F32, 0.10000000149011612),
        ("'x'", CHAR, "x"),
        ("'☃'", CHAR, "☃"),
        (r"'\''", CHAR, "'"),
        ("'\"'", CHAR, '"'),
        (r"'\u{0}'", CHAR, "\x00"),
        (r"'\u{1F44B}'", CHAR, "👋"),
        (r"'\\'", CHAR, "\\"),
        ('"abc\\t123"', STRING, "abc\t123"),
        ('""', STRING, ""),
        (r'"\"\'\\\t\n\r\u{e9}"', STRING, "\"'\\\t\n\ré"),
        ('"// no comment"', STRING, "// no comment"),
        ('("abc", 123)', TupleType((STRING, U8)), ("abc", 123)),
        ('("abc", 123,)', TupleType((STRING, U8)), ("abc", 123)),
        ("[1, 2, 3]", ListType(U32), [1, 2, 3]),
        ("[]", ListType(U32), []),
        ("[1,2,]", ListType(U8), b"\x01\x02"),
        ("[1, 2]", FixedListType(U32, 2), [1, 2]),
        ('[("a", 1)]', MapType(STRING, U8), {"a": 1}),
        ('{name: "x", qty: 1}', ITEM, {"name": "x", "qty": 1, "note": None}),
        ('{%qty: 1, name: "x", note: "n",}', ITEM, {"name": "x", "qty": 1, "note": ("n",)}),
        ("{:}", LOOSE, {"a": None}),
        ("{a: 1}", LOOSE, {"a": (1,)}),
        ("point", SHAPE, ("point", None)),
        ("circle(2)", SHAPE, ("circle", 2.0)),
        ('%err("oops")', SHAPE, ("err", "oops")),
        ("%ok", STATUS, "ok"),
        ("not-found", STATUS, "not-found"),
        ("%not-found", STATUS, "not-found"),
        ("5", OptionType(U8), (5,)),
        ("some(5)", OptionType(U8), (5,)),
        ("none", OptionType(U8), None),
        ("%none", OptionType(EnumType(("none", "a"))), ("none",)),
        ("some(none)", OptionType(OptionType(U8)), (None,)),
        ("some(some(1))", OptionType(OptionType(U8)), ((1,),)),
        ("some(1)", OptionType(OptionType(U8)), ((1,),)),
        ("5", ResultType(U8), ("ok", 5)),
        ("ok(5)", ResultType(U8), ("ok", 5)),
        ("ok", ResultType(None, STRING), ("ok", None)),
        ('err("oops")', ResultType(None, STRING), ("err", "oops")),
        ("err", ResultType(), ("err", None)),
        ("ok(1)", ResultType(OptionType(U8)), ("ok", (1,))),
        ("{read, write}", PERMS, frozenset({"read", "write"})),
        ("{ write , read , }", PERMS, frozenset({"read", "write"})),
        ("{}", PERMS, frozenset()),
        ("{%read}", PERMS, frozenset({"read"})),
        ("[ // first\n  1, // second\n  2\n]", ListType(U32), [1, 2]),
        ('"""\nA single line\n"""', STRING, "A single line"),
        ('"""\n    Indented\n      more\n  """', STRING, "  Indented\n    more"),
        ('"""\r\nwindows\r\nlines\r\n"""', STRING, "windows\nlines"),
        ('"""\n  kept \\r\n  three ""\\""\n  """', STRING, 'kept \r\nthree """"'),
        ('"""\n"""', STRING, ""),
        ('"""\n\n"""', STRING, ""),
        ('"""\n\n\n"""', STRING, "\n"),
    ],
)
def test_each_form_of_a_value(text, type_, value):
    assert same(parse_value(text, type_), value)


@pytest.mark.parametrize(
    ("text", "type_", "message"),
    [
        ("", U8, "1:1: expected a value, got end of text"),
        ("1 2", U8, "1:3: expected end of text, got `2`"),
        ("[1, 2", ListType(U8), "1:1: `[` is never closed: expected `,` or `]`"),
        ("[1 2]", ListType(U8), "1:4: expected `,` or `]`, got `2`"),
        ("[1,,2]", ListType(U8), "1:4: expected a value or `]`, got `,`"),
        ("[1, 2)", ListType(U8), "1:6: expected `,` or `]`, got `)`"),
        ("{a: 1, b}", ITEM, "1:9: expected `:` and the value of b, got `}`"),
        ("{a, b: 1}", ITEM, "1:6: expected `,` or `}`, got `:`"),
        ("{1}", ITEM, "1:2: expected a name or `}`, got `1`"),
        ("{a: }", ITEM, "1:5: expected the value of a, got `}`"),
        ("{:", LOOSE, "1:1: `{` is never closed"),
        ("some(1, 2)", U8, "1:7: expected `)`, as a payload is one value, got `,`"),
        ("some()", U8, "1:6: expected a payload, got `)`"),
        ('"abc', STRING, "1:1: the string does not end on its line"),
        ('"a\nb"', STRING, "1:1: the string does not end on its line"),
        (r'"\q"', STRING, "1:2: unknown escape"),
        (r'"\u{d800}"', STRING, "1:2: expected the hexadecimal number of a Unicode scalar value"),
        (r'"\u{110000}"', STRING, "scalar value"),
        (r'"\u{}"', STRING, "scalar value"),
        (r'"\u{xyz}"', STRING, "scalar value"),
        ("'ab'", CHAR, "1:1: expected one character and a closing quote"),
        ("''", CHAR, "1:1: expected one character and a closing quote"),
        ("'\n'", CHAR, "1:1: expected one character"),
        ("007", U8, "1:1: malformed number"),
        ("1.", F64, "1:1: malformed number"),
        ("12abc", U8, "1:1: malformed number"),
        ("-", U8, "1:1: malformed number"),
        ("%", U8, "1:1: expected a name right after %"),
        ("&", U8, "1:1: unexpected character `&`"),
        ('"""x', STRING, '1:4: expected a line break right after `"""`'),
        ('"""\nx', STRING, '1:1: the multiline string is never closed by `"""`'),
        ('"""\nx"""', STRING, '2:2: expected a line of its own for the closing `"""`'),
        ('"""\n x\n  """', STRING, "2:1: expected at least 2 spaces"),
        ('[\n  "a",\n  "b" "c"\n]', ListType(STRING), '3:7: expected `,` or `]`, got `"c"`'),
    ],
)
def test_bad_syntax_is_placed(text, type_, message):
    with pytest.raises(ParseError) as caught:
        parse_value(text, type_)
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"{caught.value.line}:{caught.value.column}: ")
    assert "^" in str(caught.value).splitlines()[-1]


@pytest.mark.parametrize(
    ("text", "type_", "message"),
    [
        ("256", U8, 'expected u8, got "256": it lies outside 0…255'),
        ("9" * 5000, U8, "it lies outside 0…255"),
        ("1.0", U8, "expected u8, got 1.0"),
        ('"1"', U8, 'expected u8, got the string "1"'),
        ("'a'", STRING, "expected string, got the char 'a'"),
        ("yes", BOOL, "expected bool, got `yes`"),
        ("%true", BOOL, "expected bool, got `true`"),
        ("1e999", F64, "it is too large"),
        ("1e39", F32, "it is too large"),
        ("x", F64, "expected f64, got `x`"),
        ("[300]", ListType(U8), "[0]: expected u8"),
        ("[1]", FixedListType(U8, 2), "expected list<u8, 2>, got a list of 1"),
        ("(1,)", TupleType((U8, U8)), "expected tuple<u8, u8>, got a tuple of 1"),
        ('(1, "a")', TupleType((U8, U8)), "[1]: expected u8"),
        ("{}", LOOSE, "write `{:}` for a record of which nothing is given"),
        ("{a}", LOOSE, "expected loose, got flags"),
        ('{name: "x", qyt: 1}', ITEM, 'unknown field "qyt", did you mean qty?'),
        ('{name: "x"}', ITEM, "missing field qty of item"),
        ('{name: "x", name: "y"}', ITEM, "name stands there twice"),
        ('{name: "x", qty: -1}', ITEM, "qty: expected u32"),
        ("squar", SHAPE, 'unknown case "squar"'),
        ("circl(1)", SHAPE, "did you mean circle?"),
        ("circle", SHAPE, "expected circle(…) with a payload of f64"),
        ("point(1)", SHAPE, "point has no payload"),
        ('err("x")', SHAPE, "`err` is a keyword, write `%err` for the case"),
        ("ok", STATUS, "`ok` is a keyword, write `%ok` for the case"),
        ("not-fond", STATUS, "did you mean not-found?"),
        ("not-found(1)", STATUS, "expected status, got `not-found(…)`"),
        ("1", OptionType(OptionType(U8)), "expected option<option<u8>> as none or some(…), got 1"),
        ("none(1)", OptionType(U8), "expected none, some(…) or a value of u8, got `none(…)`"),
        ("some", OptionType(U8), "got `some`"),
        ("5", ResultType(None, U8), "expected result<_, u8> as ok or err, got 5"),
        ("ok(1)", ResultType(), "ok has no payload"),
        ("ok", ResultType(U8), "expected ok(…) with a payload of u8"),
        ("err(x)", ResultType(U8, BOOL), "err: expected bool, got `x`"),
        ("{raed}", PERMS, "did you mean read?"),
        ("{read, read}", PERMS, "read stands there twice"),
        ("[(1, 2), (1, 3)]", MapType(U8, U8), "the key 1 stands there twice"),
        ("{a: 1}", MapType(U8, U8), "expected map<u8, u8>, got a record"),
        ("1", StreamType(U8), "expected stream<u8>, got 1"),
        ('"urn:x"', Own(ResourceName("cart")), "expected cart, got the string"),
    ],
)
def test_misfits_show_path_and_place(text, type_, message):
    with pytest.raises(ValueMismatchError) as caught:
        parse_value(text, type_)
    assert message in str(caught.value)
    assert "^" in str(caught.value).splitlines()[-1]


def test_the_caret_stands_below_the_culprit():
    with pytest.raises(ValueMismatchError) as caught:
        parse_value('[\n\t{name: "x", qty: "many"}]', ListType(ITEM))
    assert str(caught.value) == (
        '[0].qty: expected u32, got the string "many"\n'
        '  2 | \t{name: "x", qty: "many"}]\n'
        "    | \t                 ^"
    )


def test_long_lines_are_cut_around_the_caret():
    with pytest.raises(ParseError) as caught:
        parse_value(f"[{'1, ' * 500}&{', 2' * 500}]", ListType(U8))
    line, carets = str(caught.value).splitlines()[1:]
    assert len(line) < 120
    assert line[carets.index("^")] == "&"


@pytest.mark.parametrize(
    ("text", "function", "constructor"),
    [
        ("add(1)", "add", False),
        ("api/add(1)", "api/add", False),
        ("api.{add}(1)", "api.{add}", False),
        ("demo:counter/api.{add}(1)", "demo:counter/api.{add}", False),
        ("demo:counter/api@1.0.0.{add}(1)", "demo:counter/api@1.0.0.{add}", False),
        ("demo:counter/api@1.0.0-rc.1+b2.{add}(1)", "demo:counter/api@1.0.0-rc.1+b2.{add}", False),
        ("demo:counter/api#add(1)", "demo:counter/api#add", False),
        ("{add}(1)", "{add}", False),
        ("%use(1)", "use", False),
        (" add // why\n ( 1 , ) ", "add", False),
        ("api.{ cart.new } (1)", "api.{cart.new}", False),
        ("[constructor]cart(1)", "[constructor]cart", False),
        ("[method]cart.add(1)", "[method]cart.add", False),
        ("api.{[method]cart.add}(1)", "api.{[method]cart.add}", False),
        ('demo:shop/api@1.0.0.{cart("x)").add}(1)', "demo:shop/api@1.0.0.{cart.add}", True),
        ('{cart("x").%add}(1)', "{cart.add}", True),
        ('cart("x").add(1)', "cart.add", True),
        ('api/cart("x").add(1)', "api/cart.add", True),
    ],
)
def test_each_form_of_a_function_name(text, function, constructor):
    call = parse_call(text)
    assert call.function == function
    assert bind_nodes(call.arguments, [Parameter("n", U8)], text=text) == [1]
    assert (call.constructor is not None) is constructor


def test_arguments_of_the_constructor_are_bound_too():
    text = '{cart("x").add}(1)'
    call = parse_call(text)
    assert bind_nodes(call.constructor, [Parameter("name", STRING)], text=text) == ["x"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "1:1: expected the name of a function, got end of text"),
        ("(1)", "1:1: expected the name of a function, got `(`"),
        ("1(1)", "1:1: expected the name of a function, got `1`"),
        ("add", "1:4: expected `(` and the arguments after the name of the function"),
        ("add(1", "1:4: `(` is never closed"),
        ("add(1) 2", "1:8: expected end of text: only one call, got `2`"),
        ("add(1).(2)", "1:8: expected the name of a method, got `(`"),
        ("add(1).b", "1:9: expected `(` and the arguments after the name of the method"),
        ("api.{}(1)", "1:6: expected the name of a function, got `}`"),
        ("api.{add(1)", "1:12: expected `.` and the name of the method, got end of text"),
        ("api.{cart(1)}(1)", "1:13: expected `.` and the name of the method, got `}`"),
        ("api.{add(1)", "`.` and the name"),
        ("api.{add", "1:5: expected `}` after the name of the function, got end of text"),
        ("api.{add,(1)", "1:9: expected `}` after the name of the function, got `,`"),
        ("{a(1).b}.c(1)", "1:9: expected `(` and the arguments"),
    ],
)
def test_bad_calls_are_placed(text, message):
    with pytest.raises(ParseError) as caught:
        parse_call(text)
    assert message in str(caught.value)


def test_trailing_options_may_be_left_out():
    function = FunctionType(
        (Parameter("a", U8), Parameter("b", OptionType(U8)), Parameter("c", OptionType(U8)))
    )
    assert bind_arguments(parse_call("f(1)"), function) == [1, None, None]
    assert bind_arguments(parse_call("f(1, 2)"), function) == [1, (2,), None]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("f()", "params: expected 2 arguments (a: u8, b: option<u8>), got 0"),
        ("f(1, 2, 3)", "params: expected 2 arguments (a: u8, b: option<u8>), got 3"),
        ("f(1, x)", "params[1]: expected u8, got `x`"),
    ],
)
def test_wrong_arguments_are_named(text, message):
    function = FunctionType((Parameter("a", U8), Parameter("b", OptionType(U8))))
    with pytest.raises(ValueMismatchError) as caught:
        bind_arguments(parse_call(text), function)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("value", "type_", "text"),
    [
        (5.0, F64, "5.0"),
        (0.10000000149011612, F32, "0.1"),
        (math.nan, F32, "nan"),
        (-math.inf, F64, "-inf"),
        ('a"b\\\n\x00é\u202e', STRING, r'"a\"b\\\n\u{0}é\u{202e}"'),
        ("'", CHAR, r"'\''"),
        ('"', CHAR, "'\"'"),
        (b"\x01\xff", ListType(U8), "[1, 255]"),
        ((5,), OptionType(U8), "some(5)"),
        (("ok", None), ResultType(), "ok"),
        (("err", "x"), SHAPE, '%err("x")'),
        ("ok", STATUS, "%ok"),
        (frozenset({"write", "read"}), PERMS, "{read, write}"),
        (frozenset(), PERMS, "{}"),
        (
            {"name": "x", "qty": 1, "note": None},
            ITEM,
            '{name: "x", qty: 1, note: none}',
        ),
    ],
)
def test_the_text_of_a_value(value, type_, text):
    assert format_value(value, type_) == text


def test_a_value_that_does_not_have_its_type_is_found_when_printed():
    with pytest.raises(ValueMismatchError) as caught:
        format_value([("circle", 1.0), ("square", None)], ListType(SHAPE))
    assert caught.value.path == "[1]"


class Names:
    """Handles are numbers, their URNs end in them."""

    def urn_of(self, handle, resource):
        return f"urn:{resource.name}:{handle}"

    def handle_of(self, urn, resource, *, borrowed):
        return (int(urn.removeprefix(f"urn:{resource.name}:")), borrowed)


def test_handles_are_urns_where_somebody_can_name_them():
    cart = ResourceName("cart")
    assert format_value([7], ListType(Own(cart)), Names()) == '["urn:cart:7"]'
    assert parse_value('"urn:cart:7"', Borrow(cart), Names()) == (7, True)
    with pytest.raises(ValueMismatchError, match="no cart behind"):
        parse_value('"urn:dog:7"', Own(cart), Names())
    with pytest.raises(ValueMismatchError, match="cart cannot be shown outside"):
        format_value(7, Own(cart))


def test_limits_are_errors_and_not_crashes():
    with pytest.raises(ParseError, match="nest deeper"):
        parse_value("[" * (WAVE_DEPTH_MAX + 1), ListType(U8))
    with pytest.raises(ParseError, match="nest deeper"):
        parse_value("some(" * (WAVE_DEPTH_MAX + 1), ListType(U8))
    with pytest.raises(ParseError, match="nest deeper"):
        parse_value("{a: " * (WAVE_DEPTH_MAX + 1), ListType(U8))
    with pytest.raises(ParseError, match="at most"):
        parse_value(" " * (WAVE_CHARACTERS_MAX + 1), U8)


RESULTS = FunctionType((Parameter("a", Primitive.U8),), ResultType(Primitive.U8, Primitive.STRING))
NOTHING = FunctionType((Parameter("a", Primitive.U8),))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("f(1) -> ok(2)", ("ok", 2)),
        ("f(1) -> 2", ("ok", 2)),
        ('f(1)->err("no")', ("err", "no")),
        ("f(1) -> (0: ok(2))", ("ok", 2)),
        ("f(1) -> (result-a: ok(2),)", ("ok", 2)),
    ],
)
def test_a_call_with_its_result(text, value):
    outcome = parse_outcome(text)
    assert bind_arguments(outcome.call, RESULTS) == [1]
    assert bind_result(outcome, RESULTS) == value
    printed = format_outcome("f", [1], value, RESULTS)
    assert bind_result(parse_outcome(printed), RESULTS) == value


@pytest.mark.parametrize("text", ["f(1)", "f(1) -> ()", "f(1) -> ( )"])
def test_a_call_without_a_result(text):
    assert bind_result(parse_outcome(text), NOTHING) is None
    assert format_outcome("f", [1], None, NOTHING) == "f(1) -> ()"


def test_a_result_that_is_a_tuple_is_no_list_of_entries():
    pair = FunctionType((), TupleType((Primitive.U8, Primitive.U8)))
    assert bind_result(parse_outcome("f() -> (1, 2)"), pair) == (1, 2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("f(1) ->", "1:8: expected a result, got end of text"),
        ("f(1) -> (a: 1, b: 2)", "1:16: expected `)`, as a function has one result at most"),
        ("f(1) -> 1 2", "1:11: expected end of text"),
        ("f(1) > 1", "1:6: unexpected character `>`"),
    ],
)
def test_a_bad_result_is_explained(text, message):
    with pytest.raises(ParseError) as caught:
        parse_outcome(text)
    assert str(caught.value).startswith(message)


def test_a_result_of_another_type_is_refused():
    for text, function in (("f(1) -> 300", RESULTS), ("f(1)", RESULTS), ("f(1) -> 1", NOTHING)):
        with pytest.raises(ValueMismatchError) as caught:
            bind_result(parse_outcome(text), function)
        assert caught.value.path == "result"
    with pytest.raises(ParseError, match="expected end of text: only one call, got `->`"):
        parse_call("f(1) -> 2")
