"""The custom section `package-docs`: documentation and gates, which binaries have no place for.

A version byte, then JSON. Read leniently, as documentation is for people only; written as current
tools write it. Paths are those of `wit.text.model.Package.notes`.

Source: the conventions of wit-component.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeAlias, cast

import msgspec

from wit.text.model import Notes, Package
from wit.world import Interface

__all__ = ["DOCS_SECTION", "PackageDocs", "decode_docs", "encode_docs"]

DOCS_SECTION: Final = "package-docs"

_VERSION: Final = b"\x01"
_Object: TypeAlias = dict[str, Any]


class PackageDocs(msgspec.Struct, frozen=True):
    """The notes of one package; `package` is empty where the section does not name it."""

    package: str
    notes: Mapping[str, Notes]


def decode_docs(data: bytes) -> PackageDocs | None:
    """Return the documentation in a section, None if it is none that is known."""
    if data[:1] not in {b"\x00", _VERSION}:
        return None
    try:
        json = msgspec.json.decode(data[1:])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if not isinstance(json, dict):
        return None
    whole = cast("_Object", json)
    notes: dict[str, Notes] = {}
    _add(notes, "", whole)
    for name, interface in _objects(whole, "interfaces"):
        _add_interface(notes, name, interface)
    for name, world in _objects(whole, "worlds"):
        _add_interface(notes, name, world)
        for key in ("interfaces", "interface_exports"):
            for inner, interface in _objects(world, key):
                _add_interface(notes, f"{name}.{inner}", interface)
        for inner, function in _members(world, "func_exports"):
            _add(notes, f"{name}.{inner}", function)
        for key in ("interface_import_stability", "interface_export_stability"):
            for inner, stability in _objects(world, key):
                _add(notes, f"{name}.{inner}", {"stability": stability})
    package = whole.get("package")
    return PackageDocs(package if isinstance(package, str) else "", notes)


def encode_docs(package: Package) -> bytes:
    """Return the section for the notes of one package; notes inside worlds are left out."""
    json: _Object = {}
    for path, note in package.notes.items():
        head, _, rest = path.partition(".")
        if not head:
            json["docs"] = note.docs
            continue
        interface = package.interfaces.get(head)
        group: _Object = json.setdefault("worlds" if interface is None else "interfaces", {})
        item: _Object = group.setdefault(head, {})
        if not rest:
            item.update(_described(note))
        elif interface is not None:
            _put(item, rest, note, interface)
    return _VERSION + msgspec.json.encode(json)


def _put(item: _Object, path: str, note: Notes, interface: Interface) -> None:
    for function in interface.functions:
        if _dotted(function.name) == path:
            item.setdefault("funcs", {})[function.name] = _described(note)
            return
    name, _, member = path.partition(".")
    type_: _Object = item.setdefault("types", {}).setdefault(name, {})
    if member:
        type_.setdefault("items", {})[member] = note.docs
    else:
        type_.update(_described(note))


def _described(note: Notes) -> _Object:
    described: _Object = {"docs": note.docs} if note.docs else {}
    if note.since is not None:
        described["stability"] = {"stable": {"since": note.since}}
    elif note.unstable is not None:
        described["stability"] = {"unstable": {"feature": note.unstable}}
    if note.deprecated is not None and "stability" in described:
        for arm in described["stability"].values():
            arm["deprecated"] = note.deprecated
    return described


def _objects(json: _Object, key: str) -> Iterator[tuple[str, _Object]]:
    for name, value in _members(json, key):
        if isinstance(value, dict):
            yield name, value


def _members(json: _Object, key: str) -> Iterator[tuple[str, Any]]:
    group: Any = json.get(key)
    if isinstance(group, dict):
        yield from cast("_Object", group).items()


def _add_interface(notes: dict[str, Notes], path: str, interface: _Object) -> None:
    _add(notes, path, interface)
    for raw, function in _members(interface, "funcs"):
        _add(notes, f"{path}.{_dotted(raw)}", function)
    for name, type_ in _objects(interface, "types"):
        _add(notes, f"{path}.{name}", type_)
        for member, docs in _members(type_, "items"):
            _add(notes, f"{path}.{name}.{member}", docs)


def _dotted(raw: str) -> str:
    """Return the path of a function inside its interface: `[method]cart.put` is `cart.put`."""
    kind, bracket, name = raw.partition("]")
    if not bracket:
        return raw
    return f"{name}.constructor" if kind == "[constructor" else name


def _add(notes: dict[str, Notes], path: str, found: Any) -> None:
    if isinstance(found, str):
        found = {"docs": found}
    if not isinstance(found, dict):
        return
    described = cast("_Object", found)
    stability: Any = described.get("stability")
    arms: _Object = cast("_Object", stability) if isinstance(stability, dict) else {}
    stable, unstable = arms.get("stable"), arms.get("unstable")
    note = Notes(
        _text(described, "docs") or "",
        _text(stable, "since"),
        _text(unstable, "feature"),
        _text(stable, "deprecated") or _text(unstable, "deprecated"),
    )
    if note != Notes():
        notes[path] = note


def _text(json: Any, key: str) -> str | None:
    found: Any = cast("_Object", json).get(key) if isinstance(json, dict) else None
    return found if isinstance(found, str) else None
