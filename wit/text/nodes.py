"""The tree of a WIT file as it is written: names are not looked up, nothing is left out.

Offsets count characters from the start of the file; -1 where a tree was not parsed from text.
"""

from typing import Literal, TypeAlias

from msgspec import Struct

from wit.types import Primitive

__all__ = [
    "AliasNode",
    "Attributes",
    "BorrowNode",
    "CaseNode",
    "Definition",
    "EnumNode",
    "ErrorContextNode",
    "ExternNode",
    "FieldNode",
    "FileNode",
    "FileUseNode",
    "FlagsNode",
    "FunctionNode",
    "FunctionTypeNode",
    "FutureNode",
    "IncludeNode",
    "InlineInterface",
    "InterfaceItem",
    "InterfaceNode",
    "Item",
    "LabelNode",
    "ListNode",
    "MapNode",
    "MethodNode",
    "Name",
    "NamedNode",
    "OptionNode",
    "PackageName",
    "PackageNode",
    "PathNode",
    "RecordNode",
    "RenameNode",
    "ResourceNode",
    "ResultNode",
    "StreamNode",
    "TupleNode",
    "TypeNode",
    "UseNode",
    "VariantNode",
    "WorldItem",
    "WorldNode",
]


class Name(Struct, frozen=True, gc=False):
    """An identifier, without `%`."""

    text: str
    offset: int = -1


class Attributes(Struct, frozen=True, gc=False):
    """What stands before an item: documentation and gates.

    `docs` has no comment marks and no common indentation.
    """

    docs: str = ""
    since: str | None = None
    unstable: str | None = None
    deprecated: str | None = None
    external_id: str | None = None
    offset: int = -1


class PackageName(Struct, frozen=True, gc=False):
    """`namespace:name@version`."""

    namespace: str
    name: str
    version: str | None = None
    offset: int = -1

    @property
    def text(self) -> str:
        """The full name, with the version if there is one."""
        return self.unversioned + (f"@{self.version}" if self.version else "")

    @property
    def unversioned(self) -> str:
        """`namespace:name`."""
        return f"{self.namespace}:{self.name}"

    def member(self, name: str) -> str:
        """Return the full name of an interface or a world: `namespace:name/member@version`."""
        return f"{self.unversioned}/{name}" + (f"@{self.version}" if self.version else "")


class PathNode(Struct, frozen=True, gc=False):
    """The name of an interface or a world, as written: local or with its package."""

    name: Name
    package: PackageName | None = None

    @property
    def text(self) -> str:
        """The path as WIT writes it."""
        return self.name.text if self.package is None else self.package.member(self.name.text)

    @property
    def offset(self) -> int:
        """Where the path begins."""
        return self.name.offset if self.package is None else self.package.offset


class NamedNode(Struct, frozen=True, gc=False, tag_field="node", tag="named"):
    """A type by its name, or the owned handle of a resource."""

    name: Name


class ListNode(Struct, frozen=True, gc=False, tag_field="node", tag="list"):
    """`list<T>` or `list<T, N>`."""

    element: "TypeNode"
    length: int | None = None
    offset: int = -1


class MapNode(Struct, frozen=True, gc=False, tag_field="node", tag="map"):
    """`map<K, V>`."""

    key: "TypeNode"
    value: "TypeNode"
    offset: int = -1


class TupleNode(Struct, frozen=True, gc=False, tag_field="node", tag="tuple"):
    """`tuple<A, B>`."""

    elements: tuple["TypeNode", ...]


class OptionNode(Struct, frozen=True, gc=False, tag_field="node", tag="option"):
    """`option<T>`."""

    some: "TypeNode"


class ResultNode(Struct, frozen=True, gc=False, tag_field="node", tag="result"):
    """`result`, `result<T>`, `result<_, E>`, `result<T, E>`."""

    ok: "TypeNode | None" = None
    err: "TypeNode | None" = None


class BorrowNode(Struct, frozen=True, gc=False, tag_field="node", tag="borrow"):
    """`borrow<R>`, or with `owned` the explicit `own<R>`."""

    name: Name
    owned: bool = False


class FutureNode(Struct, frozen=True, gc=False, tag_field="node", tag="future"):
    """`future<T>`."""

    element: "TypeNode | None" = None


class StreamNode(Struct, frozen=True, gc=False, tag_field="node", tag="stream"):
    """`stream<T>`."""

    element: "TypeNode | None" = None


class ErrorContextNode(Struct, frozen=True, gc=False, tag_field="node", tag="error-context"):
    """`error-context`."""


TypeNode: TypeAlias = (
    Primitive
    | NamedNode
    | ListNode
    | MapNode
    | TupleNode
    | OptionNode
    | ResultNode
    | BorrowNode
    | FutureNode
    | StreamNode
    | ErrorContextNode
)


class FieldNode(Struct, frozen=True, gc=False):
    """A field of a record, or a parameter of a function (then without docs)."""

    name: Name
    type: TypeNode
    docs: str = ""


