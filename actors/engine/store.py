"""One wasmtime store: its fiber, its slices, and how calls in it fail.

Guest code runs in one of two ways. On a *fiber*, through `run_fiber`: it may wait in blocking
imports, calls other components without leaving the fiber, and yields at every tick. Or *nested*,
through `call_nested`: a plain call, either outside the fiber or with Python frames below it on the
fiber's stack, so it can neither wait nor yield; it may allocate and free, within a bound of ticks.
"""

import asyncio
import ctypes
import itertools
import struct
from time import perf_counter
from typing import Any, Final, NoReturn, Protocol, final

from actors.engine import bindings
from actors.engine.abi.runtime import trap
from actors.engine.bindings import Address
from actors.engine.entering import ENTERED, MAY_NOT_LEAVE
from actors.engine.errors import GuestTrap, InstanceStateError
from actors.engine.handles import CallScope, HandleTable
from actors.engine.limits import FLAT_PARAMETERS_MAX, NESTED_TICKS_MAX, TICK_S
from actors.engine.port import Pace
from actors.engine.suspension import Pending
from actors.engine.ticks import Ticks
from actors.engine.traps import guest_trap

__all__ = ["Contexts", "OnFiber", "Store", "cannot_leave", "fail", "stores", "wait_callback"]

stores: Final[dict[int, "Store"]] = {}
"""Open stores by the integer that callbacks get as their environment."""

_by_context: Final[dict[Address, "Store"]] = {}
_ids: Final = itertools.count(1)

_SLOTS: Final = FLAT_PARAMETERS_MAX + 1
_HOST_FAILED: Final = b"host"


