"""The header: types laid out as the canonical ABI lays them out, and the functions of both sides.

On wasm32 a C struct of the right members has the very layout of the value in memory. So lists and
whatever else travels in memory are never copied member by member.
"""

from collections.abc import Iterable, Iterator
from typing import assert_never, final

from wit.bindings.c_names import Names, constant, identifier
from wit.bindings.flattening import cases_of
from wit.errors import WitError
from wit.type_walk import parts_of
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
    VariantType,
)
from wit.world import Function, Interface, World

__all__ = [
    "Declarations",
    "functions_of",
    "number_type",
    "owns_memory",
    "prototype",
    "resources_of",
    "types_of",
]

_FLAGS_OF_A_WORD = 32


def functions_of(world: World, *, exported: bool) -> list[Function]:
    """Return all functions that a world exports, or imports."""
    interfaces = world.export_interfaces if exported else world.import_interfaces
    own = world.export_functions if exported else world.import_functions
    return [*(each for interface in interfaces for each in interface.functions), *own]


def resources_of(interfaces: Iterable[Interface]) -> Iterator[ResourceName]:
    """Yield the resources that interfaces declare."""
    for interface in interfaces:
        used = {name for name, _ in interface.used}
        for name in interface.resources:
            if name not in used:
                yield ResourceName(name, interface.name)


def types_of(function: Function) -> Iterator[Type]:
    """Yield the types of parameters and result."""
    yield from (each.type for each in function.type.parameters)
    if function.type.result is not None:
        yield function.type.result


def owns_memory(type_: Type) -> bool:
    """Tell whether values of a type have parts elsewhere that have to be given back."""
    if type_ is Primitive.STRING or isinstance(type_, ListType):
        return True
    return any(map(owns_memory, parts_of(type_)))


def prototype(function: Function, names: Names, *, exported: bool) -> str:
    """Return the declaration of a function, without a semicolon."""
    if function.type.is_async:
        raise WitError(f"{function.name} is async: bindings for C know no such functions")
    result = function.type.result
    returned = "void" if result is None else names.type(result)
    parameters = [
        f"{names.type(each.type)} {identifier(each.name)}" for each in function.type.parameters
    ]
    name = names.function(function, exported=exported)
    return f"{returned} {name}({', '.join(parameters) or 'void'})"


@final
class Declarations:
    """All types of a world in an order that C can read."""

    def __init__(self, world: World, names: Names) -> None:
        self._names = names
        self._written: dict[str, Type] = {}
        self.lines: list[str] = []
        self._resources(world)
        for interface in (*world.import_interfaces, *world.export_interfaces):
            for each in interface.types:
                self._declare(each.type)
                self._alias(f"{names.prefix(interface.name)}_{identifier(each.name)}_t", each.type)
        for exported in (False, True):
            for function in functions_of(world, exported=exported):
                for type_ in types_of(function):
                    self._declare(type_)

    def written(self) -> Iterator[tuple[str, Type]]:
        """Yield the types that are defined, inner ones first."""
        yield from self._written.items()

    def with_memory(self) -> Iterator[tuple[str, Type]]:
        """Yield the types that have a function to free their values, inner ones first."""
        for name, type_ in self._written.items():
            if owns_memory(type_):
                yield name, type_

    def _resources(self, world: World) -> None:
        names = self._names
        declared = [
            *resources_of(world.import_interfaces),
            *resources_of(world.export_interfaces),
        ]
        for resource in dict.fromkeys(declared):
            name = names.resource(resource)
            self.lines.append(f"typedef struct {{ int32_t handle; }} {name}_t;")
            if names.is_exported(resource):
                self.lines.append(f"typedef struct {name}_state {name}_state_t;")

    def _alias(self, name: str, type_: Type) -> None:
        if name not in self._written and self._names.type(type_) != name:
            self._written[name] = Primitive.BOOL  # nothing to free: the type itself is freed
            self.lines.append(f"typedef {self._names.type(type_)} {name};")

    def _declare(self, type_: Type) -> None:
        for part in parts_of(type_):
            self._declare(part)
        if isinstance(type_, Primitive | Own | Borrow):
            return
        name = self._names.type(type_)
        if name not in self._written:
            self._written[name] = type_
            self.lines += self._definition(name, type_)

    def _definition(self, name: str, type_: Type) -> list[str]:
        type_name = self._names.type
        match type_:
            case RecordType(fields):
                members = [f"  {type_name(each.type)} {identifier(each.name)};" for each in fields]
            case TupleType(elements):
                members = [f"  {type_name(each)} f{at};" for at, each in enumerate(elements)]
            case ListType(element):
                members = [f"  {type_name(element)} *ptr;", "  size_t len;"]
            case OptionType(some):
                members = ["  bool is_some;", f"  {type_name(some)} val;"]
            case ResultType(ok, err):
                members = ["  bool is_err;", *self._union((("ok", ok), ("err", err)))]
            case VariantType():
                return self._variant(name, type_)
            case EnumType(cases):
                return [*_constants(name, cases), f"typedef {number_type(len(cases))} {name};"]
            case FlagsType(labels):
                return _flags(name, labels)
            case (
                Primitive()
                | Own()
                | Borrow()
                | FixedListType()
                | MapType()
                | FutureType()
                | StreamType()
                | ErrorContextType()
            ):
                return []
            case _:
                assert_never(type_)
        return ["typedef struct {", *members, f"}} {name};"]

    def _variant(self, name: str, type_: VariantType) -> list[str]:
        cases = cases_of(type_)
        return [
            *_constants(name, [case for case, _ in cases]),
            "typedef struct {",
            f"  {number_type(len(cases))} tag;",
            *self._union(cases),
            f"}} {name};",
        ]

    def _union(self, cases: Iterable[tuple[str, Type | None]]) -> list[str]:
        members = [
            f"    {self._names.type(payload)} {identifier(name)};"
            for name, payload in cases
            if payload is not None
        ]
        return ["  union {", *members, "  } val;"] if members else []


def number_type(count: int) -> str:
    """Return the smallest type for so many numbers."""
    return "uint8_t" if count <= 1 << 8 else "uint16_t" if count <= 1 << 16 else "uint32_t"


def _constants(name: str, cases: Iterable[str]) -> list[str]:
    return [f"#define {constant(name, each)} {at}" for at, each in enumerate(cases)]


def _flags(name: str, labels: tuple[str, ...]) -> list[str]:
    count = len(labels)
    if count > _FLAGS_OF_A_WORD:
        # Bit N is bit N % 32 of word N / 32.
        words = -(-count // _FLAGS_OF_A_WORD)
        numbers = [f"#define {constant(name, each)} {at}" for at, each in enumerate(labels)]
        return [*numbers, f"typedef struct {{ uint32_t bits[{words}]; }} {name};"]
    type_ = "uint8_t" if count <= 8 else "uint16_t" if count <= 16 else "uint32_t"
    bits = [f"#define {constant(name, each)} (1u << {at})" for at, each in enumerate(labels)]
    return [*bits, f"typedef {type_} {name};"]
