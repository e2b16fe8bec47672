"""What a binary says about itself: name, version, description, the tools that made it.

All of it stands in custom sections, which change no behaviour. Works for components and for core
modules alike; nested ones are left alone.

Source: component-model specification, Binary.md, "Name Section"; tool-conventions,
ProducersSection.md; the section names of wasm-metadata for the rest.
"""

from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from wit.binary import encoding
from wit.binary.cursor import Budget, Cursor
from wit.binary.custom import Producer, read_producers
from wit.binary.package_docs import DOCS_SECTION, encode_docs
from wit.binary.reader import Kind, kind_of
from wit.errors import BinaryError
from wit.text.model import Package

__all__ = ["Metadata", "metadata_of", "with_documentation", "with_metadata"]

_PREAMBLE_BYTES: Final = 8
_NAMES: Final = {Kind.COMPONENT: "component-name", Kind.CORE_MODULE: "name"}
_TEXTS: Final = ("version", "description", "authors", "licenses", "homepage", "source", "revision")
_PRODUCERS: Final = "producers"


class Metadata(Struct, frozen=True):
    """Empty texts are not there. `producers` are in the order of the file."""

    name: str = ""
    version: str = ""
    description: str = ""
    authors: str = ""
    licenses: str = ""
    homepage: str = ""
    source: str = ""
    revision: str = ""
    producers: tuple[Producer, ...] = ()


class _Section(Struct, frozen=True):
    """Bytes `start` to `end` of the file are the section, its content begins at `content`."""

    code: int
    start: int
    content: int
    end: int
    name: str = ""


def metadata_of(data: bytes) -> Metadata:
    """Return what a component or core module says about itself.

    Malformed custom sections count as none.

    Raises:
        BinaryError: neither a component nor a core module, or sections reach past its end.
    """
    texts: dict[str, str] = {}
    producers: list[Producer] = []
    for section in _sections(data):
        content = data[section.content : section.end]
        if section.name == _NAMES[kind_of(data)]:
            texts["name"] = _split_names(content)[0]
        elif section.name in _TEXTS:
            texts[section.name] = content.decode(errors="replace")
        elif section.name == _PRODUCERS:
            producers += read_producers(data, section.content, section.end)
    return Metadata(**texts, producers=tuple(producers))


def with_metadata(data: bytes, added: Metadata) -> bytes:
    """Return the binary with the given texts in place of its own, and the producers added.

    Texts that are empty stay as they are; a producer replaces the one of the same field and name.

    Raises:
        BinaryError: neither a component nor a core module, or sections reach past its end.
    """
    name_section = _NAMES[_kind(data)]
    before = metadata_of(data)
    replaced: dict[str, bytes] = {
        name: text.encode() for name in _TEXTS if (text := str(getattr(added, name)))
    }
    if added.producers:
        replaced[_PRODUCERS] = _encoded((*before.producers, *added.producers))
    if added.name:
        names = (
            _split_names(data[each.content : each.end])[1]
            for each in _sections(data)
            if each.name == name_section
        )
        head = b"\x00" + encoding.sized(encoding.name(added.name))
        replaced[name_section] = head + next(names, b"")
    return _replaced(data, replaced)


def with_documentation(data: bytes, package: Package) -> bytes:
    """Return the binary with the documentation of a package, in place of what it has.

    Raises:
        BinaryError: neither a component nor a core module, or sections reach past its end.
    """
    return _replaced(data, {DOCS_SECTION: encode_docs(package)})


def _kind(data: bytes) -> Kind:
    kind = kind_of(data)
    if kind is Kind.UNKNOWN:
        raise BinaryError("expected a component or a core module", offset=0)
    return kind


def _sections(data: bytes) -> list[_Section]:
    _kind(data)
    cursor = Cursor(data, _PREAMBLE_BYTES, len(data), Budget())
    found: list[_Section] = []
    while cursor.position < cursor.end:
        start = cursor.position
        code = cursor.byte()
        size = cursor.u32()
        if size > cursor.end - cursor.position:
            raise cursor.error(f"section of {size} bytes reaches past the end", offset=start)
        inside = cursor.inside(cursor.position + size)
        name = inside.name() if code == 0 else ""
        found.append(_Section(code, start, inside.position, inside.end, name))
        cursor.position = inside.end
    return found


def _replaced(data: bytes, sections: dict[str, bytes]) -> bytes:
    out = bytearray(data[:_PREAMBLE_BYTES])
    for section in _sections(data):
        if section.code != 0 or section.name not in sections:
            out += data[section.start : section.end]
    for name, content in sections.items():
        out += b"\x00" + encoding.sized(encoding.name(name) + content)
    return bytes(out)


def _split_names(content: bytes) -> tuple[str, bytes]:
    """Return the name in a name section, and its other subsections as they are."""
    cursor = Cursor(content, 0, len(content), Budget())
    try:
        if cursor.byte() != 0:
            return "", content
        size = cursor.u32()
        end = cursor.position + size
        return cursor.name(), content[end:]
    except BinaryError:
        return "", b""


def _encoded(producers: Iterable[Producer]) -> bytes:
    fields: dict[str, dict[str, str]] = {}
    for each in producers:
        fields.setdefault(each.field, {})[each.name] = each.version
    return encoding.vector(
        encoding.name(field)
        + encoding.vector(encoding.name(n) + encoding.name(v) for n, v in tools.items())
        for field, tools in fields.items()
    )
