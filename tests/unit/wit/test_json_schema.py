"""Schemas describe what is written, and what they let pass is read."""

import json

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.wit_strategies import typed_values
from wit.errors import ValueMismatchError
from wit.json_schema import JsonSchemas
from wit.json_values import codec_for, encode_json
from wit.types import (
    Case,
    Field,
    FixedListType,
    FlagsType,
    ListType,
    MapType,
    OptionType,
    Primitive,
    RecordType,
    ResultType,
    TupleType,
    TypeName,
    VariantType,
)

P = Primitive
ITEM = RecordType(
    (Field("sku", P.STRING), Field("note", OptionType(P.U8))), TypeName("item", "a:b/c")
)
SHAPE = VariantType((Case("point"), Case("circle", P.F64)), TypeName("shape"))


def validator(type_):
    schemas = JsonSchemas()
    schema = {**schemas.of(type_), "$defs": schemas.definitions}
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    return jsonschema_rs.validator_for(schema)


@given(typed_values())
def test_what_is_written_is_what_the_schema_says(typed):
    type_, value = typed
    written = json.loads(encode_json(value, type_))
    assert validator(type_).is_valid(written), (type_, written)


CASES = [
    (P.U8, [0, 255], [256, -1, "1", None, True]),
    (P.CHAR, ["x", "é"], ["", "ab", 1]),
    (P.F32, [1.5, 2, "nan"], ["x", None, 1e39]),
    (
        ITEM,
        [{"sku": "a"}, {"sku": "a", "note": None}],
        [{}, {"sku": 1}, {"sku": "a", "more": 1}, []],
    ),
    (SHAPE, [{"point": None}, "point", {"circle": 1}], ["circle", {"point": 1}, {}, "square"]),
    (ListType(P.U8), [[1], {"base64": "AQ=="}], [[256], {"base64": "A"}, "AQ=="]),
    (FixedListType(P.U8, 2), [[1, 2]], [[1], [1, 2, 3]]),
    (TupleType((P.U8, P.STRING)), [[1, "a"]], [[1], [1, "a", 2], ["a", 1]]),
    (MapType(P.STRING, P.U8), [{"a": 1}, {}], [{"a": -1}, [["a", 1]]]),
    (MapType(P.U8, P.STRING), [[[1, "a"]]], [{"1": "a"}, [[1]]]),
    (OptionType(OptionType(P.U8)), [None, {"some": None}, {"some": 1}], [1]),
    (ResultType(P.U8), [{"ok": 1}, {"err": None}], [{}, {"ok": None}, {"err": 1}]),
    (FlagsType(("a", "b")), [[], ["b", "a"]], [["c"], "a"]),
]


@pytest.mark.parametrize(("type_", "good", "bad"), CASES)
def test_schema_and_reader_agree(type_, good, bad):
    schema, codec = validator(type_), codec_for(type_)
    for each in good:
        assert schema.is_valid(each), each
        codec.from_json(each)
    for each in bad:
        assert not schema.is_valid(each), each
        with pytest.raises(ValueMismatchError):
            codec.from_json(each)


@given(st.data())
def test_what_the_schema_of_a_nested_type_refuses_is_refused(data):
    type_ = ListType(data.draw(st.sampled_from([case[0] for case in CASES])))
    json_ = st.recursive(
        st.none() | st.booleans() | st.integers(-2, 300) | st.sampled_from(["a", "point", "ok"]),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["sku", "point", "ok", "some", "a"]), inner, max_size=2
            )
        ),
        max_leaves=5,
    )
    value = data.draw(st.lists(json_, max_size=2))
    if not validator(type_).is_valid(value):
        with pytest.raises(ValueMismatchError):
            codec_for(type_).from_json(value)


def test_named_types_are_definitions_with_names_of_their_own():
    other = RecordType((Field("x", P.U8),), TypeName("item", "d:e/f"))
    schemas = JsonSchemas("#/x/")
    first, second = schemas.of(ITEM), schemas.of(other)
    assert (first, second) == ({"$ref": "#/x/item"}, {"$ref": "#/x/d.e.f.item"})
    assert schemas.of(ITEM) == first
    assert list(schemas.definitions) == ["item", "d.e.f.item"]
