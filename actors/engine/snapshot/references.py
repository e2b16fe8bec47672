"""References to functions, as tables and globals hold them, told apart without their addresses.

In one store a function reference is an address inside the core instance that made it, at an offset
that is the same in every instance of the same module. So the offset from a known function of that
instance says which function it is, and two stores can be compared. Only a function that an export
or the first contents of a table leads to can be found again elsewhere; that is every function which
a module can put into a table, since `core.expose` exports the others.
"""

import ctypes
from bisect import bisect_right
from typing import Final, final

from actors.engine import bindings
from actors.engine.bindings import VALUE_BYTES, VALUE_PAYLOAD_OFFSET, Address
from actors.engine.errors import SnapshotRefusedError

__all__ = ["FUNCTION_KIND", "IS_NULL", "Anchors", "read_table", "reference_kind_name"]

FUNCTION_KIND: Final = 5
_KIND_NAMES: Final = {5: "functions", 6: "host references", 7: "garbage-collected references"}
_SLOT_SHIFT: Final = 48
_POINTER_OFFSET: Final = VALUE_PAYLOAD_OFFSET + 8
_WORDS_PER_VALUE: Final = VALUE_BYTES // 8

IS_NULL: Final = 0
"""The place of a null reference."""


def reference_kind_name(kind: int) -> str:
    """Return what references of a kind are, for people."""
    return _KIND_NAMES.get(kind, f"references of kind {kind}")


@final
class Anchors:
    """Where the core instances of one store lie: the lowest known function of each."""

    def __init__(self, by_slot: dict[int, Address]) -> None:
        self.by_slot = by_slot
        pairs = sorted((address, slot) for slot, address in by_slot.items())
        self._addresses = [address for address, _ in pairs]
        self._slots = [slot for _, slot in pairs]

    def place(self, pointer: int) -> int:
        """Return which function `pointer` is, as a number that is the same in every store."""
        if not pointer:
            return IS_NULL
        slot = self.slot(pointer)
        return (slot + 1 << _SLOT_SHIFT) + pointer - self.by_slot[slot]

    def slot(self, pointer: int) -> int:
        """Return the core instance that made a reference."""
        return self._slots[max(0, bisect_right(self._addresses, pointer) - 1)]


def read_table(context: Address, table: Address, what: str) -> list[int]:
    """Return the pointers of a table's elements, 0 for null.

    Raises:
        SnapshotRefusedError: it holds something else than functions.
    """
    size = bindings.table_size(context, table)
    values = ctypes.create_string_buffer(VALUE_BYTES * max(1, size))
    start, get = ctypes.addressof(values), bindings.table_get
    for index in range(size):
        get(context, table, index, start + VALUE_BYTES * index)
    words = memoryview(values).cast("B").cast("Q")
    owners = words[VALUE_PAYLOAD_OFFSET // 8 :: _WORDS_PER_VALUE]
    kinds = set(values.raw[0 : VALUE_BYTES * size : VALUE_BYTES])
    if kinds - {FUNCTION_KIND}:
        for index in range(size):
            bindings.value_unroot(start + VALUE_BYTES * index)
        if any(owners[index] for index in range(size)):
            kind = reference_kind_name(max(kinds))
            raise SnapshotRefusedError(f"{what} holds {kind}, which cannot be saved")
        return [0] * size
    pointers = words[_POINTER_OFFSET // 8 :: _WORDS_PER_VALUE]
    # Without an owner the reference is null, whatever else stands there.
    return [pointers[index] if owners[index] else 0 for index in range(size)]
