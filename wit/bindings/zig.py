"""Declarations in Zig of what bindings for C define: compiled together with their source.

Types are extern structs with the names that they have in C; what is to be implemented is exported
under its C name, `export fn exports_demo_counter_api_add(value: u64) u64`.
"""

from collections.abc import Iterator
from typing import Final, assert_never

from wit.bindings.c_header import (
    Declarations,
    functions_of,
    number_type,
    resources_of,
)
from wit.bindings.c_names import Names, constant, identifier
from wit.bindings.flattening import cases_of
from wit.types import (
    Borrow,
    EnumType,
    ErrorContextType,
    FixedListType,
    FlagsType,
    FutureType,
    ListType,
    MapType,
    OptionType,
    Own,
    Primitive,
    RecordType,
    ResultType,
    StreamType,
    TupleType,
    Type,
    VariantType,
)
from wit.world import Function, World

__all__ = ["zig_bindings"]

_PRIMITIVES: Final = {
    Primitive.BOOL: "bool",
    Primitive.S8: "i8",
    Primitive.U8: "u8",
    Primitive.S16: "i16",
    Primitive.U16: "u16",
    Primitive.S32: "i32",
    Primitive.U32: "u32",
    Primitive.S64: "i64",
    Primitive.U64: "u64",
    Primitive.F32: "f32",
    Primitive.F64: "f64",
    Primitive.CHAR: "u32",
    Primitive.STRING: "wit_string_t",
}
_NUMBERS: Final = {"uint8_t": "u8", "uint16_t": "u16", "uint32_t": "u32"}
_RESERVED: Final = frozenset(
    {
        "addrspace",
        "align",
        "allowzero",
        "and",
        "anyframe",
        "anytype",
        "asm",
        "async",
        "await",
        "break",
        "callconv",
        "catch",
        "comptime",
        "const",
        "continue",
        "defer",
        "else",
        "enum",
        "errdefer",
        "error",
        "export",
        "extern",
        "fn",
        "for",
        "if",
        "inline",
        "linksection",
        "noalias",
        "noinline",
        "nosuspend",
        "opaque",
        "or",
        "orelse",
        "packed",
        "pub",
        "resume",
        "return",
        "struct",
        "suspend",
        "switch",
        "test",
        "threadlocal",
        "try",
        "union",
        "unreachable",
        "usingnamespace",
        "var",
        "volatile",
        "while",
    }
)
_PREAMBLE: Final = """\
/// Text that lies where it was allocated.
pub const wit_string_t = extern struct {
    ptr: [*c]u8 = null,
    len: usize = 0,

    /// Text that stays where it is: for arguments of imported functions.
    pub fn of(text: []const u8) wit_string_t {
        return .{ .ptr = @constCast(text.ptr), .len = text.len };
    }

    /// A copy that the bindings free: for results of exported functions.
    pub fn copy(text: []const u8) wit_string_t {
        return wit_string_copy(text.ptr, text.len);
    }

    pub fn slice(self: wit_string_t) []u8 {
        return if (self.len == 0) &.{} else self.ptr[0..self.len];
    }
};

pub extern fn wit_alloc(size: usize) ?*anyopaque;
pub extern fn wit_free(pointer: ?*anyopaque) void;
pub extern fn wit_string_copy(text: [*]const u8, length: usize) wit_string_t;
pub extern fn wit_string_free(string: *wit_string_t) void;
"""


def zig_bindings(world: World, name: str) -> str:
    """Return the declarations for a world, of the C bindings of the same `name`.

    Raises:
        WitError: the world has what C bindings do not know.
    """
    names = Names(world, name)
    declarations = Declarations(world, names)
    lines = [
        f'//! Made by `shem app build` from the WIT of "{name}": changes are lost.\n',
        _PREAMBLE,
        *_resources(world, names),
    ]
    for type_name, type_ in declarations.written():
        lines += _definition(type_name, type_, names)
    lines.append("")
    for type_name, _ in declarations.with_memory():
        free = f"{type_name.removesuffix('_t')}_free"
        lines.append(f"pub extern fn {free}(value: *{type_name}) void;")
    lines += [_function(each, names) for each in functions_of(world, exported=False)]
    return "\n".join(lines) + "\n"


