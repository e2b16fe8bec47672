"""Evaluates a component at component level: follows every index, alias, argument and instance.

Instantiation is static, so what a component imports and exports follows from its bytes alone.
Core definitions are counted and nothing else.

Source: component-model specification, Explainer.md, "Component Definitions".
"""

from collections.abc import Mapping

from msgspec import Struct

from wit.binary import definitions as ast
from wit.binary.entities import (
    ComponentClosure,
    Entity,
    Exported,
    Instance,
    Opaque,
    Resource,
)
from wit.binary.evaluation import Evaluation, pick
from wit.binary.externs import ExternEvaluator
from wit.binary.names import check_extern_name
from wit.binary.scope import Scope
from wit.binary.sorts import Sort
from wit.errors import BinaryError
from wit.types import FunctionType

__all__ = ["Resolution", "resolve"]


class Resolution(Struct, frozen=True, eq=False):
    """What the outermost component imports and exports, in file order."""

    imports: dict[str, Exported]
    exports: dict[str, Exported]


def resolve(component: ast.Component) -> Resolution:
    """Evaluate a parsed component.

    Raises:
        BinaryError: a reference leads nowhere or to the wrong sort, an argument is missing or
            does not fit, or the component uses values or imports modules or components, which
            no host can supply.
    """
    resolver = _Resolver()
    exports = resolver.component(component, None, None, depth=0)
    return Resolution(resolver.imports, exports)


class _Resolver:
    def __init__(self) -> None:
        self.imports: dict[str, Exported] = {}
        self._evaluation = Evaluation()
        self._externs = ExternEvaluator(self._evaluation)

    def component(
        self,
        component: ast.Component,
        parent: Scope[Entity] | None,
        arguments: Mapping[str, Exported] | None,
        *,
        depth: int,
    ) -> dict[str, Exported]:
        """Instantiate; without `arguments` it is the outermost one, which the host supplies."""
        scope = Scope[Entity](parent)
        exports: dict[str, Exported] = {}
        for definition in component.definitions:
            self._evaluation.spend(1, definition.offset)
            match definition:
                case ast.Custom():
                    pass
                case ast.Import():
                    self._import(definition, scope, arguments, depth)
                case ast.Export():
                    self._export(definition, scope, exports, depth)
                case ast.Instantiate():
                    scope.add(Sort.INSTANCE, self._instantiate(definition, scope, depth))
                case ast.Start() | ast.ValueDefinition():
                    raise BinaryError("values are not supported", offset=definition.offset)
                case _:
                    sort = ast.extends(definition)
                    assert sort is not None
                    scope.add(sort, self._defined(definition, scope))
        return exports

    def _import(
        self,
        definition: ast.Import,
        scope: Scope[Entity],
        arguments: Mapping[str, Exported] | None,
        depth: int,
    ) -> None:
        name, extern, offset = definition.name, definition.extern, definition.offset
        check_extern_name(name, extern.sort, offset)
        if arguments is None:
            if name in self.imports:
                raise BinaryError(f"import {name!r} stands twice", offset=offset)
            interface = None if extern.sort is not Sort.INSTANCE else name
            entity = self._externs.abstract(
                extern, name, scope, interface=interface, offset=offset, depth=depth
            )
            self.imports[name] = Exported(extern.sort, entity)
        elif name not in arguments:
            raise BinaryError(f"nothing is given for import {name!r}", offset=offset)
        else:
            given = pick(arguments, name, extern.sort, offset).entity
            entity = self._externs.fitted(extern, name, scope, given, offset=offset, depth=depth)
        scope.add(extern.sort, entity)

    def _export(
        self,
        definition: ast.Export,
        scope: Scope[Entity],
        exports: dict[str, Exported],
        depth: int,
    ) -> None:
        name, target, offset = definition.name, definition.target, definition.offset
        check_extern_name(name, target.sort, offset)
        if name in exports:
            raise BinaryError(f"export {name!r} stands twice", offset=offset)
        entity = scope.get(target.sort, target.index, offset)
        described = definition.ascribed
        if described is not None:
            if described.sort is not target.sort:
                raise BinaryError(
                    f"export {name!r} is a {target.sort.value}, "
                    f"but described as a {described.sort.value}",
                    offset=offset,
                )
            entity = self._externs.fitted(
                described, name, scope, entity, offset=offset, depth=depth
            )
        scope.add(target.sort, entity)
        exports[name] = Exported(target.sort, entity)

    def _instantiate(
        self, definition: ast.Instantiate, scope: Scope[Entity], depth: int
    ) -> Instance:
        offset = definition.offset
        self._evaluation.spend(len(definition.arguments), offset)
        arguments: dict[str, Exported] = {}
        for each in definition.arguments:
            if each.name in arguments:
                raise BinaryError(f"argument {each.name!r} stands twice", offset=offset)
            target = each.target
            arguments[each.name] = Exported(
                target.sort, scope.get(target.sort, target.index, offset)
            )
        nested = scope.get_a(ComponentClosure, Sort.COMPONENT, definition.component, offset)
        depth = self._evaluation.descend(depth, offset)
        return Instance(self.component(nested.component, nested.scope, arguments, depth=depth))

    def _defined(self, definition: ast.Definition, scope: Scope[Entity]) -> Entity:
        offset = definition.offset
        match definition:
            case ast.TypeDefinition() | ast.AliasExport() | ast.AliasOuter():
                return self._evaluation.defined(definition, scope)
            case ast.NestedComponent():
                return ComponentClosure(definition.component, scope)
            case ast.Inline():
                self._evaluation.spend(len(definition.exports), offset)
                exports: dict[str, Exported] = {}
                for each in definition.exports:
                    check_extern_name(each.name, each.target.sort, offset)
                    if each.name in exports:
                        raise BinaryError(f"export {each.name!r} stands twice", offset=offset)
                    sort, index = each.target.sort, each.target.index
                    exports[each.name] = Exported(sort, scope.get(sort, index, offset))
                return Instance(exports)
            case ast.Lift():
                scope.get(Sort.CORE_FUNCTION, definition.core_function, offset)
                return scope.get_a(FunctionType, Sort.TYPE, definition.type, offset)
            case ast.Lower():
                scope.get(Sort.FUNCTION, definition.function, offset)
                return Opaque()
            case ast.ResourceNew() | ast.ResourceDrop() | ast.ResourceRep():
                scope.get_a(Resource, Sort.TYPE, definition.resource, offset)
                return Opaque()
            case ast.CoreInstantiate():
                self._core_instantiate(definition, scope)
                return Opaque()
            case ast.CoreInline():
                self._evaluation.spend(len(definition.exports), offset)
                for export in definition.exports:
                    scope.get(export.target.sort, export.target.index, offset)
                return Opaque()
            case ast.AliasCoreExport():
                scope.get(Sort.CORE_INSTANCE, definition.instance, offset)
                return Opaque()
            case _:
                return Opaque()

    def _core_instantiate(self, definition: ast.CoreInstantiate, scope: Scope[Entity]) -> None:
        offset = definition.offset
        self._evaluation.spend(len(definition.arguments), offset)
        scope.get(Sort.CORE_MODULE, definition.module, offset)
        for each in definition.arguments:
            scope.get(Sort.CORE_INSTANCE, each.instance, offset)
