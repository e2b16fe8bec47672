"""Resource types while a component is checked, and types with other resources put in.

A resource type gets a name wherever it is defined, imported or exported. Which names denote the
same type is known here; which may be seen from outside is the business of `visibility`.
"""

from typing import Final, TypeGuard, get_args

from actors.engine.validate.entities import (
    ComponentShape,
    Entity,
    InstanceShape,
    Item,
    Resource,
)
from actors.engine.validate.work import Work
from wit.binary.renaming import Renaming
from wit.binary.resolve_types import TypeBuilder
from wit.type_walk import parts_of
from wit.types import Borrow, FunctionType, Own, Parameter, ResourceName, Type

__all__ = ["Resources", "Substitution", "is_value_type"]

_VALUE_TYPES: Final[tuple[type, ...]] = get_args(Type)

_NONE: Final[frozenset[ResourceName]] = frozenset()


def is_value_type(entity: Entity) -> TypeGuard[Type]:
    """Return whether an entity is a type of values."""
    return isinstance(entity, _VALUE_TYPES)


class Resources:
    """Makes names and knows what they denote."""

    def __init__(self) -> None:
        self._original: dict[ResourceName, ResourceName] = {}
        # By identity, as hashing a type walks it. The type is kept so that its id stays its own.
        self._inside: dict[int, tuple[Type, frozenset[ResourceName]]] = {}
        self._mentioned: dict[int, tuple[Entity, frozenset[ResourceName]]] = {}

    def new(self) -> Resource:
        """Return a resource type that is none of the others."""
        name = ResourceName(f"%{len(self._original)}")
        self._original[name] = name
        return Resource(name)

    def renamed(self, resource: Resource) -> Resource:
        """Return another name of the same type."""
        name = ResourceName(f"%{len(self._original)}")
        self._original[name] = self._original[resource.name]
        return Resource(name)

    def same(self, name: ResourceName) -> ResourceName:
        """Return the one name that all names of a type share."""
        return self._original[name]

    def inside(self, type_: Type) -> frozenset[ResourceName]:
        """Return the resource types that a type mentions."""
        match type_:
            case Own(name) | Borrow(name):
                return frozenset((self._original[name],))
            case _:
                pass
        found = self._inside.get(id(type_))
        if found is None:
            names = _NONE.union(*[self.inside(part) for part in parts_of(type_)])
            found = self._inside[id(type_)] = (type_, names)
        return found[1]

    def mentioned(self, entity: Entity) -> frozenset[ResourceName]:
        """Return the resource types that a type mentions and does not bring with it."""
        if not isinstance(entity, InstanceShape | ComponentShape):
            return self._named_by(entity)
        # Shapes are graphs; walking them as trees takes for ever.
        found = self._mentioned.get(id(entity))
        if found is None:
            found = self._mentioned[id(entity)] = (entity, self._named_by(entity))
        return found[1]

    def _named_by(self, entity: Entity) -> frozenset[ResourceName]:
        match entity:
            case Resource(name):
                return frozenset((self._original[name],))
            case FunctionType():
                types = [each.type for each in entity.parameters]
                types += [] if entity.result is None else [entity.result]
                return _NONE.union(*[self.inside(each) for each in types])
            case InstanceShape():
                return self._of_items(entity.exports) - entity.unknown
            case ComponentShape():
                return self._of_items(entity.imports) - entity.unknown
            case _ if is_value_type(entity):
                return self.inside(entity)
            case _:
                return _NONE

    def _of_items(self, items: dict[str, Item]) -> frozenset[ResourceName]:
        return _NONE.union(*[self.mentioned(each.entity) for each in items.values()])


class Substitution(Renaming):
    """Puts other resource types in. Types that mention none of them stay the same objects.

    `known` maps types, by their shared names, to what stands in their place. With `unknown`, those
    become new types; with `is_complete`, all that are not known do, as when a component is
    instantiated.
    """

    def __init__(
        self,
        resources: Resources,
        builder: TypeBuilder,
        work: Work,
        offset: int,
        *,
        known: dict[ResourceName, Resource],
        unknown: frozenset[ResourceName] = _NONE,
        is_complete: bool = False,
    ) -> None:
        super().__init__()
        self.made: list[Resource] = []
        self._all = resources
        self._builder = builder
        self._work = work
        self._offset = offset
        self._known = dict(known)
        self._unknown = unknown
        self._is_complete = is_complete
        self._entities: dict[int, tuple[Entity, Entity]] = {}

    def _changes(self, names: frozenset[ResourceName]) -> bool:
        if self._is_complete:
            return bool(names)
        return not (names.isdisjoint(self._known) and names.isdisjoint(self._unknown))

    def resource(self, name: ResourceName) -> ResourceName:
        """Return what a resource is called afterwards."""
        same = self._all.same(name)
        found = self._known.get(same)
        if found is None:
            if same not in self._unknown and not self._is_complete:
                return name
            found = self._known[same] = self._all.new()
            self.made.append(found)
        return found.name

    def apply(self, type_: Type) -> Type:
        """Return a value type with its resources changed."""
        if not self._changes(self._all.inside(type_)):
            return type_
        found = super().apply(type_)
        self._builder.adopt(found, type_)
        return found

    def entity(self, entity: Entity) -> Entity:
        """Return anything of component level with its resources changed."""
        found = self._entities.get(id(entity))
        if found is None:
            self._work.spend(1, self._offset)
            found = self._entities[id(entity)] = (entity, self._changed(entity))
        return found[1]

    def items(self, items: dict[str, Item]) -> dict[str, Item]:
        """Return imports or exports with their resources changed."""
        self._work.spend(len(items), self._offset)
        return {name: Item(each.sort, self.entity(each.entity)) for name, each in items.items()}

    def _changed(self, entity: Entity) -> Entity:
        match entity:
            case Resource(name):
                changed = self.resource(name)
                return entity if changed == name else Resource(changed)
            case FunctionType():
                if not self._changes(self._all.mentioned(entity)):
                    return entity
                return FunctionType(
                    tuple(
                        Parameter(each.name, self.apply(each.type)) for each in entity.parameters
                    ),
                    None if entity.result is None else self.apply(entity.result),
                    entity.is_async,
                )
            case InstanceShape():
                return InstanceShape(self.items(entity.exports), entity.unknown)
            case ComponentShape():
                # A component mentions no resource from outside: that cannot be aliased.
                return entity
            case _ if is_value_type(entity):
                return self.apply(entity)
            case _:
                return entity
