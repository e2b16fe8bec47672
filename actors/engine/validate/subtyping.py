"""Whether what is given may stand where something is expected, and what that makes of resources."""

from collections.abc import Mapping
from typing import Final

from actors.engine.validate.core_types import fits
from actors.engine.validate.entities import (
    ComponentShape,
    Entity,
    InstanceShape,
    Item,
    ModuleShape,
    Resource,
)
from actors.engine.validate.resources import Resources, Substitution, is_value_type
from actors.engine.validate.work import Work
from wit.binary.equality import FoldedEquality
from wit.binary.resolve_types import TypeBuilder
from wit.binary.sorts import Sort
from wit.errors import BinaryError
from wit.type_text import type_text
from wit.types import FunctionType, ResourceName, Type

__all__ = ["Matching"]

_SHOWN_MAX: Final = 200


class Matching:
    """One comparison. `found` maps the resources that are asked for to those that are given.

    `unknown` are the resources that the expected side leaves open: the first one given for such a
    resource is what it is from then on.
    """

    def __init__(
        self,
        resources: Resources,
        builder: TypeBuilder,
        work: Work,
        offset: int,
        unknown: frozenset[ResourceName],
    ) -> None:
        self.found: dict[ResourceName, Resource] = {}
        self._resources = resources
        self._builder = builder
        self._work = work
        self._offset = offset
        self._unknown = unknown
        self._equality = _Equality(self)

    def error(self, message: str) -> BinaryError:
        """Return the error to raise."""
        return BinaryError(message, offset=self._offset)

    def items(self, given: Mapping[str, Item], wanted: Mapping[str, Item], what: str) -> None:
        """Check that all wanted items are given; more may be.

        Raises:
            BinaryError: one is missing, or does not fit.
        """
        for name, expected in wanted.items():
            found = given.get(name)
            if found is None:
                raise self.error(f"{what} {name!r} ({expected.sort.value}) is missing")
            self.item(found, expected, f"{what} {name!r}")

    def item(self, given: Item, wanted: Item, place: str) -> None:
        """Check one item."""
        self._work.spend(1, self._offset)
        if given.sort is not wanted.sort:
            raise self.error(f"{place} is a {given.sort.value}, expected a {wanted.sort.value}")
        self._entity(given.entity, wanted.entity, given.sort, place)

    def _entity(self, given: Entity, wanted: Entity, sort: Sort, place: str) -> None:
        match given, wanted:
            case Resource(), Resource():
                self._resource(given, wanted, place)
            case FunctionType(), FunctionType():
                if not self._equality.functions(given, wanted):
                    raise self.error(f"{place} has another function type than expected")
            case InstanceShape(), InstanceShape():
                self.items(given.exports, wanted.exports, f"{place}, export")
            case ComponentShape(), ComponentShape():
                self._component(given, wanted, place)
            case ModuleShape(), ModuleShape():
                self._module(given, wanted, place)
            case _ if is_value_type(given) and is_value_type(wanted):
                self._value(given, wanted, place)
            case _:
                raise self.error(f"{place} is another kind of {sort.value} than expected")

    def _value(self, given: Type, wanted: Type, place: str) -> None:
        if not self._equality.types(given, wanted):
            raise self.error(f"{place} is {_shown(given)}, expected {_shown(wanted)}")

    def _resource(self, given: Resource, wanted: Resource, place: str) -> None:
        asked = self._resources.same(wanted.name)
        if asked in self._unknown and asked not in self.found:
            self.found[asked] = given
        elif not self.same(given.name, wanted.name):
            raise self.error(f"{place} is another resource type than expected")

    def same(self, given: ResourceName, wanted: ResourceName) -> bool:
        """Return whether the given resource is the one that is asked for."""
        asked = self._resources.same(wanted)
        standing = self.found.get(asked)
        expected = asked if standing is None else self._resources.same(standing.name)
        return self._resources.same(given) == expected

    def _component(self, given: ComponentShape, wanted: ComponentShape, place: str) -> None:
        """Check that `given` asks for no more and gives no less."""
        inner = Matching(self._resources, self._builder, self._work, self._offset, given.unknown)
        inner.items(wanted.imports, given.imports, f"{place}, import")
        exports = Substitution(
            self._resources,
            self._builder,
            self._work,
            self._offset,
            known=inner.found,
        ).items(given.exports)
        unknown = self._defined(wanted)
        outer = Matching(self._resources, self._builder, self._work, self._offset, unknown)
        outer.items(exports, wanted.exports, f"{place}, export")

    def _defined(self, component: ComponentShape) -> frozenset[ResourceName]:
        shape = InstanceShape(component.exports)
        return self._resources.mentioned(shape) - component.unknown

    def _module(self, given: ModuleShape, wanted: ModuleShape, place: str) -> None:
        for (module, name), asked in given.imports.items():
            offered = wanted.imports.get((module, name))
            if offered is None:
                raise self.error(f"{place} imports {module!r} {name!r}, which is not expected")
            if not fits(offered, asked):
                raise self.error(f"{place}: import {module!r} {name!r} is of another type")
        for name, expected in wanted.exports.items():
            found = given.exports.get(name)
            if found is None:
                raise self.error(f"{place} does not export {name!r}")
            if not fits(found, expected):
                raise self.error(f"{place}: export {name!r} is of another type")


def _shown(type_: Type) -> str:
    text = type_text(type_)
    return text if len(text) <= _SHOWN_MAX else text[:_SHOWN_MAX] + "…"


class _Equality(FoldedEquality):
    """Equality of types in which resources are compared by what they denote."""

    def __init__(self, matching: Matching) -> None:
        super().__init__()
        self._matching = matching

    def resources(self, left: ResourceName, right: ResourceName) -> bool:
        return self._matching.same(left, right)
