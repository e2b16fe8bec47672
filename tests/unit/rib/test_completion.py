"""What may be typed where: names, methods, fields, cases, arguments as stubs; hover; open ends."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rib
from rib.printer import print_program
from tests.support.rib_strategies import programs
from tests.unit.rib.shop import COMPONENTS

W = 'let w = instance("w"); '
CATALOG = rib.Catalog(COMPONENTS)


def proposals(text, globals_=rib.ANY_GLOBALS):
    """Return the proposals at the `|` of a text."""
    offset = text.index("|")
    return rib.complete(text.replace("|", ""), offset, CATALOG, globals_)


def inserts(text, globals_=rib.ANY_GLOBALS):
    return [each.insert for each in proposals(text, globals_)]


@pytest.mark.parametrize(
    ("text", "first"),
    [
        (W + "w.pr|", ['price-of("")']),
        (W + "w.pai|", ["paint(red)"]),
        (W + "w.put|", ['put({sku: "", title: "", cost: 0.0, qty: 0})']),
        (W + "w.tick|", ['tick[acme:store/orders]("")', 'tick[acme:clock/mono]("")']),
        ('instance[mono]("x").|', ['only-here("")', 'tick("")']),
        (W + 'let b = w.basket("x"); b.ch|', ['change("", 0)']),
        (W + 'let b = w.basket("x"); b.dr|', ['drop-item("")', "drop()"]),
        (W + 'w.open("x").p|', ["pay()"]),
        (W + "w.paint(|", ["red", "green", "blue"]),
        (W + "w.paint(g|", ["green"]),
        (W + "w.judge(|", ['fine({id: ""})', 'refused("")', "unknown"]),
        (W + "w.put({sku: |", ['""']),
        (W + "match w.outcome() { f|", ["fine(_)"]),
        (W + "match w.outcome() { fine(r) => r.|", ["id"]),
        (W + "match w.fetch(1) { |", ["ok(_)", "err(_)"]),
        ("match some(1) { |", ["some(_)", "none"]),
        ("let point = {x: 1, y: 2}; po|", ["point"]),
        ("let point = {x: 1, y: 2}; point.|", ["x", "y"]),
        ("let n: option<u8> = |", ["none", "some("]),
        ("let n: col|", ["colour"]),
        ("let n: list<u3|", ["u32"]),
        ("[1, 2].le|", ["length()"]),
        ('"a".sp|', ["split("]),
        ("(1..4).f|", ["from"]),
        ("for item in [{a: 1}] { yield item.|", ["a"]),
        ("for item in [1] { yield it|", ["item"]),
        (W + "if true then w.pa|", ["paint(red)"]),
        (W + "let x = { let y = w; y.pa|", ["paint(red)"]),
        (W + '"price: ${w.pr|', ['price-of("")']),
        (W + "w.twice(1) + w.twi| + 3; more(", ["twice(0)"]),
        ("inst|", ['instance("']),
    ],
)
def test_the_first_proposals(text, first):
    assert inserts(text)[: len(first)] == first


@pytest.mark.parametrize("text", ['"in a te|', "1 // in a comm|", "1 /* in a comm|", "1 1 1 w.|"])
def test_nothing_is_proposed_where_nothing_fits(text):
    assert inserts(text) == []


def test_inputs_of_the_host_are_proposed():
    assert inserts("request.|", rib.GATEWAY_GLOBALS) == [
        *("auth", "body", "cookie", "cookies", "header", "headers", "path", "query"),
    ]
    assert "request" in inserts("re|", rib.GATEWAY_GLOBALS)


def test_a_proposal_tells_the_signature_and_what_it_replaces():
    (found,) = proposals(W + "w.twi|")

    assert found.detail == "acme:store/orders.{twice}(n: u32) -> u64"
    assert found.start == len(W + "w.")
    assert found.kind == "function"


@pytest.mark.parametrize("name", sorted(set(CATALOG.names()) - {"ping", "tick"}))
def test_what_is_inserted_for_a_function_compiles(name):
    if name.startswith("["):
        return
    insert = next(each.insert for each in proposals(W + f"w.{name}|") if each.label == name)

    assert [each.cause for each in rib.check(W + f"w.{insert}; 1", COMPONENTS)] == []


@settings(max_examples=60, deadline=None)
@given(programs, st.data())
def test_no_place_of_any_program_crashes_completion_or_hover(program, data):
    text = print_program(program)
    offset = data.draw(st.integers(0, len(text)))
    for each in rib.complete(text, offset, CATALOG):
        assert 0 <= each.start <= offset
    rib.hover(text, offset, CATALOG)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("let |x = 1; x", "u64"),
        ("let x = 1; some(|x)", "u64"),
        ("let x = 1; |some(x)", "option<u64>"),
        (W + "w.pa|int(red)", "acme:store/orders.{paint}(c: colour) -> string\n(component shop)"),
        (W + "w.paint(r|ed)", "colour"),
        (W + "|w", "instance"),
    ],
)
def test_hover_tells_the_innermost(text, shown):
    found = rib.hover(text.replace("|", ""), text.index("|"), CATALOG)

    assert found is not None
    assert found.text == shown
    assert found.start <= text.index("|") < found.end


def test_hover_has_nothing_to_say_of_a_text_that_is_no_program():
    assert rib.hover("1 +", 0, CATALOG) is None


@pytest.mark.parametrize(
    ("text", "opened"),
    [
        ("f(1)", []),
        ("f([1, {", ["(", "[", "{"]),
        ('"a ${b("', ['"', "${", "(", '"']),
        ('"a ${b} c"', []),
        ('"a \\" b', ['"']),
        ("1 // (", []),
        ("1 /* (", ["/*"]),
        ("1 /* ( */", []),
        ("'('", []),
    ],
)
def test_what_is_open_at_the_end(text, opened):
    assert rib.open_at_end(text) == opened


@pytest.mark.parametrize(
    ("text", "complete"),
    [("1 + 2", True), ("1 +", False), ("f(", False), ("let x =", False), ("x; ", True)],
)
def test_whether_a_line_is_finished(text, complete):
    assert rib.is_complete(text) is complete


@settings(max_examples=200, deadline=None)
@given(st.text(st.sampled_from("ab1 .\"'${}()[]/*\n\\:u8let") | st.characters(), max_size=40))
def test_every_text_is_taken_into_pieces_in_order(text):
    end = 0
    for piece in rib.scan(text):
        assert end <= piece.start < piece.end
        assert not text[end : piece.start].strip()
        end = piece.end
    assert not text[end:].strip()
