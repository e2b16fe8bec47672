"""What all stores of one engine share: wasmtime's engine, compiled modules, ticks, admission."""

from pathlib import Path
from typing import Final, Protocol, final

import wasmtime

from actors.engine import bindings
from actors.engine.bindings import Address
from actors.engine.configuration import address_of, new_engine
from actors.engine.errors import CapacityError, EngineInternalError
from actors.engine.limits import MAPS_SHARE
from actors.engine.module_cache import ModuleCache
from actors.engine.store import wait_callback
from actors.engine.ticks import Ticks

__all__ = ["Machine"]

_MAX_MAP_COUNT: Final = Path("/proc/sys/vm/max_map_count")
_MAPS_UNLIMITED: Final = 1 << 20
_MAPS_PER_FIBER: Final = 2
_MAPS_PER_MEMORY: Final = 2


class Living(Protocol):
    """An open instance."""

    @property
    def memory_bytes(self) -> int:
        """The size of all its linear memories."""
        ...


@final
class Machine:
    """Thread-safe as far as compiling goes; stores belong to one event loop."""

    def __init__(self, cache_directory: Path | None) -> None:
        bindings.check_layouts()
        self._engine = new_engine()
        self.address: Address = address_of(self._engine)
        self.modules = ModuleCache(self._engine, cache_directory)
        self._wait_type = wasmtime.FuncType([], [])
        self.waiting: Address = bindings.linker_new(self.address)
        error = bindings.linker_define_async(
            self.waiting,
            b"",
            0,
            b"wait",
            4,
            address_of(self._wait_type),
            wait_callback,
            None,
            None,
        )
        if error:
            raise EngineInternalError(bindings.take_error(error))
        self._maps_max = int(_map_limit() * MAPS_SHARE)
        self._maps = 0
        self.live_count = 0
        # Open instances, by the digest of their component.
        self.living: dict[str, set[Living]] = {}
        self.ticks = Ticks(self.address)

    def admit(self, memories: int) -> int:
        """Count an instance in, and return what to give to `release`.

        Raises:
            CapacityError: one more could exhaust the memory mappings of the process.
        """
        maps = self.reserve(memories)
        self.live_count += 1
        return maps

    def reserve(self, memories: int) -> int:
        """Like `admit`, for a store in which nothing runs; give the outcome to `give_back`."""
        maps = _MAPS_PER_FIBER + _MAPS_PER_MEMORY * memories
        if self._maps + maps > self._maps_max:
            raise CapacityError(
                f"{self.live_count} instances are live, which is all that this process can hold: "
                "suspend some, start another executor, or raise vm.max_map_count"
            )
        self._maps += maps
        return maps

    def give_back(self, maps: int) -> None:
        """End a reservation."""
        self._maps -= maps

    def release(self, maps: int) -> None:
        """Count an instance out."""
        self.give_back(maps)
        self.live_count -= 1

    def close(self) -> None:
        """Stop the ticks. Instances must be closed before."""
        self.ticks.stop()
        waiting, self.waiting = self.waiting, 0
        if waiting:
            bindings.linker_delete(waiting)


def _map_limit() -> int:
    try:
        return int(_MAX_MAP_COUNT.read_text())
    except (OSError, ValueError):
        # Systems without this file have no such limit.
        return _MAPS_UNLIMITED
