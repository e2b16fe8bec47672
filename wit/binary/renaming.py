"""Gives types of a resolved component the names that become known only when they are exported."""

from msgspec.structs import replace

from wit.binary.entities import Entity, Resource
from wit.types import (
    Borrow,
    Case,
    EnumType,
    ErrorContextType,
    Field,
    FixedListType,
    FlagsType,
    FutureType,
    ListType,
    MapType,
    OptionType,
    Own,
    Primitive,
    RecordType,
    ResourceName,
    ResultType,
    StreamType,
    TupleType,
    Type,
    TypeName,
    VariantType,
)

__all__ = ["Renaming"]

_NAMEABLE = (RecordType, VariantType, EnumType, FlagsType)


class Renaming:
    """Names are given first, then applied. Types are told apart by identity.

    Every type that was ever passed in must stay alive as long as this object.
    """

    def __init__(self) -> None:
        self._types: dict[int, TypeName] = {}
        self._resources: dict[ResourceName, ResourceName] = {}
        self._renamed: dict[int, Type] = {}

    def name(self, entity: Entity, name: str, interface: str | None) -> None:
        """Name a type, unless it has a name already; entities of other kinds are ignored."""
        match entity:
            case Resource():
                if not entity.is_host:
                    self._resources.setdefault(entity.name, ResourceName(name, interface))
            case RecordType() | VariantType() | EnumType() | FlagsType() if entity.name is None:
                self._types.setdefault(id(entity), TypeName(name, interface))
            case _:
                pass

    def resource(self, name: ResourceName) -> ResourceName:
        """Return the name that a resource is known by outside."""
        return self._resources.get(name, name)

    def apply(self, type_: Type) -> Type:
        """Return the type with all names filled in; shared parts stay shared."""
        if isinstance(type_, Primitive):
            return type_
        found = self._renamed.get(id(type_))
        if found is None:
            found = self._rebuilt(type_)
            if isinstance(found, _NAMEABLE) and found.name is None and id(type_) in self._types:
                found = replace(found, name=self._types[id(type_)])
            self._renamed[id(type_)] = found
        return found

    def _optional(self, type_: Type | None) -> Type | None:
        return None if type_ is None else self.apply(type_)

    def _rebuilt(self, type_: Type) -> Type:
        match type_:
            case Primitive() | EnumType() | FlagsType() | ErrorContextType():
                return type_
            case RecordType():
                fields = tuple(Field(each.name, self.apply(each.type)) for each in type_.fields)
                return RecordType(fields, type_.name)
            case VariantType():
                cases = tuple(Case(each.name, self._optional(each.type)) for each in type_.cases)
                return VariantType(cases, type_.name)
            case ListType():
                return ListType(self.apply(type_.element))
            case FixedListType():
                return FixedListType(self.apply(type_.element), type_.length)
            case MapType():
                return MapType(self.apply(type_.key), self.apply(type_.value))
            case TupleType():
                return TupleType(tuple(self.apply(each) for each in type_.elements))
            case OptionType():
                return OptionType(self.apply(type_.some))
            case ResultType():
                return ResultType(self._optional(type_.ok), self._optional(type_.err))
            case Own():
                return Own(self.resource(type_.resource))
            case Borrow():
                return Borrow(self.resource(type_.resource))
            case FutureType():
                return FutureType(self._optional(type_.element))
            case StreamType():
                return StreamType(self._optional(type_.element))
