"""Collects canonical definitions: lifted and lowered functions, and resource built-ins."""

from itertools import chain

from actors.engine.abi.signature import core_signature, needs_memory, refusal
from actors.engine.core.module import FunctionSignature
from actors.engine.limits import ADAPTER_TYPES_MAX
from actors.engine.plan.core import CoreSpace
from actors.engine.plan.model import (
    CanonicalContext,
    CoreSource,
    FromLowering,
    FromResource,
    HostFunction,
    LiftedFunction,
    LiftPlan,
    LowerPlan,
    ResourceFunctionPlan,
    ResourceId,
)
from actors.engine.plan.scope import Scope
from wit.binary import definitions as defs
from wit.binary.sorts import Sort
from wit.errors import BinaryError
from wit.type_walk import walk
from wit.types import FunctionType

__all__ = ["CanonicalPlanner"]

_REALLOC = FunctionSignature(("i32",) * 4, ("i32",))
_RESOURCE_OPERATIONS = {
    defs.ResourceNew: "new",
    defs.ResourceDrop: "drop",
    defs.ResourceRep: "rep",
}


class CanonicalPlanner:
    """Everything that crosses between component and core level, in order."""

    def __init__(self) -> None:
        self.lifts: list[LiftPlan] = []
        self.lowerings: list[LowerPlan] = []
        self.resource_functions: list[ResourceFunctionPlan] = []
        self._adapted_types = 0

    def host_functions(self) -> tuple[HostFunction, ...]:
        """Return the host functions in use, each once, in order."""
        targets = [lowering.target for lowering in self.lowerings]
        return tuple(
            dict.fromkeys(target for target in targets if isinstance(target, HostFunction))
        )

    def signature(self, source: FromLowering | FromResource) -> FunctionSignature:
        """Return the core type of a function made here."""
        if isinstance(source, FromLowering):
            return core_signature(self.lowerings[source.index].type, lowered=True)
        operation = self.resource_functions[source.index].operation
        return FunctionSignature(("i32",), () if operation == "drop" else ("i32",))

    def lift(self, scope: Scope, definition: defs.Lift, core: CoreSpace) -> LiftedFunction:
        """Add a lifted function.

        Raises:
            BinaryError: options or core type do not fit, or the type is refused.
        """
        offset = definition.offset
        type_ = scope.get(Sort.TYPE, definition.type, offset)
        if not isinstance(type_, FunctionType):
            raise BinaryError(f"type {definition.type} is no function type", offset=offset)
        target = core.function(scope, definition.core_function, offset)
        signature = core_signature(type_, lowered=False)
        core.check(target, signature, "lifted function", offset)
        context = _context(scope, definition.options, type_, core, offset, lowered=False)
        post_return = None
        if definition.options.post_return is not None:
            post_return = core.function(scope, definition.options.post_return, offset)
            expected = FunctionSignature(signature.results, ())
            core.check(post_return, expected, "post-return function", offset)
        self.lifts.append(LiftPlan(target, type_, context, post_return))
        return LiftedFunction(len(self.lifts) - 1)

    def lower(self, scope: Scope, definition: defs.Lower, core: CoreSpace) -> FromLowering:
        """Add a lowered function."""
        offset = definition.offset
        target = scope.get(Sort.FUNCTION, definition.function, offset)
        assert isinstance(target, HostFunction | LiftedFunction)
        type_ = target.type if isinstance(target, HostFunction) else self.lifts[target.index].type
        if definition.options.post_return is not None:
            raise BinaryError("a lowered function takes no post-return", offset=offset)
        context = _context(scope, definition.options, type_, core, offset, lowered=True)
        if isinstance(target, LiftedFunction):
            self._count_types(type_, offset)
        self.lowerings.append(LowerPlan(target, type_, context))
        return FromLowering(len(self.lowerings) - 1)

    def _count_types(self, type_: FunctionType, offset: int) -> None:
        types = [parameter.type for parameter in type_.parameters]
        types += [] if type_.result is None else [type_.result]
        # Types are walked as trees: stop as soon as it is too much.
        for _ in chain.from_iterable(map(walk, types)):
            self._adapted_types += 1
            if self._adapted_types > ADAPTER_TYPES_MAX:
                raise BinaryError(
                    f"the types of calls between components have more than {ADAPTER_TYPES_MAX} "
                    "parts together",
                    offset=offset,
                )

    def resource_function(
        self,
        scope: Scope,
        definition: defs.ResourceNew | defs.ResourceDrop | defs.ResourceRep,
    ) -> FromResource:
        """Add a resource built-in."""
        offset = definition.offset
        resource = scope.get(Sort.TYPE, definition.resource, offset)
        if not isinstance(resource, ResourceId):
            raise BinaryError(f"type {definition.resource} is no resource", offset=offset)
        assert scope.instance is not None
        operation = _RESOURCE_OPERATIONS[type(definition)]
        if isinstance(definition, defs.ResourceDrop) and definition.is_async:
            raise BinaryError("async resource.drop is not supported", offset=offset)
        if operation != "drop" and resource.owner != scope.instance:
            raise BinaryError(
                f"resource.{operation} on a resource that another component implements",
                offset=offset,
            )
        self.resource_functions.append(ResourceFunctionPlan(operation, scope.instance, resource))
        return FromResource(len(self.resource_functions) - 1)


def _context(
    scope: Scope,
    options: defs.CanonicalOptions,
    type_: FunctionType,
    core: CoreSpace,
    offset: int,
    *,
    lowered: bool,
) -> CanonicalContext:
    if options.is_async or options.callback is not None or type_.is_async:
        raise BinaryError(
            "async functions of the component model are not supported; "
            "build the component for WASI 0.2 without async",
            offset=offset,
        )
    if (reason := refusal(type_)) is not None:
        raise BinaryError(reason, offset=offset)
    memory = None if options.memory is None else core.memory(scope, options.memory, offset)
    realloc: CoreSource | None = None
    if options.realloc is not None:
        realloc = core.function(scope, options.realloc, offset)
        core.check(realloc, _REALLOC, "realloc function", offset)
    need = needs_memory(type_, lowered=lowered)
    if need.memory and memory is None:
        raise BinaryError("canonical option `memory` is required", offset=offset)
    if need.realloc and realloc is None:
        raise BinaryError("canonical option `realloc` is required", offset=offset)
    assert scope.instance is not None
    return CanonicalContext(scope.instance, options.string_encoding, memory, realloc)
