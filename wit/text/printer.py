"""The text of WIT trees: parsing it again gives the same tree.

Two spaces of indentation, a trailing comma on each member, documentation as `///`.

Source: component-model specification, WIT.md, "Top-level items".
"""

from collections.abc import Iterable
from typing import assert_never

from wit.text.nodes import (
    AliasNode,
    Attributes,
    BorrowNode,
    EnumNode,
    ErrorContextNode,
    ExternNode,
    FieldNode,
    FileNode,
    FileUseNode,
    FlagsNode,
    FunctionNode,
    FunctionTypeNode,
    FutureNode,
    IncludeNode,
    InlineInterface,
    InterfaceItem,
    InterfaceNode,
    Item,
    ListNode,
    MapNode,
    MethodNode,
    NamedNode,
    OptionNode,
    PackageName,
    PackageNode,
    PathNode,
    RecordNode,
    RenameNode,
    ResourceNode,
    ResultNode,
    StreamNode,
    TupleNode,
    TypeNode,
    UseNode,
    VariantNode,
    WorldItem,
    WorldNode,
)
from wit.type_text import identifier_text
from wit.types import Primitive

__all__ = ["print_file", "type_node_text"]


def print_file(file: FileNode) -> str:
    """Return the text of a file, ending in a line break."""
    blocks: list[str] = []
    if file.package is not None:
        head = f"package {_package(file.package)};"
        blocks.append("\n".join([*_documentation(file.attributes.docs), head]))
    blocks += ["\n".join(_item(item)) for item in file.items]
    return "\n\n".join(blocks) + "\n"


def type_node_text(type_: TypeNode) -> str:
    """Return the text of a type."""
    match type_:
        case Primitive():
            return type_.value
        case NamedNode(name):
            return identifier_text(name.text)
        case ListNode(element, length):
            size = "" if length is None else f", {length}"
            return f"list<{type_node_text(element)}{size}>"
        case MapNode(key, value):
            return f"map<{type_node_text(key)}, {type_node_text(value)}>"
        case TupleNode(elements):
            return f"tuple<{', '.join(map(type_node_text, elements))}>"
        case OptionNode(some):
            return f"option<{type_node_text(some)}>"
        case ResultNode(ok, None):
            return "result" if ok is None else f"result<{type_node_text(ok)}>"
        case ResultNode(ok, err):
            assert err is not None, "the case above takes results without error type"
            return f"result<{'_' if ok is None else type_node_text(ok)}, {type_node_text(err)}>"
        case BorrowNode(name, owned):
            return f"{'own' if owned else 'borrow'}<{identifier_text(name.text)}>"
        case FutureNode(element):
            return "future" if element is None else f"future<{type_node_text(element)}>"
        case StreamNode(element):
            return "stream" if element is None else f"stream<{type_node_text(element)}>"
        case ErrorContextNode():
            return "error-context"
        case _:
            assert_never(type_)


def _documentation(docs: str) -> list[str]:
    return [f"/// {line}".rstrip() for line in docs.split("\n")] if docs else []


def _before(attributes: Attributes) -> list[str]:
    lines = _documentation(attributes.docs)
    if attributes.since is not None:
        lines.append(f"@since(version = {attributes.since})")
    if attributes.unstable is not None:
        lines.append(f"@unstable(feature = {identifier_text(attributes.unstable)})")
    if attributes.deprecated is not None:
        lines.append(f"@deprecated(version = {attributes.deprecated})")
    if attributes.external_id is not None:
        escaped = attributes.external_id.replace("\\", "\\\\").replace('"', '\\"')
        lines.append(f'@external-id("{escaped}")')
    return lines


def _package(name: PackageName) -> str:
    version = f"@{name.version}" if name.version else ""
    return f"{identifier_text(name.namespace)}:{identifier_text(name.name)}{version}"


def _path(path: PathNode) -> str:
    name = identifier_text(path.name.text)
    if path.package is None:
        return name
    package = path.package
    version = f"@{package.version}" if package.version else ""
    return f"{identifier_text(package.namespace)}:{identifier_text(package.name)}/{name}{version}"


def _indented(lines: Iterable[str]) -> list[str]:
    return [f"  {line}" if line else "" for line in lines]


def _block(head: str, lines: list[str]) -> list[str]:
    return [f"{head} {{", *_indented(lines), "}"] if lines else [f"{head} {{}}"]


def _spaced(groups: Iterable[list[str]]) -> list[str]:
    """Join items with a blank line around those of several lines."""
    lines: list[str] = []
    before: list[str] = []
    for group in groups:
        if before and (len(group) > 1 or len(before) > 1):
            lines.append("")
        lines += group
        before = group
    return lines


