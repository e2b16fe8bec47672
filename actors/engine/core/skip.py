"""Parts of core modules of which only the length matters: limits and constants."""

from actors.engine.core.module import MemoryType
from wit.binary.cursor import Cursor

__all__ = ["read_limits", "read_reference_type", "skip_constant_expression"]

_REF_NULL = 0x63
_REF = 0x64
_SHORT_REFERENCES = {
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

_HAS_MAXIMUM = 0x01
_SHARED = 0x02
_IS_64 = 0x04
_HAS_PAGE_SIZE = 0x08


def read_limits(cursor: Cursor) -> MemoryType:
    """Read the limits of a memory or table."""
    flags = cursor.byte()
    minimum = cursor.u64()
    maximum = cursor.u64() if flags & _HAS_MAXIMUM else None
    if flags & _HAS_PAGE_SIZE:
        cursor.u32()
    return MemoryType(
        minimum=minimum,
        maximum=maximum,
        is_64=bool(flags & _IS_64),
        is_shared=bool(flags & _SHARED),
    )


def read_reference_type(cursor: Cursor) -> str:
    """Read a reference type as text: equal texts are equal types, unless they name an index.

    One that names a type of the module by index is spelled `ref 7` or `ref null 7`. The long
    form of a short one is spelled like the short one.
    """
    start = cursor.position
    code = cursor.byte()
    if code == _REF_NULL and cursor.peek() in _SHORT_REFERENCES:
        code = cursor.byte()
    if code in _SHORT_REFERENCES:
        return _SHORT_REFERENCES[code]
    if code not in {_REF, _REF_NULL}:
        raise cursor.error(f"{code:#04x} is no core value type", offset=start)
    if cursor.peek() in _SHORT_REFERENCES:
        return f"(ref {_SHORT_REFERENCES[cursor.byte()]})"
    return f"ref {'null ' if code == _REF_NULL else ''}{cursor.type_index()}"


def skip_constant_expression(cursor: Cursor) -> None:
    """Skip an initialiser up to and with its end.

    Raises:
        BinaryError: an instruction that is not constant.
    """
    while True:
        offset = cursor.position
        code = cursor.byte()
        match code:
            case 0x0B:
                return
            case 0x41 | 0x42 | 0x23 | 0xD2 | 0xD0:
                _skip_signed(cursor)
            case 0x43:
                _skip(cursor, 4)
            case 0x44:
                _skip(cursor, 8)
            case 0x6A | 0x6B | 0x6C | 0x7C | 0x7D | 0x7E:
                pass
            case 0xFD:
                cursor.u32()
                _skip(cursor, 16)
            case 0xFB:
                _skip_aggregate(cursor)
            case _:
                raise cursor.error(f"{code:#04x} is no constant instruction", offset=offset)


def _skip_aggregate(cursor: Cursor) -> None:
    match cursor.u32():
        case 0 | 1 | 6 | 7:
            cursor.u32()
        case 8:
            cursor.u32()
            cursor.u32()
        case 26 | 27 | 28:
            pass
        case code:
            raise cursor.error(f"{code} is no constant aggregate instruction")


def _skip_signed(cursor: Cursor) -> None:
    while cursor.byte() & 0x80:
        pass


def _skip(cursor: Cursor, size: int) -> None:
    if size > cursor.end - cursor.position:
        raise cursor.error("unexpected end inside a constant")
    cursor.position += size
