"""The boundary of a core module: its imported functions and the names that it exports.

Bodies and data are skipped. Reads just what wrapping a module into a component takes.

Source: WebAssembly core specification, "Binary Format", "Modules".
"""

from msgspec import Struct

from wit.binary.cursor import Cursor
from wit.binary.read_core_types import read_core_value_type
from wit.binary.sections import sections_of

__all__ = ["CoreModuleBoundary", "CoreSignature", "ImportedFunction", "read_core_module"]

_FUNCTION_TYPE = 0x60


class CoreSignature(Struct, frozen=True):
    """A core function type: its bytes in the type section, and how many parameters it has."""

    encoded: bytes
    parameter_count: int


class ImportedFunction(Struct, frozen=True):
    """A function that the module imports."""

    module: str
    name: str
    signature: CoreSignature


class CoreModuleBoundary(Struct, frozen=True):
    """Imports in order. `exports` are the names of everything that is exported."""

    functions: tuple[ImportedFunction, ...]
    exports: frozenset[str]


def read_core_module(data: bytes) -> CoreModuleBoundary:
    """Read what a core module imports and exports.

    Raises:
        BinaryError: it is no core module, imports something that is no function, or uses type
            definitions of the garbage-collection proposal.
    """
    types: tuple[CoreSignature, ...] = ()
    functions: tuple[ImportedFunction, ...] = ()
    exports: tuple[str, ...] = ()
    for code, section in sections_of(data, 0, len(data)):
        match code:
            case 1:
                types = tuple([_signature(section) for _ in range(section.count())])
            case 2:
                functions = tuple([_import(section, types) for _ in range(section.count())])
            case 7:
                exports = tuple([_export(section) for _ in range(section.count())])
            case _:
                pass
    return CoreModuleBoundary(functions, frozenset(exports))


def _signature(section: Cursor) -> CoreSignature:
    start = section.position
    section.expect(_FUNCTION_TYPE, "a function type")
    parameters = section.items(lambda: read_core_value_type(section))
    section.items(lambda: read_core_value_type(section))
    return CoreSignature(section.data[start : section.position], len(parameters))


def _import(section: Cursor, types: tuple[CoreSignature, ...]) -> ImportedFunction:
    start = section.position
    module = section.name()
    name = section.name()
    kind = section.byte()
    if kind != 0:
        raise section.error(
            f"import {module!r} {name!r} is no function, and components give nothing else",
            offset=start,
        )
    index = section.u32()
    if index >= len(types):
        raise section.error(f"type {index} does not exist", offset=start)
    return ImportedFunction(module, name, types[index])


def _export(section: Cursor) -> str:
    name = section.name()
    section.byte()
    section.u32()
    return name
