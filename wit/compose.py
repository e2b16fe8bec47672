"""Static composition: components plugged into each other become one component.

Every part is nested as it is. What a part imports comes from another part that exports it, or from
outside; imports from outside are merged, so that all parts share the same instances and resources.
The result exports what the main part exports.

Source: component-model specification, Explainer.md, "Instance Definitions".
"""

from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias, cast, final

from msgspec import Struct
from msgspec.structs import replace

from wit.binary.builder import ComponentBuilder
from wit.binary.encode_world import (
    RootTypes,
    needed_interfaces,
    signature_types,
    used_resources,
)
from wit.binary.entities import Entity, Exported, Resource
from wit.binary.reader import parse
from wit.binary.resolve import Resolution, resolve
from wit.binary.sorts import Sort, SortIndex
from wit.component import world_of
from wit.errors import BinaryError, WitError
from wit.misfit import unknown_name
from wit.names import is_hidden_interface
from wit.signatures import signature
from wit.subtype import same_function
from wit.text.from_world import united
from wit.type_map import map_types
from wit.type_walk import walk
from wit.types import Borrow, FunctionType, Own, Parameter, ResourceName, Type
from wit.versions import Version, is_compatible
from wit.world import Function, Interface, World

__all__ = ["Link", "compose", "plug"]

# Sorts of imports and exports that parts may have.
_SORTS: Final = (Sort.INSTANCE, Sort.FUNCTION, Sort.TYPE)


class Link(Struct, frozen=True):
    """The import `name` of the part `importer` is the export `export` of the part `provider`.

    Without `export` it is the one of the same name, or of a compatible version.
    """

    importer: str
    name: str
    provider: str
    export: str = ""


def plug(socket: bytes, plugs: Sequence[bytes]) -> bytes:
    """Return the socket with its imports satisfied by the exports of the plugs.

    Plugs may use each other. Errors as for `compose`, parts are called `socket`, `plug 1`, ….
    """
    parts = {"socket": socket}
    parts |= {f"plug {number}": plugged for number, plugged in enumerate(plugs, 1)}
    return compose(parts, main="socket")


def compose(parts: Mapping[str, bytes], *, main: str, links: Sequence[Link] = ()) -> bytes:
    """Return one component made of several.

    An import without a link is satisfied by the one part other than `main` that exports it, in
    that version or a compatible newer one. What nobody exports is imported from outside.

    Args:
        parts: Components by the names that errors call them.
        main: The part whose exports are those of the result.
        links: Who gets what from whom, where it is not clear, or not by the same name.

    Raises:
        BinaryError: a part is no component.
        WitError: an import is satisfied by several parts, a part by none, an export does not fit
            the import, parts need each other in a circle, or a link names what is not there.
    """
    read = {name: _Part(name, data) for name, data in parts.items()}
    if main not in read:
        raise WitError(unknown_name("part", main, read))
    wiring = _wired(read, main, links)
    order = _ordered(read, main, wiring)
    composed = _Composition(read, order, wiring).composed(main)
    try:
        resolve(parse(composed))
    except BinaryError as error:
        raise WitError(f"the parts do not fit each other: {error}") from error
    return composed


@final
class _Part:
    """One component with what it imports and exports."""

    def __init__(self, name: str, data: bytes) -> None:
        self.name = name
        self.data = data
        self.resolution: Resolution = resolve(parse(data))
        self.world: World = world_of(self.resolution)


_Wiring: TypeAlias = dict[tuple[str, str], tuple[str, str]]
"""From part and import to part and export."""


