"""Reading component binaries, with the text format of wasmtime as the source of bytes."""

import pytest
from wasmtime import wat2wasm

from wit.binary import Kind, Sort, SortIndex, extends, kind_of, limits, parse, types
from wit.binary import definitions as ast
from wit.binary.read_canon import BUILT_INS
from wit.errors import BinaryError
from wit.types import ErrorContextType, Primitive

PREAMBLE = b"\0asm\x0d\0\x01\0"


def read(text: str) -> tuple[ast.Definition, ...]:
    definitions = parse(bytes(wat2wasm(text))).definitions
    return tuple(each for each in definitions if not isinstance(each, ast.Custom))


def only_type(text: str) -> object:
    definition = read(f"(component {text})")[-1]
    assert isinstance(definition, ast.TypeDefinition)
    return definition.type


def section(code: int, body: bytes) -> bytes:
    assert len(body) < 128
    return bytes([code, len(body)]) + body


def test_the_preamble_tells_core_modules_components_and_rubbish_apart():
    assert kind_of(bytes(wat2wasm("(component)"))) is Kind.COMPONENT
    assert kind_of(bytes(wat2wasm("(module)"))) is Kind.CORE_MODULE
    assert kind_of(b"#!/bin/sh") is Kind.UNKNOWN
    assert kind_of(b"") is Kind.UNKNOWN


def test_an_empty_component_has_no_definitions():
    assert parse(PREAMBLE) == ast.Component((), 0, 8)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("(type u8)", types.PlainDefinition(Primitive.U8)),
        ("(type error-context)", types.PlainDefinition(ErrorContextType())),
        (
            '(type (record (field "a" u8) (field "b" string)))',
            types.RecordDefinition(
                (
                    types.FieldDefinition("a", Primitive.U8),
                    types.FieldDefinition("b", Primitive.STRING),
                )
            ),
        ),
        (
            '(type (variant (case "a") (case "b" f64)))',
            types.VariantDefinition(
                (types.CaseDefinition("a"), types.CaseDefinition("b", Primitive.F64))
            ),
        ),
        ('(type (enum "a" "b"))', types.EnumDefinition(("a", "b"))),
        ('(type (flags "a" "b"))', types.FlagsDefinition(("a", "b"))),
        ("(type (list char))", types.ListDefinition(Primitive.CHAR)),
        ("(type (list u8 300))", types.FixedListDefinition(Primitive.U8, 300)),
        ("(type (map string u32))", types.MapDefinition(Primitive.STRING, Primitive.U32)),
        ("(type (tuple s8 s16))", types.TupleDefinition((Primitive.S8, Primitive.S16))),
        ("(type (option bool))", types.OptionDefinition(Primitive.BOOL)),
        ("(type (result))", types.ResultDefinition()),
        ("(type (result (error s64)))", types.ResultDefinition(None, Primitive.S64)),
        ("(type (future))", types.FutureDefinition()),
        ("(type (stream f32))", types.StreamDefinition(Primitive.F32)),
        ("(type (resource (rep i32)))", types.ResourceDefinition()),
        ("(type (resource (rep i64)))", types.ResourceDefinition("i64")),
        ('(import "r" (type (sub resource))) (type (own 0))', types.OwnDefinition(0)),
        ('(import "r" (type (sub resource))) (type (borrow 0))', types.BorrowDefinition(0)),
        ("(type u8) (type (list 0))", types.ListDefinition(0)),
        ("(type (func))", types.FunctionDefinition(())),
        (
            '(type (func async (param "a" u8) (result string)))',
            types.FunctionDefinition(
                (types.FieldDefinition("a", Primitive.U8),), Primitive.STRING, is_async=True
            ),
        ),
    ],
)
def test_every_type_definition_is_read(text, expected):
    assert only_type(text) == expected


def test_flags_may_have_any_number_of_labels():
    labels = tuple(f"l{index}" for index in range(100))
    body = b"".join(bytes([len(label)]) + label.encode() for label in labels)
    flags = bytes([1, 0x6E, len(labels)]) + body
    data = PREAMBLE + b"\x07" + bytes([0x80 | len(flags) & 0x7F, len(flags) >> 7]) + flags
    definition = parse(data).definitions[0]
    assert isinstance(definition, ast.TypeDefinition)
    assert definition.type == types.FlagsDefinition(labels)


