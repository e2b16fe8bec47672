"""What all stores of one engine share: wasmtime's engine, compiled modules, ticks, admission."""

import resource
from pathlib import Path
from typing import Final, Protocol, final

import wasmtime

from actors.engine import bindings
from actors.engine.bindings import Address
from actors.engine.configuration import address_of, new_engine
from actors.engine.errors import CapacityError, EngineInternalError
from actors.engine.limits import (
    ADDRESS_SPACE_BYTES,
    ADDRESSES_SHARE,
    MAPS_SHARE,
    MEMORY_GUARD_BYTES,
    MEMORY_RESERVATION_BYTES,
)
from actors.engine.module_cache import ModuleCache
from actors.engine.store import wait_callback
from actors.engine.ticks import Ticks

__all__ = ["Machine"]

_MAX_MAP_COUNT: Final = Path("/proc/sys/vm/max_map_count")
_MAPS_UNLIMITED: Final = 1 << 20
_MAPS_PER_FIBER: Final = 2
_MAPS_PER_MEMORY: Final = 2
_BYTES_PER_MEMORY: Final = MEMORY_RESERVATION_BYTES + 2 * MEMORY_GUARD_BYTES


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
        self._memories_max = int(_address_space() * ADDRESSES_SHARE) // _BYTES_PER_MEMORY
        self._stores = self._memories = 0
        self.live_count = 0
        # Open instances, by the digest of their component.
        self.living: dict[str, set[Living]] = {}
        self.ticks = Ticks(self.address)

    def admit(self, memories: int) -> None:
        """Count an instance in, until `release`.

        Raises:
            CapacityError: one more could exhaust what the process can map or address.
        """
        self.reserve(memories)
        self.live_count += 1

    def reserve(self, memories: int) -> None:
        """Like `admit`, for a store in which nothing runs, until `give_back`."""
        stores, memories = self._stores + 1, self._memories + memories
        helps = ""
        if _MAPS_PER_FIBER * stores + _MAPS_PER_MEMORY * memories > self._maps_max:
            helps = "start another executor, or raise vm.max_map_count"
        elif memories > self._memories_max:
            helps = "start another executor; a limit of its address space (ulimit -v) is too low"
        if helps:
            raise CapacityError(
                f"{self.live_count} instances are live, which is all that this process can hold: "
                f"suspend some, {helps}"
            )
        self._stores, self._memories = stores, memories

    def give_back(self, memories: int) -> None:
        """End a reservation."""
        self._stores -= 1
        self._memories -= memories

    def release(self, memories: int) -> None:
        """Count an instance out."""
        self.give_back(memories)
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


def _address_space() -> int:
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    unlimited = limit == resource.RLIM_INFINITY
    return ADDRESS_SPACE_BYTES if unlimited else min(limit, ADDRESS_SPACE_BYTES)
