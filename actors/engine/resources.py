"""Resources that a guest implements, as the host holds them."""

from typing import Any, final

from actors.engine.plan.model import ResourceId
from actors.engine.store import Store

__all__ = ["GuestResource"]


@final
class GuestResource:
    """A handle to a resource that lives in a guest. Opaque: pass it back to the same instance.

    An owned one must be dropped (`Instance.drop`) or passed on as an owned argument, otherwise the
    guest keeps the resource until its instance is closed. A borrowed one is valid during the call
    of the host function that received it.
    """

    __slots__ = ("_is_own", "_representation", "_resource", "_store")

    def __init__(
        self, store: Store, resource: ResourceId, representation: int, *, is_own: bool
    ) -> None:
        self._store = store
        self._resource = resource
        self._representation: int | None = representation
        self._is_own = is_own

    @property
    def resource(self) -> ResourceId:
        """The resource type."""
        return self._resource

    @property
    def is_gone(self) -> bool:
        """Whether it was dropped or given away."""
        return self._representation is None

    def representation(self, store: Store, resource: ResourceId) -> int:
        """Return the guest's integer.

        Raises:
            ValueError: dropped or moved, of another instance, or of another type.
        """
        if self._representation is None:
            raise ValueError("the resource was dropped or given away")
        if self._store is not store or self._resource.index != resource.index:
            raise ValueError("the resource is of another instance or another type")
        return self._representation

    def take(self, store: Store, resource: ResourceId) -> int:
        """Return the guest's integer and forget it.

        Raises:
            ValueError: as for `representation`, or it is borrowed.
        """
        representation = self.representation(store, resource)
        if not self._is_own:
            raise ValueError("a borrowed resource cannot be given away")
        self._representation = None
        return representation

    def moved_to(self, store: Store) -> "GuestResource":
        """Return the same resource as another store has it, which was restored from this one's.

        Raises:
            ValueError: gone or borrowed.
        """
        if self._representation is None or not self._is_own:
            raise ValueError("only a living resource of one's own can go on elsewhere")
        return GuestResource(store, self._resource, self._representation, is_own=True)

    def release(self) -> None:
        """End a borrow."""
        self._representation = None

    def __repr__(self) -> str:
        state = "gone" if self._representation is None else "own" if self._is_own else "borrowed"
        return f"<GuestResource {self._resource.index} {state}>"

    def __reduce__(self) -> Any:
        raise TypeError("a resource of a guest cannot be copied or saved")
