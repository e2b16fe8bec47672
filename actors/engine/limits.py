"""Bounds of the engine. Each protects the process from a guest, or the machine from the process."""

from typing import Final

__all__ = [
    "ADAPTER_DEPTH_MAX",
    "ADAPTER_TYPES_MAX",
    "ADDRESSES_SHARE",
    "ADDRESS_SPACE_BYTES",
    "ASYNC_STACK_BYTES",
    "COMPONENT_INSTANCES_MAX",
    "CORE_INSTANCES_MAX",
    "FLAT_PARAMETERS_MAX",
    "FLAT_RESULTS_MAX",
    "HANDLES_MAX",
    "INSTANTIATION_DEPTH_MAX",
    "MAPS_SHARE",
    "MEMORIES_MAX",
    "MEMORY_GUARD_BYTES",
    "MEMORY_RESERVATION_BYTES",
    "NESTED_TICKS_MAX",
    "RARE_TICK_S",
    "STRING_BYTES_MAX",
    "TABLES_MAX",
    "TICK_S",
    "WASM_STACK_BYTES",
]

FLAT_PARAMETERS_MAX: Final = 16
"""More core parameters than this travel through memory (canonical ABI)."""

FLAT_RESULTS_MAX: Final = 1
"""More core results than this travel through memory (canonical ABI)."""

STRING_BYTES_MAX: Final = (1 << 31) - 1
"""Longest string or list in a guest's memory (canonical ABI)."""

HANDLES_MAX: Final = 1 << 20
"""Live handles of one component instance."""

COMPONENT_INSTANCES_MAX: Final = 1_000
"""Component instances that one component makes, nested ones included."""

CORE_INSTANCES_MAX: Final = 1_000
"""Core module instances that one component makes."""

INSTANTIATION_DEPTH_MAX: Final = 64
"""Instantiations inside instantiations."""

ADAPTER_TYPES_MAX: Final = 100_000
"""Parts of all types, together, in calls between the components inside one component."""

ADAPTER_DEPTH_MAX: Final = 32
"""How often what a component lowers may be lifted again."""

MEMORIES_MAX: Final = 64
"""Linear memories of one instance."""

TABLES_MAX: Final = 1_000
"""Tables of one instance."""

MEMORY_RESERVATION_BYTES: Final = 1 << 32
"""Address space of each memory, all that 32 bits can name.

Memories never move, and an access beyond the end of one faults, so that none has to be checked.
"""

MEMORY_GUARD_BYTES: Final = 1 << 25
"""Unmapped space before and after each reservation, for constant offsets."""

WASM_STACK_BYTES: Final = 1 << 19
"""Stack for guest code. Past it: the trap `stack-overflow`."""

ASYNC_STACK_BYTES: Final = 1 << 22
"""Stack of a fiber: guest code plus the host functions that it calls. Address space, not memory."""

TICK_S: Final = 0.01
"""A guest that computes for long does so at most about this long before others get their turn."""

RARE_TICK_S: Final = 0.05
"""The same, where no guest has computed for longer than `TICK_S` in the last second."""

NESTED_TICKS_MAX: Final = 50
"""How many ticks guest code may take where it cannot be sliced: allocation, post-return, and
destructors called by the host in mid-call. Past it: the trap `limit`."""

MAPS_SHARE: Final = 0.75
"""Which part of the machine's limit of memory mappings per process live instances may take.

Past the machine's limit an allocation fails in the middle of wasmtime, which ends the process.
"""

ADDRESS_SPACE_BYTES: Final = 1 << 47
"""What a process can address."""

ADDRESSES_SHARE: Final = 0.75
"""Which part of that, or of the process's own limit, the memories of live instances may take."""
