"""What a component imports and exports, as far as callers and linkers need it.

Source: component-model specification, WIT.md, "WIT Worlds".
"""

from msgspec import Struct

from wit.types import FunctionType, ResourceName, Type

__all__ = ["Function", "Interface", "NamedType", "World"]


class Function(Struct, frozen=True):
    """A function as a component names it.

    `name` is the raw extern name: `add`, `[method]cart.add`, `[constructor]cart`,
    `[static]cart.of`. `interface` is the full interface name it belongs to
    (`demo:counter/api@1.0.0`), None at world level.
    """

    name: str
    type: FunctionType
    interface: str | None = None


class NamedType(Struct, frozen=True):
    """A type that an interface or a world declares, with the name it declares it under."""

    name: str
    type: Type


class Interface(Struct, frozen=True):
    """One imported or exported instance: full name, functions, types and resources, in order.

    `used` are those of its resources that other interfaces declare, by their names here.
    """

    name: str
    functions: tuple[Function, ...] = ()
    types: tuple[NamedType, ...] = ()
    resources: tuple[str, ...] = ()
    used: tuple[tuple[str, ResourceName], ...] = ()


class World(Struct, frozen=True, cache_hash=True):
    """The imports and exports of one component."""

    import_interfaces: tuple[Interface, ...] = ()
    import_functions: tuple[Function, ...] = ()
    export_interfaces: tuple[Interface, ...] = ()
    export_functions: tuple[Function, ...] = ()
