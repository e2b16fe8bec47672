"""Components written as text around a core module that some compiler made.

The component's text holds an empty core module where the compiled one belongs. It is translated
first and the module spliced in afterwards, since the text format has no form for a core module's
bytes inside a component.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import wasmtime

__all__ = ["component", "splice"]

_PREAMBLE_SIZE: Final = 8
_CORE_MODULE_SECTION: Final = 1
_CUSTOM_SECTION: Final = 0


def component(text: Path, core: bytes) -> bytes:
    """Translate the component text in `text` and put `core` in place of its empty module."""
    return splice(bytes(wasmtime.wat2wasm(text.read_text())), core)


def splice(outer: bytes, core: bytes) -> bytes:
    """Return `outer` with the one empty core module in it replaced by `core`.

    Raises:
        ValueError: `outer` has no empty core module at its top level, or several.
    """
    out = bytearray(outer[:_PREAMBLE_SIZE])
    found = 0
    for section, content in _sections(outer):
        replaced = section == _CORE_MODULE_SECTION and _is_empty(content)
        found += replaced
        inner = core if replaced else content
        out.append(section)
        out += _write_size(len(inner)) + inner
    if found != 1:
        raise ValueError(f"expected one empty core module to replace, found {found}")
    return bytes(out)


def _is_empty(module: bytes) -> bool:
    # The translator notes the module's name in a custom section; that is no content.
    return all(section == _CUSTOM_SECTION for section, _ in _sections(module))


def _sections(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = _PREAMBLE_SIZE
    while at < len(data):
        size, start = _read_size(data, at + 1)
        yield data[at], data[start : start + size]
        at = start + size


def _read_size(data: bytes, at: int) -> tuple[int, int]:
    """Read an unsigned LEB128 number; return it and where it ends."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def _write_size(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
