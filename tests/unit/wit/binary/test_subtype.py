"""Equality of types, which is all the subtyping that component types have."""

import pytest

from wit.subtype import same_function, same_type
from wit.types import (
    Borrow,
    Case,
    EnumType,
    ErrorContextType,
    Field,
    FixedListType,
    FlagsType,
    FunctionType,
    FutureType,
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

U8, U16 = Primitive.U8, Primitive.U16
CART = ResourceName("cart", "a:b/c")
DIFFERENT = [
    U8,
    U16,
    RecordType((Field("a", U8),)),
    RecordType((Field("b", U8),)),
    RecordType((Field("a", U16),)),
    RecordType((Field("a", U8), Field("b", U8))),
    VariantType((Case("a", U8),)),
    VariantType((Case("a"),)),
    VariantType((Case("a"), Case("b"))),
    EnumType(("a", "b")),
    EnumType(("b", "a")),
    FlagsType(("a", "b")),
    ListType(U8),
    ListType(U16),
    FixedListType(U8, 4),
    FixedListType(U8, 5),
    MapType(U8, U16),
    MapType(U16, U8),
    TupleType((U8,)),
    TupleType((U8, U8)),
    OptionType(U8),
    ResultType(),
    ResultType(ok=U8),
    ResultType(err=U8),
    Own(CART),
    Borrow(CART),
    Own(ResourceName("cart", "a:b/d")),
    FutureType(),
    FutureType(U8),
    StreamType(),
    StreamType(U8),
    ErrorContextType(),
]


@pytest.mark.parametrize("left", range(len(DIFFERENT)))
def test_a_type_equals_itself_and_nothing_else(left):
    for right in range(len(DIFFERENT)):
        # A copy of the right one, so that identity does not decide.
        wrapped = same_type(ListType(DIFFERENT[left]), ListType(DIFFERENT[right]))
        assert wrapped is (left == right)


def test_names_of_declarations_do_not_count():
    fields = (Field("e", EnumType(("x",), TypeName("one"))),)
    renamed = (Field("e", EnumType(("x",), TypeName("two", "a:b/c"))),)
    assert same_type(RecordType(fields, TypeName("r")), RecordType(renamed))


def test_types_that_share_their_parts_are_compared_in_linear_time():
    left = right = ListType(U8)
    for _ in range(90):
        left, right = TupleType((left, left)), TupleType((right, right))
    assert same_type(left, right)


@pytest.mark.parametrize(
    "other",
    [
        FunctionType((Parameter("y", U8),), U8),
        FunctionType((Parameter("x", U16),), U8),
        FunctionType((Parameter("x", U8),), U16),
        FunctionType((Parameter("x", U8),)),
        FunctionType((), U8),
        FunctionType((Parameter("x", U8),), U8, is_async=True),
    ],
)
def test_functions_differ_by_parameter_names_types_result_and_asynchrony(other):
    function = FunctionType((Parameter("x", U8),), U8)
    assert same_function(function, FunctionType((Parameter("x", U8),), U8))
    assert not same_function(function, other)
    assert not same_function(other, function)
