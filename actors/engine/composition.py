"""Calls from one component into another of the same store, and destructors.

They run with Python frames below the guest, so the inner guest can neither wait nor yield.
"""

import ctypes
from collections.abc import Callable
from typing import Any

from actors.engine import bindings
from actors.engine.abi.exports import ExportAdapter, generate_export
from actors.engine.abi.runtime import trap
from actors.engine.contexts import ExportContext
from actors.engine.handles import BorrowScope
from actors.engine.plan.model import LiftPlan, ResourceFunctionPlan
from actors.engine.store import Store

__all__ = ["component_target", "destroy"]


def component_target(index: int, lift: LiftPlan) -> Callable[..., Any]:
    """Return a function that calls lifted function `index` from another component."""
    adapters: list[ExportAdapter] = []

    def call(store: Store, *arguments: Any) -> Any:
        if not adapters:
            adapters.append(
                generate_export(
                    lift.type,
                    lift.context.encoding,
                    at_host=False,
                    title=f"lifted function {index}",
                )
            )
        adapter = adapters[0]
        context: ExportContext = store.exports[index] or store.export(index)
        _enter(store, context.component)
        scope = BorrowScope() if adapter.borrows else None
        slots = ctypes.create_string_buffer(bindings.SLOT_BYTES * max(context.slot_count, 1))
        address = ctypes.addressof(slots)
        adapter.store(context.memory, scope, slots, *arguments)
        store.call_plain(context.address, address, context.slot_count)
        value = adapter.load(context.memory, scope, slots)
        if scope is not None and scope.count:
            trap("borrow handles still remain at the end of the call")
        if context.post_return is not None:
            store.call_nested(context.post_return, address, context.result_count)
        store.entered[context.component] = False
        return value

    return call


def destroy(store: Store, function: ResourceFunctionPlan, representation: int) -> None:
    """Run the destructor of a resource whose last own handle a guest has dropped."""
    resource = function.resource
    owner = resource.owner
    assert owner is not None
    destructor = store.contexts.destructor(resource.index)
    if destructor is None:
        return
    crossing = owner != function.instance
    if crossing:
        _enter(store, owner)
    slots = (ctypes.c_uint64 * 2)(representation)
    store.call_plain(destructor, ctypes.addressof(slots), 1)
    if crossing:
        store.entered[owner] = False


def _enter(store: Store, component: int) -> None:
    # Left set after any failure, which poisons the instance as the specification demands.
    if store.entered[component]:
        trap("cannot enter component instance")
    store.entered[component] = True
