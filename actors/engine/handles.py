"""Handle tables: which resources a component instance holds, under which numbers.

Tables are plain Python, so they can be saved, and a resource of the host simply is a Python object.
"""

from typing import Any, Final, final

from actors.engine.abi.runtime import trap
from actors.engine.limits import HANDLES_MAX
from actors.engine.plan.model import ResourceId

__all__ = ["BorrowScope", "CallScope", "Handle", "HandleTable"]


@final
class BorrowScope:
    """Counts borrowed handles that a guest got for one call and must drop before it ends."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0


@final
class CallScope:
    """A call between components that lends handles: what is lent, what must be dropped."""

    __slots__ = ("borrowed", "lent")

    def __init__(self) -> None:
        self.lent: list[Handle] = []
        self.borrowed = BorrowScope()


@final
class Handle:
    """An entry: `representation` is the host's object, or the integer of the implementing guest.

    Invariant: `scope` is set if and only if the handle is borrowed.
    """

    __slots__ = ("lends", "representation", "resource", "scope")

    def __init__(
        self, resource: ResourceId, representation: Any, scope: BorrowScope | None
    ) -> None:
        self.resource = resource
        self.representation = representation
        self.scope = scope
        self.lends = 0

    def release(self) -> None:
        """End one loan."""
        self.lends -= 1


@final
class HandleTable:
    """Handles of one component instance. Index 0 is never used; freed indices are reused first."""

    __slots__ = ("entries", "free")

    def __init__(self) -> None:
        self.entries: Final[list[Handle | None]] = [None]
        self.free: Final[list[int]] = []

    def add(self, handle: Handle) -> int:
        """Return the index of the new entry."""
        if self.free:
            index = self.free.pop()
            self.entries[index] = handle
            return index
        index = len(self.entries)
        if index > HANDLES_MAX:
            trap(f"more than {HANDLES_MAX} handles")
        self.entries.append(handle)
        return index

    def get(self, resource: ResourceId, index: int) -> Handle:
        """Return an entry, checking its type.

        Raises:
            GuestTrap: no such handle, or one of another resource type.
        """
        handle = self.entries[index] if index < len(self.entries) else None
        if handle is None:
            trap(f"unknown handle index {index}")
        if handle.resource.index != resource.index:
            trap(f"handle index {index} used with the wrong type")
        return handle

    def take_own(self, resource: ResourceId, index: int) -> Handle:
        """Take an owned entry out.

        Raises:
            GuestTrap: as for `remove`, or it is borrowed.
        """
        if self.get(resource, index).scope is not None:
            trap(f"handle index {index} is borrowed, expected an owned one")
        return self.remove(resource, index)

    def remove(self, resource: ResourceId, index: int) -> Handle:
        """Take an entry out.

        Raises:
            GuestTrap: as for `get`, or it is lent at the moment.
        """
        handle = self.get(resource, index)
        if handle.lends:
            trap("cannot remove owned resource while borrowed")
        self.entries[index] = None
        self.free.append(index)
        return handle