def _resources(world: World, names: Names) -> Iterator[str]:
    every = [*resources_of(world.import_interfaces), *resources_of(world.export_interfaces)]
    for resource in dict.fromkeys(every):
        name = names.resource(resource)
        yield f"pub const {name}_t = extern struct {{ handle: i32 }};"
        yield f"pub extern fn {name}_drop(handle: {name}_t) void;"
        if names.is_exported(resource):
            yield f"pub const {name}_state_t = opaque {{}};"
            yield f"pub extern fn {name}_new(state: *{name}_state_t) {name}_t;"
            yield f"pub extern fn {name}_state(handle: {name}_t) *{name}_state_t;"


def _type(type_: Type, names: Names) -> str:
    if isinstance(type_, Primitive):
        return _PRIMITIVES[type_]
    name = names.type(type_)
    return f"*{name.removesuffix(' *')}" if name.endswith("*") else name


def _function(function: Function, names: Names) -> str:
    result = function.type.result
    returned = "void" if result is None else _type(result, names)
    parameters = [
        f"{_quoted(identifier(each.name))}: {_type(each.type, names)}"
        for each in function.type.parameters
    ]
    name = names.function(function, exported=False)
    return f"pub extern fn {name}({', '.join(parameters)}) {returned};"


def _definition(name: str, type_: Type, names: Names) -> list[str]:
    match type_:
        case RecordType(fields):
            members = [(identifier(each.name), _type(each.type, names)) for each in fields]
        case TupleType(elements):
            members = [(f"f{at}", _type(each, names)) for at, each in enumerate(elements)]
        case ListType(element):
            members = [("ptr", f"[*c]{_type(element, names)}"), ("len", "usize")]
        case OptionType(some):
            members = [("is_some", "bool"), ("val", _type(some, names))]
        case ResultType():
            members = [("is_err", "bool"), *_union(cases_of(type_), names)]
        case VariantType():
            cases = cases_of(type_)
            number = _NUMBERS[number_type(len(cases))]
            numbers = _constants(name, [case for case, _ in cases], number)
            return [*numbers, *_struct(name, [("tag", number), *_union(cases, names)])]
        case EnumType(cases):
            number = _NUMBERS[number_type(len(cases))]
            return [*_constants(name, cases, number), f"pub const {name} = {number};"]
        case FlagsType(labels):
            return _flags(name, labels)
        case (
            Primitive()
            | Own()
            | Borrow()
            | FixedListType()
            | MapType()
            | FutureType()
            | StreamType()
            | ErrorContextType()
        ):
            return []
        case _:
            assert_never(type_)
    return _struct(name, members)


def _union(cases: tuple[tuple[str, Type | None], ...], names: Names) -> list[tuple[str, str]]:
    members = [
        f"{_quoted(identifier(case))}: {_type(payload, names)}"
        for case, payload in cases
        if payload is not None
    ]
    return [("val", f"extern union {{ {', '.join(members)} }}")] if members else []


def _struct(name: str, members: list[tuple[str, str]]) -> list[str]:
    lines = [f"    {_quoted(member)}: {type_}," for member, type_ in members]
    return [f"pub const {name} = extern struct {{", *lines, "};"]


def _constants(name: str, cases: tuple[str, ...] | list[str], number: str) -> list[str]:
    return [f"pub const {constant(name, each)}: {number} = {at};" for at, each in enumerate(cases)]


def _flags(name: str, labels: tuple[str, ...]) -> list[str]:
    count = len(labels)
    if count > 32:
        return _struct(name, [("bits", f"[{-(-count // 32)}]u32")])
    number = "u8" if count <= 8 else "u16" if count <= 16 else "u32"
    bits = [
        f"pub const {constant(name, each)}: {number} = 1 << {at};" for at, each in enumerate(labels)
    ]
    return [*bits, f"pub const {name} = {number};"]


def _quoted(name: str) -> str:
    return f'@"{name}"' if name in _RESERVED else name
