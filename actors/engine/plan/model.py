"""What a plan consists of."""

from typing import TypeAlias

from msgspec import Struct

from actors.engine.core.module import ExternKind
from wit.binary.definitions import StringEncoding
from wit.types import FunctionType, ResourceName

__all__ = [
    "CanonicalContext",
    "CoreSource",
    "CoreStep",
    "ExportedFunction",
    "FromInstance",
    "FromLowering",
    "FromResource",
    "HostFunction",
    "LiftPlan",
    "LiftedFunction",
    "LowerPlan",
    "ModulePlan",
    "Plan",
    "ResourceFunctionPlan",
    "ResourceId",
    "ResourcePlan",
]


class ResourceId(ResourceName, frozen=True, kw_only=True):
    """A resource type by identity: equal names may denote different types, equal indices never do.

    Stands wherever `wit.types` has a `ResourceName`. `owner` is the component instance that
    implements it, None for the host.
    """

    index: int
    owner: int | None


class FromInstance(Struct, frozen=True):
    """Export `name` of the core instance in `slot`."""

    slot: int
    name: str
    kind: ExternKind


class FromLowering(Struct, frozen=True):
    """The core function made by `Plan.lowerings[index]`."""

    index: int


class FromResource(Struct, frozen=True):
    """The core function made by `Plan.resource_functions[index]`."""

    index: int


CoreSource: TypeAlias = FromInstance | FromLowering | FromResource
"""Where a core definition comes from."""


class HostFunction(Struct, frozen=True):
    """A function that the host provides."""

    interface: str | None
    name: str
    type: FunctionType


class LiftedFunction(Struct, frozen=True):
    """The function made by `Plan.lifts[index]`."""

    index: int


class CanonicalContext(Struct, frozen=True):
    """Where values of a lifted or lowered function live. `instance` owns the handles."""

    instance: int
    encoding: StringEncoding
    memory: FromInstance | None = None
    realloc: CoreSource | None = None


class LiftPlan(Struct, frozen=True):
    """A core function to be called with component values."""

    target: CoreSource
    type: FunctionType
    context: CanonicalContext
    post_return: CoreSource | None = None


class LowerPlan(Struct, frozen=True):
    """A component function to be called by core code."""

    target: HostFunction | LiftedFunction
    type: FunctionType
    context: CanonicalContext


class ResourceFunctionPlan(Struct, frozen=True):
    """A resource built-in (`new`, `rep` or `drop`) on the handles of `instance`."""

    operation: str
    instance: int
    resource: ResourceId


class ResourcePlan(Struct, frozen=True):
    """A resource type; `destructor` only where a component implements it and has one.

    `name` is what it is exported as, for people.
    """

    id: ResourceId
    name: ResourceName
    destructor: CoreSource | None = None


class ModulePlan(Struct, frozen=True):
    """A core module in bytes `start` to `end` of the component."""

    start: int
    end: int


class CoreStep(Struct, frozen=True):
    """Instantiates module `module` into `slot`, with a source for each of its imports, in order."""

    slot: int
    module: int
    imports: tuple[CoreSource, ...]
    offset: int


class ExportedFunction(Struct, frozen=True):
    """An export of the whole component."""

    interface: str | None
    name: str
    target: HostFunction | LiftedFunction


class Plan(Struct, frozen=True, kw_only=True):
    """All it takes to instantiate a component. Steps are in order."""

    modules: tuple[ModulePlan, ...]
    steps: tuple[CoreStep, ...]
    lifts: tuple[LiftPlan, ...]
    lowerings: tuple[LowerPlan, ...]
    resource_functions: tuple[ResourceFunctionPlan, ...]
    resources: tuple[ResourcePlan, ...]
    instance_count: int
    exports: tuple[ExportedFunction, ...]
    host_functions: tuple[HostFunction, ...]
