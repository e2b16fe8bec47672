"""What generated code needs from the engine."""

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from actors.engine.plan.model import ResourceId

__all__ = ["Frame", "Memory"]


class Frame(Protocol):
    """The call that borrowed handles belong to."""


class Memory(Protocol):
    """Guest memory, allocator and handle table behind one canonical definition.

    Every method checks bounds and alignment. Methods named `put` allocate in the guest and return
    pointer and length.
    """

    def span(self, pointer: int, count: int, size: int, alignment: int) -> memoryview:
        """Return `count` items of `size` bytes; valid until guest code runs again."""
        ...

    def write(self, pointer: int, data: bytes, alignment: int) -> None:
        """Store bytes."""
        ...

    def read_bytes(self, pointer: int, length: int) -> bytes:
        """Return a copy."""
        ...

    def numbers(self, pointer: int, length: int, code: str, size: int) -> list[Any]:
        """Return numbers of a `struct` code."""
        ...

    def text_utf8(self, pointer: int, length: int) -> str:
        """Return a string of `length` bytes."""
        ...

    def text_utf16(self, pointer: int, length: int) -> str:
        """Return a string of `length` code units."""
        ...

    def text_latin1(self, pointer: int, length: int) -> str:
        """Return a string in Latin-1, or in UTF-16 if the top bit of `length` says so."""
        ...

    def put_utf8(self, text: str) -> tuple[int, int]:
        """Store a string."""
        ...

    def put_utf16(self, text: str) -> tuple[int, int]:
        """Store a string."""
        ...

    def put_latin1(self, text: str) -> tuple[int, int]:
        """Store a string in Latin-1 if it can be, otherwise in UTF-16 with a tagged length."""
        ...

    def put_bytes(self, data: bytes) -> tuple[int, int]:
        """Store bytes."""
        ...

    def put_numbers(self, numbers: Sequence[Any], code: str, size: int) -> tuple[int, int]:
        """Store numbers of a `struct` code."""
        ...

    def put_items(self, data: bytes, count: int, alignment: int) -> tuple[int, int]:
        """Store items that are packed already."""
        ...

    def take_own(self, resource: ResourceId, index: int) -> Any:
        """Remove an own handle and return its representation."""
        ...

    def lend(self, resource: ResourceId, index: int, frame: Any) -> Any:
        """Return the representation behind a handle, which stays alive until the frame ends."""
        ...

    def give_own(self, resource: ResourceId, representation: Any) -> int:
        """Add an own handle."""
        ...

    def give_borrow(self, resource: ResourceId, representation: Any, frame: Any) -> int:
        """Add a borrowed handle, to be dropped by the guest before the frame ends."""
        ...

    def wrap_own(self, resource: ResourceId, representation: int, frame: Any) -> Any:
        """Return the host's object for a resource of the guest."""
        ...

    def wrap_borrow(self, resource: ResourceId, representation: int, frame: Any) -> Any:
        """Return the host's object for a resource of the guest, usable until the frame ends."""
        ...

    def unwrap_own(self, resource: ResourceId, value: Any) -> int:
        """Take a resource of the guest out of the host's object, which is empty afterwards."""
        ...

    def unwrap_borrow(self, resource: ResourceId, value: Any) -> int:
        """Return the representation behind the host's object."""
        ...

    def give_back(self, lent: Iterable[Any]) -> None:
        """End what `lend` began."""
        ...
