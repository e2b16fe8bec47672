"""A short run of the fuzzer, and that it would notice."""

import pytest

from actors.engine import engine as engine_module
from tests.fuzz import engine as fuzzing

STEPS = 1_500


def test_mutated_components_end_in_errors_with_a_place():
    done = fuzzing.fuzz(seed=5, seconds=60, steps=STEPS)
    assert not done.findings, list(done.findings)
    assert done.count >= STEPS
    # New lines were found by mutation, so that it is guided by something.
    assert len(done.inputs) > len(fuzzing.corpus())


def test_other_exceptions_are_findings(monkeypatch):
    def broken(data):
        raise KeyError("a bug")

    monkeypatch.setattr(fuzzing, "prepare", broken)
    done = fuzzing.fuzz(seed=1, seconds=5, steps=1)
    assert any("KeyError" in what for what in done.findings)
    assert engine_module.prepare is not broken


@pytest.mark.parametrize("kind", range(8))
def test_mutation_changes_something_of_each_kind(kind):
    class Choice(fuzzing.random.Random):
        def randrange(self, *arguments):
            if arguments == (8,):
                return kind
            return super().randrange(*arguments)

    inputs = fuzzing.corpus()
    choose = Choice(3)
    assert any(fuzzing.mutated(data, inputs, choose) != data for data in inputs[:40])
