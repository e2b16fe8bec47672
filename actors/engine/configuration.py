"""The one engine configuration, and its fingerprint.

Compiled code is only valid under the configuration that it was compiled with, so there is one, and
its fingerprint is part of every cache key.
"""

import ctypes
import hashlib
import platform
from pathlib import Path
from typing import Any, Final

import wasmtime

from actors.engine import bindings
from actors.engine.limits import (
    ASYNC_STACK_BYTES,
    MEMORY_GUARD_BYTES,
    MEMORY_RESERVATION_BYTES,
    WASM_STACK_BYTES,
)

__all__ = ["CODE_KEY", "MEANING_KEY", "address_of", "new_engine"]

_PROCESSORS: Final = Path("/proc/cpuinfo")
_SETTINGS: Final[dict[str, bool | int | str]] = {
    # Floating-point results must be the same at replay, on any machine.
    "cranelift_nan_canonicalization": True,
    "wasm_relaxed_simd_deterministic": True,
    # Guests yield and end at epochs.
    "epoch_interruption": True,
    # Views of guest memory stay valid as long as their store lives.
    "memory_may_move": False,
    "memory_reservation": MEMORY_RESERVATION_BYTES,
    "memory_guard_size": MEMORY_GUARD_BYTES,
    "memory_init_cow": True,
    "max_wasm_stack": WASM_STACK_BYTES,
    "cranelift_opt_level": "speed",
    "parallel_compilation": True,
    # Shared memories would let another thread change what an adapter has checked.
    "wasm_threads": False,
}


def new_engine() -> wasmtime.Engine:
    """Make a wasmtime engine with the fixed configuration."""
    config: Any = wasmtime.Config()
    for name, value in _SETTINGS.items():
        setattr(config, name, value)
    bindings.config_async_stack_size(address_of(config), ASYNC_STACK_BYTES)
    return wasmtime.Engine(config)


def address_of(managed: Any) -> bindings.Address:
    """Return the address of the C object behind an object of the wasmtime package."""
    address = ctypes.cast(managed.ptr(), ctypes.c_void_p).value
    assert address is not None
    return address


def _processor_features() -> str:
    """Return what the processor can do, as far as the system says: code may use all of it."""
    try:
        lines = _PROCESSORS.read_text().splitlines()
    except OSError:
        return ""
    for line in lines:
        name, _, value = line.partition(":")
        if name.strip() in {"flags", "Features"}:
            return " ".join(sorted(value.split()))
    return ""


def _code_key() -> str:
    settings = sorted([*_SETTINGS.items(), ("async_stack_size", ASYNC_STACK_BYTES)])
    text = f"{bindings.WASMTIME_VERSION} {platform.machine()} {_processor_features()} {settings}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


_MEANINGS: Final = (
    "cranelift_nan_canonicalization",
    "wasm_relaxed_simd_deterministic",
    "wasm_threads",
)

CODE_KEY: Final = _code_key()
"""What compiled code depends on besides its source: wasmtime, processor and configuration."""

MEANING_KEY: Final = hashlib.sha256(
    str([(name, _SETTINGS[name]) for name in _MEANINGS]).encode()
).hexdigest()[:16]
"""The settings that decide what a guest computes: what a saved instance depends on."""
