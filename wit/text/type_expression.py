"""Types as people write them on one line, `list<tuple<item, u32>>`, outside of any WIT file."""

from collections.abc import Iterable

from wit.text.nodes import FileNode
from wit.text.parser import parse_type_node
from wit.text.scopes import TypeEntry, TypeScope
from wit.types import Own, ResourceName, Type
from wit.world import Interface, NamedType, World

__all__ = ["interface_names", "names_of", "parse_type"]


def parse_type(text: str, names: Iterable[NamedType] = ()) -> Type:
    """Return the type that an expression means.

    Args:
        text: Any type expression of WIT.
        names: What names in it stand for; of equal names the first one counts.

    Raises:
        ParseError: with line, column and what was expected: no type, or an unknown name.
    """
    node = parse_type_node(text)
    scope = TypeScope(FileNode(text=text), None)
    known: set[str] = set()
    for each in names:
        if each.name not in known:
            known.add(each.name)
            kind = "resource" if isinstance(each.type, Own) else "type"
            scope.bring_in(each.name, TypeEntry(each.type, kind))
    return scope.type(node)


def names_of(world: World) -> tuple[NamedType, ...]:
    """Return all types and resources that a world declares or uses, exported ones first."""
    found: list[NamedType] = []
    for interface in (*world.export_interfaces, *world.import_interfaces):
        found += interface_names(interface)
    return tuple(found)


def interface_names(interface: Interface) -> tuple[NamedType, ...]:
    """Return the types of an interface and its resources as owned handles."""
    handles = (
        NamedType(name, Own(ResourceName(name, interface.name))) for name in interface.resources
    )
    return (*interface.types, *handles)
