"""Component types evaluated: what a component of the type would import and export.

WIT is written into binaries as component types, see "Package Format" in the specification's WIT.md.
"""

from msgspec import Struct

from wit.binary import definitions as ast
from wit.binary.entities import Entity, Exported, TypeClosure
from wit.binary.evaluation import Evaluation
from wit.binary.externs import ExternEvaluator
from wit.binary.names import check_extern_name
from wit.binary.resolve import Resolution
from wit.binary.scope import Scope
from wit.binary.sorts import Sort
from wit.errors import BinaryError

__all__ = ["Described", "evaluate_type"]


class Described(Struct, frozen=True, eq=False):
    """What a component type describes.

    `resolution` has the imports and exports that hosts can supply; `components` are the exports
    that are components themselves, which is how worlds are written down.
    """

    resolution: Resolution
    components: dict[str, "Described"]


def evaluate_type(closure: TypeClosure, *, depth: int = 0) -> Described:
    """Evaluate a component type.

    Raises:
        BinaryError: it is an instance type, or malformed.
    """
    evaluation = Evaluation()
    externs = ExternEvaluator(evaluation)
    scope = Scope[Entity](closure.scope)
    imports: dict[str, Exported] = {}
    exports: dict[str, Exported] = {}
    components: dict[str, Described] = {}
    for each in closure.type.declarators:
        evaluation.spend(1, each.offset)
        if not isinstance(each, ast.Import | ast.ExportDeclaration):
            sort = ast.extends(each)
            assert sort is not None
            scope.add(sort, evaluation.defined(each, scope))
            continue
        name, extern, offset = each.name, each.extern, each.offset
        check_extern_name(name, extern.sort, offset)
        exported = isinstance(each, ast.ExportDeclaration)
        side = exports if exported else imports
        if name in side or name in components:
            raise BinaryError(f"{name!r} stands twice", offset=offset)
        if exported and extern.sort is Sort.COMPONENT and isinstance(extern.type, int):
            inner = scope.get_a(TypeClosure, Sort.TYPE, extern.type, offset)
            components[name] = evaluate_type(inner, depth=evaluation.descend(depth, offset))
            scope.add(extern.sort, inner)
            continue
        entity = externs.abstract(
            extern,
            name,
            scope,
            interface=name if extern.sort is Sort.INSTANCE else None,
            offset=offset,
            depth=depth,
            exported=exported,
        )
        scope.add(extern.sort, entity)
        side[name] = Exported(extern.sort, entity)
    return Described(Resolution(imports, exports), components)
