"""The core instances of a program: those of the plan, and generated modules between them."""

import hashlib
from collections.abc import Callable, Iterable
from typing import Any, final

import wasmtime

from actors.engine.abi.signature import core_signature
from actors.engine.adapters.grouping import AdapterModule, Adapters
from actors.engine.adapters.text import Flags, Import, Source
from actors.engine.core.module import ExternKind
from actors.engine.crossing import HostImport
from actors.engine.errors import ComponentError
from actors.engine.linking import FunctionTemplate, Layout, StepInput, make_layout
from actors.engine.machine import Machine
from actors.engine.module_cache import CompiledModule
from actors.engine.plan.model import (
    CoreSource,
    FromInstance,
    FromLowering,
    FromResource,
)
from actors.engine.preparation import Prepared
from actors.engine.trampolines import trampoline_module

__all__ = ["Assembly", "Templates"]

_FLAGS_MODULE = '(module (memory (export "flags") 1 1))'


class Templates:
    """The host functions that core instances import."""

    def __init__(
        self,
        *,
        halves: dict[int, tuple[FunctionTemplate, FunctionTemplate]],
        function: Callable[[CoreSource], FunctionTemplate],
        crossing: Callable[[HostImport], FunctionTemplate],
    ) -> None:
        self.halves = halves
        """Start and finish of each blocking lowering of the plan, by its number."""
        self.function = function
        """The host function behind a lowering or resource built-in."""
        self.crossing = crossing
        """A host function that adapters import."""


@final
class Assembly:
    """Orders everything that is instantiated: what an instance imports is made before it."""

    def __init__(
        self,
        machine: Machine,
        prepared: Prepared,
        modules: list[CompiledModule],
        templates: Templates,
    ) -> None:
        plan = prepared.plan
        self.kept: list[CompiledModule] = []
        self._machine = machine
        self._plan = plan
        self._prepared = prepared
        self._modules = modules
        self._templates = templates
        self._adapters = Adapters(plan)
        self._steps: list[StepInput] = []
        self._slot = len(plan.steps)
        self._moved: dict[CoreSource, FromInstance] = {}
        self._flags: FromInstance | None = None

    def layout(self) -> Layout:
        """Return the layout of all stores.

        Raises:
            ComponentError: calls between components need what cannot be compiled.
        """
        self._add_flags()
        if self._templates.halves:
            self._add_trampolines()
        for step in self._plan.steps:
            self._add_adapters(step.imports)
            self._steps.append(
                StepInput(
                    step.slot,
                    self._modules[step.module].address,
                    tuple(self._moved.get(source, source) for source in step.imports),
                    self._prepared.modules[step.module].entry,
                )
            )
        called = list(self._called())
        self._add_adapters(called)
        return make_layout(
            self._steps,
            self._templates.function,
            called=called,
            moved=self._moved,
            flags=self._flags,
        )

    def _called(self) -> Iterable[CoreSource]:
        """Yield the core functions that the host calls."""
        plan = self._plan
        for lift in plan.lifts:
            yield from _known(lift.target, lift.post_return, lift.context.realloc)
        for lowering in plan.lowerings:
            yield from _known(lowering.context.realloc)
        for resource in plan.resources:
            yield from _known(resource.destructor)

    def _new_slot(self) -> int:
        self._slot += 1
        return self._slot - 1

    def _compiled(self, text: str) -> CompiledModule:
        wat: Any = text
        try:
            data = bytes(wasmtime.wat2wasm(wat))
        except wasmtime.WasmtimeError as error:
            raise ComponentError(f"calls between components are too large: {error}") from error
        module = self._machine.modules.get(hashlib.sha256(data).hexdigest(), lambda: data)
        self.kept.append(module)
        return module

    def _add(
        self, module: CompiledModule, imports: tuple[CoreSource | FunctionTemplate | None, ...]
    ) -> int:
        slot = self._new_slot()
        self._steps.append(StepInput(slot, module.address, imports, entry=None))
        return slot

    def _add_flags(self) -> None:
        plan = self._plan
        made: list[CoreSource] = [FromLowering(index) for index in range(len(plan.lowerings))]
        made += [FromResource(index) for index in range(len(plan.resource_functions))]
        if any(map(self._adapters.is_adapted, made)):
            slot = self._add(self._compiled(_FLAGS_MODULE), ())
            self._flags = FromInstance(slot, "flags", ExternKind.MEMORY)

    def _add_trampolines(self) -> None:
        halves = self._templates.halves
        data = trampoline_module(
            (index, core_signature(self._plan.lowerings[index].type, lowered=True))
            for index in halves
        )
        module = self._machine.modules.get(hashlib.sha256(data).hexdigest(), lambda: data)
        self.kept.append(module)
        functions = [half for pair in halves.values() for half in pair]
        slot = self._add(module, (None, *functions))
        for index in halves:
            self._moved[FromLowering(index)] = FromInstance(slot, str(index), ExternKind.FUNCTION)

    def _add_adapters(self, sources: Iterable[CoreSource]) -> None:
        for adapter in self._adapters.modules(sources):
            self._add_adapter(adapter)

    def _add_adapter(self, adapter: AdapterModule) -> None:
        imports = tuple(map(self._import, adapter.imports))
        slot = self._add(self._compiled(adapter.text), imports)
        for source, name in adapter.exports.items():
            self._moved[source] = FromInstance(slot, name, ExternKind.FUNCTION)

    def _import(self, wanted: Import) -> CoreSource | FunctionTemplate:
        match wanted:
            case Flags():
                assert self._flags is not None
                return self._flags
            case FromInstance():
                return wanted
            case Source(source):
                return self._moved.get(source, source)
            case _:
                return self._templates.crossing(wanted)


def _known(*sources: CoreSource | None) -> Iterable[CoreSource]:
    return (each for each in sources if each is not None)
