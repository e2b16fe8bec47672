"""Resolved packages written as WIT, with their documentation: the way back from model to tree.

`use` and declared names are kept; comments, the order of items and gates of hidden items are not.
"""

from collections.abc import Mapping
from typing import TypeVar, assert_never

from msgspec.structs import replace

from wit.text.from_world import interface_items, world_items
from wit.text.model import Notes, Package, Packages
from wit.text.nodes import (
    AliasNode,
    Attributes,
    Definition,
    EnumNode,
    ExternNode,
    FileNode,
    FileUseNode,
    FlagsNode,
    FunctionNode,
    IncludeNode,
    InlineInterface,
    InterfaceItem,
    InterfaceNode,
    Item,
    Name,
    PackageNode,
    PathNode,
    RecordNode,
    ResourceNode,
    UseNode,
    VariantNode,
    WorldItem,
    WorldNode,
)

__all__ = ["annotated", "packages_file"]

_Notes = Mapping[str, Notes]
_Noted = TypeVar("_Noted", InterfaceNode, WorldNode, ExternNode)


def packages_file(packages: Packages, *, dependencies: bool = True) -> FileNode:
    """Return a file that resolves to the same packages, the main one first.

    Args:
        packages: What was resolved or decoded.
        dependencies: Whether the other packages follow as blocks.

    Raises:
        WitError: a type that was never declared under a name.
    """
    main = packages.packages[packages.main]
    items = _items(main)
    if dependencies:
        others = (each for text, each in packages.packages.items() if text != packages.main)
        items += [PackageNode(each.name, tuple(_items(each))) for each in others]
    file = FileNode(main.name, tuple(items))
    return annotated(file, {text: each.notes for text, each in packages.packages.items()})


def _items(package: Package) -> list[Item]:
    items: list[Item] = [
        InterfaceNode(Name(name), tuple(interface_items(interface)))
        for name, interface in package.interfaces.items()
    ]
    items += [
        WorldNode(Name(name), tuple(world_items(world))) for name, world in package.worlds.items()
    ]
    return items


def annotated(file: FileNode, notes: Mapping[str, _Notes]) -> FileNode:
    """Return the file with documentation and gates from the notes of packages, by full name."""
    nothing: _Notes = {}
    own = nothing if file.package is None else notes.get(file.package.text, nothing)
    items: list[Item] = []
    for item in file.items:
        if isinstance(item, PackageNode):
            inner = notes.get(item.name.text, nothing)
            block = tuple(_item(each, inner) for each in item.items)
            items.append(replace(item, items=block, attributes=_attributes("", inner)))
        else:
            items.append(_item(item, own))
    return replace(file, items=tuple(items), attributes=_attributes("", own))


def _attributes(path: str, notes: _Notes) -> Attributes:
    note = notes.get(path)
    if note is None:
        return Attributes()
    return Attributes(note.docs, note.since, note.unstable, note.deprecated, note.external_id)


def _noted(node: _Noted, path: str, notes: _Notes) -> _Noted:
    return replace(node, attributes=_attributes(path, notes))


def _item(item: Item, notes: _Notes) -> Item:
    match item:
        case InterfaceNode():
            name = item.name.text
            inside = tuple(_interface_item(each, name, notes) for each in item.items)
            return _noted(replace(item, items=inside), name, notes)
        case WorldNode():
            name = item.name.text
            parts = tuple(_world_item(each, name, notes) for each in item.items)
            return _noted(replace(item, items=parts), name, notes)
        case FileUseNode() | PackageNode():
            return item
        case _:
            assert_never(item)


def _world_item(item: WorldItem, world: str, notes: _Notes) -> WorldItem:
    match item:
        case IncludeNode():
            return item
        case ExternNode():
            named = item.target.text if isinstance(item.target, PathNode) else ""
            path = f"{world}.{named if item.name is None else item.name.text}"
            if isinstance(item.target, InlineInterface):
                inside = (_interface_item(each, path, notes) for each in item.target.items)
                item = replace(item, target=InlineInterface(tuple(inside)))
            return _noted(item, path, notes)
        case UseNode():
            return item
        case _:
            return _definition(item, f"{world}.{item.name.text}", notes)


def _interface_item(item: InterfaceItem, owner: str, notes: _Notes) -> InterfaceItem:
    if isinstance(item, UseNode):
        return item
    path = f"{owner}.{item.name.text}"
    if isinstance(item, FunctionNode):
        return replace(item, attributes=_attributes(path, notes))
    return _definition(item, path, notes)


def _definition(item: Definition, path: str, notes: _Notes) -> Definition:
    match item:
        case AliasNode():
            return replace(item, attributes=_attributes(path, notes))
        case RecordNode():
            fields = tuple(
                replace(each, docs=_docs(each.name, path, notes)) for each in item.fields
            )
            return replace(item, fields=fields, attributes=_attributes(path, notes))
        case VariantNode():
            cases = tuple(replace(each, docs=_docs(each.name, path, notes)) for each in item.cases)
            return replace(item, cases=cases, attributes=_attributes(path, notes))
        case EnumNode():
            labels = tuple(replace(each, docs=_docs(each.name, path, notes)) for each in item.cases)
            return replace(item, cases=labels, attributes=_attributes(path, notes))
        case FlagsNode():
            labels = tuple(
                replace(each, docs=_docs(each.name, path, notes)) for each in item.labels
            )
            return replace(item, labels=labels, attributes=_attributes(path, notes))
        case ResourceNode():
            methods = tuple(
                replace(each, attributes=_attributes(f"{path}.{each.name.text}", notes))
                for each in item.methods
            )
            return replace(item, methods=methods, attributes=_attributes(path, notes))
        case _:
            assert_never(item)


def _docs(name: Name, path: str, notes: _Notes) -> str:
    note = notes.get(f"{path}.{name.text}")
    return "" if note is None else note.docs
