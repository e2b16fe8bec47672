"""Core modules wrapped into components, validated and run by wasmtime's component API."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wasmtime import Engine, Store, wat2wasm
from wasmtime import component as oracle

from wit.binary.definitions import StringEncoding
from wit.binary.writer import componentize
from wit.component import describe
from wit.errors import BinaryError, WitError
from wit.types import (
    Borrow,
    Case,
    EnumType,
    Field,
    FlagsType,
    FunctionType,
    ListType,
    OptionType,
    Own,
    Parameter,
    Primitive,
    RecordType,
    ResourceName,
    ResultType,
    TupleType,
    TypeName,
    VariantType,
)
from wit.world import Function, Interface, NamedType, World

EMPTY = bytes(wat2wasm("(module)"))
STRING, U32, S64 = Primitive.STRING, Primitive.U32, Primitive.S64


def core(text):
    return bytes(wat2wasm(text))


def function(name, *parameters, result=None, interface=None):
    names = [f"p{index}" for index in range(len(parameters))]
    if name.startswith("[method]"):
        names[0] = "self"
    types = tuple(map(Parameter, names, parameters))
    return Function(name, FunctionType(types, result), interface)


def instantiated(data, define=lambda _: None):
    engine = Engine()
    store = Store(engine)
    linker = oracle.Linker(engine)
    define(linker)
    return store, linker.instantiate(store, oracle.Component(engine, data))


def exported(store, instance, *path):
    index = None
    for name in path:
        index = instance.get_export_index(store, name, index)
    return instance.get_func(store, index)


def called(store, found, *arguments):
    result = found(store, *arguments)
    found.post_return(store)
    return result


def test_a_module_of_plain_functions_becomes_a_component():
    world = World(
        export_functions=(function("add", U32, U32, result=U32),),
        export_interfaces=(
            Interface(
                "demo:math/api@1.0.0",
                (function("negate", S64, result=S64, interface="demo:math/api@1.0.0"),),
            ),
        ),
    )
    data = componentize(
        core(
            """(module
              (func (export "add") (param i32 i32) (result i32)
                (i32.add (local.get 0) (local.get 1)))
              (func (export "demo:math/api@1.0.0#negate") (param i64) (result i64)
                (i64.sub (i64.const 0) (local.get 0))))"""
        ),
        world,
    )
    assert describe(data) == world
    store, instance = instantiated(data)
    assert called(store, exported(store, instance, "add"), 2, 3) == 5
    negate = exported(store, instance, "demo:math/api@1.0.0", "negate")
    assert called(store, negate, 7) == -7


ECHO = """(module
  (import "demo:host/log" "note" (func $note (param i32 i32 i32)))
  (import "demo:host/log" "level" (func $level (result i32)))
  (memory (export "memory") 1)
  (global $next (mut i32) (i32.const 1024))
  (global $freed (mut i32) (i32.const 0))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (local $at i32)
    (if (i32.ne (local.get 1) (i32.const 0)) (then (return (local.get 0))))
    (local.set $at (global.get $next))
    (global.set $next (i32.add (global.get $next)
      (i32.and (i32.add (local.get 3) (i32.const 7)) (i32.const -8))))
    (local.get $at))
  (func (export "echo") (param i32 i32) (result i32)
    (call $note (local.get 0) (local.get 1) (i32.const 16))
    (i32.const 16))
  (func (export "cabi_post_echo") (param i32)
    (global.set $freed (i32.add (global.get $freed) (i32.const 1))))
  (func (export "freed") (result i32)
    (i32.add (global.get $freed) (call $level)))
  (func (export "_initialize") (global.set $freed (i32.const 100))))"""
LOG = "demo:host/log"
ECHO_WORLD = World(
    import_interfaces=(
        Interface(
            LOG,
            (
                function("note", STRING, result=STRING, interface=LOG),
                function("level", result=U32, interface=LOG),
            ),
        ),
    ),
    export_functions=(function("echo", STRING, result=STRING), function("freed", result=U32)),
)


@pytest.mark.parametrize("encoding", [StringEncoding.UTF8, StringEncoding.UTF16])
def test_imports_that_need_memory_are_linked_through_the_shim(encoding):
    data = componentize(core(ECHO), ECHO_WORLD, string_encoding=encoding)
    assert describe(data) == ECHO_WORLD

    def define(linker):
        with linker.root() as root, root.add_instance(LOG) as log:
            log.add_func("note", lambda _, text: f"<{text}>")
            log.add_func("level", lambda _: 1000)

    store, instance = instantiated(data, define)
    echo = exported(store, instance, "echo")
    assert called(store, echo, "grüß dich") == "<grüß dich>"
    assert called(store, echo, "") == "<>"
    # Initialised to 100, two results were released, and the host adds its level.
    assert called(store, exported(store, instance, "freed")) == 1102


CARTS = "demo:shop/carts"
CART = ResourceName("cart", CARTS)
ITEM = RecordType((Field("name", STRING), Field("count", U32)), TypeName("item", CARTS))
CART_WORLD = World(
    export_interfaces=(
        Interface(
            CARTS,
            (
                function("[constructor]cart", U32, result=Own(CART), interface=CARTS),
                function("[method]cart.count", Borrow(CART), result=U32, interface=CARTS),
                function("dropped", result=U32, interface=CARTS),
                function("first", ListType(ITEM), result=OptionType(ITEM), interface=CARTS),
            ),
            (NamedType("item", ITEM),),
            ("cart",),
        ),
    ),
)
CART_CORE = """(module
  (import "[export]demo:shop/carts" "[resource-new]cart" (func $new (param i32) (result i32)))
  (import "[export]demo:shop/carts" "[resource-drop]cart" (func $drop (param i32)))
  (memory (export "memory") 1)
  (global $next (mut i32) (i32.const 1024))
  (global $dropped (mut i32) (i32.const 0))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (local $at i32)
    (if (i32.ne (local.get 1) (i32.const 0)) (then (return (local.get 0))))
    (local.set $at (global.get $next))
    (global.set $next (i32.add (global.get $next)
      (i32.and (i32.add (local.get 3) (i32.const 7)) (i32.const -8))))
    (local.get $at))
  (func (export "demo:shop/carts#[constructor]cart") (param i32) (result i32)
    (call $new (i32.add (local.get 0) (i32.const 1))))
  (func (export "demo:shop/carts#[method]cart.count") (param i32) (result i32) (local.get 0))
  (func (export "demo:shop/carts#[dtor]cart") (param i32)
    (global.set $dropped (i32.add (global.get $dropped) (local.get 0))))
  (func (export "demo:shop/carts#dropped") (result i32) (global.get $dropped))
  (func (export "demo:shop/carts#first") (param i32 i32) (result i32)
    (i32.store8 (i32.const 16) (i32.ne (local.get 1) (i32.const 0)))
    (i64.store (i32.const 20) (i64.load (local.get 0)))
    (i32.store (i32.const 28) (i32.load offset=8 (local.get 0)))
    (i32.const 16)))"""


def test_exported_resources_are_made_used_and_destroyed():
    data = componentize(core(CART_CORE), CART_WORLD)
    assert describe(data) == CART_WORLD
    store, instance = instantiated(data)
    cart = called(store, exported(store, instance, CARTS, "[constructor]cart"), 41)
    assert called(store, exported(store, instance, CARTS, "[method]cart.count"), cart) == 42
    cart.drop(store)
    assert called(store, exported(store, instance, CARTS, "dropped")) == 42


def test_exported_records_in_lists_arrive():
    store, instance = instantiated(componentize(core(CART_CORE), CART_WORLD))
    first = exported(store, instance, CARTS, "first")
    assert called(store, first, []) is None
    item = oracle.Record()
    item.name, item.count = "pen", 3
    found = called(store, first, [item])
    assert (found.name, found.count) == ("pen", 3)


def test_types_are_shared_between_imported_and_exported_interfaces():
    item = RecordType((Field("name", STRING),), TypeName("item", "a:b/types"))
    conn = ResourceName("conn", "a:b/types")
    world = World(
        import_interfaces=(
            Interface("a:b/types", (), (NamedType("item", item),), ("conn",)),
            Interface(
                "a:b/user",
                (function("use-it", Own(conn), result=item, interface="a:b/user"),),
                (NamedType("item", item), NamedType("alias", U32)),
                ("conn",),
                (("conn", conn),),
            ),
        ),
        export_interfaces=(
            Interface(
                "a:b/out",
                (function("take", Borrow(conn), interface="a:b/out"),),
                (NamedType("item", item),),
                ("conn",),
                (("conn", conn),),
            ),
        ),
    )
    data = componentize(
        core(
            """(module
              (import "a:b/types" "[resource-drop]conn" (func (param i32)))
              (func (export "a:b/out#take") (param i32)))"""
        ),
        world,
    )
    assert describe(data) == world
    oracle.Component(Engine(), data)


def test_an_interface_may_be_imported_and_exported():
    color = EnumType(("red", "green"), TypeName("color", "a:b/c"))
    interface = Interface(
        "a:b/c",
        (function("f", color, Own(ResourceName("r", "a:b/c")), interface="a:b/c"),),
        (NamedType("color", color),),
        ("r",),
    )
    world = World(import_interfaces=(interface,), export_interfaces=(interface,))
    data = componentize(core('(module (func (export "a:b/c#f") (param i32 i32)))'), world)
    assert describe(data) == world
    oracle.Component(Engine(), data)


def test_types_of_the_world_itself_are_declared_there():
    color = EnumType(("red", "green"), TypeName("color"))
    shape = VariantType((Case("none"), Case("of", color)), TypeName("shape"))
    world = World(
        import_functions=(function("get", result=color),),
        export_functions=(function("set-it", shape),),
    )
    data = componentize(core('(module (func (export "set-it") (param i32 i32)))'), world)
    assert describe(data) == world
    oracle.Component(Engine(), data)


@pytest.mark.parametrize(
    ("text", "world", "words"),
    [
        ("(module)", World(export_functions=(function("add"),)), "does not export 'add'"),
        (
            '(module (func (export "a:b/c#f") (param i64) (result i64) local.get 0))',
            World(
                export_interfaces=(
                    Interface("a:b/c", (function("f", U32, result=S64, interface="a:b/c"),)),
                )
            ),
            r"exports 'a:b/c#f' as \(i64\) -> \(i64\), expected \(i32\) -> \(i64\) for a:b/c\.",
        ),
        (
            '(module (memory (export "f") 1))',
            World(export_functions=(function("f"),)),
            "export 'f' is no function",
        ),
        (
            '(module (import "a:b/c" "f" (func (param i32) (result i32))))',
            World(
                import_interfaces=(
                    Interface("a:b/c", (function("f", U32, result=STRING, interface="a:b/c"),)),
                )
            ),
            r"imports 'f' of 'a:b/c' as \(i32\) -> \(i32\), expected \(i32, i32\) -> \(\) for",
        ),
        (
            '(module (import "wasi_snapshot_preview1" "fd_write" (func)))',
            World(),
            "wasm32-freestanding",
        ),
        ('(module (import "a:b/c" "f" (func)))', World(), "imports no interface"),
        (
            '(module (import "[export]a:b/c" "[resource-new]r" (func (param i32) (result i32))))',
            World(),
            "no resource 'r'",
        ),
    ],
)
def test_a_module_that_does_not_fit_its_world_is_refused(text, world, words):
    with pytest.raises(WitError, match=words):
        componentize(core(text), world)


def test_what_is_no_core_module_is_refused():
    with pytest.raises(BinaryError, match="core module"):
        componentize(b"rubbish", World())
    with pytest.raises(BinaryError, match="is no function"):
        componentize(core('(module (import "" "m" (memory 1)))'), World())


def test_types_without_names_are_refused():
    world = World(import_functions=(function("f", EnumType(("a", "b"))),))
    with pytest.raises(WitError, match="without a name"):
        componentize(EMPTY, world)


# Random types, declared in one interface and described again.

LABELS = ["a", "b2", "long-name", "list", "x-1", "q", "record", "self"]
labels = st.lists(st.sampled_from(LABELS), unique=True, min_size=1, max_size=4)


@st.composite
def values(draw, parts, depth=2):
    """A type of primitives and parts, nested a little."""
    kind = draw(st.integers(0, 6)) if depth else 0
    inner = values(parts, depth - 1)
    match kind:
        case 3:
            return ListType(draw(inner))
        case 4:
            return OptionType(draw(inner))
        case 5:
            return ResultType(draw(st.none() | inner), draw(st.none() | inner))
        case 6:
            return TupleType(tuple(draw(st.lists(inner, min_size=1, max_size=3))))
        case _:
            return draw(st.sampled_from(parts))


@st.composite
def interfaces(draw):
    """An interface whose types are built of primitives and of those declared before."""
    name = "a:b/c@1.2.3"
    resources = draw(st.lists(st.sampled_from(["r", "s"]), unique=True))
    parts = [*Primitive, *(Own(ResourceName(each, name)) for each in resources)]
    declared = []
    for each in draw(labels):
        own, members = TypeName(each, name), draw(labels)
        match draw(st.integers(0, 4)):
            case 0:
                fields = tuple(Field(m, draw(values(parts))) for m in members)
                type_ = RecordType(fields, own)
            case 1:
                cases = tuple(Case(m, draw(st.none() | values(parts))) for m in members)
                type_ = VariantType(cases, own)
            case 2:
                type_ = EnumType(tuple(members), own)
            case 3:
                type_ = FlagsType(tuple(members), own)
            case _:
                type_ = draw(values(parts))
        declared.append(NamedType(each, type_))
        parts.append(type_)
    functions = []
    for index in range(draw(st.integers(0, 3))):
        parameters = draw(st.lists(values(parts), max_size=3))
        result = draw(st.none() | values(parts))
        functions.append(function(f"f{index}", *parameters, result=result, interface=name))
    return Interface(name, tuple(functions), tuple(declared), tuple(resources))


@settings(max_examples=60, deadline=None)
@given(interfaces())
def test_what_was_written_is_described_again(interface):
    world = World(import_interfaces=(interface,))
    data = componentize(EMPTY, world)
    assert describe(data) == world
    oracle.Component(Engine(), data)
