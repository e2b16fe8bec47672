"""A short run of the fuzzer, always the same, and that the fuzzer notices what is wrong."""

import random

import pytest

from tests.fuzz import run
from tests.fuzz.targets import DICTIONARY, TARGETS, seeds

INPUTS = 200


@pytest.mark.parametrize("name", TARGETS)
def test_random_changes_raise_nothing_but_our_own_errors(name):
    chance = random.Random(name)
    pool = seeds(name)
    assert pool
    for _ in range(INPUTS):
        first, second = chance.choice(pool), chance.choice(pool)
        TARGETS[name](run.mutated(chance, first, second, DICTIONARY[name]))


def test_a_foreign_error_is_found_and_its_input_is_kept(tmp_path, monkeypatch, capsys):
    def careless(data):
        if b"!" in data:
            raise IndexError("not ours")

    monkeypatch.setattr(run, "TARGETS", {"names": careless})
    monkeypatch.setattr(run, "DICTIONARY", {"names": (b"!",)})
    monkeypatch.setattr(run, "_FOUND", tmp_path)
    monkeypatch.setattr(run.signal, "setitimer", lambda *_: None)
    monkeypatch.setattr(run.signal, "signal", lambda *_: None)
    assert run.main(["--seconds", "60", "names"]) == 1
    (kept,) = tmp_path.iterdir()
    assert b"!" in kept.read_bytes()
    assert "IndexError" in capsys.readouterr().err
