"""The canonical section: definitions that cross between core and component level.

Source: component-model specification, Binary.md, "Canonical Definitions".
"""

from typing import Final

from wit.binary.cursor import Cursor
from wit.binary.definitions import (
    BuiltIn,
    CanonicalOptions,
    Lift,
    Lower,
    ResourceDrop,
    ResourceNew,
    ResourceRep,
    StringEncoding,
)
from wit.binary.read_core_types import read_core_value_type
from wit.binary.read_value_types import read_result
from wit.binary.types import ValueType

__all__ = ["BUILT_INS", "read_canon"]

BUILT_INS: Final = {
    0x05: ("task.cancel", ""),
    0x06: ("subtask.cancel", "f"),
    0x08: ("backpressure.set", ""),
    0x09: ("task.return", "ro"),
    0x0A: ("context.get", "vi"),
    0x0B: ("context.set", "vi"),
    0x0C: ("thread.yield", "f"),
    0x0D: ("subtask.drop", ""),
    0x0E: ("stream.new", "i"),
    0x0F: ("stream.read", "io"),
    0x10: ("stream.write", "io"),
    0x11: ("stream.cancel-read", "if"),
    0x12: ("stream.cancel-write", "if"),
    0x13: ("stream.drop-readable", "i"),
    0x14: ("stream.drop-writable", "i"),
    0x15: ("future.new", "i"),
    0x16: ("future.read", "io"),
    0x17: ("future.write", "io"),
    0x18: ("future.cancel-read", "if"),
    0x19: ("future.cancel-write", "if"),
    0x1A: ("future.drop-readable", "i"),
    0x1B: ("future.drop-writable", "i"),
    0x1C: ("error-context.new", "o"),
    0x1D: ("error-context.debug-message", "o"),
    0x1E: ("error-context.drop", ""),
    0x1F: ("waitable-set.new", ""),
    0x20: ("waitable-set.wait", "fi"),
    0x21: ("waitable-set.poll", "fi"),
    0x22: ("waitable-set.drop", ""),
    0x23: ("waitable.join", ""),
    0x24: ("backpressure.inc", ""),
    0x25: ("backpressure.dec", ""),
    0x26: ("thread.index", ""),
    0x27: ("thread.new-indirect", "ii"),
    0x28: ("thread.resume-later", ""),
    0x29: ("thread.suspend", "f"),
    0x2A: ("thread.suspend-then-resume", "f"),
    0x2B: ("thread.yield-then-resume", "f"),
    0x2C: ("thread.suspend-then-promote", "f"),
    0x2D: ("thread.yield-then-promote", "f"),
    0x2F: ("future.forward", "i"),
    0x40: ("thread.spawn-ref", "i"),
    0x41: ("thread.spawn-indirect", "ii"),
    0x42: ("thread.available-parallelism", ""),
}
"""By code: the name, and what follows it in the binary.

f: a flag, i: an index or number, o: canonical options, r: a result, v: a core value type.
"""

_ENCODINGS = {
    0x00: StringEncoding.UTF8,
    0x01: StringEncoding.UTF16,
    0x02: StringEncoding.LATIN1_UTF16,
}
_INDEX_OPTIONS = {0x03: "memory", 0x04: "realloc", 0x05: "post-return", 0x07: "callback"}


def read_canon(
    cursor: Cursor,
) -> Lift | Lower | ResourceNew | ResourceDrop | ResourceRep | BuiltIn:
    """Read one canonical definition."""
    offset = cursor.position
    cursor.budget.spend(offset)
    match cursor.byte():
        case 0x00:
            cursor.expect(0x00, "the core function sort")
            function = cursor.u32()
            options = _options(cursor)
            return Lift(function, options, cursor.u32(), offset)
        case 0x01:
            cursor.expect(0x00, "the function sort")
            function = cursor.u32()
            return Lower(function, _options(cursor), offset)
        case 0x02:
            return ResourceNew(cursor.u32(), offset)
        case 0x03:
            return ResourceDrop(cursor.u32(), offset)
        case 0x04:
            return ResourceRep(cursor.u32(), offset)
        case 0x07:
            return ResourceDrop(cursor.u32(), offset, is_async=True)
        case code if code in BUILT_INS:
            return _built_in(cursor, code, offset)
        case code:
            raise cursor.error(f"{code:#04x} is no canonical definition", offset=offset)


def _built_in(cursor: Cursor, code: int, offset: int) -> BuiltIn:
    name, layout = BUILT_INS[code]
    immediates: list[int] = []
    options: CanonicalOptions | None = None
    result: ValueType | None = None
    for part in layout:
        match part:
            case "f":
                immediates.append(int(cursor.flag("an option of a built-in")))
            case "i":
                immediates.append(cursor.u32())
            case "o":
                options = _options(cursor)
            case "r":
                result = read_result(cursor)
            case _:
                assert part == "v"
                read_core_value_type(cursor)
    return BuiltIn(name, offset, tuple(immediates), options, result)


def _options(cursor: Cursor) -> CanonicalOptions:
    encoding: StringEncoding | None = None
    indices: dict[str, int] = {}
    is_async = False
    for _ in range(cursor.count()):
        offset = cursor.position
        code = cursor.byte()
        if code in _ENCODINGS and encoding is None:
            encoding = _ENCODINGS[code]
        elif code in _INDEX_OPTIONS and _INDEX_OPTIONS[code] not in indices:
            indices[_INDEX_OPTIONS[code]] = cursor.u32()
        elif code == 0x06 and not is_async:
            is_async = True
        elif code in {0x08, 0x09}:
            raise cursor.error(
                "canonical options of the garbage-collection proposal are not supported",
                offset=offset,
            )
        else:
            raise cursor.error(
                f"canonical option {code:#04x} is unknown or stands twice", offset=offset
            )
    return CanonicalOptions(
        string_encoding=encoding or StringEncoding.UTF8,
        memory=indices.get("memory"),
        realloc=indices.get("realloc"),
        post_return=indices.get("post-return"),
        is_async=is_async,
        callback=indices.get("callback"),
    )
