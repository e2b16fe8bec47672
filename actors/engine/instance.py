"""A running component instance."""

import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, final

from actors.engine import bindings
from actors.engine.abi.runtime import trap
from actors.engine.bindings import Address
from actors.engine.contexts import ExportContext, GuestContexts
from actors.engine.core.module import FunctionSignature
from actors.engine.core_instances import CoreInstances
from actors.engine.entering import ENTERED
from actors.engine.errors import (
    EngineError,
    GuestTrap,
    InstanceStateError,
    SnapshotRefusedError,
    SnapshotUnusableError,
)
from actors.engine.fiber_function import FiberFunction
from actors.engine.handles import BorrowScope
from actors.engine.limits import MEMORIES_MAX, TABLES_MAX
from actors.engine.plan.model import HostFunction
from actors.engine.port import InstanceImage, Limits, Pace
from actors.engine.refusals import Refusals
from actors.engine.resources import GuestResource
from actors.engine.snapshot.baseline import View
from actors.engine.snapshot.image import Image, encode
from actors.engine.snapshot.restore import restore, restore_handles
from actors.engine.snapshot.save import save
from actors.engine.store import Store
from wit.errors import ValueMismatchError
from wit.values import Value
from wit.world import Function

if TYPE_CHECKING:
    from actors.engine.program import LinkedProgram

__all__ = ["GuestInstance"]

_DESTRUCTOR: Final = FunctionSignature(("i32",), ())
_NOTHING: Final = FunctionSignature((), ())

# What generated adapters raise for a Python value that does not fit its type.
_MISMATCHES: Final = (
    struct.error, KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError,
)  # fmt: skip


