"""Compiled core modules by content, in memory and on disk.

Modules that are equal byte for byte are compiled once, whichever component they come from: all
Python guests share one interpreter. The directory holds native code and must be as trusted as the
program itself.
"""

import contextlib
import ctypes
import threading
from collections.abc import Callable
from pathlib import Path
from typing import final
from weakref import WeakSet, WeakValueDictionary

import wasmtime

from actors.engine import bindings
from actors.engine.configuration import CODE_KEY, address_of
from actors.engine.errors import ComponentError
from actors.engine.files import write_whole

__all__ = ["CompiledModule", "ModuleCache"]

_SUFFIX = ".cwasm"


@final
class CompiledModule:
    """A compiled module, usable as long as this object lives."""

    # The module itself has a finalizer, which runs before weak references to it are cleared: the
    # cache could hand out a closed one. This holder has none.
    __slots__ = ("__weakref__", "_module", "address", "users")

    def __init__(self, module: wasmtime.Module) -> None:
        self._module = module
        self.address = address_of(module)
        # Whoever runs it: the components that are loaded.
        self.users: WeakSet[object] = WeakSet()

    @property
    def code_size(self) -> int:
        """The bytes of compiled code and its tables."""
        limits = (ctypes.c_uint64 * 2)()
        start = ctypes.addressof(limits)
        bindings.module_image_range(self.address, start, start + 8)
        size: int = limits[1] - limits[0]
        return size


@final
class ModuleCache:
    """Thread-safe. Modules nobody uses any more are dropped from memory, never from disk."""

    def __init__(self, engine: wasmtime.Engine, directory: Path | None) -> None:
        self._engine = engine
        self._directory = directory
        self._lock = threading.Lock()
        self._loaded: WeakValueDictionary[str, CompiledModule] = WeakValueDictionary()
        self._compiling: dict[str, threading.Lock] = {}
        self._adopted: dict[str, wasmtime.Module] = {}
        # Compiled here and not taken by `take_compiled` yet.
        self._fresh: dict[str, bytes] = {}
        self.keeps_fresh = False
        self.compiled_count = self.read_count = self.adopted_count = self.reused_count = 0
        if directory is not None:
            directory.mkdir(parents=True, exist_ok=True)

    def get(self, key: str, code: Callable[[], bytes]) -> CompiledModule:
        """Return the compiled module whose bytes have the SHA-256 `key` and are made by `code`.

        Blocks; compiling releases the interpreter.

        Raises:
            ComponentError: wasmtime does not accept the module.
        """
        with self._lock:
            module = self._loaded.get(key)
            if module is not None:
                self.reused_count += 1
                return module
            own = self._compiling.setdefault(key, threading.Lock())
        with own:
            with self._lock:
                module = self._loaded.get(key)
            if module is None:
                adopted = self._adopted.pop(key, None)
                module = CompiledModule(adopted or self._read(key) or self._compile(key, code()))
                with self._lock:
                    self._loaded[key] = module
            with self._lock:
                self._compiling.pop(key, None)
        return module

    @property
    def code_size(self) -> int:
        """The bytes of compiled code in memory, each module once."""
        with self._lock:
            return sum([module.code_size for module in self._loaded.values()])

    def has(self, key: str) -> bool:
        """Return whether `get` would find the module, unless its file is damaged."""
        with self._lock:
            if key in self._loaded or key in self._adopted:
                return True
        path = self._path(key)
        return path is not None and path.exists()

    def adopt(self, key: str, code: bytes) -> bool:
        """Take over what another process compiled; False if it is of no use here.

        The bytes must be as trusted as the program itself.
        """
        try:
            module = wasmtime.Module.deserialize(self._engine, code)
        except wasmtime.WasmtimeError:
            return False
        with self._lock:
            self._adopted[key] = module
            self.adopted_count += 1
        path = self._path(key)
        if path is not None:
            # The next process maps the file instead of copying it.
            with contextlib.suppress(OSError):
                write_whole(path, code)
                with self._lock:
                    del self._adopted[key]
        return True

    def take_compiled(self, key: str) -> bytes | None:
        """Return the code of a module that was compiled here, once, for others to adopt."""
        with self._lock:
            return self._fresh.pop(key, None)

    def _path(self, key: str) -> Path | None:
        if self._directory is None:
            return None
        return self._directory / f"{key}-{CODE_KEY}{_SUFFIX}"

    def _read(self, key: str) -> wasmtime.Module | None:
        path = self._path(key)
        if path is None or not path.exists():
            return None
        try:
            module = wasmtime.Module.deserialize_file(self._engine, str(path))
        except wasmtime.WasmtimeError:
            # Torn, or compiled for a processor with other features: compiling replaces it.
            return None
        self.read_count += 1
        return module

    def _compile(self, key: str, data: bytes) -> wasmtime.Module:
        try:
            module = wasmtime.Module(self._engine, data)
        except wasmtime.WasmtimeError as error:
            raise ComponentError(f"a core module of the component is invalid: {error}") from error
        self.compiled_count += 1
        path = self._path(key)
        if path is None and not self.keeps_fresh:
            return module
        compiled = bytes(module.serialize())
        if self.keeps_fresh:
            with self._lock:
                self._fresh[key] = compiled
        if path is not None:
            # A full disk or a read-only directory costs the next start a compilation, nothing else.
            with contextlib.suppress(OSError):
                write_whole(path, compiled)
        return module
