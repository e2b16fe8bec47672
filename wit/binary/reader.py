"""Sections of a component binary into definitions, in file order.

Source: the component-model specification, "Binary Format". Code and data of core modules are not
read: compiling them is what validates them.
"""

from collections.abc import Callable
from enum import Enum

from wit.binary.cursor import Budget, Cursor
from wit.binary.definitions import (
    Argument,
    Component,
    CoreArgument,
    CoreExport,
    CoreInline,
    CoreInstantiate,
    CoreModule,
    Custom,
    Definition,
    Export,
    Inline,
    InlineExport,
    Instantiate,
    NestedComponent,
    Start,
    ValueDefinition,
)
from wit.binary.limits import COMPONENT_NESTING_MAX
from wit.binary.read_canon import read_canon
from wit.binary.read_core_types import read_core_type
from wit.binary.read_externs import (
    read_core_sort_index,
    read_extern_name,
    read_extern_type,
    read_sort_index,
)
from wit.binary.read_types import read_alias, read_import, read_type
from wit.binary.read_value_types import read_value_type
from wit.errors import BinaryError

__all__ = ["Kind", "kind_of", "parse"]

_MAGIC = b"\0asm"
_CORE_PREAMBLE = _MAGIC + b"\x01\0\0\0"
_COMPONENT_PREAMBLE = _MAGIC + b"\x0d\0\x01\0"
_PREAMBLE_BYTES = 8


class Kind(Enum):
    """What bytes claim to be by their first eight."""

    CORE_MODULE = "core module"
    COMPONENT = "component"
    UNKNOWN = "unknown"


def kind_of(data: bytes) -> Kind:
    """Tell from the preamble alone; the rest may still be malformed."""
    match bytes(data[:_PREAMBLE_BYTES]):
        case preamble if preamble == _COMPONENT_PREAMBLE:
            return Kind.COMPONENT
        case preamble if preamble == _CORE_PREAMBLE:
            return Kind.CORE_MODULE
        case _:
            return Kind.UNKNOWN


def parse(data: bytes) -> Component:
    """Read a whole component.

    Takes time and memory linear in the size of everything but core modules. References are not
    followed: that an index exists is checked by whoever resolves it.

    Raises:
        BinaryError: the bytes are no component, with the offset.
    """
    return _component(Cursor(data, 0, len(data), Budget()), 0)


def _component(cursor: Cursor, depth: int) -> Component:
    start = cursor.position
    _check_preamble(cursor)
    definitions: list[Definition] = []
    while cursor.position < cursor.end:
        at = cursor.position
        code = cursor.byte()
        size = cursor.u32()
        if size > cursor.end - cursor.position:
            raise cursor.error(
                f"section of {size} bytes, but only {cursor.end - cursor.position} are left",
                offset=at,
            )
        section = cursor.inside(cursor.position + size)
        cursor.position = section.end
        definitions += _section(section, code, at, depth)
        if section.position != section.end:
            raise section.error(
                f"section {code} has {section.end - section.position} bytes too many"
            )
    return Component(tuple(definitions), start, cursor.end)


def _check_preamble(cursor: Cursor) -> None:
    start = cursor.position
    found = cursor.data[start : min(cursor.end, start + _PREAMBLE_BYTES)]
    if found == _COMPONENT_PREAMBLE:
        cursor.position = start + _PREAMBLE_BYTES
        return
    if found[:4] != _MAGIC:
        raise cursor.error("no WebAssembly, expected a component binary")
    if found == _CORE_PREAMBLE:
        raise cursor.error(
            "a core module, expected a component; wrap it first (wasm-tools component new)"
        )
    raise cursor.error(
        f"format version {found[4:].hex()}, expected {_COMPONENT_PREAMBLE[4:].hex()}"
    )


def _section(section: Cursor, code: int, at: int, depth: int) -> tuple[Definition, ...]:
    match code:
        case 0x00:
            name = section.name()
            start, section.position = section.position, section.end
            return (Custom(name, start, section.end, at),)
        case 0x01:
            section.budget.spend(at)
            start = section.position
            if kind_of(section.data[start : min(start + 8, section.end)]) is not Kind.CORE_MODULE:
                raise section.error("expected a core module with its preamble")
            section.position = section.end
            return (CoreModule(start, section.end, at),)
        case 0x04:
            section.budget.spend(at)
            if depth == COMPONENT_NESTING_MAX:
                raise section.error(f"components nested deeper than {COMPONENT_NESTING_MAX}")
            return (NestedComponent(_component(section, depth + 1), at),)
        case 0x09:
            return (_start(section),)
        case 0x0C:
            values = section.items(lambda: _value(section))
            if not values:
                # Values are an experiment that other readers refuse even where there are none.
                raise section.error("a section of values that holds none", offset=at)
            return values
        case _ if code in _LISTS:
            read = _LISTS[code]
            return section.items(lambda: read(section))
        case _:
            raise section.error(f"{code:#04x} is no section of a component", offset=at)


def _core_instance(cursor: Cursor) -> CoreInstantiate | CoreInline:
    offset = cursor.position
    cursor.budget.spend(offset)
    if cursor.flag("a bundle of exports"):
        return CoreInline(cursor.items(lambda: _core_export(cursor)), offset)
    module = cursor.u32()
    return CoreInstantiate(module, cursor.items(lambda: _core_argument(cursor)), offset)


def _core_export(cursor: Cursor) -> CoreExport:
    name = cursor.name()
    return CoreExport(name, read_core_sort_index(cursor))


def _core_argument(cursor: Cursor) -> CoreArgument:
    name = cursor.name()
    cursor.expect(0x12, "the core instance sort")
    return CoreArgument(name, cursor.u32())


def _instance(cursor: Cursor) -> Instantiate | Inline:
    offset = cursor.position
    cursor.budget.spend(offset)
    if cursor.flag("a bundle of exports"):
        return Inline(cursor.items(lambda: _inline_export(cursor)), offset)
    component = cursor.u32()
    return Instantiate(component, cursor.items(lambda: _argument(cursor)), offset)


def _inline_export(cursor: Cursor) -> InlineExport:
    name, attributes = read_extern_name(cursor)
    return InlineExport(name, read_sort_index(cursor), attributes)


def _argument(cursor: Cursor) -> Argument:
    name = cursor.name()
    return Argument(name, read_sort_index(cursor))


def _start(cursor: Cursor) -> Start:
    offset = cursor.position
    cursor.budget.spend(offset)
    function = cursor.u32()
    arguments = cursor.items(cursor.u32)
    return Start(function, arguments, cursor.u32(), offset)


def _export(cursor: Cursor) -> Export:
    offset = cursor.position
    cursor.budget.spend(offset)
    name, attributes = read_extern_name(cursor)
    target = read_sort_index(cursor)
    ascribed = read_extern_type(cursor) if cursor.flag("an ascribed type") else None
    return Export(name, target, offset, ascribed, attributes)


def _value(cursor: Cursor) -> ValueDefinition:
    offset = cursor.position
    cursor.budget.spend(offset)
    type_ = read_value_type(cursor)
    size = cursor.u32()
    if size > cursor.end - cursor.position:
        raise BinaryError("value reaches past its section", offset=offset)
    start = cursor.position
    cursor.position = start + size
    return ValueDefinition(type_, start, cursor.position, offset)


_LISTS: dict[int, Callable[[Cursor], Definition]] = {
    0x02: _core_instance,
    0x03: read_core_type,
    0x05: _instance,
    0x06: read_alias,
    0x07: read_type,
    0x08: read_canon,
    0x0A: read_import,
    0x0B: _export,
}
