"""Flat node lists: round trips, the order of nodes, and lists that lead nowhere."""

import pytest
from hypothesis import given

from tests.support.wit_strategies import same, typed_values, types
from wit.checking import check
from wit.errors import ValueMismatchError
from wit.subtype import same_type
from wit.text.resolver import resolve_text
from wit.types import (
    Case,
    EnumType,
    Field,
    FixedListType,
    FlagsType,
    ListType,
    MapType,
    OptionType,
    Own,
    Primitive,
    RecordType,
    ResourceName,
    ResultType,
    StreamType,
    TupleType,
    VariantType,
)
from wit.wit_value import (
    from_value_and_type,
    from_wit_type,
    from_wit_value,
    to_value_and_type,
    to_wit_type,
    to_wit_value,
)

U8, U32, STRING = Primitive.U8, Primitive.U32, Primitive.STRING

RPC = """
package golem:rpc@0.2.0;
interface types {
  type node-index = s32;
  record uri { value: string }
  record wit-value { nodes: list<wit-node> }
  variant wit-node {
    record-value(list<node-index>),
    variant-value(tuple<u32, option<node-index>>),
    enum-value(u32),
    flags-value(list<bool>),
    tuple-value(list<node-index>),
    list-value(list<node-index>),
    option-value(option<node-index>),
    result-value(result<option<node-index>, option<node-index>>),
    prim-u8(u8), prim-u16(u16), prim-u32(u32), prim-u64(u64),
    prim-s8(s8), prim-s16(s16), prim-s32(s32), prim-s64(s64),
    prim-float32(f32), prim-float64(f64), prim-char(char), prim-bool(bool), prim-string(string),
    handle(tuple<uri, u64>)
  }
  type resource-id = u64;
  enum resource-mode { owned, borrowed }
  record wit-type { nodes: list<wit-type-node> }
  variant wit-type-node {
    record-type(list<tuple<string, node-index>>),
    variant-type(list<tuple<string, option<node-index>>>),
    enum-type(list<string>),
    flags-type(list<string>),
    tuple-type(list<node-index>),
    list-type(node-index),
    option-type(node-index),
    result-type(tuple<option<node-index>, option<node-index>>),
    prim-u8-type, prim-u16-type, prim-u32-type, prim-u64-type,
    prim-s8-type, prim-s16-type, prim-s32-type, prim-s64-type,
    prim-f32-type, prim-f64-type, prim-char-type, prim-bool-type, prim-string-type,
    handle-type(tuple<resource-id, resource-mode>)
  }
}
"""
DECLARED = {
    each.name: each.type
    for each in resolve_text(RPC).packages["golem:rpc@0.2.0"].interfaces["types"].types
}


def plain(type_):
    """Return the type as it is described: fixed lists and maps are lists there."""
    match type_:
        case FixedListType(element):
            return ListType(plain(element))
        case MapType(key, value):
            return ListType(TupleType((key, plain(value))))
        case ListType(element):
            return ListType(plain(element))
        case TupleType(elements):
            return TupleType(tuple(map(plain, elements)))
        case OptionType(some):
            return OptionType(plain(some))
        case ResultType(ok, err):
            return ResultType(ok and plain(ok), err and plain(err))
        case RecordType(fields):
            return RecordType(tuple(Field(f.name, plain(f.type)) for f in fields))
        case VariantType(cases):
            return VariantType(tuple(Case(c.name, c.type and plain(c.type)) for c in cases))
        case _:
            return type_


@given(typed_values())
def test_every_value_survives_its_node_list(typed):
    type_, value = typed
    nodes = to_wit_value(value, type_)
    check(nodes, DECLARED["wit-value"])
    assert same(from_wit_value(nodes, type_), value)


@given(types())
def test_every_type_survives_its_node_list(type_):
    nodes = to_wit_type(type_)
    check(nodes, DECLARED["wit-type"])
    assert same_type(from_wit_type(nodes), plain(type_))


def test_a_value_travels_with_its_type():
    type_ = RecordType((Field("a", OptionType(U32)), Field("b", ListType(STRING))))
    value = {"a": (5,), "b": ["x"]}
    assert from_value_and_type(to_value_and_type(value, type_)) == (value, type_)


def test_parents_come_before_their_children():
    type_ = RecordType((Field("a", TupleType((U8, U8))), Field("b", OptionType(U32))))
    assert to_wit_value({"a": (1, 2), "b": (3,)}, type_)["nodes"] == [
        ("record-value", [1, 4]),
        ("tuple-value", [2, 3]),
        ("prim-u8", 1),
        ("prim-u8", 2),
        ("option-value", (5,)),
        ("prim-u32", 3),
    ]


