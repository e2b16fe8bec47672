"""Evaluates a component's definitions into a plan."""

from typing import assert_never

from actors.engine.core.module import CoreModule
from actors.engine.limits import (
    COMPONENT_INSTANCES_MAX,
    INSTANTIATION_DEPTH_MAX,
)
from actors.engine.plan.canonical import CanonicalPlanner
from actors.engine.plan.core import CoreSpace
from actors.engine.plan.imports import ImportEvaluator, alias_export
from actors.engine.plan.model import (
    ExportedFunction,
    HostFunction,
    LiftedFunction,
    Plan,
    ResourceId,
)
from actors.engine.plan.resources import ResourceTable
from actors.engine.plan.scope import (
    ComponentClosure,
    Entity,
    InstanceValue,
    Scope,
    TypeClosure,
)
from actors.engine.plan.types import TypeEvaluator
from wit.binary import definitions as defs
from wit.binary import types as spelled
from wit.binary.limits import EVALUATIONS_MAX
from wit.binary.sorts import Sort
from wit.errors import BinaryError

__all__ = ["make_plan"]


def make_plan(data: bytes, component: defs.Component) -> tuple[Plan, tuple[CoreModule, ...]]:
    """Evaluate a component. Also returns its core modules, as `Plan.modules` lists them.

    Raises:
        BinaryError: the component is malformed or uses what the engine refuses, with the offset.
    """
    evaluator = _Evaluator(data)
    exports = evaluator.component(component, None, None, depth=0)
    return evaluator.plan(exports), tuple(evaluator.core.cores)


