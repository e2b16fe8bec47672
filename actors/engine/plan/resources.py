"""Collects resource types and gives each its identity."""

from msgspec import structs

from actors.engine.core.module import FunctionSignature
from actors.engine.plan.core import CoreSpace
from actors.engine.plan.model import ResourceId, ResourcePlan
from actors.engine.plan.scope import Scope
from wit.binary.sorts import Sort
from wit.binary.types import ResourceDefinition
from wit.errors import BinaryError
from wit.types import ResourceName

__all__ = ["ResourceTable"]

_DESTRUCTOR = FunctionSignature(("i32",), ())


class ResourceTable:
    """All resource types of one plan, by index."""

    def __init__(self, core: CoreSpace) -> None:
        self.plans: list[ResourcePlan] = []
        self._core = core

    def imported(self, name: str, interface: str | None) -> ResourceId:
        """Add a resource of the host."""
        id_ = ResourceId(name, interface, index=len(self.plans), owner=None)
        self.plans.append(ResourcePlan(id_, ResourceName(name, interface)))
        return id_

    def define(self, scope: Scope, definition: ResourceDefinition, offset: int) -> ResourceId:
        """Add a resource that the component instance of `scope` implements.

        Raises:
            BinaryError: inside a type, or with a wrong representation or destructor.
        """
        if scope.instance is None:
            raise BinaryError("a resource cannot be defined inside a type", offset=offset)
        if definition.representation != "i32":
            raise BinaryError("resources must be represented by i32", offset=offset)
        destructor = None
        if definition.destructor is not None:
            destructor = self._core.function(scope, definition.destructor, offset)
            self._core.check(destructor, _DESTRUCTOR, "destructor", offset)
        id_ = ResourceId("resource", None, index=len(self.plans), owner=scope.instance)
        self.plans.append(ResourcePlan(id_, ResourceName("resource"), destructor))
        return id_

    def name_exported(self, id_: ResourceId, name: str) -> None:
        """Note under which name a component exports its resource."""
        plan = self.plans[id_.index]
        if id_.owner is not None:
            self.plans[id_.index] = structs.replace(plan, name=ResourceName(name))

    def find(self, scope: Scope, index: int, offset: int) -> ResourceId:
        """Return the resource type of that type index."""
        found = scope.get(Sort.TYPE, index, offset)
        if not isinstance(found, ResourceId):
            raise BinaryError(f"type {index} is no resource", offset=offset)
        return found
