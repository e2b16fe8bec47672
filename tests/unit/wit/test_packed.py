"""Packed values: the bytes of the specification, one form for each value, and nothing else read."""

import math
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.wit_strategies import same, typed_values, types
from wit.errors import ValueMismatchError
from wit.limits import PACKED_BYTES_MAX, TYPE_DEPTH_MAX
from wit.packed import pack, packed_codec_for, unpack
from wit.text.type_expression import parse_type
from wit.types import (
    Case,
    EnumType,
    Field,
    FixedListType,
    FlagsType,
    ListType,
    Own,
    Primitive,
    RecordType,
    ResourceName,
    StreamType,
    TupleType,
    VariantType,
)

ITEM = RecordType((Field("name", Primitive.STRING), Field("qty", Primitive.U32)))
SHAPE = VariantType((Case("dot"), Case("circle", Primitive.U8)))
NINE = FlagsType(tuple(f"f{n}" for n in range(9)))


@pytest.mark.parametrize(
    ("type_", "value", "data"),
    [
        ("bool", True, "01"),
        ("u8", 255, "ff"),
        ("s8", -1, "ff"),
        ("u16", 128, "8001"),
        ("u64", 2**64 - 1, "ffffffffffffffffff01"),
        ("s16", -64, "40"),
        ("s16", 64, "c000"),
        ("s64", -(2**63), "8080808080808080807f"),
        ("f32", 1.5, "0000c03f"),
        ("f64", math.nan, "000000000000f87f"),
        ("char", "☃", "e29883"),
        ("string", "hi", "026869"),
        ("list<u8>", b"\x01\x02", "020102"),
        ("list<u16>", [1, 300], "0201ac02"),
        ("list<u8, 2>", b"\x01\x02", "0102"),
        ("tuple<u8, string>", (1, "a"), "010161"),
        ("option<u8>", None, "00"),
        ("option<option<u8>>", (None,), "0100"),
        ("result<u8, string>", ("err", "no"), "01026e6f"),
        ("result", ("ok", None), "00"),
        ("map<u8, string>", {2: "b", 1: "a"}, "020201620101" + "61"),
        (ITEM, {"name": "a", "qty": 5}, "016105"),
        (SHAPE, ("dot", None), "00"),
        (SHAPE, ("circle", 7), "0107"),
        (EnumType(("a", "b")), "b", "01"),
        (NINE, frozenset({"f0", "f8"}), "0101"),
    ],
)
def test_the_bytes_are_those_of_the_specification(type_, value, data):
    type_ = parse_type(type_) if isinstance(type_, str) else type_
    assert pack(value, type_).hex() == data
    assert same(unpack(bytes.fromhex(data), type_), value)


@given(typed_values())
def test_every_value_comes_back(typed):
    type_, value = typed
    data = pack(value, type_)
    again = unpack(data, type_)
    assert same(again, value)
    assert pack(again, type_) == data


@given(types(), st.binary(max_size=40))
def test_bytes_that_are_read_are_the_one_form_of_their_value(type_, data):
    try:
        value = unpack(data, type_)
    except ValueMismatchError:
        return
    assert pack(value, type_) == data


