"""Function names: every form finds its export, everything else is answered with suggestions."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wit.errors import UnknownFunctionError
from wit.names import full_name, parse_name, resolve, visible_exports
from wit.types import Borrow, FunctionType, Own, Parameter, ResourceName
from wit.world import Function, Interface, World

API = "demo:shop/api@1.0.0"
CART = ResourceName("cart", API)
SELF = (Parameter("self", Borrow(CART)),)


def function(name, interface=None, parameters=(), result=None):
    return Function(name, FunctionType(parameters, result), interface)


ADD = function("add", API)
NEW = function("[constructor]cart", API, result=Own(CART))
METHOD = function("[method]cart.add-item", API, SELF)
STATIC = function("[static]cart.of", API)
OTHER_LIST = function("list", "demo:other/admin")
API_LIST = function("list", API)
RUN = function("run")
USE = function("use", "demo:other/admin")
WORLD = World(
    export_interfaces=(
        Interface(API, (ADD, NEW, METHOD, STATIC, API_LIST), (), ("cart",)),
        Interface("demo:other/admin", (OTHER_LIST, USE)),
        Interface("exports", (function("init", "exports"),)),
    ),
    export_functions=(RUN, function("cabi_realloc"), function("_initialize")),
)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("add", ADD),
        (" add ", ADD),
        ("api/add", ADD),
        ("api.{add}", ADD),
        ("api@1.0.0.{add}", ADD),
        ("shop/api.{add}", ADD),
        ("demo:shop/api.{add}", ADD),
        ("demo:shop/api/add", ADD),
        ("demo:shop/api#add", ADD),
        ("demo:shop/api@1.0.0.{add}", ADD),
        ("demo:shop/api@1.0.0/add", ADD),
        ("demo:shop/api@1.0.0#add", ADD),
        ("cart.new", NEW),
        ("[constructor]cart", NEW),
        ("api.{cart.new}", NEW),
        ("api.{[constructor]cart}", NEW),
        ("cart.add-item", METHOD),
        ("[method]cart.add-item", METHOD),
        ("demo:shop/api@1.0.0#[method]cart.add-item", METHOD),
        ("demo:shop/api.{cart.add-item}", METHOD),
        ("cart.of", STATIC),
        ("[static]cart.of", STATIC),
        ("admin/list", OTHER_LIST),
        ("api.{list}", API_LIST),
        ("run", RUN),
        ("{run}", RUN),
        ("%use", USE),
        ("admin.{%use}", USE),
    ],
)
def test_every_form_of_a_name_finds_its_function(name, expected):
    assert resolve(WORLD, name) is expected


@pytest.mark.parametrize(
    ("name", "message", "candidates"),
    [
        (
            "list",
            "list is ambiguous: it may be demo:shop/api@1.0.0.{list}, demo:other/admin.{list}",
            ("demo:shop/api@1.0.0.{list}", "demo:other/admin.{list}"),
        ),
        (
            "ad",
            'no function "ad", did you mean demo:shop/api@1.0.0.{add}?',
            ("demo:shop/api@1.0.0.{add}",),
        ),
        (
            "admin/add",
            'no function "admin/add", did you mean demo:shop/api@1.0.0.{add}?',
            ("demo:shop/api@1.0.0.{add}",),
        ),
        (
            "demo:shop/api@2.0.0.{add}",
            "did you mean demo:shop/api@1.0.0.{add}?",
            ("demo:shop/api@1.0.0.{add}",),
        ),
        ("{add}", "did you mean demo:shop/api@1.0.0.{add}?", ("demo:shop/api@1.0.0.{add}",)),
        ("", "the component exports demo:shop/api@1.0.0.{add}", None),
        ("zzz", 'no function "zzz", the component exports', None),
        ("cabi_realloc", "the component exports", None),
        ("exports/init", "the component exports", None),
        ("_initialize", "the component exports", None),
    ],
)
def test_other_names_are_answered_with_candidates(name, message, candidates):
    with pytest.raises(UnknownFunctionError) as caught:
        resolve(WORLD, name)
    assert message in str(caught.value)
    expected = tuple(map(full_name, visible_exports(WORLD))) if candidates is None else candidates
    assert caught.value.candidates == expected


def test_a_version_may_be_left_out_only_while_one_is_exported():
    names = [f"demo:shop/api@{version}" for version in ("1.0.0", "2.0.0")]
    world = World(export_interfaces=tuple(Interface(n, (function("add", n),)) for n in names))
    assert resolve(world, "demo:shop/api@2.0.0.{add}").interface == names[1]
    with pytest.raises(UnknownFunctionError, match="ambiguous"):
        resolve(world, "demo:shop/api.{add}")


def test_a_component_without_exports_says_so():
    with pytest.raises(UnknownFunctionError, match="the component exports none"):
        resolve(World(), "add")


def test_an_inline_interface_of_a_user_is_not_hidden():
    mine = Interface("exports", (function("init", "exports"), function("go", "exports")))
    assert resolve(World(export_interfaces=(mine,)), "exports.{go}").name == "go"


@pytest.mark.parametrize("export", visible_exports(WORLD), ids=full_name)
def test_the_full_name_finds_its_function_again(export):
    assert resolve(WORLD, full_name(export)) is export


def test_full_names_of_each_kind():
    assert [full_name(f) for f in (ADD, NEW, METHOD, STATIC, RUN)] == [
        "demo:shop/api@1.0.0.{add}",
        "demo:shop/api@1.0.0.{cart.new}",
        "demo:shop/api@1.0.0.{cart.add-item}",
        "demo:shop/api@1.0.0.{cart.of}",
        "{run}",
    ]


@given(st.text(st.sampled_from("ad{}.#/@%[] method"), max_size=12))
def test_any_text_is_found_or_unknown(name):
    parse_name(name)
    with contextlib.suppress(UnknownFunctionError):
        assert resolve(WORLD, name) in visible_exports(WORLD)
