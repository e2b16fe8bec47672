"""What snapshots need to know of element and data segments: can they be dropped, whom do they name.

A passive segment can be dropped by the guest, and nothing outside can see whether it was. Functions
of segments that fill no table can be put into one later, so they have to be found by name.
"""

from actors.engine.core.skip import read_reference_type, skip_constant_expression
from wit.binary.cursor import Cursor

__all__ = ["function_of", "read_data_segment", "read_element_segment"]

_NOT_ACTIVE = 0x01
_HAS_INDEX_OR_DECLARES = 0x02
_HAS_EXPRESSIONS = 0x04
_REF_FUNC = 0xD2


def read_data_segment(body: Cursor) -> bool:
    """Read a segment and tell whether it is passive."""
    flags = body.u32()
    if flags == _HAS_INDEX_OR_DECLARES:
        body.u32()
    if not flags & _NOT_ACTIVE:
        skip_constant_expression(body)
    size = body.u32()
    if size > body.end - body.position:
        raise body.error(f"a data segment of {size} bytes reaches past its section")
    body.position += size
    return bool(flags & _NOT_ACTIVE)


def read_element_segment(body: Cursor, items_max: int) -> tuple[bool, tuple[int, ...]]:
    """Read a segment: whether it is passive, and the functions it names without filling a table."""
    flags = body.u32()
    is_active = not flags & _NOT_ACTIVE
    if is_active:
        if flags & _HAS_INDEX_OR_DECLARES:
            body.u32()
        skip_constant_expression(body)
    has_expressions = bool(flags & _HAS_EXPRESSIONS)
    if flags & (_NOT_ACTIVE | _HAS_INDEX_OR_DECLARES):
        if has_expressions:
            read_reference_type(body)
        else:
            body.byte()
    if has_expressions:
        found = body.items(lambda: function_of(body), items_max)
        functions = tuple(index for index in found if index is not None)
    else:
        functions = body.items(body.u32, items_max)
    is_passive = flags & (_NOT_ACTIVE | _HAS_INDEX_OR_DECLARES) == _NOT_ACTIVE
    return is_passive, () if is_active else functions


def function_of(body: Cursor) -> int | None:
    """Skip a constant expression; return the function that it is a reference to, if it is one."""
    start = body.position
    skip_constant_expression(body)
    end = body.position
    if body.data[start] != _REF_FUNC:
        return None
    body.position = start + 1
    index = body.u32()
    body.position = end
    return index
