"""Sorts, names of imports and exports, and what these are described to be.

Source: component-model specification, Binary.md, "Import and Export Definitions".
"""

from wit.binary.cursor import Cursor
from wit.binary.definitions import ExternAttributes, ExternType, SubResource
from wit.binary.read_value_types import read_value_type
from wit.binary.sorts import Sort, SortIndex

__all__ = [
    "read_core_sort_index",
    "read_extern_name",
    "read_extern_type",
    "read_sort",
    "read_sort_index",
]

_CORE_SORTS = {
    0x00: Sort.CORE_FUNCTION,
    0x01: Sort.CORE_TABLE,
    0x02: Sort.CORE_MEMORY,
    0x03: Sort.CORE_GLOBAL,
    0x04: Sort.CORE_TAG,
    0x10: Sort.CORE_TYPE,
    0x11: Sort.CORE_MODULE,
    0x12: Sort.CORE_INSTANCE,
}
_SORTS = {
    0x01: Sort.FUNCTION,
    0x02: Sort.VALUE,
    0x03: Sort.TYPE,
    0x04: Sort.COMPONENT,
    0x05: Sort.INSTANCE,
}
_INDEXED_EXTERNS = {0x01: Sort.FUNCTION, 0x04: Sort.COMPONENT, 0x05: Sort.INSTANCE}


def _core_sort(cursor: Cursor) -> Sort:
    code = cursor.byte()
    if code not in _CORE_SORTS:
        raise cursor.error(f"{code:#04x} is no core sort", offset=cursor.position - 1)
    return _CORE_SORTS[code]


def read_sort(cursor: Cursor) -> Sort:
    """Read a sort of one or two bytes."""
    code = cursor.byte()
    if code == 0x00:
        return _core_sort(cursor)
    if code not in _SORTS:
        raise cursor.error(f"{code:#04x} is no sort", offset=cursor.position - 1)
    return _SORTS[code]


def read_sort_index(cursor: Cursor) -> SortIndex:
    """Read a reference to a definition of any sort."""
    sort = read_sort(cursor)
    return SortIndex(sort, cursor.u32())


def read_core_sort_index(cursor: Cursor) -> SortIndex:
    """Read a reference to a core definition, spelled without the core prefix."""
    sort = _core_sort(cursor)
    return SortIndex(sort, cursor.u32())


def read_extern_name(cursor: Cursor) -> tuple[str, ExternAttributes]:
    """Read the name of an import or export with its attributes."""
    offset = cursor.position
    kind = cursor.byte()
    if kind > 0x02:
        raise cursor.error(f"{kind:#04x} is no form of extern name", offset=offset)
    name = cursor.name()
    if kind < 0x02:
        return name, ExternAttributes()
    implements = version_suffix = external_id = None
    for _ in range(cursor.count()):
        at = cursor.position
        match cursor.byte():
            case 0x00 if implements is None:
                implements = cursor.name()
            case 0x01 if version_suffix is None:
                version_suffix = cursor.name()
            case 0x02 if external_id is None:
                external_id = cursor.name()
            case code:
                raise cursor.error(
                    f"name attribute {code:#04x} is unknown or stands twice", offset=at
                )
    return name, ExternAttributes(implements, version_suffix, external_id)


def read_extern_type(cursor: Cursor) -> ExternType:
    """Read what an import or export is described to be."""
    offset = cursor.position
    code = cursor.byte()
    if code in _INDEXED_EXTERNS:
        return ExternType(_INDEXED_EXTERNS[code], cursor.u32())
    match code:
        case 0x00:
            cursor.expect(0x11, "the core module sort")
            return ExternType(Sort.CORE_MODULE, cursor.u32())
        case 0x02:
            return ExternType(Sort.VALUE, read_value_type(cursor))
        case 0x03:
            is_resource = cursor.flag("the bound of a type")
            return ExternType(Sort.TYPE, SubResource() if is_resource else cursor.u32())
        case _:
            raise cursor.error(f"{code:#04x} is no kind of import or export", offset=offset)
