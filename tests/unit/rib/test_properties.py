"""What holds for every text and every tree."""

import asyncio

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

import rib
from rib.diagnostics import Code
from rib.parser import parse
from rib.printer import print_program
from rib.syntax import Base, Span
from tests.fuzz.rib import fuzz
from tests.support.rib_strategies import programs
from tests.unit.rib.shop import COMPONENTS, Echo
from wit.checking import check

RUN_TIME = {
    *(Code.INDEX, Code.INFINITE, Code.ARITHMETIC, Code.CAST, Code.LIMIT, Code.CALL_FAILED),
    *(Code.INPUT_MISSING, Code.INPUT_INVALID),
}


async def outcome_of(program: rib.Program) -> object:
    """Return the value of a program, or the code of its error."""
    try:
        return await program.run(Echo(), steps=10_000, units=100_000)
    except rib.RunError as error:
        return error.code


def shape(node: object) -> object:
    """Return a tree without its places."""
    if isinstance(node, Base):
        members = {name: getattr(node, name) for name in node.__struct_fields__}
        return type(node).__name__, {
            name: shape(each) for name, each in members.items() if not isinstance(each, Span)
        }
    if isinstance(node, tuple):
        return [shape(each) for each in node]
    return node


@settings(max_examples=100, deadline=None)
@given(programs)
def test_printing_and_parsing_gives_the_same_tree(program) -> None:
    text = print_program(program)

    assert shape(parse(text)) == shape(program), text


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=60))
def test_no_text_crashes_the_compiler(text) -> None:
    for finding in rib.check(text, COMPONENTS):
        assert 0 <= finding.start <= finding.end <= len(text)


# What settles the type of a value that is open by itself; `@` is the variable.
USES = {"none": "@ == some(1u8)", "[]": "@ == [1u8]", "instance()": "@.twice(1)"}
VALUES = [
    *("1", "-2", "2.5", '"x"', "[1, 2]", "some(3)", "none", "{a: 1}", "red", "(1, [2])"),
    *("ok(1)", 'err("e")', "[]", "instance()"),
]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from(VALUES), min_size=2, max_size=6),
    st.randoms(use_true_random=False),
)
def test_the_order_of_independent_lets_changes_no_type(values, chance) -> None:
    uses = [USES.get(value, "").replace("@", f"v{index}") for index, value in enumerate(values)]
    shown = [f"v{index}" for index, value in enumerate(values) if value != "instance()"]
    end = "; ".join([*filter(None, uses), f"({', '.join(shown)},)" if shown else "1"])
    lets = [f"let v{index} = {value}" for index, value in enumerate(values)]
    first = rib.compile("; ".join([*lets, end]), COMPONENTS)
    chance.shuffle(lets)
    other = rib.compile("; ".join([*lets, end]), COMPONENTS)

    assert first.result == other.result
    assert asyncio.run(outcome_of(first)) == asyncio.run(outcome_of(other))


WORDS = [
    *("let", "if", "then", "else", "match", "for", "in", "yield", "reduce", "from", "some", "none"),
    *("ok", "err", "instance", "(", ")", "[", "]", "{", "}", ",", ";", ":", ".", "..", "..=", "="),
    *("=>", "==", "+", "-", "*", "/", "%", "<", "&&", "!", "_", "@", '"', "'", "${", "x", "w"),
    *("1", "2.5", "u8", "string", "list<", ">", "red", "fine", "request", "//", "/*", "twice"),
]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(WORDS), max_size=40))
def test_no_sequence_of_words_crashes_the_compiler(words) -> None:
    for finding in rib.check(" ".join(words), COMPONENTS):
        assert finding.cause


@settings(max_examples=150, deadline=None)
@given(programs)
def test_what_compiles_fails_only_in_listed_ways_and_has_its_type(program) -> None:
    text = print_program(program)
    try:
        compiled = rib.compile(text, COMPONENTS)
    except rib.CompileError:
        return
    if compiled.inputs:
        return
    outcome = asyncio.run(outcome_of(compiled))

    if isinstance(outcome, Code):
        assert outcome in RUN_TIME, text
    elif compiled.result is not None:
        check(outcome, compiled.result)


@settings(max_examples=60, deadline=None)
@given(programs)
def test_checking_twice_finds_the_same(program) -> None:
    text = print_program(program)
    first = msgspec.json.encode(rib.check(text, COMPONENTS))

    assert first == msgspec.json.encode(rib.check(text, COMPONENTS))


def test_programs_that_are_almost_right_crash_nothing() -> None:
    # `make fuzzrib` reads many more.
    assert fuzz(1, lambda count: count < 200) == 200
