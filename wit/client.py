"""The RPC client of a world, as WIT: what a component imports to call workers of another one.

For world `w` of package `a:b@v` that is package `a:b-client@v` with interface `w-client`. It has a
resource for each exported interface, for the functions of the world itself, and for each exported
resource; each function comes in three kinds:

| kind | shape |
|---|---|
| waiting | `blocking-f(…) -> R` |
| in the background | `f(…) -> future-f-result`, without anything to return if `f` has no result |
| later | `schedule-f(…, scheduled-for: datetime) -> cancellation-token` |

Source: the RPC chapter of Golem 1.2.
"""

from collections.abc import Iterable
from typing import Final, final

from msgspec.structs import replace

from wit.errors import WitError
from wit.names import is_hidden_function, is_hidden_interface
from wit.text.from_world import interface_items, interface_path
from wit.text.nodes import (
    ExternNode,
    FileNode,
    InterfaceNode,
    Item,
    Name,
    PackageName,
    PackageNode,
    PathNode,
    WorldNode,
)
from wit.text.printer import print_file
from wit.type_map import TypeChange, map_types
from wit.type_walk import walk
from wit.types import (
    Borrow,
    EnumType,
    Field,
    FlagsType,
    FunctionType,
    OptionType,
    Own,
    Parameter,
    Primitive,
    RecordType,
    ResourceName,
    Type,
    TypeName,
    VariantType,
)
from wit.world import Function, Interface, NamedType, World

__all__ = ["client_file", "client_interface", "client_text"]

_POLL: Final = "wasi:io/poll@0.2.0"
_CLOCK: Final = "wasi:clocks/wall-clock@0.2.0"
_RPC: Final = "golem:rpc/types@0.2.0"

_POLLABLE: Final = ResourceName("pollable", _POLL)
_TOKEN: Final = ResourceName("cancellation-token", _RPC)
_DATETIME: Final = RecordType(
    (Field("seconds", Primitive.U64), Field("nanoseconds", Primitive.U32)),
    TypeName("datetime", _CLOCK),
)
_UUID: Final = RecordType(
    (Field("high-bits", Primitive.U64), Field("low-bits", Primitive.U64)), TypeName("uuid", _RPC)
)
_COMPONENT: Final = RecordType((Field("uuid", _UUID),), TypeName("component-id", _RPC))
_WORKER: Final = RecordType(
    (Field("component-id", _COMPONENT), Field("worker-name", Primitive.STRING)),
    TypeName("worker-id", _RPC),
)
_ALIASES: Final[dict[TypeName | ResourceName, str]] = {
    _POLLABLE: "wasi-io-pollable",
    _TOKEN: "golem-rpc-cancellation-token",
    TypeName("datetime", _CLOCK): "wasi-clocks-datetime",
    TypeName("component-id", _RPC): "golem-rpc-component-id",
    TypeName("worker-id", _RPC): "golem-rpc-worker-id",
}


def client_text(world: World, name: str, package: PackageName, *, ephemeral: bool = False) -> str:
    """Return the text of the client package. See `client_file`."""
    return print_file(client_file(world, name, package, ephemeral=ephemeral))


def client_file(
    world: World, name: str, package: PackageName, *, ephemeral: bool = False
) -> FileNode:
    """Return the client package of a world.

    It refers to the packages of the types that the exports use, to `wasi:io`, `wasi:clocks` and
    `golem:rpc`. Types of exported interfaces without a package move to the package `…-exports`,
    which stands in the same file; those of the world itself are there in an interface with the
    name of the world.

    Args:
        world: What the target exports.
        name: The name of the world.
        package: The package of the world.
        ephemeral: Whether workers of the target live for one call: then they have no names.

    Raises:
        WitError: nothing is exported, or two exports would get the same name in the client.
    """
    moved = replace(package, name=f"{package.name}-exports")
    client = replace(package, name=f"{package.name}-client")
    short = f"{name}-client"
    exports = [
        _moved(each, moved) for each in world.export_interfaces if not is_hidden_interface(each)
    ]
    functions = [each for each in world.export_functions if not is_hidden_function(each.name)]
    functions, loose = _moved_functions(functions, moved.member(name))
    interface = client_interface(
        exports, functions, name, client.member(short), ephemeral=ephemeral
    )
    items: list[Item] = [
        InterfaceNode(Name(short), tuple(interface_items(interface, _ALIASES))),
        WorldNode(
            Name(f"wasm-rpc-client-{name}"),
            (ExternNode("export", None, PathNode(Name(short))),),
        ),
    ]
    nodes = [
        InterfaceNode(interface_path(each.name).name, tuple(interface_items(_types_only(each))))
        for each in [*loose, *exports]
        if each.name.startswith(f"{moved.unversioned}/")
    ]
    if nodes:
        items.append(PackageNode(moved, tuple(nodes)))
    return FileNode(client, tuple(items))


