"""Definitions that stand in components and in types alike: types, aliases, descriptions."""

from typing import final

from msgspec.structs import replace

from actors.engine.core.module import FunctionSignature
from actors.engine.validate.canonical import DESTRUCTOR, check_core_function
from actors.engine.validate.core_types import described_module, lookup_in, signature_of
from actors.engine.validate.entities import (
    ComponentShape,
    Entity,
    InstanceShape,
    Item,
    ModuleShape,
    Resource,
)
from actors.engine.validate.resources import Resources, Substitution
from actors.engine.validate.scope import CheckedScope, ScopeKind
from actors.engine.validate.subtyping import Matching
from actors.engine.validate.work import Work
from wit.binary import definitions as defs
from wit.binary import types as spelled
from wit.binary.resolve_types import TypeBuilder
from wit.binary.sorts import Sort
from wit.binary.types import CoreFunctionType
from wit.errors import BinaryError
from wit.types import (
    EnumType,
    FlagsType,
    FunctionType,
    RecordType,
    ResourceName,
    VariantType,
)

__all__ = ["Externs"]


@final
class Externs:
    """What one check carries along, and the definitions of types."""

    def __init__(self) -> None:
        self.resources = Resources()
        self.types = TypeBuilder()
        self.work = Work()

    def matching(self, offset: int, unknown: frozenset[ResourceName]) -> Matching:
        """Return a new comparison."""
        return Matching(self.resources, self.types, self.work, offset, unknown)

    def substitution(
        self,
        offset: int,
        *,
        known: dict[ResourceName, Resource] | None = None,
        unknown: frozenset[ResourceName] = frozenset(),
        is_complete: bool = False,
    ) -> Substitution:
        """Return a new substitution."""
        return Substitution(
            self.resources,
            self.types,
            self.work,
            offset,
            known=known or {},
            unknown=unknown,
            is_complete=is_complete,
        )

    # Imports and exports.

    def described(self, scope: CheckedScope, extern: defs.ExternType, offset: int) -> Item:
        """Return what a description says, with new resources where it leaves them open.

        Raises:
            BinaryError: the description refers to nothing, or to something of another kind.
        """
        match extern:
            case defs.ExternType(Sort.FUNCTION, int(index)):
                entity: Entity = scope.get_a(FunctionType, Sort.TYPE, index, offset)
            case defs.ExternType(Sort.TYPE, defs.SubResource()):
                made = self.resources.new()
                scope.unknown.add(made.name)
                entity = made
            case defs.ExternType(Sort.TYPE, int(index)):
                entity = self.renamed(scope.get(Sort.TYPE, index, offset))
            case defs.ExternType(Sort.INSTANCE, int(index)):
                entity = self._instance(scope, index, offset)
            case defs.ExternType(Sort.COMPONENT, int(index)):
                entity = scope.get_a(ComponentShape, Sort.TYPE, index, offset)
            case defs.ExternType(Sort.CORE_MODULE, int(index)):
                entity = scope.get_a(ModuleShape, Sort.CORE_TYPE, index, offset)
            case _:
                raise BinaryError("values are not supported", offset=offset)
        return Item(extern.sort, entity)

    def _instance(self, scope: CheckedScope, index: int, offset: int) -> InstanceShape:
        type_ = scope.get_a(InstanceShape, Sort.TYPE, index, offset)
        changes = self.substitution(offset, unknown=type_.unknown)
        exports = changes.items(type_.exports)
        scope.unknown.update(made.name for made in changes.made)
        return InstanceShape(exports)

    def renamed(self, entity: Entity) -> Entity:
        """Return a type as an import or export names it: equal, but another object."""
        match entity:
            case Resource():
                return self.resources.renamed(entity)
            case RecordType() | VariantType() | EnumType() | FlagsType():
                copy = replace(entity)
                self.types.adopt(copy, entity)
                return copy
            case _:
                return entity

    def add_import(self, scope: CheckedScope, definition: defs.Import) -> None:
        """Add an import to the scope."""
        name, offset = definition.name, definition.offset
        item = self.described(scope, definition.extern, offset)
        if self.resources.mentioned(item.entity) & scope.own:
            raise BinaryError(
                f"import {name!r} uses a resource that the component itself defines", offset=offset
            )
        scope.import_names.add(name, item, offset)
        self._show(scope, name, item, offset, is_import=True)
        scope.imports[name] = item
        scope.add(item.sort, item.entity)

    def add_export(self, scope: CheckedScope, name: str, item: Item, offset: int) -> None:
        """Add an export to the scope."""
        scope.export_names.add(name, item, offset)
        self._show(scope, name, item, offset, is_import=False)
        scope.exports[name] = item
        scope.add(item.sort, item.entity)

    def _show(
        self, scope: CheckedScope, name: str, item: Item, offset: int, *, is_import: bool
    ) -> None:
        seen = scope.imported if is_import else scope.visible
        # An instance type is looked at where an instance of it is imported or exported.
        if scope.kind is not ScopeKind.INSTANCE_TYPE and seen.hidden(item):
            raise BinaryError(
                f"{'import' if is_import else 'export'} {name!r} uses a type that has no name "
                "outside: import or export the type first, and use it by that name",
                offset=offset,
            )
        scope.visible.name(item)
        if is_import:
            scope.imported.name(item)

    # Types.

    def type(self, scope: CheckedScope, definition: defs.TypeDefinition) -> Entity:
        """Return what a type definition stands for."""
        offset = definition.offset
        match definition.type:
            case spelled.FunctionDefinition() as function:
                self.work.spend(len(function.parameters), offset)
                return self.types.function(function, scope, offset)
            case spelled.ResourceDefinition() as resource:
                return self._resource(scope, resource, offset)
            case defs.InstanceType() as type_:
                return self._declared(scope, type_.declarators, ScopeKind.INSTANCE_TYPE)
            case defs.ComponentType() as type_:
                return self._declared(scope, type_.declarators, ScopeKind.COMPONENT_TYPE)
            case defined:
                self.work.spend(_width(defined), offset)
                return self.types.build(defined, scope, offset)

    def _resource(
        self, scope: CheckedScope, definition: spelled.ResourceDefinition, offset: int
    ) -> Resource:
        if scope.kind is not ScopeKind.COMPONENT:
            raise BinaryError("a resource cannot be defined inside a type", offset=offset)
        if definition.representation != "i32":
            raise BinaryError("resources must be represented by i32", offset=offset)
        if definition.destructor is not None:
            check_core_function(scope, definition.destructor, DESTRUCTOR, "destructor", offset)
        made = self.resources.new()
        scope.own.add(made.name)
        return made

    def _declared(
        self,
        parent: CheckedScope,
        declarators: tuple[defs.Declarator, ...],
        kind: ScopeKind,
    ) -> InstanceShape | ComponentShape:
        scope = CheckedScope(parent, kind, self.resources)
        imported: frozenset[ResourceName] = frozenset()
        for each in declarators:
            self.work.spend(1, each.offset)
            match each:
                case defs.Import():
                    self.add_import(scope, each)
                    imported = frozenset(scope.unknown - scope.own)
                case defs.ExportDeclaration():
                    before = set(scope.unknown)
                    item = self.described(scope, each.extern, each.offset)
                    scope.own |= scope.unknown - before
                    self.add_export(scope, each.name, item, each.offset)
                case _:
                    sort = defs.extends(each)
                    assert sort is not None
                    scope.add(sort, self.common(scope, each))
        if kind is ScopeKind.INSTANCE_TYPE:
            return InstanceShape(scope.exports, frozenset(scope.unknown))
        return ComponentShape(scope.imports, scope.exports, imported)

    def common(self, scope: CheckedScope, definition: defs.Declarator | defs.Definition) -> Entity:
        """Return what a type, or an alias to anything but a core export, stands for."""
        match definition:
            case defs.TypeDefinition():
                return self.type(scope, definition)
            case defs.CoreTypeDefinition():
                return self._core_type(scope, definition)
            case defs.AliasExport():
                return self._alias_export(scope, definition)
            case defs.AliasOuter():
                return self._alias_outer(scope, definition)
            case _:
                raise AssertionError(definition)

    def _alias_export(self, scope: CheckedScope, alias: defs.AliasExport) -> Entity:
        instance = scope.get_a(InstanceShape, Sort.INSTANCE, alias.instance, alias.offset)
        found = instance.exports.get(alias.name)
        if found is None or found.sort is not alias.sort:
            raise BinaryError(
                f"instance {alias.instance} exports no {alias.sort.value} {alias.name!r}",
                offset=alias.offset,
            )
        return found.entity

    def _alias_outer(self, scope: CheckedScope, alias: defs.AliasOuter) -> Entity:
        outer = scope.outer(alias.count, alias.offset)
        entity = outer.get(alias.sort, alias.index, alias.offset)
        crossed: CheckedScope | None = scope
        leaves = False
        for _ in range(alias.count):
            assert crossed is not None
            leaves = leaves or crossed.kind is not ScopeKind.INSTANCE_TYPE
            crossed = crossed.enclosing
        if leaves and alias.sort is Sort.TYPE and self.resources.mentioned(entity):
            raise BinaryError(
                "a component cannot use resources of the components around it by alias, "
                "only import them",
                offset=alias.offset,
            )
        return entity

    # Core types.

    def _core_type(self, scope: CheckedScope, definition: defs.CoreTypeDefinition) -> Entity:
        match definition.type:
            case CoreFunctionType() as type_:
                self.work.spend(len(type_.parameters), definition.offset)
                offset = definition.offset

                def lookup(index: int) -> FunctionSignature:
                    return scope.get_a(FunctionSignature, Sort.CORE_TYPE, index, offset)

                return signature_of(type_, lookup, offset)
            case type_:
                return self._module(scope, type_, definition.offset)

    def _module(self, scope: CheckedScope, type_: defs.CoreModuleType, offset: int) -> ModuleShape:
        functions: list[FunctionSignature] = []
        for each in type_.types:
            functions.append(
                scope.get_a(FunctionSignature, Sort.CORE_TYPE, each, offset)
                if isinstance(each, int)
                else signature_of(each, lookup_in(functions, offset), offset)
            )
        return described_module(type_, functions, offset)


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
