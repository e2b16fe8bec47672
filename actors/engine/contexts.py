"""What adapters work with in one store: memories of lowered functions, contexts of exports."""

import ctypes
from typing import Final, final

from actors.engine import bindings
from actors.engine.abi.signature import core_signature
from actors.engine.bindings import VALUE_BYTES, Address
from actors.engine.core.module import FunctionSignature
from actors.engine.core_instances import CoreInstances
from actors.engine.memory import GuestMemory
from actors.engine.plan.model import CanonicalContext, CoreSource, LiftPlan, Plan
from actors.engine.store import Store

__all__ = ["ExportContext", "FiberFunction", "GuestContexts"]

_KINDS: Final = {"i32": 0, "i64": 1, "f32": 2, "f64": 3}
_WORDS_PER_VALUE: Final = VALUE_BYTES // 8
_WORDS_PER_SLOT: Final = 2


@final
class FiberFunction:
    """A core function of one store, called on its fiber.

    Arguments come from the store's slots, the result goes into the first of them.
    """

    __slots__ = ("_address", "_cells", "_count", "_results", "_start", "_store", "_words")

    def __init__(self, store: Store, address: Address, signature: FunctionSignature) -> None:
        self._store = store
        self._address = address
        self._count = len(signature.parameters)
        self._results = len(signature.results)
        self._cells = ctypes.create_string_buffer(VALUE_BYTES * (self._count + 1))
        for index, kind in enumerate(signature.parameters):
            self._cells[VALUE_BYTES * index] = bytes([_KINDS[kind]])
        self._start = ctypes.addressof(self._cells)
        self._words = memoryview(self._cells).cast("B").cast("Q")

    async def run(self) -> None:
        """Call it.

        Raises:
            GuestTrap: the guest trapped.
            BaseException: what a host function raised.
        """
        store, count, words = self._store, self._count, self._words
        # Checked calls take values of 32 bytes with the payload in the second word.
        words[1 : 1 + _WORDS_PER_VALUE * count : _WORDS_PER_VALUE] = store.slot_words[
            0 : _WORDS_PER_SLOT * count : _WORDS_PER_SLOT
        ]
        await store.run_fiber(self._begin)
        if self._results:
            store.slot_words[0] = words[1 + _WORDS_PER_VALUE * count]

    def _begin(self) -> Address:
        store, count = self._store, self._count
        future: Address = bindings.function_call_async(
            store.context,
            self._address,
            self._start,
            count,
            self._start + VALUE_BYTES * count,
            self._results,
            store.trap_address,
            store.error_address,
        )
        return future


@final
class ExportContext:
    """One lifted function in one store, ready to be called."""

    __slots__ = (
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
        post_return: Address | None,
    ) -> None:
        signature = core_signature(plan.type, lowered=False)
        self.component = plan.context.instance
        self.memory = memory
        self.function = FiberFunction(store, address, signature)
        self.post_return = post_return
        self.result_count = len(signature.results)


@final
class GuestContexts:
    """Implements `actors.engine.store.Contexts`."""

    def __init__(self, store: Store, plan: Plan, instances: CoreInstances) -> None:
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
            self._optional(lift.post_return),
        )

    def destructor(self, resource: int) -> Address | None:
        """Return the destructor of a resource."""
        return self._optional(self._plan.resources[resource].destructor)
