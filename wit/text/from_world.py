"""A world, as it was read from a component, written as WIT: the way back from types to text.

Types keep the names under which they were declared; where an interface speaks of a type of another
one, it gets a `use`. Documentation is not in a world, so there is none in the text.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Literal, TypeAlias, assert_never, final

from wit.errors import WitError
from wit.text.nodes import (
    AliasNode,
    BorrowNode,
    CaseNode,
    Definition,
    EnumNode,
    ErrorContextNode,
    ExternNode,
    FieldNode,
    FileNode,
    FlagsNode,
    FunctionNode,
    FunctionTypeNode,
    FutureNode,
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
from wit.text.printer import print_file
from wit.type_walk import parts_of, walk
from wit.types import (
    Borrow,
    EnumType,
    ErrorContextType,
    FixedListType,
    FlagsType,
    FunctionType,
    FutureType,
    ListType,
    MapType,
    OptionType,
    Own,
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
from wit.world import Interface, World

__all__ = ["interface_items", "interface_path", "united", "world_file", "world_items", "world_text"]

_Declared: TypeAlias = RecordType | VariantType | EnumType | FlagsType
_Origin: TypeAlias = TypeName | ResourceName


def world_text(world: World, name: str = "root", package: str = "root:component") -> str:
    """Return WIT text that resolves to the same imports and exports. See `world_file`."""
    return print_file(world_file(world, name, package))


def world_file(world: World, name: str = "root", package: str = "root:component") -> FileNode:
    """Return a file with the world in a package of its own, and all packages that it names.

    Args:
        world: Imports and exports.
        name: What the world shall be called.
        package: The package of the world, without version.

    Raises:
        WitError: a type that WIT cannot write, because it was never declared under a name.
    """
    namespace, _, short = package.partition(":")
    blocks: list[Item] = [WorldNode(Name(name), tuple(world_items(world)))]
    blocks += map(_package_node, _packages([*world.import_interfaces, *world.export_interfaces]))
    return FileNode(PackageName(namespace, short), tuple(blocks))


def world_items(world: World) -> list[WorldItem]:
    """Return the items of a world: uses and types, then imports and exports.

    Raises:
        WitError: a type that was never declared under a name.
    """
    functions = Interface("", (*world.import_functions, *world.export_functions))
    scope = _Scope(None, functions)
    items: list[WorldItem] = [item for item in scope.items() if not isinstance(item, FunctionNode)]
    items += [_interface_extern("import", each) for each in world.import_interfaces]
    items += [_interface_extern("export", each) for each in world.export_interfaces]
    items += [
        ExternNode("import", Name(each.name), scope.function(each.type))
        for each in world.import_functions
        if not each.name.startswith("[")
    ]
    items += [
        ExternNode("export", Name(each.name), scope.function(each.type))
        for each in world.export_functions
    ]
    return items


def _interface_extern(direction: Literal["import", "export"], interface: Interface) -> ExternNode:
    path = interface_path(interface.name)
    if path.package is not None:
        return ExternNode(direction, None, path)
    inline = InlineInterface(tuple(interface_items(interface)))
    return ExternNode(direction, Name(interface.name), inline)


def _packages(interfaces: Iterable[Interface]) -> list[dict[str, Interface]]:
    packages: dict[str, dict[str, Interface]] = {}
    for interface in interfaces:
        path = interface_path(interface.name)
        if path.package is None:
            continue
        known = packages.setdefault(path.package.text, {})
        before = known.get(interface.name)
        # Toolchains prune what is imported, not what is exported: together they are whole.
        known[interface.name] = interface if before is None else united(before, interface)
    return list(packages.values())


def interface_path(name: str) -> PathNode:
    """Return the path of an interface name: full like `a:b/c@1.0.0`, or plain like `c`."""
    head, version_mark, version = name.partition("@")
    package, slash, short = head.rpartition("/")
    if not slash:
        return PathNode(Name(name))
    namespace, _, package_name = package.partition(":")
    return PathNode(
        Name(short), PackageName(namespace, package_name, version if version_mark else None)
    )


def _package_node(interfaces: dict[str, Interface]) -> PackageNode:
    nodes: list[Item] = []
    package: PackageName | None = None
    for name, interface in interfaces.items():
        path = interface_path(name)
        package = path.package
        nodes.append(InterfaceNode(path.name, tuple(interface_items(interface))))
    assert package is not None, "only full names come here"
    return PackageNode(package, tuple(nodes))


def united(left: Interface, right: Interface) -> Interface:
    """Return an interface with all that two views of it show: toolchains leave out the unused."""
    functions = {each.name: each for each in (*left.functions, *right.functions)}
    types = {each.name: each for each in (*left.types, *right.types)}
    resources = dict.fromkeys((*left.resources, *right.resources))
    used = dict((*left.used, *right.used))
    return Interface(
        left.name,
        tuple(functions.values()),
        tuple(types.values()),
        tuple(resources),
        tuple(used.items()),
    )


def interface_items(
    interface: Interface, aliases: Mapping[TypeName | ResourceName, str] | None = None
) -> list[InterfaceItem]:
    """Return the items of an interface: uses, definitions, functions.

    Args:
        interface: Functions of resources stand under their raw names.
        aliases: What types of other interfaces shall be called here.

    Raises:
        WitError: a type that was never declared under a name.
    """
    return _Scope(interface.name, interface, aliases).items()


def _types_of(interface: Interface) -> Iterator[Type]:
    for named in interface.types:
        yield named.type
    for function in interface.functions:
        for parameter in function.type.parameters:
            yield parameter.type
        if function.type.result is not None:
            yield function.type.result


@final
class _Scope:
    """The items of one interface, or of a world without a name of its own."""

    def __init__(
        self,
        owner: str | None,
        interface: Interface,
        aliases: Mapping[_Origin, str] | None = None,
    ) -> None:
        self._owner = owner
        self._aliases = aliases or {}
        self._interface = interface
        self._names: dict[_Origin, str] = {}
        self._own: dict[str, _Declared | None] = {}
        self._used: dict[str, list[tuple[_Origin, str]]] = {}
        self._collect()

    def items(self) -> list[InterfaceItem]:
        """Return uses, definitions in the order of their declaration, then functions."""
        items: list[InterfaceItem] = [
            UseNode(
                interface_path(source),
                tuple(
                    RenameNode(Name(origin.name), None if origin.name == name else Name(name))
                    for origin, name in names
                ),
            )
            for source, names in self._used.items()
        ]
        written: set[str] = set()
        for named in self._interface.types:
            declared = self._own.get(named.name)
            if declared is not None:
                items.append(self._definition(named.name, declared))
            elif named.name not in self._names.values():
                items.append(AliasNode(Name(named.name), self.type(named.type)))
            written.add(named.name)
        for name, declared in self._own.items():
            if name not in written:
                items.append(
                    self._resource(name) if declared is None else self._definition(name, declared)
                )
        items += [
            FunctionNode(Name(function.name), self.function(function.type))
            for function in self._interface.functions
            if not function.name.startswith("[")
        ]
        return items

    def function(self, type_: FunctionType, skipped: int = 0) -> FunctionTypeNode:
        """Return a function type, without its first parameters."""
        return FunctionTypeNode(
            tuple(
                FieldNode(Name(parameter.name), self.type(parameter.type))
                for parameter in type_.parameters[skipped:]
            ),
            None if type_.result is None else self.type(type_.result),
            type_.is_async,
        )

    def type(self, type_: Type) -> TypeNode:
        """Return a type expression that means the type in this scope."""
        match type_:
            case Primitive():
                return type_
            case RecordType() | VariantType() | EnumType() | FlagsType():
                return NamedNode(Name(self._names[_declared_name(type_)]))
            case Own(resource):
                return NamedNode(Name(self._names[resource]))
            case Borrow(resource):
                return BorrowNode(Name(self._names[resource]))
            case ListType(element):
                return ListNode(self.type(element))
            case FixedListType(element, length):
                return ListNode(self.type(element), length)
            case MapType(key, value):
                return MapNode(self.type(key), self.type(value))
            case TupleType(elements):
                return TupleNode(tuple(map(self.type, elements)))
            case OptionType(some):
                return OptionNode(self.type(some))
            case ResultType(ok, err):
                return ResultNode(self._optional(ok), self._optional(err))
            case FutureType(element):
                return FutureNode(self._optional(element))
            case StreamType(element):
                return StreamNode(self._optional(element))
            case ErrorContextType():
                return ErrorContextNode()
            case _:
                assert_never(type_)

    def _optional(self, type_: Type | None) -> TypeNode | None:
        return None if type_ is None else self.type(type_)

    def _collect(self) -> None:
        interface = self._interface
        # What the interface calls its types comes first: only the others may need another name.
        taken = {named.name for named in interface.types} | set(interface.resources)
        taken |= {function.name for function in interface.functions}
        for named in interface.types:
            type_ = named.type
            if isinstance(type_, RecordType | VariantType | EnumType | FlagsType):
                self._add(_declared_name(type_), type_, named.name)
        used = dict(interface.used)
        for name in interface.resources:
            origin = used.get(name)
            if origin is not None and origin.interface != self._owner:
                self._add(origin, None, name)
            elif origin is None and self._is_own_resource(name):
                self._add(ResourceName(name, self._owner), None, name)
        for outer in _types_of(interface):
            for type_ in self._mentioned(outer):
                match type_:
                    case RecordType() | VariantType() | EnumType() | FlagsType():
                        self._reference(_declared_name(type_), type_, taken)
                    case Own(resource) | Borrow(resource):
                        self._reference(resource, None, taken)
                    case _:
                        pass

    def _mentioned(self, type_: Type) -> Iterator[Type]:
        """Yield the types that the text speaks of: what others declare is not looked into."""
        name = getattr(type_, "name", None)
        declared = isinstance(name, TypeName) and name.interface not in {None, self._owner}
        for part in () if declared else parts_of(type_):
            yield from self._mentioned(part)
        yield type_

    def _is_own_resource(self, name: str) -> bool:
        mentioned = {
            type_.resource
            for outer in _types_of(self._interface)
            for type_ in walk(outer)
            if isinstance(type_, Own | Borrow)
        }
        # Interfaces that people build may not say what they use of others.
        return ResourceName(name, self._owner) in mentioned or all(
            resource.name != name for resource in mentioned
        )

    def _reference(self, origin: _Origin, type_: _Declared | None, taken: set[str]) -> None:
        if origin in self._names:
            return
        name = self._aliases.get(origin, origin.name)
        if (
            name == origin.name
            and origin.interface != self._owner
            and name in taken - set(self._interface.resources)
        ):
            place = interface_path(origin.interface or "world").name.text
            name = f"{place}-{name}"
        self._add(origin, type_, name)

    def _add(self, origin: _Origin, type_: _Declared | None, name: str) -> None:
        if origin in self._names:
            return
        self._names[origin] = name
        if origin.interface == self._owner and origin.name == name:
            self._own[name] = type_
        elif origin.interface is not None:
            self._used.setdefault(origin.interface, []).append((origin, name))

    def _definition(self, name: str, type_: _Declared) -> Definition:
        match type_:
            case RecordType(fields):
                members = (FieldNode(Name(each.name), self.type(each.type)) for each in fields)
                return RecordNode(Name(name), tuple(members))
            case VariantType(cases):
                arms = (CaseNode(Name(each.name), self._optional(each.type)) for each in cases)
                return VariantNode(Name(name), tuple(arms))
            case EnumType(labels):
                return EnumNode(Name(name), tuple(LabelNode(Name(label)) for label in labels))
            case FlagsType(labels):
                return FlagsNode(Name(name), tuple(LabelNode(Name(label)) for label in labels))
            case _:
                assert_never(type_)

    def _resource(self, name: str) -> ResourceNode:
        methods: list[MethodNode] = []
        for function in self._interface.functions:
            kind, _, rest = function.name[1:].partition("]")
            resource, _, method = rest.partition(".")
            if not function.name.startswith("[") or resource != name:
                continue
            match kind:
                case "constructor":
                    type_ = self.function(function.type)
                    if isinstance(function.type.result, Own):
                        type_ = FunctionTypeNode(type_.parameters)
                    methods.append(MethodNode("constructor", Name("constructor"), type_))
                case "method":
                    type_ = self.function(function.type, skipped=1)
                    methods.append(MethodNode("method", Name(method), type_))
                case _:
                    type_ = self.function(function.type)
                    methods.append(MethodNode("static", Name(method), type_))
        return ResourceNode(Name(name), tuple(methods))


def _declared_name(type_: _Declared) -> TypeName:
    if type_.name is None:
        keyword = type(type_).__name__.removesuffix("Type").lower()
        raise WitError(f"a {keyword} without a declared name cannot be written as WIT")
    return type_.name
