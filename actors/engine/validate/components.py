"""Checks a component and everything in it."""

from typing import final

from actors.engine.core.module import CoreModule, ExternKind
from actors.engine.core.reader import read_core_module
from actors.engine.validate.canonical import (
    check_lift,
    check_lower,
    check_resource_function,
    refuse_built_in,
)
from actors.engine.validate.core_externs import CoreExterns
from actors.engine.validate.core_types import fits
from actors.engine.validate.entities import (
    ComponentShape,
    CoreExtern,
    CoreInstance,
    Entity,
    InstanceShape,
    Item,
    ModuleShape,
)
from actors.engine.validate.externs import Externs
from actors.engine.validate.names import Names
from actors.engine.validate.scope import CheckedScope, ScopeKind
from wit.binary import definitions as defs
from wit.binary.sorts import Sort
from wit.errors import BinaryError
from wit.types import ResourceName

__all__ = ["validate"]


def validate(data: bytes, component: defs.Component) -> None:
    """Check a component that was parsed from `data`.

    Raises:
        BinaryError: it is invalid, or uses what this engine refuses, with the offset.
    """
    _Validator(data).component(component, None)


@final
class _Validator:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._externs = Externs()
        self._modules: dict[tuple[int, int], CoreModule] = {}

    def component(self, component: defs.Component, parent: CheckedScope | None) -> ComponentShape:
        scope = CheckedScope(parent, ScopeKind.COMPONENT, self._externs.resources)
        for definition in component.definitions:
            self._externs.work.spend(1, definition.offset)
            match definition:
                case defs.Custom():
                    pass
                case defs.Import():
                    self._externs.add_import(scope, definition)
                case defs.Export():
                    self._export(scope, definition)
                case _:
                    sort = defs.extends(definition)
                    assert sort is not None
                    scope.add(sort, self._entity(scope, definition))
        asked = self._mentioned(scope.imports)
        return ComponentShape(scope.imports, scope.exports, asked & frozenset(scope.unknown))

    def _mentioned(self, items: dict[str, Item]) -> frozenset[ResourceName]:
        return self._externs.resources.mentioned(InstanceShape(items))

    def _entity(self, scope: CheckedScope, definition: defs.Definition) -> Entity:
        offset = definition.offset
        match definition:
            case defs.CoreModule():
                return self._core_module(definition)
            case defs.CoreInstantiate():
                return self._core_instantiate(scope, definition)
            case defs.CoreInline():
                return self._core_inline(scope, definition)
            case defs.AliasCoreExport():
                return _alias_core(scope, definition)
            case defs.NestedComponent():
                return self.component(definition.component, scope)
            case defs.Instantiate():
                return self._instantiate(scope, definition)
            case defs.Inline():
                return self._inline(scope, definition)
            case defs.Lift():
                return check_lift(scope, definition)
            case defs.Lower():
                return check_lower(scope, definition)
            case defs.ResourceNew() | defs.ResourceDrop() | defs.ResourceRep():
                return check_resource_function(scope, definition)
            case defs.BuiltIn():
                raise refuse_built_in(definition)
            case defs.Start() | defs.ValueDefinition():
                raise BinaryError(
                    "component start functions and values are not supported", offset=offset
                )
            case defs.Import() | defs.Export() | defs.Custom():
                raise AssertionError(definition)
            case _:
                return self._externs.common(scope, definition)

    # Core modules.

    def _core_module(self, definition: defs.CoreModule) -> ModuleShape:
        key = (definition.start, definition.end)
        module = self._modules.get(key)
        if module is None:
            module = self._modules[key] = read_core_module(self._data, *key)
        externs = CoreExterns(module)
        imports: dict[tuple[str, str], CoreExtern] = {}
        for name, inner, extern in externs.imports():
            if (name, inner) in imports:
                raise BinaryError(
                    f"core module imports {name!r} {inner!r} twice", offset=definition.offset
                )
            imports[name, inner] = extern
        exports = externs.exports()
        if len(exports) != len(module.exports):
            raise BinaryError("core module exports a name twice", offset=definition.offset)
        return ModuleShape(imports, exports)

    def _core_instantiate(
        self, scope: CheckedScope, definition: defs.CoreInstantiate
    ) -> CoreInstance:
        offset = definition.offset
        module = scope.get_a(ModuleShape, Sort.CORE_MODULE, definition.module, offset)
        given: dict[str, CoreInstance] = {}
        for each in definition.arguments:
            if each.name in given:
                raise BinaryError(f"argument {each.name!r} stands twice", offset=offset)
            given[each.name] = scope.get_a(CoreInstance, Sort.CORE_INSTANCE, each.instance, offset)
        self._externs.work.spend(len(module.imports), offset)
        for (name, inner), wanted in module.imports.items():
            place = f"import {name!r} {inner!r} of core module {definition.module}"
            instance = given.get(name)
            found = None if instance is None else instance.exports.get(inner)
            if found is None:
                raise BinaryError(f"no argument provides the {place}", offset=offset)
            if found.kind is not wanted.kind:
                raise BinaryError(f"the {place} is no {wanted.kind.value}", offset=offset)
            if not fits(found, wanted):
                raise BinaryError(
                    f"the {place} is {wanted.type}, the argument is {found.type}", offset=offset
                )
        return CoreInstance(module.exports)

    def _core_inline(self, scope: CheckedScope, definition: defs.CoreInline) -> CoreInstance:
        offset = definition.offset
        self._externs.work.spend(len(definition.exports), offset)
        exports: dict[str, CoreExtern] = {}
        for each in definition.exports:
            if each.name in exports:
                raise BinaryError(f"{each.name!r} stands twice", offset=offset)
            target = each.target
            exports[each.name] = scope.get_a(CoreExtern, target.sort, target.index, offset)
        return CoreInstance(exports)

    # Components.

    def _instantiate(self, scope: CheckedScope, definition: defs.Instantiate) -> InstanceShape:
        offset = definition.offset
        component = scope.get_a(ComponentShape, Sort.COMPONENT, definition.component, offset)
        given: dict[str, Item] = {}
        for each in definition.arguments:
            if each.name in given:
                raise BinaryError(f"argument {each.name!r} stands twice", offset=offset)
            target = each.target
            given[each.name] = Item(target.sort, scope.get(target.sort, target.index, offset))
        matching = self._externs.matching(offset, component.unknown)
        matching.items(given, component.imports, "argument")
        changes = self._externs.substitution(offset, known=matching.found, is_complete=True)
        return InstanceShape(changes.items(component.exports))

    def _inline(self, scope: CheckedScope, definition: defs.Inline) -> InstanceShape:
        offset = definition.offset
        self._externs.work.spend(len(definition.exports), offset)
        names = Names("export", {}, self._externs.resources)
        exports: dict[str, Item] = {}
        for each in definition.exports:
            target = each.target
            item = Item(target.sort, scope.get(target.sort, target.index, offset))
            names.add(each.name, item, offset)
            exports[each.name] = item
        return InstanceShape(exports)

    def _export(self, scope: CheckedScope, definition: defs.Export) -> None:
        name, target, offset = definition.name, definition.target, definition.offset
        entity = scope.get(target.sort, target.index, offset)
        item = Item(target.sort, entity)
        if definition.ascribed is not None:
            item = self._ascribed(scope, definition.ascribed, item, name, offset)
        elif target.sort is Sort.TYPE:
            item = Item(target.sort, self._externs.renamed(entity))
        if target.sort not in _EXPORTABLE:
            raise BinaryError(f"a {target.sort.value} cannot be exported", offset=offset)
        self._externs.add_export(scope, name, item, offset)

    def _ascribed(
        self, scope: CheckedScope, extern: defs.ExternType, given: Item, name: str, offset: int
    ) -> Item:
        before = set(scope.unknown)
        item = self._externs.described(scope, extern, offset)
        made = frozenset(scope.unknown - before)
        scope.unknown -= made
        self._externs.matching(offset, made).item(given, item, f"export {name!r}")
        return item


_EXPORTABLE = frozenset({Sort.FUNCTION, Sort.TYPE, Sort.INSTANCE, Sort.COMPONENT, Sort.CORE_MODULE})


def _alias_core(scope: CheckedScope, alias: defs.AliasCoreExport) -> CoreExtern:
    instance = scope.get_a(CoreInstance, Sort.CORE_INSTANCE, alias.instance, alias.offset)
    found = instance.exports.get(alias.name)
    if found is None or _SORTS[found.kind] is not alias.sort:
        raise BinaryError(
            f"core instance {alias.instance} exports no {alias.sort.value} {alias.name!r}",
            offset=alias.offset,
        )
    return found


_SORTS = {
    ExternKind.FUNCTION: Sort.CORE_FUNCTION,
    ExternKind.TABLE: Sort.CORE_TABLE,
    ExternKind.MEMORY: Sort.CORE_MEMORY,
    ExternKind.GLOBAL: Sort.CORE_GLOBAL,
    ExternKind.TAG: Sort.CORE_TAG,
}
