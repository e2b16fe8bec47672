"""The boundary of a core module: its imported functions and the names that it exports.

Bodies and data are skipped. Reads just what wrapping a module into a component takes.

Source: WebAssembly core specification, "Binary Format", "Modules".
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TypeVar

from msgspec import Struct

from wit.binary.cursor import Cursor
from wit.binary.encoding import name, sized, unsigned, vector
from wit.binary.read_core_types import read_core_value_type
from wit.binary.sections import sections_of

__all__ = [
    "CoreModuleBoundary",
    "CoreSignature",
    "ImportedFunction",
    "read_core_module",
    "with_unique_imports",
]

Item = TypeVar("Item")

_FUNCTION_TYPE = 0x60
_IMPORTS = 2
_PREAMBLE_SIZE = 8
# No name of a function holds it.
_REPEATED = " #"


class CoreSignature(Struct, frozen=True):
    """A core function type: its bytes in the type section, and what they say."""

    encoded: bytes
    parameters: tuple[str, ...]
    results: tuple[str, ...]

    def __str__(self) -> str:
        return f"({', '.join(self.parameters)}) -> ({', '.join(self.results)})"


class ImportedFunction(Struct, frozen=True):
    """A function that the module imports."""

    module: str
    name: str
    signature: CoreSignature

    @property
    def plain_name(self) -> str:
        """The name without what `with_unique_imports` has put behind it."""
        return self.name.partition(_REPEATED)[0]


class CoreModuleBoundary(Struct, frozen=True):
    """Imports in order. `exports` are the types of the exported functions; None: no function."""

    functions: tuple[ImportedFunction, ...]
    exports: Mapping[str, CoreSignature | None]


def read_core_module(data: bytes) -> CoreModuleBoundary:
    """Read what a core module imports and exports.

    Raises:
        BinaryError: it is no core module, imports something that is no function, or uses type
            definitions of the garbage-collection proposal.
    """
    types: tuple[CoreSignature, ...] = ()
    functions: tuple[ImportedFunction, ...] = ()
    defined: tuple[int, ...] = ()
    exports: tuple[tuple[str, int | None], ...] = ()
    for code, section in sections_of(data, 0, len(data)):
        match code:
            case 1:
                types = tuple([_signature(section) for _ in range(section.count())])
            case 2:
                functions = tuple([_import(section, types) for _ in range(section.count())])
            case 3:
                defined = tuple([section.u32() for _ in range(section.count())])
            case 7:
                exports = tuple([_export(section) for _ in range(section.count())])
            case _:
                pass
    known: list[CoreSignature | None] = [each.signature for each in functions]
    known += [_at(types, index) for index in defined]
    return CoreModuleBoundary(
        functions, {name: None if index is None else _at(known, index) for name, index in exports}
    )


def with_unique_imports(data: bytes) -> bytes:
    """Return the module with each import under a name of its own.

    Go imports functions as often as its packages declare them, and components allow that once. The
    second `fd_write` becomes `fd_write #2`.

    Raises:
        BinaryError: as for `read_core_module`.
    """
    functions = read_core_module(data).functions
    if len({(each.module, each.name) for each in functions}) == len(functions):
        return data
    out = bytearray(data[:_PREAMBLE_SIZE])
    for code, section in sections_of(data, 0, len(data)):
        body = section.data[section.position : section.end]
        out.append(code)
        out += sized(_unique(section) if code == _IMPORTS else body)
    return bytes(out)


def _at(items: Sequence[Item | None], index: int) -> Item | None:
    return items[index] if index < len(items) else None


def _unique(section: Cursor) -> bytes:
    seen: Counter[tuple[str, str]] = Counter()

    def one() -> bytes:
        module, plain = section.name(), section.name()
        seen[module, plain] += 1
        count = seen[module, plain]
        unique = plain if count == 1 else f"{plain}{_REPEATED}{count}"
        # Imports of anything but functions were refused before.
        return name(module) + name(unique) + bytes([section.byte()]) + unsigned(section.u32())

    return vector([one() for _ in range(section.count())])


def _signature(section: Cursor) -> CoreSignature:
    start = section.position
    section.expect(_FUNCTION_TYPE, "a function type")
    parameters = section.items(lambda: read_core_value_type(section))
    results = section.items(lambda: read_core_value_type(section))
    return CoreSignature(section.data[start : section.position], parameters, results)


def _import(section: Cursor, types: tuple[CoreSignature, ...]) -> ImportedFunction:
    start = section.position
    module = section.name()
    function = section.name()
    kind = section.byte()
    if kind != 0:
        raise section.error(
            f"import {module!r} {function!r} is no function, and components give nothing else",
            offset=start,
        )
    index = section.u32()
    if index >= len(types):
        raise section.error(f"type {index} does not exist", offset=start)
    return ImportedFunction(module, function, types[index])


def _export(section: Cursor) -> tuple[str, int | None]:
    exported = section.name()
    kind, index = section.byte(), section.u32()
    return exported, index if kind == 0 else None
