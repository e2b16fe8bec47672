"""Values as JSON: round trips over random types, the special forms, and errors with a path."""

import contextlib
import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.wit_strategies import calls, same, typed_values, types
from wit.errors import ParseError, ValueMismatchError, WitError
from wit.json_values import (
    codec_for,
    decode_json,
    encode_json,
    from_json,
    parameters_from_json,
    parameters_to_json,
    parse_json,
    to_json,
)
from wit.limits import JSON_BYTES_MAX, TYPE_DEPTH_MAX
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

U8, U32, U64, S8 = Primitive.U8, Primitive.U32, Primitive.U64, Primitive.S8
F32, F64, STRING, CHAR, BOOL = (
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
SHAPE = VariantType((Case("point"), Case("circle", F64), Case("maybe", OptionType(U8))))


@given(typed_values())
def test_every_value_survives_json_text(typed):
    type_, value = typed
    assert same(decode_json(encode_json(value, type_), type_), value)


@given(typed_values())
def test_every_value_survives_decoded_json(typed):
    type_, value = typed
    assert same(from_json(to_json(value, type_), type_), value)


@given(calls())
def test_every_call_survives_as_array_and_as_object(call):
    function, arguments = call
    array = parameters_to_json(arguments, function)
    named = {p.name: json for p, json in zip(function.parameters, array, strict=True)}
    assert same(parameters_from_json(array, function), arguments)
    assert same(parameters_from_json(named, function), arguments)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(types(), _JSON)
def test_any_json_is_read_or_refused_with_our_own_error(type_, json):
    try:
        value = from_json(json, type_)
    except ValueMismatchError:
        return
    assert same(from_json(to_json(value, type_), type_), value)


@given(st.binary(max_size=60), types(1))
def test_any_bytes_are_read_or_refused_with_our_own_error(data, type_):
    with contextlib.suppress(WitError):
        decode_json(data, type_)


@pytest.mark.parametrize(
    ("type_", "value", "json"),
    [
        (ListType(U8), b"\x01\x02", {"base64": "AQI="}),
        (FixedListType(U8, 2), b"\x01\x02", {"base64": "AQI="}),
        (ListType(U32), [1, 2], [1, 2]),
        (F64, math.inf, "inf"),
        (F64, -math.inf, "-inf"),
        (F64, math.nan, "nan"),
        (F32, 0.10000000149011612, 0.1),
        (F32, 3.4028234663852886e38, 3.4028235e38),
        (OptionType(U32), None, None),
        (OptionType(U32), (5,), 5),
        (OptionType(OptionType(U32)), None, None),
        (OptionType(OptionType(U32)), (None,), {"some": None}),
        (OptionType(OptionType(U32)), ((5,),), {"some": 5}),
        (ResultType(U32, None), ("ok", 5), {"ok": 5}),
        (ResultType(U32, None), ("err", None), {"err": None}),
        (SHAPE, ("point", None), {"point": None}),
        (SHAPE, ("circle", 2.5), {"circle": 2.5}),
        (SHAPE, ("maybe", (1,)), {"maybe": 1}),
        (FlagsType(("a", "b", "c")), frozenset({"c", "a"}), ["a", "c"]),
        (TupleType((U8, STRING)), (1, "x"), [1, "x"]),
        (MapType(STRING, U8), {"a": 1}, {"a": 1}),
        (MapType(U8, F64), {1: math.inf}, [[1, "inf"]]),
        (CHAR, "☃", "☃"),
        (U64, 2**64 - 1, 2**64 - 1),
    ],
)
def test_the_json_form_of_a_value(type_, value, json):
    assert to_json(value, type_) == json
    assert msgspec.json.decode(encode_json(value, type_)) == json
    assert same(from_json(json, type_), value)


@pytest.mark.parametrize(
    ("type_", "json", "value"),
    [
        (ListType(U8), [1, 2], b"\x01\x02"),
        (F64, 5, 5.0),
        (F32, 0.1, 0.10000000149011612),
        (SHAPE, "point", ("point", None)),
        (SHAPE, "maybe", ("maybe", None)),
        (ITEM, {"qty": 1, "name": "x"}, {"name": "x", "qty": 1, "note": None}),
    ],
)
def test_shorter_forms_are_understood_too(type_, json, value):
    assert same(from_json(json, type_), value)


@pytest.mark.parametrize(
    ("type_", "json", "message"),
    [
        (U32, -1, "expected u32, got -1: it lies outside 0…4294967295"),
        (U32, True, "expected u32, got true"),
        (U32, 1.0, "expected u32, got 1.0"),
        (U32, "1", 'expected u32, got "1"'),
        (U64, 2**64, "it lies outside"),
        (BOOL, 1, "expected bool, got 1"),
        (F64, "infinity", 'expected f64, got "infinity"'),
        (F64, 10**400, "it is too large"),
        (F32, 1e39, "it is too large"),
        (CHAR, "ab", 'expected char, got "ab": it must be one Unicode scalar value'),
        (CHAR, "\ud800", "it must be one Unicode scalar value"),
        (CHAR, 97, "expected char, got 97"),
        (STRING, "a\udc00", "lone surrogate"),
        (STRING, None, "expected string, got null"),
        (ListType(U32), {"a": 1}, "expected list<u32>, got an object with a"),
        (ListType(U32), [1, -2], "[1]: expected u32, got -2"),
        (ListType(U8), {"base64": "%"}, 'base64: expected base64 text, got "%"'),
        (ListType(U8), {"base64": "AA==", "x": 1}, 'as {"base64": "…"}'),
        (FixedListType(U32, 2), [1], "expected list<u32, 2>, got 1 elements"),
        (TupleType((U8, U8)), [1], "expected tuple<u8, u8>, got an array of 1"),
        (TupleType((U8, U8)), [1, 300], "[1]: expected u8, got 300"),
        (MapType(STRING, U8), {"k": -1}, '["k"]: expected u8, got -1'),
        (MapType(U8, U8), [[1, 2], [1, 3]], "[1]: the key 1 stands there twice"),
        (MapType(U8, U8), [[1]], "[0]: expected [key, value], got an array of 1"),
        (ITEM, [], "expected item, got an array of 0"),
        (ITEM, {"qty": 1}, "missing field name of item"),
        (ITEM, {"name": "x", "qyt": 1}, 'unknown field "qyt", did you mean qty?'),
        (ITEM, {"name": "x", "qty": 1, "z": 1}, 'unknown field "z", expected one of name'),
        (ITEM, {"name": "x", "qty": -1}, "qty: expected u32, got -1"),
        (SHAPE, {"circl": 1}, 'unknown case "circl", did you mean circle?'),
        (SHAPE, {"circle": "x"}, 'circle: expected f64, got "x"'),
        (SHAPE, {"point": 1}, "point: expected null, got 1: point has no payload"),
        (SHAPE, {"a": 1, "b": 2}, 'as {"case": payload or null}, got an object with a, b'),
        (ResultType(U8, STRING), "ok", 'expected result<u8, string> as {"case"'),
        (ResultType(U8, STRING), {"err": 1}, "err: expected string, got 1"),
        (EnumType(("red", "green")), "gren", "did you mean green?"),
        (EnumType(("red",), TypeName("color")), 1, "expected color, got 1"),
        (FlagsType(("read",)), ["raed"], '[0]: unknown label "raed", did you mean read?'),
        (FlagsType(("read",)), ["read", 1], "[1]: expected a label, got 1"),
        (FlagsType(("read",)), "read", "as an array of strings"),
        (OptionType(OptionType(U8)), 5, 'as null or {"some": …}, got 5'),
        (OptionType(OptionType(U8)), {"some": "x"}, 'some: expected u8, got "x"'),
        (StreamType(U8), [], "stream<u8> cannot be given from outside"),
        (Own(ResourceName("cart")), "urn:x", "cart cannot be given from outside"),
    ],
)
def test_misfits_say_where_and_what_was_expected(type_, json, message):
    with pytest.raises(ValueMismatchError) as caught:
        from_json(json, type_)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("element", "good", "bad", "index"),
    [
        (U8, [0, 255], [0, 255, 256], 2),
        (U32, [0, 2**32 - 1], [0, True, 1], 1),
        (S8, [-128, 127], [-129], 0),
        (F64, [1.5, 2.5], [1.5, "x"], 1),
        (STRING, ["a", "é"], ["a", 1], 1),
        (STRING, ["a", "b"], ["é", "\ud800"], 1),
    ],
)
def test_long_lists_are_checked_element_by_element(element, good, bad, index):
    assert list(from_json(good, ListType(element))) == good
    with pytest.raises(ValueMismatchError) as caught:
        from_json(bad, ListType(element))
    assert caught.value.path == f"[{index}]"


