"""Access to guest memory and handles for the values of one canonical definition.

Every access goes through a memory view of known size, so no guest pointer can reach outside its
memory. Views stay valid while the store lives, as memories never move; they are only renewed when
they are too short.
"""

import ctypes
import struct
from collections.abc import Iterable, Sequence
from typing import Any, final

from actors.engine import bindings
from actors.engine.abi.runtime import trap
from actors.engine.handles import BorrowScope, Handle
from actors.engine.limits import STRING_BYTES_MAX
from actors.engine.plan.model import CanonicalContext, ResourceId
from actors.engine.resources import GuestResource
from actors.engine.store import Store

__all__ = ["GuestMemory"]

_UTF16_TAG = 1 << 31
_REALLOC_SLOTS = 4
_pack_realloc = struct.Struct("<I12xI12xI12xI12x").pack_into


@final
class GuestMemory:
    """Implements `actors.engine.abi.contract.Memory` in one store."""

    __slots__ = ("component", "memory", "realloc", "size", "store", "table", "view")

    def __init__(
        self,
        store: Store,
        context: CanonicalContext,
        memory: bindings.Address | None,
        realloc: bindings.Address | None,
    ) -> None:
        self.store = store
        self.component = context.instance
        self.table = store.tables[context.instance]
        self.memory = memory
        self.realloc = realloc
        self.view = memoryview(b"")
        self.size = 0
        if memory is not None:
            self._renew()

    # Memory.

    def _renew(self) -> None:
        context = self.store.context
        size = bindings.memory_size(context, self.memory)
        if size != self.size:
            start = bindings.memory_data(context, self.memory)
            self.view = memoryview((ctypes.c_char * size).from_address(start)).cast("B")
            self.size = size

    def _check(self, end: int, what: str) -> None:
        # The memory may have grown since it was last looked at.
        self._renew()
        if end > self.size:
            trap(f"{what} pointer out of bounds of memory")

    def span(self, pointer: int, count: int, size: int, alignment: int) -> memoryview:
        """Return `count` items of `size` bytes."""
        end = pointer + count * size
        if end > self.size:
            self._check(end, "list")
        if pointer % alignment:
            trap("unaligned pointer")
        return self.view[pointer:end]

    def write(self, pointer: int, data: bytes, alignment: int) -> None:
        """Store bytes."""
        end = pointer + len(data)
        if end > self.size:
            self._check(end, "result")
        if pointer % alignment:
            trap("unaligned pointer")
        self.view[pointer:end] = data

    def read_bytes(self, pointer: int, length: int) -> bytes:
        """Return a copy."""
        end = pointer + length
        if end > self.size:
            self._check(end, "list")
        return bytes(self.view[pointer:end])

    def numbers(self, pointer: int, length: int, code: str, size: int) -> list[Any]:
        """Return numbers of a `struct` code."""
        # The codes are those of numbers, which the stubs spell out as literals.
        view: Any = self.span(pointer, length, size, size)
        numbers: list[Any] = view.cast(code).tolist()
        return numbers

    # Strings.

    def text_utf8(self, pointer: int, length: int) -> str:
        """Return a string of `length` bytes."""
        end = pointer + length
        if end > self.size:
            self._check(end, "string")
        try:
            return str(self.view[pointer:end], "utf-8")
        except UnicodeDecodeError as error:
            trap(f"invalid utf-8 sequence in a string: {error.reason}")

    def text_utf16(self, pointer: int, length: int) -> str:
        """Return a string of `length` code units."""
        try:
            return str(self.span(pointer, length, 2, 2), "utf-16-le")
        except UnicodeDecodeError as error:
            trap(f"invalid utf-16 sequence in a string: {error.reason}")

    def text_latin1(self, pointer: int, length: int) -> str:
        """Return a string in Latin-1, or in UTF-16 if the top bit of `length` says so."""
        if length & _UTF16_TAG:
            return self.text_utf16(pointer, length ^ _UTF16_TAG)
        return str(self.span(pointer, length, 1, 2), "latin-1")

    def put_utf8(self, text: str) -> tuple[int, int]:
        """Store a string."""
        return self.put_bytes(text.encode())

    def put_utf16(self, text: str) -> tuple[int, int]:
        """Store a string."""
        data = text.encode("utf-16-le")
        return self.put_items(data, len(data) // 2, 2)

    def put_latin1(self, text: str) -> tuple[int, int]:
        """Store a string in Latin-1 if it can be, otherwise in UTF-16 with a tagged length."""
        try:
            data = text.encode("latin-1")
        except UnicodeEncodeError:
            pointer, count = self.put_utf16(text)
            return pointer, count | _UTF16_TAG
        return self.put_items(data, len(data), 2)

    # Lists.

    def put_bytes(self, data: bytes) -> tuple[int, int]:
        """Store bytes."""
        size = len(data)
        pointer = self._allocate(1, size)
        self.view[pointer : pointer + size] = data
        return pointer, size

    def put_numbers(self, numbers: Sequence[Any], code: str, size: int) -> tuple[int, int]:
        """Store numbers of a `struct` code."""
        return self.put_items(struct.pack(f"<{len(numbers)}{code}", *numbers), len(numbers), size)

    def put_items(self, data: bytes, count: int, alignment: int) -> tuple[int, int]:
        """Store items that are packed already."""
        size = len(data)
        pointer = self._allocate(alignment, size)
        self.view[pointer : pointer + size] = data
        return pointer, count

    def _allocate(self, alignment: int, size: int) -> int:
        store = self.store
        if size > STRING_BYTES_MAX:
            raise ValueError(f"a string or list of {size} bytes, at most {STRING_BYTES_MAX} fit")
        _pack_realloc(store.realloc_slots, 0, 0, 0, alignment, size)
        store.call_nested(self.component, self.realloc, store.realloc_address, _REALLOC_SLOTS)
        pointer: int = store.realloc_result.value
        if pointer + size > self.size:
            self._check(pointer + size, "realloc return:")
        if pointer % alignment:
            trap("realloc return: result not aligned")
        return pointer

    # Handles.

    def take_own(self, resource: ResourceId, index: int) -> Any:
        """Remove an own handle and return its representation."""
        return self.table.take_own(resource, index).representation

    def lend(self, resource: ResourceId, index: int, frame: list[Any]) -> Any:
        """Return the representation behind a handle, which stays alive until the frame ends."""
        handle = self.table.get(resource, index)
        handle.lends += 1
        frame.append(handle)
        return handle.representation

    def give_back(self, lent: Iterable[Any]) -> None:
        """End what `lend` and `wrap_borrow` began."""
        for loan in lent:
            loan.release()

    def give_own(self, resource: ResourceId, representation: Any) -> int:
        """Add an own handle."""
        return self.table.add(Handle(resource, representation, None))

    def give_borrow(self, resource: ResourceId, representation: Any, frame: BorrowScope) -> int:
        """Add a borrowed handle; the implementing component gets the representation instead."""
        if resource.owner == self.component:
            assert isinstance(representation, int)
            return representation
        frame.count += 1
        return self.table.add(Handle(resource, representation, frame))

    def wrap_own(self, resource: ResourceId, representation: int, _frame: object) -> GuestResource:
        """Return the host's object for a resource of the guest."""
        return GuestResource(self.store, resource, representation, is_own=True)

    def wrap_borrow(
        self, resource: ResourceId, representation: int, frame: list[Any]
    ) -> GuestResource:
        """Return the host's object for a resource of the guest, usable until the frame ends."""
        wrapped = GuestResource(self.store, resource, representation, is_own=False)
        frame.append(wrapped)
        return wrapped

    def unwrap_own(self, resource: ResourceId, value: Any) -> int:
        """Take a resource of the guest out of the host's object, which is empty afterwards."""
        return _guest_resource(value).take(self.store, resource)

    def unwrap_borrow(self, resource: ResourceId, value: Any) -> int:
        """Return the representation behind the host's object."""
        return _guest_resource(value).representation(self.store, resource)


def _guest_resource(value: Any) -> GuestResource:
    if not isinstance(value, GuestResource):
        raise TypeError(f"{value!r} is no resource of this component")
    return value
