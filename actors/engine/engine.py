"""The engine: from bytes to a component that can be linked."""

import asyncio
import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar, final

from actors.engine.configuration import CODE_KEY
from actors.engine.core.expose import expose
from actors.engine.core.reader import read_core_module
from actors.engine.errors import ComponentError
from actors.engine.machine import Machine
from actors.engine.module_cache import CompiledModule
from actors.engine.plan.evaluate import make_plan
from actors.engine.port import (
    CodeReport,
    EngineReport,
    HostResolver,
    ModuleReport,
    Progress,
    SharedCode,
)
from actors.engine.preparation import (
    PreparationCache,
    Prepared,
    PreparedModule,
    from_bytes,
    preparation_name,
    to_bytes,
)
from actors.engine.program import LinkedProgram
from actors.engine.sharing import pack, unpack
from actors.engine.validate import validate
from actors.engine.validate.idle_modules import validate_idle_modules
from wit.binary import parse
from wit.component import describe
from wit.errors import BinaryError
from wit.world import World

__all__ = ["LoadedComponent", "WasmtimeEngine", "prepare"]

_COMPILING_THREADS: Final = 2
_FETCHES_MAX: Final = 4
_PAGE_BYTES: Final = 1 << 16

Result = TypeVar("Result")


@final
class LoadedComponent:
    """Implements `actors.engine.port.Component`."""

    def __init__(
        self, machine: Machine, digest: str, prepared: Prepared, modules: list[CompiledModule]
    ) -> None:
        self._machine = machine
        self._digest = digest
        self._prepared = prepared
        self._modules = modules
        for module in modules:
            module.users.add(self)

    @property
    def world(self) -> World:
        """Its imports and exports."""
        return self._prepared.world

    @property
    def code(self) -> CodeReport:
        """What it consists of, and costs."""
        modules = {
            prepared.key: ModuleReport(
                digest=prepared.key,
                size=prepared.end - prepared.start,
                code_size=compiled.code_size,
                users=len(compiled.users),
            )
            for prepared, compiled in zip(self._prepared.modules, self._modules, strict=True)
        }
        living = self._machine.living.get(self._digest, ())
        return CodeReport(
            modules=tuple(modules.values()),
            memory_size=self._prepared.memory_size,
            instances=len(living),
            instances_size=sum(instance.memory_bytes for instance in living),
        )

    @property
    def digest(self) -> str:
        """SHA-256 of its bytes, in hex."""
        return self._digest

    def link(self, resolver: HostResolver) -> LinkedProgram:
        """Bind all imports.

        Raises:
            MissingImportsError: names every import that the host has no implementation for.
        """
        return LinkedProgram(self._machine, self._digest, self._prepared, self._modules, resolver)


