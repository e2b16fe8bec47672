"""Type definitions as a binary spells them: references are indices, nothing is resolved.

`ValueType` is either a type without structure or the index of a defined value type in the type
index space. `wit.types` has the resolved counterparts.

Source: component-model specification, Binary.md, "Type Definitions".
"""

from typing import Literal, TypeAlias

from msgspec import Struct

from wit.types import ErrorContextType, Primitive

__all__ = [
    "BorrowDefinition",
    "CaseDefinition",
    "CoreFunctionType",
    "CoreGlobalType",
    "CoreLimits",
    "CoreTableType",
    "DefinedType",
    "EnumDefinition",
    "FieldDefinition",
    "FixedListDefinition",
    "FlagsDefinition",
    "FunctionDefinition",
    "FutureDefinition",
    "ListDefinition",
    "MapDefinition",
    "OptionDefinition",
    "OwnDefinition",
    "PlainDefinition",
    "RecordDefinition",
    "ResourceDefinition",
    "ResultDefinition",
    "StreamDefinition",
    "TupleDefinition",
    "ValueType",
    "VariantDefinition",
]

ValueType: TypeAlias = Primitive | ErrorContextType | int


class FieldDefinition(Struct, frozen=True):
    """A record field, or a parameter of a function."""

    name: str
    type: ValueType


class CaseDefinition(Struct, frozen=True):
    """A variant case; without payload `type` is None."""

    name: str
    type: ValueType | None = None


class PlainDefinition(Struct, frozen=True):
    """A type without structure that got an index of its own."""

    type: Primitive | ErrorContextType


class RecordDefinition(Struct, frozen=True):
    """`record { a: T, … }`."""

    fields: tuple[FieldDefinition, ...]


class VariantDefinition(Struct, frozen=True):
    """`variant { a, b(T) }`."""

    cases: tuple[CaseDefinition, ...]


class EnumDefinition(Struct, frozen=True):
    """`enum { a, b }`."""

    cases: tuple[str, ...]


class FlagsDefinition(Struct, frozen=True):
    """`flags { a, b }`, of any number of labels."""

    labels: tuple[str, ...]


class ListDefinition(Struct, frozen=True):
    """`list<T>`."""

    element: ValueType


class FixedListDefinition(Struct, frozen=True):
    """`list<T, N>`."""

    element: ValueType
    length: int


class MapDefinition(Struct, frozen=True):
    """`map<K, V>`."""

    key: ValueType
    value: ValueType


class TupleDefinition(Struct, frozen=True):
    """`tuple<A, B>`."""

    elements: tuple[ValueType, ...]


class OptionDefinition(Struct, frozen=True):
    """`option<T>`."""

    some: ValueType


class ResultDefinition(Struct, frozen=True):
    """`result<T, E>`."""

    ok: ValueType | None = None
    err: ValueType | None = None


class OwnDefinition(Struct, frozen=True):
    """`own<R>`: `resource` indexes the type space and must name a resource."""

    resource: int


class BorrowDefinition(Struct, frozen=True):
    """`borrow<R>`: `resource` indexes the type space and must name a resource."""

    resource: int


class FutureDefinition(Struct, frozen=True):
    """`future<T>`."""

    element: ValueType | None = None


class StreamDefinition(Struct, frozen=True):
    """`stream<T>`."""

    element: ValueType | None = None


DefinedType: TypeAlias = (
    PlainDefinition
    | RecordDefinition
    | VariantDefinition
    | EnumDefinition
    | FlagsDefinition
    | ListDefinition
    | FixedListDefinition
    | MapDefinition
    | TupleDefinition
    | OptionDefinition
    | ResultDefinition
    | OwnDefinition
    | BorrowDefinition
    | FutureDefinition
    | StreamDefinition
)
"""A type whose instances are values."""


class FunctionDefinition(Struct, frozen=True):
    """The type of a component-level function."""

    parameters: tuple[FieldDefinition, ...]
    result: ValueType | None = None
    is_async: bool = False


class ResourceDefinition(Struct, frozen=True):
    """A resource that the enclosing component implements: a new identity per instantiation.

    `destructor` indexes the core function space. Not allowed inside component and instance types.
    """

    representation: Literal["i32", "i64"] = "i32"
    destructor: int | None = None


class CoreFunctionType(Struct, frozen=True):
    """Value types are the keywords of the core text format, like `i32` or `funcref`."""

    parameters: tuple[str, ...]
    results: tuple[str, ...]


class CoreLimits(Struct, frozen=True, kw_only=True):
    """The type of a core memory, sizes in pages; in elements where it stands for a table."""

    minimum: int
    maximum: int | None
    is_64: bool
    is_shared: bool
    has_page_size: bool = False


class CoreTableType(Struct, frozen=True):
    """`element` is a reference type by keyword."""

    element: str
    limits: CoreLimits


class CoreGlobalType(Struct, frozen=True):
    """Value type by keyword."""

    type: str
    mutable: bool
