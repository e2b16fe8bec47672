"""Which types may occur in imports and exports: those that have a name there.

Source: the component-model specification, "External Visibility of Types". Records, variants, enums,
flags and resources can be used outside only through an import or export of the type; a definition
alone does not name it.
"""

from typing import final

from actors.engine.validate.entities import (
    ComponentShape,
    Entity,
    InstanceShape,
    Item,
    Resource,
)
from actors.engine.validate.resources import is_value_type
from wit.binary.sorts import Sort
from wit.type_walk import parts_of
from wit.types import (
    Borrow,
    EnumType,
    FlagsType,
    FunctionType,
    Own,
    RecordType,
    ResourceName,
    Type,
    VariantType,
)

__all__ = ["Visibility"]


@final
class Visibility:
    """The named types of one scope. Types are told apart by identity, and kept alive for it."""

    def __init__(self, outer: "Visibility | None" = None) -> None:
        self._outer = outer
        self._named: dict[int, Type] = {}
        self._resources: set[ResourceName] = set()

    def has(self, type_: Type) -> bool:
        """Return whether a type has a name here."""
        if id(type_) in self._named:
            return True
        return self._outer is not None and self._outer.has(type_)

    def has_resource(self, name: ResourceName) -> bool:
        """Return whether that name of a resource can be used here."""
        if name in self._resources:
            return True
        outer = self._outer
        return outer is not None and outer.has_resource(name)

    def name(self, item: Item) -> None:
        """Take note of what an import or export names, and of what an instance names inside."""
        match item.entity:
            case Resource(name):
                self._resources.add(name)
            case InstanceShape(exports) if item.sort is Sort.INSTANCE:
                for each in exports.values():
                    self.name(each)
            case entity if item.sort is Sort.TYPE and is_value_type(entity):
                self._named[id(entity)] = entity
            case _:
                pass

    def hidden(self, item: Item) -> bool:
        """Return whether an import or export mentions a type that has no name."""
        entity = item.entity
        if item.sort is Sort.TYPE:
            match entity:
                case RecordType() | VariantType() | EnumType() | FlagsType():
                    # The item itself gives the type its name, so only what is inside counts.
                    return any(map(self._is_hidden, parts_of(entity)))
                case _:
                    pass
        return self._hides(entity)

    def _hides(self, entity: Entity) -> bool:
        match entity:
            case FunctionType():
                types = [each.type for each in entity.parameters]
                types += [] if entity.result is None else [entity.result]
                return any(map(self._is_hidden, types))
            case InstanceShape(exports):
                inside = Visibility(self)
                for each in exports.values():
                    inside.name(each)
                return any(map(inside.hidden, exports.values()))
            case ComponentShape():
                return False
            case _ if is_value_type(entity):
                return self._is_hidden(entity)
            case _:
                return False

    def _is_hidden(self, type_: Type) -> bool:
        match type_:
            case RecordType() | VariantType() | EnumType() | FlagsType():
                # What a named type mentions was looked at when it got its name.
                return not self.has(type_)
            case Own(name) | Borrow(name):
                return not self.has_resource(name)
            case _:
                return any(map(self._is_hidden, parts_of(type_)))
