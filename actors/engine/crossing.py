"""The host's part of calls between components: handles change tables, and calls end in traps.

Everything else of such a call is WebAssembly (`actors.engine.adapters`).
"""

import ctypes
from typing import Any, assert_never

from actors.engine import bindings
from actors.engine.abi.runtime import trap
from actors.engine.adapters.checks import TRAPS, Cause
from actors.engine.adapters.text import (
    BeginScope,
    Borrow,
    DropHandle,
    EndScope,
    Own,
    Trap,
)
from actors.engine.bindings import Address
from actors.engine.callbacks import check_may_leave
from actors.engine.handles import CallScope, Handle
from actors.engine.plan.model import Plan
from actors.engine.store import Store, fail, stores

__all__ = ["HostImport", "crossing_callback"]

HostImport = Trap | BeginScope | EndScope | Own | Borrow | DropHandle


def crossing_callback(wanted: HostImport, plan: Plan) -> Any:
    """Return the callback of a host function that adapters import."""

    def run(environment: int, _caller: Address, slots: Address, _count: int) -> Any:
        try:
            _run(wanted, plan, stores[environment], slots)
        except BaseException as error:  # noqa: BLE001 - nothing may pass through C
            return fail(environment, error)

    return bindings.CALLBACK(run)


def _run(wanted: HostImport, plan: Plan, store: Store, slots: Address) -> None:
    match wanted:
        case Trap():
            trap(TRAPS[Cause(_argument(slots))])
        case BeginScope():
            store.scopes.append(CallScope())
        case EndScope():
            _end_scope(store)
        case Own():
            handle = store.tables[wanted.giver].take_own(wanted.resource, _argument(slots))
            taken = Handle(wanted.resource, handle.representation, None)
            bindings.u64_at(slots).value = store.tables[wanted.taker].add(taken)
        case Borrow():
            bindings.u64_at(slots).value = _lend(wanted, store, _argument(slots))
        case DropHandle(number):
            _drop(plan, number, store, slots)
        case _:
            assert_never(wanted)


def _argument(slots: Address) -> int:
    return ctypes.c_uint32.from_address(slots).value


def _end_scope(store: Store) -> None:
    scope = store.scopes.pop()
    if scope.borrowed.count:
        trap("borrow handles still remain at the end of the call")
    for handle in scope.lent:
        handle.release()


def _lend(wanted: Borrow, store: Store, index: int) -> int:
    handle = store.tables[wanted.giver].get(wanted.resource, index)
    scope = store.scopes[-1]
    handle.lends += 1
    scope.lent.append(handle)
    if wanted.resource.owner == wanted.taker:
        # The component that implements the resource gets its own number for it.
        representation: int = handle.representation
        return representation
    scope.borrowed.count += 1
    taken = Handle(wanted.resource, handle.representation, scope.borrowed)
    return store.tables[wanted.taker].add(taken)


def _drop(plan: Plan, number: int, store: Store, slots: Address) -> None:
    function = plan.resource_functions[number]
    check_may_leave(store, function.instance)
    handle = store.tables[function.instance].remove(function.resource, _argument(slots))
    is_own = handle.scope is None
    if handle.scope is not None:
        handle.scope.count -= 1
    # Two results, of one slot each.
    bindings.u64_at(slots).value = is_own
    representation = handle.representation if is_own else 0
    bindings.u64_at(slots + bindings.SLOT_BYTES).value = representation
