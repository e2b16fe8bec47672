"""What indices stand for while a component is checked: types, never the things themselves."""

from dataclasses import dataclass, field
from typing import TypeAlias

from actors.engine.core.module import (
    ExternKind,
    FunctionSignature,
    GlobalType,
    MemoryType,
    TableType,
)
from wit.binary.sorts import Sort
from wit.types import FunctionType, ResourceName, Type

__all__ = [
    "ComponentShape",
    "CoreExtern",
    "CoreInstance",
    "CoreType",
    "Entity",
    "InstanceShape",
    "Item",
    "ModuleShape",
    "Resource",
]

CoreType: TypeAlias = FunctionSignature | TableType | MemoryType | GlobalType | None
"""None where the type is not known: it then fits everything, and wasmtime compares when linking."""


@dataclass(frozen=True)
class CoreExtern:
    """A core definition: what it is, and its type. A tag's type is its function type."""

    kind: ExternKind
    type: CoreType


@dataclass(frozen=True, eq=False)
class CoreInstance:
    """A core instance: what it exports."""

    exports: dict[str, CoreExtern]


@dataclass(frozen=True, eq=False)
class ModuleShape:
    """The type of a core module."""

    imports: dict[tuple[str, str], CoreExtern]
    exports: dict[str, CoreExtern]


@dataclass(frozen=True)
class Resource:
    """A resource type under one of its names. `Resources.same` tells which names are one type."""

    name: ResourceName


@dataclass(frozen=True, eq=False)
class Item:
    """Something under a name. A `FunctionType` is a function or a type, by its sort."""

    sort: Sort
    entity: "Entity"


@dataclass(frozen=True, eq=False)
class InstanceShape:
    """What an instance exports. As a type, `unknown` are the resources that it leaves open."""

    exports: dict[str, Item]
    unknown: frozenset[ResourceName] = frozenset()


@dataclass(frozen=True, eq=False)
class ComponentShape:
    """What a component asks for and gives. `unknown` are the resources that its imports bring."""

    imports: dict[str, Item] = field(default_factory=dict[str, Item])
    exports: dict[str, Item] = field(default_factory=dict[str, Item])
    unknown: frozenset[ResourceName] = frozenset()


Entity: TypeAlias = (
    CoreExtern
    | CoreInstance
    | ModuleShape
    | FunctionSignature
    | Resource
    | InstanceShape
    | ComponentShape
    | FunctionType
    | Type
)
