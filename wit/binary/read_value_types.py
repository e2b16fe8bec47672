"""Value types, function types and resource types, as spelled.

Source: component-model specification, Binary.md, "Type Definitions".
"""

from collections.abc import Callable

from wit.binary import types as ast
from wit.binary.cursor import Cursor
from wit.binary.limits import PARAMETERS_MAX
from wit.types import ErrorContextType, Primitive

__all__ = ["read_defined_type", "read_function", "read_resource", "read_result", "read_value_type"]

_PLAIN: dict[int, Primitive | ErrorContextType] = {
    0x7F: Primitive.BOOL,
    0x7E: Primitive.S8,
    0x7D: Primitive.U8,
    0x7C: Primitive.S16,
    0x7B: Primitive.U16,
    0x7A: Primitive.S32,
    0x79: Primitive.U32,
    0x78: Primitive.S64,
    0x77: Primitive.U64,
    0x76: Primitive.F32,
    0x75: Primitive.F64,
    0x74: Primitive.CHAR,
    0x73: Primitive.STRING,
    0x64: ErrorContextType(),
}


def read_value_type(cursor: Cursor) -> ast.ValueType:
    """Read a type without structure, or the index of a defined one."""
    plain = _PLAIN.get(cursor.peek())
    if plain is None:
        return cursor.type_index()
    cursor.byte()
    return plain


def _optional_value_type(cursor: Cursor) -> ast.ValueType | None:
    return read_value_type(cursor) if cursor.flag("an optional type") else None


def _field(cursor: Cursor) -> ast.FieldDefinition:
    name = cursor.name()
    return ast.FieldDefinition(name, read_value_type(cursor))


def _case(cursor: Cursor) -> ast.CaseDefinition:
    name = cursor.name()
    case = ast.CaseDefinition(name, _optional_value_type(cursor))
    cursor.expect(0x00, "a case that refines no other")
    return case


def _record(cursor: Cursor) -> ast.DefinedType:
    return ast.RecordDefinition(cursor.items(lambda: _field(cursor)))


def _variant(cursor: Cursor) -> ast.DefinedType:
    return ast.VariantDefinition(cursor.items(lambda: _case(cursor)))


def _list(cursor: Cursor) -> ast.DefinedType:
    return ast.ListDefinition(read_value_type(cursor))


def _fixed_list(cursor: Cursor) -> ast.DefinedType:
    element = read_value_type(cursor)
    offset = cursor.position
    length = cursor.u32()
    if length == 0:
        raise cursor.error("list of fixed length 0, expected at least 1", offset=offset)
    return ast.FixedListDefinition(element, length)


def _map(cursor: Cursor) -> ast.DefinedType:
    key = read_value_type(cursor)
    return ast.MapDefinition(key, read_value_type(cursor))


def _tuple(cursor: Cursor) -> ast.DefinedType:
    return ast.TupleDefinition(cursor.items(lambda: read_value_type(cursor)))


def _flags(cursor: Cursor) -> ast.DefinedType:
    return ast.FlagsDefinition(cursor.items(cursor.name))


def _enum(cursor: Cursor) -> ast.DefinedType:
    return ast.EnumDefinition(cursor.items(cursor.name))


def _option(cursor: Cursor) -> ast.DefinedType:
    return ast.OptionDefinition(read_value_type(cursor))


def _result(cursor: Cursor) -> ast.DefinedType:
    ok = _optional_value_type(cursor)
    return ast.ResultDefinition(ok, _optional_value_type(cursor))


def _own(cursor: Cursor) -> ast.DefinedType:
    return ast.OwnDefinition(cursor.u32())


def _borrow(cursor: Cursor) -> ast.DefinedType:
    return ast.BorrowDefinition(cursor.u32())


def _future(cursor: Cursor) -> ast.DefinedType:
    return ast.FutureDefinition(_optional_value_type(cursor))


def _stream(cursor: Cursor) -> ast.DefinedType:
    return ast.StreamDefinition(_optional_value_type(cursor))


_STRUCTURED: dict[int, Callable[[Cursor], ast.DefinedType]] = {
    0x72: _record,
    0x71: _variant,
    0x70: _list,
    0x6F: _tuple,
    0x6E: _flags,
    0x6D: _enum,
    0x6B: _option,
    0x6A: _result,
    0x69: _own,
    0x68: _borrow,
    0x67: _fixed_list,
    0x66: _stream,
    0x65: _future,
    0x63: _map,
}


def read_defined_type(cursor: Cursor) -> ast.DefinedType:
    """Read a definition whose values cross between components."""
    offset = cursor.position
    code = cursor.byte()
    plain = _PLAIN.get(code)
    if plain is not None:
        return ast.PlainDefinition(plain)
    read = _STRUCTURED.get(code)
    if read is None:
        raise cursor.error(f"{code:#04x} is no type definition", offset=offset)
    return read(cursor)


def read_result(cursor: Cursor) -> ast.ValueType | None:
    """Read the result of a function: one type, or an empty list."""
    if not cursor.flag("the result of a function"):
        return read_value_type(cursor)
    cursor.expect(0x00, "an empty list of results")
    return None


def read_function(cursor: Cursor, *, is_async: bool) -> ast.FunctionDefinition:
    """Read a function type after its code."""
    parameters = cursor.items(lambda: _field(cursor), PARAMETERS_MAX)
    return ast.FunctionDefinition(parameters, read_result(cursor), is_async)


def read_resource(cursor: Cursor) -> ast.ResourceDefinition:
    """Read a resource type after its code."""
    offset = cursor.position
    match cursor.byte():
        case 0x7F:
            destructor = cursor.u32() if cursor.flag("a destructor") else None
            return ast.ResourceDefinition("i32", destructor)
        case 0x7E:
            destructor = cursor.u32() if cursor.flag("a destructor") else None
            return ast.ResourceDefinition("i64", destructor)
        case code:
            raise cursor.error(
                f"resource representation {code:#04x}, expected i32 or i64", offset=offset
            )
