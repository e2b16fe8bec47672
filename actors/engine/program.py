"""A component linked with a host: callbacks, adapters and the layout of its stores."""

import ctypes
import hashlib
from collections.abc import Callable
from typing import Any, final

import wasmtime

from actors.engine.abi.exports import ExportAdapter, generate_export
from actors.engine.abi.signature import core_signature
from actors.engine.bindings import Address
from actors.engine.callbacks import blocking_callbacks, import_callback, resource_callback
from actors.engine.composition import component_target, destroy
from actors.engine.configuration import MEANING_KEY, address_of
from actors.engine.core.module import ExternKind, FunctionSignature
from actors.engine.errors import MissingImportsError
from actors.engine.instance import GuestInstance
from actors.engine.linking import FunctionTemplate, StepInput, make_layout
from actors.engine.machine import Machine
from actors.engine.module_cache import CompiledModule
from actors.engine.plan.model import (
    CoreSource,
    FromInstance,
    FromLowering,
    FromResource,
    HostFunction,
    LiftedFunction,
    LowerPlan,
)
from actors.engine.port import HostCall, HostResolver, InstanceImage, Limits, Pace
from actors.engine.preparation import Prepared
from actors.engine.snapshot.baseline import Baseline
from actors.engine.snapshot.image import Binding, decode
from actors.engine.snapshot.pieces import check_saveable, layout_digest, pieces_of
from actors.engine.snapshot.standby import open_baseline
from actors.engine.store import give_way
from actors.engine.templates import Template
from actors.engine.trampolines import finish_signature, start_signature, trampoline_module

__all__ = ["LinkedProgram"]

_VALUE_TYPES: dict[str, Callable[[], wasmtime.ValType]] = {
    "i32": wasmtime.ValType.i32,
    "i64": wasmtime.ValType.i64,
    "f32": wasmtime.ValType.f32,
    "f64": wasmtime.ValType.f64,
}


