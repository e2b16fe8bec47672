"""Types and values from a seeded generator: quicker than hypothesis, for tests of very many."""

import math
import struct

from wit.types import (
    Case,
    EnumType,
    Field,
    FlagsType,
    ListType,
    OptionType,
    Primitive,
    RecordType,
    ResultType,
    TupleType,
    VariantType,
)

BITS = {"u8": 8, "s8": 8, "u16": 16, "s16": 16, "u32": 32, "s32": 32, "u64": 64, "s64": 64}
CHARACTERS = "aZ0 \x00\x7f\x80ÿĀ߿ࠀ\ud7ff\ue000\uffff\U00010000\U0010ffff€語🙂"


def random_type(rng, depth=3):
    if depth == 0 or rng.random() < 0.3:
        return _leaf(rng)
    inner = lambda: random_type(rng, depth - 1)  # noqa: E731 - a shorthand for the lines below
    maybe = lambda: inner() if rng.random() < 0.7 else None  # noqa: E731 - as above
    count = rng.randint(1, 5)
    match rng.randrange(6):
        case 0:
            return ListType(inner())
        case 1:
            return OptionType(inner())
        case 2:
            return ResultType(maybe(), maybe())
        case 3:
            return TupleType(tuple(inner() for _ in range(count)))
        case 4:
            return RecordType(tuple(Field(f"f{index}", inner()) for index in range(count)))
        case _:
            return VariantType(tuple(Case(f"c{index}", maybe()) for index in range(count)))


def _leaf(rng):
    match rng.randrange(4):
        case 0:
            count = rng.choice([1, 2, 7, 255, 256, 257, 300])
            return EnumType(tuple(f"e{index}" for index in range(count)))
        case 1:
            count = rng.choice([1, 8, 9, 16, 17, 32])
            return FlagsType(tuple(f"b{index}" for index in range(count)))
        case _:
            return rng.choice(list(Primitive))


def random_value(rng, type_):
    match type_:
        case Primitive.BOOL:
            return rng.random() < 0.5
        case Primitive.F32:
            return _float(rng, "f", 32)
        case Primitive.F64:
            return _float(rng, "d", 64)
        case Primitive.CHAR:
            return _character(rng)
        case Primitive.STRING:
            return "".join(_character(rng) for _ in range(rng.choice([0, 1, 3, 20])))
        case Primitive():
            return _integer(rng, type_.value)
        case EnumType():
            return rng.choice(type_.cases)
        case FlagsType():
            return frozenset(label for label in type_.labels if rng.random() < 0.5)
        case ListType(element=Primitive.U8):
            return rng.randbytes(rng.choice([0, 1, 7, 64]))
        case ListType():
            return [random_value(rng, type_.element) for _ in range(rng.choice([0, 1, 3]))]
        case OptionType():
            return None if rng.random() < 0.3 else (random_value(rng, type_.some),)
        case ResultType():
            name = rng.choice(["ok", "err"])
            return _with_payload(rng, name, type_.ok if name == "ok" else type_.err)
        case VariantType():
            case = rng.choice(type_.cases)
            return _with_payload(rng, case.name, case.type)
        case TupleType():
            return tuple(random_value(rng, part) for part in type_.elements)
        case RecordType():
            return {field.name: random_value(rng, field.type) for field in type_.fields}
    raise AssertionError(type_)


def _with_payload(rng, name, type_):
    return name, None if type_ is None else random_value(rng, type_)


def _integer(rng, name):
    bits = BITS[name]
    low = -(1 << (bits - 1)) if name.startswith("s") else 0
    high = low + (1 << bits) - 1
    return rng.choice([low, high, 0, 1, rng.randint(low, high)])


def _float(rng, form, bits):
    """Any but a NaN, whose payload no engine has to keep."""
    code = {"f": "<I", "d": "<Q"}[form]
    while True:
        value = struct.unpack("<" + form, struct.pack(code, rng.getrandbits(bits)))[0]
        value = rng.choice([value, 0.0, -0.0, math.inf, -math.inf, 1.5])
        if not math.isnan(value):
            return value


def _character(rng):
    if rng.random() < 0.6:
        return rng.choice(CHARACTERS)
    while True:
        code = rng.randrange(0x110000)
        if not 0xD800 <= code < 0xE000:
            return chr(code)
