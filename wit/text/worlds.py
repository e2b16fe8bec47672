"""Worlds with all names looked up: includes merged, and every interface that types come from.

Source: component-model specification, WIT.md, "WIT Worlds" and "Union of Worlds with `include`".
"""

from typing import TypeAlias, assert_never, final

from msgspec.structs import replace

from wit.misfit import unknown_name
from wit.text.interfaces import Interfaces, ResolvedInterface
from wit.text.nodes import (
    ExternNode,
    FunctionTypeNode,
    IncludeNode,
    InlineInterface,
    InterfaceNode,
    MethodNode,
    Name,
    PathNode,
    ResourceNode,
    UseNode,
    WorldNode,
)
from wit.text.scopes import TypeScope, check_unique
from wit.text.sources import Declaration, Part, Sources, fail
from wit.world import Function, Interface, World

__all__ = ["Worlds"]

_Entry: TypeAlias = ResolvedInterface | Function


@final
class _Parts:
    """What a world says before the interfaces that it needs are added.

    Keys are full names of interfaces, or plain names of functions and unnamed interfaces.
    """

    def __init__(self) -> None:
        self.imports: dict[str, _Entry] = {}
        self.exports: dict[str, _Entry] = {}
        # What stands in an import or export of its own, in contrast to what a `use` needs.
        self.explicit: set[tuple[str, str]] = set()

    def of(self, direction: str) -> dict[str, _Entry]:
        return self.imports if direction == "import" else self.exports


