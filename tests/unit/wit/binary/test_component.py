"""Describing components, with the component API of wasmtime as the oracle."""

import msgspec
import pytest
from wasmtime import Engine, wat2wasm
from wasmtime import component as oracle

from wit.binary import parse
from wit.binary.custom import Producer, component_name, producers
from wit.component import describe
from wit.errors import BinaryError
from wit.types import (
    Borrow,
    EnumType,
    FlagsType,
    Own,
    Primitive,
    RecordType,
    ResourceName,
    TupleType,
    TypeName,
    VariantType,
)


def wasm(text):
    return bytes(wat2wasm(text))


def world(text):
    return describe(wasm(text))


def interfaces(side):
    return {each.name: each for each in side}


def functions(side):
    return {each.name: each.type for each in side}


# Both sides as plain tuples without names of types and resources, which wasmtime does not tell.


def outline(type_):
    match type_:
        case Primitive():
            return type_.value
        case Own() | Borrow():
            return type(type_).__name__.lower()
        case None | str() | int():
            return type_
        case _:
            parts = msgspec.structs.asdict(type_)
            parts.pop("name", None)
            flat = [
                tuple(
                    (each.name, outline(each.type)) if hasattr(each, "type") else outline(each)
                    for each in part
                )
                if isinstance(part, tuple)
                else outline(part)
                for part in parts.values()
            ]
            return (type(type_).__name__, *flat)


def oracle_outline(type_):
    match type_:
        case None:
            return None
        case oracle.RecordType():
            return ("RecordType", tuple((name, oracle_outline(t)) for name, t in type_.fields))
        case oracle.VariantType():
            return ("VariantType", tuple((name, oracle_outline(t)) for name, t in type_.cases))
        case oracle.EnumType() | oracle.FlagsType():
            return (type(type_).__name__, tuple(type_.names))
        case oracle.ListType():
            return ("ListType", oracle_outline(type_.element))
        case oracle.TupleType():
            return ("TupleType", tuple(oracle_outline(each) for each in type_.elements))
        case oracle.OptionType():
            return ("OptionType", oracle_outline(type_.payload))
        case oracle.ResultType():
            return ("ResultType", oracle_outline(type_.ok), oracle_outline(type_.err))
        case oracle.OwnType():
            return "own"
        case oracle.BorrowType():
            return "borrow"
        case _:
            return type(type_).__name__.lower()


def signature(type_):
    parameters = tuple((each.name, outline(each.type)) for each in type_.parameters)
    return (parameters, outline(type_.result))


def our_outline(data):
    found = describe(data)
    sides = []
    for instances, plain in (
        (found.import_interfaces, found.import_functions),
        (found.export_interfaces, found.export_functions),
    ):
        side = {each.name: functions(each.functions) for each in instances} | {"": functions(plain)}
        sides.append(
            {
                name: {each: signature(type_) for each, type_ in inner.items()}
                for name, inner in side.items()
            }
        )
    return sides


def oracle_side(externs, engine):
    side = {"": {}}
    for name, extern in externs.items():
        match extern.ty:
            case oracle.ComponentInstanceType() as instance:
                side[name] = oracle_side(instance.exports(engine), engine)[""]
            case oracle.FuncType() as function:
                parameters = tuple((each, oracle_outline(t)) for each, t in function.params)
                side[""][name] = (parameters, oracle_outline(function.result))
            case _:
                pass
    return side


def assert_wasmtime_agrees(data):
    engine = Engine()
    component_type = oracle.Component(engine, data).type
    assert our_outline(data) == [
        oracle_side(component_type.imports(engine), engine),
        oracle_side(component_type.exports(engine), engine),
    ]


def test_an_empty_component_describes_as_an_empty_world():
    found = world("(component)")
    assert found.import_interfaces == found.export_interfaces == ()
    assert found.import_functions == found.export_functions == ()


def test_names_parameters_and_results_equal_those_that_wasmtime_tells(rich):
    assert_wasmtime_agrees(rich)


def test_an_imported_type_is_named_by_the_interface_that_declares_it(rich):
    imports = interfaces(describe(rich).import_interfaces)
    item = imports["demo:host/types@1.0.0"].types[0]
    assert isinstance(item.type, RecordType)
    assert item.type.name == TypeName("item", "demo:host/types@1.0.0")
    used = imports["demo:host/api@1.0.0"].types[0]
    assert used == item
    send = functions(imports["demo:host/api@1.0.0"].functions)["send"]
    assert send.parameters[1].type.element == item.type


