"""From the rules of the grammar to nodes: one method per rule, called by the parser.

Children come in the order of the rule, without marks; optional parts that are missing are None.
"""
# ruff: noqa: D102 - each method is one rule of the grammar and has its name

from collections.abc import Sequence
from typing import Any, Literal, TypeVar, cast, final

from msgspec.structs import replace

from wit.text.nodes import (
    AliasNode,
    Attributes,
    BorrowNode,
    CaseNode,
    EnumNode,
    ErrorContextNode,
    ExternNode,
    FieldNode,
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
    LabelNode,
    ListNode,
    MapNode,
    MethodNode,
    Name,
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
from wit.types import Primitive

__all__ = ["Builder", "MisplacedError", "PackageHead", "Token"]

_Node = TypeVar("_Node", bound=Any)


class MisplacedError(Exception):
    """Text that the grammar lets pass and that is wrong all the same."""

    def __init__(self, reason: str, offset: int, length: int = 1) -> None:
        super().__init__(reason)
        self.reason = reason
        self.offset = offset
        self.length = length


class Token(str):
    """A word of the text: which terminal it is, its offset and the documentation before it."""

    __slots__ = ("docs", "offset", "type")

    type: str
    offset: int
    docs: str


@final
class PackageHead:
    """`package a:b;`: not a node, as the file itself is the package."""

    def __init__(self, name: PackageName, attributes: Attributes) -> None:
        self.name = name
        self.attributes = attributes


def _name(token: Token) -> Name:
    return Name(str(token), token.offset)


def _marked(token: Token) -> Attributes:
    return Attributes(docs=token.docs, offset=token.offset)


def _attributed(attributes: Attributes | None, node: _Node) -> _Node:
    """Return the node with the gates before it, and the documentation before those."""
    if attributes is None:
        return node
    own: Attributes = node.attributes
    docs = "\n".join(part for part in (attributes.docs, own.docs) if part)
    return replace(node, attributes=replace(attributes, docs=docs))


def _merged(first: Attributes, second: Attributes) -> Attributes:
    def one(a: str | None, b: str | None) -> str | None:
        if a is not None and b is not None:
            raise MisplacedError("the gate stands there twice", second.offset)
        return b if a is None else a

    return Attributes(
        "\n".join(part for part in (first.docs, second.docs) if part),
        one(first.since, second.since),
        one(first.unstable, second.unstable),
        one(first.deprecated, second.deprecated),
        one(first.external_id, second.external_id),
        first.offset,
    )


@final
class Builder:
    """Callbacks of the parser. Has no state: one object serves all parses."""

    def start(self, items: list[Any]) -> list[Any]:
        return items

    def item(self, parts: list[Any]) -> Item | PackageHead:
        attributes, node = parts
        if attributes is not None and isinstance(node, FileUseNode | PackageHead | PackageNode):
            raise MisplacedError("gates stand before interfaces and worlds", attributes.offset)
        return cast("Item | PackageHead", _attributed(attributes, node))

    def attributes(self, parts: list[Attributes]) -> Attributes | None:
        merged: Attributes | None = None
        for part in parts:
            merged = part if merged is None else _merged(merged, part)
        return merged

    def gate(self, parts: list[Token]) -> Attributes:
        gate, key, value = parts
        expected = {"since": "version", "deprecated": "version", "unstable": "feature"}.get(gate)
        if expected is None:
            reason = f"unknown gate @{gate}, expected @since, @unstable or @deprecated"
            raise MisplacedError(reason, gate.offset, len(gate))
        if key != expected:
            raise MisplacedError(f"expected `{expected}` in @{gate}", key.offset, len(key))
        if value[0].isdigit() is not (expected == "version"):
            wanted = "a version" if expected == "version" else "the name of a feature"
            raise MisplacedError(f"expected {wanted}, got `{value}`", value.offset, len(value))
        return replace(_marked(gate), **{str(gate): str(value)})

    def external_id(self, parts: list[Token]) -> Attributes:
        gate, value = parts
        if gate != "external-id":
            reason = f"unknown attribute @{gate} with a string, expected @external-id"
            raise MisplacedError(reason, gate.offset, len(gate))
        return replace(_marked(gate), external_id=_string_value(value))

    def package_head(self, parts: list[Any]) -> PackageHead:
        keyword, name = parts
        return PackageHead(name, _marked(keyword))

    def package_block(self, parts: list[Any]) -> PackageNode:
        keyword, name, *items = parts
        for item in items:
            if isinstance(item, PackageHead):
                reason = "a package with braces holds no `package …;`: write its own braces"
                raise MisplacedError(reason, item.attributes.offset, len("package"))
        return PackageNode(name, tuple(items), _marked(keyword))

    def package_name(self, parts: list[Any]) -> PackageName:
        namespace, name, version = parts
        return PackageName(
            str(namespace), str(name), None if version is None else str(version), namespace.offset
        )

    def file_use(self, parts: list[Any]) -> FileUseNode:
        _keyword, path, alias = parts
        return FileUseNode(path, None if alias is None else _name(alias))

    def local_path(self, parts: list[Token]) -> PathNode:
        return PathNode(_name(parts[0]))

    def foreign_path(self, parts: list[Any]) -> PathNode:
        namespace, package, name, version = parts
        text = None if version is None else str(version)
        return PathNode(
            _name(name), PackageName(str(namespace), str(package), text, namespace.offset)
        )

    def interface(self, parts: list[Any]) -> InterfaceNode:
        keyword, name, *items = parts
        return InterfaceNode(_name(name), tuple(items), _marked(keyword))

    def interface_item(self, parts: list[Any]) -> InterfaceItem:
        attributes, node = parts
        return cast("InterfaceItem", _attributed(attributes, node))

    def use(self, parts: list[Any]) -> UseNode:
        keyword, path, names = parts
        return UseNode(path, names, _marked(keyword))

    def used_names(self, parts: list[RenameNode]) -> Sequence[RenameNode]:
        return tuple(parts)

    def used_name(self, parts: list[Any]) -> RenameNode:
        name, alias = parts
        return RenameNode(_name(name), None if alias is None else _name(alias))

    def function(self, parts: list[Any]) -> FunctionNode:
        name, type_ = parts
        return FunctionNode(_name(name), type_, _marked(name))

    def function_type(self, parts: list[Any]) -> FunctionTypeNode:
        keyword, _func, parameters, result = parts
        return FunctionTypeNode(parameters, result, keyword is not None)

    def parameters(self, parts: list[FieldNode | None]) -> Sequence[FieldNode]:
        return tuple(part for part in parts if part is not None)

    def parameter(self, parts: list[Any]) -> FieldNode:
        name, type_ = parts
        return FieldNode(_name(name), type_)

    def world(self, parts: list[Any]) -> WorldNode:
        keyword, name, *items = parts
        return WorldNode(_name(name), tuple(items), _marked(keyword))

    def world_item(self, parts: list[Any]) -> WorldItem:
        attributes, node = parts
        return cast("WorldItem", _attributed(attributes, node))

    def extern_path(self, parts: list[Any]) -> ExternNode:
        keyword, path = parts
        return ExternNode(_direction(keyword), None, path, _marked(keyword))

    def extern_named_path(self, parts: list[Any]) -> ExternNode:
        keyword, name, path = parts
        if path.package is None and path.name.offset == name.offset + len(name) + 1:
            package = f"{name}:{path.name.text}"
            reason = (
                f"`{package}` names a package, expected `{package}/interface`,"
                f" or `{name}: {path.name.text}` to give an interface a name"
            )
            raise MisplacedError(reason, name.offset, len(package))
        return ExternNode(_direction(keyword), _name(name), path, _marked(keyword))

    def extern_function(self, parts: list[Any]) -> ExternNode:
        keyword, name, type_ = parts
        return ExternNode(_direction(keyword), _name(name), type_, _marked(keyword))

    def extern_inline(self, parts: list[Any]) -> ExternNode:
        keyword, name, _interface, *items = parts
        inline = InlineInterface(tuple(items))
        return ExternNode(_direction(keyword), _name(name), inline, _marked(keyword))

    def include(self, parts: list[Any]) -> IncludeNode:
        keyword, path, *rest = parts
        renames = rest[0] if rest and rest[0] is not None else ()
        return IncludeNode(path, renames, _marked(keyword))

    def renames(self, parts: list[RenameNode]) -> Sequence[RenameNode]:
        return tuple(parts)

    def rename(self, parts: list[Token]) -> RenameNode:
        name, alias = parts
        return RenameNode(_name(name), _name(alias))

    def alias(self, parts: list[Any]) -> AliasNode:
        keyword, name, type_ = parts
        return AliasNode(_name(name), type_, _marked(keyword))

    def record(self, parts: list[Any]) -> RecordNode:
        keyword, name, fields = parts
        return RecordNode(_name(name), fields or (), _marked(keyword))

    def variant(self, parts: list[Any]) -> VariantNode:
        keyword, name, cases = parts
        return VariantNode(_name(name), cases or (), _marked(keyword))

    def enum(self, parts: list[Any]) -> EnumNode:
        keyword, name, cases = parts
        return EnumNode(_name(name), cases or (), _marked(keyword))

    def flags(self, parts: list[Any]) -> FlagsNode:
        keyword, name, labels = parts
        return FlagsNode(_name(name), labels or (), _marked(keyword))

    def bare_resource(self, parts: list[Any]) -> ResourceNode:
        keyword, name = parts
        return ResourceNode(_name(name), (), _marked(keyword))

    def resource(self, parts: list[Any]) -> ResourceNode:
        keyword, name, *methods = parts
        return ResourceNode(_name(name), tuple(methods), _marked(keyword))

    def fields(self, parts: list[FieldNode]) -> Sequence[FieldNode]:
        return tuple(parts)

    def field(self, parts: list[Any]) -> FieldNode:
        name, type_ = parts
        return FieldNode(_name(name), type_, name.docs)

    def cases(self, parts: list[CaseNode]) -> Sequence[CaseNode]:
        return tuple(parts)

    def case(self, parts: list[Any]) -> CaseNode:
        name, type_ = parts
        return CaseNode(_name(name), type_, name.docs)

    def labels(self, parts: list[LabelNode]) -> Sequence[LabelNode]:
        return tuple(parts)

    def label(self, parts: list[Token]) -> LabelNode:
        return LabelNode(_name(parts[0]), parts[0].docs)

    def method(self, parts: list[Any]) -> MethodNode:
        attributes, name, type_ = parts
        return _attributed(attributes, MethodNode("method", _name(name), type_, _marked(name)))

    def static(self, parts: list[Any]) -> MethodNode:
        attributes, name, _static, type_ = parts
        return _attributed(attributes, MethodNode("static", _name(name), type_, _marked(name)))

    def constructor(self, parts: list[Any]) -> MethodNode:
        attributes, keyword, parameters, result = parts
        type_ = FunctionTypeNode(parameters, result)
        node = MethodNode("constructor", _name(keyword), type_, _marked(keyword))
        return _attributed(attributes, node)

    def primitive_type(self, parts: list[Token]) -> TypeNode:
        return Primitive(str(parts[0]))

    def named_type(self, parts: list[Token]) -> TypeNode:
        return NamedNode(_name(parts[0]))

    def list_type(self, parts: list[Any]) -> TypeNode:
        return ListNode(parts[1], None, parts[0].offset)

    def fixed_list_type(self, parts: list[Any]) -> TypeNode:
        keyword, element, length = parts
        return ListNode(element, _length(length), keyword.offset)

    def map_type(self, parts: list[Any]) -> TypeNode:
        return MapNode(parts[1], parts[2], parts[0].offset)

    def tuple_type(self, parts: list[Any]) -> TypeNode:
        return TupleNode(tuple(parts[1:]))

    def option_type(self, parts: list[Any]) -> TypeNode:
        return OptionNode(parts[1])

    def result_type(self, _parts: list[Any]) -> TypeNode:
        return ResultNode()

    def ok_result_type(self, parts: list[Any]) -> TypeNode:
        return ResultNode(parts[1])

    def full_result_type(self, parts: list[Any]) -> TypeNode:
        return ResultNode(parts[1], parts[2])

    def err_result_type(self, parts: list[Any]) -> TypeNode:
        return ResultNode(None, parts[2])

    def borrow_type(self, parts: list[Any]) -> TypeNode:
        return BorrowNode(_name(parts[1]))

    def own_type(self, parts: list[Any]) -> TypeNode:
        return BorrowNode(_name(parts[1]), owned=True)

    def future_type(self, parts: list[Any]) -> TypeNode:
        return FutureNode(parts[1])

    def stream_type(self, parts: list[Any]) -> TypeNode:
        return StreamNode(parts[1])

    def error_context_type(self, _parts: list[Any]) -> TypeNode:
        return ErrorContextNode()


def _direction(keyword: Token) -> Literal["import", "export"]:
    return "import" if keyword == "import" else "export"


def _length(token: Token) -> int:
    # Lengths are u32; longer digit strings need not be converted to know that they are wrong.
    length = int(token) if len(token) <= 10 else 0
    if not 0 < length < 2**32:
        reason = f"expected a length between 1 and {2**32 - 1}, got {token}"
        raise MisplacedError(reason, token.offset, len(token))
    return length


def _string_value(token: Token) -> str:
    body = token[1:-1]
    for escape, character in (('\\"', '"'), ("\\\\", "\\")):
        body = body.replace(escape, character)
    return body
