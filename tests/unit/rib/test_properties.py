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