def test_flags_aliases_and_resources_of_an_interface_are_listed(rich):
    types = interfaces(describe(rich).import_interfaces)["demo:host/types@1.0.0"]
    assert types.resources == ("conn",)
    assert [each.name for each in types.types] == ["item", "perms", "id"]
    assert types.types[1].type == FlagsType(
        ("read", "write"), TypeName("perms", "demo:host/types@1.0.0")
    )
    assert types.types[2].type is Primitive.U64


def test_a_resource_keeps_its_origin_where_it_is_used(rich):
    api = interfaces(describe(rich).import_interfaces)["demo:host/api@1.0.0"]
    conn = ResourceName("conn", "demo:host/types@1.0.0")
    assert functions(api.functions)["open"].result == Own(conn)
    assert functions(api.functions)["send"].parameters[0].type == Borrow(conn)


def test_exported_types_are_named_by_the_interface_that_exports_them(rich):
    carts = interfaces(describe(rich).export_interfaces)["demo:shop/carts@2.0.0"]
    color = EnumType(("red", "green"), TypeName("color", "demo:shop/carts@2.0.0"))
    assert carts.types[0].type == color
    cart = ResourceName("cart", "demo:shop/carts@2.0.0")
    assert carts.resources == ("cart",)
    found = functions(carts.functions)
    assert found["[constructor]cart"].result == Own(cart)
    assert found["[method]cart.paint"].parameters[0].type == Borrow(cart)
    assert found["[method]cart.paint"].result == color
    assert found["pair"].result == TupleType((color, Primitive.U8))


def test_equal_definitions_under_two_names_keep_both_names():
    found = world(
        """(component
          (import "a:b/c" (instance
            (type $x (enum "l" "r")) (export "x" (type $x' (eq $x)))
            (type $y (enum "l" "r")) (export "y" (type $y' (eq $y)))
            (export "f" (func (param "x" $x') (result $y'))))))"""
    )
    (function,) = found.import_interfaces[0].functions
    assert function.type.parameters[0].type.name == TypeName("x", "a:b/c")
    assert function.type.result.name == TypeName("y", "a:b/c")


def test_a_bundle_of_exports_names_its_types():
    data = wasm(
        """(component
          (core module $m (func (export "f") (param i32)))
          (core instance $i (instantiate $m))
          (type $t' (variant (case "a") (case "b")))
          (export $t "t" (type $t'))
          (func $f (param "x" $t) (canon lift (core func $i "f")))
          (instance $bundle (export "t" (type $t)) (export "f" (func $f)))
          (export "a:b/c" (instance $bundle)))"""
    )
    assert_wasmtime_agrees(data)
    (interface,) = describe(data).export_interfaces
    parameter = interface.functions[0].type.parameters[0].type
    assert isinstance(parameter, VariantType)
    # The world declares it first; the interface only repeats it.
    assert parameter.name == TypeName("t")


def test_a_composition_exports_what_its_inner_component_exports():
    data = wasm(
        """(component
          (component $inner
            (import "scale" (func $scale (param "x" u32) (result u32)))
            (core module $m
              (import "" "scale" (func $scale (param i32) (result i32)))
              (func (export "twice") (param i32) (result i32)
                (call $scale (call $scale (local.get 0)))))
            (core func $lowered (canon lower (func $scale)))
            (core instance $i
              (instantiate $m (with "" (instance (export "scale" (func $lowered))))))
            (func $twice (param "x" u32) (result u32) (canon lift (core func $i "twice")))
            (instance $api (export "twice" (func $twice)))
            (export "my:math/api" (instance $api)))
          (import "scale" (func $scale (param "x" u32) (result u32)))
          (instance $a (instantiate $inner (with "scale" (func $scale))))
          (alias export $a "my:math/api" (instance $api))
          (alias export $api "twice" (func $twice))
          (export "twice" (func $twice))
          (export "my:math/api" (instance $api)))"""
    )
    assert_wasmtime_agrees(data)


def test_an_export_shows_no_more_than_its_description():
    data = wasm(
        """(component
          (core module $m (func (export "f")))
          (core instance $core (instantiate $m))
          (func $f (canon lift (core func $core "f")))
          (instance $i (export "f" (func $f)) (export "g" (func $f)))
          (export "a:b/d" (instance $i) (instance (export "g" (func)))))"""
    )
    assert [each.name for each in describe(data).export_interfaces[0].functions] == ["g"]


def test_asynchronous_functions_are_marked():
    found = world('(component (import "f" (func async)) (import "g" (func)))')
    assert [each.type.is_async for each in found.import_functions] == [True, False]


def test_the_build_time_initializer_of_componentize_py_is_hidden():
    text = """(component
      (import "init" (func $init))
      (instance $exports (export "init" (func $init)))
      (instance $other (export "init" (func $init)))
      (export "exports" (instance $exports))
      (export "other" (instance $other)))"""
    assert [each.name for each in world(text).export_interfaces] == ["other"]


