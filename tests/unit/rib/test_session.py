"""Lines at a prompt: variables stay, calls are numbered through, open numbers find their types."""

import asyncio

import pytest

import rib
from tests.unit.rib.shop import COMPONENTS, ORDERS, Echo


class Talk:
    def __init__(self):
        self.echo = Echo()
        self.session = rib.Session(COMPONENTS)

    def say(self, *lines):
        value = None
        for line in lines:
            value = asyncio.run(self.session.run(self.session.compile(line), self.echo))
        return value

    def positions(self):
        return [call.position for call in self.echo.calls]


@pytest.fixture
def talk():
    return Talk()


def test_variables_instances_and_resources_stay(talk):
    talk.say('let w = instance("a")', 'let b = w.basket("eve");', "let x = {n: 1}")

    assert talk.say("b.pay(); x.n + w.twice(4)") == 9
    assert talk.echo.said == [
        ("a", ORDERS + '.{basket("eve").pay}'),
        ("a", ORDERS + ".{twice}", 4),
    ]


def test_calls_are_numbered_through_and_never_repeated(talk):
    talk.say('let w = instance("a"); w.twice(1)', "w.twice(2)", "instance().twice(3)")
    talk.say("instance().twice(4)")

    assert talk.positions() == [0, 1, 2, 3]
    assert [call.worker.ordinal for call in talk.echo.calls] == [-1, -1, 0, 1]


def test_a_number_that_nothing_constrained_takes_the_type_of_its_first_use(talk):
    talk.say('let w = instance("a")', "let n = 3")

    assert talk.say("w.twice(n)") == 6
    assert talk.say("n + 1u8") == 4
    assert talk.say("n + 0.5") == 3.5
    assert talk.session.variables["n"].type == "u64"


def test_a_number_keeps_to_types_that_it_fits(talk):
    talk.say("let n = 300", "let half = 7 / 2", "let big = 16777217")

    for line in ("n + 1u8", "half + 0.5", "big + 1.0f32"):
        with pytest.raises(rib.CompileError, match="type mismatch"):
            talk.session.compile(line)


def test_a_declared_type_is_not_open(talk):
    talk.say("let n: u64 = 3")

    with pytest.raises(rib.CompileError, match="expected u64, found u8"):
        talk.session.compile("n + 1u8")


def test_a_line_that_fails_leaves_no_variable_and_uses_its_positions_up(talk):
    talk.say('let w = instance("a")')
    with pytest.raises(rib.RunError):
        talk.say("let x = w.twice(1); let y = x / 0")

    with pytest.raises(rib.CompileError, match="unknown name `x`"):
        talk.session.compile("x")
    talk.say("w.twice(2)")
    assert talk.positions() == [0, 1]


def test_a_line_that_was_stopped_runs_again_at_the_same_positions(talk):
    talk.say('let w = instance("a")')
    mark = talk.session.mark()
    talk.say("w.twice(1)")
    talk.session.rewind(mark)
    talk.say("w.twice(1)")

    assert talk.positions() == [0, 0]


def test_components_come_and_go(talk):
    talk.say('let w = instance("a")')
    talk.session.unload("shop")
    with pytest.raises(rib.CompileError, match="invalid function call `twice`"):
        talk.session.compile("w.twice(1)")
    talk.session.load("shop", COMPONENTS["shop"])

    assert talk.say("w.twice(1)") == 2
    assert [use.function.name for use in talk.session.functions] == ["twice"]


@pytest.mark.parametrize(
    ("text", "type_"),
    [
        ('instance("a")', "instance"),
        ('instance("a").basket("b")', "resource basket"),
        ("some(1)", "option<u64>"),
        ("let x = 1", "no value"),
    ],
)
def test_types_are_told_even_of_what_no_program_may_return(talk, text, type_):
    assert talk.session.type_of(text) == type_


def test_clearing_forgets_variables_but_no_position(talk):
    talk.say('let w = instance("a"); w.twice(1)')
    talk.session.clear()

    assert talk.session.variables == {}
    assert talk.session.mark() == (1, 0)
