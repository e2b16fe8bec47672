"""WIT inside binaries: packages written as components, worlds inside core modules, documentation.

Compilers leave the world that a core module was written for in custom sections whose names begin
with `component-type`; packages are published as components that export nothing but types. Source:
the component-model specification, WIT.md, "Package Format", and the conventions of wit-component.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from msgspec import Struct

from wit.binary import Component, Kind, kind_of, parse
from wit.binary.custom import custom_sections
from wit.binary.definitions import ComponentType, StringEncoding
from wit.binary.described import Described, evaluate_type
from wit.binary.entities import TypeClosure
from wit.binary.package_docs import DOCS_SECTION, PackageDocs, decode_docs
from wit.binary.resolve import resolve
from wit.binary.sections import sections_of
from wit.binary.writer import componentize
from wit.component import world_of
from wit.errors import BinaryError, WitError
from wit.text.from_world import interface_path, united
from wit.text.model import Package, Packages
from wit.text.nodes import PackageName
from wit.world import Function, Interface, World

__all__ = [
    "EmbeddedWorld",
    "component_of",
    "decode_packages",
    "documentation",
    "embedded_world",
    "is_wit_package",
    "without_world",
]

_TYPE_SECTION: Final = "component-type"
_ENCODING_SECTION: Final = "wit-component-encoding"
_ENCODING_VERSION: Final = 4
_ENCODINGS: Final = dict(enumerate(StringEncoding))


class EmbeddedWorld(Struct, frozen=True):
    """The world that a core module was written for."""

    world: World
    name: str
    package: PackageName
    string_encoding: StringEncoding = StringEncoding.UTF8


def is_wit_package(component: Component) -> bool:
    """Return whether a component is WIT written as a binary: it exports component types alone."""
    exports = resolve(component).exports.values()
    return bool(exports) and all(
        isinstance(each.entity, TypeClosure) and isinstance(each.entity.type, ComponentType)
        for each in exports
    )


def decode_packages(data: bytes) -> Packages:
    """Return the packages in a component that is WIT written as a binary.

    Of packages that the main one uses only that part is there which it uses.

    Raises:
        BinaryError: it is no such component, with the offset.
    """
    component = parse(data)
    interfaces: dict[str, Interface] = {}
    worlds: dict[str, World] = {}
    main: PackageName | None = None
    for name, exported in resolve(component).exports.items():
        closure = exported.entity
        if not isinstance(closure, TypeClosure) or not isinstance(closure.type, ComponentType):
            raise BinaryError(f"{name!r} is no interface or world of a WIT package", offset=0)
        described = evaluate_type(closure)
        around = world_of(described.resolution)
        for full, inner in described.components.items():
            worlds[full] = world_of(inner.resolution)
            main = main or interface_path(full).package
        for each in around.export_interfaces:
            main = main or interface_path(each.name).package
        inside = (part for world in worlds.values() for part in _interfaces_of(world))
        for each in (*_interfaces_of(around), *inside):
            known = interfaces.get(each.name)
            interfaces[each.name] = each if known is None else united(known, each)
    if main is None:
        raise BinaryError("expected a WIT package: a component that exports types", offset=0)
    docs = documentation(data, component)
    return Packages(_packages(main, interfaces, worlds, docs), main.text)


def documentation(data: bytes, component: Component) -> tuple[PackageDocs, ...]:
    """Return the documentation in a component's custom sections; unreadable ones are left out."""
    found = (
        decode_docs(data[each.start : each.end])
        for each in custom_sections(component)
        if each.name == DOCS_SECTION
    )
    return tuple(docs for docs in found if docs is not None)


def embedded_world(core: bytes) -> EmbeddedWorld | None:
    """Return the world that compilers left in a core module, None if they left none.

    Several sections, as libraries leave them, are put together.

    Raises:
        BinaryError: it is no core module, or a section holds no world; with the offset.
    """
    if kind_of(core) is not Kind.CORE_MODULE:
        raise BinaryError("expected a core module", offset=0)
    found: EmbeddedWorld | None = None
    for code, section in sections_of(core, 0, len(core)):
        if code == 0 and section.name().startswith(_TYPE_SECTION):
            start = section.position
            try:
                part = _decoded_world(core[start : section.end])
            except BinaryError as error:
                raise error.moved(start) from error
            found = part if found is None else _merged(found, part)
    return found


