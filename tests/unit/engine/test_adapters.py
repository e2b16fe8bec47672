"""Generated adapters against a memory made of a bytearray."""

import struct

import pytest

from actors.engine.abi.exports import generate_export
from actors.engine.abi.signature import core_signature, flatten, refusal, size_of
from actors.engine.errors import GuestTrap
from wit.binary.definitions import StringEncoding
from wit.types import (
    Borrow,
    Case,
    EnumType,
    FixedListType,
    FlagsType,
    FunctionType,
    FutureType,
    ListType,
    MapType,
    OptionType,
    Parameter,
    Primitive,
    ResourceName,
    ResultType,
    TupleType,
    VariantType,
)

P = Primitive


class FlatMemory:
    """Enough of the contract for types without strings and handles."""

    def __init__(self):
        self.data = bytearray(16)

    def span(self, pointer, count, size, alignment):
        return memoryview(bytes(self.data))[pointer : pointer + count * size]

    def put_items(self, data, count, alignment):
        self.data += bytes(-len(self.data) % alignment)
        pointer = len(self.data)
        self.data += data
        return pointer, count

    def put_bytes(self, data):
        return self.put_items(data, len(data), 1)

    def put_numbers(self, numbers, code, size):
        return self.put_items(struct.pack(f"<{len(numbers)}{code}", *numbers), len(numbers), size)

    def read_bytes(self, pointer, length):
        return bytes(self.span(pointer, length, 1, 1))

    def numbers(self, pointer, length, code, size):
        return self.span(pointer, length, size, size).cast(code).tolist()


def there_and_back(type_, value, *, spilled=False):
    """Store a value as an argument and load it as a result from where it was stored."""
    padding = (Parameter("pad", TupleType((P.U8,) * 17)),) if spilled else ()
    function = FunctionType((Parameter("x", type_), *padding), None)
    memory, slots = FlatMemory(), bytearray(16 * 17)
    adapter = generate_export(function, StringEncoding.UTF8, title="test")
    adapter.store(memory, None, slots, value, *([tuple(range(17))] if spilled else []))
    result = TupleType((type_, padding[0].type)) if spilled else type_
    back = generate_export(FunctionType((), result), StringEncoding.UTF8, title="test")
    loaded = back.load(memory, None, slots)
    return loaded[0] if spilled else loaded


LABELS = tuple(f"l{index}" for index in range(70))


@pytest.mark.parametrize("count", [1, 8, 9, 16, 17, 32, 33, 64, 70])
def test_flags_of_any_number_survive(count):
    labels = LABELS[:count]
    for value in (frozenset(), frozenset(labels), frozenset(labels[::3])):
        assert there_and_back(FlagsType(labels), value, spilled=True) == value


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        (FixedListType(P.U32, 3), [1, 2, 3]),
        (FixedListType(P.U8, 4), b"\x01\x02\x03\xff"),
        (FixedListType(OptionType(P.U16), 2), [None, (7,)]),
        (MapType(P.U32, ListType(P.U8)), {1: b"a", 2: b""}),
        (ListType(TupleType((P.U8, P.U64))), [(1, 2), (3, 4)]),
        (OptionType(OptionType(OptionType(P.BOOL))), ((None,),)),
        (OptionType(OptionType(P.BOOL)), (None,)),
        (ResultType(None, None), ("err", None)),
        (ResultType(P.F32, P.U64), ("ok", 1.5)),
        (ResultType(P.F32, P.U64), ("err", 2**64 - 1)),
        (VariantType((Case("a"), Case("b", P.S8), Case("c"))), ("b", -1)),
        (VariantType((Case("a"), Case("b", P.S8), Case("c"))), ("c", None)),
        (EnumType(tuple(f"e{index}" for index in range(300))), "e299"),
    ],
)
def test_values_survive_memory(type_, value):
    assert there_and_back(type_, value, spilled=True) == value


def test_types_nested_deeper_than_python_nests_expressions_survive():
    type_, value = P.U32, 5
    for level in range(90):
        if level % 2:
            type_, value = OptionType(type_), (value,)
        else:
            type_, value = TupleType((type_,)), (value,)
    assert there_and_back(type_, value, spilled=True) == value


@pytest.mark.parametrize("value", [[1, 2], [1, 2, 3, 4]])
def test_a_list_of_fixed_length_must_have_that_length(value):
    with pytest.raises(ValueError, match="no case of its type"):
        there_and_back(FixedListType(P.U32, 3), value, spilled=True)


def test_sizes_and_alignments_follow_the_canonical_abi():
    assert size_of(TupleType((P.U8, P.U32, P.U8))) == (12, 4)
    assert size_of(VariantType((Case("a", P.U8), Case("b", P.U64)))) == (16, 8)
    assert size_of(OptionType(P.U8)) == (2, 1)
    assert size_of(FlagsType(LABELS[:33])) == (8, 4)
    assert size_of(EnumType(tuple(map(str, range(257))))) == (2, 2)
    assert size_of(P.STRING) == (8, 4)


def test_flattened_cases_join_to_the_wider_core_type():
    assert flatten(ResultType(P.F32, P.U32)) == ("i32", "i32")
    assert flatten(ResultType(P.F32, P.U64)) == ("i32", "i64")
    assert flatten(ResultType(P.F64, P.F64)) == ("i32", "f64")
    assert flatten(VariantType((Case("a", P.STRING), Case("b", P.F64)))) == ("i32", "i64", "i32")


def test_many_parameters_and_results_travel_through_memory():
    many = FunctionType((Parameter("x", TupleType((P.U64,) * 17)),), P.STRING)
    assert core_signature(many, lowered=False).parameters == ("i32",)
    assert core_signature(many, lowered=False).results == ("i32",)
    assert core_signature(many, lowered=True).parameters == ("i32", "i32")
    assert core_signature(many, lowered=True).results == ()


@pytest.mark.parametrize(
    ("type_", "reason"),
    [
        (FunctionType((Parameter("x", ListType(FutureType(P.U8))),)), "futures"),
        (FunctionType((), OptionType(Borrow(ResourceName("r")))), "borrowed"),
        (FunctionType((), FixedListType(P.U64, 1 << 30)), "more than"),
    ],
)
def test_types_that_cannot_be_carried_are_refused(type_, reason):
    assert reason in refusal(type_)


@pytest.mark.parametrize(
    ("type_", "slot"),
    [
        (EnumType(("a", "b")), 2),
        (P.CHAR, 0xD800),
        (P.CHAR, 0x110000),
        (ResultType(None, None), 2),
    ],
)
def test_bad_core_results_trap(type_, slot):
    slots = bytearray(struct.pack("<Q8x", slot))
    adapter = generate_export(FunctionType((), type_), StringEncoding.UTF8, title="test")
    with pytest.raises(GuestTrap) as caught:
        adapter.load(None, None, slots)
    assert caught.value.kind == "abi"


def test_small_integers_ignore_the_upper_bits_of_their_slot():
    for type_, expected in ((P.U8, 0xFF), (P.S8, -1), (P.U16, 0xFEFF), (P.S32, -0x10101)):
        slots = bytearray(struct.pack("<Q8x", 0xABCDFFFEFEFF))
        adapter = generate_export(FunctionType((), type_), StringEncoding.UTF8, title="test")
        assert adapter.load(None, None, slots) == expected
