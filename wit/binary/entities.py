"""What the indices of a component stand for, at component level, once they are resolved.

Core modules and what they export stay opaque here: only their indices are counted. Linking them
is the business of an engine.
"""

from typing import TypeAlias

from msgspec import Struct

from wit.binary.definitions import Component, ComponentType, InstanceType
from wit.binary.scope import Scope
from wit.binary.sorts import Sort
from wit.types import FunctionType, ResourceName, Type

__all__ = [
    "ComponentClosure",
    "Entity",
    "Exported",
    "Instance",
    "Opaque",
    "Resource",
    "TypeClosure",
]


class Resource(Struct, frozen=True, eq=False):
    """The identity of a resource type.

    `name` is unique within a component, and is what `Own` and `Borrow` hold. It is the imported
    name for a resource of the host (`is_host`); one that the component defines is `%0`, `%1`, …
    until it is known under which name it is exported.
    """

    name: ResourceName
    is_host: bool


class Opaque(Struct, frozen=True, eq=False):
    """Something that is not looked into: everything of the core sorts."""


class ComponentClosure(Struct, frozen=True, eq=False):
    """A nested component with the scope that its outer aliases see."""

    component: Component
    scope: "Scope[Entity]"


class TypeClosure(Struct, frozen=True, eq=False):
    """A component or instance type with the scope that its outer aliases see."""

    type: ComponentType | InstanceType
    scope: "Scope[Entity]"


class Instance(Struct, frozen=True, eq=False):
    """A component instance as its users see it: exports by name, in order."""

    exports: dict[str, "Exported"]


class Exported(Struct, frozen=True, eq=False):
    """An entity under a name. A `FunctionType` is a function or a type, by its sort."""

    sort: Sort
    entity: "Entity"


Entity: TypeAlias = (
    Type | FunctionType | Resource | TypeClosure | Instance | ComponentClosure | Opaque
)
"""FUNCTION: the `FunctionType`; TYPE: a `Type`, `FunctionType`, `Resource` or `TypeClosure`;
INSTANCE: an `Instance`; COMPONENT: a `ComponentClosure`; core sorts: `Opaque`."""
