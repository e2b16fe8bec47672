"""The load and the faults come from the seed alone, and notes survive a cut."""

from itertools import islice
from pathlib import Path

import pytest

from tests.chaos.attack import kind_of
from tests.chaos.model import Model
from tests.chaos.operations import (
    CALLER,
    Operation,
    Source,
    component_of,
    parse_key,
    worker_name,
)
from tests.chaos.plan import (
    DamageReplica,
    DrainExecutor,
    KillExecutor,
    KillLeader,
    Means,
    PartBrokers,
    PauseExecutor,
    broker_faults,
    faults,
    worse_faults,
)
from tests.chaos.record import Attempted, Heard, Recorder, Stored, read


def drawn(seed: int, client: str = "c") -> list[Operation]:
    source = Source(client, 0, seed, workers=5)
    return [source.operation(source.worker()) for _ in range(300)]


def test_the_same_seed_draws_the_same_operations() -> None:
    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)
    assert [each.function for each in drawn(1)] != [each.function for each in drawn(1, "d")]


def test_operations_of_a_worker_are_numbered_without_gap() -> None:
    for index in range(5):
        numbers = [each.number for each in drawn(1) if each.worker == worker_name(index)]
        assert numbers == list(range(1, len(numbers) + 1))


def test_the_model_knows_every_operation_that_is_drawn() -> None:
    models = {worker_name(index): Model() for index in range(5)}
    for operation in drawn(3):
        if operation.function == "one":
            assert component_of(operation.worker) == CALLER
            continue
        expected = models[operation.worker].expect(operation.function, list(operation.params))
        assert expected is not None
    assert all(model.violations == 0 for model in models.values())
    assert {each.function for each in drawn(3)} == {
        "add", "get", "roll", "rolled", "nap", "step", "one",
    }  # fmt: skip


def test_a_key_tells_who_published_what() -> None:
    operation = drawn(1)[0]
    assert parse_key(operation.key) == ("c", operation.worker, operation.number)


@pytest.mark.parametrize("servers", [1, 3])
def test_the_same_seed_plans_the_same_faults_on_what_exists(servers: int) -> None:
    plan = list(islice(faults(7, executors=2, servers=servers), 200))
    assert plan == list(islice(faults(7, executors=2, servers=servers), 200))
    hit = {each.executor for each in plan if isinstance(each, KillExecutor | PauseExecutor)}
    assert hit == {0, 1}
    assert any(isinstance(each, DrainExecutor) for each in plan)
    assert any(isinstance(each, KillLeader) for each in plan) == (servers > 1)


def test_between_brokers_each_kind_comes_before_one_comes_again():
    means = Means(network=True, replicas=True)
    plan = list(islice(broker_faults(7, servers=3, means=means), 80))
    assert plan == list(islice(broker_faults(7, servers=3, means=means), 80))
    for first in range(0, 80, 8):
        kinds = {kind_of(each) for each in plan[first : first + 8]}
        assert kinds == {
            "broker alone", "broker deaf", "broker mute", "broker pair", "leader alone",
            "leader deaf", "replica flip", "replica cut",
        }  # fmt: skip


def test_what_cannot_be_broken_here_is_left_out():
    plan = islice(broker_faults(7, servers=3, means=Means(replicas=True)), 20)
    assert {kind_of(each) for each in plan} == {"replica flip", "replica cut"}
    one = islice(worse_faults(7, executors=2, servers=1, means=Means()), 50)
    assert not [each for each in one if isinstance(each, PartBrokers | DamageReplica)]
    three = islice(worse_faults(7, executors=2, servers=3, means=Means(network=True)), 50)
    assert [each for each in three if isinstance(each, PartBrokers)]


def test_notes_are_read_back_and_a_cut_line_is_left_out(tmp_path: Path) -> None:
    operation = drawn(1)[0]
    with Recorder(tmp_path / "notes") as recorder:
        recorder.write(Attempted(operation))
        recorder.write(Stored(operation.key, 5))
        recorder.write(Heard(operation.key, {"key": operation.key, "result": 1}, 0.5))
        recorder.write(Heard(operation.key, {"key": operation.key, "result": 1}, 0.7))
    whole = (tmp_path / "notes").read_bytes()
    (tmp_path / "notes").write_bytes(whole[:-5])

    notes = read([tmp_path / "notes"])

    assert notes.attempted == {operation.key: operation}
    assert notes.stored == {operation.key: 5}
    assert [each.after_s for each in notes.heard[operation.key]] == [0.5]
