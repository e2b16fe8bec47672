"""How things of a world are called in C.

| WIT | C |
|---|---|
| interface `demo:shop/cart@1.0.0` | the prefix `demo_shop_cart` |
| type `item` there | `demo_shop_cart_item_t` |
| `list<item>`, `option<u8>` | `wit_list_demo_shop_cart_item_t`, `wit_option_u8_t` |
| imported function `add` | `demo_shop_cart_add` |
| exported function `add` | `exports_demo_shop_cart_add` |
| `[method]cart.add`, `[constructor]cart` | `demo_shop_cart_method_cart_add`, `…_constructor_cart` |

The names are those that the C generator of wit-bindgen made usual, but for types without a name.
"""

import re
from typing import Final, assert_never, final

from wit.errors import WitError
from wit.types import (
    Borrow,
    EnumType,
    ErrorContextType,
    FixedListType,
    FlagsType,
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
from wit.world import Function, World

__all__ = ["PRIMITIVES", "Names", "constant", "identifier"]

PRIMITIVES: Final = {
    Primitive.BOOL: "bool",
    Primitive.S8: "int8_t",
    Primitive.U8: "uint8_t",
    Primitive.S16: "int16_t",
    Primitive.U16: "uint16_t",
    Primitive.S32: "int32_t",
    Primitive.U32: "uint32_t",
    Primitive.S64: "int64_t",
    Primitive.U64: "uint64_t",
    Primitive.F32: "float",
    Primitive.F64: "double",
    Primitive.CHAR: "uint32_t",
    Primitive.STRING: "wit_string_t",
}
# Keywords of C, and what standard headers define.
_RESERVED: Final = frozenset(
    {
        "alignas",
        "alignof",
        "auto",
        "bool",
        "break",
        "case",
        "char",
        "const",
        "constexpr",
        "continue",
        "default",
        "do",
        "double",
        "else",
        "enum",
        "extern",
        "false",
        "float",
        "for",
        "goto",
        "if",
        "inline",
        "int",
        "long",
        "main",
        "nullptr",
        "register",
        "restrict",
        "return",
        "short",
        "signed",
        "sizeof",
        "static",
        "static_assert",
        "struct",
        "switch",
        "true",
        "typedef",
        "typeof",
        "union",
        "unsigned",
        "void",
        "volatile",
        "while",
        "errno",
        "stdin",
        "stdout",
        "stderr",
    }
)
_RAW: Final = re.compile(r"\[(constructor|method|static)\]([a-z0-9A-Z-]+)(?:\.(.+))?")


def identifier(name: str) -> str:
    """Return a name for a field, a parameter or a case: `per-unit` is `per_unit`."""
    snake = re.sub(r"[^A-Za-z0-9]", "_", name.removeprefix("%"))
    return f"{snake}_" if snake in _RESERVED else snake


def constant(type_name: str, case: str) -> str:
    """Return the name of a constant of a type, such as the number of a case."""
    return f"{type_name.removesuffix('_t')}_{identifier(case).rstrip('_')}".upper()


@final
class Names:
    """The names of one world.

    Raises:
        WitError: the world has what these bindings do not know.
    """

    def __init__(self, world: World, name: str) -> None:
        self._world = identifier(name)
        every = (*world.import_interfaces, *world.export_interfaces)
        self._prefixes = _prefixes([each.name for each in every])
        self._imported = frozenset(each.name for each in world.import_interfaces)
        self._exported = frozenset(each.name for each in world.export_interfaces)

    def prefix(self, interface: str | None) -> str:
        """Return what the names of an interface begin with."""
        if interface is None:
            return self._world
        if interface not in self._prefixes:
            self._prefixes[interface] = _prefix(interface, versioned=False)
        return self._prefixes[interface]

    def is_exported(self, resource: ResourceName) -> bool:
        """Whether the component itself makes resources of this type.

        Raises:
            WitError: it makes some and gets others from outside.
        """
        if resource.interface not in self._exported:
            return False
        if resource.interface in self._imported:
            raise WitError(
                f"{resource.interface} is imported and exported, so resource {resource.name!r} is"
                " two types: bindings for C cannot tell them apart"
            )
        return True

    def function(self, function: Function, *, exported: bool) -> str:
        """Return the name of a function."""
        raw = _RAW.fullmatch(function.name)
        words = [function.name] if raw is None else [each for each in raw.groups() if each]
        name = "_".join([self.prefix(function.interface), *map(_snake, words)])
        return f"exports_{name}" if exported else name

    def resource(self, resource: ResourceName) -> str:
        """Return what the names of a resource's functions and types begin with."""
        side = "exports_" if self.is_exported(resource) else ""
        return f"{side}{self.prefix(resource.interface)}_{_snake(resource.name)}"

    def declared(self, name: TypeName) -> str:
        """Return the name of a type that WIT names."""
        return f"{self.prefix(name.interface)}_{_snake(name.name)}_t"

    def type(self, type_: Type) -> str:
        """Return the C type of values."""
        match type_:
            case Primitive():
                return PRIMITIVES[type_]
            case Own(resource):
                return f"{self.resource(resource)}_t"
            case Borrow(resource):
                # What the component made itself arrives as what it stands for.
                own = self.is_exported(resource)
                return f"{self.resource(resource)}_{'state_t *' if own else 't'}"
            case _:
                return f"{self._word(type_)}_t"

    def _word(self, type_: Type | None) -> str:
        """Return a type's name as a part of the names of others."""
        match type_:
            case None:
                return "void"
            case Primitive():
                return type_.value
            case Own(resource):
                return self.resource(resource)
            case Borrow(resource):
                return f"borrow_{self.resource(resource)}"
            case (
                RecordType(_, name) | VariantType(_, name) | EnumType(_, name) | FlagsType(_, name)
            ):
                if name is None:
                    raise WitError(f"a {type(type_).__name__} without a name has none in C")
                return self.declared(name).removesuffix("_t")
            case ListType(element):
                return f"wit_list_{self._word(element)}"
            case OptionType(some):
                return f"wit_option_{self._word(some)}"
            case ResultType(ok, err):
                return f"wit_result_{self._word(ok)}_{self._word(err)}"
            case TupleType(elements):
                return "_".join([f"wit_tuple{len(elements)}", *map(self._word, elements)])
            case FixedListType() | MapType() | FutureType() | StreamType() | ErrorContextType():
                kind = type(type_).__name__.removesuffix("Type").lower()
                raise WitError(f"bindings for C know no values of type {kind}")
            case _:
                assert_never(type_)


def _snake(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9]", "_", name)


def _prefix(interface: str, *, versioned: bool) -> str:
    name, _, version = interface.partition("@")
    return _snake(f"{name}-{version}" if versioned and version else name)


def _prefixes(interfaces: list[str]) -> dict[str, str]:
    versions: dict[str, set[str]] = {}
    for each in interfaces:
        versions.setdefault(each.partition("@")[0], set()).add(each)
    return {
        each: _prefix(each, versioned=len(versions[each.partition("@")[0]]) > 1)
        for each in interfaces
    }
