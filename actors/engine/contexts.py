"""What adapters work with in one store: memories of lowered functions, contexts of exports."""

from collections.abc import Callable
from typing import final

from actors.engine.abi.exports import ExportAdapter
from actors.engine.abi.signature import core_signature
from actors.engine.bindings import Address
from actors.engine.core_instances import CoreInstances
from actors.engine.fiber_function import FiberFunction
from actors.engine.memory import GuestMemory
from actors.engine.plan.model import CanonicalContext, CoreSource, LiftPlan, Plan
from actors.engine.store import Store

__all__ = ["ExportContext", "GuestContexts"]


@final
class ExportContext:
    """One lifted function in one store, ready to be called."""

    __slots__ = (
        "adapter",
        "component",
        "function",
        "memory",
        "post_return",
        "result_count",
    )

    def __init__(
        self,
        store: Store,
        plan: LiftPlan,
        memory: GuestMemory,
        address: Address,
        *,
        post_return: Address | None,
        adapter: ExportAdapter,
    ) -> None:
        signature = core_signature(plan.type, lowered=False)
        self.component = plan.context.instance
        self.adapter = adapter
        self.memory = memory
        self.function = FiberFunction(store, address, signature)
        self.post_return = post_return
        self.result_count = len(signature.results)


@final
class GuestContexts:
    """Implements `actors.engine.store.Contexts`."""

    def __init__(
        self,
        store: Store,
        plan: Plan,
        instances: CoreInstances,
        *,
        adapter: Callable[[int], ExportAdapter],
    ) -> None:
        self._adapter = adapter
        self._store = store
        self._plan = plan
        self._instances = instances

    def _memory(self, context: CanonicalContext) -> GuestMemory:
        return GuestMemory(
            self._store,
            context,
            self._optional(context.memory),
            self._optional(context.realloc),
        )

    def _optional(self, source: CoreSource | None) -> Address | None:
        return None if source is None else self._instances.address(source)

    def lowering(self, index: int) -> GuestMemory:
        """Return the memory behind a lowered function."""
        return self._memory(self._plan.lowerings[index].context)

    def export(self, index: int) -> ExportContext:
        """Return the context of a lifted function."""
        lift = self._plan.lifts[index]
        return ExportContext(
            self._store,
            lift,
            self._memory(lift.context),
            self._instances.address(lift.target),
            post_return=self._optional(lift.post_return),
            adapter=self._adapter(index),
        )

    def destructor(self, resource: int) -> Address | None:
        """Return the destructor of a resource."""
        return self._optional(self._plan.resources[resource].destructor)
