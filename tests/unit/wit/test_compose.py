"""Composition: what is plugged together runs in wasmtime, and is described as one component."""

import pytest
import wasmtime
from wasmtime import component as native

from wit.component import describe
from wit.compose import Link, compose, plug
from wit.errors import BinaryError, WitError
from wit.signatures import export_signatures


def wasm(text):
    return bytes(wasmtime.wat2wasm(text))


def adder(interface="demo:math/api", *, add=10, imports="", function="add"):
    """A component that exports a function which adds a constant."""
    return wasm(
        f"""(component
          {imports}
          (core module $m (func (export "f") (param i32) (result i32)
            local.get 0 i32.const {add} i32.add))
          (core instance $i (instantiate $m))
          (func $f (param "value" u32) (result u32) (canon lift (core func $i "f")))
          (instance $api (export "{function}" (func $f)))
          (export "{interface}" (instance $api)))"""
    )


def caller(imported="demo:math/api", exported="demo:app/api", *, times=2):
    """A component that exports a function which calls an imported one several times."""
    calls = "\n".join("call 0" for _ in range(times))
    return wasm(
        f"""(component
          (import "{imported}" (instance $math
            (export "add" (func (param "value" u32) (result u32)))))
          (core func $add (canon lower (func $math "add")))
          (core module $m
            (import "math" "add" (func (param i32) (result i32)))
            (func (export "f") (param i32) (result i32) local.get 0 {calls}))
          (core instance $i (instantiate $m (with "math" (instance (export "add" (func $add))))))
          (func $f (param "value" u32) (result u32) (canon lift (core func $i "f")))
          (instance $api (export "add" (func $f)))
          (export "{exported}" (instance $api)))"""
    )


class Running:
    def __init__(self, data, **functions):
        self.engine = wasmtime.Engine()
        self.store = wasmtime.Store(self.engine)
        linker = native.Linker(self.engine)
        for interface, members in functions.pop("imports", {}).items():
            with linker.root() as root, root.add_instance(interface) as instance:
                for name, function in members.items():
                    instance.add_func(name, function)
        self.instance = linker.instantiate(self.store, native.Component(self.engine, data))

    def call(self, interface, function, *arguments):
        within = self.instance.get_export_index(self.store, interface)
        index = self.instance.get_export_index(self.store, function, within)
        return self.instance.get_func(self.store, index)(self.store, *arguments)


def test_an_import_is_satisfied_by_the_export_of_that_name():
    composed = plug(caller(), [adder()])
    world = describe(composed)
    assert not world.import_interfaces
    assert export_signatures(world) == ("demo:app/api.{add}(value: u32) -> u32",)
    assert Running(composed).call("demo:app/api", "add", 1) == 21


def test_parts_may_form_a_chain_of_any_depth():
    parts = {"part 0": adder("demo:step/s0", add=1)}
    for n in range(1, 6):
        parts[f"part {n}"] = caller(f"demo:step/s{n - 1}", f"demo:step/s{n}")
    composed = compose(parts, main="part 5")
    assert Running(composed).call("demo:step/s5", "add", 0) == 2**5


def test_what_nobody_exports_is_imported_from_outside():
    composed = plug(caller("demo:mid/api"), [caller(exported="demo:mid/api")])
    assert [each.name for each in describe(composed).import_interfaces] == ["demo:math/api"]
    outside = {"demo:math/api": {"add": lambda _store, value: value + 100}}
    assert Running(composed, imports=outside).call("demo:app/api", "add", 1) == 401


def test_imports_from_outside_are_merged():
    """Two parts import the same interface, each another function of it: the result imports both."""
    first = caller("demo:host/api@1.0.0", "demo:a/api", times=1)
    second = wasm(
        """(component
          (import "demo:host/api@1.0.0" (instance $h
            (export "two" (func (param "value" u32) (result u32)))))
          (import "demo:a/api" (instance $a
            (export "add" (func (param "value" u32) (result u32)))))
          (core func $two (canon lower (func $h "two")))
          (core func $add (canon lower (func $a "add")))
          (core module $m
            (import "" "two" (func $two (param i32) (result i32)))
            (import "" "add" (func $add (param i32) (result i32)))
            (func (export "f") (param i32) (result i32) local.get 0 call $two call $add))
          (core instance $i (instantiate $m (with "" (instance
            (export "two" (func $two)) (export "add" (func $add))))))
          (func $f (param "value" u32) (result u32) (canon lift (core func $i "f")))
          (instance $out (export "both" (func $f)))
          (export "demo:b/api" (instance $out)))"""
    )
    composed = plug(second, [first])
    (host,) = describe(composed).import_interfaces
    assert sorted(each.name for each in host.functions) == ["add", "two"]
    members = {"add": lambda _, value: value + 1, "two": lambda _, value: value * 100}
    running = Running(composed, imports={"demo:host/api@1.0.0": members})
    assert running.call("demo:b/api", "both", 5) == 501


