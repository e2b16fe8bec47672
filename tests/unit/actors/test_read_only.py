"""Which functions a component may declare as read-only, and by what names."""

import pytest

from actors.components.read_only import declares, resolved
from actors.engine.errors import ComponentError
from wit.names import answers_to
from wit.types import Borrow, FunctionType, ListType, Own, Parameter, Primitive, ResourceName
from wit.world import Function, Interface, World

API = "demo:shop/api@1.0.0"
CART = ResourceName("cart", API)
SELF = (Parameter("self", Borrow(CART)),)
WORLD = World(
    export_interfaces=(
        Interface(
            API,
            (
                Function("get", FunctionType((), Primitive.U64), API),
                Function("[constructor]cart", FunctionType((), Own(CART)), API),
                Function("[method]cart.size", FunctionType(SELF, Primitive.U32), API),
                Function("[method]cart.parts", FunctionType(SELF, ListType(Own(CART))), API),
                Function("close", FunctionType((Parameter("it", Own(CART)),)), API),
            ),
        ),
        Interface("demo:shop/other", (Function("get", FunctionType(()), "demo:shop/other"),)),
    ),
    export_functions=(Function("alone", FunctionType(())),),
)


def test_every_name_of_a_function_means_the_one_full_name() -> None:
    names = ["api/get", "cart.size", "{alone}", "demo:shop/api.{get}", "[method]cart.size"]
    assert resolved(WORLD, names, kind="durable") == (
        "demo:shop/api@1.0.0.{cart.size}",
        "demo:shop/api@1.0.0.{get}",
        "{alone}",
    )
    assert resolved(WORLD, [], kind="ephemeral") == ()
    assert resolved(WORLD, ["api.get"], kind="durable") == ("demo:shop/api@1.0.0.{get}",)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("got", "did you mean"),
        ("get", "ambiguous"),
        ("cart.new", "gives or takes a resource"),
        ("cart.parts", "gives or takes a resource"),
        ("close", "gives or takes a resource"),
    ],
)
def test_what_cannot_only_read_is_refused_by_name(name: str, words: str) -> None:
    with pytest.raises(ComponentError, match=words) as caught:
        resolved(WORLD, ["api/get", name], kind="durable")
    assert f"read-only {name}: " in str(caught.value)


def test_an_ephemeral_worker_has_nothing_to_read() -> None:
    with pytest.raises(ComponentError, match="no state"):
        resolved(WORLD, ["api/get"], kind="ephemeral")


def test_a_call_is_told_apart_whatever_version_it_names() -> None:
    declared = resolved(WORLD, ["api/get", "cart.size"], kind="durable")
    assert declares(declared, "demo:shop/api.{get}")
    assert declares(declared, "demo:shop/api@1.0.7.{cart.size}")
    assert not declares(declared, "demo:shop/other.{get}")
    # It may be any interface's: better to refuse a circle too many than to wait for ever.
    assert not declares(declared, "get")
    assert not declares((), "demo:shop/api.{get}")


@pytest.mark.parametrize("name", ["get", "api/get", "api.{get}", "demo:shop/api@1.0.0.{get}"])
def test_a_full_name_answers_to_all_its_short_ones(name: str) -> None:
    assert answers_to("demo:shop/api@1.0.0.{get}", name)
    assert not answers_to("demo:shop/api@1.0.0.{got}", name)
    assert answers_to("demo:shop/api@1.0.0.{cart.size}", "[method]cart.size")
    assert not answers_to("demo:shop/api@1.0.0.{get}", "other/get")
