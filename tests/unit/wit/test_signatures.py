"""How functions and types are shown."""

import pytest

from wit.signatures import (
    declarations,
    export_signatures,
    function_type_text,
    rendering,
    signature,
)
from wit.type_text import definition_text, type_text
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
from wit.world import Function, Interface, World

U8, STRING = Primitive.U8, Primitive.STRING
COLOR = EnumType(("red", "use"), TypeName("color", "demo:a/b"))
POINT = RecordType((Field("x", U8), Field("record", COLOR)), TypeName("point", "demo:a/b"))
CART = ResourceName("cart", "demo:a/b")


@pytest.mark.parametrize(
    ("type_", "text"),
    [
        (None, "_"),
        (U8, "u8"),
        (POINT, "point"),
        (ListType(POINT), "list<point>"),
        (FixedListType(U8, 4), "list<u8, 4>"),
        (MapType(STRING, POINT), "map<string, point>"),
        (TupleType((U8, STRING)), "tuple<u8, string>"),
        (OptionType(U8), "option<u8>"),
        (ResultType(), "result"),
        (ResultType(U8), "result<u8>"),
        (ResultType(None, U8), "result<_, u8>"),
        (ResultType(U8, STRING), "result<u8, string>"),
        (Own(CART), "cart"),
        (Borrow(CART), "borrow<cart>"),
        (FutureType(), "future"),
        (FutureType(U8), "future<u8>"),
        (StreamType(U8), "stream<u8>"),
        (StreamType(), "stream"),
        (ErrorContextType(), "error-context"),
        (EnumType(("a",), TypeName("list")), "%list"),
        (FlagsType(("a", "b")), "flags { a, b }"),
        (VariantType((Case("a"), Case("b", U8))), "variant { a, b(u8) }"),
        (RecordType(()), "record {}"),
    ],
)
def test_the_text_of_a_type(type_, text):
    assert type_text(type_) == text


def test_a_definition_spells_out_one_level():
    assert definition_text(POINT) == "record point { x: u8, %record: color }"


def test_a_rendering_declares_what_it_needs_before_it_is_used():
    assert rendering(ListType(POINT)) == (
        "enum color {\n  red,\n  %use,\n}\n\n"
        "record point {\n  x: u8,\n  %record: color,\n}\n\n"
        "list<point>"
    )
    assert rendering(POINT).endswith("%record: color,\n}")
    assert rendering(OptionType(U8)) == "option<u8>"


def test_each_declaration_is_written_once():
    assert len(declarations([POINT, ListType(POINT), COLOR])) == 2


def test_signatures_of_each_kind():
    add = FunctionType((Parameter("value", U8), Parameter("from", POINT)), STRING)
    method = FunctionType((Parameter("self", Borrow(CART)), Parameter("n", U8)))
    world = World(
        export_interfaces=(
            Interface(
                "demo:a/b",
                (
                    Function("add", add, "demo:a/b"),
                    Function("[method]cart.put", method, "demo:a/b"),
                ),
            ),
            Interface("exports", (Function("init", FunctionType(()), "exports"),)),
        ),
        export_functions=(Function("run", FunctionType((), ResultType())),),
    )
    assert export_signatures(world) == (
        "demo:a/b.{add}(value: u8, %from: point) -> string",
        "demo:a/b.{cart.put}(n: u8)",
        "{run}() -> result",
    )
    assert signature(world.export_functions[0]) == "{run}() -> result"
    assert function_type_text(method) == "func(self: borrow<cart>, n: u8)"
    assert function_type_text(FunctionType((), U8, is_async=True)) == "async func() -> u8"