@final
class GuestInstance:
    """Implements `actors.engine.port.Instance`. Runs one call at a time."""

    def __init__(self, program: "LinkedProgram", data: object, limits: Limits, pace: Pace) -> None:
        self._program = program
        self._limits = limits
        plan, machine = program.plan, program.machine
        machine.admit(program.memory_count)
        self._is_admitted = True
        machine.living.setdefault(program.digest, set()).add(self)
        self._is_busy = False
        self._store = Store(
            machine.address,
            machine.ticks,
            data,
            components=plan.instance_count,
            lowerings=len(plan.lowerings),
            exports=len(plan.lifts),
        )
        self._store.limit(
            memory_bytes=limits.memory_bytes_max,
            table_elements=limits.table_elements_max,
            # With those of generated modules, and the memory of flags.
            instances=len(program.layout.steps),
            tables=TABLES_MAX,
            memories=MEMORIES_MAX + 1,
        )
        self._instances = CoreInstances(
            self._store, program.layout, program.template, machine.waiting
        )
        self._store.pace = pace
        self._store.contexts = GuestContexts(
            self._store, plan, self._instances, adapter=program.adapter
        )
        # Their size is asked for after every invocation. Empty until they exist.
        self._memories: tuple[Address, ...] = ()
        self._refusals = Refusals(self._store)

    async def start(self) -> None:
        """Make the core instances.

        Raises:
            GuestTrap: a start function trapped, or the limits are too small.
        """
        await self._instances.instantiate()
        self._look_at_memories()

    async def resume(self, image: Image, objects: Sequence[Any]) -> None:
        """Make the core instances and put a saved state into them.

        Raises:
            SnapshotUnusableError: `image` and `objects` do not fit the program.
            GuestTrap: the limits are too small.
        """
        program, store = self._program, self._store
        self._instances.instantiate_plain()
        restore(View(store, self._instances), image, program.pieces)
        for again in program.pieces.again:
            await store.run_fiber(FiberFunction(store, self._instances.address(again), _NOTHING))
        restore_handles(store.tables, image.handles, program.plan.resources, objects)
        self._look_at_memories()

    def save(self) -> InstanceImage:
        """Return the whole state of an idle instance, which stays as it is and usable.

        Raises:
            SnapshotRefusedError: it is in a call, or holds what cannot be saved, with the reason.
        """
        store, program = self._store, self._program
        if not store.is_open:
            raise SnapshotRefusedError("the instance is closed or has failed")
        if self._is_busy or any(store.flags):
            raise SnapshotRefusedError("the instance is in a call")
        view = View(store, self._instances)
        image, objects = save(
            view, store.tables, program.baseline(), program.pieces, program.binding
        )
        return InstanceImage(encode(image), tuple(objects))

    def adopt(self, resource: int, representation: int) -> GuestResource:
        """Return the host's object for a resource that it held when the guest was saved.

        The arguments are what `GuestResource.save` returned.

        Raises:
            SnapshotUnusableError: no type of resource that this component implements.
        """
        types = self._program.plan.resources
        if not 0 <= resource < len(types) or types[resource].id.owner is None:
            raise SnapshotUnusableError(f"the component implements no resource type {resource}")
        return GuestResource(self._store, types[resource].id, representation, is_own=True)

    @property
    def busy_s(self) -> float:
        """How long it has run, waits left out."""
        return self._store.busy_s

    def _look_at_memories(self) -> None:
        self._memories = tuple(map(self._instances.address, self._program.memories))
        places = map(self._instances.address, self._program.pieces.refused)
        self._refusals.look_at(tuple(places), are_all=self._program.shows_refusals)
        self._check_memory()

    def _check_memory(self) -> None:
        used = self.memory_bytes
        if used > self._limits.memory_bytes_max:
            raise GuestTrap(
                f"the memories take {used} bytes, the limit is {self._limits.memory_bytes_max}",
                kind="limit",
            )

    @property
    def memory_bytes(self) -> int:
        """The size of all its linear memories; 0 once closed."""
        context, memories = self._store.context, self._memories
        if len(memories) == 1:
            size: int = bindings.memory_size(context, memories[0])
            return size
        return sum([bindings.memory_size(context, memory) for memory in memories])

    def forget_refusals(self) -> None:
        """Say that a trap from here on has nothing to do with memories that did not grow before."""
        self._refusals.forget()

    @property
    def is_open(self) -> bool:
        """Whether it can be called: neither closed nor failed."""
        return self._store.is_open

    async def call(self, function: Function, arguments: Sequence[Value]) -> Value:
        """Call an export; None for functions without result.

        Any failure but a `ValueMismatchError` closes the instance: what it was doing is half done.

        Raises:
            ValueMismatchError: an argument does not fit its type; nothing has run.
            GuestTrap: the guest trapped, or broke the canonical ABI.
            InstanceStateError: closed, failed before, or in another call.
            BaseException: whatever a host function raised.
        """
        target = self._program.targets.get((function.interface, function.name))
        if target is None:
            raise EngineError(f"the component exports no {function.interface}#{function.name}")
        if isinstance(target, HostFunction):
            raise EngineError(f"{function.name} is an import that is exported again")
        index = target.index
        store = self._enter()
        try:
            context: ExportContext = store.exports[index] or store.export(index)
            scope = _lower(store, context, arguments)
            await store.run_fiber(context.function)
            value = _lift(store, context, scope)
            if len(self._program.memories) > 1:
                # wasmtime bounds each memory by itself, the limit is for all of them.
                self._check_memory()
        except ValueMismatchError:
            raise
        except BaseException as error:
            if isinstance(error, GuestTrap):
                # Asked afterwards, there is no memory any more.
                error.memory_bytes = self.memory_bytes
                error.lacked_memory = self._refusals.happened
            self._is_busy = False
            self.close()
            raise
        else:
            return value
        finally:
            self._is_busy = False

    async def drop(self, resource: GuestResource) -> None:
        """Drop an owned resource of the guest, running its destructor.

        Raises:
            ValueError: it is gone, borrowed, or of another instance.
            GuestTrap: the destructor trapped.
        """
        store = self._enter()
        try:
            id_ = resource.resource
            representation = resource.take(store, id_)
            destructor = store.contexts.destructor(id_.index)
            if destructor is not None and id_.owner is not None:
                await _destroy(store, destructor, id_.owner, representation)
        except ValueError:
            raise
        except BaseException:
            self._is_busy = False
            self.close()
            raise
        finally:
            self._is_busy = False

    def _enter(self) -> Store:
        if not self._store.is_open:
            raise InstanceStateError("the instance is closed or has failed; make a new one")
        if self._is_busy:
            raise InstanceStateError("the instance is in another call; one at a time")
        self._is_busy = True
        return self._store

    def close(self) -> None:
        """Free everything. Idempotent; allowed in any state but during its own running slice.

        A call that waits at the time ends with `InstanceStateError` when its wait is over.
        """
        self._store.close()
        self._memories = ()
        self._refusals.look_at((), are_all=False)
        if self._is_admitted:
            self._is_admitted = False
            self._program.machine.living[self._program.digest].discard(self)
            self._program.machine.release(self._program.memory_count)


def _lower(store: Store, context: ExportContext, arguments: Sequence[Value]) -> BorrowScope | None:
    """Put the arguments where the guest takes them from."""
    component, adapter = context.component, context.adapter
    store.flags[component] = ENTERED
    scope = BorrowScope() if adapter.borrows else None
    try:
        adapter.store(context.memory, scope, store.slots, *arguments)
    except _MISMATCHES as error:
        if store.failure is not None:
            raise
        store.flags[component] = 0
        raise ValueMismatchError(f"{type(error).__name__}: {error}", path="") from error
    return scope


def _lift(store: Store, context: ExportContext, scope: BorrowScope | None) -> Value:
    """Take the result from where the guest has put it, and end the call."""
    component = context.component
    value: Any = context.adapter.load(context.memory, scope, store.slots)
    if scope is not None and scope.count:
        trap("borrow handles still remain at the end of the call")
    if context.post_return is not None:
        store.call_nested(component, context.post_return, store.slots_address, context.result_count)
    store.flags[component] = 0
    return value


async def _destroy(store: Store, destructor: int, owner: int, representation: int) -> None:
    store.flags[owner] = ENTERED
    store.slot_words[0] = representation
    await store.run_fiber(FiberFunction(store, destructor, _DESTRUCTOR))
    store.flags[owner] = 0