def test_a_newer_compatible_version_answers():
    composed = plug(caller("demo:math/api@1.0.0"), [adder("demo:math/api@1.2.0")])
    assert Running(composed).call("demo:app/api", "add", 0) == 20
    outside = plug(caller("demo:b/api@1.3.0", times=1), [adder("demo:b/api@1.3.0")])
    assert not describe(outside).import_interfaces
    with pytest.raises(WitError, match=r"nobody uses plug 1: it exports demo:math/api@2\.0\.0"):
        plug(caller("demo:math/api@1.0.0"), [adder("demo:math/api@2.0.0")])


def test_several_providers_need_a_link():
    parts = {"app": caller(), "ten": adder(), "one": adder(add=1)}
    with pytest.raises(WitError, match="which several parts export: ten, one; say by a link"):
        compose(parts, main="app")
    del parts["ten"]
    composed = compose(parts, main="app", links=[Link("app", "demo:math/api", "one")])
    assert Running(composed).call("demo:app/api", "add", 0) == 2


def test_a_link_may_go_to_an_export_of_another_name():
    parts = {"app": caller(), "other": adder("demo:other/calc", add=3)}
    links = [Link("app", "demo:math/api", "other", "demo:other/calc")]
    assert Running(compose(parts, main="app", links=links)).call("demo:app/api", "add", 0) == 6


def test_middlemen_export_what_they_import():
    parts = {
        "app": caller(),
        "middle": caller(exported="demo:math/api"),
        "end": adder(),
    }
    links = [
        Link("app", "demo:math/api", "middle"),
        Link("middle", "demo:math/api", "end"),
    ]
    composed = compose(parts, main="app", links=links)
    assert Running(composed).call("demo:app/api", "add", 0) == 40


def test_one_component_may_be_two_parts_but_lies_in_the_result_once():
    double = caller("demo:s/in", "demo:s/out")
    parts = {"app": caller("demo:s/in"), "a": double, "b": double, "end": adder("demo:s/end")}
    links = [
        Link("app", "demo:s/in", "a", "demo:s/out"),
        Link("a", "demo:s/in", "b", "demo:s/out"),
        Link("b", "demo:s/in", "end", "demo:s/end"),
    ]
    composed = compose(parts, main="app", links=links)
    assert composed.count(b"demo:s/out") < 2 + 2 * len(links)
    assert len(composed) < sum(map(len, parts.values()))
    assert Running(composed).call("demo:app/api", "add", 0) == 80


SHOP = wasm(
    """(component
      (type $cart (resource (rep i32)))
      (core func $make (canon resource.new $cart))
      (core module $m
        (import "" "make" (func $make (param i32) (result i32)))
        (func (export "new") (param i32) (result i32) local.get 0 call $make)
        (func (export "size") (param i32) (result i32) local.get 0))
      (core instance $i (instantiate $m (with "" (instance (export "make" (func $make))))))
      (component $named
        (import "cart" (type $cart (sub resource)))
        (import "new" (func $new (param "size" u32) (result (own $cart))))
        (import "size" (func $size (param "self" (borrow $cart)) (result u32)))
        (export $named "cart" (type $cart))
        (export "[constructor]cart" (func $new)
          (func (param "size" u32) (result (own $named))))
        (export "[method]cart.size" (func $size)
          (func (param "self" (borrow $named)) (result u32))))
      (func $new (param "size" u32) (result (own $cart)) (canon lift (core func $i "new")))
      (func $size (param "self" (borrow $cart)) (result u32) (canon lift (core func $i "size")))
      (instance $out (instantiate $named
        (with "cart" (type $cart)) (with "new" (func $new)) (with "size" (func $size))))
      (export "demo:shop/carts" (instance $out)))"""
)
# Gives carts of the shop on: its export speaks of the resource that it imports.
CLERK = wasm(
    """(component
      (import "demo:shop/carts" (instance $carts
        (export "cart" (type $cart (sub resource)))
        (export "[constructor]cart" (func (param "size" u32) (result (own $cart))))
        (export "[method]cart.size" (func (param "self" (borrow $cart)) (result u32)))))
      (alias export $carts "cart" (type $cart))
      (component $named
        (import "cart" (type $cart (sub resource)))
        (import "f" (func $f (param "size" u32) (result (own $cart))))
        (export $named "cart" (type $cart))
        (export "order" (func $f) (func (param "size" u32) (result (own $named)))))
      (alias export $carts "[constructor]cart" (func $new))
      (instance $out (instantiate $named (with "cart" (type $cart)) (with "f" (func $new))))
      (export "demo:shop/clerk" (instance $out)))"""
)
# Uses both: the carts of the clerk are those of the shop.
CUSTOMER = wasm(
    """(component
      (import "demo:shop/carts" (instance $carts
        (export "cart" (type $cart (sub resource)))
        (export "[method]cart.size" (func (param "self" (borrow $cart)) (result u32)))))
      (alias export $carts "cart" (type $cart))
      (import "demo:shop/clerk" (instance $clerk
        (alias outer 1 $cart (type $c))
        (export "cart" (type $cart (eq $c)))
        (export "order" (func (param "size" u32) (result (own $cart))))))
      (core func $order (canon lower (func $clerk "order")))
      (core func $size (canon lower (func $carts "[method]cart.size")))
      (core module $m
        (import "" "order" (func $order (param i32) (result i32)))
        (import "" "size" (func $size (param i32) (result i32)))
        (func (export "f") (param i32) (result i32) local.get 0 call $order call $size))
      (core instance $i (instantiate $m (with "" (instance
        (export "order" (func $order)) (export "size" (func $size))))))
      (func $f (param "value" u32) (result u32) (canon lift (core func $i "f")))
      (instance $api (export "count" (func $f)))
      (export "demo:app/api" (instance $api)))"""
)