@final
class Store:
    """State that generated adapters and callbacks share, and the calls into the guest."""

    def __init__(
        self,
        engine: Address,
        ticks: Ticks,
        data: object,
        *,
        components: int,
        lowerings: int,
        exports: int,
    ) -> None:
        self.data = data
        self.ticks = ticks
        self.id = next(_ids)
        self.tables = [HandleTable() for _ in range(components)]
        # One byte per component instance, of the flags in `actors.engine.entering`. Left as
        # it is by any failure, which poisons the instance as the specification demands.
        self.flags: Any = bytearray(components)
        # Calls between components that lend handles, the innermost last.
        self.scopes: list[CallScope] = []
        self.lowerings: list[Any] = [None] * lowerings
        self.exports: list[Any] = [None] * exports
        self.contexts: Contexts = _Closed()
        # Awaited when a slice of running time is over.
        self.pace: Pace = give_way
        self.failure: BaseException | None = None
        # How many plain calls into the guest are under way, and for how many ticks.
        self.nesting = 0
        self.nested_ticks = 0
        # What the fiber waits for, and what its import needs to go on.
        self.pending: Pending | None = None
        self.suspended: tuple[Any, Any, Any] | None = None
        self.is_resumable = False
        self._result: Any = None
        self._future: Address | None = None
        self._is_polling = False
        self.busy_s = 0.0
        """How long the fiber has run."""
        cells = ctypes.create_string_buffer(bindings.SLOT_BYTES * (_SLOTS + 5) + 16)
        self._cells = cells
        start = ctypes.addressof(cells)
        self.slots_address: Address = start
        self.slots = (ctypes.c_char * (bindings.SLOT_BYTES * _SLOTS)).from_address(start)
        self.slot_words = memoryview(cells).cast("B").cast("Q")
        self.realloc_address: Address = start + bindings.SLOT_BYTES * _SLOTS
        self.realloc_slots = (ctypes.c_char * (bindings.SLOT_BYTES * 4)).from_address(
            self.realloc_address
        )
        self.realloc_result = ctypes.c_uint32.from_address(self.realloc_address)
        self.trap_address: Address = self.realloc_address + bindings.SLOT_BYTES * 5
        self.trap = ctypes.c_uint64.from_address(self.trap_address)
        self.error_address: Address = self.trap_address + 8
        self.error = ctypes.c_uint64.from_address(self.error_address)
        self._store: Address | None = bindings.store_new(engine, None, None)
        self.context: Address = bindings.store_context(self._store)
        bindings.store_deadline_callback(self._store, _deadline_callback, self.id, None)
        bindings.set_epoch_deadline(self.context, 1)
        stores[self.id] = self
        _by_context[self.context] = self

    @property
    def is_open(self) -> bool:
        """Whether guest code may still run."""
        return self._store is not None

    def limit(
        self, *, memory_bytes: int, table_elements: int, instances: int, tables: int, memories: int
    ) -> None:
        """Bound what the guest may allocate. Sizes are per memory and per table."""
        bindings.store_limiter(
            self._store, memory_bytes, table_elements, instances, tables, memories
        )

    def share_flags(self, address: Address) -> None:
        """Keep the flags in a guest memory from now on, where adapters find them."""
        count = len(self.flags)
        self.flags = memoryview((ctypes.c_char * count).from_address(address)).cast("B")

    def lowering(self, index: int) -> Any:
        """Return the memory behind a lowered function, made at its first use."""
        memory = self.lowerings[index] = self.contexts.lowering(index)
        return memory

    def export(self, index: int) -> Any:
        """Return the context of a lifted function, made at its first use."""
        context = self.exports[index] = self.contexts.export(index)
        return context

    # Nested calls.

    def call_nested(
        self, component: int, function: Address | None, slots: Address, count: int
    ) -> None:
        """Call an allocator or post-return function of a component instance.

        Raises:
            GuestTrap: it failed, tried to call an import, or took too long.
        """
        if self.nesting == 0:
            self.nested_ticks = 0
            if not self._is_polling:
                # That of the last slice is over, which would be asked about at once.
                bindings.set_epoch_deadline(self.context, 1)
        self.nesting += 1
        self.flags[component] |= MAY_NOT_LEAVE
        self.ticks.begin()
        error = bindings.function_call(self.context, function, slots, count, self.trap_address)
        self.ticks.end()
        self.nesting -= 1
        if error or self.trap.value:
            self.raise_failure(error)
        self.flags[component] &= ENTERED

    def raise_failure(self, error: Address | None) -> None:
        """Raise what ended a call: the host's own exception, or the guest's trap."""
        trap_, self.trap.value = self.trap.value, 0
        self.error.value = 0
        text = ""
        if trap_:
            text = bindings.take_trap(trap_)
        if error:
            text = bindings.take_error(error)
        if self.failure is None:
            self.failure = guest_trap(text)
        raise self.failure

    # The fiber.

    async def run_fiber(self, function: "OnFiber") -> None:
        """Run a function of the guest on a fiber until it ends.

        Waits where the guest waits, gives way to other tasks at every tick. Cancelling abandons
        the guest: the future is deleted and nothing of it runs any more.

        Raises:
            GuestTrap: the guest trapped.
            BaseException: what a host function raised.
        """
        bindings.set_epoch_deadline(self.context, 1)
        self._future = function.begin()
        try:
            while not self._poll():
                pending = self.pending
                if pending is None:
                    await self.pace()
                else:
                    self._result = await pending
                    self.pending = None
                    self.is_resumable = True
                self._check_open()
        finally:
            self._abandon()
            pending, self.pending = self.pending, None
            if pending is not None:
                pending.close()
        if self.error.value or self.trap.value:
            self.raise_failure(self.error.value)
        function.end()

    def _check_open(self) -> None:
        if self._future is None:
            raise InstanceStateError("the instance was closed in mid-call")

    def _poll(self) -> bool:
        self._is_polling = True
        self.ticks.begin()
        begun = perf_counter()
        finished: bool = bindings.future_poll(self._future)
        spent_s = perf_counter() - begun
        self.ticks.end()
        self.busy_s += spent_s
        if spent_s >= TICK_S:
            self.ticks.hurry()
        self._is_polling = False
        return finished

    def _abandon(self) -> None:
        future, self._future = self._future, None
        if future is not None:
            bindings.future_delete(future)

    def take_result(self) -> Any:
        """Return what the fiber waited for."""
        result, self._result = self._result, None
        return result

    def close(self) -> None:
        """Free the store and everything in it. Idempotent.

        Raises:
            InstanceStateError: called from within its running guest.
        """
        if self._is_polling or self.nesting:
            raise InstanceStateError("an instance cannot be closed from within its own guest")
        self._abandon()
        store, self._store = self._store, None
        if store is None:
            return
        # No view of freed memory may survive.
        self.lowerings = self.exports = []
        self.contexts = _Closed()
        self.flags = bytearray(len(self.flags))
        self.scopes = []
        self.suspended = None
        self.failure = None
        stores.pop(self.id, None)
        _by_context.pop(self.context, None)
        bindings.store_delete(store)


