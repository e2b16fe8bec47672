"""What evaluating components and evaluating descriptions have in common: bounds, types, aliases.

Source: component-model specification, Explainer.md, "Index Spaces" and "Alias Definitions".
"""

from collections.abc import Mapping

from wit.binary import definitions as ast
from wit.binary import types as spelled
from wit.binary.entities import Entity, Exported, Instance, Opaque, Resource, TypeClosure
from wit.binary.limits import EVALUATION_DEPTH_MAX, EVALUATION_INSTANCE_COST, EVALUATIONS_MAX
from wit.binary.resolve_types import TypeBuilder
from wit.binary.scope import Scope
from wit.binary.sorts import Sort
from wit.errors import BinaryError
from wit.types import (
    Borrow,
    EnumType,
    ErrorContextType,
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
    VariantType,
)

__all__ = ["Evaluation", "TypeIndices", "pick"]

_VALUE_TYPES = (
    Primitive,
    RecordType,
    VariantType,
    EnumType,
    FlagsType,
    ListType,
    FixedListType,
    MapType,
    TupleType,
    OptionType,
    ResultType,
    Own,
    Borrow,
    FutureType,
    StreamType,
    ErrorContextType,
)


def pick(exports: Mapping[str, Exported], name: str, sort: Sort, offset: int) -> Exported:
    """Return the export of that name and sort, or raise `BinaryError`."""
    found = exports.get(name)
    if found is None:
        raise BinaryError(f"no export is named {name!r}", offset=offset)
    if found.sort is not sort:
        raise BinaryError(
            f"{name!r} is a {found.sort.value}, expected a {sort.value}", offset=offset
        )
    return found


class TypeIndices:
    """The type space of a scope, as types need it."""

    __slots__ = ("_scope",)

    def __init__(self, scope: Scope[Entity]) -> None:
        self._scope = scope

    def value_type(self, index: int, offset: int) -> Type:
        """Return the value type of that index."""
        found = self._scope.get(Sort.TYPE, index, offset)
        if not isinstance(found, _VALUE_TYPES):
            raise BinaryError(f"type {index} is no value type", offset=offset)
        return found

    def resource_name(self, index: int, offset: int) -> ResourceName:
        """Return the identity of the resource of that index."""
        found = self._scope.get(Sort.TYPE, index, offset)
        if not isinstance(found, Resource):
            raise BinaryError(f"type {index} is no resource", offset=offset)
        return found.name


class Evaluation:
    """The state that one evaluation carries along."""

    def __init__(self) -> None:
        self.types = TypeBuilder()
        self._resources: set[ResourceName] = set()
        self._left = EVALUATIONS_MAX

    def spend(self, cost: int, offset: int) -> None:
        """Count work, and raise `BinaryError` once it is too much."""
        self._left -= cost
        if self._left < 0:
            raise BinaryError(
                f"instantiating takes more than {EVALUATIONS_MAX} definitions", offset=offset
            )

    def descend(self, depth: int, offset: int) -> int:
        """Return the depth one instance further in, or raise `BinaryError` if it is too deep."""
        if depth == EVALUATION_DEPTH_MAX:
            raise BinaryError(f"instances nested deeper than {EVALUATION_DEPTH_MAX}", offset=offset)
        self.spend(EVALUATION_INSTANCE_COST, offset)
        return depth + 1

    def resource(self, name: ResourceName | None, offset: int) -> Resource:
        """Return a new resource: of the host under that name, or of the component without one."""
        is_host = name is not None
        if name is None:
            # Names of imports never look like this: they are made of words.
            name = ResourceName(f"%{len(self._resources)}")
        if name in self._resources:
            raise BinaryError(f"resource {name.name!r} stands twice", offset=offset)
        self._resources.add(name)
        return Resource(name, is_host)

    def defined(self, definition: ast.Definition | ast.Declarator, scope: Scope[Entity]) -> Entity:
        """Return what a definition stands for that may stand in types as well as in components."""
        offset = definition.offset
        match definition:
            case ast.TypeDefinition():
                return self._type(definition, scope)
            case ast.AliasExport():
                index = definition.instance
                instance = scope.get_a(Instance, Sort.INSTANCE, index, offset)
                return pick(instance.exports, definition.name, definition.sort, offset).entity
            case ast.AliasOuter():
                outer = scope.outer(definition.count, offset)
                return outer.get(definition.sort, definition.index, offset)
            case _:
                assert isinstance(definition, ast.CoreTypeDefinition)
                return Opaque()

    def _type(self, definition: ast.TypeDefinition, scope: Scope[Entity]) -> Entity:
        offset = definition.offset
        match definition.type:
            case ast.ComponentType() | ast.InstanceType() as declared:
                return TypeClosure(declared, scope)
            case spelled.FunctionDefinition() as function:
                self.spend(len(function.parameters), offset)
                return self.types.function(function, TypeIndices(scope), offset)
            case spelled.ResourceDefinition() as resource:
                if resource.destructor is not None:
                    scope.get(Sort.CORE_FUNCTION, resource.destructor, offset)
                return self.resource(None, offset)
            case value:
                self.spend(_width(value), offset)
                return self.types.build(value, TypeIndices(scope), offset)


def _width(definition: spelled.DefinedType) -> int:
    match definition:
        case spelled.RecordDefinition(items) | spelled.TupleDefinition(items):
            return len(items)
        case spelled.VariantDefinition(items) | spelled.EnumDefinition(items):
            return len(items)
        case spelled.FlagsDefinition(items):
            return len(items)
        case _:
            return 1