def _item(item: Item) -> list[str]:
    match item:
        case InterfaceNode():
            head = f"interface {identifier_text(item.name.text)}"
            body = _spaced(map(_interface_item, item.items))
            return _before(item.attributes) + _block(head, body)
        case WorldNode():
            head = f"world {identifier_text(item.name.text)}"
            body = _spaced(map(_world_item, item.items))
            return _before(item.attributes) + _block(head, body)
        case FileUseNode(path, alias):
            renamed = "" if alias is None else f" as {identifier_text(alias.text)}"
            return [f"use {_path(path)}{renamed};"]
        case PackageNode():
            blocks: list[str] = []
            for inner in item.items:
                blocks += ["", *_item(inner)] if blocks else _item(inner)
            return _before(item.attributes) + _block(f"package {_package(item.name)}", blocks)
        case _:
            assert_never(item)


def _interface_item(item: InterfaceItem) -> list[str]:
    match item:
        case FunctionNode():
            text = f"{identifier_text(item.name.text)}: {_function(item.type)};"
            return [*_before(item.attributes), text]
        case UseNode():
            return _use(item)
        case _:
            return _definition(item)


def _world_item(item: WorldItem) -> list[str]:
    match item:
        case UseNode():
            return _use(item)
        case ExternNode():
            return _before(item.attributes) + _extern(item)
        case IncludeNode():
            renames = f" with {{ {', '.join(map(_rename, item.renames))} }}"
            # The grammar of the specification has no `;` behind the braces; other tools refuse it.
            end = renames if item.renames else ";"
            return [*_before(item.attributes), f"include {_path(item.path)}{end}"]
        case _:
            return _definition(item)


def _rename(rename: RenameNode) -> str:
    name = identifier_text(rename.name.text)
    return name if rename.alias is None else f"{name} as {identifier_text(rename.alias.text)}"


def _use(item: UseNode) -> list[str]:
    names = ", ".join(map(_rename, item.names))
    return [*_before(item.attributes), f"use {_path(item.path)}.{{{names}}};"]


def _extern(item: ExternNode) -> list[str]:
    head: str = item.direction
    if item.name is not None:
        head += f" {identifier_text(item.name.text)}:"
    match item.target:
        case PathNode():
            return [f"{head} {_path(item.target)};"]
        case FunctionTypeNode():
            return [f"{head} {_function(item.target)};"]
        case InlineInterface(items):
            return _block(f"{head} interface", _spaced(map(_interface_item, items)))
        case _:
            assert_never(item.target)


def _parameters(parameters: tuple[FieldNode, ...]) -> str:
    return ", ".join(
        f"{identifier_text(each.name.text)}: {type_node_text(each.type)}" for each in parameters
    )


def _function(type_: FunctionTypeNode) -> str:
    keyword = "async func" if type_.is_async else "func"
    result = "" if type_.result is None else f" -> {type_node_text(type_.result)}"
    return f"{keyword}({_parameters(type_.parameters)}){result}"


def _definition(
    item: AliasNode | RecordNode | VariantNode | EnumNode | FlagsNode | ResourceNode,
) -> list[str]:
    name = identifier_text(item.name.text)
    match item:
        case AliasNode():
            lines = [f"type {name} = {type_node_text(item.type)};"]
        case RecordNode(_, fields):
            body = _members(
                (each.docs, f"{identifier_text(each.name.text)}: {type_node_text(each.type)}")
                for each in fields
            )
            lines = _block(f"record {name}", body)
        case VariantNode(_, cases):
            body = _members(
                (
                    each.docs,
                    identifier_text(each.name.text)
                    + ("" if each.type is None else f"({type_node_text(each.type)})"),
                )
                for each in cases
            )
            lines = _block(f"variant {name}", body)
        case EnumNode(_, labels) | FlagsNode(_, labels):
            keyword = "enum" if isinstance(item, EnumNode) else "flags"
            body = _members((each.docs, identifier_text(each.name.text)) for each in labels)
            lines = _block(f"{keyword} {name}", body)
        case ResourceNode(_, methods):
            body = _spaced(map(_method, methods))
            lines = _block(f"resource {name}", body) if body else [f"resource {name};"]
        case _:
            assert_never(item)
    return _before(item.attributes) + lines


def _members(members: Iterable[tuple[str, str]]) -> list[str]:
    lines: list[str] = []
    for docs, text in members:
        lines += [*_documentation(docs), f"{text},"]
    return lines


def _method(method: MethodNode) -> list[str]:
    match method.kind:
        case "constructor":
            result = method.type.result
            arrow = "" if result is None else f" -> {type_node_text(result)}"
            text = f"constructor({_parameters(method.type.parameters)}){arrow};"
        case "static":
            text = f"{identifier_text(method.name.text)}: static {_function(method.type)};"
        case "method":
            text = f"{identifier_text(method.name.text)}: {_function(method.type)};"
        case _:
            assert_never(method.kind)
    return [*_before(method.attributes), text]