def test_declarators_keep_their_order():
    declared = only_type(
        '(type (instance (export "t" (type (sub resource))) (type (list u8)) '
        '(export "l" (type (eq 1))) (type (func (param "x" 2))) (export "f" (func (type 3)))))'
    )
    assert isinstance(declared, ast.InstanceType)
    match declared.declarators:
        case (
            ast.ExportDeclaration("t", ast.ExternType(Sort.TYPE, ast.SubResource())),
            ast.TypeDefinition(types.ListDefinition(Primitive.U8)),
            ast.ExportDeclaration("l", ast.ExternType(Sort.TYPE, 1)),
            ast.TypeDefinition(types.FunctionDefinition()),
            ast.ExportDeclaration("f", ast.ExternType(Sort.FUNCTION, 3)),
        ):
            pass
        case other:
            pytest.fail(f"unexpected order: {other}")


def test_component_types_hold_imports_and_outer_aliases():
    declared = only_type(
        '(type u8) (type (component (import "i" (func (param "x" u8))) (alias outer 1 0 (type))))'
    )
    assert isinstance(declared, ast.ComponentType)
    assert any(isinstance(each, ast.Import) for each in declared.declarators)
    alias = declared.declarators[-1]
    assert isinstance(alias, ast.AliasOuter)
    assert (alias.sort, alias.count, alias.index) == (Sort.TYPE, 1, 0)


def test_imports_of_every_sort_are_read():
    definitions = read(
        "(component (core type (module)) (type (instance)) (type (component)) (type (func))"
        '(import "m" (core module (type 0))) (import "f" (func (type 2)))'
        '(import "v" (value string)) (import "t" (type (eq 0))) (import "c" (component (type 1)))'
        '(import "a:b/i@1.0.0" (instance (type 0))))'
    )
    assert [(each.name, each.extern) for each in definitions if isinstance(each, ast.Import)] == [
        ("m", ast.ExternType(Sort.CORE_MODULE, 0)),
        ("f", ast.ExternType(Sort.FUNCTION, 2)),
        ("v", ast.ExternType(Sort.VALUE, Primitive.STRING)),
        ("t", ast.ExternType(Sort.TYPE, 0)),
        ("c", ast.ExternType(Sort.COMPONENT, 1)),
        ("a:b/i@1.0.0", ast.ExternType(Sort.INSTANCE, 0)),
    ]


def test_attributes_of_names_are_read():
    definitions = read(
        '(component (import "a:b/c@1" (versionsuffix ".2.3") (instance))'
        '(import "d" (implements "a:b/c") (instance)))'
    )
    assert [each.attributes for each in definitions if isinstance(each, ast.Import)] == [
        ast.ExternAttributes(version_suffix=".2.3"),
        ast.ExternAttributes(implements="a:b/c"),
    ]


def test_a_lifted_and_a_lowered_function_keep_their_options():
    definitions = read(
        """(component
          (import "f" (func $f (param "s" string)))
          (core module $m
            (memory (export "mem") 1)
            (func (export "run") (param i32 i32))
            (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 0))
          (core instance $i (instantiate $m))
          (alias core export $i "mem" (core memory))
          (alias core export $i "realloc" (core func $r))
          (core func (canon lower (func $f) (memory 0) string-encoding=utf16 (realloc $r)))
          (func (export "run") (param "s" string)
            (canon lift (core func $i "run") (memory 0) (realloc $r)
              string-encoding=latin1+utf16)))"""
    )
    lower = next(each for each in definitions if isinstance(each, ast.Lower))
    assert lower.options == ast.CanonicalOptions(ast.StringEncoding.UTF16, memory=0, realloc=0)
    lift = next(each for each in definitions if isinstance(each, ast.Lift))
    assert lift.options == ast.CanonicalOptions(
        ast.StringEncoding.LATIN1_UTF16, memory=0, realloc=0
    )
    # Function 0 is the alias of realloc, 1 the lowered import, 2 the alias of run.
    assert lift.core_function == 2


def test_resource_functions_are_read():
    definitions = read(
        "(component (type (resource (rep i32))) (core func (canon resource.new 0))"
        "(core func (canon resource.drop 0)) (core func (canon resource.rep 0)))"
    )
    assert [type(each) for each in definitions[1:]] == [
        ast.ResourceNew,
        ast.ResourceDrop,
        ast.ResourceRep,
    ]


