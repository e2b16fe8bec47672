"""Random types of the component model, and random values of a type."""

from hypothesis import strategies as st

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


def _names(prefix, count):
    return tuple(f"{prefix}{index}" for index in range(count))


def _compound(inner):
    maybe = st.none() | inner
    return st.one_of(
        st.builds(ListType, inner),
        st.builds(OptionType, inner),
        st.builds(ResultType, maybe, maybe),
        st.lists(inner, min_size=1, max_size=4).map(lambda parts: TupleType(tuple(parts))),
        st.lists(inner, min_size=1, max_size=4).map(
            lambda parts: RecordType(
                tuple(Field(f"f{index}", part) for index, part in enumerate(parts))
            )
        ),
        st.lists(maybe, min_size=1, max_size=4).map(
            lambda parts: VariantType(
                tuple(Case(f"c{index}", part) for index, part in enumerate(parts))
            )
        ),
    )


_LEAVES = st.one_of(
    st.sampled_from(list(Primitive)),
    st.sampled_from([1, 2, 7, 255, 256, 257, 300]).map(lambda count: EnumType(_names("e", count))),
    st.sampled_from([1, 8, 9, 16, 17, 32]).map(lambda count: FlagsType(_names("b", count))),
)

types = st.recursive(_LEAVES, _compound, max_leaves=8)

_INTEGERS = {
    Primitive.U8: (0, 2**8 - 1),
    Primitive.S8: (-(2**7), 2**7 - 1),
    Primitive.U16: (0, 2**16 - 1),
    Primitive.S16: (-(2**15), 2**15 - 1),
    Primitive.U32: (0, 2**32 - 1),
    Primitive.S32: (-(2**31), 2**31 - 1),
    Primitive.U64: (0, 2**64 - 1),
    Primitive.S64: (-(2**63), 2**63 - 1),
}
_CHARACTERS = st.characters(codec="utf-8")
_TEXT = st.text(_CHARACTERS, max_size=6)


def values(type_):
    match type_:
        case Primitive.BOOL:
            return st.booleans()
        case Primitive.F32:
            return st.floats(width=32, allow_nan=False)
        case Primitive.F64:
            return st.floats(allow_nan=False)
        case Primitive.CHAR:
            return _CHARACTERS
        case Primitive.STRING:
            return _TEXT
        case Primitive():
            return st.integers(*_INTEGERS[type_])
        case EnumType():
            return st.sampled_from(type_.cases)
        case FlagsType():
            return st.frozensets(st.sampled_from(type_.labels))
        case ListType(element=Primitive.U8):
            return st.binary(max_size=9)
        case ListType():
            return st.lists(values(type_.element), max_size=3)
        case OptionType():
            return st.none() | st.tuples(values(type_.some))
        case ResultType():
            return _case("ok", type_.ok) | _case("err", type_.err)
        case VariantType():
            return st.one_of([_case(case.name, case.type) for case in type_.cases])
        case TupleType():
            return st.tuples(*[values(part) for part in type_.elements])
        case RecordType():
            return st.fixed_dictionaries({f.name: values(f.type) for f in type_.fields})
    raise AssertionError(type_)


def _case(name, type_):
    return st.tuples(st.just(name), st.none() if type_ is None else values(type_))
