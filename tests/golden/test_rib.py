"""Programs that earlier versions stored run for ever."""

import asyncio
from pathlib import Path

import pytest

import rib
from tests.unit.rib.shop import Echo
from wit.wave import format_value

FOLDER = Path(__file__).with_name("rib")
FILES = sorted(FOLDER.glob("*.json"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_stored_program_runs(file):
    program = rib.Program.decode(file.read_bytes())
    value = asyncio.run(program.run(Echo(), {"request.path.user": "eve", "request.query.n": 3}))

    assert program.result is not None
    assert format_value(value, program.result) + "\n" == file.with_suffix(".txt").read_text()


def test_there_are_some():
    assert FILES
