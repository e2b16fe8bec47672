"""What a binary consists of: its core modules, nested components and custom sections, with sizes.

Nothing is decoded; sections are skipped by their length.

Source: component-model specification, Binary.md, "Component Definitions".
"""

from collections.abc import Iterator

from msgspec import Struct

from wit.binary.cursor import Budget, Cursor
from wit.binary.definitions import Component, CoreModule, Custom, NestedComponent
from wit.binary.reader import Kind, kind_of
from wit.errors import BinaryError

__all__ = ["Contents", "CustomSection", "ModuleContents", "contents", "sections_of"]

_CODE, _DATA = 10, 11
_NAME_SECTION = "name"


class CustomSection(Struct, frozen=True):
    """Bytes `start` to `end` of the file, without the name."""

    name: str
    start: int
    end: int

    @property
    def size(self) -> int:
        """In bytes."""
        return self.end - self.start


class ModuleContents(Struct, frozen=True):
    """A core module. All sizes are in bytes; `offset` is where it begins in the file."""

    name: str
    offset: int
    size: int
    code_size: int
    data_size: int
    custom: tuple[CustomSection, ...]


class Contents(Struct, frozen=True):
    """A component: bytes `offset` to `offset + size` of the file."""

    offset: int
    size: int
    modules: tuple[ModuleContents, ...]
    components: tuple["Contents", ...]
    custom: tuple[CustomSection, ...]


def contents(data: bytes, component: Component) -> Contents:
    """Return what a parsed component consists of, in file order.

    Raises:
        BinaryError: the sections of a core module reach past its end.
    """
    modules: list[ModuleContents] = []
    components: list[Contents] = []
    custom: list[CustomSection] = []
    for each in component.definitions:
        match each:
            case CoreModule(start, end):
                modules.append(_module(data, start, end))
            case NestedComponent(inner):
                components.append(contents(data, inner))
            case Custom(name, start, end):
                custom.append(CustomSection(name, start, end))
            case _:
                pass
    size = component.end - component.start
    return Contents(component.start, size, tuple(modules), tuple(components), tuple(custom))


def _module(data: bytes, start: int, end: int) -> ModuleContents:
    code = payload = 0
    custom: list[CustomSection] = []
    name = ""
    for kind, section in sections_of(data, start, end):
        if kind == _CODE:
            code = section.end - section.position
        elif kind == _DATA:
            payload = section.end - section.position
        elif kind == 0:
            title = section.name()
            custom.append(CustomSection(title, section.position, section.end))
            if title == _NAME_SECTION:
                name = _module_name(section)
    return ModuleContents(name, start, end - start, code, payload, tuple(custom))


def sections_of(data: bytes, start: int, end: int) -> Iterator[tuple[int, Cursor]]:
    """Yield the code of each section of a core module with a cursor over its content.

    Raises:
        BinaryError: it is no core module, or a section reaches past the end.
    """
    if kind_of(data[start : start + 8]) is not Kind.CORE_MODULE:
        raise BinaryError("expected a core module", offset=start)
    cursor = Cursor(data, start + 8, end, Budget())
    while cursor.position < cursor.end:
        code = cursor.byte()
        size = cursor.u32()
        if size > cursor.end - cursor.position:
            raise cursor.error(f"section of {size} bytes reaches past the end")
        section = cursor.inside(cursor.position + size)
        cursor.position = section.end
        yield code, section


def _module_name(section: Cursor) -> str:
    try:
        if section.byte() == 0:
            section.u32()
            return section.name()
    except BinaryError:
        pass
    return ""
