"""Makes a module's whole mutable state reachable by exporting it, and its start function too.

Memory use and snapshots need every memory, table and mutable global of an instance, but a module
exports only what its toolchain chose. Functions that can turn up in tables are exported as well, so
that they have a name. Adding exports changes neither behaviour nor speed.

Drops of segments are made visible too, see `drops`, and what does not grow, see `grows`.

The start function is no longer called by wasmtime but by whoever makes the instance: on a fiber,
since it may wait, and not at all when an instance is restored.
"""

from msgspec import Struct

from actors.engine.core.drops import track_drops
from actors.engine.core.grows import track_grows
from actors.engine.core.instructions import UnreadableError
from actors.engine.core.module import CoreModule, ExternKind
from actors.engine.core.reader import read_core_module

__all__ = ["Exposed", "StateExport", "expose"]

_EXPORT_SECTION = 7
_NUMBERS = frozenset({"i32", "i64", "f32", "f64", "v128"})
_START_SECTION = 8
_CODES = {ExternKind.FUNCTION: 0, ExternKind.TABLE: 1, ExternKind.MEMORY: 2, ExternKind.GLOBAL: 3}


class StateExport(Struct, frozen=True):
    """A piece of mutable state under its export name.

    `type` is the value type of a global, `ref` for all references.
    """

    name: str
    kind: ExternKind
    type: str | None = None


class Exposed(Struct, frozen=True):
    """The module with the exports added, and what they are.

    `functions` are all its exported functions, in the order of the section; `start` is the one to
    be called once the instance is made, `again` the one that drops segments again in a restored
    instance. With `hides_drops` it may drop some unseen. `refused` is the global that is set when a
    memory does not grow; None: it grows none, or `hides_grows`.
    """

    data: bytes
    state: tuple[StateExport, ...]
    functions: tuple[str, ...]
    start: str | None
    again: str | None = None
    hides_drops: bool = False
    refused: str | None = None
    hides_grows: bool = False


def expose(data: bytes, start: int, end: int, module: CoreModule) -> Exposed:
    """Export the memories, tables and mutable globals that `data[start:end]` defines."""
    dropping = hides_drops = None
    if module.has_passive_segments:
        try:
            tracked = track_drops(data, module)
        except UnreadableError:
            hides_drops = True
        else:
            if tracked is not None:
                data, dropping, start, end = tracked.data, tracked.again, 0, len(tracked.data)
                module = read_core_module(data, start, end)
    before, hides_grows = module, False
    try:
        if (growing := track_grows(data, module)) is not None:
            data, start, end = growing, 0, len(growing)
            module = read_core_module(data, start, end)
    except UnreadableError:
        hides_grows = True
    exports = _Exports(module)
    # The global that tells of memories is no state: it is only looked at when a guest has trapped.
    state = tuple(
        StateExport(exports.name(kind, index), kind, type_) for kind, index, type_ in _state(before)
    )
    refused = None
    if module is not before:
        refused = exports.name(ExternKind.GLOBAL, len(before.globals))
    for index in module.referable:
        exports.name(ExternKind.FUNCTION, index)
    if module.has_elements and module.functions and not exports.functions:
        exports.name(ExternKind.FUNCTION, 0)
    entry = module.start_function
    start_name = None if entry is None else exports.name(ExternKind.FUNCTION, entry)
    functions = tuple(exports.functions)
    again = None if dropping is None else exports.name(ExternKind.FUNCTION, dropping)
    changed = exports.added or entry is not None
    exposed = _with_exports(data, start, module, exports.added) if changed else data[start:end]
    return Exposed(
        exposed, state, functions, start_name, again, bool(hides_drops), refused, hides_grows
    )


class _Exports:
    """The exports of a module, with those that are added."""

    def __init__(self, module: CoreModule) -> None:
        self.added: list[bytes] = []
        self.functions = [
            export.name for export in module.exports if export.kind is ExternKind.FUNCTION
        ]
        self._taken = {export.name for export in module.exports}
        self._known = {(export.kind, export.index): export.name for export in module.exports}

    def name(self, kind: ExternKind, index: int) -> str:
        """Return the name under which something is exported, exporting it if it is not."""
        name = self._known.get((kind, index))
        if name is None:
            name = _free_name(f"\0{kind.value}{index}", self._taken)
            self._taken.add(name)
            self._known[kind, index] = name
            raw = name.encode()
            self.added.append(_leb(len(raw)) + raw + bytes([_CODES[kind]]) + _leb(index))
            if kind is ExternKind.FUNCTION:
                self.functions.append(name)
        return name


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
        if section.code == _START_SECTION:
            continue
        # The export section precedes start, elements, data count, code and data.
        if added and not placed and section.code in {7, 9, 10, 11, 12}:
            placed = True
            if section.code == _EXPORT_SECTION:
                count, content = _count(data, section.start)
                body = _leb(count + len(added)) + data[content : section.end] + b"".join(added)
                parts.append(bytes([_EXPORT_SECTION]) + _leb(len(body)) + body)
                continue
            parts.append(_new_section(added))
        parts.append(data[section.header : section.end])
    if added and not placed:
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
