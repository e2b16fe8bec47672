"""Evaluates what the host provides: imports of the outermost component."""

import re

from actors.engine.plan.model import HostFunction
from actors.engine.plan.resources import ResourceTable
from actors.engine.plan.scope import Entity, InstanceValue, Scope, TypeClosure
from actors.engine.plan.types import TypeEvaluator
from wit.binary import definitions as defs
from wit.binary import types as spelled
from wit.binary.limits import TYPE_DECLARATION_NESTING_MAX
from wit.binary.sorts import Sort
from wit.errors import BinaryError
from wit.types import FunctionType

__all__ = ["ImportEvaluator", "alias_export"]

_WASI_ASYNC = re.compile(r"wasi:[^@]*@0\.([3-9]|[1-9][0-9])")


class ImportEvaluator:
    """Turns import descriptions into the entities that the host stands for."""

    def __init__(self, types: TypeEvaluator, resources: ResourceTable) -> None:
        self._types = types
        self._resources = resources

    def root(self, scope: Scope, definition: defs.Import) -> Entity:
        """Evaluate an import of the outermost component.

        Raises:
            BinaryError: something a host cannot provide.
        """
        if _WASI_ASYNC.match(definition.name):
            raise BinaryError(
                f"the import {definition.name} is of a WASI version with async functions, "
                "which is not supported; build the component for WASI 0.2",
                offset=definition.offset,
            )
        return self._extern(
            scope, None, definition.name, definition.extern, definition.offset, depth=0
        )

    def _extern(
        self,
        scope: Scope,
        interface: str | None,
        name: str,
        extern: defs.ExternType,
        offset: int,
        *,
        depth: int,
    ) -> Entity:
        index = extern.type
        if extern.sort is Sort.TYPE:
            if isinstance(index, defs.SubResource):
                return self._resources.imported(name, interface)
            assert isinstance(index, int)
            return scope.get(Sort.TYPE, index, offset)
        if extern.sort in {Sort.FUNCTION, Sort.INSTANCE}:
            assert isinstance(index, int)
            type_ = scope.get(Sort.TYPE, index, offset)
            if extern.sort is Sort.FUNCTION and isinstance(type_, FunctionType):
                return HostFunction(interface, name, type_)
            if (
                extern.sort is Sort.INSTANCE
                and isinstance(type_, TypeClosure)
                and isinstance(type_.type, defs.InstanceType)
            ):
                inner = name if interface is None else f"{interface}/{name}"
                return self._instance(type_.type, type_.scope, inner, depth=depth + 1)
            raise BinaryError(f"type {index} is no {extern.sort.value} type", offset=offset)
        raise BinaryError(
            f"the import {name!r} is a {extern.sort.value}; "
            "only functions, instances and types can be imported",
            offset=offset,
        )

    def _instance(
        self, type_: defs.InstanceType, parent: Scope, interface: str, *, depth: int
    ) -> InstanceValue:
        scope = Scope(parent, None)
        exports: dict[str, tuple[Sort, Entity]] = {}
        for declarator in type_.declarators:
            offset = declarator.offset
            if depth > TYPE_DECLARATION_NESTING_MAX:
                raise BinaryError("instance types nested too deep", offset=offset)
            match declarator:
                case defs.TypeDefinition():
                    scope.add(Sort.TYPE, self._type(scope, declarator))
                case defs.CoreTypeDefinition():
                    scope.add(Sort.CORE_TYPE, declarator.type)
                case defs.AliasOuter():
                    outer = scope.outer(declarator.count, offset)
                    scope.add(declarator.sort, outer.get(declarator.sort, declarator.index, offset))
                case defs.AliasExport():
                    scope.add(declarator.sort, alias_export(scope, declarator))
                case defs.ExportDeclaration():
                    entity = self._extern(
                        scope, interface, declarator.name, declarator.extern, offset, depth=depth
                    )
                    scope.add(declarator.extern.sort, entity)
                    exports[declarator.name] = (declarator.extern.sort, entity)
                case defs.Import():
                    raise BinaryError("an instance type cannot import", offset=offset)
        return InstanceValue(exports)

    def _type(self, scope: Scope, definition: defs.TypeDefinition) -> Entity:
        offset = definition.offset
        match definition.type:
            case spelled.FunctionDefinition() as function:
                return self._types.function(scope, function, offset)
            case spelled.ResourceDefinition():
                raise BinaryError("a resource cannot be defined inside a type", offset=offset)
            case defs.InstanceType() | defs.ComponentType() as type_:
                return TypeClosure(type_, scope)
            case defined:
                return self._types.defined(scope, defined, offset)


def alias_export(scope: Scope, alias: defs.AliasExport) -> Entity:
    """Return an export of a component instance.

    Raises:
        BinaryError: it has no such export.
    """
    instance = scope.get(Sort.INSTANCE, alias.instance, alias.offset)
    assert isinstance(instance, InstanceValue)
    sort, entity = instance.exports.get(alias.name, (None, None))
    if entity is None or sort is not alias.sort:
        raise BinaryError(
            f"instance {alias.instance} exports no {alias.sort.value} {alias.name!r}",
            offset=alias.offset,
        )
    return entity
