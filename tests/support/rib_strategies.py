"""Random programs, by form: every tree that the grammar can write, typed or not."""

from hypothesis import strategies as st

from rib.syntax import (
    Arm,
    Binary,
    Binding,
    Block,
    Boolean,
    Call,
    Character,
    Constructor,
    Entry,
    Err,
    FieldAccess,
    Flags,
    For,
    If,
    Index,
    Instance,
    Let,
    ListLiteral,
    ListPattern,
    LiteralPattern,
    Match,
    Method,
    Name,
    Nothing,
    Number,
    Ok,
    PatternEntry,
    Range,
    Record,
    RecordPattern,
    Reduce,
    Some,
    Span,
    String,
    TupleLiteral,
    TuplePattern,
    Typed,
    TypeText,
    Unary,
    Wildcard,
)

AT = {"span": Span(0, 0)}
names = st.sampled_from(["a", "b", "xs", "item", "price-of", "x1", "in", "from", "w_2"])
parameters = st.none() | st.sampled_from(["api", "ns:pkg", "ns:pkg/api", "ns:pkg/api@1.0.0"])
OPERATORS = ["+", "-", "*", "/", "%", "&&", "||", "==", "!=", "<", "<=", ">", ">="]


def node(kind, *parts):
    return st.builds(lambda *values: kind(*values, **AT), *parts)


def tuples(inner, least=0):
    return st.lists(inner, min_size=least, max_size=3).map(tuple)


types = st.recursive(
    st.sampled_from(["u8", "s64", "f32", "string", "bool", "char", "result", "colour"]).map(
        lambda name: TypeText(name, **AT)
    ),
    lambda inner: st.one_of(
        node(TypeText, st.sampled_from(["list", "option"]), inner.map(lambda each: (each,))),
        node(TypeText, st.just("tuple"), tuples(inner, 1)),
        node(TypeText, st.just("result"), st.tuples(inner, inner)),
    ),
    max_leaves=4,
)
numbers = node(
    Number,
    st.sampled_from(["0", "7", "42", "2.5", "1e3", "1.5e-7"]),
    st.none() | st.sampled_from(["u8", "s64", "f32"]),
)
characters = node(Character, st.characters(exclude_categories=["Cs"], exclude_characters="\n"))
texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
plain_strings = node(String, texts.map(lambda text: (text,)))
literals = st.one_of(
    numbers,
    node(Boolean, st.booleans()),
    characters,
    plain_strings,
    numbers.map(lambda number: Unary("-", number, **AT)),
)
patterns = st.recursive(
    st.one_of(
        st.just(Wildcard(**AT)),
        node(Binding, names),
        node(LiteralPattern, literals),
        st.just(Constructor("none", (), **AT)),
    ),
    lambda inner: st.one_of(
        node(
            Constructor, st.sampled_from(["some", "ok", "err", "fine"]), inner.map(lambda p: (p,))
        ),
        node(TuplePattern, tuples(inner)),
        node(ListPattern, tuples(inner)),
        node(
            RecordPattern,
            tuples(st.builds(lambda n, p: PatternEntry(n, p, **AT), names, inner)),
        ),
    ),
    max_leaves=4,
)


def distinct(entries):
    return tuple({entry.name: entry for entry in entries}.values())


def compound(inner):
    arms = tuples(node(Arm, patterns, inner), 1)
    lets = node(Let, names, st.none() | types, inner)
    statements = tuples(inner | lets)
    entries = tuples(node(Entry, names, inner), 1).map(distinct)
    # Neighbouring pieces of text would be one piece.
    parts = st.lists(inner, min_size=1, max_size=2).flatmap(
        lambda found: st.sampled_from([tuple(found), ("a$b ", *found), (*found, ' "\\ }')])
    )
    return st.one_of(
        node(String, parts),
        node(ListLiteral, tuples(inner)),
        node(TupleLiteral, tuples(inner, 1)),
        node(Record, entries),
        node(Some, inner),
        node(Ok, st.none() | inner),
        node(Err, st.none() | inner),
        node(Call, names, tuples(inner)),
        node(Instance, parameters, tuples(inner)),
        node(FieldAccess, inner, names),
        node(Index, inner, inner),
        node(Method, inner, names, parameters, tuples(inner)),
        st.builds(
            lambda first, last, inclusive: Range(first, last, inclusive, **AT),
            inner,
            inner,
            st.booleans(),
        ),
        node(Unary, st.sampled_from(["-", "!"]), inner),
        node(Binary, st.sampled_from(OPERATORS), inner, inner),
        node(Typed, inner, types),
        node(If, inner, inner, inner),
        node(Match, inner, arms),
        node(For, names, inner, statements, inner),
        node(Reduce, names, names, inner, inner, statements, inner),
        node(Block, st.tuples(inner | lets, inner)),
    )


expressions = st.recursive(
    st.one_of(
        literals,
        node(Name, names),
        st.just(Nothing(**AT)),
        node(Flags, st.lists(names, min_size=1, max_size=3, unique=True).map(tuple)),
    ),
    compound,
    max_leaves=8,
)
programs = node(Block, tuples(expressions | node(Let, names, st.none() | types, expressions), 1))