class _Evaluator:
    def __init__(self, data: bytes) -> None:
        self.types = TypeEvaluator()
        self.canonical = CanonicalPlanner()
        self.core = CoreSpace(data, self.canonical.signature)
        self.resources = ResourceTable(self.core)
        self.imports = ImportEvaluator(self.types, self.resources)
        self.instance_count = 0
        self.evaluations = 0

    def plan(self, exports: dict[str, tuple[Sort, Entity]]) -> Plan:
        canonical = self.canonical
        return Plan(
            modules=tuple(self.core.modules),
            steps=tuple(self.core.steps),
            lifts=tuple(canonical.lifts),
            lowerings=tuple(canonical.lowerings),
            resource_functions=tuple(canonical.resource_functions),
            resources=tuple(self.resources.plans),
            instance_count=self.instance_count,
            exports=_exported_functions(exports),
            host_functions=canonical.host_functions(),
        )

    def component(
        self,
        component: defs.Component,
        parent: Scope | None,
        arguments: dict[str, tuple[Sort, Entity]] | None,
        *,
        depth: int,
    ) -> dict[str, tuple[Sort, Entity]]:
        """Evaluate one instantiation; without `arguments` imports come from the host."""
        if self.instance_count == COMPONENT_INSTANCES_MAX:
            raise BinaryError(
                f"more than {COMPONENT_INSTANCES_MAX} component instances", offset=component.start
            )
        if depth > INSTANTIATION_DEPTH_MAX:
            raise BinaryError(
                f"instantiations nested deeper than {INSTANTIATION_DEPTH_MAX}",
                offset=component.start,
            )
        scope = Scope(parent, self.instance_count)
        self.instance_count += 1
        exports: dict[str, tuple[Sort, Entity]] = {}
        for definition in component.definitions:
            self.evaluations += 1
            if self.evaluations > EVALUATIONS_MAX:
                raise BinaryError(
                    f"more than {EVALUATIONS_MAX} definitions to evaluate", offset=component.start
                )
            match definition:
                case defs.Custom():
                    pass
                case defs.Export():
                    self._export(scope, definition, exports)
                case defs.Import() if arguments is not None:
                    scope.add(definition.extern.sort, _argument(arguments, definition))
                case _:
                    sort = defs.extends(definition)
                    assert sort is not None
                    scope.add(sort, self._entity(scope, definition, depth))
        return exports

    def _entity(self, scope: Scope, definition: defs.Definition, depth: int) -> Entity:
        match definition:
            case defs.CoreModule():
                return self.core.module(definition)
            case defs.CoreInstantiate():
                return self.core.instantiate(scope, definition)
            case defs.CoreInline():
                return self.core.inline(scope, definition)
            case defs.CoreTypeDefinition():
                return definition.type
            case defs.TypeDefinition():
                return self._type(scope, definition)
            case defs.NestedComponent():
                return ComponentClosure(definition.component, scope)
            case defs.Instantiate():
                return self._instantiate(scope, definition, depth)
            case defs.Inline():
                return InstanceValue(
                    {
                        export.name: (
                            export.target.sort,
                            scope.find(export.target, definition.offset),
                        )
                        for export in definition.exports
                    }
                )
            case defs.AliasExport():
                return alias_export(scope, definition)
            case defs.AliasCoreExport():
                return self.core.alias(scope, definition)
            case defs.AliasOuter():
                return scope.outer(definition.count, definition.offset).get(
                    definition.sort, definition.index, definition.offset
                )
            case defs.Import():
                return self.imports.root(scope, definition)
            case defs.Lift():
                return self.canonical.lift(scope, definition, self.core)
            case defs.Lower():
                return self.canonical.lower(scope, definition, self.core)
            case defs.ResourceNew() | defs.ResourceDrop() | defs.ResourceRep():
                return self.canonical.resource_function(scope, definition)
            case defs.BuiltIn():
                raise BinaryError(
                    f"the built-in {definition.name} of component-model async is not supported; "
                    "build the component for WASI 0.2 without async",
                    offset=definition.offset,
                )
            case defs.Start() | defs.ValueDefinition():
                raise BinaryError(
                    "component start functions and values are not supported",
                    offset=definition.offset,
                )
            case defs.Export() | defs.Custom():
                raise AssertionError(definition)
            case _:
                assert_never(definition)

    def _type(self, scope: Scope, definition: defs.TypeDefinition) -> Entity:
        offset = definition.offset
        match definition.type:
            case spelled.FunctionDefinition() as function:
                return self.types.function(scope, function, offset)
            case spelled.ResourceDefinition() as resource:
                return self.resources.define(scope, resource, offset)
            case defs.InstanceType() | defs.ComponentType() as type_:
                return TypeClosure(type_, scope)
            case defined:
                return self.types.defined(scope, defined, offset)

    def _instantiate(self, scope: Scope, definition: defs.Instantiate, depth: int) -> InstanceValue:
        offset = definition.offset
        closure = scope.get(Sort.COMPONENT, definition.component, offset)
        if not isinstance(closure, ComponentClosure):
            raise BinaryError("an imported component cannot be instantiated", offset=offset)
        arguments = {
            argument.name: (argument.target.sort, scope.find(argument.target, offset))
            for argument in definition.arguments
        }
        return InstanceValue(
            self.component(closure.component, closure.scope, arguments, depth=depth + 1)
        )

    def _export(
        self, scope: Scope, definition: defs.Export, exports: dict[str, tuple[Sort, Entity]]
    ) -> None:
        entity = scope.find(definition.target, definition.offset)
        if definition.name in exports:
            raise BinaryError(f"{definition.name!r} is exported twice", offset=definition.offset)
        if isinstance(entity, ResourceId):
            self.resources.name_exported(entity, definition.name)
        scope.add(definition.target.sort, entity)
        exports[definition.name] = (definition.target.sort, entity)


def _argument(arguments: dict[str, tuple[Sort, Entity]], wanted: defs.Import) -> Entity:
    sort, entity = arguments.get(wanted.name, (None, None))
    if entity is None or sort is not wanted.extern.sort:
        raise BinaryError(
            f"instantiation gives no {wanted.extern.sort.value} for the import {wanted.name!r}",
            offset=wanted.offset,
        )
    return entity


def _exported_functions(exports: dict[str, tuple[Sort, Entity]]) -> tuple[ExportedFunction, ...]:
    found: list[ExportedFunction] = []
    for name, (_, entity) in exports.items():
        if isinstance(entity, HostFunction | LiftedFunction):
            found.append(ExportedFunction(None, name, entity))
        elif isinstance(entity, InstanceValue):
            found += [
                ExportedFunction(name, inner, target)
                for inner, (_, target) in entity.exports.items()
                if isinstance(target, HostFunction | LiftedFunction)
            ]
    return tuple(found)