@final
class LinkedProgram:
    """Implements `actors.engine.port.Program`."""

    def __init__(
        self,
        machine: Machine,
        digest: str,
        prepared: Prepared,
        modules: list[CompiledModule],
        resolver: HostResolver,
    ) -> None:
        plan = prepared.plan
        self.machine = machine
        self.plan = plan
        self.digest = digest
        self._prepared = prepared
        self._modules = modules
        self._resolver = resolver
        self._kept: list[Any] = []
        self._types: dict[FunctionSignature, Address] = {}
        self._adapters: dict[int, ExportAdapter] = {}
        self.targets = {(each.interface, each.name): each.target for each in plan.exports}
        calls = self._resolve()
        self._blocking = {
            index
            for index, lowering in enumerate(plan.lowerings)
            if isinstance(lowering.target, HostFunction) and calls[lowering.target].blocking
        }
        self._lowered = [
            self._lower(index, lowering, calls) for index, lowering in enumerate(plan.lowerings)
        ]
        self._resource_functions = [
            self._resource_function(index) for index in range(len(plan.resource_functions))
        ]
        self.layout = make_layout(self._steps(), self._function)
        self.template = Template(self.layout)
        self.pieces = pieces_of(prepared)
        self.memories = [FromInstance(*piece) for piece in self.pieces.memories]
        self.binding = Binding(
            component=digest, layout=layout_digest(prepared), configuration=MEANING_KEY
        )
        self._baseline: Baseline | None = None

    def _resolve(self) -> dict[HostFunction, HostCall]:
        found: dict[HostFunction, HostCall] = {}
        missing: list[str] = []
        for function in self.plan.host_functions:
            call = self._resolver.function(function.interface, function.name, function.type)
            if call is None:
                missing.append(
                    f"{function.interface}#{function.name}" if function.interface else function.name
                )
            else:
                found[function] = call
        if missing:
            raise MissingImportsError(tuple(missing))
        return found

    # Callbacks.

    def _keep(self, callback: Any) -> Address:
        self._kept.append(callback)
        address = ctypes.cast(callback, ctypes.c_void_p).value
        assert address is not None
        return address

    def _type(self, signature: FunctionSignature) -> Address:
        found = self._types.get(signature)
        if found is None:
            type_ = wasmtime.FuncType(
                [_VALUE_TYPES[name]() for name in signature.parameters],
                [_VALUE_TYPES[name]() for name in signature.results],
            )
            self._kept.append(type_)
            found = self._types[signature] = address_of(type_)
        return found

    def _lower(
        self, index: int, plan: LowerPlan, calls: dict[HostFunction, HostCall]
    ) -> tuple[FunctionTemplate, ...]:
        signature = core_signature(plan.type, lowered=True)
        target = plan.target
        if isinstance(target, LiftedFunction):
            inner = component_target(target.index, self.plan.lifts[target.index])
            callback = import_callback(index, plan, inner, at_host=False)
            return (FunctionTemplate(self._type(signature), self._keep(callback)),)
        call = calls[target]
        if not call.blocking:
            callback = import_callback(index, plan, call.run, at_host=True)
            return (FunctionTemplate(self._type(signature), self._keep(callback)),)
        start, finish = blocking_callbacks(index, plan, call)
        return (
            FunctionTemplate(self._type(start_signature(signature)), self._keep(start)),
            FunctionTemplate(self._type(finish_signature(signature)), self._keep(finish)),
        )

    def _resource_function(self, index: int) -> FunctionTemplate:
        function = self.plan.resource_functions[index]
        drop = None
        if function.operation == "drop" and function.resource.owner is None:
            drop = self._resolver.drop(function.resource)
        callback = resource_callback(function, drop, destroy)
        results = () if function.operation == "drop" else ("i32",)
        return FunctionTemplate(
            self._type(FunctionSignature(("i32",), results)), self._keep(callback)
        )

    def _function(self, source: CoreSource) -> FunctionTemplate:
        match source:
            case FromLowering():
                return self._lowered[source.index][0]
            case FromResource():
                return self._resource_functions[source.index]
            case FromInstance():
                raise AssertionError(source)

    # Steps.

    def _steps(self) -> list[StepInput]:
        plan = self.plan
        trampolines = len(plan.steps)
        steps = [self._trampolines(trampolines)] if self._blocking else []
        steps += [
            StepInput(
                step.slot,
                self._modules[step.module].address,
                tuple(self._source(source, trampolines) for source in step.imports),
                self._prepared.modules[step.module].entry,
            )
            for step in plan.steps
        ]
        return steps

    def _source(self, source: CoreSource, trampolines: int) -> CoreSource:
        if isinstance(source, FromLowering) and source.index in self._blocking:
            return FromInstance(trampolines, str(source.index), ExternKind.FUNCTION)
        return source

    def _trampolines(self, slot: int) -> StepInput:
        blocking = sorted(self._blocking)
        data = trampoline_module(
            (index, core_signature(self.plan.lowerings[index].type, lowered=True))
            for index in blocking
        )
        module = self.machine.modules.get(hashlib.sha256(data).hexdigest(), lambda: data)
        self._kept.append(module)
        halves = [half for index in blocking for half in self._lowered[index]]
        return StepInput(slot, module.address, (None, *halves), entry=None)

    def adapter(self, index: int) -> ExportAdapter:
        """Return the adapter of a lifted function for calls by the host."""
        adapter = self._adapters.get(index)
        if adapter is None:
            lift = self.plan.lifts[index]
            adapter = self._adapters[index] = generate_export(
                lift.type, lift.context.encoding, at_host=True, title=f"lifted function {index}"
            )
        return adapter

    def baseline(self) -> Baseline:
        """Return the new instance that saved ones are compared with; made once.

        Raises:
            SnapshotRefusedError: instances of this component cannot be saved.
        """
        if self._baseline is None:
            check_saveable(self._prepared)
            self._baseline = open_baseline(self)
        return self._baseline

    async def instantiate(
        self, data: object, limits: Limits, *, pace: Pace | None = None
    ) -> GuestInstance:
        """Make an instance; `data` is handed to host functions.

        `pace` is awaited whenever a slice of running time is over, by default to let others run.

        Raises:
            GuestTrap: a start function trapped, or the limits are too small.
            CapacityError: the process holds as many instances as the machine allows.
        """
        instance = GuestInstance(self, data, limits, pace or give_way)
        try:
            await instance.start()
        except BaseException:
            instance.close()
            raise
        return instance

    async def restore(
        self, data: object, limits: Limits, image: InstanceImage, *, pace: Pace | None = None
    ) -> GuestInstance:
        """Make an instance that goes on where a saved one was; its start functions do not run.

        Raises:
            SnapshotUnusableError: the bytes are damaged, or do not belong to this program.
            GuestTrap: the limits are too small.
            CapacityError: the process holds as many instances as the machine allows.
        """
        decoded = decode(image.data, self.binding)
        instance = GuestInstance(self, data, limits, pace or give_way)
        try:
            await instance.resume(decoded, image.objects)
        except BaseException:
            instance.close()
            raise
        return instance
