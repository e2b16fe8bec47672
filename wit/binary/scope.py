"""The index spaces of one scope while it is evaluated: a component, or a type with declarators."""

from typing import Generic, TypeVar

from wit.binary.sorts import Sort
from wit.errors import BinaryError

__all__ = ["Scope"]

EntityT = TypeVar("EntityT")
FoundT = TypeVar("FoundT")


class Scope(Generic[EntityT]):
    """Index spaces that only grow. Lookups raise `BinaryError` at the given offset."""

    def __init__(self, parent: "Scope[EntityT] | None") -> None:
        self.parent = parent
        self._spaces: dict[Sort, list[EntityT]] = {sort: [] for sort in Sort}

    def add(self, sort: Sort, entity: EntityT) -> None:
        """Give the entity the next index of its space."""
        self._spaces[sort].append(entity)

    def get(self, sort: Sort, index: int, offset: int) -> EntityT:
        """Return what an index stands for."""
        space = self._spaces[sort]
        if index >= len(space):
            raise BinaryError(
                f"{sort.value} {index} does not exist, {len(space)} are defined so far",
                offset=offset,
            )
        return space[index]

    def get_a(
        self, kind: type[FoundT] | tuple[type[FoundT], ...], sort: Sort, index: int, offset: int
    ) -> FoundT:
        """Return what an index stands for, which must be of the given class."""
        found = self.get(sort, index, offset)
        if not isinstance(found, kind):
            raise BinaryError(f"{sort.value} {index} is of another kind", offset=offset)
        return found

    def outer(self, count: int, offset: int) -> "Scope[EntityT]":
        """Return the `count`-th enclosing scope, 0 being this one."""
        scope = self
        for _ in range(count):
            if scope.parent is None:
                raise BinaryError(f"alias into scope {count}, there are fewer", offset=offset)
            scope = scope.parent
        return scope
