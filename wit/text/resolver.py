"""From files to packages with worlds and interfaces in which no name is left to look up.

Source: component-model specification, WIT.md, "WIT Worlds", "Interfaces, worlds, and use" and
"Nested namespaces".
"""

from collections.abc import Collection, Iterable, Iterator, Sequence

from msgspec.structs import replace

from wit.errors import ParseError
from wit.text.gates import ALL_FEATURES
from wit.text.interfaces import Interfaces
from wit.text.model import Notes, Package, Packages
from wit.text.nodes import (
    Attributes,
    EnumNode,
    ExternNode,
    FileNode,
    FlagsNode,
    FunctionNode,
    IncludeNode,
    InlineInterface,
    InterfaceItem,
    InterfaceNode,
    PathNode,
    RecordNode,
    ResourceNode,
    UseNode,
    VariantNode,
    WorldItem,
)
from wit.text.parser import parse
from wit.text.problems import Problems
from wit.text.sources import Declaration, PackageSource, Sources, fail
from wit.text.worlds import Worlds
from wit.world import Interface, World

__all__ = ["ALL_FEATURES", "find_problems", "resolve", "resolve_text"]


def resolve_text(text: str, file: str = "", *, features: Collection[str] = ()) -> Packages:
    """Return the packages of one text, which may hold several. Errors as for `resolve`."""
    return resolve([[parse(text, file)]], features=features)


def resolve(
    folders: Sequence[Iterable[FileNode]],
    *,
    features: Collection[str] = (),
    unify: bool = True,
) -> Packages:
    """Return packages that refer to each other.

    Args:
        folders: The files of each package together. The last folder is the main package: the one
            whose worlds are meant when no package is named.
        features: Names of the unstable features that exist; `ALL_FEATURES` for all of them.
        unify: Whether a reference to a version goes to the newest compatible version that is
            there. Otherwise only if that very version is not there.

    Raises:
        ParseError: with file, line and column: unknown names, duplicates, circles, names of the
            wrong kind, gates that contradict each other.
    """
    return _resolved(folders, features, Problems(keep=False), unify=unify)


def find_problems(
    folders: Sequence[Iterable[FileNode]], *, features: Collection[str] = (), unify: bool = True
) -> list[ParseError]:
    """Return all that is wrong with packages, where `resolve` raises the first error alone.

    What depends on something wrong is not told again. Arguments as for `resolve`.
    """
    problems = Problems(keep=True)
    with problems.kept():
        _resolved(folders, features, problems, unify=unify)
    return problems.found


def _resolved(
    folders: Sequence[Iterable[FileNode]],
    features: Collection[str],
    problems: Problems,
    *,
    unify: bool,
) -> Packages:
    sources = Sources(unify=unify)
    main: PackageSource | None = None
    for folder in folders:
        main = sources.add_folder(folder)
    if main is None:
        main = sources.add_folder([])
    interfaces = Interfaces(sources, frozenset(features), problems)
    worlds = Worlds(sources, interfaces)
    try:
        packages = {
            name: _package(source, interfaces, worlds) for name, source in sources.packages.items()
        }
        _check_circles(sources)
    except RecursionError:
        raise ParseError("names refer to each other over too many steps") from None
    return Packages(packages, main.name.text)


def _package(source: PackageSource, interfaces: Interfaces, worlds: Worlds) -> Package:
    described: dict[str, Interface] = {}
    built: dict[str, World] = {}
    notes: dict[str, Notes] = {}
    if source.docs:
        notes[""] = Notes("\n".join(source.docs))
    for name, declaration in source.declarations.items():
        node, part = declaration.node, declaration.part
        with interfaces.problems.kept() as problem:
            hidden = interfaces.gates(part).hidden(node.attributes, part.file)
            if hidden is not None:
                _check_inside(declaration, interfaces, hidden)
                continue
            if isinstance(node, InterfaceNode):
                described[name] = interfaces.of(declaration, node.name, part).interface
            else:
                built[name] = worlds.of(declaration)
        if problem.error is not None:
            continue
        _note(notes, name, node.attributes)
        for path, attributes in _noted(node.items):
            _note(notes, f"{name}.{path}", attributes)
    return Package(replace(source.name, offset=-1), described, built, notes)


def _check_inside(declaration: Declaration, interfaces: Interfaces, hidden: str) -> None:
    """Refuse types in a hidden interface that claim to be there: they need the gate, too."""
    node, part = declaration.node, declaration.part
    if not isinstance(node, InterfaceNode):
        return
    gates = interfaces.gates(part)
    for item in node.items:
        if isinstance(item, FunctionNode | UseNode):
            continue
        if gates.hidden(item.attributes, part.file) is None:
            reason = (
                f"{item.name.text} is not gated, but its interface {node.name.text} is not there:"
                f" {hidden}; write the gate before {item.name.text}, too"
            )
            fail(part.file, reason, item.name)


def _note(notes: dict[str, Notes], path: str, attributes: Attributes) -> None:
    note = Notes(
        attributes.docs,
        attributes.since,
        attributes.unstable,
        attributes.deprecated,
        attributes.external_id,
    )
    if note != Notes():
        notes[path] = note


def _noted(items: Iterable[InterfaceItem | WorldItem]) -> Iterator[tuple[str, Attributes]]:
    """Yield the dotted path and the attributes of all items and their members."""
    for item in items:
        match item:
            case UseNode() | IncludeNode():
                continue
            case ExternNode():
                named = item.target.text if isinstance(item.target, PathNode) else ""
                named = named if item.name is None else item.name.text
                yield named, item.attributes
                if isinstance(item.target, InlineInterface):
                    for path, attributes in _noted(item.target.items):
                        yield f"{named}.{path}", attributes
                continue
            case RecordNode(_, members) | VariantNode(_, members):
                inner = [(each.name.text, Attributes(each.docs)) for each in members]
            case EnumNode(_, labels) | FlagsNode(_, labels):
                inner = [(each.name.text, Attributes(each.docs)) for each in labels]
            case ResourceNode(_, methods):
                inner = [(each.name.text, each.attributes) for each in methods]
            case _:
                inner = []
        yield item.name.text, item.attributes
        for member, attributes in inner:
            yield f"{item.name.text}.{member}", attributes


def _check_circles(sources: Sources) -> None:
    """Refuse packages that depend on each other, even where no single interface does."""
    done: set[str] = set()

    def visit(name: str, active: list[str]) -> None:
        if name in done:
            return
        for other, (file, place) in sources.packages[name].depends.items():
            if other in [*active, name]:
                circle = " → ".join([*active[active.index(other) if other in active else 0 :]])
                chain = f"{circle} → {name} → {other}" if circle else f"{name} → {other}"
                fail(file, f"packages depend on each other in a circle: {chain}", place)
            visit(other, [*active, name])
        done.add(name)

    for name in sources.packages:
        visit(name, [])