@pytest.mark.parametrize(
    ("text", "name", "immediates"),
    [
        ("canon task.return (result u32)", "task.return", ()),
        ("canon task.cancel", "task.cancel", ()),
        ("canon context.get i32 0", "context.get", (0,)),
        ("canon thread.yield", "thread.yield", (0,)),
        ("canon subtask.cancel async", "subtask.cancel", (1,)),
        ("canon waitable-set.new", "waitable-set.new", ()),
        ("canon stream.drop-readable 0", "stream.drop-readable", (0,)),
        ("canon stream.cancel-read 0 async", "stream.cancel-read", (0, 1)),
        ("canon stream.read 0 async", "stream.read", (0,)),
        ("canon error-context.drop", "error-context.drop", ()),
        ("canon backpressure.inc", "backpressure.inc", ()),
    ],
)
def test_asynchronous_built_ins_are_recognised_by_name(text, name, immediates):
    built_in = read(f"(component (type (stream u8)) (core func ({text})))")[-1]
    assert isinstance(built_in, ast.BuiltIn)
    assert (built_in.name, built_in.immediates) == (name, immediates)


def test_names_of_built_ins_are_unique():
    names = [name for name, _ in BUILT_INS.values()]
    assert len(names) == len(set(names))


def test_core_modules_are_byte_ranges_of_the_whole_file():
    text = '(component (component (core module (func (export "f")))))'
    data = bytes(wat2wasm(text))
    nested = next(each for each in parse(data).definitions if isinstance(each, ast.NestedComponent))
    module = next(each for each in nested.component.definitions if isinstance(each, ast.CoreModule))
    assert data[module.start : module.end] == bytes(wat2wasm('(module (func (export "f")))'))


def test_instances_and_aliases_are_read():
    definitions = read(
        '(component (import "f" (func $f)) (component $c (import "x" (func)))'
        '(instance $a (instantiate $c (with "x" (func $f))))'
        '(instance $b (export "y" (func $f))) (alias export $b "y" (func))'
        '(export "z" (instance $b) (instance)))'
    )
    instantiate = next(each for each in definitions if isinstance(each, ast.Instantiate))
    assert instantiate.arguments == (ast.Argument("x", SortIndex(Sort.FUNCTION, 0)),)
    inline = next(each for each in definitions if isinstance(each, ast.Inline))
    assert inline.exports == (ast.InlineExport("y", SortIndex(Sort.FUNCTION, 0)),)
    alias = next(each for each in definitions if isinstance(each, ast.AliasExport))
    assert (alias.sort, alias.instance, alias.name) == (Sort.FUNCTION, 1, "y")
    export = next(each for each in definitions if isinstance(each, ast.Export))
    assert export.target == SortIndex(Sort.INSTANCE, 1)
    assert export.ascribed is not None
    assert export.ascribed.sort is Sort.INSTANCE


def test_core_module_types_keep_functions():
    (definition,) = read(
        '(component (core type (module (import "a" "b" (func (param i32) (result i64)))'
        '(export "m" (memory 1 2)) (export "t" (table 1 funcref)) (export "g" (global i32)))))'
    )
    assert isinstance(definition, ast.CoreTypeDefinition)
    module = definition.type
    assert isinstance(module, ast.CoreModuleType)
    assert module.types == (types.CoreFunctionType(("i32",), ("i64",)),)
    assert [each.sort for each in module.exports] == [
        Sort.CORE_MEMORY,
        Sort.CORE_TABLE,
        Sort.CORE_GLOBAL,
    ]


def test_core_module_types_keep_precise_types_of_memories_tables_and_globals():
    (definition,) = read(
        '(component (core type (module (type (func)) (import "a" "m" (memory i64 1))'
        '(import "a" "t" (table 1 3 (ref null 0))) (import "a" "g" (global (mut (ref func))))'
        '(export "s" (memory 1 2 shared)) (export "h" (global (ref null func))))))'
    )
    assert isinstance(definition, ast.CoreTypeDefinition)
    module = definition.type
    assert isinstance(module, ast.CoreModuleType)

    def limits(minimum, maximum=None, *, is_64=False, is_shared=False):
        return types.CoreLimits(minimum=minimum, maximum=maximum, is_64=is_64, is_shared=is_shared)

    assert [each.type for each in (*module.imports, *module.exports)] == [
        limits(1, is_64=True),
        types.CoreTableType("ref null 0", limits(1, 3)),
        types.CoreGlobalType("(ref funcref)", mutable=True),
        limits(1, 2, is_shared=True),
        types.CoreGlobalType("funcref", mutable=False),
    ]