def client_interface(
    exports: Iterable[Interface],
    functions: Iterable[Function],
    world: str,
    owner: str,
    *,
    ephemeral: bool = False,
) -> Interface:
    """Return the client interface of exports, with the raw names of its functions.

    Args:
        exports: Exported interfaces; all of them have full names.
        functions: Functions that the world itself exports.
        world: The name of the world.
        owner: The full name of the client interface.
        ephemeral: Whether workers of the target have no names.

    Raises:
        WitError: nothing is exported, or two exports would get the same name.
    """
    exports, functions = list(exports), list(functions)
    builder = _Builder(owner, exports, ephemeral=ephemeral)
    if functions:
        builder.add_target(world, functions)
    for interface in exports:
        name = interface_path(interface.name).name.text
        plain = [each for each in interface.functions if not each.name.startswith("[")]
        if plain or not interface.resources:
            builder.add_target(name, plain)
        for resource in interface.resources:
            builder.add_resource(resource, interface)
    return builder.interface()


def _moved(interface: Interface, package: PackageName) -> Interface:
    """Give an interface without a package a full name, in the package for such ones."""
    if interface_path(interface.name).package is not None:
        return interface
    full = package.member(interface.name)

    moved = _mover(interface.name, full)
    return Interface(
        full,
        tuple(
            Function(each.name, _map_function(each.type, moved), full)
            for each in interface.functions
        ),
        tuple(NamedType(each.name, map_types(each.type, moved)) for each in interface.types),
        interface.resources,
    )


def _mover(old: str | None, new: str) -> TypeChange:
    """Return a change that gives the declared types of one owner to another one."""

    def moved(type_: Type) -> Type:
        match type_:
            case RecordType() | VariantType() | EnumType() | FlagsType() if type_.name is not None:
                own = type_.name.interface == old
                return replace(type_, name=TypeName(type_.name.name, new)) if own else type_
            case Own(resource) | Borrow(resource) if resource.interface == old:
                return replace(type_, resource=ResourceName(resource.name, new))
            case _:
                return type_

    return moved


def _moved_functions(
    functions: list[Function], owner: str
) -> tuple[list[Function], list[Interface]]:
    """Give the types of a world to an interface; return its functions and the interface, if any."""
    mover = _mover(None, owner)
    moved = [replace(each, type=_map_function(each.type, mover)) for each in functions]
    types: dict[str, NamedType] = {}
    for function in moved:
        result = () if function.type.result is None else (function.type.result,)
        for outer in (*(each.type for each in function.type.parameters), *result):
            for type_ in walk(outer):
                match type_:
                    case RecordType() | VariantType() | EnumType() | FlagsType():
                        if type_.name is not None and type_.name.interface == owner:
                            types[type_.name.name] = NamedType(type_.name.name, type_)
                    case _:
                        pass
    return moved, [Interface(owner, (), tuple(types.values()))] if types else []


def _types_only(interface: Interface) -> Interface:
    return replace(interface, functions=(), resources=())


def _map_function(type_: FunctionType, change: TypeChange) -> FunctionType:
    return FunctionType(
        tuple(Parameter(each.name, map_types(each.type, change)) for each in type_.parameters),
        None if type_.result is None else map_types(type_.result, change),
        type_.is_async,
    )