def without_world(core: bytes) -> bytes:
    """Return a core module without the custom sections that hold worlds.

    Raises:
        BinaryError: it is no core module.
    """
    kept = bytearray(core[:8])
    start = 8
    for code, section in sections_of(core, 0, len(core)):
        end = section.end
        if code != 0 or not section.name().startswith(_TYPE_SECTION):
            kept += core[start:end]
        start = end
    return bytes(kept)


def component_of(core: bytes) -> bytes:
    """Return the component that a core module was written to be: it has its world inside.

    Raises:
        BinaryError: it is no core module, or a malformed one.
        WitError: there is no world inside, or the module does not fit it.
    """
    found = embedded_world(core)
    if found is None:
        raise WitError("the core module has no world inside: name the WIT that it was written for")
    return componentize(without_world(core), found.world, string_encoding=found.string_encoding)


def _decoded_world(data: bytes) -> EmbeddedWorld:
    component = parse(data)
    encoding = StringEncoding.UTF8
    for each in custom_sections(component):
        if each.name == _ENCODING_SECTION:
            content = data[each.start : each.end]
            if len(content) != 2 or content[0] != _ENCODING_VERSION or content[1] not in _ENCODINGS:
                raise BinaryError(
                    f"world in the encoding {content.hex()}, expected version {_ENCODING_VERSION}",
                    offset=each.start,
                )
            encoding = _ENCODINGS[content[1]]
    for exported in resolve(component).exports.values():
        closure = exported.entity
        if isinstance(closure, TypeClosure) and isinstance(closure.type, ComponentType):
            for full, described in evaluate_type(closure).components.items():
                return _embedded(full, described, encoding)
    raise BinaryError("expected a world in the section", offset=0)


def _embedded(full: str, described: Described, encoding: StringEncoding) -> EmbeddedWorld:
    path = interface_path(full)
    package = path.package or PackageName("root", "component")
    return EmbeddedWorld(world_of(described.resolution), path.name.text, package, encoding)


def _merged(first: EmbeddedWorld, second: EmbeddedWorld) -> EmbeddedWorld:
    one, two = first.world, second.world
    world = World(
        _united_interfaces(one.import_interfaces, two.import_interfaces),
        _united_functions(one.import_functions, two.import_functions),
        _united_interfaces(one.export_interfaces, two.export_interfaces),
        _united_functions(one.export_functions, two.export_functions),
    )
    # Libraries come before the program, but it is the program that exports.
    named = second if two.export_interfaces or two.export_functions else first
    return EmbeddedWorld(world, named.name, named.package, named.string_encoding)


def _united_interfaces(
    first: Iterable[Interface], second: Iterable[Interface]
) -> tuple[Interface, ...]:
    found = {each.name: each for each in first}
    for each in second:
        known = found.get(each.name)
        found[each.name] = each if known is None else united(known, each)
    return tuple(found.values())


def _united_functions(
    first: Iterable[Function], second: Iterable[Function]
) -> tuple[Function, ...]:
    return tuple({each.name: each for each in (*first, *second)}.values())


def _interfaces_of(world: World) -> tuple[Interface, ...]:
    return tuple(
        each for each in (*world.import_interfaces, *world.export_interfaces) if "/" in each.name
    )


def _packages(
    main: PackageName,
    interfaces: Mapping[str, Interface],
    worlds: Mapping[str, World],
    docs: Iterable[PackageDocs],
) -> dict[str, Package]:
    named: dict[str, PackageName] = {main.text: main}
    own_interfaces: dict[str, dict[str, Interface]] = {main.text: {}}
    own_worlds: dict[str, dict[str, World]] = {}
    for full, interface in interfaces.items():
        path = interface_path(full)
        package = path.package or main
        named[package.text] = package
        own_interfaces.setdefault(package.text, {})[path.name.text] = interface
    for full, world in worlds.items():
        path = interface_path(full)
        package = path.package or main
        named[package.text] = package
        own_worlds.setdefault(package.text, {})[path.name.text] = world
    notes = {each.package or main.text: each.notes for each in docs}
    return {
        text: Package(
            name, own_interfaces.get(text, {}), own_worlds.get(text, {}), notes.get(text, {})
        )
        for text, name in named.items()
    }
