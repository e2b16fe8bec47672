"""Makes a module tell that a memory did not grow.

Nothing outside sees it: `memory.grow` answers -1, and what the guest makes of that is its own
affair; mostly it traps, by some other instruction. So each `memory.grow` becomes a call of a
function that does the same and sets a global if it was refused.
"""

import re
from typing import Final

from actors.engine.core.drops import bodies_of, leb, rewritten, sized
from actors.engine.core.instructions import Grow, UnreadableError, grows_of
from actors.engine.core.module import CoreModule

__all__ = ["track_grows"]

_TYPES: Final = 1
_FUNCTIONS: Final = 3
_GLOBALS: Final = 6
_CODE: Final = 10
# Bodies without these bytes grow nothing. With more than one memory, more of them may.
_MAY_GROW_FIRST: Final = re.compile(rb"\x40[\x00\x80]")
_MAY_GROW: Final = re.compile(rb"\x40")
_ZERO_GLOBAL: Final = b"\x7f\x01\x41\0\x0b"
_I32: Final = b"\x7f"
_I64: Final = b"\x7e"


def track_grows(data: bytes, module: CoreModule) -> bytes | None:
    """Return the module in which that is seen, in its newest global; None if it grows no memory.

    Raises:
        UnreadableError: its code cannot be followed. wasmtime refuses it, or knows more.
    """
    code = next((each for each in module.sections if each.code == _CODE), None)
    if code is None or not module.memories:
        return None
    may_grow = _MAY_GROW_FIRST if len(module.memories) == 1 else _MAY_GROW
    if not may_grow.search(data, code.start, code.end):
        return None
    bodies = bodies_of(data, code)
    grows = {
        number: found
        for number, (first, last) in enumerate(bodies)
        if may_grow.search(data, first, last) and (found := grows_of(data, first, last))
    }
    if not grows:
        return None
    memories = sorted({each.memory for found in grows.values() for each in found})
    if memories[-1] >= len(module.memories):
        raise UnreadableError
    callees = {memory: len(module.functions) + n for n, memory in enumerate(memories)}
    changed = [
        _calling(data, first, last, grows.get(number, []), callees)
        for number, (first, last) in enumerate(bodies)
    ]
    wide = [module.memories[memory].is_64 for memory in memories]
    refused = len(module.globals)
    changed += [
        sized(_growing(memory, refused, is_64=is_64))
        for memory, is_64 in zip(memories, wide, strict=True)
    ]
    added = {
        _TYPES: [_type(is_64=is_64) for is_64 in wide],
        _FUNCTIONS: [leb(len(module.types) + number) for number in range(len(memories))],
        _GLOBALS: [_ZERO_GLOBAL],
    }
    return rewritten(data, module, added, changed)


def _calling(
    data: bytes, start: int, end: int, grows: list[Grow], callees: dict[int, int]
) -> bytes:
    parts: list[bytes] = []
    at = start
    for each in grows:
        parts += [data[at : each.start], b"\x10", leb(callees[each.memory])]
        at = each.end
    return sized(b"".join([*parts, data[at:end]]))


def _type(*, is_64: bool) -> bytes:
    number = _I64 if is_64 else _I32
    return b"\x60\x01" + number + b"\x01" + number


def _growing(memory: int, refused: int, *, is_64: bool) -> bytes:
    """A function without local variables of its own: grows, and notes the answer -1."""
    minus_one, equals = (b"\x42\x7f", b"\x51") if is_64 else (b"\x41\x7f", b"\x46")
    return b"".join(
        [
            # local.get 0, memory.grow, local.tee 0
            b"\0\x20\0\x40" + leb(memory) + b"\x22\0",
            minus_one + equals,
            # if without result, i32.const 1, global.set, end, local.get 0, end
            b"\x04\x40\x41\x01\x24" + leb(refused) + b"\x0b\x20\0\x0b",
        ]
    )
