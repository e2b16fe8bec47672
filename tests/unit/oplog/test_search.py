"""The query language, over public entries."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from oplog import limits
from oplog.entries import Log, Raw
from oplog.errors import QueryError
from oplog.pattern import Pattern
from oplog.public import public
from oplog.search import parse


def found(query, entry, index=7):
    view = public(index, entry)
    return parse(query).matches(view.index, view.entry)


@pytest.fixture
def call(make):
    return make.imported(
        "wasi:clocks/wall-clock.{now}",
        response=b'{"seconds":17,"zone":{"name":"Prague","dst":true},"tags":["Alpha","beta"]}',
        request=Raw(b'["Now \\"please\\"", 3.5, null]'),
        at_ms=1_760_000_000_123,
    )


@pytest.mark.parametrize(
    "query",
    [
        "",
        "  ",
        "imported-function",
        "WALL-CLOCK",
        "prague",
        "17",
        "3.5",
        "true",
        "null",
        "2025-10-09",
        '"Prague"',
        '"Now \\"please\\""',
        '"wasi:clocks"',
        "/^wasi:[a-z]+\\/wall/",
        "/(?i)PRAGUE$/",
        "index:7",
        "index=7",
        "seconds:17",
        "response.seconds:17",
        "response:zone.name:prague",
        "response:(seconds:17 name:prague)",
        "response.tags:beta",
        "response.name:prague",
        "type:imported",
        "prague alpha",
        "prague AND alpha",
        "nowhere OR alpha",
        "NOT nowhere",
        "NOT NOT alpha",
        "(nowhere OR alpha) prague",
        "nowhere OR alpha prague",
        "zone:NOT-a-field OR zone:prague",
        "NOT zone:(alpha OR beta)",
        "andy OR prague",
    ],
)
def test_a_query_finds_the_call(call, query):
    assert found(query, call)


@pytest.mark.parametrize(
    "query",
    [
        "nowhere",
        '"prague"',
        "seconds:1",
        "nowhere AND prague",
        "index:1",
        "name.response:prague",
        "request:17",
        "/^clocks/",
        "NOT prague",
        "prague AND NOT alpha",
        "NOT nowhere AND nowhere",
        "alpha (nowhere OR elsewhere)",
        "zone:(prague alpha)",
        "and",
    ],
)
def test_a_query_passes_over_the_call(call, query):
    assert not found(query, call)


def test_and_binds_before_or_and_or_before_standing_side_by_side():
    def truth(query, text):
        return found(query, Log(level="stdout", message=text))

    assert truth("a1 OR b2 AND c3", "a1")
    assert not truth("(a1 OR b2) AND c3", "a1")
    assert not truth("a1 OR b2 c3", "a1")
    assert truth("a1 OR b2 c3", "b2 c3")
    assert truth("NOT a1 OR b2", "b2 a1")


@pytest.mark.parametrize(
    ("query", "column"),
    [
        ("(a", 3),
        ("a)", 2),
        ("a AND", 6),
        ("OR a", 1),
        ("NOT", 4),
        ("field:", 7),
        (":a", 1),
        ('say "what', 4),
        ("a:/(/", 4),
        ("/a**?{1,/", 2),
        ("()", 2),
    ],
)
def test_a_malformed_query_names_the_column(query, column):
    with pytest.raises(QueryError) as caught:
        parse(query)
    assert caught.value.column == column


@pytest.mark.parametrize("query", ["(" * 100 + "a" + ")" * 100, "a:" * 100 + "b"])
def test_a_query_has_a_depth(query):
    with pytest.raises(QueryError, match="nested deeper"):
        parse(query)


def test_a_query_has_a_size():
    with pytest.raises(QueryError, match="at most 4096"):
        parse("a " * limits.QUERY_CHARACTERS_MAX)


@given(st.text(max_size=40))
def test_whatever_is_asked_is_answered_or_refused(text):
    refused = None
    try:
        parse(text).matches(1, {"type": "log"})
    except QueryError as error:
        refused = error.column

    assert refused is None or 1 <= refused <= len(text) + 1


ATOMS = st.sampled_from(
    ["a", "b", "-", ".", "\\d", "\\W", "[ab]", "[^a-]", "^", "$", "(?:)", "\\."]
)
PATTERNS = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map(lambda pair: f"(?:{pair[0]}|{pair[1]})"),
        st.tuples(inner, st.sampled_from(["*", "+", "?", "{2}", "{0,2}", "{1,}", "*?"])).map(
            lambda pair: f"(?:{pair[0]}){pair[1]}"
        ),
    ),
    max_leaves=8,
)


@given(PATTERNS, st.text("ab-.7", max_size=8))
@example("(?:a|)*b", "aab")
@example("^$", "")
@example("a$|^b", "ba")
def test_a_pattern_matches_what_the_standard_library_matches(pattern, text):
    assert Pattern(pattern).search(text) == (re.search(pattern, text) is not None)


@pytest.mark.parametrize("pattern", ["(?i)PRAGUE", "(?i)[P-R]rAGue", "(?i)\\w[^x]ague"])
def test_a_pattern_may_ignore_case(pattern):
    assert Pattern(pattern).search("in Prague")
    assert not Pattern(pattern.removeprefix("(?i)")).search("IN PRAXUE")


def test_a_pattern_that_would_run_for_ever_elsewhere_is_answered():
    pattern = Pattern("(a|a)*(a*)*(a|aa)+b")

    assert not pattern.search("a" * 5_000)
    assert pattern.search("a" * 5_000 + "b")


def test_a_pattern_with_many_states_forgets_some():
    pattern = Pattern("a[ab]{12}a")

    texts = ["".join("ab"[(n * 7919 >> bit) & 1] for bit in range(13)) * 3 for n in range(3000)]
    expected = [re.search("a[ab]{12}a", text) is not None for text in texts]
    assert [pattern.search(text) for text in texts] == expected
    assert len(pattern._states) <= limits.PATTERN_STATES_MAX + 1


@pytest.mark.parametrize(
    ("pattern", "complaint"),
    [
        ("a{9999}{9999}", "more than 2000 nodes"),
        ("((a{0}){9999}){9999}", "more than 2000 nodes"),
        ("(((){9999}){9999}){9999}", "more than 2000 nodes"),
        ("(" * 100, "nested deeper"),
        ("[b-a]", "a range from b to a"),
        ("a{2,1}", "a count from 2 to 1"),
        ("a{x}", "expected a number"),
        ("a{2", "expected }"),
        ("[ab", "ends too early"),
        ("\\b", r"\\b is not known"),
        ("(?=a)", "only"),
        ("*", "nothing to repeat"),
    ],
)
def test_a_pattern_that_is_too_much_or_unknown_is_refused(pattern, complaint):
    with pytest.raises(QueryError, match=complaint):
        Pattern(pattern)
