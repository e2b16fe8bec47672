"""The type section: all type definitions, component and instance types with their declarators.

Source: component-model specification, Binary.md, "Type Definitions".
"""

from wit.binary.cursor import Cursor
from wit.binary.definitions import (
    AliasCoreExport,
    AliasExport,
    AliasOuter,
    ComponentType,
    Declarator,
    ExportDeclaration,
    Import,
    InstanceType,
    TypeDefinition,
)
from wit.binary.limits import TYPE_DECLARATION_NESTING_MAX
from wit.binary.read_core_types import read_core_type
from wit.binary.read_externs import read_extern_name, read_extern_type, read_sort
from wit.binary.read_value_types import read_defined_type, read_function, read_resource
from wit.binary.sorts import Sort

__all__ = ["read_alias", "read_import", "read_type"]

_OUTER_SORTS = frozenset({Sort.TYPE, Sort.CORE_TYPE, Sort.CORE_MODULE, Sort.COMPONENT})


def read_type(cursor: Cursor, depth: int = 0) -> TypeDefinition:
    """Read one definition of the type section; `depth` counts the enclosing type definitions."""
    offset = cursor.position
    cursor.budget.spend(offset)
    match cursor.peek():
        case 0x40 | 0x43 as code:
            cursor.byte()
            return TypeDefinition(read_function(cursor, is_async=code == 0x43), offset)
        case 0x3F:
            cursor.byte()
            if depth:
                raise cursor.error(
                    "resource defined inside a component or instance type, expected it to be "
                    "imported or exported there",
                    offset=offset,
                )
            return TypeDefinition(read_resource(cursor), offset)
        case 0x41 | 0x42 as code:
            cursor.byte()
            if depth == TYPE_DECLARATION_NESTING_MAX:
                raise cursor.error(
                    f"types nested deeper than {TYPE_DECLARATION_NESTING_MAX}", offset=offset
                )
            is_component = code == 0x41
            declarators = cursor.items(
                lambda: _declarator(cursor, depth + 1, is_component=is_component)
            )
            declared = ComponentType if is_component else InstanceType
            return TypeDefinition(declared(declarators), offset)
        case _:
            return TypeDefinition(read_defined_type(cursor), offset)


def _declarator(cursor: Cursor, depth: int, *, is_component: bool) -> Declarator:
    offset = cursor.position
    match cursor.byte():
        case 0x00:
            return read_core_type(cursor)
        case 0x01:
            return read_type(cursor, depth)
        case 0x02:
            alias = read_alias(cursor)
            if isinstance(alias, AliasCoreExport):
                raise cursor.error("types hold no core instances to alias from", offset=offset)
            return alias
        case 0x03 if is_component:
            return read_import(cursor)
        case 0x04:
            cursor.budget.spend(offset)
            name, attributes = read_extern_name(cursor)
            return ExportDeclaration(name, read_extern_type(cursor), offset, attributes)
        case code:
            kind = "component" if is_component else "instance"
            raise cursor.error(f"{code:#04x} is no declarator of {kind} types", offset=offset)


def read_import(cursor: Cursor) -> Import:
    """Read one import of a component or component type."""
    offset = cursor.position
    cursor.budget.spend(offset)
    name, attributes = read_extern_name(cursor)
    return Import(name, read_extern_type(cursor), offset, attributes)


def read_alias(cursor: Cursor) -> AliasExport | AliasCoreExport | AliasOuter:
    """Read one alias."""
    offset = cursor.position
    cursor.budget.spend(offset)
    sort = read_sort(cursor)
    at = cursor.position
    match cursor.byte():
        case 0x00:
            instance = cursor.u32()
            return AliasExport(sort, instance, cursor.name(), offset)
        case 0x01:
            instance = cursor.u32()
            return AliasCoreExport(sort, instance, cursor.name(), offset)
        case 0x02:
            if sort not in _OUTER_SORTS:
                raise cursor.error(
                    f"outer alias of a {sort.value}, expected a type, core type, core module or "
                    "component",
                    offset=offset,
                )
            count = cursor.u32()
            return AliasOuter(sort, count, cursor.u32(), offset)
        case code:
            raise cursor.error(f"{code:#04x} is no target of an alias", offset=at)
