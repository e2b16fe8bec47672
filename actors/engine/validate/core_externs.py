"""What a core module asks for and gives, with its types spelled out."""

from functools import cached_property
from typing import assert_never, final

from actors.engine.core.module import (
    CoreModule,
    ExternKind,
    FunctionSignature,
    GlobalType,
    TableType,
)
from actors.engine.validate.entities import CoreExtern
from actors.engine.validate.references import is_open, resolved

__all__ = ["CoreExterns"]


@final
class CoreExterns:
    """The imports and exports of one module."""

    def __init__(self, module: CoreModule) -> None:
        self._module = module

    def imports(self) -> list[tuple[str, str, CoreExtern]]:
        """Return module, name and type of each import, in order."""
        counts = dict.fromkeys(ExternKind, 0)
        found: list[tuple[str, str, CoreExtern]] = []
        for each in self._module.imports:
            index = counts[each.kind]
            counts[each.kind] += 1
            found.append((each.module, each.name, self._extern(each.kind, index)))
        return found

    def exports(self) -> dict[str, CoreExtern]:
        """Return what it exports."""
        return {each.name: self._extern(each.kind, each.index) for each in self._module.exports}

    def _extern(self, kind: ExternKind, index: int) -> CoreExtern:
        module = self._module
        match kind:
            case ExternKind.FUNCTION:
                return CoreExtern(kind, self._signature(module.function_signature(index)))
            case ExternKind.TAG:
                known = index < len(module.tags)
                found = module.signature(module.tags[index]) if known else None
                return CoreExtern(kind, self._signature(found))
            case ExternKind.TABLE:
                if index >= len(module.tables):
                    return CoreExtern(kind, None)
                table = module.tables[index]
                return CoreExtern(kind, TableType(self._spelled(table.element), table.limits))
            case ExternKind.MEMORY:
                memories = module.memories
                return CoreExtern(kind, memories[index] if index < len(memories) else None)
            case ExternKind.GLOBAL:
                if index >= len(module.globals):
                    return CoreExtern(kind, None)
                held = module.globals[index]
                return CoreExtern(kind, GlobalType(self._spelled(held.type), held.mutable))
            case _:
                assert_never(kind)

    def _signature(self, found: FunctionSignature | None) -> FunctionSignature | None:
        if found is None or not is_open(*found.parameters, *found.results):
            return found
        return FunctionSignature(
            tuple(self._spelled(each) for each in found.parameters),
            tuple(self._spelled(each) for each in found.results),
        )

    def _spelled(self, type_: str) -> str:
        if not is_open(type_):
            return type_
        plain = self._plain
        return resolved(type_, lambda index: plain[index] if index < len(plain) else None)

    @cached_property
    def _plain(self) -> list[FunctionSignature | None]:
        """The function types that are what they are spelled like; each refers to earlier ones."""
        known: list[FunctionSignature | None] = []

        def lookup(index: int) -> FunctionSignature | None:
            return known[index] if index < len(known) else None

        for found, is_plain in zip(self._module.types, self._module.plain_types, strict=True):
            if found is None or not is_plain:
                known.append(None)
                continue
            known.append(
                FunctionSignature(
                    tuple(resolved(each, lookup) for each in found.parameters),
                    tuple(resolved(each, lookup) for each in found.results),
                )
            )
        return known
