"""Value types and function types of the component model, resolved: no names left to look up.

Every type is a tagged frozen struct, so code over types is a `match` closed by `assert_never`.
Records, variants, enums and flags remember the name under which WIT declares them; the name is
for people (signatures, errors) and does not take part in `same_type`. Hashes are kept, because
caches of readers, writers and adapters are keyed by type and asked at every call.

Source: https://component-model.bytecodealliance.org/design/wit.html and the component-model
specification, "Type Definitions".
"""

from enum import Enum
from typing import TypeAlias

from msgspec import Struct

__all__ = [
    "Borrow",
    "Case",
    "EnumType",
    "ErrorContextType",
    "Field",
    "FixedListType",
    "FlagsType",
    "FunctionType",
    "FutureType",
    "ListType",
    "MapType",
    "OptionType",
    "Own",
    "Parameter",
    "Primitive",
    "RecordType",
    "ResourceName",
    "ResultType",
    "StreamType",
    "TupleType",
    "Type",
    "TypeName",
    "VariantType",
]


class Primitive(Enum):
    """A type without structure. The value is its WIT keyword."""

    # There is one of each: what an enum does otherwise, in Python, tells them apart no better.
    __hash__ = object.__hash__

    BOOL = "bool"
    S8 = "s8"
    U8 = "u8"
    S16 = "s16"
    U16 = "u16"
    S32 = "s32"
    U32 = "u32"
    S64 = "s64"
    U64 = "u64"
    F32 = "f32"
    F64 = "f64"
    CHAR = "char"
    STRING = "string"


class TypeName(Struct, frozen=True, cache_hash=True):
    """Where a type was declared: `interface` is `ns:pkg/iface@v`, or None at world level."""

    name: str
    interface: str | None = None


class ResourceName(Struct, frozen=True, cache_hash=True):
    """The identity of a resource type: resources are nominal, never compared by structure."""

    name: str
    interface: str | None = None


class Field(Struct, frozen=True, cache_hash=True):
    """A named member of a record."""

    name: str
    type: "Type"


class Case(Struct, frozen=True, cache_hash=True):
    """One alternative of a variant; without payload `type` is None."""

    name: str
    type: "Type | None" = None


class RecordType(Struct, frozen=True, cache_hash=True, tag="record"):
    """`record { a: T, … }`; values are `dict[str, Value]` with exactly these keys."""

    fields: tuple[Field, ...]
    name: TypeName | None = None


class VariantType(Struct, frozen=True, cache_hash=True, tag="variant"):
    """`variant { a, b(T) }`; values are `(case, payload or None)`."""

    cases: tuple[Case, ...]
    name: TypeName | None = None


class EnumType(Struct, frozen=True, cache_hash=True, tag="enum"):
    """`enum { a, b }`; values are `str`."""

    cases: tuple[str, ...]
    name: TypeName | None = None


class FlagsType(Struct, frozen=True, cache_hash=True, tag="flags"):
    """`flags { a, b }`; values are `frozenset[str]`."""

    labels: tuple[str, ...]
    name: TypeName | None = None


class ListType(Struct, frozen=True, cache_hash=True, tag="list"):
    """`list<T>`; values are `list`, but `bytes` for `list<u8>`."""

    element: "Type"


class FixedListType(Struct, frozen=True, cache_hash=True, tag="fixed-list"):
    """`list<T, N>`; values as for `list<T>`, of exactly `length` elements."""

    element: "Type"
    length: int


class MapType(Struct, frozen=True, cache_hash=True, tag="map"):
    """`map<K, V>`; values are `dict`."""

    key: "Type"
    value: "Type"


class TupleType(Struct, frozen=True, cache_hash=True, tag="tuple"):
    """`tuple<A, B>`; values are `tuple`."""

    elements: tuple["Type", ...]


class OptionType(Struct, frozen=True, cache_hash=True, tag="option"):
    """`option<T>`; values are None or the 1-tuple `(payload,)`, so that nesting keeps its depth."""

    some: "Type"


class ResultType(Struct, frozen=True, cache_hash=True, tag="result"):
    """`result<T, E>`; values are `("ok", payload or None)` or `("err", payload or None)`."""

    ok: "Type | None" = None
    err: "Type | None" = None


class Own(Struct, frozen=True, cache_hash=True, tag="own"):
    """An owned resource handle; values are the host's object of that resource."""

    resource: ResourceName


class Borrow(Struct, frozen=True, cache_hash=True, tag="borrow"):
    """A borrowed resource handle; values as for `Own`."""

    resource: ResourceName


class FutureType(Struct, frozen=True, cache_hash=True, tag="future"):
    """`future<T>`: can be described, not called."""

    element: "Type | None" = None


class StreamType(Struct, frozen=True, cache_hash=True, tag="stream"):
    """`stream<T>`: can be described, not called."""

    element: "Type | None" = None


class ErrorContextType(Struct, frozen=True, cache_hash=True, tag="error-context"):
    """`error-context`: can be described, not called."""


Type: TypeAlias = (
    Primitive
    | RecordType
    | VariantType
    | EnumType
    | FlagsType
    | ListType
    | FixedListType
    | MapType
    | TupleType
    | OptionType
    | ResultType
    | Own
    | Borrow
    | FutureType
    | StreamType
    | ErrorContextType
)


class Parameter(Struct, frozen=True, cache_hash=True):
    """A named parameter of a function."""

    name: str
    type: Type


class FunctionType(Struct, frozen=True, cache_hash=True):
    """Parameters in order and at most one result."""

    parameters: tuple[Parameter, ...]
    result: Type | None = None
    is_async: bool = False
