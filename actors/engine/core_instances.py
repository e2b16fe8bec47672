"""The core instances of one store: made step by step, and found again by what they export."""

import ctypes
from typing import Final, final

from actors.engine import bindings
from actors.engine.bindings import EXTERN_BYTES, EXTERN_PAYLOAD_OFFSET, INSTANCE_BYTES, Address
from actors.engine.core.module import FunctionSignature
from actors.engine.errors import EngineInternalError
from actors.engine.fiber_function import FiberFunction
from actors.engine.linking import HostFunctionAt, Layout, Step
from actors.engine.plan.model import CoreSource, FromInstance
from actors.engine.store import Store
from actors.engine.templates import Template

__all__ = ["CoreInstances"]

_ENTRY: Final = FunctionSignature((), ())


@final
class CoreInstances:
    """Owns the block of memory that a `Layout` describes."""

    def __init__(self, store: Store, layout: Layout, template: Template, waiting: Address) -> None:
        self._store = store
        self._layout = layout
        self._flags = layout.flags
        self._is_complete = False
        self._template = template
        self._waiting = waiting
        self._block, self._steps, self._is_copy = template.new_block()
        self._stamp_needed = self._is_copy
        self._base = ctypes.addressof(self._block)
        self._found: dict[FromInstance, tuple[Address, object]] = {}

    async def instantiate(self) -> None:
        """Make all instances, each followed by its start function.

        Raises:
            GuestTrap: a start function or an initialiser trapped, or a limit was too small.
            ComponentError: an import does not fit.
        """
        self._make_called()
        for step in self._steps:
            self._make_next(step)
            if step.entry is not None:
                # On a fiber: it may wait and must be sliced.
                entry = FiberFunction(self._store, self.address(step.entry), _ENTRY)
                await self._store.run_fiber(entry)
        self._made()

    def instantiate_plain(self) -> None:
        """Make all instances without calling start functions: in the life before they have run.

        Raises:
            GuestTrap: an initialiser trapped, or a limit was too small.
        """
        self._make_called()
        for step in self._steps:
            self._make_next(step)
        self._made()

    def _make_called(self) -> None:
        for function in self._layout.extras:
            self._make_function(function)

    def _make_next(self, step: Step) -> None:
        self._fill(step)
        self._make(step)
        if self._flags is not None and step is self._steps[0]:
            start = bindings.memory_data(self._store.context, self.address(self._flags))
            self._store.share_flags(start)
        if self._stamp_needed:
            self._stamp_needed = False
            self._template.stamp(self._block, step.instance)

    def _made(self) -> None:
        self._is_complete = True
        if not self._is_copy:
            self._template.learn(self._block)

    def _fill(self, step: Step) -> None:
        context, base = self._store.context, self._base
        for instance, name, length, out in step.lookups:
            if not bindings.instance_export(context, base + instance, name, length, base + out):
                raise EngineInternalError(f"export {ctypes.string_at(name, length)!r} is missing")
        for source, out in step.copies:
            ctypes.memmove(base + out, base + source, EXTERN_BYTES)
        for function in step.functions:
            self._make_function(function)
        for out in step.waits:
            bindings.linker_get(self._waiting, context, b"", 0, b"wait", 4, base + out)

    def _make_function(self, function: HostFunctionAt) -> None:
        bindings.function_new(
            self._store.context,
            function.type,
            function.callback,
            self._store.id,
            None,
            self._base + function.out,
        )

    def _make(self, step: Step) -> None:
        store, base = self._store, self._base
        store.nesting += 1
        store.ticks.begin()
        error = bindings.instance_new(
            store.context,
            step.module,
            base + step.imports,
            step.import_count,
            base + step.instance,
            store.trap_address,
        )
        store.ticks.end()
        store.nesting -= 1
        if error or store.trap.value:
            store.raise_failure(error)

    def look_up(self, source: FromInstance, scratch: Address) -> Address:
        """Like `address`, but what it finds is written to `scratch` and not remembered."""
        at = self._layout.where.get(source)
        if at is not None:
            return self._base + at + EXTERN_PAYLOAD_OFFSET
        name, length = self._layout.names.get(source.name)
        instance = self._base + INSTANCE_BYTES * source.slot
        if not bindings.instance_export(self._store.context, instance, name, length, scratch):
            raise EngineInternalError(f"export {source.name!r} of slot {source.slot} is missing")
        return scratch + EXTERN_PAYLOAD_OFFSET

    def address(self, source: CoreSource) -> Address:
        """Return the address of the function, memory, table or global itself."""
        source = self._layout.moved.get(source, source)
        if not isinstance(source, FromInstance):
            return self._base + self._layout.called_at[source] + EXTERN_PAYLOAD_OFFSET
        at = self._layout.where.get(source)
        # Before all steps are made, the one that looks this export up may be still to come.
        if at is not None and self._is_complete:
            return self._base + at + EXTERN_PAYLOAD_OFFSET
        found = self._found.get(source)
        if found is None:
            extern = ctypes.create_string_buffer(EXTERN_BYTES)
            address = ctypes.addressof(extern)
            name, length = self._layout.names.get(source.name)
            instance = self._base + INSTANCE_BYTES * source.slot
            if not bindings.instance_export(self._store.context, instance, name, length, address):
                raise EngineInternalError(
                    f"export {source.name!r} of slot {source.slot} is missing"
                )
            found = self._found[source] = (address, extern)
        return found[0] + EXTERN_PAYLOAD_OFFSET