@final
class _Builder:
    """Collects the resources and functions of one client interface."""

    def __init__(self, owner: str, exports: list[Interface], *, ephemeral: bool) -> None:
        self._owner = owner
        self._ephemeral = ephemeral
        self._exported = {
            ResourceName(resource, interface.name)
            for interface in exports
            for resource in interface.resources
        }
        self._resources: list[str] = []
        self._futures: list[Function] = []
        self._functions: list[Function] = []

    def interface(self) -> Interface:
        if not self._resources:
            raise WitError("the world exports nothing that a client could call")
        resources = tuple(self._resources)
        return Interface(self._owner, (*self._futures, *self._functions), (), resources)

    def add_target(self, name: str, functions: list[Function]) -> None:
        """Add the resource that stands for a worker of the target."""
        self._add_name(name)
        self._add_constructors(name, ())
        for function in functions:
            self._add_kinds(name, function.name, function.name, self._local(function.type))

    def add_resource(self, name: str, interface: Interface) -> None:
        """Add the resource that stands for a resource inside a worker of the target."""
        self._add_name(name)
        raw = {each.name: self._local(each.type) for each in interface.functions}
        constructor = raw.get(f"[constructor]{name}")
        if constructor is not None:
            self._add_constructors(name, constructor.parameters)
        for raw_name, type_ in raw.items():
            kind, _, rest = raw_name[1:].partition("]")
            resource, _, function = rest.partition(".")
            if raw_name.startswith("[") and resource == name and kind != "constructor":
                skipped = 1 if kind == "method" else 0
                without_self = replace(type_, parameters=type_.parameters[skipped:])
                self._add_kinds(name, function, f"{name}-{function}", without_self)

    def _add_name(self, name: str) -> None:
        if name in self._resources:
            raise WitError(f"two exports would both be the resource {name} of the client")
        self._resources.append(name)

    def _own(self, name: str) -> Own:
        return Own(ResourceName(name, self._owner))

    def _local(self, type_: FunctionType) -> FunctionType:
        """Let exported resources be those of the client."""

        def local(type_: Type) -> Type:
            if isinstance(type_, Own | Borrow) and type_.resource in self._exported:
                resource = ResourceName(type_.resource.name, self._owner)
                return replace(type_, resource=resource)
            return type_

        return _map_function(type_, local)

    def _add(self, name: str, parameters: Iterable[Parameter], result: Type | None) -> None:
        type_ = FunctionType(tuple(parameters), result)
        self._functions.append(Function(name, type_, self._owner))

    def _add_constructors(self, name: str, parameters: tuple[Parameter, ...]) -> None:
        own = self._own(name)
        if self._ephemeral:
            self._add(f"[constructor]{name}", parameters, own)
            target = Parameter("component-id", _COMPONENT)
        else:
            worker = Parameter("worker-name", Primitive.STRING)
            self._add(f"[constructor]{name}", (worker, *parameters), own)
            target = Parameter("worker-id", _WORKER)
        self._add(f"[static]{name}.custom", (target, *parameters), own)

    def _add_kinds(self, resource: str, name: str, long_name: str, type_: FunctionType) -> None:
        this = Parameter("self", Borrow(ResourceName(resource, self._owner)))
        parameters = (this, *type_.parameters)
        self._add(f"[method]{resource}.blocking-{name}", parameters, type_.result)
        future = None if type_.result is None else self._future(long_name, type_.result)
        self._add(f"[method]{resource}.{name}", parameters, future)
        later = (*parameters, Parameter("scheduled-for", _DATETIME))
        self._add(f"[method]{resource}.schedule-{name}", later, Own(_TOKEN))

    def _future(self, name: str, result: Type) -> Own:
        future = f"future-{name}-result"
        if future in self._resources:
            # The same function name in two interfaces: each future needs a name of its own.
            number = 2
            while f"future-{name}-{number}-result" in self._resources:
                number += 1
            future = f"future-{name}-{number}-result"
        self._resources.append(future)
        this = (Parameter("self", Borrow(ResourceName(future, self._owner))),)
        for method, type_ in (("subscribe", Own(_POLLABLE)), ("get", OptionType(result))):
            function = FunctionType(this, type_)
            self._futures.append(Function(f"[method]{future}.{method}", function, self._owner))
        return self._own(future)