def test_resources_are_shared_between_all_parts():
    composed = plug(CUSTOMER, [CLERK, SHOP])
    assert not describe(composed).import_interfaces
    assert Running(composed).call("demo:app/api", "count", 42) == 42


def test_resources_from_outside_are_shared_too():
    composed = plug(CUSTOMER, [CLERK])
    (carts,) = describe(composed).import_interfaces
    assert carts.name == "demo:shop/carts"
    assert sorted(each.name for each in carts.functions) == [
        "[constructor]cart",
        "[method]cart.size",
    ]
    again = plug(composed, [SHOP])
    assert Running(again).call("demo:app/api", "count", 7) == 7


def test_a_resource_of_a_part_cannot_come_from_outside_at_the_same_time():
    with pytest.raises(WitError, match="has to come from a part, too"):
        plug(CUSTOMER, [SHOP])


def test_a_result_whose_exports_speak_of_a_parts_resource_exports_it():
    composed = plug(CLERK, [SHOP])
    names = [each.name for each in describe(composed).export_interfaces]
    assert names == ["demo:shop/carts", "demo:shop/clerk"]
    native.Component(wasmtime.Engine(), composed)


WORLD_TYPES = """(component
  (type $t (record (field "a" u32) (field "b" u32)))
  (import "pair" (type $pair (eq $t)))
  (import "log" (func $log (param "p" $pair)))
  (core func $lowered (canon lower (func $log)))
  (core module $m
    (import "" "log" (func $log (param i32 i32)))
    (func (export "f") (param i32 i32) local.get 0 local.get 1 call $log))
  (core instance $i (instantiate $m (with "" (instance (export "log" (func $lowered))))))
  (func $show (param "p" $pair) (canon lift (core func $i "f")))
  (export "show" (func $show)))"""


def test_types_and_functions_of_worlds_are_passed_on():
    inner = wasm(WORLD_TYPES)
    composed = plug(inner, [])
    world = describe(composed)
    assert [each.name for each in world.import_functions] == ["log"]
    assert export_signatures(world) == ("{show}(p: pair)",)
    native.Component(wasmtime.Engine(), composed)


def test_a_circle_is_refused():
    parts = {
        "app": caller("demo:a/a"),
        "a": caller("demo:b/b", "demo:a/a"),
        "b": caller("demo:a/a", "demo:b/b"),
    }
    with pytest.raises(WitError, match="parts need each other in a circle: a → b → a"):
        compose(parts, main="app")


@pytest.mark.parametrize(
    ("parts", "links", "message"),
    [
        ({}, [], 'unknown part "app"'),
        ({"app": caller()}, [Link("app", "demo:math/api", "nope")], 'unknown part "nope"'),
        (
            {"app": caller(), "p": adder()},
            [Link("app", "demo:math/apo", "p")],
            'app: unknown import "demo:math/apo", did you mean demo:math/api?',
        ),
        (
            {"app": caller(), "p": adder("demo:x/y")},
            [Link("app", "demo:math/api", "p")],
            'p: unknown export "demo:math/api", expected one of demo:x/y',
        ),
        (
            {"app": caller(), "p": adder(function="ad")},
            [],
            'app needs demo:math/api of p: unknown function "add", did you mean ad?',
        ),
        ({"app": caller(), "p": adder(), "q": adder("demo:q/q")}, [], "nobody uses q: it exports"),
    ],
)
def test_what_cannot_be_composed_is_explained(parts, links, message):
    with pytest.raises(WitError) as caught:
        compose(parts, main="app", links=links)
    assert message in str(caught.value)


def test_an_export_of_another_type_is_refused_with_both_signatures():
    other = wasm(
        """(component
          (core module $m (func (export "f") (param i64) (result i32) i32.const 0))
          (core instance $i (instantiate $m))
          (func $f (param "value" u64) (result u32) (canon lift (core func $i "f")))
          (instance $api (export "add" (func $f)))
          (export "demo:math/api" (instance $api)))"""
    )
    with pytest.raises(WitError) as caught:
        plug(caller(), [other])
    assert str(caught.value) == (
        "socket imports demo:math/api.{add}(value: u32) -> u32,"
        " but plug 1 exports demo:math/api.{add}(value: u64) -> u32"
    )


def test_parts_that_are_no_components_are_refused():
    with pytest.raises(BinaryError):
        plug(b"\0asm\x01\0\0\0", [])


def test_an_unplugged_component_stays_what_it_is():
    composed = plug(adder(), [])
    assert export_signatures(describe(composed)) == export_signatures(describe(adder()))
    assert Running(composed).call("demo:math/api", "add", 1) == 11