def test_the_name_and_the_producers_of_a_component_are_read():
    data = wasm("(component $shop)")
    assert component_name(data, parse(data)) == "shop"
    body = b"\x09producers\x01\x08language\x01\x04Rust\x041.90"
    data += bytes([0, len(body)]) + body
    assert producers(data, parse(data)) == (Producer("language", "Rust", "1.90"),)


def test_malformed_custom_sections_are_ignored():
    data = wasm("(component)") + b"\x00\x0c\x09producers\x05\x01" + b"\x00\x0f\x0ecomponent-name"
    assert producers(data, parse(data)) == ()
    assert component_name(data, parse(data)) is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("(type (list 7))", "type 7 does not exist"),
        ("(type (instance)) (type (list 0))", "no value type"),
        ("(type u8) (type (own 0))", "no resource"),
        ('(type (record (field "a" u8) (field "a" u8)))', "'a' stands twice"),
        ('(type (record (field "a" u8) (field "A" u8)))', "'A' stands twice"),
        ("(type (record))", "without any field"),
        ('(type (func (param "a" u8) (param "a" u8)))', "parameter 'a' stands twice"),
        ('(import "f" (func)) (import "f" (func))', "import 'f' stands twice"),
        ('(import "f" (func)) (export "e" (func 0)) (export "e" (func 0))', "'e' stands twice"),
        ('(component) (import "x" (func)) (export "y" (func 3))', "func 3 does not exist"),
        ('(import "c" (component))', "nothing else comes from a host"),
        ('(import "v" (value u8))', "nothing else comes from a host"),
        ("(instance (instantiate 0))", "component 0 does not exist"),
        ('(component (import "a" (func))) (instance (instantiate 0))', "nothing is given"),
        (
            (
                '(component (import "a" (func))) (import "i" (instance)) '
                '(instance (instantiate 0 (with "a" (instance 0))))'
            ),
            "expected a func",
        ),
        (
            (
                '(component (import "a" (func))) (import "f" (func (param "x" u16)))'
                '(instance (instantiate 0 (with "a" (func 0))))'
            ),
            "another type",
        ),
        (
            (
                '(component (import "a" (instance (export "f" (func))))) (import "i" (instance)) '
                '(instance (instantiate 0 (with "a" (instance 0))))'
            ),
            "no export is named 'f'",
        ),
        (
            (
                '(component (import "t" (type (eq 0)))) (type u8)'
                '(instance (instantiate 0 (with "t" (type 0))))'
            ),
            "type 0 does not exist",
        ),
        (
            (
                '(component (type u8) (import "t" (type (eq 0)))) (type u16)'
                '(instance (instantiate 0 (with "t" (type 0))))'
            ),
            "not the described one",
        ),
        (
            (
                '(component (import "t" (type (sub resource)))) (type u16)'
                '(instance (instantiate 0 (with "t" (type 0))))'
            ),
            "no resource",
        ),
        ('(import "i" (instance)) (alias export 0 "x" (func))', "no export is named 'x'"),
        ("(core instance (instantiate 0))", "core module 0 does not exist"),
        ("(core func (canon resource.new 0))", "type 0 does not exist"),
        ("(type (func)) (func (type 0) (canon lift (core func 0)))", "core func 0 does not"),
    ],
)
def test_invalid_components_are_refused(text, words):
    with pytest.raises(BinaryError, match=words):
        world(f"(component {text})")


def test_types_that_explode_when_spelled_out_are_refused():
    doubled = "(type u8)" + "".join(f"(type (tuple {n} {n}))" for n in range(40))
    with pytest.raises(BinaryError, match="type of"):
        world(f"(component {doubled})")


def test_types_that_are_too_deep_are_refused():
    deep = "(type u8)" + "".join(f"(type (list {n}))" for n in range(120))
    with pytest.raises(BinaryError, match="levels"):
        world(f"(component {deep})")


def test_instantiation_that_explodes_is_refused():
    text = "(component)"
    for level in range(30):
        text += (
            f"(component (alias outer 1 {level} (component)) "
            "(instance (instantiate 0)) (instance (instantiate 0)))"
        )
    with pytest.raises(BinaryError, match="takes more than"):
        world(f"(component {text} (instance (instantiate 30)))")


def test_instantiation_that_is_too_deep_is_refused():
    text = "(component)"
    for level in range(100):
        text += f"(component (alias outer 1 {level} (component)) (instance (instantiate 0)))"
    with pytest.raises(BinaryError, match="nested deeper"):
        world(f"(component {text} (instance (instantiate 100)))")