@pytest.mark.parametrize("type_", [b"\x64\x7f", b"\x63\x7b", b"\x64\x40", b"\x62"])
def test_references_to_what_is_no_reference_are_refused(type_):
    # A core type section with one module type, which exports a table of that element.
    declarator = b"\x03\x01x\x01" + type_ + b"\x00\x01"
    body = b"\x01\x50\x01" + declarator
    data = b"\0asm\x0d\0\x01\0\x03" + bytes([len(body)]) + body
    with pytest.raises(BinaryError, match=r"type code|no core value type"):
        parse(data)


def test_index_spaces_grow_by_what_definitions_extend():
    definitions = read(
        '(component (import "f" (func)) (type u8) (component) (instance (instantiate 0))'
        '(export "g" (func 0)))'
    )
    # The type of the imported function takes a type index of its own.
    assert [extends(each) for each in definitions] == [
        Sort.TYPE,
        Sort.FUNCTION,
        Sort.TYPE,
        Sort.COMPONENT,
        Sort.INSTANCE,
        Sort.FUNCTION,
    ]


@pytest.mark.parametrize(
    ("data", "offset", "words"),
    [
        (b"", 0, "no WebAssembly"),
        (b"\0asm\x01\0\0\0", 0, "core module"),
        (b"\0asm\x0a\0\x01\0", 0, "format version"),
        (PREAMBLE[:6], 0, "format version"),
        (PREAMBLE + b"\x07", 9, "unexpected end"),
        (PREAMBLE + b"\x07\x05\x00", 8, "only 1 are left"),
        (PREAMBLE + section(0x07, b"\x00\x00"), 11, "1 bytes too many"),
        (PREAMBLE + section(0x0F, b""), 8, "no section"),
        (PREAMBLE + section(0x0C, b"\x00"), 8, "values that holds none"),
        (PREAMBLE + section(0x07, b"\x05\x7d"), 10, "list of 5 items"),
        (PREAMBLE + section(0x07, b"\x01\x01"), 11, "no type definition"),
        (PREAMBLE + section(0x07, b"\xff\xff\xff\xff\x1f"), 10, "does not fit 32 bits"),
        (PREAMBLE + section(0x07, b"\x01\x70\xff\xff\xff\xff\x1f"), 12, "type index"),
        (PREAMBLE + section(0x07, b"\x01\x70\x60"), 12, "found type code 0x60"),
        (PREAMBLE + section(0x07, b"\x01\x6d\x01\x01\xff"), 14, "no UTF-8"),
        (PREAMBLE + section(0x07, b"\x01\x6d\x01\x05a"), 14, "reaches past the end"),
        (PREAMBLE + section(0x01, b"rubbish!"), 10, "core module"),
        (PREAMBLE + section(0x08, b"\x01\x77"), 11, "no canonical definition"),
        (PREAMBLE + section(0x06, b"\x01\x01\x02\x00\x00"), 11, "outer alias of a func"),
        (PREAMBLE + section(0x0A, b"\x01\x07\x01a\x01\x00"), 11, "no form of extern name"),
    ],
)
def test_malformed_input_is_refused_with_its_offset(data, offset, words):
    with pytest.raises(BinaryError, match=words) as caught:
        parse(data)
    assert caught.value.offset == offset


def test_too_deeply_nested_components_are_refused():
    data = PREAMBLE
    for _ in range(limits.COMPONENT_NESTING_MAX + 1):
        size = len(data)
        data = PREAMBLE + bytes([0x04, size & 0x7F | 0x80, size >> 7]) + data
    with pytest.raises(BinaryError, match="nested deeper"):
        parse(data)


def test_too_deeply_nested_types_are_refused():
    type_ = b"\x42\x00"
    for _ in range(limits.TYPE_DECLARATION_NESTING_MAX + 1):
        type_ = b"\x42\x01\x01" + type_
    with pytest.raises(BinaryError, match="nested deeper"):
        parse(PREAMBLE + section(0x07, b"\x01" + type_))


def test_too_many_definitions_are_refused():
    count = limits.ITEMS_MAX
    types_ = b"\xa0\x8d\x06" + b"\x7d" * count
    section_ = b"\x07" + b"\xa3\x8d\x06" + types_
    with pytest.raises(BinaryError, match="definitions"):
        parse(PREAMBLE + section_ * 3)
