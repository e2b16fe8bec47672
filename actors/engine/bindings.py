"""The raw door to wasmtime's C API: prototypes on plain addresses, and the sizes of its structures.

The prototypes of the wasmtime package take typed pointers, whose conversion costs more than most of
the calls. Those here take and return addresses as integers. Sizes and constants belong to the one
pinned version; `check_layouts` compares them with the package's own declarations.
"""

import ctypes
from collections.abc import Callable
from ctypes import CFUNCTYPE, PYFUNCTYPE, c_bool, c_char_p, c_size_t, c_uint64, c_void_p
from importlib.metadata import version
from typing import Any, Final, TypeAlias

from wasmtime import _bindings, _ffi

from actors.engine.errors import EngineInternalError

__all__ = [
    "ASYNC_CALLBACK",
    "CALLBACK",
    "CONTINUATION",
    "DEADLINE_CALLBACK",
    "EXTERN_BYTES",
    "EXTERN_PAYLOAD_OFFSET",
    "INSTANCE_BYTES",
    "SLOT_BYTES",
    "VALUE_BYTES",
    "VALUE_PAYLOAD_OFFSET",
    "WASMTIME_VERSION",
    "Address",
    "check_layouts",
    "take_error",
    "take_trap",
    "u64_at",
]

Address: TypeAlias = int
"""An address in this process, as an integer."""

WASMTIME_VERSION: Final = "50.0.1"

EXTERN_BYTES: Final = 32
"""Size of `wasmtime_extern_t`."""

EXTERN_PAYLOAD_OFFSET: Final = 8
"""Where the function, memory, table or global starts in a `wasmtime_extern_t`."""

INSTANCE_BYTES: Final = 16
"""Size of `wasmtime_instance_t`."""

VALUE_BYTES: Final = 32
"""Size of `wasmtime_val_t`, which checked calls take."""

VALUE_PAYLOAD_OFFSET: Final = 8
"""Where the payload starts in a `wasmtime_val_t`; its kind is the first byte."""

SLOT_BYTES: Final = 16
"""Size of `wasmtime_val_raw_t`, which unchecked calls and callbacks take."""

_DLL: Any = _ffi.dll


# The C API's functions carry no types of their own; the prototypes below give them.
def _prototype(make: Callable[..., Any], name: str, result: Any, *arguments: Any) -> Any:
    return make(result, *arguments)((name, _DLL))


def _function(name: str, result: Any, *arguments: Any) -> Any:
    """Return a function that runs without the interpreter lock, as it may run guest code."""
    return _prototype(CFUNCTYPE, name, result, *arguments)


def _quick(name: str, result: Any, *arguments: Any) -> Any:
    """Return a function that keeps the interpreter lock: it neither blocks nor runs guest code.

    Half the cost of `_function`.
    """
    return _prototype(PYFUNCTYPE, name, result, *arguments)


CALLBACK: Any = CFUNCTYPE(c_void_p, c_void_p, c_void_p, c_void_p, c_size_t)
"""(environment, caller, slots, slot count) -> trap or None."""

ASYNC_CALLBACK: Any = CFUNCTYPE(
    None, c_void_p, c_void_p, c_void_p, c_size_t, c_void_p, c_size_t, c_void_p, c_void_p
)
"""(environment, caller, arguments, count, results, count, trap out, continuation out)."""

CONTINUATION: Any = CFUNCTYPE(c_bool, c_void_p)
"""(environment) -> whether the fiber may go on."""

DEADLINE_CALLBACK: Any = CFUNCTYPE(c_size_t, c_void_p, c_void_p, c_void_p, c_void_p)
"""(context, environment, ticks out, kind out) -> error or 0."""

UPDATE_DEADLINE_CONTINUE: Final = 0
UPDATE_DEADLINE_YIELD: Final = 1

store_new = _function("wasmtime_store_new", c_void_p, c_void_p, c_void_p, c_void_p)
store_context = _quick("wasmtime_store_context", c_void_p, c_void_p)
store_delete = _function("wasmtime_store_delete", None, c_void_p)
store_limiter = _quick("wasmtime_store_limiter", None, c_void_p, *[ctypes.c_int64] * 5)
store_deadline_callback = _quick(
    "wasmtime_store_epoch_deadline_callback", None, c_void_p, DEADLINE_CALLBACK, c_void_p, c_void_p
)
set_epoch_deadline = _quick("wasmtime_context_set_epoch_deadline", None, c_void_p, c_uint64)
increment_epoch = _quick("wasmtime_engine_increment_epoch", None, c_void_p)

function_new = _quick("wasmtime_func_new_unchecked", None, *[c_void_p] * 6)
function_call = _function(
    "wasmtime_func_call_unchecked", c_void_p, c_void_p, c_void_p, c_void_p, c_size_t, c_void_p
)
function_call_async = _quick(
    "wasmtime_func_call_async",
    c_void_p,
    c_void_p,
    c_void_p,
    c_void_p,
    c_size_t,
    c_void_p,
    c_size_t,
    c_void_p,
    c_void_p,
)
future_poll = _function("wasmtime_call_future_poll", c_bool, c_void_p)
future_delete = _function("wasmtime_call_future_delete", None, c_void_p)