def test_the_path_leads_through_all_containers():
    order = RecordType((Field("lines", ListType(TupleType((U8, OptionType(ITEM))))),))
    function = FunctionType((Parameter("order", order),))
    json = {"lines": [[1, None], [2, {"name": "x", "qty": -1}]]}
    with pytest.raises(ValueMismatchError) as caught:
        parameters_from_json([json], function)
    assert caught.value.path == "params[0].lines[1][1].qty"
    with pytest.raises(ValueMismatchError) as caught:
        parameters_from_json({"order": json}, function)
    assert caught.value.path == "params.order.lines[1][1].qty"


@pytest.mark.parametrize(
    ("json", "message"),
    [
        ([], "params: expected 2 parameters (item, note), got 0"),
        (["a", "b", "c"], "params: expected 2 parameters (item, note), got 3"),
        ({}, "params: missing parameter item"),
        ({"itme": "a"}, 'params: unknown parameter "itme", did you mean item?'),
        ("a", 'params: expected an array or an object of parameters, got "a"'),
    ],
)
def test_wrong_parameters_are_named(json, message):
    function = FunctionType((Parameter("item", STRING), Parameter("note", OptionType(STRING))))
    with pytest.raises(ValueMismatchError) as caught:
        parameters_from_json(json, function)
    assert str(caught.value) == message


