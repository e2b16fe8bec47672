"""Descriptions of imports and exports: what the host has to supply, and whether something fits.

Source: component-model specification, Subtyping.md.
"""

from msgspec.structs import replace

from wit.binary import definitions as ast
from wit.binary.entities import (
    ComponentClosure,
    Entity,
    Exported,
    Instance,
    Opaque,
    Resource,
    TypeClosure,
)
from wit.binary.equality import FoldedEquality
from wit.binary.evaluation import Evaluation, pick
from wit.binary.names import check_extern_name
from wit.binary.scope import Scope
from wit.binary.sorts import Sort
from wit.errors import BinaryError
from wit.types import (
    EnumType,
    FlagsType,
    FunctionType,
    RecordType,
    ResourceName,
    TypeName,
    VariantType,
)

__all__ = ["ExternEvaluator"]


class ExternEvaluator:
    """Evaluates descriptions within one evaluation."""

    def __init__(self, evaluation: Evaluation) -> None:
        self._evaluation = evaluation
        # All value types live as long as the evaluation, which keeps their measures.
        self._equality = FoldedEquality()

    def abstract(
        self,
        extern: ast.ExternType,
        name: str,
        scope: Scope[Entity],
        *,
        interface: str | None,
        offset: int,
        depth: int,
        exported: bool = False,
    ) -> Entity:
        """Return what the host has to supply under that name.

        Args:
            extern: The description.
            name: Its name.
            scope: Where the indices of the description lead.
            interface: The instance that it belongs to, or is; None at the outermost level.
            offset: Where it stands.
            depth: How many instances already enclose it.
            exported: Whether it is what some component will export: then its resources are not
                those of the host.

        Raises:
            BinaryError: a host cannot supply such a thing, or the description is malformed.
        """
        match extern:
            case ast.ExternType(Sort.FUNCTION, int(index)):
                return scope.get_a(FunctionType, Sort.TYPE, index, offset)
            case ast.ExternType(Sort.TYPE, ast.SubResource()):
                own = None if exported else ResourceName(name, interface)
                return self._evaluation.resource(own, offset)
            case ast.ExternType(Sort.TYPE, int(index)):
                return self._named(scope.get(Sort.TYPE, index, offset), name, interface)
            case ast.ExternType(Sort.INSTANCE, int(index)):
                assert interface is not None
                closure = _instance_type(scope, index, offset)
                return self._instance(
                    closure, None, interface, offset, depth=depth, exported=exported
                )
            case _:
                raise BinaryError(
                    f"{name!r} is a {extern.sort.value}, expected a function, an instance or a "
                    "type: nothing else comes from a host",
                    offset=offset,
                )

    def fitted(
        self,
        extern: ast.ExternType,
        name: str,
        scope: Scope[Entity],
        given: Entity,
        *,
        offset: int,
        depth: int,
    ) -> Entity:
        """Return what is given, seen through its description: no more exports, described types.

        `given` must be of the described sort.

        Raises:
            BinaryError: it does not fit the description.
        """
        match extern, given:
            case ast.ExternType(Sort.FUNCTION, int(index)), FunctionType():
                described = scope.get_a(FunctionType, Sort.TYPE, index, offset)
                if not self._equality.functions(described, given):
                    raise BinaryError(
                        f"function {name!r} has another type than described", offset=offset
                    )
                return described
            case ast.ExternType(Sort.TYPE, ast.SubResource()), _:
                if not isinstance(given, Resource):
                    raise BinaryError(f"type {name!r} is no resource", offset=offset)
                return given
            case ast.ExternType(Sort.TYPE, int(index)), _:
                bound = scope.get(Sort.TYPE, index, offset)
                if not self._same(bound, given):
                    raise BinaryError(f"type {name!r} is not the described one", offset=offset)
                return given
            case ast.ExternType(Sort.INSTANCE, int(index)), Instance():
                closure = _instance_type(scope, index, offset)
                return self._instance(closure, given, name, offset, depth=depth)
            case _:
                assert isinstance(given, (ComponentClosure, Opaque))
                return given

    def _same(self, left: Entity, right: Entity) -> bool:
        match left, right:
            case (TypeClosure(), TypeClosure()) | (Resource(), Resource()):
                return left is right or isinstance(left, TypeClosure)
            case FunctionType(), FunctionType():
                return self._equality.functions(left, right)
            case (FunctionType() | Resource() | TypeClosure(), _) | (
                _,
                FunctionType() | Resource() | TypeClosure(),
            ):
                return False
            case (Instance() | ComponentClosure() | Opaque(), _) | (
                _,
                Instance() | ComponentClosure() | Opaque(),
            ):
                return False
            case _:
                return self._equality.types(left, right)

    def _named(self, entity: Entity, name: str, interface: str | None) -> Entity:
        match entity:
            case RecordType() | VariantType() | EnumType() | FlagsType() if entity.name is None:
                renamed = replace(entity, name=TypeName(name, interface))
                self._evaluation.types.adopt(renamed, entity)
                return renamed
            case _:
                return entity

    def _instance(
        self,
        closure: TypeClosure,
        given: Instance | None,
        interface: str,
        offset: int,
        *,
        depth: int,
        exported: bool = False,
    ) -> Instance:
        depth = self._evaluation.descend(depth, offset)
        scope = Scope[Entity](closure.scope)
        exports: dict[str, Exported] = {}
        for each in closure.type.declarators:
            self._evaluation.spend(1, each.offset)
            if not isinstance(each, ast.ExportDeclaration):
                sort = ast.extends(each)
                assert sort is not None
                scope.add(sort, self._evaluation.defined(each, scope))
                continue
            name, extern = each.name, each.extern
            check_extern_name(name, extern.sort, each.offset)
            if name in exports:
                raise BinaryError(f"export {name!r} stands twice", offset=each.offset)
            if given is None:
                inner = interface if extern.sort is not Sort.INSTANCE else f"{interface}/{name}"
                entity = self.abstract(
                    extern,
                    name,
                    scope,
                    interface=inner,
                    offset=each.offset,
                    depth=depth,
                    exported=exported,
                )
            else:
                found = pick(given.exports, name, extern.sort, offset)
                entity = self.fitted(extern, name, scope, found.entity, offset=offset, depth=depth)
            scope.add(extern.sort, entity)
            exports[name] = Exported(extern.sort, entity)
        return Instance(exports)


def _instance_type(scope: Scope[Entity], index: int, offset: int) -> TypeClosure:
    closure = scope.get_a(TypeClosure, Sort.TYPE, index, offset)
    if not isinstance(closure.type, ast.InstanceType):
        raise BinaryError(f"type {index} is no instance type", offset=offset)
    return closure
