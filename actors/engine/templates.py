"""Spares instances the look-ups whose outcome is known.

The extern of a memory, table or global is its kind, the number of its store, and indices that only
depend on the order of instantiation. Once two stores were seen to agree on all of them, the block
of the next one starts as a copy with the number patched, and only functions are looked up.
"""

import ctypes
from array import array
from typing import Final, final

from actors.engine.bindings import EXTERN_BYTES, EXTERN_PAYLOAD_OFFSET, Address, u64_at
from actors.engine.core.module import ExternKind
from actors.engine.linking import Layout, Step
from actors.engine.plan.model import FromInstance

__all__ = ["Template"]

_WORD: Final = 8
_WORDS_PER_EXTERN: Final = EXTERN_BYTES // _WORD
_STORE_WORD: Final = EXTERN_PAYLOAD_OFFSET // _WORD


@final
class Template:
    """Learns from the first two stores of a program, then serves the others."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._first: bytes | None = None
        self._block: bytes | None = None
        self._is_usable = True
        steady = {
            offset
            for source, offset in layout.where.items()
            if isinstance(source, FromInstance) and source.kind is not ExternKind.FUNCTION
        }
        self._steady = sorted(steady)
        self._short_steps = tuple(_without(step, steady) for step in layout.steps)

    def new_block(self) -> tuple[ctypes.Array[ctypes.c_char], tuple[Step, ...], bool]:
        """Return the block of a new store, its steps, and whether `stamp` must follow."""
        size = max(self._layout.bytes, 1)
        if self._block is None:
            return ctypes.create_string_buffer(size), self._layout.steps, False
        return ctypes.create_string_buffer(self._block, size), self._short_steps, True

    def stamp(self, block: ctypes.Array[ctypes.c_char], first_instance: int) -> None:
        """Write the store's number, known from its first core instance, into every extern."""
        start = self._layout.externs
        words = memoryview(block).cast("B")[start : self._layout.bytes].cast("Q")
        number: int = u64_at(ctypes.addressof(block) + first_instance).value
        places = words[_STORE_WORD::_WORDS_PER_EXTERN]
        words[_STORE_WORD::_WORDS_PER_EXTERN] = memoryview(array("Q", [number]) * len(places))

    def learn(self, block: ctypes.Array[ctypes.c_char]) -> None:
        """Look at a store that was made the long way."""
        if self._block is not None or not self._is_usable:
            return
        seen = bytes(block)
        if self._first is None:
            self._first = seen
        elif all(_agree(self._first, seen, offset) for offset in self._steady):
            self._block, self._first = seen, None
        else:
            self._is_usable = False


def _agree(one: bytes, other: bytes, offset: int) -> bool:
    store, after = offset + EXTERN_PAYLOAD_OFFSET, offset + EXTERN_PAYLOAD_OFFSET + _WORD
    end = offset + EXTERN_BYTES
    return one[offset:store] == other[offset:store] and one[after:end] == other[after:end]


def _without(step: Step, steady: set[Address]) -> Step:
    return step._replace(
        lookups=tuple(lookup for lookup in step.lookups if lookup.out not in steady),
        copies=tuple(copy for copy in step.copies if copy.source not in steady),
    )