@pytest.mark.parametrize(
    ("type_", "data", "message"),
    [
        ("bool", "02", "expected 0 or 1, got 2 (at byte 0)"),
        ("bool", "", "the bytes end too early (at byte 0)"),
        ("u8", "0102", "1 bytes too many (at byte 1)"),
        ("u16", "8000", "0 is written with more bytes than it takes"),
        ("u16", "808004", "65536 lies above 65535"),
        ("u64", "ff" * 10 + "01", "the number is too long"),
        ("u32", "80", "the bytes end too early (at byte 1)"),
        ("s16", "ff7f", "-1 is written with more bytes than it takes"),
        ("s16", "808002", "32768 is no signed number of 16 bits"),
        ("f32", "0000", "the bytes end too early"),
        ("f64", "010000000000f87f", "a NaN other than the canonical one (at byte 0)"),
        ("char", "eda080", "no character in UTF-8"),
        ("string", "01ff", "no UTF-8 text (at byte 1)"),
        ("string", "0561", "5 lies above 2"),
        ("list<u16>", "020180", "[1]: the bytes end too early"),
        ("list<string>", "ffffffff0f", "4294967295 elements do not fit"),
        ("map<u8, u8>", "0201010102", "[1]: the key 1 stands there twice"),
        ("tuple<u8, bool>", "0107", "[1]: expected 0 or 1, got 7"),
        ("option<bool>", "0103", "expected 0 or 1, got 3"),
        ("result<u8, u8>", "02", "case 2 of result<u8, u8> is not there"),
        (ITEM, "016180", "qty: the bytes end too early"),
        (SHAPE, "01", "circle: the bytes end too early"),
        (EnumType(("a",)), "01", "case 1 of enum { a } is not there"),
        (NINE, "0002", "a flag beyond the 9 that there are"),
        (StreamType(), "", "stream cannot come from outside"),
        (Own(ResourceName("r")), "0161", "r cannot come from outside"),
    ],
)
def test_other_bytes_are_refused_with_their_place(type_, data, message):
    type_ = parse_type(type_) if isinstance(type_, str) else type_
    with pytest.raises(ValueMismatchError) as caught:
        unpack(bytes.fromhex(data), type_)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("type_", "value", "path"),
    [
        (ListType(ITEM), [{"name": "a", "qty": -1}], "[0].qty"),
        (ListType(ITEM), [{"name": "a"}], "[0]"),
        (SHAPE, ("circle", 300), "circle"),
        (SHAPE, ("square", None), ""),
        (ListType(SHAPE), 5, ""),
        (FixedListType(Primitive.U8, 2), b"a", ""),
        (FixedListType(Primitive.U16, 2), [1], ""),
        (Primitive.F32, 1e300, ""),
        (Primitive.STRING, "\ud800", ""),
        (Primitive.U8, "a", ""),
    ],
)
def test_a_wrong_value_is_refused_with_its_path(type_, value, path):
    with pytest.raises(ValueMismatchError) as caught:
        pack(value, type_)
    assert caught.value.path == path


def test_limits_are_errors():
    deep = Primitive.U16
    for _ in range(TYPE_DEPTH_MAX + 1):
        deep = ListType(deep)
    with pytest.raises(ValueMismatchError, match="nests deeper"):
        packed_codec_for(deep)
    with pytest.raises(ValueMismatchError, match="bytes, at most"):
        unpack(bytes(PACKED_BYTES_MAX + 1), Primitive.STRING)
    nothing = ListType(TupleType(()))
    assert unpack(pack([(), ()], nothing), nothing) == [(), ()]
    with pytest.raises(ValueMismatchError, match="do not fit"):
        unpack(bytes.fromhex("ffffffff0f"), nothing)


class Urns:
    def urn_of(self, handle, resource):
        return f"urn:{resource.name}/{handle}"

    def handle_of(self, urn, resource, *, borrowed):
        if not urn.startswith("urn:"):
            raise ValueError("no URN")
        return int(urn.rpartition("/")[2])


def test_handles_are_their_names():
    own = Own(ResourceName("cart"))
    data = pack([7], ListType(own), Urns())
    assert data == b"\x01\x0aurn:cart/7"
    assert unpack(data, ListType(own), Urns()) == [7]
    with pytest.raises(ValueMismatchError, match=r"no cart behind x: no URN \(at byte 0\)"):
        unpack(b"\x01x", own, Urns())


def test_packed_records_are_about_as_long_as_their_data():
    items = [{"name": f"item {n}", "qty": n} for n in range(1000)]
    names = sum(len(each["name"]) for each in items)
    assert len(pack(items, ListType(ITEM))) <= names + 4 * len(items)
    assert struct.calcsize("<I") == 4
