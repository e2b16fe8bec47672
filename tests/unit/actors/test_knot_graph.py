"""Of workers that are caught, the request that is refused is in a knot, and all choose it."""

from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from actors.knot_graph import Chosen, Place, Wait, Waiter, choose


def waiter(name: str, *callees: str) -> Waiter:
    calls = tuple(Wait("c", callee, f"{name}>{callee}") for callee in callees)
    return Waiter("c", name, calls)


def names(chosen: Chosen | None) -> str:
    assert chosen is not None
    return "".join(worker for _, worker in chosen.circle)


def keys(waiters: list[Waiter]) -> list[str]:
    return [wait.key for each in waiters for wait in each.calls]


def test_two_that_call_each_other_are_a_circle_from_the_one_that_is_refused() -> None:
    both = [waiter("b", "a"), waiter("a", "b")]
    chosen = choose(both, keys(both))
    assert names(chosen) == "bab"
    assert chosen == Chosen(Wait("c", "a", "b>a"), (("c", "b"), ("c", "a"), ("c", "b")))


def test_the_circle_is_the_shortest_that_the_refused_call_closes() -> None:
    all_of_them = [waiter("a", "b", "c"), waiter("b", "c", "d"), waiter("c", "d"), waiter("d", "a")]
    assert names(choose(all_of_them, keys(all_of_them))) == "dabd"


def test_a_tail_is_not_refused_since_it_goes_on_once_the_knot_is_untied() -> None:
    tail = [waiter("a", "x"), waiter("x", "y"), waiter("y", "x")]
    assert names(choose(tail, keys(tail))) == "yxy"


def test_what_runs_already_is_not_refused() -> None:
    both = [waiter("a", "b"), waiter("b", "a")]
    assert names(choose(both, ["a>b"])) == "aba"
    assert choose(both, []) is None


@st.composite
def caught(draw: st.DrawFn) -> list[Waiter]:
    """Any workers all of which wait for some of them."""
    count = draw(st.integers(1, 7))
    everybody = [f"w{number}" for number in range(count)]
    some = st.sets(st.sampled_from(everybody), min_size=1)
    return [waiter(name, *sorted(draw(some))) for name in everybody]


def reachable(calls: dict[Place, list[Place]], start: Place) -> set[Place]:
    found: set[Place] = set()
    todo = [start]
    while todo:
        new = set(calls[todo.pop()]) - found
        found |= new
        todo += new
    return found


def knots(waiters: list[Waiter]) -> Iterator[set[Place]]:
    calls = {each.place: [wait.place for wait in each.calls] for each in waiters}
    reach = {place: reachable(calls, place) for place in calls}
    for place, others in reach.items():
        if all(reach[other] == others for other in others) and place in others:
            yield others


@given(caught())
def test_one_request_inside_of_a_knot_is_chosen_and_its_circle_is_one_of_calls(
    waiters: list[Waiter],
) -> None:
    chosen = choose(waiters, keys(waiters))
    assert chosen is not None
    calls = {each.place: {wait.place for wait in each.calls} for each in waiters}
    assert any(set(chosen.circle) <= knot for knot in knots(waiters))
    assert chosen.circle[0] == chosen.circle[-1]
    assert chosen.circle[1] == chosen.wait.place
    assert len(set(chosen.circle)) == len(chosen.circle) - 1
    for caller, callee in zip(chosen.circle, chosen.circle[1:], strict=False):
        assert callee in calls[caller]


@given(caught(), st.data())
def test_whoever_looks_at_one_knot_chooses_the_same_request_in_it(
    waiters: list[Waiter], data: st.DataObject
) -> None:
    calls = {each.place: [wait.place for wait in each.calls] for each in waiters}
    knot = data.draw(st.sampled_from([frozenset(each) for each in knots(waiters)]))
    inside = [each for each in waiters if each.place in knot]
    alone = choose(inside, keys(inside))
    for origin in waiters:
        met = reachable(calls, origin.place) | {origin.place}
        if knot <= met:
            seen = [each for each in waiters if each.place in met]
            found = choose(seen, keys(seen))
            assert found is not None
            assert alone is not None
            if found.wait.place in knot:
                assert found.wait == alone.wait