class CaseNode(Struct, frozen=True, gc=False):
    """A case of a variant."""

    name: Name
    type: TypeNode | None = None
    docs: str = ""


class LabelNode(Struct, frozen=True, gc=False):
    """A case of an enum or a label of flags."""

    name: Name
    docs: str = ""


class FunctionTypeNode(Struct, frozen=True, gc=False, tag_field="node", tag="function-type"):
    """`async func(a: T) -> R`."""

    parameters: tuple[FieldNode, ...] = ()
    result: TypeNode | None = None
    is_async: bool = False


class AliasNode(Struct, frozen=True, gc=False, tag_field="node", tag="alias"):
    """`type a = T;`."""

    name: Name
    type: TypeNode
    attributes: Attributes = Attributes()


class RecordNode(Struct, frozen=True, gc=False, tag_field="node", tag="record"):
    """`record a { … }`."""

    name: Name
    fields: tuple[FieldNode, ...]
    attributes: Attributes = Attributes()


class VariantNode(Struct, frozen=True, gc=False, tag_field="node", tag="variant"):
    """`variant a { … }`."""

    name: Name
    cases: tuple[CaseNode, ...]
    attributes: Attributes = Attributes()


class EnumNode(Struct, frozen=True, gc=False, tag_field="node", tag="enum"):
    """`enum a { … }`."""

    name: Name
    cases: tuple[LabelNode, ...]
    attributes: Attributes = Attributes()


class FlagsNode(Struct, frozen=True, gc=False, tag_field="node", tag="flags"):
    """`flags a { … }`."""

    name: Name
    labels: tuple[LabelNode, ...]
    attributes: Attributes = Attributes()


class MethodNode(Struct, frozen=True, gc=False):
    """A function of a resource. A constructor has the name `constructor`."""

    kind: Literal["method", "static", "constructor"]
    name: Name
    type: FunctionTypeNode
    attributes: Attributes = Attributes()


class ResourceNode(Struct, frozen=True, gc=False, tag_field="node", tag="resource"):
    """`resource a { … }`."""

    name: Name
    methods: tuple[MethodNode, ...] = ()
    attributes: Attributes = Attributes()


Definition: TypeAlias = AliasNode | RecordNode | VariantNode | EnumNode | FlagsNode | ResourceNode


class RenameNode(Struct, frozen=True, gc=False):
    """`a`, or `a as b`."""

    name: Name
    alias: Name | None = None


class UseNode(Struct, frozen=True, gc=False, tag_field="node", tag="use"):
    """`use path.{a, b as c};` inside an interface or a world."""

    path: PathNode
    names: tuple[RenameNode, ...]
    attributes: Attributes = Attributes()


class FunctionNode(Struct, frozen=True, gc=False, tag_field="node", tag="function"):
    """`name: func(…);` inside an interface."""

    name: Name
    type: FunctionTypeNode
    attributes: Attributes = Attributes()


InterfaceItem: TypeAlias = Definition | UseNode | FunctionNode


class InterfaceNode(Struct, frozen=True, gc=False, tag_field="node", tag="interface"):
    """`interface a { … }`."""

    name: Name
    items: tuple[InterfaceItem, ...] = ()
    attributes: Attributes = Attributes()


class InlineInterface(Struct, frozen=True, gc=False, tag_field="node", tag="inline"):
    """`interface { … }` after the name of an import or export."""

    items: tuple[InterfaceItem, ...] = ()


class ExternNode(Struct, frozen=True, gc=False, tag_field="node", tag="extern"):
    """An import or export of a world; `name` is None where the path says it all."""

    direction: Literal["import", "export"]
    name: Name | None
    target: PathNode | FunctionTypeNode | InlineInterface
    attributes: Attributes = Attributes()


class IncludeNode(Struct, frozen=True, gc=False, tag_field="node", tag="include"):
    """`include path with { a as b };`."""

    path: PathNode
    renames: tuple[RenameNode, ...] = ()
    attributes: Attributes = Attributes()


WorldItem: TypeAlias = Definition | UseNode | ExternNode | IncludeNode


class WorldNode(Struct, frozen=True, gc=False, tag_field="node", tag="world"):
    """`world a { … }`."""

    name: Name
    items: tuple[WorldItem, ...] = ()
    attributes: Attributes = Attributes()


class FileUseNode(Struct, frozen=True, gc=False, tag_field="node", tag="file-use"):
    """`use path as name;` outside of interfaces and worlds."""

    path: PathNode
    alias: Name | None = None


class PackageNode(Struct, frozen=True, gc=False, tag_field="node", tag="package"):
    """`package a:b { … }` inside a file."""

    name: PackageName
    items: tuple["Item", ...] = ()
    attributes: Attributes = Attributes()


Item: TypeAlias = InterfaceNode | WorldNode | FileUseNode | PackageNode


class FileNode(Struct, frozen=True, gc=False):
    """One file. `package` is None where another file of the folder names the package."""

    package: PackageName | None = None
    items: tuple[Item, ...] = ()
    attributes: Attributes = Attributes()
    file: str = ""
    text: str = ""
