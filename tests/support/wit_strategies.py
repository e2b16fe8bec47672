"""Random component types, values of them, and function types, for property tests of any package."""

from functools import lru_cache

from hypothesis import strategies as st

from wit.json_readers import INTEGER_RANGES, round_to_f32
from wit.types import (
    Case,
    EnumType,
    Field,
    FixedListType,
    FlagsType,
    FunctionType,
    ListType,
    MapType,
    OptionType,
    Parameter,
    Primitive,
    RecordType,
    ResultType,
    TupleType,
    TypeName,
    VariantType,
)

# Words that some textual form reserves are the interesting names.
_NAMES = [
    "some",
    "none",
    "ok",
    "err",
    "true",
    "false",
    "nan",
    "inf",
    "record",
    "list",
    "use",
    "self",
    "a",
    "b",
    "z9",
    "x-1y",
    "user-name",
    "get-HTTP3-body",
    "e2e",
    "from-URL",
    "item",
    "option",
]

names = st.sampled_from(_NAMES)

interface_names = st.sampled_from([None, "demo:shop/api", "demo:shop/types@1.2.0"])


type_names = st.none() | st.builds(TypeName, names, interface_names)

primitives = st.sampled_from(list(Primitive))

_KEYS = st.sampled_from([p for p in Primitive if p not in {Primitive.F32, Primitive.F64}])
_LABELS = st.lists(names, min_size=1, max_size=4, unique=True).map(tuple)
_LEAVES = ["primitive", "primitive", "enum", "flags", "bytes"]
_COMPOSED = ["list", "fixed", "map", "tuple", "option", "result", "record", "variant"]
_KINDS = {0: st.sampled_from(_LEAVES), 1: st.sampled_from(_LEAVES + _COMPOSED * 2)}


@st.composite
def types(draw, depth=3):
    """Types without handles, futures and streams: those whose values can be written down."""
    inner = types(depth - 1)
    match draw(_KINDS[min(depth, 1)]):
        case "primitive":
            return draw(primitives)
        case "enum":
            return EnumType(draw(_LABELS), draw(type_names))
        case "flags":
            return FlagsType(draw(_LABELS), draw(type_names))
        case "bytes":
            return ListType(Primitive.U8)
        case "list":
            return ListType(draw(inner))
        case "fixed":
            return FixedListType(draw(inner), draw(st.integers(1, 3)))
        case "map":
            return MapType(draw(_KEYS), draw(inner))
        case "tuple":
            return TupleType(tuple(draw(inner) for _ in range(draw(st.integers(1, 3)))))
        case "option":
            return OptionType(draw(inner))
        case "result":
            return ResultType(draw(st.none() | inner), draw(st.none() | inner))
        case "record":
            fields = tuple(Field(name, draw(inner)) for name in draw(_LABELS))
            return RecordType(fields, draw(type_names))
        case _:
            cases = tuple(Case(name, draw(st.none() | inner)) for name in draw(_LABELS))
            return VariantType(cases, draw(type_names))


_PRIMITIVE_VALUES = {
    Primitive.BOOL: st.booleans(),
    Primitive.F64: st.floats(),
    Primitive.F32: st.floats(width=32).map(round_to_f32),
    Primitive.CHAR: st.characters(exclude_categories=["Cs"]),
    Primitive.STRING: st.text(st.characters(exclude_categories=["Cs"]), max_size=6),
} | {type_: st.integers(low, high) for type_, (low, high) in INTEGER_RANGES.items()}


def _list_values(element, min_size, max_size):
    if element is Primitive.U8:
        return st.binary(min_size=min_size, max_size=max_size)
    return st.lists(values(element), min_size=min_size, max_size=max_size)


def _case_values(name, payload):
    return st.tuples(st.just(name), st.none() if payload is None else values(payload))


@lru_cache(maxsize=1024)
def values(type_):
    """Values of a type, in the shapes of `wit.values`."""
    match type_:
        case Primitive():
            return _PRIMITIVE_VALUES[type_]
        case ListType(element):
            return _list_values(element, 0, 3)
        case FixedListType(element, length):
            return _list_values(element, length, length)
        case MapType(key, value):
            return st.dictionaries(values(key), values(value), max_size=2)
        case TupleType(elements):
            return st.tuples(*map(values, elements))
        case RecordType(fields):
            return st.fixed_dictionaries({field.name: values(field.type) for field in fields})
        case VariantType(cases):
            return st.one_of(*(_case_values(case.name, case.type) for case in cases))
        case ResultType(ok, err):
            return _case_values("ok", ok) | _case_values("err", err)
        case EnumType(labels):
            return st.sampled_from(labels)
        case FlagsType(labels):
            return st.frozensets(st.sampled_from(labels))
        case OptionType(some):
            return st.none() | st.tuples(values(some))
        case _:
            raise AssertionError(f"no values of {type_}")


@st.composite
def typed_values(draw, depth=3):
    """Pairs of a type and one of its values."""
    type_ = draw(types(depth))
    return type_, draw(values(type_))


@st.composite
def function_types(draw, max_parameters=3):
    """Function types over `types()`."""
    parameters = draw(st.lists(names, max_size=max_parameters, unique=True))
    return FunctionType(
        tuple(Parameter(name, draw(types(2))) for name in parameters),
        draw(st.none() | types(2)),
    )


@st.composite
def calls(draw):
    """Pairs of a function type and a list of arguments for it."""
    function = draw(function_types())
    return function, [draw(values(parameter.type)) for parameter in function.parameters]


def same(left, right):
    """Return whether two values are equal, where NaN equals NaN and zero keeps its sign."""
    return repr_of(left) == repr_of(right)


def repr_of(value):
    """Return a text that is equal for values that are the same; order of sets and keys is free."""
    match value:
        case dict():
            return "{%s}" % ",".join(sorted(f"{k!r}:{repr_of(v)}" for k, v in value.items()))  # noqa: UP031 - braces would need doubling
        case list() | tuple():
            return f"{type(value).__name__}[{','.join(map(repr_of, value))}]"
        case frozenset():
            return f"set{sorted(value)}"
        case _:
            return repr(value)
