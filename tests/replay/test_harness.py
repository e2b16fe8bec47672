"""The harness notices what it is there for: host functions that are not durable."""

from collections.abc import Iterator

import msgspec
import pytest

from actors.host.interface import Kind
from actors.host.wasi.random import RANDOM
from tests.replay.harness import Effect, Guests, Row, Step, check_everywhere, py

pytestmark = [pytest.mark.timeout(300), pytest.mark.xdist_group("python")]


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
