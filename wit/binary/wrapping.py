"""The component around one core module, part by part in the order of the file."""

from msgspec import Struct
from msgspec.structs import replace

from wit.binary import core_shim
from wit.binary.builder import ComponentBuilder
from wit.binary.core_fit import check_import
from wit.binary.core_module import (
    CoreModuleBoundary,
    CoreSignature,
    ImportedFunction,
    read_core_module,
)
from wit.binary.definitions import CanonicalOptions, StringEncoding
from wit.binary.encode_world import RootTypes, used_resources
from wit.binary.naming import naming_component
from wit.binary.sorts import Sort, SortIndex
from wit.errors import WitError
from wit.text.from_world import united
from wit.types import FunctionType, Primitive, ResourceName
from wit.world import Function, Interface, World

__all__ = ["Adapter", "Wrapping"]

_ROOT = "$root"
_EXPORT = "[export]"
_MEMORY, _REALLOC, _INITIALIZE = "memory", "cabi_realloc", "_initialize"
_DESTRUCTOR = CoreSignature(b"\x60\x01\x7f\x00", ("i32",), ())
# https://component-model.bytecodealliance.org, canonical ABI: more parameters travel in memory.
_FLAT_PARAMETERS_MAX = 16


class Adapter(Struct, frozen=True):
    """A core module that gives another one what that imports from `module`.

    It has a memory of its own; what it imports from `guest` copies to and from that of the other.
    `world` is what it imports besides, and of which version; those in its own imports say nothing.
    """

    core: bytes
    world: World
    module: str


_MAIN, _ADAPTER, _COPIER = "main", "adapter", "copier"
_GUEST = "guest"


class _Exported(Struct, frozen=True):
    """An export of one of the core instances."""

    instance: str
    name: str


class _Deferred(Struct, frozen=True):
    """A core function that is only known once the modules are instantiated.

    `function` is the component function to lower for one of the instances, or a core export.
    """

    signature: CoreSignature
    function: int | _Exported
    caller: str = _MAIN


