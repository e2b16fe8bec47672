"""Core modules and their instances: which import comes from where, and whether it fits."""

from collections.abc import Callable

from actors.engine.core.module import (
    CoreModule,
    ExternKind,
    FunctionSignature,
    MemoryType,
    ModuleExport,
)
from actors.engine.core.reader import read_core_module
from actors.engine.limits import CORE_INSTANCES_MAX, MEMORIES_MAX, TABLES_MAX
from actors.engine.plan.model import (
    CoreSource,
    CoreStep,
    FromInstance,
    FromLowering,
    FromResource,
    ModulePlan,
)
from actors.engine.plan.scope import CoreInstanceValue, Entity, ModuleIndex, Scope
from wit.binary import definitions as defs
from wit.binary.sorts import Sort
from wit.errors import BinaryError

__all__ = ["CoreSpace"]

_SORTS = {
    ExternKind.FUNCTION: Sort.CORE_FUNCTION,
    ExternKind.TABLE: Sort.CORE_TABLE,
    ExternKind.MEMORY: Sort.CORE_MEMORY,
    ExternKind.GLOBAL: Sort.CORE_GLOBAL,
    ExternKind.TAG: Sort.CORE_TAG,
}


class CoreSpace:
    """Collects modules and instantiation steps.

    `made_signature` gives the type of a core function that a canonical definition makes.
    """

    def __init__(
        self,
        data: bytes,
        made_signature: Callable[[FromLowering | FromResource], FunctionSignature],
    ) -> None:
        self.modules: list[ModulePlan] = []
        self.cores: list[CoreModule] = []
        self.steps: list[CoreStep] = []
        self._data = data
        self._made_signature = made_signature
        self._by_range: dict[tuple[int, int], int] = {}
        self._exports: list[dict[str, ModuleExport]] = []
        self._memories = 0
        self._tables = 0

    def module(self, definition: defs.CoreModule) -> ModuleIndex:
        """Add a module, once however often its component is instantiated."""
        key = (definition.start, definition.end)
        index = self._by_range.get(key)
        if index is None:
            index = self._by_range[key] = len(self.modules)
            core = read_core_module(self._data, *key)
            exports = {export.name: export for export in core.exports}
            if len(exports) != len(core.exports):
                raise BinaryError("core module exports a name twice", offset=definition.offset)
            _check_start(core, definition.offset)
            self.modules.append(ModulePlan(*key))
            self.cores.append(core)
            self._exports.append(exports)
        return ModuleIndex(index)

    def instantiate(self, scope: Scope, definition: defs.CoreInstantiate) -> CoreInstanceValue:
        """Add an instantiation.

        Raises:
            BinaryError: an import is missing or of another type, or a bound is reached.
        """
        offset = definition.offset
        module = scope.get(Sort.CORE_MODULE, definition.module, offset)
        if not isinstance(module, ModuleIndex):
            raise BinaryError("an imported core module cannot be instantiated", offset=offset)
        given: dict[str, CoreInstanceValue] = {}
        for argument in definition.arguments:
            instance = scope.get(Sort.CORE_INSTANCE, argument.instance, offset)
            assert isinstance(instance, CoreInstanceValue)
            if argument.name in given:
                raise BinaryError(f"argument {argument.name!r} stands twice", offset=offset)
            given[argument.name] = instance
        sources = self._sources(module.index, given, offset)
        slot = len(self.steps)
        self._count(module.index, offset)
        self.steps.append(CoreStep(slot, module.index, sources, offset))
        return CoreInstanceValue(
            {
                export.name: FromInstance(slot, export.name, export.kind)
                for export in self.cores[module.index].exports
            }
        )

    def _sources(
        self, module: int, given: dict[str, CoreInstanceValue], offset: int
    ) -> tuple[CoreSource, ...]:
        core = self.cores[module]
        sources: list[CoreSource] = []
        for wanted in core.imports:
            place = f"import {wanted.module!r} {wanted.name!r} of core module {module}"
            instance = given.get(wanted.module)
            source = None if instance is None else instance.exports.get(wanted.name)
            if source is None:
                raise BinaryError(f"no argument provides the {place}", offset=offset)
            if _sort(source) is not _SORTS[wanted.kind]:
                raise BinaryError(f"the {place} is no {wanted.kind.value}", offset=offset)
            if wanted.type_index is not None and wanted.kind is ExternKind.FUNCTION:
                expected, found = core.signature(wanted.type_index), self.signature(source)
                if expected is not None and not _fits(found, expected):
                    raise BinaryError(
                        f"the {place} is {expected}, the argument is {found}", offset=offset
                    )
            sources.append(source)
        return tuple(sources)

    def _count(self, module: int, offset: int) -> None:
        core = self.cores[module]
        self._memories += len(core.memories) - core.imported_memories
        self._tables += len(core.tables) - core.imported_tables
        for count, limit, what in (
            (len(self.steps) + 1, CORE_INSTANCES_MAX, "core instances"),
            (self._memories, MEMORIES_MAX, "memories"),
            (self._tables, TABLES_MAX, "tables"),
        ):
            if count > limit:
                raise BinaryError(f"more than {limit} {what}", offset=offset)

    def inline(self, scope: Scope, definition: defs.CoreInline) -> CoreInstanceValue:
        """Return a bundle of core definitions."""
        exports: dict[str, CoreSource] = {}
        for export in definition.exports:
            if export.name in exports:
                raise BinaryError(f"{export.name!r} stands twice", offset=definition.offset)
            exports[export.name] = _source(
                scope.find(export.target, definition.offset), definition.offset
            )
        return CoreInstanceValue(exports)

    def alias(self, scope: Scope, alias: defs.AliasCoreExport) -> CoreSource:
        """Return an export of a core instance."""
        instance = scope.get(Sort.CORE_INSTANCE, alias.instance, alias.offset)
        assert isinstance(instance, CoreInstanceValue)
        source = instance.exports.get(alias.name)
        if source is None or _sort(source) is not alias.sort:
            raise BinaryError(
                f"core instance {alias.instance} exports no {alias.sort.value} {alias.name!r}",
                offset=alias.offset,
            )
        return source

    def function(self, scope: Scope, index: int, offset: int) -> CoreSource:
        """Return the core function of that index."""
        source = scope.get(Sort.CORE_FUNCTION, index, offset)
        assert isinstance(source, FromInstance | FromLowering | FromResource)
        return source

    def signature(self, source: CoreSource) -> FunctionSignature | None:
        """Return the type of a core function; None for types of proposals we do not read."""
        if not isinstance(source, FromInstance):
            return self._made_signature(source)
        module = self.steps[source.slot].module
        export = self._exports[module][source.name]
        return self.cores[module].function_signature(export.index)

    def check(
        self, source: CoreSource, expected: FunctionSignature, what: str, offset: int
    ) -> None:
        """Check the type of a core function.

        Adapters call without a check at run time, so this one protects the process.

        Raises:
            BinaryError: another type.
        """
        found = self.signature(source)
        if found != expected:
            raise BinaryError(
                f"the {what} has core type {found}, expected {expected}", offset=offset
            )

    def memory(self, scope: Scope, index: int, offset: int) -> FromInstance:
        """Return a memory that adapters can use.

        Raises:
            BinaryError: a 64-bit or shared one.
        """
        source = scope.get(Sort.CORE_MEMORY, index, offset)
        assert isinstance(source, FromInstance)
        module = self.steps[source.slot].module
        export = self._exports[module][source.name]
        memories: tuple[MemoryType, ...] = self.cores[module].memories
        if export.index >= len(memories):
            raise BinaryError(f"memory {source.name!r} does not exist", offset=offset)
        if memories[export.index].is_64 or memories[export.index].is_shared:
            raise BinaryError("64-bit and shared memories cannot hold values", offset=offset)
        return source


def _check_start(core: CoreModule, offset: int) -> None:
    # Start functions are called by us, so wasmtime does not check that there is nothing to pass.
    if core.start_function is None:
        return
    found = core.function_signature(core.start_function)
    if found is None or found.parameters or found.results:
        raise BinaryError(
            f"core module starts with a function of type {found}, expected () -> ()", offset=offset
        )


def _fits(found: FunctionSignature | None, expected: FunctionSignature) -> bool:
    # Reference types are compared by wasmtime when it links.
    if found is None or "ref" in (*found.parameters, *found.results):
        return True
    return found == expected


def _sort(source: CoreSource) -> Sort:
    return _SORTS[source.kind] if isinstance(source, FromInstance) else Sort.CORE_FUNCTION


def _source(entity: Entity, offset: int) -> CoreSource:
    if isinstance(entity, FromInstance | FromLowering | FromResource):
        return entity
    raise BinaryError("expected a core function, table, memory, global or tag", offset=offset)
