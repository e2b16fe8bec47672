"""The RPC client of a world: its text, and that it resolves beside the packages it refers to."""

import pytest

from tests.unit.wit.test_wit_value import RPC
from wit.client import client_file, client_text
from wit.errors import WitError
from wit.signatures import function_type_text
from wit.text.nodes import PackageName
from wit.text.parser import parse
from wit.text.printer import print_file
from wit.text.resolver import resolve
from wit.world import World

SHOP = """
package demo:shop@1.0.0;

interface types { record item { name: string, qty: u32 } enum reason { unknown } }
interface api {
  use types.{item, reason};
  add: func(item: item) -> result<u32, reason>;
  clear: func();
  resource cart {
    constructor(owner: string);
    put: func(item: item);
    size: func() -> u32;
    merge: static func(a: borrow<cart>, b: cart) -> cart;
  }
}
world shop {
  export api;
  export inner: interface { record pair { a: u8 } swap: func(p: pair) -> pair; }
  export run: func() -> string;
}
"""

IO = "package wasi:io@0.2.0; interface poll { resource pollable; }"
CLOCKS = """
package wasi:clocks@0.2.0;
interface wall-clock { record datetime { seconds: u64, nanoseconds: u32 } }
"""
MORE = """
  record uuid { high-bits: u64, low-bits: u64 }
  record component-id { uuid: uuid }
  record worker-id { component-id: component-id, worker-name: string }
  resource cancellation-token { cancel: func(); }
"""
NAME = PackageName("demo", "shop", "1.0.0")


def shop():
    return resolve([[parse(SHOP)]]).world("shop")


def client(*, ephemeral=False):
    text = client_text(shop(), "shop", NAME, ephemeral=ephemeral)
    rpc = RPC.replace("interface types {", "interface types {" + MORE)
    packages = resolve([[parse(each)] for each in (IO, CLOCKS, rpc, SHOP, text)])
    return packages.packages["demo:shop-client@1.0.0"]


def signatures(interface):
    return {each.name: function_type_text(each.type) for each in interface.functions}


def test_the_client_has_a_resource_for_each_export():
    interface = client().interfaces["shop-client"]
    mine = [
        name for name in interface.resources if not name.startswith(("future", "golem", "wasi"))
    ]
    assert mine == ["shop", "api", "cart", "inner"]


def test_each_function_comes_in_three_kinds():
    functions = signatures(client().interfaces["shop-client"])
    assert {name: text for name, text in functions.items() if ".blocking-add" in name} == {
        "[method]api.blocking-add": ("func(self: borrow<api>, item: item) -> result<u32, reason>")
    }
    assert functions["[method]api.add"] == (
        "func(self: borrow<api>, item: item) -> future-add-result"
    )
    assert functions["[method]api.schedule-add"] == (
        "func(self: borrow<api>, item: item, scheduled-for: datetime) -> cancellation-token"
    )
    assert functions["[method]api.clear"] == "func(self: borrow<api>)"
    assert functions["[method]shop.blocking-run"] == "func(self: borrow<shop>) -> string"


def test_futures_can_be_polled():
    functions = signatures(client().interfaces["shop-client"])
    assert functions["[method]future-add-result.subscribe"] == (
        "func(self: borrow<future-add-result>) -> pollable"
    )
    assert functions["[method]future-cart-size-result.get"] == (
        "func(self: borrow<future-cart-size-result>) -> option<u32>"
    )


def test_constructors_say_which_worker():
    functions = signatures(client().interfaces["shop-client"])
    assert functions["[constructor]api"] == "func(worker-name: string) -> api"
    assert functions["[constructor]cart"] == "func(worker-name: string, owner: string) -> cart"
    assert functions["[static]cart.custom"] == "func(worker-id: worker-id, owner: string) -> cart"


def test_workers_of_an_ephemeral_component_have_no_names():
    functions = signatures(client(ephemeral=True).interfaces["shop-client"])
    assert functions["[constructor]api"] == "func() -> api"
    assert functions["[static]api.custom"] == "func(component-id: component-id) -> api"


def test_resources_of_the_target_become_those_of_the_client():
    interface = client().interfaces["shop-client"]
    (merge,) = (each for each in interface.functions if each.name == "[method]cart.blocking-merge")
    assert {each.type.resource.interface for each in merge.type.parameters} == {interface.name}
    assert merge.type.result.resource.interface == interface.name


def test_the_world_exports_the_client():
    world = client().worlds["wasm-rpc-client-shop"]
    assert [each.name for each in world.export_interfaces] == ["demo:shop-client/shop-client@1.0.0"]


def test_types_of_unnamed_interfaces_move_to_a_package_of_their_own():
    text = client_text(shop(), "shop", NAME)
    assert "package demo:shop-exports@1.0.0 {" in text
    assert "use demo:shop-exports/inner@1.0.0.{pair};" in text


def test_names_of_the_platform_are_used_under_aliases():
    text = client_text(shop(), "shop", NAME)
    assert "use wasi:io/poll@0.2.0.{pollable as wasi-io-pollable};" in text
    assert "datetime as wasi-clocks-datetime" in text
    assert "worker-id as golem-rpc-worker-id" in text


def test_the_client_of_a_client_text_prints_the_same():
    file = client_file(shop(), "shop", NAME)
    assert print_file(parse(print_file(file))) == print_file(file)


def test_a_world_without_exports_has_no_client():
    with pytest.raises(WitError, match="exports nothing"):
        client_text(World(), "shop", NAME)


def test_two_exports_of_one_name_are_refused():
    text = "package a:b; interface api { resource api; f: func(); } world w { export api; }"
    world = resolve([[parse(text)]]).world()
    with pytest.raises(WitError, match="two exports would both be the resource api"):
        client_text(world, "w", PackageName("a", "b"))
