"""A new instance that nothing ever runs in: what saved instances are compared with.

Its memories are the component's own data, mapped copy-on-write, so that keeping one for each
component costs address space and next to no memory.
"""

import ctypes
from typing import Final, final

from actors.engine import bindings
from actors.engine.bindings import EXTERN_BYTES, VALUE_BYTES, Address
from actors.engine.core.module import ExternKind
from actors.engine.core_instances import CoreInstances
from actors.engine.errors import SnapshotRefusedError
from actors.engine.plan.model import FromInstance
from actors.engine.snapshot.image import FunctionName
from actors.engine.snapshot.pieces import Piece, Pieces
from actors.engine.snapshot.references import Anchors, read_table
from actors.engine.store import Store

__all__ = ["Baseline", "View"]

_FUNCTION_POINTER: Final = 8
_NO_SLOT: Final = -1


@final
class View:
    """Looks at the pieces of one store. Keeps nothing, so that looking costs no memory."""

    def __init__(self, store: Store, instances: CoreInstances) -> None:
        self.context = store.context
        self._instances = instances
        self._extern = ctypes.create_string_buffer(EXTERN_BYTES)
        self.value = ctypes.create_string_buffer(VALUE_BYTES)
        self.value_address: Address = ctypes.addressof(self.value)

    def address(self, slot: int, name: str, kind: ExternKind) -> Address:
        """Return where an export lies; valid until the next call."""
        source = FromInstance(slot, name, kind)
        return self._instances.look_up(source, ctypes.addressof(self._extern))

    def function(self, slot: int, name: str) -> int:
        """Return the pointer that stands for a function in references."""
        address = self.address(slot, name, ExternKind.FUNCTION)
        return int(bindings.u64_at(address + _FUNCTION_POINTER).value)

    def memory(self, piece: Piece) -> tuple[Address, int]:
        """Return start and size of a memory."""
        memory = self.address(*piece)
        start = bindings.memory_data(self.context, memory)
        return start, int(bindings.memory_size(self.context, memory))

    def read_global(self, piece: Piece) -> bytes:
        """Return the value of a global as the C API has it."""
        bindings.global_get(self.context, self.address(*piece), self.value_address)
        return self.value.raw

    def table(self, piece: Piece) -> list[int]:
        """Return the pointers in a table."""
        return read_table(self.context, self.address(*piece), str(piece))


@final
class Baseline:
    """What a new instance of a component holds. Closes with its owner."""

    def __init__(self, store: Store, instances: CoreInstances, pieces: Pieces) -> None:
        self.view = View(store, instances)
        self._pieces = pieces
        self._anchor_names: dict[int, str] = {}
        self._names: dict[int, FunctionName] | None = None
        lowest: dict[int, Address] = {}
        for slot, names in pieces.functions.items():
            found = min((self.view.function(slot, name), name) for name in names)
            lowest[slot], self._anchor_names[slot] = found
        self._anchors = Anchors(lowest)
        self.globals = {piece: self.view.read_global(piece) for piece in pieces.globals}
        self._tables: dict[Piece, tuple[list[int], list[int]]] = {}

    def anchors(self, view: View) -> Anchors:
        """Return the anchors of another store of the same program."""
        return Anchors(
            {slot: view.function(slot, name) for slot, name in self._anchor_names.items()}
        )

    def table_size(self, piece: Piece) -> int:
        """Return how many elements a table has from the start."""
        return len(self._table(piece)[0])

    def changes(self, piece: Piece, pointers: list[int], anchors: Anchors) -> list[tuple[int, int]]:
        """Return which elements of a table in another store differ, with the places they hold."""
        known, slots = self._table(piece)
        moved = {slot: at - self._anchors.by_slot[slot] for slot, at in anchors.by_slot.items()}
        moved[_NO_SLOT] = 0
        # What a table with the same contents would hold there: nearly always it does.
        expected = [pointer + moved[slot] for pointer, slot in zip(known, slots, strict=True)]
        if pointers == expected:
            return []
        expected += [0] * (len(pointers) - len(expected))
        return [
            (index, anchors.place(pointer))
            for index, (pointer, other) in enumerate(zip(pointers, expected, strict=False))
            if pointer != other
        ]

    def _table(self, piece: Piece) -> tuple[list[int], list[int]]:
        found = self._tables.get(piece)
        if found is None:
            pointers = self.view.table(piece)
            slots = [self._anchors.slot(one) if one else _NO_SLOT for one in pointers]
            found = self._tables[piece] = pointers, slots
        return found

    def name_of(self, place: int, what: str) -> FunctionName:
        """Return the name of a function by its place.

        Raises:
            SnapshotRefusedError: nothing leads to it.
        """
        if self._names is None:
            self._names = self._all_names()
        name = self._names.get(place)
        if name is None:
            raise SnapshotRefusedError(f"{what} holds a function that no other instance can find")
        return name

    def _all_names(self) -> dict[int, FunctionName]:
        names: dict[int, FunctionName] = {}
        for piece in self._pieces.tables:
            for element, pointer in enumerate(self._table(piece)[0]):
                place = self._anchors.place(pointer)
                names.setdefault(place, FunctionName(piece.slot, piece.name, element))
        for slot, exported in self._pieces.functions.items():
            for name in exported:
                place = self._anchors.place(self.view.function(slot, name))
                names[place] = FunctionName(slot, name)
        return names
