"""The component around one core module, part by part in the order of the file."""

from msgspec import Struct

from wit.binary import core_shim
from wit.binary.builder import ComponentBuilder
from wit.binary.core_module import CoreModuleBoundary, CoreSignature, ImportedFunction
from wit.binary.definitions import CanonicalOptions, StringEncoding
from wit.binary.encode_world import RootTypes, used_resources
from wit.binary.naming import naming_component
from wit.binary.sorts import Sort, SortIndex
from wit.errors import WitError
from wit.types import FunctionType, Primitive, ResourceName
from wit.world import Function, Interface, World

__all__ = ["Wrapping"]

_ROOT = "$root"
_EXPORT = "[export]"
_MEMORY, _REALLOC, _INITIALIZE = "memory", "cabi_realloc", "_initialize"
_DESTRUCTOR = CoreSignature(b"\x60\x01\x7f\x00", 1)
# https://component-model.bytecodealliance.org, canonical ABI: more parameters travel in memory.
_FLAT_PARAMETERS_MAX = 16


class _Deferred(Struct, frozen=True):
    """A core function that is only known once the module is instantiated.

    `function` is the component function to lower, or the name of a core export.
    """

    signature: CoreSignature
    function: int | str


def _is_scalar(type_: FunctionType) -> bool:
    """Tell whether all values cross in registers."""
    types = [each.type for each in type_.parameters]
    if type_.result is not None:
        types.append(type_.result)
    return len(type_.parameters) <= _FLAT_PARAMETERS_MAX and all(
        isinstance(each, Primitive) and each is not Primitive.STRING for each in types
    )