def _wired(parts: Mapping[str, _Part], main: str, links: Sequence[Link]) -> _Wiring:
    wiring: _Wiring = {}
    for link in links:
        importer, provider = _part(parts, link.importer), _part(parts, link.provider)
        if link.name not in importer.resolution.imports:
            known = importer.resolution.imports
            raise WitError(f"{importer.name}: {unknown_name('import', link.name, known)}")
        export = link.export or _answer(provider, link.name)
        if export is None or export not in provider.resolution.exports:
            known = provider.resolution.exports
            wanted = link.export or link.name
            raise WitError(f"{provider.name}: {unknown_name('export', wanted, known)}")
        wiring[importer.name, link.name] = (provider.name, export)
    for part in parts.values():
        for name, imported in part.resolution.imports.items():
            if (part.name, name) in wiring or imported.sort is Sort.TYPE:
                continue
            found = {
                other.name: export
                for other in parts.values()
                if other is not part and other.name != main
                if (export := _answer(other, name)) is not None
            }
            if len(found) > 1:
                raise WitError(
                    f"{part.name} imports {name}, which several parts export: {', '.join(found)};"
                    " say by a link which one it gets"
                )
            for owner, answer in found.items():
                wiring[part.name, name] = (owner, answer)
    for (user, name), (owner, answer) in wiring.items():
        _check_fit(parts[user], name, parts[owner], answer)
    return wiring


def _part(parts: Mapping[str, _Part], name: str) -> _Part:
    if name not in parts:
        raise WitError(unknown_name("part", name, parts))
    return parts[name]


def _answer(part: _Part, name: str) -> str | None:
    """Return the export that answers to an import: that name, or the newest compatible version."""
    exports = part.resolution.exports
    if name in exports:
        return name
    head, mark, version = name.partition("@")
    if not mark:
        return None
    versions: dict[str, Version] = {}
    for each in exports:
        other, _, text = each.partition("@")
        if other == head and text and is_compatible(Version(text), Version(version)):
            versions[each] = Version(text)
    return max(versions, key=lambda each: versions[each], default=None)


def _check_fit(importer: _Part, name: str, provider: _Part, export: str) -> None:
    wanted, given = importer.resolution.imports[name], provider.resolution.exports[export]
    if wanted.sort is not given.sort:
        raise WitError(
            f"{importer.name} imports {name} as {wanted.sort.value}, "
            f"{provider.name} exports a {given.sort.value}"
        )
    mine = {each.name: each for each in _functions(importer.world.import_interfaces, name)}
    theirs = {each.name: each for each in _functions(provider.world.export_interfaces, export)}
    for inner, function in mine.items():
        other = theirs.get(inner)
        if other is None:
            missing = unknown_name("function", inner, theirs)
            raise WitError(f"{importer.name} needs {name} of {provider.name}: {missing}")
        if not same_function(_loose(function.type), _loose(other.type)):
            raise WitError(
                f"{importer.name} imports {signature(function)},"
                f" but {provider.name} exports {signature(other)}"
            )


def _functions(interfaces: Sequence[Interface], name: str) -> tuple[Function, ...]:
    return next((each.functions for each in interfaces if each.name == name), ())


def _loose(function: FunctionType) -> FunctionType:
    """Return the type with resources told apart by their names alone: owners have versions."""

    def loose(type_: Type) -> Type:
        if isinstance(type_, Own | Borrow):
            return replace(type_, resource=ResourceName(type_.resource.name))
        return type_

    return FunctionType(
        tuple(Parameter(each.name, map_types(each.type, loose)) for each in function.parameters),
        None if function.result is None else map_types(function.result, loose),
        function.is_async,
    )


def _ordered(parts: Mapping[str, _Part], main: str, wiring: _Wiring) -> list[_Part]:
    """Return the parts that are used, each after those that it needs."""
    order: dict[str, _Part] = {}

    def visit(name: str, active: tuple[str, ...]) -> None:
        if name in order:
            return
        if name in active:
            circle = " → ".join((*active[active.index(name) :], name))
            raise WitError(f"parts need each other in a circle: {circle}")
        for (importer, _), (provider, _export) in wiring.items():
            if importer == name:
                visit(provider, (*active, name))
        order[name] = parts[name]

    visit(main, ())
    for name, part in parts.items():
        if name not in order:
            exported = ", ".join(part.resolution.exports) or "nothing"
            raise WitError(f"nobody uses {name}: it exports {exported}")
    return list(order.values())


