"""The types of one interface or world: names looked up, cycles and duplicates refused.

Source: component-model specification, WIT.md, "Item: `use`" and "Types".
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Literal, TypeAlias, assert_never, final

from msgspec import Struct

from wit.errors import ParseError
from wit.limits import TYPE_DEPTH_MAX, TYPE_SIZE_MAX
from wit.misfit import unknown_name
from wit.text.nodes import (
    AliasNode,
    BorrowNode,
    CaseNode,
    Definition,
    EnumNode,
    ErrorContextNode,
    FieldNode,
    FileNode,
    FlagsNode,
    FunctionTypeNode,
    FutureNode,
    LabelNode,
    ListNode,
    MapNode,
    MethodNode,
    Name,
    NamedNode,
    OptionNode,
    RecordNode,
    ResourceNode,
    ResultNode,
    StreamNode,
    TupleNode,
    TypeNode,
    VariantNode,
)
from wit.text.sources import fail
from wit.type_walk import walk
from wit.types import (
    Borrow,
    Case,
    EnumType,
    ErrorContextType,
    Field,
    FixedListType,
    FlagsType,
    FunctionType,
    FutureType,
    ListType,
    MapType,
    OptionType,
    Own,
    Parameter,
    Primitive,
    RecordType,
    ResourceName,
    ResultType,
    StreamType,
    TupleType,
    Type,
    TypeName,
    VariantType,
)
from wit.world import Function

__all__ = ["TypeEntry", "TypeScope", "check_unique"]

_MAP_KEYS = frozenset(Primitive) - {Primitive.F32, Primitive.F64}


class _Extent(Struct, frozen=True, gc=False):
    """How many types stand inside each other in a type, and how many there are in all."""

    depth: int = 1
    size: int = 1


class TypeEntry(Struct, frozen=True):
    """What a name of a scope means."""

    type: Type
    kind: str
    extent: _Extent = _Extent()

    @property
    def resource(self) -> ResourceName | None:
        """The resource, if the name is one."""
        return self.type.resource if isinstance(self.type, Own) else None


_Sized: TypeAlias = tuple[Type, _Extent]


def check_unique(file: FileNode, what: str, names: Iterable[Name]) -> None:
    """Refuse names that are equal but for the case of their letters.

    Raises:
        ParseError: at the second of two equal names.
    """
    seen: set[str] = set()
    for name in names:
        folded = name.text.lower()
        if folded in seen:
            fail(file, f"the {what} {name.text} is declared twice", name)
        seen.add(folded)


@final
class TypeScope:
    """Names of types, looked up when first asked for, so that their order does not matter.

    `owner` is the interface that the types belong to, None for the types of a world.
    """

    def __init__(self, file: FileNode, owner: str | None) -> None:
        self._file = file
        self._owner = owner
        self._definitions: dict[str, Definition] = {}
        self._imports: dict[str, TypeEntry] = {}
        self._hidden: dict[str, str] = {}
        self._broken: dict[str, ParseError] = {}
        self._entries: dict[str, TypeEntry] = {}
        self._active: list[str] = []

    def define(self, node: Definition) -> None:
        """Add a definition; the caller has refused duplicates."""
        self._definitions[node.name.text] = node

    def bring_in(self, name: str, entry: TypeEntry) -> None:
        """Add a name that another scope has explained."""
        self._imports[name] = entry

    def give_up(self, name: str, error: ParseError) -> None:
        """Say that a name has been found wrong: whoever asks for it gets the same error."""
        self._broken.setdefault(name, error)

    def hide(self, name: str, reason: str) -> None:
        """Say why a name is not there."""
        self._hidden[name] = reason

    def hidden_reason(self, name: str) -> str | None:
        """Return why a gate hides a name, None if it does not."""
        return self._hidden.get(name)

    def names(self) -> list[str]:
        """Return all names: those that were brought in first."""
        return [*self._imports, *self._definitions]

    def entry(self, name: Name, file: FileNode | None = None) -> TypeEntry:
        """Return what a name means.

        Args:
            name: Where it is asked for.
            file: The file of that place, if it is not the one of the scope.

        Raises:
            ParseError: unknown or hidden name, or a type that contains itself.
        """
        found = self._entries.get(name.text)
        if found is not None:
            return found
        broken = self._broken.get(name.text)
        if broken is not None:
            raise broken
        file = file or self._file
        if name.text in self._active:
            cycle = " → ".join([*self._active[self._active.index(name.text) :], name.text])
            fail(file, f"the type contains itself: {cycle}", name)
        if name.text in self._imports:
            entry = self._imports[name.text]
        elif name.text in self._definitions:
            self._active.append(name.text)
            try:
                entry = self._define(self._definitions[name.text])
            finally:
                self._active.pop()
        elif name.text in self._hidden:
            fail(file, f"{name.text} is not there: {self._hidden[name.text]}", name)
        else:
            fail(file, unknown_name("type", name.text, self.names()), name)
        if entry.extent.depth > TYPE_DEPTH_MAX:
            fail(file, f"types nest deeper than {TYPE_DEPTH_MAX} levels", name)
        if entry.extent.size > TYPE_SIZE_MAX:
            fail(file, f"the type has more than {TYPE_SIZE_MAX} parts", name)
        self._entries[name.text] = entry
        return entry

    def type(self, node: TypeNode) -> Type:
        """Return the type that a type expression means. Errors as for `entry`."""
        return self._sized(node)[0]

    def function(self, node: FunctionTypeNode, this: tuple[Parameter, ...] = ()) -> FunctionType:
        """Return the type of a function, with the parameters that are not written before."""
        check_unique(self._file, "parameter", (each.name for each in node.parameters))
        parameters = tuple(Parameter(p.name.text, self.type(p.type)) for p in node.parameters)
        result = None if node.result is None else self._result(node.result)
        return FunctionType(this + parameters, result, node.is_async)

    def _result(self, node: TypeNode) -> Type:
        type_ = self.type(node)
        if any(isinstance(part, Borrow) for part in walk(type_)):
            for inner in _walk_nodes(node):
                if isinstance(inner, BorrowNode) and not inner.owned:
                    fail(self._file, "a result cannot hold a borrow<…>: it ends before", inner.name)
                if isinstance(inner, NamedNode):
                    named = self.entry(inner.name).type
                    if any(isinstance(part, Borrow) for part in walk(named)):
                        reason = f"a result cannot hold {inner.name.text}: there is a borrow in it"
                        fail(self._file, reason, inner.name)
        return type_

    def methods(
        self, node: ResourceNode, is_visible: Callable[[MethodNode], bool]
    ) -> list[Function]:
        """Return the functions of a resource under their raw names."""
        resource = ResourceName(node.name.text, self._owner)
        this = (Parameter("self", Borrow(resource)),)
        check_unique(self._file, "function", (method.name for method in node.methods))
        functions: list[Function] = []
        for method in node.methods:
            if not is_visible(method):
                continue
            name = f"[{method.kind}]{node.name.text}"
            match method.kind:
                case "constructor":
                    type_ = self._constructor(method, Own(resource))
                case "method":
                    name += f".{method.name.text}"
                    type_ = self.function(method.type, this)
                case "static":
                    name += f".{method.name.text}"
                    type_ = self.function(method.type)
                case _:
                    assert_never(method.kind)
            functions.append(Function(name, type_, self._owner))
        return functions

    def _constructor(self, method: MethodNode, own: Own) -> FunctionType:
        type_ = self.function(method.type)
        if type_.result is None:
            return FunctionType(type_.parameters, own)
        if not (isinstance(type_.result, ResultType) and type_.result.ok == own):
            name = own.resource.name
            reason = f"a constructor of {name} returns nothing or result<{name}, …>"
            fail(self._file, reason, method.name)
        return type_

    def _define(self, node: Definition) -> TypeEntry:
        name = TypeName(node.name.text, self._owner)
        match node:
            case AliasNode():
                if isinstance(node.type, NamedNode):
                    return self.entry(node.type.name)
                type_, extent = self._sized(node.type)
                return TypeEntry(type_, "type", extent)
            case RecordNode(_, fields):
                self._members(node.name, "field", fields)
                members = [(each.name.text, self._sized(each.type)) for each in fields]
                record = RecordType(tuple(Field(key, sized[0]) for key, sized in members), name)
                return TypeEntry(record, "record", _around(sized for _, sized in members))
            case VariantNode(_, cases):
                self._members(node.name, "case", cases)
                arms = [
                    (each.name.text, None if each.type is None else self._sized(each.type))
                    for each in cases
                ]
                variant = VariantType(
                    tuple(Case(key, sized and sized[0]) for key, sized in arms), name
                )
                return TypeEntry(variant, "variant", _around(sized for _, sized in arms if sized))
            case EnumNode(_, labels):
                self._members(node.name, "case", labels)
                return TypeEntry(EnumType(tuple(x.name.text for x in labels), name), "enum")
            case FlagsNode(_, labels):
                self._members(node.name, "label", labels)
                return TypeEntry(FlagsType(tuple(x.name.text for x in labels), name), "flags")
            case ResourceNode():
                own = Own(ResourceName(node.name.text, self._owner))
                return TypeEntry(own, "resource")
            case _:
                assert_never(node)

    def _members(
        self,
        name: Name,
        what: Literal["field", "case", "label"],
        members: tuple[FieldNode, ...] | tuple[CaseNode, ...] | tuple[LabelNode, ...],
    ) -> None:
        if not members:
            fail(self._file, f"{name.text} needs at least one {what}", name)
        check_unique(self._file, what, (each.name for each in members))

    def _sized(self, node: TypeNode) -> _Sized:
        match node:
            case Primitive():
                return node, _Extent()
            case NamedNode(name):
                entry = self.entry(name)
                return entry.type, entry.extent
            case ListNode(element, length):
                inner = self._sized(element)
                list_ = ListType(inner[0]) if length is None else FixedListType(inner[0], length)
                return list_, _around([inner])
            case MapNode(key, value):
                return self._map(node, self._sized(key), self._sized(value))
            case TupleNode(elements):
                sized = [self._sized(element) for element in elements]
                return TupleType(tuple(each[0] for each in sized)), _around(sized)
            case OptionNode(some):
                inner = self._sized(some)
                return OptionType(inner[0]), _around([inner])
            case ResultNode(ok, err):
                first = None if ok is None else self._sized(ok)
                second = None if err is None else self._sized(err)
                parts = [each for each in (first, second) if each]
                return ResultType(first and first[0], second and second[0]), _around(parts)
            case BorrowNode(name, owned):
                entry = self.entry(name)
                if entry.resource is None:
                    keyword = "own" if owned else "borrow"
                    reason = f"{name.text} is a {entry.kind}, {keyword}<…> needs a resource"
                    fail(self._file, reason, name)
                return (Own(entry.resource) if owned else Borrow(entry.resource)), _Extent()
            case FutureNode(element) | StreamNode(element):
                payload = None if element is None else self._sized(element)
                kind = FutureType if isinstance(node, FutureNode) else StreamType
                return kind(payload and payload[0]), _around([payload] if payload else [])
            case ErrorContextNode():
                return ErrorContextType(), _Extent()
            case _:
                assert_never(node)

    def _map(self, node: MapNode, key: _Sized, value: _Sized) -> _Sized:
        if not (isinstance(key[0], Primitive) and key[0] in _MAP_KEYS):
            reason = "the key of a map is a bool, an integer, a char or a string"
            fail(self._file, reason, Name("map", node.offset))
        return MapType(key[0], value[0]), _around([key, value])


def _walk_nodes(node: TypeNode) -> Iterator[TypeNode]:
    yield node
    match node:
        case ListNode(inner) | OptionNode(inner):
            parts: tuple[TypeNode | None, ...] = (inner,)
        case FutureNode(inner) | StreamNode(inner):
            parts = (inner,)
        case MapNode(key, value):
            parts = (key, value)
        case TupleNode(elements):
            parts = elements
        case ResultNode(ok, err):
            parts = (ok, err)
        case _:
            parts = ()
    for part in parts:
        if part is not None:
            yield from _walk_nodes(part)


def _around(parts: Iterable[_Sized]) -> _Extent:
    extents = [extent for _, extent in parts]
    return _Extent(
        1 + max((extent.depth for extent in extents), default=0),
        1 + sum(extent.size for extent in extents),
    )