async def give_way() -> None:
    """Let other tasks run."""
    await asyncio.sleep(0)


class OnFiber(Protocol):
    """A function of the guest that can be called on its store's fiber."""

    def begin(self) -> Address:
        """Return wasmtime's future of a call."""
        ...

    def end(self) -> None:
        """Take what the call returned."""
        ...


class Contexts(Protocol):
    """Makes what adapters work with, once the core instances exist."""

    def lowering(self, index: int) -> Any:
        """Return the memory behind lowered function `index` of the plan."""
        ...

    def export(self, index: int) -> Any:
        """Return the context of lifted function `index` of the plan."""
        ...

    def destructor(self, resource: int) -> Address | None:
        """Return the destructor of resource `resource` of the plan, if it has one."""
        ...


class _Closed:
    def lowering(self, index: int) -> Any:
        raise InstanceStateError(f"lowered function {index}: the instance is closed")

    def export(self, index: int) -> Any:
        raise InstanceStateError(f"lifted function {index}: the instance is closed")

    def destructor(self, resource: int) -> Address | None:
        raise InstanceStateError(f"resource {resource}: the instance is closed")


def fail(environment: int, error: BaseException) -> Address:
    """End a host callback with an exception: the store keeps it, the guest sees a trap."""
    store = stores[environment]
    if store.failure is None:
        store.failure = error
    address: Address = bindings.trap_new(_HOST_FAILED, len(_HOST_FAILED))
    return address


def cannot_leave() -> NoReturn:
    """Refuse an import called by allocation or post-return."""
    trap("cannot leave component instance")


def _on_deadline(_context: Address, environment: int, ticks: Address, kind: Address) -> Address:
    store = stores[environment]
    bindings.u64_at(ticks).value = 1
    update = ctypes.c_uint8.from_address(kind)
    if not store.nesting:
        update.value = bindings.UPDATE_DEADLINE_YIELD
        return 0
    update.value = bindings.UPDATE_DEADLINE_CONTINUE
    store.nested_ticks += 1
    store.ticks.hurry()
    if store.nested_ticks <= NESTED_TICKS_MAX:
        return 0
    if store.failure is None:
        store.failure = GuestTrap("allocation or post-return took too long", kind="limit")
    error: Address = bindings.error_new(b"took too long")
    return error


def _may_go_on(environment: int) -> bool:
    return stores[environment].is_resumable


def _wait(
    _environment: Address,
    caller: Address,
    _arguments: Address,
    _count: int,
    _results: Address,
    _result_count: int,
    _trap_out: Address,
    continuation_out: Address,
) -> None:
    """Suspend the fiber until its store is resumable: the one async host function there is."""
    store = _by_context[bindings.caller_context(caller)]
    store.is_resumable = False
    # Callback, environment, no finalizer.
    ctypes.memmove(continuation_out, _CONTINUATION.pack(_GO_ON_ADDRESS, store.id, 0), 24)


# Kept for ever, as C code holds their addresses.
_deadline_callback: Final = bindings.DEADLINE_CALLBACK(_on_deadline)
_go_on_callback: Final = bindings.CONTINUATION(_may_go_on)
wait_callback: Final = bindings.ASYNC_CALLBACK(_wait)
_GO_ON_ADDRESS: Final = ctypes.cast(_go_on_callback, ctypes.c_void_p).value
_CONTINUATION: Final = struct.Struct("<QQQ")