def test_options_may_be_left_out_of_parameters():
    function = FunctionType((Parameter("item", STRING), Parameter("note", OptionType(STRING))))
    assert parameters_from_json(["a"], function) == ["a", None]
    assert parameters_from_json({"item": "a"}, function) == ["a", None]


def test_a_value_that_does_not_have_its_type_is_found_when_written():
    with pytest.raises(ValueMismatchError) as caught:
        to_json([("circle", 1.0), ("square", None)], ListType(SHAPE))
    assert caught.value.path == "[1]"
    with pytest.raises(ValueMismatchError) as caught:
        encode_json({"name": "x", "qty": object(), "note": None}, ITEM)
    assert caught.value.path == "qty"


@pytest.mark.parametrize("value", [[1], {"a": b""}, {"a": {1: object()}}])
def test_plain_values_are_not_copied(value):
    type_ = ListType(U32) if isinstance(value, list) else RecordType((Field("a", STRING),))
    assert to_json(value, type_) is value


class Names:
    """Handles are numbers, their URNs end in them."""

    def urn_of(self, handle, resource):
        return f"urn:{resource.name}:{handle}"

    def handle_of(self, urn, resource, *, borrowed):
        kind, _, number = urn.rpartition(":")
        if kind != f"urn:{resource.name}":
            raise ValueError(f"not a {resource.name}")
        return (int(number), borrowed)


def test_handles_are_urns_where_somebody_can_name_them():
    cart = ResourceName("cart", "demo:shop/api")
    assert to_json([7], ListType(Own(cart)), Names()) == ["urn:cart:7"]
    assert from_json("urn:cart:7", Own(cart), Names()) == (7, False)
    assert from_json(["urn:cart:7"], ListType(Borrow(cart)), Names()) == [(7, True)]
    with pytest.raises(ValueMismatchError, match="no cart behind") as caught:
        from_json(["urn:shop:1"], ListType(Own(cart)), Names())
    assert caught.value.path == "[0]"
    with pytest.raises(ValueMismatchError, match="cart cannot be shown outside"):
        to_json(7, Own(cart))


def test_equal_types_share_a_codec():
    assert codec_for(ListType(ITEM)) is codec_for(ListType(ITEM))


def test_malformed_json_is_placed():
    with pytest.raises(ParseError) as caught:
        parse_json(b'{"a": 1,\n  "b": }')
    assert (caught.value.line, caught.value.column) == (2, 8)
    with pytest.raises(ParseError):
        parse_json(b'"\xff"')


def test_limits_are_errors_and_not_crashes():
    with pytest.raises(ParseError, match="nests too deeply"):
        parse_json(b"[" * 100_000)
    with pytest.raises(ParseError, match="at most"):
        parse_json(b" " * (JSON_BYTES_MAX + 1))
    deep = U8
    for _ in range(TYPE_DEPTH_MAX + 1):
        deep = OptionType(deep)
    with pytest.raises(ValueMismatchError, match="nests deeper than"):
        codec_for(deep)
