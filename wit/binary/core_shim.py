"""Core modules that break the circle between a module and the functions lowered for it.

A lowered function needs the memory of the module that imports it, but the module is instantiated
after its imports. So the module gets functions of a shim, which call through a table, and the
table is filled once the module and with it the memory exists.
"""

from collections.abc import Sequence

from wit.binary.core_module import CoreSignature
from wit.binary.encoding import name, signed, sized, unsigned, vector

__all__ = ["TABLE_EXPORT", "fill_module", "initialize_module", "shim_module"]

TABLE_EXPORT = "$imports"
_PREAMBLE = b"\0asm\x01\0\0\0"
_FUNCREF = 0x70
_LOCAL_GET, _I32_CONST, _CALL_INDIRECT, _END = 0x20, 0x41, 0x11, 0x0B


def _section(code: int, body: bytes) -> bytes:
    return bytes([code]) + sized(body)


def _table_type(count: int) -> bytes:
    return bytes([_FUNCREF, 1]) + unsigned(count) + unsigned(count)


def shim_module(signatures: Sequence[CoreSignature]) -> bytes:
    """Return a module exporting function `N` for each signature, and the table they call into."""
    count = len(signatures)
    exports = [name(str(index)) + b"\x00" + unsigned(index) for index in range(count)]
    exports.append(name(TABLE_EXPORT) + b"\x01\x00")
    return (
        _PREAMBLE
        + _section(1, vector(each.encoded for each in signatures))
        + _section(3, vector(unsigned(index) for index in range(count)))
        + _section(4, vector([_table_type(count)]))
        + _section(7, vector(exports))
        + _section(10, vector(sized(_trampoline(i, each)) for i, each in enumerate(signatures)))
    )


def _trampoline(index: int, signature: CoreSignature) -> bytes:
    arguments = b"".join(
        bytes([_LOCAL_GET]) + unsigned(each) for each in range(len(signature.parameters))
    )
    call = bytes([_I32_CONST]) + signed(index) + bytes([_CALL_INDIRECT]) + unsigned(index)
    return b"\x00" + arguments + call + b"\x00" + bytes([_END])


def fill_module(signatures: Sequence[CoreSignature]) -> bytes:
    """Return a module that puts its imported functions `"" "N"` into the imported table."""
    count = len(signatures)
    imports = [name("") + name(str(index)) + b"\x00" + unsigned(index) for index in range(count)]
    imports.append(name("") + name(TABLE_EXPORT) + b"\x01" + _table_type(count))
    element = (
        b"\x00" + bytes([_I32_CONST, 0, _END]) + vector(unsigned(index) for index in range(count))
    )
    return (
        _PREAMBLE
        + _section(1, vector(each.encoded for each in signatures))
        + _section(2, vector(imports))
        + _section(9, vector([element]))
    )


def initialize_module() -> bytes:
    """Return a module whose start function is its import `"" "_initialize"`."""
    return (
        _PREAMBLE
        + _section(1, vector([b"\x60\x00\x00"]))
        + _section(2, vector([name("") + name("_initialize") + b"\x00\x00"]))
        + _section(8, unsigned(0))
    )


def copier_module() -> bytes:
    """Return a module with `copy_in` and `copy_out`, which copy between two memories.

    Both take where to, where from, and how many bytes; `copy_in` goes from the memory `guest` to
    the memory `adapter`.
    """
    memories = [name(each) + name("memory") + b"\x02\x00\x00" for each in ("guest", "adapter")]

    def body(to: int, source: int) -> bytes:
        arguments = b"".join(bytes([_LOCAL_GET, each]) for each in range(3))
        return b"\x00" + arguments + b"\xfc\x0a" + bytes([to, source, _END])

    return (
        _PREAMBLE
        + _section(1, vector([b"\x60\x03\x7f\x7f\x7f\x00"]))
        + _section(2, vector(memories))
        + _section(3, vector([b"\x00", b"\x00"]))
        + _section(7, vector([name("copy_in") + b"\x00\x00", name("copy_out") + b"\x00\x01"]))
        + _section(10, vector([sized(body(1, 0)), sized(body(0, 1))]))
    )