instance_new = _function(
    "wasmtime_instance_new",
    c_void_p,
    c_void_p,
    c_void_p,
    c_void_p,
    c_size_t,
    c_void_p,
    c_void_p,
)
instance_export = _quick(
    "wasmtime_instance_export_get", c_bool, c_void_p, c_void_p, c_void_p, c_size_t, c_void_p
)

linker_new = _quick("wasmtime_linker_new", c_void_p, c_void_p)
linker_delete = _quick("wasmtime_linker_delete", None, c_void_p)
linker_define_async = _quick(
    "wasmtime_linker_define_async_func",
    c_void_p,
    c_void_p,
    c_char_p,
    c_size_t,
    c_char_p,
    c_size_t,
    c_void_p,
    ASYNC_CALLBACK,
    c_void_p,
    c_void_p,
)
linker_get = _quick(
    "wasmtime_linker_get",
    c_bool,
    c_void_p,
    c_void_p,
    c_char_p,
    c_size_t,
    c_char_p,
    c_size_t,
    c_void_p,
)

module_image_range = _quick("wasmtime_module_image_range", None, c_void_p, c_void_p, c_void_p)

memory_data = _quick("wasmtime_memory_data", c_void_p, c_void_p, c_void_p)
memory_size = _quick("wasmtime_memory_data_size", c_size_t, c_void_p, c_void_p)
memory_page_log2 = _quick("wasmtime_memory_page_size_log2", ctypes.c_uint8, c_void_p, c_void_p)
memory_grow = _quick("wasmtime_memory_grow", c_void_p, c_void_p, c_void_p, c_uint64, c_void_p)

global_get = _quick("wasmtime_global_get", None, *[c_void_p] * 3)
global_set = _quick("wasmtime_global_set", c_void_p, *[c_void_p] * 3)
table_size = _quick("wasmtime_table_size", c_uint64, c_void_p, c_void_p)
table_get = _quick("wasmtime_table_get", c_bool, c_void_p, c_void_p, c_uint64, c_void_p)
table_set = _quick("wasmtime_table_set", c_void_p, c_void_p, c_void_p, c_uint64, c_void_p)
table_grow = _quick("wasmtime_table_grow", c_void_p, *[c_void_p] * 2, c_uint64, *[c_void_p] * 2)
value_unroot = _quick("wasmtime_val_unroot", None, c_void_p)

trap_new = _quick("wasmtime_trap_new", c_void_p, c_char_p, c_size_t)
error_new = _quick("wasmtime_error_new", c_void_p, c_char_p)
caller_context = _quick("wasmtime_caller_context", c_void_p, c_void_p)

_trap_code = _quick("wasmtime_trap_code", c_bool, c_void_p, c_void_p)
_trap_message = _quick("wasm_trap_message", None, c_void_p, c_void_p)
_trap_delete = _quick("wasm_trap_delete", None, c_void_p)
_error_message = _quick("wasmtime_error_message", None, c_void_p, c_void_p)
_error_delete = _quick("wasmtime_error_delete", None, c_void_p)
_bytes_delete = _quick("wasm_byte_vec_delete", None, c_void_p)

config_async_stack_size = _quick("wasmtime_config_async_stack_size_set", None, c_void_p, c_uint64)

# The C library's, which every process has.
compare_bytes: Any = PYFUNCTYPE(ctypes.c_int, c_void_p, c_void_p, c_size_t)(
    ("memcmp", ctypes.CDLL(None))
)

u64_at = ctypes.c_uint64.from_address


def take_trap(trap: Address) -> str:
    """Return the text of a trap and free it."""
    return _take_text(_trap_message, _trap_delete, trap)


def take_error(error: Address) -> str:
    """Return the text of an error and free it."""
    return _take_text(_error_message, _error_delete, error)


def _take_text(read: Any, delete: Any, address: Address) -> str:
    vector = (c_uint64 * 2)()
    where = ctypes.addressof(vector)
    read(address, where)
    text = ctypes.string_at(vector[1], vector[0]).rstrip(b"\0").decode(errors="replace")
    _bytes_delete(where)
    delete(address)
    return text


def check_layouts() -> None:
    """Compare version and structure sizes with what this file assumes.

    Raises:
        EngineInternalError: another wasmtime than the pinned one is installed.
    """
    found = version("wasmtime")
    if found != WASMTIME_VERSION:
        raise EngineInternalError(
            f"wasmtime {found} is installed, but struct layouts are those of {WASMTIME_VERSION}: "
            f"install wasmtime=={WASMTIME_VERSION}"
        )
    declared: Any = _bindings
    sizes = {
        "wasmtime_extern": EXTERN_BYTES,
        "wasmtime_instance": INSTANCE_BYTES,
        "wasmtime_val": VALUE_BYTES,
        "wasmtime_val_raw": SLOT_BYTES,
        "wasmtime_async_continuation_t": 24,
        "wasmtime_func": 16,
        "wasm_byte_vec_t": 16,
    }
    for name, size in sizes.items():
        actual = ctypes.sizeof(getattr(declared, name))
        if actual != size:
            raise EngineInternalError(f"{name} has {actual} bytes, expected {size}")
    offsets = {
        "wasmtime_extern": EXTERN_PAYLOAD_OFFSET,
        "wasmtime_val": VALUE_PAYLOAD_OFFSET,
    }
    for name, offset in offsets.items():
        actual = getattr(declared, name).of.offset
        if actual != offset:
            raise EngineInternalError(f"payload of {name} lies at {actual}, expected {offset}")
