"""What the components in scope offer: functions, resources, and the cases of their types."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, final

from msgspec import Struct

from wit.names import is_hidden_function, is_hidden_interface
from wit.subtype import same_type
from wit.type_walk import walk
from wit.types import EnumType, FlagsType, RecordType, ResourceName, Type, TypeName, VariantType
from wit.world import Function, Interface, World

__all__ = ["Catalog", "FunctionUse", "case_names", "interface_fits", "package_of"]

_SPECIAL: Final = re.compile(r"\[(constructor|method|static)\](.+)")


class FunctionUse(Struct, frozen=True):
    """A function of a component, as a program uses it."""

    component: str
    function: Function


@final
class Catalog:
    """An index of several components. Names are as in WIT."""

    def __init__(self, worlds: Mapping[str, World]) -> None:
        self._named: dict[str, list[FunctionUse]] = {}
        self._types: dict[str, list[Type]] = {}
        self._cases: dict[str, list[VariantType | EnumType]] = {}
        self.interfaces: list[str] = []
        self.uses: list[FunctionUse] = []
        for component, world in worlds.items():
            self._add(component, world)

    def functions(self, name: str) -> list[FunctionUse]:
        """Return what an instance offers under a name: functions and resource constructors."""
        return self._named.get(name, [])

    def names(self) -> Iterable[str]:
        """Return all names that an instance offers."""
        return self._named.keys()

    def method(self, component: str, resource: ResourceName, name: str) -> FunctionUse | None:
        """Return a method of a resource."""
        wanted = f"[method]{resource.name}.{name}"
        for use in self.uses:
            function = use.function
            is_named = function.name == wanted and function.interface == resource.interface
            if is_named and component in {"", use.component}:
                return use
        return None

    def method_names(self, resource: ResourceName) -> list[str]:
        """Return the names of all methods of a resource."""
        prefix = f"[method]{resource.name}."
        return [
            use.function.name.removeprefix(prefix)
            for use in self.uses
            if use.function.interface == resource.interface and use.function.name.startswith(prefix)
        ]

    def cases(self, name: str) -> list[VariantType | EnumType]:
        """Return the variants and enums that have a case of this name, each type once."""
        return self._cases.get(name, [])

    def case_names(self) -> Iterable[str]:
        """Return the names of all cases."""
        return self._cases.keys()

    def type_names(self) -> Iterable[str]:
        """Return the names of all declared types."""
        return self._types.keys()

    def types(self, name: str) -> list[Type]:
        """Return the declared types of this name, each once."""
        return self._types.get(name, [])

    def _add(self, component: str, world: World) -> None:
        for interface in world.export_interfaces:
            if is_hidden_interface(interface):
                continue
            if interface.name not in self.interfaces:
                self.interfaces.append(interface.name)
            self._add_functions(component, interface.functions)
            for named in interface.types:
                self._add_type(named.name, named.type)
        self._add_functions(component, world.export_functions)
        for type_ in _mentioned(world):
            match type_:
                case VariantType(name=TypeName(name)) | EnumType(name=TypeName(name)):
                    self._add_type(name, type_)
                case RecordType(name=TypeName(name)) | FlagsType(name=TypeName(name)):
                    self._add_type(name, type_)
                case _:
                    pass
            if isinstance(type_, VariantType | EnumType):
                self._add_cases(type_)

    def _add_functions(self, component: str, functions: Iterable[Function]) -> None:
        for function in functions:
            if is_hidden_function(function.name):
                continue
            use = FunctionUse(component, function)
            self.uses.append(use)
            special = _SPECIAL.fullmatch(function.name)
            if special is None or special[1] == "static":
                self._named.setdefault(function.name, []).append(use)
            elif special[1] == "constructor":
                self._named.setdefault(special[2], []).append(use)

    def _add_type(self, name: str, type_: Type) -> None:
        known = self._types.setdefault(name, [])
        if not any(same_type(type_, each) for each in known):
            known.append(type_)

    def _add_cases(self, type_: VariantType | EnumType) -> None:
        for name in case_names(type_):
            known = self._cases.setdefault(name, [])
            if not any(same_type(type_, each) for each in known):
                known.append(type_)


def case_names(type_: VariantType | EnumType) -> tuple[str, ...]:
    """Return the names of the cases in order."""
    if isinstance(type_, EnumType):
        return type_.cases
    return tuple(case.name for case in type_.cases)


def _mentioned(world: World) -> Iterator[Type]:
    """Yield all types of the exports, with what is inside them."""
    functions = [*world.export_functions]
    for interface in world.export_interfaces:
        functions += interface.functions
        yield from _declared(interface)
    for function in functions:
        for parameter in function.type.parameters:
            yield from walk(parameter.type)
        if function.type.result is not None:
            yield from walk(function.type.result)


def _declared(interface: Interface) -> Iterator[Type]:
    for named in interface.types:
        yield from walk(named.type)


def package_of(interface: str) -> str:
    """Return the package of a full interface name: `ns:pkg` of `ns:pkg/iface@1.0.0`."""
    return interface.partition("/")[0]


def interface_fits(interface: str | None, parameter: str) -> bool:
    """Return whether `iface`, `ns:pkg` or `ns:pkg/iface`, versioned or not, means an interface."""
    if interface is None:
        return False
    path, _, version = interface.partition("@")
    wanted, _, wanted_version = parameter.partition("@")
    if wanted_version and wanted_version != version:
        return False
    package, _, name = path.rpartition("/")
    return wanted in ({path, package} if ":" in wanted else {name})