class Wrapping:
    """Call `import_world`, `link_core`, `export_world` and `finish`, once each."""

    def __init__(
        self,
        core: bytes,
        boundary: CoreModuleBoundary,
        world: World,
        string_encoding: StringEncoding,
    ) -> None:
        self._core = core
        self._boundary = boundary
        self._world = world
        self._string_encoding = string_encoding
        self._builder = ComponentBuilder()
        self._types = RootTypes(self._builder)
        self._functions: dict[tuple[str, str], tuple[int, FunctionType]] = {}
        self._deferred: list[_Deferred] = []
        self._resources: dict[ResourceName, int] = {}
        self._shim: int | None = None
        self._main = 0

    def finish(self) -> bytes:
        """Return the component."""
        return self._builder.finish()

    def import_world(self) -> None:
        """Import everything that the world imports."""
        for interface in self._world.import_interfaces:
            self._types.import_interface(interface)
        for function in self._world.import_functions:
            type_ = self._types.world_function(function, is_import=True)
            index = self._builder.import_(function.name, Sort.FUNCTION, type_)
            self._functions[_ROOT, function.name] = (index, function.type)

    # Linking: shim, resources, lowered functions, the module, and the table of the shim.

    def link_core(self) -> None:
        """Instantiate the core module with everything that it imports."""
        imports = [(each, self._imported(each)) for each in self._boundary.functions]
        destructors = self._plan_destructors()
        for imported, function in imports:
            if function is not None and not _is_scalar(function[1]):
                self._deferred.append(_Deferred(imported.signature, function[0]))
        self._instantiate_shim()
        for resource, slot in destructors.items():
            self._define_resource(resource, slot)

        bundles: dict[str, dict[str, SortIndex]] = {}
        slot = sum(isinstance(each.function, str) for each in self._deferred)
        for imported, function in imports:
            if function is None:
                index = self._resource_function(imported)
            elif _is_scalar(function[1]):
                index = self._builder.lower(function[0], CanonicalOptions())
            else:
                index = self._shim_function(slot)
                slot += 1
            bundle = bundles.setdefault(imported.module, {})
            bundle[imported.name] = SortIndex(Sort.CORE_FUNCTION, index)
        arguments = {name: self._builder.core_bundle(each) for name, each in bundles.items()}
        module = self._builder.core_module(self._core)
        self._main = self._builder.core_instantiate(module, arguments)
        self._fill_shim()
        self._initialize()

    def _imported(self, imported: ImportedFunction) -> tuple[int, FunctionType] | None:
        """Return the component function behind an import; None for functions on resources."""
        module, name = imported.module, imported.name
        if name.startswith("[resource-"):
            return None
        found = self._functions.get((module, name))
        if found is not None:
            return found
        for interface in self._world.import_interfaces:
            for function in interface.functions:
                if (interface.name, function.name) == (module, name):
                    instance = self._types.instance(module)
                    index = self._builder.alias(Sort.FUNCTION, instance, name)
                    self._functions[module, name] = (index, function.type)
                    return index, function.type
        names = [each.name for each in self._world.import_interfaces]
        hint = (
            "build it for wasm32-freestanding, or with an adapter"
            if module.startswith("wasi_snapshot_preview1")
            else f"the world imports {', '.join(names) or 'no interface'}"
        )
        raise WitError(f"the core module imports {name!r} of {module!r}: {hint}")

    def _plan_destructors(self) -> dict[ResourceName, int | None]:
        """Find the exported resources, with the place of their destructor in the shim."""
        slots: dict[ResourceName, int | None] = {}
        for interface in self._world.export_interfaces:
            used = used_resources(interface)
            for name in interface.resources:
                if name in used:
                    continue
                slot: int | None = None
                destructor = f"{interface.name}#[dtor]{name}"
                if destructor in self._boundary.exports:
                    slot = len(self._deferred)
                    self._deferred.append(_Deferred(_DESTRUCTOR, destructor))
                slots[ResourceName(name, interface.name)] = slot
        return slots

    def _instantiate_shim(self) -> None:
        if self._deferred:
            shim = core_shim.shim_module([each.signature for each in self._deferred])
            self._shim = self._builder.core_instantiate(self._builder.core_module(shim), {})

    def _shim_function(self, slot: int) -> int:
        assert self._shim is not None
        return self._builder.alias_core(Sort.CORE_FUNCTION, self._shim, str(slot))

    def _define_resource(self, resource: ResourceName, slot: int | None) -> None:
        destructor = None if slot is None else self._shim_function(slot)
        self._resources[resource] = self._builder.resource(destructor)

    def _resource_function(self, imported: ImportedFunction) -> int:
        operation, _, name = imported.name.removeprefix("[resource-").partition("]")
        interface = imported.module.removeprefix(_EXPORT)
        resource = ResourceName(name, interface)
        index: int | None
        if imported.module.startswith(_EXPORT):
            index = self._resources.get(resource)
        else:
            index = self._types.find(resource)
        if index is None or operation not in {"new", "drop", "rep"}:
            raise WitError(
                f"the core module imports {imported.name!r} of {imported.module!r}, but the world "
                f"has no resource {name!r} there"
            )
        return self._builder.resource_function(operation, index)

    def _options(self) -> CanonicalOptions:
        exports = self._boundary.exports
        memory = realloc = None
        if _MEMORY in exports:
            memory = self._builder.alias_core(Sort.CORE_MEMORY, self._main, _MEMORY)
        if _REALLOC in exports:
            realloc = self._builder.alias_core(Sort.CORE_FUNCTION, self._main, _REALLOC)
        return CanonicalOptions(self._string_encoding, memory, realloc)

    def _fill_shim(self) -> None:
        if self._shim is None:
            return
        builder = self._builder
        options = self._options()
        exports: dict[str, SortIndex] = {}
        for slot, deferred in enumerate(self._deferred):
            if isinstance(deferred.function, str):
                index = builder.alias_core(Sort.CORE_FUNCTION, self._main, deferred.function)
            else:
                index = builder.lower(deferred.function, options)
            exports[str(slot)] = SortIndex(Sort.CORE_FUNCTION, index)
        table = builder.alias_core(Sort.CORE_TABLE, self._shim, core_shim.TABLE_EXPORT)
        exports[core_shim.TABLE_EXPORT] = SortIndex(Sort.CORE_TABLE, table)
        fill = core_shim.fill_module([each.signature for each in self._deferred])
        bundle = builder.core_bundle(exports)
        builder.core_instantiate(builder.core_module(fill), {"": bundle})

    def _initialize(self) -> None:
        if _INITIALIZE in self._boundary.exports:
            builder = self._builder
            start = builder.alias_core(Sort.CORE_FUNCTION, self._main, _INITIALIZE)
            bundle = builder.core_bundle({_INITIALIZE: SortIndex(Sort.CORE_FUNCTION, start)})
            module = builder.core_module(core_shim.initialize_module())
            builder.core_instantiate(module, {"": bundle})

    # Exports.

    def export_world(self) -> None:
        """Lift and export everything that the world exports."""
        options = self._options()
        for interface in self._world.export_interfaces:
            self._export_interface(interface, options)
        for function in self._world.export_functions:
            type_ = self._types.world_function(function, is_import=False)
            lifted = self._lift(function, function.name, type_, options)
            self._builder.export(function.name, Sort.FUNCTION, lifted)

    def _export_interface(self, interface: Interface, options: CanonicalOptions) -> None:
        own = {key: i for key, i in self._resources.items() if key.interface == interface.name}
        encoder, types = self._types.exported(interface, own)
        arguments = [(f"import-type-{name}", each) for name, each in types]
        for position, function in enumerate(interface.functions):
            core_name = f"{interface.name}#{function.name}"
            lifted = self._lift(function, core_name, encoder.function(function.type), options)
            target = SortIndex(Sort.FUNCTION, lifted)
            arguments.append((f"import-func-{position}", target))
        naming = self._builder.component(naming_component(interface))
        instance = self._builder.instantiate(naming, arguments)
        index = self._builder.export(interface.name, Sort.INSTANCE, instance)
        self._types.add_instance(interface.name, index, [name for name, _ in types])

    def _lift(
        self, function: Function, core_name: str, type_: int, options: CanonicalOptions
    ) -> int:
        builder = self._builder
        core = builder.alias_core(Sort.CORE_FUNCTION, self._main, core_name)
        post_return: int | None = None
        if f"cabi_post_{core_name}" in self._boundary.exports:
            post_return = builder.alias_core(
                Sort.CORE_FUNCTION, self._main, f"cabi_post_{core_name}"
            )
        if _is_scalar(function.type):
            return builder.lift(core, CanonicalOptions(post_return=post_return), type_)
        lifted = CanonicalOptions(
            options.string_encoding, options.memory, options.realloc, post_return
        )
        return builder.lift(core, lifted, type_)
