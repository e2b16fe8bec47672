"""Makes a module's whole mutable state reachable by exporting it.

Memory use and snapshots need every memory, table and mutable global of an instance, but a module
exports only what its toolchain chose. Adding exports changes neither behaviour nor speed.
"""

from msgspec import Struct

from actors.engine.core.module import CoreModule, ExternKind

__all__ = ["Exposed", "StateExport", "expose"]

_EXPORT_SECTION = 7
_NUMBERS = frozenset({"i32", "i64", "f32", "f64", "v128"})
_CODES = {ExternKind.TABLE: 1, ExternKind.MEMORY: 2, ExternKind.GLOBAL: 3}


class StateExport(Struct, frozen=True):
    """A piece of mutable state under its export name.

    `type` is the value type of a global, `ref` for all references.
    """

    name: str
    kind: ExternKind
    type: str | None = None


class Exposed(Struct, frozen=True):
    """The module with the exports added, and what they are."""

    data: bytes
    state: tuple[StateExport, ...]


def expose(data: bytes, start: int, end: int, module: CoreModule) -> Exposed:
    """Export the memories, tables and mutable globals that `data[start:end]` defines."""
    taken = {export.name for export in module.exports}
    known = {(export.kind, export.index): export.name for export in module.exports}
    state: list[StateExport] = []
    added: list[bytes] = []
    for kind, index, type_ in _state(module):
        name = known.get((kind, index))
        if name is None:
            name = _free_name(f"\0{kind.value}{index}", taken)
            taken.add(name)
            raw = name.encode()
            added.append(_leb(len(raw)) + raw + bytes([_CODES[kind]]) + _leb(index))
        state.append(StateExport(name, kind, type_))
    if not added:
        return Exposed(data[start:end], tuple(state))
    return Exposed(_with_exports(data, start, module, added), tuple(state))


def _state(module: CoreModule) -> list[tuple[ExternKind, int, str | None]]:
    found: list[tuple[ExternKind, int, str | None]] = [
        (ExternKind.GLOBAL, index, type_.type if type_.type in _NUMBERS else "ref")
        for index, type_ in enumerate(module.globals)
        if index >= module.imported_globals and type_.mutable
    ]
    found += [
        (ExternKind.MEMORY, index, None)
        for index in range(module.imported_memories, len(module.memories))
    ]
    found += [
        (ExternKind.TABLE, index, None)
        for index in range(module.imported_tables, len(module.tables))
    ]
    return found


def _free_name(wanted: str, taken: set[str]) -> str:
    name = wanted
    while name in taken:
        name += "'"
    return name


def _with_exports(data: bytes, start: int, module: CoreModule, added: list[bytes]) -> bytes:
    parts = [data[start : start + 8]]
    placed = False
    for section in module.sections:
        # The export section precedes start, elements, data count, code and data.
        if not placed and section.code in {7, 8, 9, 10, 11, 12}:
            placed = True
            if section.code == _EXPORT_SECTION:
                count, content = _count(data, section.start)
                body = _leb(count + len(added)) + data[content : section.end] + b"".join(added)
                parts.append(bytes([_EXPORT_SECTION]) + _leb(len(body)) + body)
                continue
            parts.append(_new_section(added))
        parts.append(data[section.header : section.end])
    if not placed:
        parts.append(_new_section(added))
    return b"".join(parts)


def _new_section(added: list[bytes]) -> bytes:
    body = _leb(len(added)) + b"".join(added)
    return bytes([_EXPORT_SECTION]) + _leb(len(body)) + body


def _count(data: bytes, position: int) -> tuple[int, int]:
    """Return the leading count and where the items begin. The reader has read it before."""
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7


def _leb(value: int) -> bytes:
    out = bytearray()
    while True:
        value, low = value >> 7, value & 0x7F
        out.append(low | 0x80 if value else low)
        if not value:
            return bytes(out)