@final
class Worlds:
    """Resolves worlds when they are first asked for."""

    def __init__(self, sources: Sources, interfaces: Interfaces) -> None:
        self._sources = sources
        self._interfaces = interfaces
        self._parts: dict[str, _Parts] = {}
        self._active: list[str] = []

    def of(self, declaration: Declaration) -> World:
        """Return the world behind a declaration, as a component of that world would be described.

        Imports: for each interface first those that its types come from. Exports: what the types
        of exports need is imported, unless it is exported too.

        Raises:
            ParseError: unknown names, duplicates, worlds that include each other in a circle.
        """
        parts = self._resolve(declaration, declaration.node.name, declaration.part)
        imports: dict[str, ResolvedInterface] = {}
        for entry in parts.imports.values():
            if isinstance(entry, ResolvedInterface):
                self._add_needed(entry, imports)
        for entry in parts.exports.values():
            if isinstance(entry, ResolvedInterface):
                for name in entry.depends:
                    if name not in parts.exports:
                        self._add_needed(self._interfaces.named(name), imports)
        return World(
            tuple(each.interface for each in imports.values()),
            _functions(parts.imports),
            _interfaces(parts.exports),
            _functions(parts.exports),
        )

    def _add_needed(self, entry: ResolvedInterface, imports: dict[str, ResolvedInterface]) -> None:
        if entry.interface.name in imports:
            return
        for name in entry.depends:
            self._add_needed(self._interfaces.named(name), imports)
        imports[entry.interface.name] = entry

    def _resolve(self, declaration: Declaration, name: Name, part: Part) -> _Parts:
        if not isinstance(declaration.node, WorldNode):
            fail(part.file, f"{name.text} is an interface, expected a world", name)
        full = declaration.full_name
        found = self._parts.get(full)
        if found is None:
            if full in self._active:
                cycle = " → ".join([*self._active[self._active.index(full) :], full])
                fail(part.file, f"worlds include each other in a circle: {cycle}", name)
            self._active.append(full)
            try:
                found = self._build(declaration.node, declaration.part)
            finally:
                self._active.pop()
            self._parts[full] = found
        return found

    def _build(self, world: WorldNode, part: Part) -> _Parts:
        parts = _Parts()
        scope = TypeScope(part.file, None)
        gates = self._interfaces.gates(part)
        items = [item for item in world.items if gates.hidden(item.attributes, part.file) is None]
        depends: dict[str, None] = {}
        type_names: list[Name] = []
        resources: list[ResourceNode] = []
        for item in items:
            match item:
                case UseNode():
                    source = self._interfaces.use(item, scope, part, depends)
                    parts.imports.setdefault(source.interface.name, source)
                    type_names += [rename.alias or rename.name for rename in item.names]
                case ExternNode() | IncludeNode():
                    pass
                case _:
                    scope.define(item)
                    type_names.append(item.name)
                    if isinstance(item, ResourceNode):
                        resources.append(item)
        check_unique(part.file, "name", type_names)
        for name in type_names:
            scope.entry(name)
        for resource in resources:
            self._add_methods(resource, scope, part, parts)
        problems = self._interfaces.problems
        for item in items:
            if isinstance(item, ExternNode):
                with problems.kept():
                    self._add_extern(item, scope, part, parts)
        for item in items:
            if isinstance(item, IncludeNode):
                with problems.kept():
                    self._include(item, part, parts)
        return parts

    def _add_methods(
        self, resource: ResourceNode, scope: TypeScope, part: Part, parts: _Parts
    ) -> None:
        gates = self._interfaces.gates(part)

        def is_visible(method: MethodNode) -> bool:
            return gates.hidden(method.attributes, part.file) is None

        for function in scope.methods(resource, is_visible):
            parts.imports[function.name] = function

    def _add_extern(self, item: ExternNode, scope: TypeScope, part: Part, parts: _Parts) -> None:
        if item.name is not None:
            key, place = item.name.text, item.name
            entry = self._named_extern(item.name, item.target, scope, part)
        else:
            assert isinstance(item.target, PathNode), "only paths come without a name"
            place = item.target.name
            entry = self._interface(item.target, part)
            key = entry.interface.name
        if (key, item.direction) in parts.explicit:
            fail(part.file, f"{key} is {item.direction}ed twice", place)
        parts.explicit.add((key, item.direction))
        parts.of(item.direction)[key] = entry

    def _interface(self, path: PathNode, part: Part) -> ResolvedInterface:
        return self._interfaces.of(self._sources.find(path, part), path.name, part)

    def _named_extern(
        self,
        name: Name,
        target: PathNode | FunctionTypeNode | InlineInterface,
        scope: TypeScope,
        part: Part,
    ) -> _Entry:
        match target:
            case FunctionTypeNode():
                return Function(name.text, scope.function(target), None)
            case InlineInterface(items):
                return self._interfaces.build(name.text, items, part)
            case PathNode():
                # The same interface under another name has types of its own.
                declaration = self._sources.find(target, part)
                self._interfaces.of(declaration, target.name, part)
                assert isinstance(declaration.node, InterfaceNode), "`of` refuses worlds"
                return self._interfaces.build(name.text, declaration.node.items, declaration.part)
            case _:
                assert_never(target)

    def _include(self, item: IncludeNode, part: Part, parts: _Parts) -> None:
        included = self._resolve(self._sources.find(item.path, part), item.path.name, part)
        check_unique(part.file, "name", (rename.name for rename in item.renames))
        renames = {
            rename.name.text: rename.alias.text
            for rename in item.renames
            if rename.alias is not None
        }
        plain = {key for key in (*included.imports, *included.exports) if ":" not in key}
        for rename in item.renames:
            if rename.name.text not in plain:
                reason = unknown_name(f"name in {item.path.text}", rename.name.text, sorted(plain))
                fail(part.file, reason, rename.name)
        for direction in ("import", "export"):
            mine = parts.of(direction)
            for key, entry in included.of(direction).items():
                new = renames.get(key, key)
                if new in mine and ":" not in new:
                    reason = (
                        f"{new} is {direction}ed twice: give the included one another name by"
                        f" `with {{ {new} as … }}`"
                    )
                    fail(part.file, reason, item.path.name)
                mine.setdefault(new, entry if new == key else self._renamed(entry, new))

    def _renamed(self, entry: _Entry, name: str) -> _Entry:
        if isinstance(entry, Function):
            return replace(entry, name=name)
        # Its types bear the name of the interface, so it is built anew.
        return self._interfaces.build(name, entry.items, entry.part)


def _functions(entries: dict[str, _Entry]) -> tuple[Function, ...]:
    return tuple(entry for entry in entries.values() if isinstance(entry, Function))


def _interfaces(entries: dict[str, _Entry]) -> tuple[Interface, ...]:
    return tuple(
        entry.interface for entry in entries.values() if isinstance(entry, ResolvedInterface)
    )
