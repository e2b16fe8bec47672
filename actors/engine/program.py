"""A component linked with a host: callbacks, adapters and the layout of its stores."""

import ctypes
from collections.abc import Callable
from typing import Any, final

import wasmtime

from actors.engine.abi.exports import ExportAdapter, generate_export
from actors.engine.abi.signature import core_signature
from actors.engine.adapters.text import host_signature
from actors.engine.assembly import Assembly, Templates
from actors.engine.bindings import Address
from actors.engine.callbacks import blocking_callbacks, import_callback, resource_callback
from actors.engine.configuration import MEANING_KEY, address_of
from actors.engine.core.module import FunctionSignature
from actors.engine.crossing import HostImport, crossing_callback
from actors.engine.errors import MissingImportsError
from actors.engine.instance import GuestInstance
from actors.engine.linking import FunctionTemplate
from actors.engine.machine import Machine
from actors.engine.module_cache import CompiledModule
from actors.engine.plan.model import (
    CoreSource,
    FromInstance,
    FromLowering,
    FromResource,
    HostFunction,
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
from actors.engine.trampolines import finish_signature, start_signature

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
        self._lowered: dict[int, FunctionTemplate] = {}
        self._halves: dict[int, tuple[FunctionTemplate, FunctionTemplate]] = {}
        for index, lowering in enumerate(plan.lowerings):
            if isinstance(lowering.target, HostFunction):
                self._lower(index, lowering, calls[lowering.target])
        assembly = Assembly(
            machine,
            prepared,
            modules,
            Templates(halves=self._halves, function=self._function, crossing=self._crossing),
        )
        self.layout = assembly.layout()
        self._kept += assembly.kept
        self.template = Template(self.layout)
        self.pieces = pieces_of(prepared)
        self.memories = [FromInstance(*piece) for piece in self.pieces.memories]
        self.binding = Binding(
            component=digest, layout=layout_digest(prepared), configuration=MEANING_KEY
        )
        self._baseline: Baseline | None = None
        self.shows_refusals = not any(module.hides_grows for module in prepared.modules)
        """Whether it is known of all its memories when they do not grow."""
        self.memory_count = len(self.memories) + (self.layout.flags is not None)

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

    def _template(self, signature: FunctionSignature, callback: Any) -> FunctionTemplate:
        return FunctionTemplate(self._type(signature), self._keep(callback))

    def _lower(self, index: int, plan: LowerPlan, call: HostCall) -> None:
        signature = core_signature(plan.type, lowered=True)
        if not call.blocking:
            callback = import_callback(index, plan, call.run)
            self._lowered[index] = self._template(signature, callback)
            return
        start, finish = blocking_callbacks(index, plan, call)
        self._halves[index] = (
            self._template(start_signature(signature), start),
            self._template(finish_signature(signature), finish),
        )

    def _function(self, source: CoreSource) -> FunctionTemplate:
        match source:
            case FromLowering():
                return self._lowered[source.index]
            case FromResource():
                return self._resource_function(source.index)
            case FromInstance():
                raise AssertionError(source)

    def _resource_function(self, index: int) -> FunctionTemplate:
        function = self.plan.resource_functions[index]
        drop = None
        if function.operation == "drop" and function.resource.owner is None:
            drop = self._resolver.drop(function.resource)
        results = () if function.operation == "drop" else ("i32",)
        return self._template(
            FunctionSignature(("i32",), results), resource_callback(function, drop)
        )

    def _crossing(self, wanted: HostImport) -> FunctionTemplate:
        return self._template(host_signature(wanted), crossing_callback(wanted, self.plan))

    def adapter(self, index: int) -> ExportAdapter:
        """Return the adapter of a lifted function for calls by the host."""
        adapter = self._adapters.get(index)
        if adapter is None:
            lift = self.plan.lifts[index]
            adapter = self._adapters[index] = generate_export(
                lift.type, lift.context.encoding, title=f"lifted function {index}"
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
