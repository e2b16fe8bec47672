"""Custom sections that tools leave behind: names and producers. None of them changes behaviour.

Source: tool-conventions, ProducersSection.md; component-model specification, Binary.md, "Name
Section".
"""

from msgspec import Struct

from wit.binary.cursor import Budget, Cursor
from wit.binary.definitions import Component, Custom
from wit.errors import BinaryError

__all__ = ["Producer", "component_name", "custom_sections", "producers", "read_producers"]


class Producer(Struct, frozen=True):
    """A tool, language or library. `field` is `language`, `processed-by` or `sdk`."""

    field: str
    name: str
    version: str


def custom_sections(component: Component) -> tuple[Custom, ...]:
    """Return the custom sections of the component itself, not of nested ones."""
    return tuple(each for each in component.definitions if isinstance(each, Custom))


def component_name(data: bytes, component: Component) -> str | None:
    """Return the name that the component gives itself, or None.

    A malformed section counts as none, as names are for people only.
    """
    for section in custom_sections(component):
        if section.name != "component-name":
            continue
        cursor = _content(data, section)
        try:
            # Subsection 0 is the name of the component, and stands first.
            if cursor.byte() == 0:
                cursor.u32()
                return cursor.name()
        except BinaryError:
            return None
    return None


def producers(data: bytes, component: Component) -> tuple[Producer, ...]:
    """Return the tools that made the component; malformed sections count as none."""
    found: list[Producer] = []
    for section in custom_sections(component):
        if section.name == "producers":
            found += read_producers(data, section.start, section.end)
    return tuple(found)


def read_producers(data: bytes, start: int, end: int) -> list[Producer]:
    """Return the tools in the bytes of a producers section, none if it is malformed."""
    try:
        return _producers(Cursor(data, start, end, Budget()))
    except BinaryError:
        return []


def _content(data: bytes, section: Custom) -> Cursor:
    return Cursor(data, section.start, section.end, Budget())


def _producers(cursor: Cursor) -> list[Producer]:
    found: list[Producer] = []
    for _ in range(cursor.count()):
        field = cursor.name()
        for _ in range(cursor.count()):
            name = cursor.name()
            found.append(Producer(field, name, cursor.name()))
    return found
