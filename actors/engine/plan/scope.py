"""Index spaces during evaluation, and what they hold."""

from dataclasses import dataclass, field
from typing import TypeAlias

from actors.engine.plan.model import (
    CoreSource,
    HostFunction,
    LiftedFunction,
    ResourceId,
)
from wit.binary.definitions import Component, ComponentType, CoreModuleType, InstanceType
from wit.binary.sorts import Sort, SortIndex
from wit.binary.types import CoreFunctionType
from wit.errors import BinaryError
from wit.types import FunctionType, Type

__all__ = [
    "ComponentClosure",
    "CoreInstanceValue",
    "Entity",
    "InstanceValue",
    "ModuleIndex",
    "Scope",
    "TypeClosure",
]


@dataclass(frozen=True, eq=False)
class ModuleIndex:
    """A core module, by its place in the plan."""

    index: int


@dataclass(frozen=True, eq=False)
class CoreInstanceValue:
    """A core instance: what it exports."""

    exports: dict[str, CoreSource]


@dataclass(frozen=True, eq=False)
class ComponentClosure:
    """A component and the scope that its outer aliases see."""

    component: Component
    scope: "Scope"


@dataclass(frozen=True, eq=False)
class TypeClosure:
    """The type of an instance or component, evaluated where it is used."""

    type: InstanceType | ComponentType
    scope: "Scope"


@dataclass(frozen=True, eq=False)
class InstanceValue:
    """A component instance: what it exports."""

    exports: dict[str, tuple[Sort, "Entity"]]


Entity: TypeAlias = (
    CoreSource
    | CoreInstanceValue
    | ModuleIndex
    | CoreFunctionType
    | CoreModuleType
    | HostFunction
    | LiftedFunction
    | Type
    | FunctionType
    | ResourceId
    | TypeClosure
    | ComponentClosure
    | InstanceValue
)
"""Anything that an index can denote."""


@dataclass(eq=False)
class Scope:
    """The index spaces of one component, instance type or component type.

    `instance` is the component instance being made; None inside types.
    """

    parent: "Scope | None"
    instance: int | None
    spaces: dict[Sort, list[Entity]] = field(default_factory=dict[Sort, list[Entity]])

    def add(self, sort: Sort, entity: Entity) -> None:
        """Give `entity` the next index of `sort`."""
        self.spaces.setdefault(sort, []).append(entity)

    def get(self, sort: Sort, index: int, offset: int) -> Entity:
        """Return what an index denotes.

        Raises:
            BinaryError: nothing yet.
        """
        space = self.spaces.get(sort, [])
        if index >= len(space):
            raise BinaryError(
                f"{sort.value} {index} does not exist, {len(space)} are defined before this",
                offset=offset,
            )
        return space[index]

    def find(self, target: SortIndex, offset: int) -> Entity:
        """Return what a sorted index denotes."""
        return self.get(target.sort, target.index, offset)

    def outer(self, count: int, offset: int) -> "Scope":
        """Return the `count`-th enclosing scope, 0 being this one."""
        scope: Scope | None = self
        for _ in range(count):
            scope = scope.parent if scope is not None else None
        if scope is None:
            raise BinaryError(
                f"outer alias into scope {count}, which does not exist", offset=offset
            )
        return scope