@final
class _Composition:
    """The component around the parts, section by section."""

    def __init__(self, parts: Mapping[str, _Part], order: list[_Part], wiring: _Wiring) -> None:
        self._parts = parts
        self._order = order
        self._wiring = wiring
        self._builder = ComponentBuilder()
        self._types = RootTypes(self._builder)
        self._instances: dict[str, int] = {}
        self._nested: dict[bytes, int] = {}
        self._outer: dict[tuple[Sort, str], int] = {}

    def composed(self, main: str) -> bytes:
        self._import_interfaces()
        self._import_types()
        self._import_functions()
        for part in self._order:
            self._instantiate(part)
        self._export(self._parts[main])
        return self._builder.finish()

    def _outside(self, part: _Part, sort: Sort) -> list[str]:
        return [
            name
            for name, imported in part.resolution.imports.items()
            if imported.sort is sort and (part.name, name) not in self._wiring
        ]

    def _import_interfaces(self) -> None:
        merged: dict[str, Interface] = {}
        wanted_by: dict[str, str] = {}
        for part in self._order:
            described = {each.name: each for each in part.world.import_interfaces}
            for name in self._outside(part, Sort.INSTANCE):
                known = merged.get(name)
                if known is not None:
                    _check_same(known, described[name], wanted_by[name], part.name)
                merged[name] = described[name] if known is None else united(known, described[name])
                wanted_by.setdefault(name, part.name)
        done: set[str] = set()

        def add(name: str) -> None:
            if name in done or name not in merged:
                return
            done.add(name)
            for needed in needed_interfaces(merged[name]):
                add(needed)
            self._check_resources(merged[name], merged, wanted_by[name])
            self._types.import_interface(merged[name])

        for name in merged:
            add(name)

    def _check_resources(
        self, interface: Interface, merged: Mapping[str, Interface], part: str
    ) -> None:
        for resource in used_resources(interface).values():
            if resource.interface not in merged:
                raise WitError(
                    f"{part} imports {interface.name} from outside, which uses the resource"
                    f" {resource.name} of {resource.interface}; that comes from a part, so"
                    f" {interface.name} has to come from a part, too"
                )

    def _import_types(self) -> None:
        """Import types of worlds, before functions that speak of them."""
        for part in self._order:
            for name in self._outside(part, Sort.TYPE):
                entity = part.resolution.imports[name].entity
                inside = (entity,) if isinstance(entity, Resource) else walk(_value_type(entity))
                if not any(self._is_lent(part, each) for each in inside):
                    self._type_argument(part, name, entity)

    def _is_lent(self, part: _Part, entity: Entity) -> bool:
        """Tell whether a type is a resource of another part, which is not there yet."""
        match entity:
            case Resource(resource, _) | Own(resource) | Borrow(resource):
                return (part.name, resource.interface or "") in self._wiring
            case _:
                return False

    def _import_functions(self) -> None:
        imported: dict[str, tuple[Function, str]] = {}
        for part in self._order:
            described = {each.name: each for each in part.world.import_functions}
            for name in self._outside(part, Sort.FUNCTION):
                function = described[name]
                before, by = imported.setdefault(name, (function, part.name))
                if not same_function(before.type, function.type):
                    raise WitError(
                        f"{by} imports {signature(before)}, {part.name} {signature(function)}:"
                        " outside is only one"
                    )
        for name, (function, _) in imported.items():
            type_ = self._types.world_function(function, is_import=True)
            self._outer[Sort.FUNCTION, name] = self._builder.import_(name, Sort.FUNCTION, type_)

    def _instantiate(self, part: _Part) -> None:
        arguments: list[tuple[str, SortIndex]] = []
        for name, imported in part.resolution.imports.items():
            index = self._argument(part, name, imported)
            arguments.append((name, SortIndex(imported.sort, index)))
        nested = self._nested.get(part.data)
        if nested is None:
            nested = self._nested[part.data] = self._builder.component(part.data)
        self._instances[part.name] = self._builder.instantiate(nested, arguments)

    def _argument(self, part: _Part, name: str, imported: Exported) -> int:
        wired = self._wiring.get((part.name, name))
        if wired is not None:
            provider, export = wired
            return self._builder.alias(imported.sort, self._instances[provider], export)
        match imported.sort:
            case Sort.INSTANCE:
                return self._types.instance(name)
            case Sort.FUNCTION:
                return self._outer[Sort.FUNCTION, name]
            case Sort.TYPE:
                return self._type_argument(part, name, imported.entity)
            case sort:
                raise WitError(
                    f"{part.name} imports the {sort.value} {name}: only instances, functions and"
                    " types can be composed"
                )

    def _type_argument(self, part: _Part, name: str, entity: Entity) -> int:
        if isinstance(entity, Resource):
            return self._resource(part, entity.name)
        type_ = _value_type(entity)
        for inner in walk(type_):
            if isinstance(inner, Own | Borrow):
                index = self._resource(part, inner.resource)
                self._types.encoder.bind_resource(inner.resource, index)
        return self._types.world_type(name, type_)

    def _resource(self, part: _Part, resource: ResourceName) -> int:
        key = (Sort.TYPE, f"{resource.interface}.{resource.name}")
        if key in self._outer:
            return self._outer[key]
        wired = self._wiring.get((part.name, resource.interface or ""))
        if wired is not None:
            provider, export = wired
            instance = self._builder.alias(Sort.INSTANCE, self._instances[provider], export)
            return self._builder.alias(Sort.TYPE, instance, resource.name)
        index = self._types.find(resource)
        if index is None:
            index = self._builder.import_(resource.name, Sort.TYPE, None)
        self._outer[key] = index
        return index

    def _export(self, main: _Part) -> None:
        instance = self._instances[main.name]
        interfaces = main.world.export_interfaces
        shown = {each.name for each in interfaces if not is_hidden_interface(each)}
        visible = {
            name: exported
            for name, exported in main.resolution.exports.items()
            if exported.sort is not Sort.INSTANCE or name in shown
        }
        for name, owner in self._lent(main).items():
            if name not in visible:
                lent = self._builder.alias(Sort.INSTANCE, self._instances[owner], name)
                self._builder.export(name, Sort.INSTANCE, lent)
        for name, exported in visible.items():
            if exported.sort not in _SORTS:
                raise WitError(f"{main.name} exports the {exported.sort.value} {name}")
            index = self._builder.alias(exported.sort, instance, name)
            self._builder.export(name, exported.sort, index)

    def _lent(self, main: _Part) -> dict[str, str]:
        """Return what other parts must export, too: whose resources the exports speak of."""
        lent: dict[str, str] = {}
        functions = [*main.world.export_functions]
        for interface in main.world.export_interfaces:
            functions += interface.functions
        for function in functions:
            for type_ in signature_types([function]):
                if isinstance(type_, Own | Borrow):
                    wired = self._wiring.get((main.name, type_.resource.interface or ""))
                    if wired is not None:
                        lent[wired[1]] = wired[0]
        return lent


def _value_type(entity: Entity) -> Type:
    # A type import that is no resource is a value type: the resolver knows no others.
    return cast("Type", entity)


def _check_same(known: Interface, other: Interface, first: str, second: str) -> None:
    """Refuse one interface of which two parts have different ideas."""
    functions = {each.name: each for each in known.functions}
    for each in other.functions:
        before = functions.get(each.name)
        if before is not None and not same_function(before.type, each.type):
            raise WitError(
                f"{first} imports {signature(before)}, {second} {signature(each)}: outside is"
                " only one"
            )
