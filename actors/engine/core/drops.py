"""Makes a module tell which of its passive segments it has dropped.

A segment that a guest drops is gone, and nothing outside can see it. So each drop also sets a
global, which is saved like any other, and a function is added that drops again whatever the globals
say: it runs in a restored instance, which has all its segments again.
"""

import re
from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from actors.engine.core.instructions import Drop, UnreadableError, drops_of
from actors.engine.core.module import CoreModule, Section

__all__ = ["Tracked", "bodies_of", "leb", "rewritten", "sized", "track_drops"]

_SEGMENTS_MAX: Final = 1_000
_TYPES: Final = 1
_FUNCTIONS: Final = 3
_GLOBALS: Final = 6
_CODE: Final = 10
# Bodies without one of these bytes drop nothing; those with may. An opcode can be spelled long.
_MAY_DROP: Final = re.compile(rb"\xfc[\x09\x0d\x89\x8d]")
_NO_ARGUMENTS: Final = b"\x60\0\0"
_ZERO_GLOBAL: Final = b"\x7f\x01\x41\0\x0b"
# Sections before that of the globals, in the order of a module; custom ones may stand anywhere.
_BEFORE_GLOBALS: Final = frozenset({0, 1, 2, 3, 4, 5, 13})


class Tracked(Struct, frozen=True):
    """A changed module; `again` is the index of the function."""

    data: bytes
    again: int


def track_drops(data: bytes, module: CoreModule) -> Tracked | None:
    """Return the module in which drops are seen, None if none of its code drops a segment.

    Raises:
        UnreadableError: its code cannot be followed. wasmtime refuses it, or knows more.
    """
    code = next((each for each in module.sections if each.code == _CODE), None)
    if code is None or not _MAY_DROP.search(data, code.start, code.end):
        return None
    bodies = bodies_of(data, code)
    drops = {
        number: found
        for number, (start, end) in enumerate(bodies)
        if _MAY_DROP.search(data, start, end) and (found := drops_of(data, start, end))
    }
    if not drops:
        return None
    segments = sorted(
        {(each.is_element, each.segment) for found in drops.values() for each in found}
    )
    if len(segments) > _SEGMENTS_MAX:
        raise UnreadableError
    first = len(module.globals)
    numbers = {segment: first + index for index, segment in enumerate(segments)}
    changed = [
        _with_marks(data, start, end, drops.get(number, ()), numbers)
        for number, (start, end) in enumerate(bodies)
    ]
    changed.append(sized(_drop_again(numbers)))
    added = {
        _TYPES: [_NO_ARGUMENTS],
        _FUNCTIONS: [leb(len(module.types))],
        _GLOBALS: [_ZERO_GLOBAL] * len(segments),
    }
    return Tracked(rewritten(data, module, added, changed), len(module.functions))


def rewritten(
    data: bytes, module: CoreModule, added: dict[int, list[bytes]], bodies: list[bytes]
) -> bytes:
    """Return the module with other function bodies and with items `added` to sections, last.

    Raises:
        UnreadableError: it has no such section.
    """
    sections = _sections(data, module, added, leb(len(bodies)) + b"".join(bodies))
    head = data[module.sections[0].header - 8 : module.sections[0].header]
    return b"".join([head, *(bytes([code]) + sized(body) for code, body in sections)])


def bodies_of(data: bytes, code: Section) -> list[tuple[int, int]]:
    """Return where each function body of a code section begins and ends.

    Raises:
        UnreadableError: one reaches past the section.
    """
    count, at = _number(data, code.start)
    found: list[tuple[int, int]] = []
    for _ in range(count):
        size, at = _number(data, at)
        if at + size > code.end:
            raise UnreadableError
        found.append((at, at + size))
        at += size
    return found


def _with_marks(
    data: bytes,
    start: int,
    end: int,
    drops: Iterable[Drop],
    numbers: dict[tuple[bool, int], int],
) -> bytes:
    parts: list[bytes] = []
    at = start
    for each in drops:
        parts.append(data[at : each.end])
        number = numbers[each.is_element, each.segment]
        # i32.const 1, global.set
        parts.append(b"\x41\x01\x24" + leb(number))
        at = each.end
    return sized(b"".join([*parts, data[at:end]]))


def _drop_again(numbers: dict[tuple[bool, int], int]) -> bytes:
    """A function without local variables: each segment whose global is set is dropped."""
    parts = [b"\0"]
    for (is_element, segment), number in numbers.items():
        drop = b"\xfc" + (b"\x0d" if is_element else b"\x09") + leb(segment)
        # global.get, if without result, end
        parts.append(b"\x23" + leb(number) + b"\x04\x40" + drop + b"\x0b")
    return b"".join([*parts, b"\x0b"])


def _sections(
    data: bytes, module: CoreModule, added: dict[int, list[bytes]], code: bytes
) -> tuple[tuple[int, bytes], ...]:
    found: list[tuple[int, bytes]] = []
    rest = dict(added)
    for section in module.sections:
        if section.code not in _BEFORE_GLOBALS and section.code != _GLOBALS and _GLOBALS in rest:
            found.append((_GLOBALS, _listed(0, b"", rest.pop(_GLOBALS))))
        if section.code == _CODE:
            found.append((_CODE, code))
        elif section.code in rest:
            count, at = _number(data, section.start)
            items = rest.pop(section.code)
            found.append((section.code, _listed(count, data[at : section.end], items)))
        elif section.code or not _is_about_code(data, section):
            found.append((section.code, data[section.start : section.end]))
    # A module with code has types and functions.
    if rest:
        raise UnreadableError
    return tuple(found)


def _is_about_code(data: bytes, section: Section) -> bool:
    """Return whether a custom section names places in the code, which are others afterwards."""
    size, at = _number(data, section.start)
    return data[at : at + size].startswith(b"metadata.code.")


def _listed(count: int, before: bytes, added: list[bytes]) -> bytes:
    return leb(count + len(added)) + before + b"".join(added)


def sized(body: bytes) -> bytes:
    """Return the bytes behind their length."""
    return leb(len(body)) + body


def _number(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(data):
            raise UnreadableError
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def leb(value: int) -> bytes:
    """Return an unsigned number as LEB128."""
    out = bytearray()
    while True:
        value, low = value >> 7, value & 0x7F
        out.append(low | 0x80 if value else low)
        if not value:
            return bytes(out)