@final
class WasmtimeEngine:
    """Implements `actors.engine.port.Engine`.

    `cache_directory` keeps compiled code between runs, `shared` between machines; both must be as
    trusted as the program itself.
    """

    def __init__(
        self, cache_directory: Path | None = None, shared: SharedCode | None = None
    ) -> None:
        self._machine = Machine(cache_directory)
        self._machine.modules.keeps_fresh = shared is not None
        self._shared = shared
        self._preparations = PreparationCache(cache_directory)
        self._threads = ThreadPoolExecutor(_COMPILING_THREADS, thread_name_prefix="engine-compile")

    @property
    def live_count(self) -> int:
        """How many instances are open."""
        return self._machine.live_count

    @property
    def report(self) -> EngineReport:
        """What it has compiled or found compiled, and what it holds. May be asked by any thread."""
        modules = self._machine.modules
        return EngineReport(
            compiled=modules.compiled_count,
            read=modules.read_count,
            adopted=modules.adopted_count,
            reused=modules.reused_count,
            code_size=modules.code_size,
            instances=self._machine.live_count,
        )

    async def load(self, data: bytes, *, progress: Progress | None = None) -> LoadedComponent:
        """Validate and compile off the event loop; compiled modules are cached by content on disk.

        Raises:
            ComponentError: no component, malformed, or using what this engine refuses (async
                built-ins, WASI 0.3), with the place.
        """
        loop = asyncio.get_running_loop()

        def report(done: int, total: int) -> None:
            if progress is not None:
                loop.call_soon_threadsafe(progress, done, total)

        digest, prepared = await self._in_thread(self._known, data)
        if prepared is None:
            prepared = await self._prepare(data, digest)
        if self._shared is not None:
            await self._fetch_all(self._shared, [module.key for module in prepared.modules])
        component = await self._in_thread(self._compile, data, digest, prepared, report)
        if self._shared is not None:
            await self._publish(self._shared, [module.key for module in prepared.modules])
        return component

    async def _in_thread(self, work: Callable[..., Result], *arguments: Any) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)

    def _known(self, data: bytes) -> tuple[str, Prepared | None]:
        digest = hashlib.sha256(data).hexdigest()
        return digest, self._preparations.read(digest)

    async def _prepare(self, data: bytes, digest: str) -> Prepared:
        shared, name = self._shared, f"plan/{preparation_name(digest)}"
        packed = None if shared is None else await shared.get(name)
        prepared = None if packed is None else await self._in_thread(_unpacked, packed)
        if prepared is None:
            prepared = await self._in_thread(prepare, data)
            if shared is not None:
                await shared.put(name, await self._in_thread(pack, to_bytes(prepared)))
        await self._in_thread(self._preparations.write, digest, prepared)
        return prepared

    async def _fetch_all(self, shared: SharedCode, keys: list[str]) -> None:
        limit = asyncio.Semaphore(_FETCHES_MAX)

        async def fetch(key: str) -> None:
            async with limit:
                packed = await shared.get(_code_name(key))
                if packed is not None:
                    await self._in_thread(self._adopt, key, packed)

        modules = self._machine.modules
        async with asyncio.TaskGroup() as tasks:
            for key in dict.fromkeys(keys):
                if not modules.has(key):
                    tasks.create_task(fetch(key))

    def _adopt(self, key: str, packed: bytes) -> None:
        code = unpack(packed)
        if code is not None:
            self._machine.modules.adopt(key, code)

    async def _publish(self, shared: SharedCode, keys: list[str]) -> None:
        for key in keys:
            code = self._machine.modules.take_compiled(key)
            if code is not None:
                await shared.put(_code_name(key), await self._in_thread(pack, code))

    def _compile(
        self, data: bytes, digest: str, prepared: Prepared, report: Progress
    ) -> LoadedComponent:
        total = len(prepared.modules)
        report(0, total)
        modules: list[CompiledModule] = []
        for module in prepared.modules:
            modules.append(self._machine.modules.get(module.key, partial(_code, data, module)))
            report(len(modules), total)
        return LoadedComponent(self._machine, digest, prepared, modules)

    def close(self) -> None:
        """Stop its threads. Instances must be closed before."""
        self._threads.shutdown(cancel_futures=True)
        self._machine.close()


def _code_name(key: str) -> str:
    return f"code/{key}-{CODE_KEY}"


def _unpacked(packed: bytes) -> Prepared | None:
    data = unpack(packed)
    return None if data is None else from_bytes(data)


def prepare(data: bytes) -> Prepared:
    """Read, validate and plan a component.

    Raises:
        ComponentError: it is no component, or invalid, or uses what this engine refuses, with the
            offset.
    """
    try:
        component = parse(data)
        validate(data, component)
        world = describe(component)
        plan, cores = make_plan(data, component)
        compiled = frozenset((module.start, module.end) for module in plan.modules)
        validate_idle_modules(data, component, compiled)
    except BinaryError as error:
        raise ComponentError(str(error)) from error
    except RecursionError as error:
        raise ComponentError(
            "types or instances lie inside each other deeper than can be followed (at byte 0x0)"
        ) from error
    modules: list[PreparedModule] = []
    for module, core in zip(plan.modules, cores, strict=True):
        exposed = expose(data, module.start, module.end, core)
        key = hashlib.sha256(exposed.data).hexdigest()
        modules.append(
            PreparedModule(
                key,
                module.start,
                module.end,
                exposed.state,
                exposed.functions,
                exposed.start,
                exposed.again,
                exposed.hides_drops,
                exposed.refused,
                exposed.hides_grows,
            )
        )
    pages = sum(
        memory.minimum
        for step in plan.steps
        for memory in cores[step.module].memories[cores[step.module].imported_memories :]
    )
    return Prepared(world, plan, tuple(modules), pages * _PAGE_BYTES)


def _code(data: bytes, module: PreparedModule) -> bytes:
    core = read_core_module(data, module.start, module.end)
    return expose(data, module.start, module.end, core).data
