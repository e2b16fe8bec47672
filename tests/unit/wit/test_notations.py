"""Every value survives every way from one notation to another, and types the way through JSON."""

import itertools

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.wit_strategies import same, typed_values, types
from wit.errors import ValueMismatchError
from wit.json_values import decode_json, encode_json
from wit.packed import pack, unpack
from wit.text.type_expression import parse_type
from wit.typed_json import from_typed_json, to_typed_json, type_from_json, type_to_json
from wit.types import (
    Borrow,
    EnumType,
    Field,
    ListType,
    Own,
    Primitive,
    RecordType,
    ResourceName,
    StreamType,
    TypeName,
    VariantType,
)
from wit.wave import format_value, parse_value
from wit.wit_value import from_wit_value, to_wit_value


def _typed_json(value, type_):
    return msgspec.json.encode(to_typed_json(value, type_))


def _from_typed_json(data, type_):
    value, told = from_typed_json(msgspec.json.decode(data))
    assert told == type_
    return value


NOTATIONS = {
    "wave": (format_value, parse_value),
    "json": (encode_json, decode_json),
    "typed json": (_typed_json, _from_typed_json),
    "nodes": (to_wit_value, from_wit_value),
    "packed": (pack, unpack),
}
PAIRS = list(itertools.product(NOTATIONS, repeat=2))


@settings(max_examples=40)
@given(typed_values())
def test_every_value_survives_every_pair_of_notations(typed):
    type_, value = typed
    for first, second in PAIRS:
        for write, read in (NOTATIONS[first], NOTATIONS[second]):
            value = read(write(value, type_), type_)
        assert same(value, typed[1]), (first, second)


@given(types())
def test_every_type_survives_json(type_):
    assert type_from_json(msgspec.json.decode(msgspec.json.encode(type_to_json(type_)))) == type_


def test_types_look_as_golem_writes_them():
    item = RecordType(
        (Field("name", Primitive.STRING), Field("sign", Primitive.CHAR)),
        TypeName("item", "demo:shop/api"),
    )
    assert to_typed_json([{"name": "a", "sign": "x"}], ListType(item)) == {
        "typ": {
            "type": "List",
            "inner": {
                "type": "Record",
                "name": "item",
                "owner": "demo:shop/api",
                "fields": [
                    {"name": "name", "typ": {"type": "Str"}},
                    {"name": "sign", "typ": {"type": "Chr"}},
                ],
            },
        },
        "value": [{"name": "a", "sign": "x"}],
    }
    assert type_to_json(parse_type("result<_, tuple<u64, f32>>")) == {
        "type": "Result",
        "ok": None,
        "err": {"type": "Tuple", "items": [{"type": "U64"}, {"type": "F32"}]},
    }
    handle = Borrow(ResourceName("cart", "demo:shop/api"))
    told = type_to_json(handle)
    assert told == {
        "type": "Handle",
        "name": "cart",
        "owner": "demo:shop/api",
        "resourceId": 0,
        "mode": "Borrowed",
    }
    assert type_from_json(told) == handle
    assert type_from_json({"type": "Handle", "mode": "Owned"}) == Own(ResourceName("resource"))


U8 = {"type": "U8"}


@pytest.mark.parametrize(
    ("json", "message"),
    [
        (5, "expected an object, got 5"),
        ({}, "expected an object with the member typ"),
        ({"typ": {"type": "u8"}, "value": 1}, "typ: unknown type"),
        ({"typ": U8}, "expected an object with typ and value"),
        ({"typ": U8, "value": -1}, "value: expected u8, got -1"),
        ({"typ": {"type": "List"}}, "typ: expected an object with the member inner"),
        ({"typ": {"type": "List", "inner": 5}}, "typ.inner: expected an object, got 5"),
        ({"typ": {"type": "List", "inner": U8, "length": 0}}, "typ.length: expected a length"),
        ({"typ": {"type": "Tuple", "items": [U8, {}]}}, "typ.items[1]: unknown type"),
        ({"typ": {"type": "Tuple", "items": 5}}, "typ.items: expected an array, got 5"),
        (
            {"typ": {"type": "Record", "fields": [{"name": "a"}]}},
            "typ.fields[0]: expected an object with the member typ",
        ),
        ({"typ": {"type": "Record", "fields": [{"typ": U8}]}}, "typ.fields[0].name: expected a"),
        (
            {"typ": {"type": "Record", "fields": [{"name": "a", "typ": U8}] * 2}},
            "typ.fields: a name stands there twice",
        ),
        ({"typ": {"type": "Enum", "cases": ["a", "a"]}}, "typ.cases: expected names, each once"),
        ({"typ": {"type": "Flags", "names": [5]}}, "typ.names: expected names, each once"),
        ({"typ": {"type": "Map", "key": {"type": "F32"}, "value": U8}}, "typ.key: expected a type"),
        ({"typ": {"type": "Handle", "mode": "x"}}, "typ.mode: expected Owned or Borrowed"),
        ({"typ": {"type": "Enum", "cases": [], "name": 5}}, "typ.name: expected a name, got 5"),
    ],
)
def test_json_that_describes_no_value_is_refused_with_its_path(json, message):
    with pytest.raises(ValueMismatchError) as caught:
        from_typed_json(json)
    assert message in str(caught.value)


def test_what_cannot_be_described_is_refused():
    with pytest.raises(ValueMismatchError, match="cannot be described outside"):
        type_to_json(ListType(StreamType(Primitive.U8)))
    deep = {"type": "U8"}
    for _ in range(101):
        deep = {"type": "Option", "inner": deep}
    with pytest.raises(ValueMismatchError, match="nests deeper than"):
        type_from_json(deep)
    assert type_from_json({"type": "Variant", "cases": []}) == VariantType(())
    assert type_from_json({"type": "Enum", "cases": []}) == EnumType(())


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "inner", "name", "fields", "typ", "cases", "items", "value"]),
            inner | st.sampled_from(["List", "Record", "Enum", "U8", "Variant", "Tuple"]),
            max_size=4,
        )
    ),
)


@given(_JSON)
def test_any_json_is_a_typed_value_or_refused_with_our_own_error(json):
    try:
        value, type_ = from_typed_json(json)
    except ValueMismatchError:
        return
    assert same(from_typed_json(to_typed_json(value, type_))[0], value)
