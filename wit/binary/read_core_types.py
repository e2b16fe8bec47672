"""Core function types and core module types.

Types of the garbage-collection proposal are refused by name: no component that this project runs
needs them at component level.

Source: component-model specification, Binary.md, "Core Type Definitions".
"""

from wit.binary.cursor import Cursor
from wit.binary.definitions import CoreImport, CoreModuleType, CoreTypeDefinition
from wit.binary.limits import PARAMETERS_MAX
from wit.binary.sorts import Sort
from wit.binary.types import CoreFunctionType, CoreGlobalType, CoreLimits, CoreTableType

__all__ = ["read_core_type", "read_core_value_type"]

_NUMBERS = {0x7F: "i32", 0x7E: "i64", 0x7D: "f32", 0x7C: "f64", 0x7B: "v128"}
_REFERENCES = {
    0x74: "nullexnref",
    0x73: "nullfuncref",
    0x72: "nullexternref",
    0x71: "nullref",
    0x70: "funcref",
    0x6F: "externref",
    0x6E: "anyref",
    0x6D: "eqref",
    0x6C: "i31ref",
    0x6B: "structref",
    0x6A: "arrayref",
    0x69: "exnref",
}
_VALUE_TYPES = _NUMBERS | _REFERENCES
_LIMITS_WITH_MAXIMUM = 0x01
_LIMITS_SHARED = 0x02
_LIMITS_64 = 0x04
_LIMITS_WITH_PAGE_SIZE = 0x08
_LIMITS_FLAGS_KNOWN = 0x0F


def read_core_type(cursor: Cursor) -> CoreTypeDefinition:
    """Read one definition of the core type section."""
    offset = cursor.position
    cursor.budget.spend(offset)
    match cursor.byte():
        case 0x60:
            return CoreTypeDefinition(_function_type(cursor), offset)
        case 0x50:
            return CoreTypeDefinition(_module_type(cursor), offset)
        case code:
            raise _no_core_type(cursor, code, offset)


def _no_core_type(cursor: Cursor, code: int, offset: int) -> Exception:
    return cursor.error(
        f"core type code {code:#04x} is not supported, expected a function or module type",
        offset=offset,
    )


def _function_type(cursor: Cursor) -> CoreFunctionType:
    parameters = cursor.items(lambda: read_core_value_type(cursor), PARAMETERS_MAX)
    results = cursor.items(lambda: read_core_value_type(cursor), PARAMETERS_MAX)
    return CoreFunctionType(parameters, results)


def read_core_value_type(cursor: Cursor) -> str:
    """Read a core value type as its keyword; one that names a type by index begins with `ref`.

    The long form of a short one is spelled like the short one.
    """
    offset = cursor.position
    code = cursor.byte()
    if code in {0x63, 0x64}:
        if cursor.peek() in _REFERENCES:
            short = _REFERENCES[cursor.byte()]
            return short if code == 0x63 else f"(ref {short})"
        return f"ref {'null ' if code == 0x63 else ''}{cursor.type_index()}"
    if code not in _VALUE_TYPES:
        raise cursor.error(f"{code:#04x} is no core value type", offset=offset)
    return _VALUE_TYPES[code]


def _module_type(cursor: Cursor) -> CoreModuleType:
    types: list[CoreFunctionType | int] = []
    imports: list[CoreImport] = []
    exports: list[CoreImport] = []
    for _ in range(cursor.count()):
        offset = cursor.position
        cursor.budget.spend(offset)
        match cursor.byte():
            case 0x00:
                module = cursor.name()
                imports.append(_described(cursor, module, cursor.name()))
            case 0x01:
                at = cursor.position
                code = cursor.byte()
                if code != 0x60:
                    raise _no_core_type(cursor, code, at)
                types.append(_function_type(cursor))
            case 0x02:
                cursor.expect(0x10, "the core type sort")
                cursor.expect(0x01, "an outer alias")
                scopes = cursor.u32()
                if scopes != 1:
                    raise cursor.error(
                        f"alias into scope {scopes}, module types see scope 1 only", offset=offset
                    )
                types.append(cursor.u32())
            case 0x03:
                exports.append(_described(cursor, None, cursor.name()))
            case code:
                raise cursor.error(f"{code:#04x} is no module declarator", offset=offset)
    return CoreModuleType(tuple(types), tuple(imports), tuple(exports))


def _described(cursor: Cursor, module: str | None, name: str) -> CoreImport:
    offset = cursor.position
    match cursor.byte():
        case 0x00:
            return CoreImport(module, name, Sort.CORE_FUNCTION, cursor.u32())
        case 0x01:
            table = CoreTableType(read_core_value_type(cursor), _limits(cursor))
            return CoreImport(module, name, Sort.CORE_TABLE, type=table)
        case 0x02:
            return CoreImport(module, name, Sort.CORE_MEMORY, type=_limits(cursor))
        case 0x03:
            value = read_core_value_type(cursor)
            mutable = CoreGlobalType(value, mutable=cursor.flag("mutability"))
            return CoreImport(module, name, Sort.CORE_GLOBAL, type=mutable)
        case 0x04:
            cursor.expect(0x00, "the exception attribute")
            return CoreImport(module, name, Sort.CORE_TAG, cursor.u32())
        case code:
            raise cursor.error(f"{code:#04x} is no kind of core import", offset=offset)


def _limits(cursor: Cursor) -> CoreLimits:
    offset = cursor.position
    flags = cursor.byte()
    if flags & ~_LIMITS_FLAGS_KNOWN:
        raise cursor.error(f"{flags:#04x} are no limits", offset=offset)
    minimum = cursor.u64()
    maximum = cursor.u64() if flags & _LIMITS_WITH_MAXIMUM else None
    has_page_size = bool(flags & _LIMITS_WITH_PAGE_SIZE)
    if has_page_size:
        cursor.u32()
    return CoreLimits(
        minimum=minimum,
        maximum=maximum,
        is_64=bool(flags & _LIMITS_64),
        is_shared=bool(flags & _LIMITS_SHARED),
        has_page_size=has_page_size,
    )
