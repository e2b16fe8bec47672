"""The harness notices what it is there for: host functions that are not durable."""

from collections.abc import Iterator

import msgspec
import pytest

from actors.host.interface import Kind
from actors.host.wasi.random import RANDOM
from tests.replay.harness import Effect, Guests, Row, Step, _repeats, check_everywhere, py

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def guests() -> Iterator[Guests]:
    guests = Guests()
    yield guests
    guests.close()


def test_a_random_number_that_is_not_recorded_is_noticed(
    guests: Guests, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "get-random-u64"
    broken = msgspec.structs.replace(RANDOM.functions[name], kind=Kind.PURE)
    monkeypatch.setitem(RANDOM.functions, name, broken)
    row = Row(
        name="broken",
        guest="load",
        script=(Step("roll", (), "$drawn"), Step("rolled", (), "$drawn")),
        state=(Step("rolled", (), "$drawn"),),
    )
    with pytest.raises(AssertionError, match=r"divergence|expected"):
        check_everywhere(row, guests)


def test_a_request_that_replay_sends_again_is_noticed(
    guests: Guests, monkeypatch: pytest.MonkeyPatch
) -> None:
    def record_nothing(self, name, kind, type_, live):
        return live()

    monkeypatch.setattr("actors.context.WorkerContext.record", record_nothing)
    row = Row(
        name="broken",
        guest="probe",
        script=(py("fetch('post', '$HTTP', '/count').body", "1"),),
        state=(py("1", 1),),
        effects={"POST /count": (Effect.SAME_KEY, 1)},
    )
    with pytest.raises(AssertionError):
        check_everywhere(row, guests)


def test_an_effect_that_nobody_asked_for_is_noticed(guests: Guests) -> None:
    row = Row(
        name="surprising",
        guest="probe",
        script=(py("fetch('get', '$HTTP', '/echo').status", 200),),
        effects={"POST /other": (Effect.AGAIN, 0)},
    )
    with pytest.raises(AssertionError, match="nobody asked for"):
        check_everywhere(row, guests)


def test_a_loop_is_crashed_in_its_first_rounds_and_where_it_begins_and_ends() -> None:
    def entries(*kinds: str) -> list[dict[str, str]]:
        return [{"type": kind} for kind in kinds]

    head, tail = [f"head {one}" for one in range(12)], [f"tail {one}" for one in range(12)]
    loop = ["begin", "key"] * 50
    assert _repeats(entries(*head, *tail, *head)) == set()
    # Of 100 indexes: 8 at either end, for what is around them, and then 2 rounds of 2 kinds.
    assert len(_repeats(entries(*head, *loop, *tail))) == 100 - 7 - 8 - 4
