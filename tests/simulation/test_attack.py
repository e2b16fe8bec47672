"""Seeds of the simulated attack; thousands by `make simulate`."""

import pytest

from actors.marking import Marking
from actors.partition import Partition
from tests.simulation.attack import attack

SEEDS = range(1, 41)


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_is_lost_doubled_reordered_or_stuck(seed):
    outcome = attack(seed)
    assert outcome.problems == []
    assert outcome.faults
    assert outcome.operations > 20


def test_a_seed_repeats_itself_exactly():
    assert attack(3) == attack(3)
    assert attack(3).digest != attack(4).digest


def test_the_attack_notices_an_executor_that_trusts_a_gap_in_its_deliveries(monkeypatch):
    # About every eleventh seed loses a delivery where another one of the same worker follows.
    monkeypatch.setattr(Partition, "missed_deliveries", lambda _: None)
    problems = next(found for seed in range(1, 121) if (found := attack(seed).problems))
    assert any("has no result" in problem for problem in problems)


def test_the_attack_notices_an_executor_that_sends_again_what_was_taken_back(monkeypatch):
    monkeypatch.setattr(Marking, "is_owed", False)
    problems = next(found for seed in range(1, 41) if (found := attack(seed).problems))
    assert any("was taken back and came again" in problem for problem in problems)
