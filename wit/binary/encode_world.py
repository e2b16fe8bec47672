"""The component level of a world: imported instances, and types of imports and exports.

Types keep their declared names: a type that one interface uses from another one is an alias of
that interface's type, if the world imports or exports it before.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping

from wit.binary import encoding
from wit.binary.builder import ComponentBuilder, alias_outer_type, extern_name, extern_type
from wit.binary.encode_types import TypeEncoder
from wit.binary.sorts import Sort, SortIndex
from wit.errors import WitError
from wit.subtype import same_type
from wit.type_walk import parts_of, walk
from wit.types import (
    Borrow,
    EnumType,
    FlagsType,
    Own,
    RecordType,
    ResourceName,
    Type,
    TypeName,
    VariantType,
)
from wit.world import Function, Interface, NamedType

__all__ = [
    "NAMED",
    "RootTypes",
    "declared_types",
    "exported_resources",
    "needed_interfaces",
    "signature_types",
    "used_resources",
]

NAMED = (RecordType, VariantType, EnumType, FlagsType)


def signature_types(functions: Iterable[Function]) -> Iterator[Type]:
    """Yield all types inside the signatures of functions, inner ones first."""
    for function in functions:
        for parameter in function.type.parameters:
            yield from walk(parameter.type)
        if function.type.result is not None:
            yield from walk(function.type.result)


def declared_types(
    interface: Interface, is_known: Callable[[TypeName], bool] = lambda _: False
) -> tuple[NamedType, ...]:
    """Return the types that an interface must export, in its order but inner ones first.

    Those that it lists, and those that it mentions without listing them. What stands inside a type
    of another interface is left out if that type `is_known`: it is an alias then.
    """
    # Of several names for one type the first is the declaration, the others are aliases.
    names = {each.type: each.name for each in reversed(interface.types)}
    found: dict[str, Type] = {}

    def declare(type_: Type) -> None:
        name = type_.name if isinstance(type_, NAMED) else None
        foreign = name is not None and name.interface != interface.name
        if not (foreign and name is not None and is_known(name)):
            for part in parts_of(type_):
                declare(part)
        if isinstance(type_, NAMED):
            short = names.get(type_) or (name.name if name else None)
            if short is None:
                raise WitError(
                    f"interface {interface.name} uses a {type(type_).__name__} without a "
                    "name; records, variants, enums and flags must be declared"
                )
            found.setdefault(short, type_)

    for each in interface.types:
        declare(each.type)
        found.setdefault(each.name, each.type)
    for function in interface.functions:
        for parameter in function.type.parameters:
            declare(parameter.type)
        if function.type.result is not None:
            declare(function.type.result)
    return tuple(NamedType(name, type_) for name, type_ in found.items())


def used_resources(interface: Interface) -> dict[str, ResourceName]:
    """Return the resources that an interface uses from others, by the names they have there."""
    used = dict(interface.used)
    known = set(used.values())
    types = [inner for each in interface.types for inner in walk(each.type)]
    for type_ in (*types, *signature_types(interface.functions)):
        if not isinstance(type_, (Own, Borrow)):
            continue
        resource = type_.resource
        if resource not in known and resource.interface != interface.name:
            used[resource.name] = resource
    return used


def exported_resources(interface: Interface) -> dict[str, ResourceName]:
    """Return all resources that an interface declares or uses, by the names they have there."""
    used = used_resources(interface)
    names = dict.fromkeys((*interface.resources, *used))
    return {name: used.get(name, ResourceName(name, interface.name)) for name in names}


def needed_interfaces(interface: Interface) -> tuple[str, ...]:
    """Return the names of the interfaces whose types and resources an interface speaks of."""
    needed = dict.fromkeys(each.interface for each in used_resources(interface).values())
    types = [inner for each in interface.types for inner in walk(each.type)]
    for type_ in (*types, *signature_types(interface.functions)):
        if isinstance(type_, NAMED) and type_.name is not None:
            needed[type_.name.interface] = None
    return tuple(name for name in needed if name is not None and name != interface.name)


class RootTypes:
    """Types in the scope of the component itself, and where interfaces declare theirs."""

    def __init__(self, builder: ComponentBuilder) -> None:
        self.encoder = TypeEncoder(builder.type)
        self._builder = builder
        self._instances: dict[str, int] = {}
        self._world_types: dict[str, tuple[Type, int]] = {}
        self._declared: dict[tuple[str, str], int | None] = {}

    def add_instance(self, name: str, index: int, types: Iterable[str]) -> None:
        """Let later interfaces use the types of an instance, which the component names so."""
        self._instances[name] = index
        for each in types:
            self._declared[name, each] = None

    def instance(self, name: str) -> int:
        """Return the index of an instance that was added."""
        return self._instances[name]

    def declares(self, name: TypeName) -> bool:
        """Tell whether an instance declares a type."""
        return name.interface is not None and (name.interface, name.name) in self._declared

    def find(self, name: TypeName | ResourceName | None) -> int | None:
        """Return the index of a type or resource that an instance declares, or None."""
        if name is None or name.interface is None:
            return None
        key = (name.interface, name.name)
        if key not in self._declared:
            return None
        index = self._declared[key]
        if index is None:
            instance = self._instances[name.interface]
            index = self._builder.alias(Sort.TYPE, instance, name.name)
            self._declared[key] = index
        return index

    def _bind(self, encoder: TypeEncoder, types: Iterable[Type], own: str | None) -> None:
        """Bind what instances before declare; `own` is an interface that is not meant by it."""
        for type_ in types:
            match type_:
                case RecordType() | VariantType() | EnumType() | FlagsType():
                    index = self.find(type_.name)
                    if index is not None and type_.name and type_.name.interface != own:
                        encoder.bind(type_, index)
                case Own(resource) | Borrow(resource):
                    index = self.find(resource)
                    if index is not None and resource.interface != own:
                        encoder.bind_resource(resource, index)
                case _:
                    pass

    def import_interface(self, interface: Interface) -> None:
        """Import an instance of the interface."""
        body = _InstanceTypeWriter(self).written(interface)
        index = self._builder.import_(interface.name, Sort.INSTANCE, self._builder.type(body))
        names = [each.name for each in declared_types(interface, self.declares)]
        self.add_instance(interface.name, index, (*names, *interface.resources))

    def world_function(self, function: Function, *, is_import: bool) -> int:
        """Return the type of a function at world level, with its types declared there."""
        types = list(signature_types([function]))
        self._bind(self.encoder, types, None)
        for type_ in types:
            if isinstance(type_, NAMED) and not self.encoder.is_bound(type_):
                if type_.name is None:
                    raise WitError(
                        f"function {function.name!r} uses a {type(type_).__name__} without a name"
                    )
                name, index = type_.name.name, self.encoder.index(type_)
                if is_import:
                    self.encoder.bind(type_, self._builder.import_(name, Sort.TYPE, index))
                else:
                    self.encoder.bind(type_, self._builder.export(name, Sort.TYPE, index))
        return self.encoder.function(function.type)

    def world_type(self, name: str, type_: Type) -> int:
        """Import a type at world level, and return its index.

        Raises:
            WitError: another type was imported under that name.
        """
        known = self._world_types.get(name)
        if known is not None:
            if not same_type(known[0], type_):
                raise WitError(f"two different types {name} are imported: outside is only one")
            return known[1]
        self._bind(self.encoder, walk(type_), None)
        index = self._builder.import_(name, Sort.TYPE, self.encoder.index(type_))
        if isinstance(type_, NAMED):
            self.encoder.bind(type_, index)
        self._world_types[name] = (type_, index)
        return index

    def exported(
        self, interface: Interface, resources: Mapping[ResourceName, int]
    ) -> tuple[TypeEncoder, list[tuple[str, SortIndex]]]:
        """Define the types of an exported interface.

        `resources` are those that the interface declares itself. Returns the types for its
        functions, and its exports of types: resources first.
        """
        # An interface may be imported as well; its types are others then.
        encoder = TypeEncoder(self._builder.type)
        for resource, index in resources.items():
            encoder.bind_resource(resource, index)
        declared = declared_types(interface)
        inner = (each for named in declared for each in walk(named.type))
        self._bind(encoder, inner, interface.name)
        self._bind(encoder, signature_types(interface.functions), interface.name)
        exports = [
            (name, SortIndex(Sort.TYPE, encoder.resource(each)))
            for name, each in exported_resources(interface).items()
        ]
        exports += [(t.name, SortIndex(Sort.TYPE, encoder.index(t.type))) for t in declared]
        return encoder, exports


class _InstanceTypeWriter:
    """The declarators of one instance type."""

    def __init__(self, root: RootTypes) -> None:
        self._root = root
        self._items: list[bytes] = []
        self._count = 0
        self._encoder = TypeEncoder(lambda body: self._type(b"\x01" + body))

    def _type(self, item: bytes) -> int:
        self._items.append(item)
        self._count += 1
        return self._count - 1

    def _export_type(self, name: str, index: int | None) -> int:
        return self._type(b"\x04" + extern_name(name) + extern_type(Sort.TYPE, index))

    def written(self, interface: Interface) -> bytes:
        for name, resource in exported_resources(interface).items():
            self._resource(interface.name, name, resource)
        for each in declared_types(interface, self._root.declares):
            self._declare(interface.name, each)
        for function in interface.functions:
            item = extern_type(Sort.FUNCTION, self._encoder.function(function.type))
            self._items.append(b"\x04" + extern_name(function.name) + item)
        return b"\x42" + encoding.vector(self._items)

    def _resource(self, interface: str, name: str, resource: ResourceName) -> None:
        if resource == ResourceName(name, interface):
            self._encoder.bind_resource(resource, self._export_type(name, None))
            return
        if resource.interface == interface:
            # Another name for one of its own, `type headers = fields`.
            self._export_type(name, self._encoder.resource(resource))
            return
        outer = self._root.find(resource)
        if outer is None:
            raise WitError(
                f"interface {interface} uses resource {resource.name!r} of {resource.interface},"
                " which the world has to import before"
            )
        alias = self._type(b"\x02" + alias_outer_type(outer))
        self._encoder.bind_resource(resource, self._export_type(name, alias))

    def _declare(self, interface: str, declared: NamedType) -> None:
        type_ = declared.type
        outer: int | None = None
        if isinstance(type_, NAMED) and type_.name != TypeName(declared.name, interface):
            outer = self._root.find(type_.name)
        if outer is None:
            index = self._encoder.index(type_)
        else:
            index = self._type(b"\x02" + alias_outer_type(outer))
        exported = self._export_type(declared.name, index)
        if isinstance(type_, NAMED):
            self._encoder.bind(type_, exported)