# A slot of the shim, a component function of scalars, or None for functions on resources.
_Target = int | tuple[int, FunctionType] | None


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
        adapter: Adapter | None = None,
    ) -> None:
        self._core = core
        self._boundary = boundary
        self._adapter = adapter
        self._world = world if adapter is None else _with_imports(world, adapter.world)
        self._versions = {
            each.name.partition("@")[0]: each.name
            for each in (adapter.world.import_interfaces if adapter else ())
        }
        self._string_encoding = string_encoding
        self._builder = ComponentBuilder()
        self._types = RootTypes(self._builder)
        self._functions: dict[tuple[str, str], tuple[int, FunctionType]] = {}
        self._deferred: list[_Deferred] = []
        self._resources: dict[ResourceName, int] = {}
        self._shim: int | None = None
        self._instances: dict[str, int] = {}

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

    # Linking: shim, resources, lowered functions, the modules, and the table of the shim.

    def link_core(self) -> None:
        """Instantiate the core module with everything that it imports."""
        boundaries = {_MAIN: self._boundary}
        if self._adapter is not None:
            boundaries[_ADAPTER] = read_core_module(self._adapter.core)
        found = {
            caller: [(each, self._imported(each, caller)) for each in boundary.functions]
            for caller, boundary in boundaries.items()
        }
        destructors = self._plan_destructors()
        targets = {
            caller: [(each, self._target(each, function, caller)) for each, function in imports]
            for caller, imports in found.items()
        }
        self._instantiate_shim()
        for resource, slot in destructors.items():
            self._define_resource(resource, slot)
        self._instantiate(_MAIN, self._core, targets[_MAIN])
        if self._adapter is not None:
            self._instantiate(_ADAPTER, self._adapter.core, targets[_ADAPTER])
            self._instantiate_copier()
        self._fill_shim()
        self._initialize()

    def _imported(
        self, imported: ImportedFunction, caller: str
    ) -> tuple[int, FunctionType] | _Exported | None:
        """Return what is behind an import; None for functions on resources."""
        module, name = self._module(imported.module, caller), imported.plain_name
        adapter = self._adapter
        if caller == _ADAPTER and module == _GUEST:
            return _Exported(_COPIER, name)
        if caller == _MAIN and adapter is not None and module == adapter.module:
            return _Exported(_ADAPTER, name)
        if name.startswith("[resource-"):
            return None
        found = self._functions.get((module, name))
        if found is not None:
            return found
        for interface in self._world.import_interfaces:
            for function in interface.functions:
                if (interface.name, function.name) == (module, name):
                    if caller == _MAIN:
                        check_import(imported, function)
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

    def _module(self, module: str, caller: str) -> str:
        if caller == _MAIN:
            return module
        return self._versions.get(module.partition("@")[0], module)

    def _target(
        self,
        imported: ImportedFunction,
        function: tuple[int, FunctionType] | _Exported | None,
        caller: str,
    ) -> _Target:
        match function:
            case _Exported():
                self._deferred.append(_Deferred(imported.signature, function))
            case (index, type_) if not _is_scalar(type_):
                self._deferred.append(_Deferred(imported.signature, index, caller))
            case _:
                return function
        return len(self._deferred) - 1

    def _instantiate(
        self, caller: str, core: bytes, targets: list[tuple[ImportedFunction, _Target]]
    ) -> None:
        bundles: dict[str, dict[str, SortIndex]] = {}
        for imported, target in targets:
            match target:
                case None:
                    index = self._resource_function(imported, caller)
                case int(slot):
                    index = self._shim_function(slot)
                case (function, _):
                    index = self._builder.lower(function, CanonicalOptions())
            bundle = bundles.setdefault(imported.module, {})
            bundle[imported.name] = SortIndex(Sort.CORE_FUNCTION, index)
        arguments = {name: self._builder.core_bundle(each) for name, each in bundles.items()}
        module = self._builder.core_module(core)
        self._instances[caller] = self._builder.core_instantiate(module, arguments)

    def _instantiate_copier(self) -> None:
        builder = self._builder
        if _MEMORY not in self._boundary.exports:
            raise WitError('the core module exports no "memory", which the adapter works on')
        bundles: dict[str, int] = {}
        for name, instance in ((_GUEST, _MAIN), (_ADAPTER, _ADAPTER)):
            memory = builder.alias_core(Sort.CORE_MEMORY, self._instances[instance], _MEMORY)
            bundles[name] = builder.core_bundle({_MEMORY: SortIndex(Sort.CORE_MEMORY, memory)})
        module = builder.core_module(core_shim.copier_module())
        self._instances[_COPIER] = builder.core_instantiate(module, bundles)

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
                    self._deferred.append(_Deferred(_DESTRUCTOR, _Exported(_MAIN, destructor)))
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

    def _resource_function(self, imported: ImportedFunction, caller: str) -> int:
        operation, _, name = imported.plain_name.removeprefix("[resource-").partition("]")
        interface = self._module(imported.module.removeprefix(_EXPORT), caller)
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

    def _options(self, caller: str = _MAIN) -> CanonicalOptions:
        main = caller == _MAIN
        exports = self._boundary.exports if main else {_MEMORY, _REALLOC}
        instance = self._instances[caller]
        memory = realloc = None
        if _MEMORY in exports:
            memory = self._builder.alias_core(Sort.CORE_MEMORY, instance, _MEMORY)
        if _REALLOC in exports:
            realloc = self._builder.alias_core(Sort.CORE_FUNCTION, instance, _REALLOC)
        encoding = self._string_encoding if main else StringEncoding.UTF8
        return CanonicalOptions(encoding, memory, realloc)

    def _fill_shim(self) -> None:
        if self._shim is None:
            return
        builder = self._builder
        options = {
            caller: self._options(caller)
            for caller in (_MAIN, _ADAPTER)
            if caller in self._instances
        }
        exports: dict[str, SortIndex] = {}
        for slot, deferred in enumerate(self._deferred):
            match deferred.function:
                case _Exported(instance, name):
                    owner = self._instances[instance]
                    index = builder.alias_core(Sort.CORE_FUNCTION, owner, name)
                case int(function):
                    index = builder.lower(function, options[deferred.caller])
            exports[str(slot)] = SortIndex(Sort.CORE_FUNCTION, index)
        table = builder.alias_core(Sort.CORE_TABLE, self._shim, core_shim.TABLE_EXPORT)
        exports[core_shim.TABLE_EXPORT] = SortIndex(Sort.CORE_TABLE, table)
        fill = core_shim.fill_module([each.signature for each in self._deferred])
        bundle = builder.core_bundle(exports)
        builder.core_instantiate(builder.core_module(fill), {"": bundle})

    def _initialize(self) -> None:
        if _INITIALIZE in self._boundary.exports:
            builder = self._builder
            start = builder.alias_core(Sort.CORE_FUNCTION, self._instances[_MAIN], _INITIALIZE)
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
        core = builder.alias_core(Sort.CORE_FUNCTION, self._instances[_MAIN], core_name)
        post_return: int | None = None
        if f"cabi_post_{core_name}" in self._boundary.exports:
            post_return = builder.alias_core(
                Sort.CORE_FUNCTION, self._instances[_MAIN], f"cabi_post_{core_name}"
            )
        if _is_scalar(function.type):
            return builder.lift(core, CanonicalOptions(post_return=post_return), type_)
        lifted = CanonicalOptions(
            options.string_encoding, options.memory, options.realloc, post_return
        )
        return builder.lift(core, lifted, type_)


def _with_imports(world: World, added: World) -> World:
    """Return a world that imports what two worlds import."""
    interfaces = {each.name: each for each in world.import_interfaces}
    # What is added stands first: interfaces may speak of types of those before them.
    first = {
        each.name: united(each, interfaces[each.name]) if each.name in interfaces else each
        for each in added.import_interfaces
    }
    return replace(world, import_interfaces=tuple({**first, **interfaces, **first}.values()))
