"""Interfaces with all names looked up, and what each of them needs of others."""

from collections.abc import Iterable
from typing import final

from wit.misfit import unknown_name
from wit.text.gates import Gates
from wit.text.nodes import (
    FunctionNode,
    InterfaceItem,
    InterfaceNode,
    MethodNode,
    Name,
    ResourceNode,
    UseNode,
)
from wit.text.problems import Problems
from wit.text.scopes import TypeEntry, TypeScope, check_unique
from wit.text.sources import Declaration, Part, Sources, fail
from wit.types import ResourceName
from wit.world import Function, Interface, NamedType

__all__ = ["Interfaces", "ResolvedInterface"]


@final
class ResolvedInterface:
    """An interface and the interfaces whose types it uses, by full name in the order of use."""

    def __init__(self, owner: str, items: tuple[InterfaceItem, ...], part: Part) -> None:
        self.items = items
        self.part = part
        self.scope = TypeScope(part.file, owner)
        self.functions: dict[str, FunctionNode] = {}
        self.depends: dict[str, None] = {}
        self.interface = Interface(owner)


@final
class Interfaces:
    """Resolves interfaces when they are first asked for."""

    def __init__(
        self, sources: Sources, features: frozenset[str], problems: Problems | None = None
    ) -> None:
        self.problems = problems or Problems(keep=False)
        self._sources = sources
        self._features = features
        self._resolved: dict[str, ResolvedInterface] = {}
        self._active: list[str] = []

    def gates(self, part: Part) -> Gates:
        """Return the gates of the package that a part belongs to."""
        return Gates(part.package.name, self._features)

    def of(self, declaration: Declaration, name: Name, part: Part) -> ResolvedInterface:
        """Return the interface behind a declaration.

        Args:
            declaration: What a path named.
            name: Where it was named.
            part: The part of that place.

        Raises:
            ParseError: it is a world, it is hidden by a gate, it uses itself in a circle, or
                something inside it is wrong.
        """
        if not isinstance(declaration.node, InterfaceNode):
            fail(part.file, f"{name.text} is a world, expected an interface", name)
        hidden = self.gates(declaration.part).hidden(
            declaration.node.attributes, declaration.part.file
        )
        if hidden is not None:
            fail(part.file, f"{name.text} is not there: {hidden}", name)
        full = declaration.full_name
        found = self._resolved.get(full)
        if found is None:
            if full in self._active:
                cycle = " → ".join([*self._active[self._active.index(full) :], full])
                fail(part.file, f"interfaces use each other in a circle: {cycle}", name)
            self._active.append(full)
            try:
                found = self.build(full, declaration.node.items, declaration.part)
            finally:
                self._active.pop()
            self._resolved[full] = found
        return found

    def named(self, full_name: str) -> ResolvedInterface:
        """Return an interface that was resolved before."""
        return self._resolved[full_name]

    def build(self, owner: str, items: Iterable[InterfaceItem], part: Part) -> ResolvedInterface:
        """Return an interface made of items, under any name: worlds have unnamed ones."""
        items = tuple(items)
        built = ResolvedInterface(owner, items, part)
        check_unique(part.file, "name", _declared_names(items))
        gates = self.gates(part)
        resources: list[ResourceNode] = []
        for item in items:
            hidden = gates.hidden(item.attributes, part.file)
            match item:
                case UseNode():
                    if hidden is None:
                        self._try_use(item, built, part)
                    continue
                case FunctionNode():
                    if hidden is None:
                        built.functions[item.name.text] = item
                    continue
                case ResourceNode() if hidden is None:
                    resources.append(item)
                case _:
                    pass
            if hidden is None:
                built.scope.define(item)
            else:
                built.scope.hide(item.name.text, hidden)
        built.interface = self._interface(owner, items, built, gates, resources)
        return built

    def _try_use(self, node: UseNode, built: ResolvedInterface, part: Part) -> None:
        with self.problems.kept() as problem:
            self.use(node, built.scope, part, built.depends)
        if problem.error is not None:
            for rename in node.names:
                built.scope.give_up((rename.alias or rename.name).text, problem.error)

    def use(
        self, node: UseNode, scope: TypeScope, part: Part, depends: dict[str, None]
    ) -> ResolvedInterface:
        """Bring the names of a `use` into a scope and note which interface they come from."""
        declaration = self._sources.find(node.path, part)
        source = self.of(declaration, node.path.name, part)
        depends[source.interface.name] = None
        for rename in node.names:
            entry = _used_entry(source, rename.name, part)
            name = (rename.alias or rename.name).text
            scope.bring_in(name, entry)
        return source

    def _interface(
        self,
        owner: str,
        items: tuple[InterfaceItem, ...],
        built: ResolvedInterface,
        gates: Gates,
        resources: list[ResourceNode],
    ) -> Interface:
        file, scope = built.part.file, built.scope

        def is_visible(method: MethodNode) -> bool:
            return gates.hidden(method.attributes, file) is None

        types: list[NamedType] = []
        functions: list[Function] = []
        names: list[str] = []
        used: list[tuple[str, ResourceName]] = []
        for name in scope.names():
            with self.problems.kept() as problem:
                entry = scope.entry(Name(name))
                if entry.resource is None:
                    types.append(NamedType(name, entry.type))
                else:
                    names.append(name)
                    if entry.resource != ResourceName(name, owner):
                        used.append((name, entry.resource))
            if problem.error is not None:
                scope.give_up(name, problem.error)
        for item in items:
            with self.problems.kept():
                if isinstance(item, ResourceNode) and item in resources:
                    functions += scope.methods(item, is_visible)
                elif isinstance(item, FunctionNode) and item.name.text in built.functions:
                    functions.append(Function(item.name.text, scope.function(item.type), owner))
        return Interface(owner, tuple(functions), tuple(types), tuple(names), tuple(used))


def _used_entry(source: ResolvedInterface, name: Name, part: Part) -> TypeEntry:
    if name.text in source.functions:
        reason = f"{name.text} is a function of {source.interface.name}, only types can be used"
        fail(part.file, reason, name)
    if name.text not in source.scope.names():
        # The scope knows what a gate hides; everything else is answered with the types there.
        hidden = source.scope.hidden_reason(name.text)
        if hidden is not None:
            fail(part.file, f"{name.text} is not there: {hidden}", name)
        known = source.scope.names()
        fail(part.file, unknown_name(f"type of {source.interface.name}", name.text, known), name)
    return source.scope.entry(name, part.file)


def _declared_names(items: tuple[InterfaceItem, ...]) -> list[Name]:
    names: list[Name] = []
    for item in items:
        if isinstance(item, UseNode):
            names += [rename.alias or rename.name for rename in item.names]
        else:
            names.append(item.name)
    return names
