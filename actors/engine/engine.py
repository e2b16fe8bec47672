"""The engine: from bytes to a component that can be linked."""

import asyncio
import hashlib
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Final, final

from actors.engine.core.expose import expose
from actors.engine.core.reader import read_core_module
from actors.engine.errors import ComponentError
from actors.engine.machine import Machine
from actors.engine.module_cache import CompiledModule
from actors.engine.plan.evaluate import make_plan
from actors.engine.port import HostResolver, Progress
from actors.engine.preparation import PreparationCache, Prepared, PreparedModule
from actors.engine.program import LinkedProgram
from actors.engine.validate import validate
from wit.binary import parse
from wit.component import describe
from wit.errors import BinaryError
from wit.world import World

__all__ = ["LoadedComponent", "WasmtimeEngine", "prepare"]

_COMPILING_THREADS: Final = 2


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

    @property
    def world(self) -> World:
        """Its imports and exports."""
        return self._prepared.world

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

    `cache_directory` keeps compiled code between runs; it must be as trusted as the program itself.
    """

    def __init__(self, cache_directory: Path | None = None) -> None:
        self._machine = Machine(cache_directory)
        self._preparations = PreparationCache(cache_directory)
        self._threads = ThreadPoolExecutor(_COMPILING_THREADS, thread_name_prefix="engine-compile")

    @property
    def live_count(self) -> int:
        """How many instances are open."""
        return self._machine.live_count

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

        return await loop.run_in_executor(self._threads, self._load, data, report)

    def _load(self, data: bytes, report: Progress) -> LoadedComponent:
        digest = hashlib.sha256(data).hexdigest()
        prepared = self._preparations.read(digest)
        if prepared is None:
            prepared = prepare(data)
            self._preparations.write(digest, prepared)
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
    except BinaryError as error:
        raise ComponentError(str(error)) from error
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
                core.has_passive_segments,
            )
        )
    return Prepared(world, plan, tuple(modules))


def _code(data: bytes, module: PreparedModule) -> bytes:
    core = read_core_module(data, module.start, module.end)
    return expose(data, module.start, module.end, core).data
