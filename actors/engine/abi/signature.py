"""Sizes, alignments and core signatures of types (canonical ABI, "Flattening" and "Alignment")."""

from functools import lru_cache
from typing import Final, NamedTuple, assert_never

from actors.engine.core.module import FunctionSignature
from actors.engine.limits import FLAT_PARAMETERS_MAX, FLAT_RESULTS_MAX
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
    ResultType,
    StreamType,
    TupleType,
    Type,
    VariantType,
)

__all__ = [
    "Alternative",
    "MemoryNeed",
    "Size",
    "alternatives",
    "contains",
    "core_signature",
    "discriminant_code",
    "flag_words",
    "flatten",
    "members",
    "needs_memory",
    "refusal",
    "scalar_code",
    "size_of",
]

SCALAR_CODES: Final = {
    Primitive.BOOL: "B",
    Primitive.U8: "B",
    Primitive.S8: "b",
    Primitive.U16: "H",
    Primitive.S16: "h",
    Primitive.U32: "I",
    Primitive.S32: "i",
    Primitive.U64: "Q",
    Primitive.S64: "q",
    Primitive.F32: "f",
    Primitive.F64: "d",
    Primitive.CHAR: "I",
}
"""Format characters of `struct`, little endian, by type."""

CODE_BYTES: Final = {
    "B": 1, "b": 1, "H": 2, "h": 2, "I": 4, "i": 4, "f": 4, "Q": 8, "q": 8, "d": 8,
}  # fmt: skip
_CORE_BY_CODE: Final = {"Q": "i64", "q": "i64", "f": "f32", "d": "f64"}
_MEMO_MAX: Final = 4096


class Size(NamedTuple):
    """Bytes in memory, and what the address must be a multiple of."""

    bytes: int
    alignment: int


class Alternative(NamedTuple):
    """One case of a variant, option or result."""

    name: str | None
    type: Type | None


class MemoryNeed(NamedTuple):
    """Which canonical options a function type requires."""

    memory: bool
    realloc: bool


def alternatives(type_: VariantType | OptionType | ResultType) -> tuple[Alternative, ...]:
    """Return the cases, by discriminant."""
    match type_:
        case VariantType():
            return tuple(Alternative(case.name, case.type) for case in type_.cases)
        case OptionType():
            return Alternative(None, None), Alternative(None, type_.some)
        case ResultType():
            return Alternative("ok", type_.ok), Alternative("err", type_.err)
        case _:
            assert_never(type_)


def members(type_: RecordType | TupleType) -> tuple[Type, ...]:
    """Return the types of the fields or elements."""
    if isinstance(type_, RecordType):
        return tuple(field.type for field in type_.fields)
    return type_.elements


def discriminant_code(count: int) -> str:
    """Return the `struct` code of a discriminant among `count` cases."""
    return "B" if count <= 1 << 8 else "H" if count <= 1 << 16 else "I"


