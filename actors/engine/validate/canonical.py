"""Canonical definitions: whether options and core types fit the function, as far as types go."""

from typing import Final

from actors.engine.abi.signature import core_signature, needs_memory, refusal
from actors.engine.core.module import ExternKind, FunctionSignature, MemoryType
from actors.engine.validate.entities import CoreExtern, Resource
from actors.engine.validate.scope import CheckedScope
from wit.binary import definitions as defs
from wit.binary.sorts import Sort
from wit.errors import BinaryError
from wit.types import FunctionType

__all__ = [
    "DESTRUCTOR",
    "check_core_function",
    "check_lift",
    "check_lower",
    "check_resource_function",
    "refuse_built_in",
]

DESTRUCTOR: Final = FunctionSignature(("i32",), ())
_REALLOC: Final = FunctionSignature(("i32",) * 4, ("i32",))
_NO_ASYNC: Final = "build the component for WASI 0.2 without async"


def refuse_built_in(definition: defs.BuiltIn) -> BinaryError:
    """Return the error for a built-in of component-model async."""
    return BinaryError(
        f"the built-in {definition.name} of component-model async is not supported; {_NO_ASYNC}",
        offset=definition.offset,
    )


def check_core_function(
    scope: CheckedScope, index: int, expected: FunctionSignature, what: str, offset: int
) -> None:
    """Check the type of a core function.

    Raises:
        BinaryError: there is none of that index, or of another type.
    """
    found = scope.get_a(CoreExtern, Sort.CORE_FUNCTION, index, offset).type
    if found is not None and found != expected:
        raise BinaryError(f"the {what} has core type {found}, expected {expected}", offset=offset)


def check_lift(scope: CheckedScope, definition: defs.Lift) -> FunctionType:
    """Check a lifted function and return its type."""
    offset, options = definition.offset, definition.options
    type_ = scope.get_a(FunctionType, Sort.TYPE, definition.type, offset)
    _check_supported(options, type_, offset)
    signature = core_signature(type_, lowered=False)
    check_core_function(scope, definition.core_function, signature, "lifted function", offset)
    _check_options(scope, options, type_, offset, lowered=False)
    if options.post_return is not None:
        expected = FunctionSignature(signature.results, ())
        check_core_function(scope, options.post_return, expected, "post-return function", offset)
    return type_


def check_lower(scope: CheckedScope, definition: defs.Lower) -> CoreExtern:
    """Check a lowered function and return its core type."""
    offset, options = definition.offset, definition.options
    type_ = scope.get_a(FunctionType, Sort.FUNCTION, definition.function, offset)
    _check_supported(options, type_, offset)
    if options.post_return is not None:
        raise BinaryError("a lowered function takes no post-return", offset=offset)
    _check_options(scope, options, type_, offset, lowered=True)
    return CoreExtern(ExternKind.FUNCTION, core_signature(type_, lowered=True))


def check_resource_function(
    scope: CheckedScope, definition: defs.ResourceNew | defs.ResourceDrop | defs.ResourceRep
) -> CoreExtern:
    """Check a resource built-in and return its core type."""
    offset = definition.offset
    resource = scope.get_a(Resource, Sort.TYPE, definition.resource, offset)
    is_drop = isinstance(definition, defs.ResourceDrop)
    if isinstance(definition, defs.ResourceDrop) and definition.is_async:
        raise BinaryError("async resource.drop is not supported", offset=offset)
    if not is_drop and scope.resources.same(resource.name) not in scope.own:
        operation = "new" if isinstance(definition, defs.ResourceNew) else "rep"
        raise BinaryError(
            f"resource.{operation} on a resource that this component does not implement",
            offset=offset,
        )
    return CoreExtern(ExternKind.FUNCTION, FunctionSignature(("i32",), () if is_drop else ("i32",)))


def _check_supported(options: defs.CanonicalOptions, type_: FunctionType, offset: int) -> None:
    if options.is_async or options.callback is not None or type_.is_async:
        raise BinaryError(
            f"async functions of the component model are not supported; {_NO_ASYNC}", offset=offset
        )
    if (reason := refusal(type_)) is not None:
        raise BinaryError(reason, offset=offset)


def _check_options(
    scope: CheckedScope,
    options: defs.CanonicalOptions,
    type_: FunctionType,
    offset: int,
    *,
    lowered: bool,
) -> None:
    if options.memory is not None:
        memory = scope.get_a(CoreExtern, Sort.CORE_MEMORY, options.memory, offset).type
        if isinstance(memory, MemoryType) and (memory.is_64 or memory.is_shared):
            raise BinaryError("64-bit and shared memories cannot hold values", offset=offset)
    if options.realloc is not None:
        check_core_function(scope, options.realloc, _REALLOC, "realloc function", offset)
        if options.memory is None:
            raise BinaryError("canonical option `realloc` requires `memory`", offset=offset)
    need = needs_memory(type_, lowered=lowered)
    if need.memory and options.memory is None:
        raise BinaryError("canonical option `memory` is required", offset=offset)
    if need.realloc and options.realloc is None:
        raise BinaryError("canonical option `realloc` is required", offset=offset)
