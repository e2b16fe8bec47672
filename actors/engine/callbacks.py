"""C callbacks for everything a guest can call: host functions and resource built-ins.

One callback serves all instances of a program: its environment is the integer of the store.
Adapters are generated when an import is called for the first time, as most never are.
"""

import ctypes
from collections.abc import Callable
from functools import cache
from typing import Any

from actors.engine import bindings
from actors.engine.abi.imports import BlockingAdapter, generate_blocking, generate_import
from actors.engine.bindings import Address
from actors.engine.entering import MAY_NOT_LEAVE
from actors.engine.errors import GuestTrap
from actors.engine.handles import Handle
from actors.engine.plan.model import HostFunction, LowerPlan, ResourceFunctionPlan
from actors.engine.port import HostCall
from actors.engine.store import Store, cannot_leave, fail, stores
from actors.engine.suspension import Pending

__all__ = ["blocking_callbacks", "check_may_leave", "import_callback", "resource_callback"]

Drop = Callable[[Any, Any], None]


def _slot_buffer(count: int) -> Callable[[Address], Any]:
    return (ctypes.c_char * (bindings.SLOT_BYTES * count)).from_address


def _begin(store: Store, awaitable: Any) -> tuple[bool, Any]:
    """Step an awaitable: whether it is done, and its result."""
    iterator = awaitable.__await__()
    try:
        yielded = iterator.send(None)
    except StopIteration as stop:
        return True, stop.value
    pending = Pending(yielded, iterator)
    if store.nesting:
        pending.close()
        raise GuestTrap(
            "an import that waits was called where the guest cannot be suspended",
            kind="other",
        )
    store.pending = pending
    return False, None


_NAMESPACE: dict[str, Any] = {
    "instances": stores,
    "fail": fail,
    "cannot_leave": cannot_leave,
    "slot_buffer": _slot_buffer,
    "begin": _begin,
    "status_at": ctypes.c_uint64.from_address,
}


def import_callback(index: int, plan: LowerPlan, target: Callable[..., Any]) -> Any:
    """Return the callback of a lowered function that does not block."""
    namespace = {**_NAMESPACE, "target": target}
    return _lazy_callback(
        lambda: generate_import(index, plan.type, plan.context, namespace, title=_title(plan))
    )


def blocking_callbacks(index: int, plan: LowerPlan, host_call: HostCall) -> tuple[Any, Any]:
    """Return the callbacks of both halves of a blocking import."""

    @cache
    def halves() -> BlockingAdapter:
        namespace = {**_NAMESPACE, "target": host_call.run}
        return generate_blocking(index, plan.type, plan.context, namespace, title=_title(plan))

    return _lazy_callback(lambda: halves().start), _lazy_callback(lambda: halves().finish)


def _lazy_callback(generate: Callable[[], Callable[..., Any]]) -> Any:
    """Return the callback that `generate` makes when it is called for the first time."""
    adapter: Callable[..., Any] | None = None

    def call(environment: int, caller: Address, slots: Address, count: int) -> Any:
        nonlocal adapter
        if adapter is None:
            try:
                adapter = generate()
            except BaseException as error:  # noqa: BLE001 - nothing may pass through C
                return fail(environment, error)
        return adapter(environment, caller, slots, count)

    return bindings.CALLBACK(call)


def _title(plan: LowerPlan) -> str:
    target = plan.target
    assert isinstance(target, HostFunction)
    return f"import {target.interface or ''}#{target.name}"


def check_may_leave(store: Store, component: int) -> None:
    """Refuse a call by an allocator or post-return.

    Raises:
        GuestTrap: it is one.
    """
    if store.flags[component] & MAY_NOT_LEAVE:
        cannot_leave()


def resource_callback(function: ResourceFunctionPlan, drop: Drop | None) -> Any:
    """Return the callback of a resource built-in, but of a drop that runs a guest's destructor.

    `drop` tells the host that its object was dropped.
    """
    table, resource = function.instance, function.resource

    def new(environment: int, _caller: Address, slots: Address, _count: int) -> Any:
        try:
            store = stores[environment]
            check_may_leave(store, table)
            value = ctypes.c_uint32.from_address(slots).value
            index = store.tables[table].add(Handle(resource, value, None))
            bindings.u64_at(slots).value = index
        except BaseException as error:  # noqa: BLE001 - nothing may pass through C
            return fail(environment, error)

    def representation(environment: int, _caller: Address, slots: Address, _count: int) -> Any:
        try:
            index = ctypes.c_uint32.from_address(slots).value
            handle = stores[environment].tables[table].get(resource, index)
            bindings.u64_at(slots).value = handle.representation
        except BaseException as error:  # noqa: BLE001 - nothing may pass through C
            return fail(environment, error)

    def drop_handle(environment: int, _caller: Address, slots: Address, _count: int) -> Any:
        try:
            store = stores[environment]
            check_may_leave(store, table)
            index = ctypes.c_uint32.from_address(slots).value
            handle = store.tables[table].remove(resource, index)
            if handle.scope is not None:
                handle.scope.count -= 1
            elif drop is not None:
                drop(store.data, handle.representation)
        except BaseException as error:  # noqa: BLE001 - nothing may pass through C
            return fail(environment, error)

    return bindings.CALLBACK(
        {"new": new, "rep": representation, "drop": drop_handle}[function.operation]
    )