def flag_words(labels: int) -> int:
    """Return how many 32-bit words hold that many flags."""
    return max(1, (labels + 31) // 32)


def scalar_code(type_: Type) -> str | None:
    """Return the `struct` code of a type that is one number, None for other types."""
    match type_:
        case Primitive():
            return SCALAR_CODES.get(type_)
        case EnumType():
            return discriminant_code(len(type_.cases))
        case FlagsType() if flag_words(len(type_.labels)) == 1:
            count = len(type_.labels)
            return "B" if count <= 8 else "H" if count <= 16 else "I"
        case Own() | Borrow():
            return "I"
        case _:
            return None


def align(offset: int, alignment: int) -> int:
    """Return the next multiple of `alignment`."""
    return (offset + alignment - 1) // alignment * alignment


@lru_cache(maxsize=_MEMO_MAX)
def size_of(type_: Type) -> Size:
    """Return size and alignment in memory."""
    code = scalar_code(type_)
    if code is not None:
        return Size(CODE_BYTES[code], CODE_BYTES[code])
    match type_:
        case FlagsType():
            return Size(4 * flag_words(len(type_.labels)), 4)
        case RecordType() | TupleType():
            offset, alignment = 0, 1
            for member in members(type_):
                size = size_of(member)
                offset = align(offset, size.alignment) + size.bytes
                alignment = max(alignment, size.alignment)
            return Size(align(offset, alignment), alignment)
        case VariantType() | OptionType() | ResultType():
            cases = alternatives(type_)
            tag = CODE_BYTES[discriminant_code(len(cases))]
            payload = payload_size(type_)
            alignment = max(tag, payload.alignment)
            return Size(align(align(tag, payload.alignment) + payload.bytes, alignment), alignment)
        case FixedListType():
            element = size_of(type_.element)
            return Size(element.bytes * type_.length, element.alignment)
        case _:
            # Strings, lists and maps: pointer and length.
            return Size(8, 4)


def payload_size(type_: VariantType | OptionType | ResultType) -> Size:
    """Return the size of the largest payload, and the strictest alignment."""
    sizes = [size_of(case.type) for case in alternatives(type_) if case.type is not None]
    return Size(
        max((size.bytes for size in sizes), default=0),
        max((size.alignment for size in sizes), default=1),
    )


def flatten(type_: Type, limit: int = FLAT_PARAMETERS_MAX) -> tuple[str, ...]:
    """Return the core types of a value; cut off one past `limit`, as more go through memory."""
    code = scalar_code(type_)
    if code is not None:
        return (_CORE_BY_CODE.get(code, "i32"),)
    match type_:
        case FlagsType():
            return ("i32",) * min(flag_words(len(type_.labels)), limit + 1)
        case RecordType() | TupleType():
            return _flatten_all(members(type_), limit)
        case VariantType() | OptionType() | ResultType():
            joined: list[str] = []
            for case in alternatives(type_):
                part = () if case.type is None else flatten(case.type, limit)
                for index, core in enumerate(part):
                    if index == len(joined):
                        joined.append(core)
                    elif joined[index] != core:
                        narrow = {joined[index], core} == {"i32", "f32"}
                        joined[index] = "i32" if narrow else "i64"
            return ("i32", *joined)[: limit + 1]
        case FixedListType():
            element = flatten(type_.element, limit)
            return (element * min(type_.length, limit + 1))[: limit + 1]
        case _:
            return ("i32", "i32")


def _flatten_all(types: tuple[Type, ...], limit: int) -> tuple[str, ...]:
    out: tuple[str, ...] = ()
    for type_ in types:
        out += flatten(type_, limit)
        if len(out) > limit:
            return out[: limit + 1]
    return out


def is_spilled(type_: FunctionType) -> bool:
    """Return whether the parameters travel through memory."""
    types = tuple(parameter.type for parameter in type_.parameters)
    return len(_flatten_all(types, FLAT_PARAMETERS_MAX)) > FLAT_PARAMETERS_MAX


def is_indirect(type_: FunctionType) -> bool:
    """Return whether the result travels through memory."""
    return type_.result is not None and len(flatten(type_.result)) > FLAT_RESULTS_MAX


@lru_cache(maxsize=_MEMO_MAX)
def core_signature(type_: FunctionType, *, lowered: bool) -> FunctionSignature:
    """Return the core type of a function: as called by the guest (lowered), or as the guest's."""
    if is_spilled(type_):
        parameters: tuple[str, ...] = ("i32",)
    else:
        parameters = _flatten_all(
            tuple(parameter.type for parameter in type_.parameters), FLAT_PARAMETERS_MAX
        )
    if type_.result is None:
        return FunctionSignature(parameters, ())
    if not is_indirect(type_):
        return FunctionSignature(parameters, flatten(type_.result))
    if lowered:
        return FunctionSignature((*parameters, "i32"), ())
    return FunctionSignature(parameters, ("i32",))


def contains(type_: Type | None, kinds: tuple[type, ...]) -> bool:
    """Return whether the type or a part of it is an instance of `kinds`."""
    match type_:
        case None:
            return False
        case _ if isinstance(type_, kinds):
            return True
        case RecordType() | TupleType():
            return any(contains(member, kinds) for member in members(type_))
        case VariantType() | OptionType() | ResultType():
            return any(contains(case.type, kinds) for case in alternatives(type_))
        case ListType() | FixedListType() | FutureType() | StreamType():
            return contains(type_.element, kinds)
        case MapType():
            return contains(type_.key, kinds) or contains(type_.value, kinds)
        case _:
            return False


def _has_pointers(type_: Type | None) -> bool:
    if contains(type_, (ListType, MapType)):
        return True
    return _has_string(type_)


def _has_string(type_: Type | None) -> bool:
    match type_:
        case Primitive.STRING:
            return True
        case RecordType() | TupleType():
            return any(_has_string(member) for member in members(type_))
        case VariantType() | OptionType() | ResultType():
            return any(_has_string(case.type) for case in alternatives(type_))
        case FixedListType():
            return _has_string(type_.element)
        case _:
            return False


def needs_memory(type_: FunctionType, *, lowered: bool) -> MemoryNeed:
    """Return the canonical options that a function needs."""
    parameters = any(_has_pointers(parameter.type) for parameter in type_.parameters)
    result = _has_pointers(type_.result)
    spilled, indirect = is_spilled(type_), is_indirect(type_)
    memory = parameters or result or spilled or indirect
    return MemoryNeed(memory, realloc=result if lowered else parameters or spilled)


def refusal(type_: FunctionType) -> str | None:
    """Say why the engine cannot carry values of this type, None if it can."""
    types = [parameter.type for parameter in type_.parameters]
    if any(
        contains(part, (FutureType, StreamType, ErrorContextType))
        for part in (*types, type_.result)
    ):
        return (
            "futures, streams and error contexts are not supported; "
            "build the component for WASI 0.2 without async"
        )
    if contains(type_.result, (Borrow,)):
        return "a function cannot return a borrowed handle"
    if any(_too_large(part) for part in (*types, type_.result)):
        return f"values of a type take more than {_FIXED_BYTES_MAX} bytes"
    return None


_FIXED_BYTES_MAX: Final = 1 << 24
"""Bytes of one value without what it points to: only lists of fixed length can be that large."""


def _too_large(type_: Type | None) -> bool:
    return type_ is not None and size_of(type_).bytes > _FIXED_BYTES_MAX
