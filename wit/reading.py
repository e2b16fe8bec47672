"""Whether everything written as one type can be read as another, in the text forms of values.

Linked components need equal types. Messages carry JSON and WAVE, where a reader may know more than
the writer: a wider integer, one more case, one more optional field.
"""

from typing import Final

from wit.json_readers import INTEGER_RANGES
from wit.type_text import type_text
from wit.types import (
    Borrow,
    Case,
    EnumType,
    Field,
    FixedListType,
    FlagsType,
    ListType,
    MapType,
    OptionType,
    Own,
    Primitive,
    RecordType,
    ResultType,
    TupleType,
    Type,
    VariantType,
)

__all__ = ["reading_obstacle"]

# Integers that every value of survives as a float of that width.
_EXACT_IN: Final = {Primitive.F32: 2**24, Primitive.F64: 2**53}


def reading_obstacle(reader: Type, writer: Type) -> str | None:
    """Return why some value written as `writer` cannot be read as `reader`, None if all can.

    The reason begins with the path of the place.
    """
    match reader, writer:
        case Primitive(), Primitive():
            return None if _primitive_reads(reader, writer) else _differ(reader, writer)
        case RecordType(), RecordType():
            return _record(reader, writer)
        case VariantType(), VariantType():
            return _cases(reader.cases, writer.cases)
        case ResultType(), ResultType():
            arms = [(Case("ok", type_.ok), Case("err", type_.err)) for type_ in (reader, writer)]
            return _cases(*arms)
        case EnumType(), EnumType():
            return _labels("case", reader.cases, writer.cases)
        case FlagsType(), FlagsType():
            return _labels("label", reader.labels, writer.labels)
        case OptionType(mine), OptionType(other):
            nested = isinstance(mine, OptionType)
            if nested is not isinstance(other, OptionType):
                return _differ(reader, writer)
            return reading_obstacle(mine, other)
        case OptionType(mine), _ if not isinstance(mine, OptionType | ResultType):
            # A value stands for itself and for the option that holds it.
            return reading_obstacle(mine, writer)
        case (ListType(mine), ListType(other) | FixedListType(other)):
            return _elements(reader, writer, mine, other)
        case FixedListType(mine, length), FixedListType(other, given) if length == given:
            return _elements(reader, writer, mine, other)
        case MapType(key, mine), MapType(other_key, other) if key == other_key:
            return _within("[]", reading_obstacle(mine, other))
        case TupleType(mine), TupleType(other) if len(mine) == len(other):
            pairs = enumerate(zip(mine, other, strict=True))
            found = (_within(f"[{n}]", reading_obstacle(a, b)) for n, (a, b) in pairs)
            return next(filter(None, found), None)
        case (Own(mine), Own(other)) | (Borrow(mine), Borrow(other)):
            return None if mine.name == other.name else _differ(reader, writer)
        case _:
            return _differ(reader, writer)


def _differ(reader: Type, writer: Type) -> str:
    return f"{type_text(writer)} cannot be read as {type_text(reader)}"


def _within(step: str, obstacle: str | None) -> str | None:
    return None if obstacle is None else f"{step}: {obstacle}"


def _elements(reader: Type, writer: Type, mine: Type, other: Type) -> str | None:
    if other is Primitive.U8 and mine is not Primitive.U8:
        # Bytes are written as base64, which only another list of bytes understands.
        return _differ(reader, writer)
    return _within("[]", reading_obstacle(mine, other))


def _primitive_reads(reader: Primitive, writer: Primitive) -> bool:
    if reader is writer or (reader, writer) == (Primitive.F64, Primitive.F32):
        return True
    if writer not in INTEGER_RANGES:
        return False
    low, high = INTEGER_RANGES[writer]
    if reader in INTEGER_RANGES:
        least, most = INTEGER_RANGES[reader]
        return least <= low and high <= most
    return reader in _EXACT_IN and high <= _EXACT_IN[reader]


def _record(reader: RecordType, writer: RecordType) -> str | None:
    written: dict[str, Field] = {field.name: field for field in writer.fields}
    for field in reader.fields:
        other = written.pop(field.name, None)
        if other is not None:
            obstacle = reading_obstacle(field.type, other.type)
            if obstacle is not None:
                return f".{field.name}: {obstacle}"
        elif not isinstance(field.type, OptionType):
            return f".{field.name}: the field is required, and not written"
    for name in written:
        return f".{name}: the field is written, and not known"
    return None


def _cases(reader: tuple[Case, ...], writer: tuple[Case, ...]) -> str | None:
    known = {case.name: case.type for case in reader}
    for case in writer:
        if case.name not in known:
            return f".{case.name}: the case may be written, and is not known"
        mine = known[case.name]
        if mine is not None and case.type is not None:
            obstacle = reading_obstacle(mine, case.type)
            if obstacle is not None:
                return f".{case.name}: {obstacle}"
        elif mine is not None and not isinstance(mine, OptionType):
            return f".{case.name}: a payload is required, and not written"
        elif mine is None and case.type is not None:
            return f".{case.name}: a payload is written, and not known"
    return None


def _labels(what: str, reader: tuple[str, ...], writer: tuple[str, ...]) -> str | None:
    for label in writer:
        if label not in reader:
            return f".{label}: the {what} may be written, and is not known"
    return None
