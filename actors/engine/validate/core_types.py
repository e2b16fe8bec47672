"""Types of core modules as components describe them: read, checked, and compared."""

from collections.abc import Callable, Sequence
from typing import Final

from actors.engine.core.module import (
    ExternKind,
    FunctionSignature,
    GlobalType,
    MemoryType,
    TableType,
)
from actors.engine.validate.entities import CoreExtern, CoreType, ModuleShape
from actors.engine.validate.references import is_open, resolved
from wit.binary import definitions as defs
from wit.binary import types as spelled
from wit.binary.sorts import Sort
from wit.errors import BinaryError

__all__ = ["described_module", "fits", "lookup_in", "signature_of"]

_PAGES_MAX: Final = 1 << 16
_PAGES_MAX_64: Final = 1 << 48
_ELEMENTS_MAX: Final = (1 << 32) - 1


def signature_of(
    type_: spelled.CoreFunctionType, lookup: Callable[[int], FunctionSignature], offset: int
) -> FunctionSignature:
    """Return a function type in which function types stand in the places of their indices.

    Raises:
        BinaryError: an index refers to no function type, or to one that cannot be spelled out.
    """
    return FunctionSignature(
        tuple(_known(each, lookup, offset) for each in type_.parameters),
        tuple(_known(each, lookup, offset) for each in type_.results),
    )


def lookup_in(
    functions: Sequence[FunctionSignature], offset: int
) -> Callable[[int], FunctionSignature]:
    """Return how an index is looked up among the function types of a module type so far."""

    def lookup(index: int) -> FunctionSignature:
        if index >= len(functions):
            raise BinaryError(f"core type {index} does not exist", offset=offset)
        return functions[index]

    return lookup


def described_module(
    type_: defs.CoreModuleType, functions: Sequence[FunctionSignature], offset: int
) -> ModuleShape:
    """Return what a module type says; `functions` are the types that it defines or takes over.

    Raises:
        BinaryError: a name stands twice, an index says nothing, or limits are impossible.
    """
    shape = ModuleShape({}, {})
    for wanted in type_.imports:
        key = (wanted.module or "", wanted.name)
        if key in shape.imports:
            raise BinaryError(f"core import {key} stands twice", offset=offset)
        shape.imports[key] = _extern(wanted, functions, offset)
    for given in type_.exports:
        if given.name in shape.exports:
            raise BinaryError(f"core export {given.name!r} stands twice", offset=offset)
        shape.exports[given.name] = _extern(given, functions, offset)
    return shape


def _extern(
    described: defs.CoreImport, functions: Sequence[FunctionSignature], offset: int
) -> CoreExtern:
    lookup = lookup_in(functions, offset)
    kind, index = _KINDS[described.sort], described.function_type
    if index is None:
        return CoreExtern(kind, _type(described, lookup, offset))
    return CoreExtern(kind, lookup(index))


_KINDS = {
    Sort.CORE_FUNCTION: ExternKind.FUNCTION,
    Sort.CORE_TABLE: ExternKind.TABLE,
    Sort.CORE_MEMORY: ExternKind.MEMORY,
    Sort.CORE_GLOBAL: ExternKind.GLOBAL,
    Sort.CORE_TAG: ExternKind.TAG,
}


def _type(
    described: defs.CoreImport, lookup: Callable[[int], FunctionSignature], offset: int
) -> CoreType:
    match described.type:
        case None:
            return None
        case spelled.CoreLimits() as limits:
            largest = _PAGES_MAX_64 if limits.is_64 else _PAGES_MAX
            return _limits(limits, largest, "pages", offset)
        case spelled.CoreTableType(element, limits):
            if limits.is_shared:
                raise BinaryError("shared tables are not supported", offset=offset)
            largest = (1 << 64) - 1 if limits.is_64 else _ELEMENTS_MAX
            checked = _limits(limits, largest, "elements", offset)
            return TableType(_known(element, lookup, offset), checked)
        case spelled.CoreGlobalType(type_, mutable):
            return GlobalType(_known(type_, lookup, offset), mutable)


def _known(type_: str, lookup: Callable[[int], FunctionSignature], offset: int) -> str:
    found = resolved(type_, lookup)
    if is_open(found):
        raise BinaryError(f"the function type behind {type_} is too large", offset=offset)
    return found


def _limits(limits: spelled.CoreLimits, largest: int, unit: str, offset: int) -> MemoryType:
    if limits.has_page_size:
        raise BinaryError("memories with pages of another size are not supported", offset=offset)
    if limits.is_shared and limits.maximum is None:
        raise BinaryError("a shared memory needs a maximum", offset=offset)
    top = limits.minimum if limits.maximum is None else limits.maximum
    if limits.minimum > top:
        raise BinaryError(f"at least {limits.minimum} and at most {top} {unit}", offset=offset)
    if top > largest:
        raise BinaryError(f"{top} {unit}, at most {largest} are possible", offset=offset)
    return MemoryType(
        minimum=limits.minimum,
        maximum=limits.maximum,
        is_64=limits.is_64,
        is_shared=limits.is_shared,
    )


def fits(given: CoreExtern, wanted: CoreExtern) -> bool:
    """Return whether a core definition may be imported as `wanted`."""
    if given.kind is not wanted.kind:
        return False
    match given.type, wanted.type:
        case None, _:
            return True
        case _, None:
            return True
        case FunctionSignature() as found, FunctionSignature() as expected:
            return _functions_fit(found, expected)
        case GlobalType() as found, GlobalType() as expected:
            same = _values_fit(found.type, expected.type)
            return found.mutable == expected.mutable and same
        case TableType() as found, TableType() as expected:
            same = _values_fit(found.element, expected.element)
            return same and _limits_fit(found.limits, expected.limits)
        case MemoryType() as found, MemoryType() as expected:
            return _limits_fit(found, expected)
        case _:
            return False


def _functions_fit(given: FunctionSignature, wanted: FunctionSignature) -> bool:
    shape = len(given.parameters), len(given.results)
    if shape != (len(wanted.parameters), len(wanted.results)):
        return False
    pairs = zip(given.parameters + given.results, wanted.parameters + wanted.results, strict=True)
    return all(_values_fit(one, other) for one, other in pairs)


def _values_fit(given: str, wanted: str) -> bool:
    # Two types that are only known by their index in two modules; wasmtime compares them.
    return given == wanted or (is_open(given) and is_open(wanted))


def _limits_fit(given: MemoryType, wanted: MemoryType) -> bool:
    if (given.is_64, given.is_shared) != (wanted.is_64, wanted.is_shared):
        return False
    if given.minimum < wanted.minimum:
        return False
    if wanted.maximum is None:
        return True
    return given.maximum is not None and given.maximum <= wanted.maximum