@pytest.mark.parametrize(
    ("type_", "nodes", "message"),
    [
        (U8, [], "node 0 is not there, the list has 0"),
        (U8, [("prim-u16", 1)], "expected u8, got the node prim-u16"),
        (U8, [("prim-u8", 256)], "expected u8, got 256"),
        (STRING, [("prim-string", 5)], "expected string, got 5"),
        (STRING, [("prim-string", "\ud800")], "expected string"),
        (U8, {1: ("prim-u8", 1)}, "no list of value nodes"),
        (ListType(U8), [("list-value", 5)], "no list of value nodes"),
        (ListType(U8), [("list-value", [1])], "[0]: node 1 is not there"),
        (ListType(U8), [("list-value", [-1])], "[0]: node -1 is not there"),
        (ListType(ListType(U8)), [("list-value", [0])], "[0][0]: expected u8, got the node list"),
        (FixedListType(U8, 2), [("list-value", [])], "expected list<u8, 2>, got the node list"),
        (TupleType((U8,)), [("tuple-value", [])], "expected tuple<u8>, node 0 has 0 parts"),
        (
            RecordType((Field("a", U8),)),
            [("record-value", [1]), ("prim-bool", True)],
            "a: expected",
        ),
        (EnumType(("a",)), [("enum-value", 1)], "expected enum { a }, got the node enum-value"),
        (FlagsType(("a",)), [("flags-value", [])], "got the node flags-value"),
        (VariantType((Case("a"),)), [("variant-value", (1, None))], "case 1 of variant { a }"),
        (VariantType((Case("a"),)), [("variant-value", (0, (0,)))], "a has no payload"),
        (ResultType(U8), [("result-value", ("ok", None))], "ok needs a payload"),
        (Own(ResourceName("r")), [("handle", ({"value": "x"}, 1))], "expected r, got the node"),
    ],
)
def test_bad_node_lists_are_refused(type_, nodes, message):
    with pytest.raises(ValueMismatchError) as caught:
        from_wit_value({"nodes": nodes}, type_)
    assert message in str(caught.value)


DOUBLING = [*(("tuple-type", [n, n]) for n in range(1, 30)), ("prim-u8-type", None)]


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ([("list-type", 0)], "contains itself"),
        (DOUBLING, "too large"),
        ([("list-type", 7)], "node 7 is not there"),
        ([("mystery", 7)], "unknown type node mystery"),
        ([("enum-type", ["a", "a"])], "a name stands there twice"),
        ([("flags-type", [5])], "expected names"),
        ([("record-type", [("a", 1), ("a", 1)]), ("prim-u8-type", None)], "stands there twice"),
        ([("list-type",)], "no list of type nodes"),
        (5, "no list of type nodes"),
    ],
)
def test_bad_type_lists_are_refused(nodes, message):
    with pytest.raises(ValueMismatchError, match=message):
        from_wit_type({"nodes": nodes})


def test_a_list_that_multiplies_itself_is_stopped():
    nodes = [("list-value", [n + 1] * 100) for n in range(5)] + [("prim-u8", 1)]
    type_ = U8
    for _ in range(5):
        type_ = ListType(type_)
    with pytest.raises(ValueMismatchError, match="more than"):
        from_wit_value({"nodes": nodes}, type_)


class Names:
    """Handles are numbers, their URNs end in them."""

    def urn_of(self, handle, resource):
        return f"urn:worker:c/w/{handle}" if handle else "urn:plain"

    def handle_of(self, urn, resource, *, borrowed):
        if not urn.startswith("urn:"):
            raise ValueError("no URN")
        return urn


def test_handles_carry_their_number_apart():
    own = Own(ResourceName("r"))
    assert to_wit_value(7, own, Names()) == {
        "nodes": [("handle", ({"value": "urn:worker:c/w"}, 7))]
    }
    assert from_wit_value(to_wit_value(7, own, Names()), own, Names()) == "urn:worker:c/w/7"
    assert from_wit_value(to_wit_value(0, own, Names()), own, Names()) == "urn:plain"
    with pytest.raises(ValueMismatchError, match="no r behind x: no URN"):
        from_wit_value({"nodes": [("handle", ({"value": "x"}, 0))]}, own, Names())
    assert to_wit_type(own) == {"nodes": [("handle-type", (0, "owned"))]}


def test_what_cannot_be_written_is_refused():
    with pytest.raises(ValueMismatchError, match="cannot be shown outside"):
        to_wit_value(None, StreamType(U8))
    with pytest.raises(ValueMismatchError, match="cannot be described outside"):
        to_wit_type(ListType(StreamType(U8)))
    with pytest.raises(ValueMismatchError) as caught:
        to_wit_value([("b", None)], ListType(VariantType((Case("a"),))))
    assert caught.value.path == "[0]"
