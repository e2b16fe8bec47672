"""The files by which commands and scripts find a running system."""

import json
from pathlib import Path

import pytest

from broker.errors import SetupError
from shem.location import STATE_FILE, Pids, RunningState, find_url
from shem.state_files import StateFiles

ONE = RunningState(nats_url="nats://127.0.0.1:1", pids=Pids(supervisor=1))
OTHER = RunningState(nats_url="nats://127.0.0.1:2", pids=Pids(supervisor=2))


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SHEM_NATS_URL", raising=False)
    return tmp_path


def test_of_two_systems_in_a_directory_the_one_that_is_left_is_found(directory: Path):
    first, second = StateFiles(directory / "first"), StateFiles(directory / "second")
    first.write(ONE)
    second.write(OTHER)
    assert find_url() == OTHER.nats_url
    assert not first.is_to_be_written(ONE)
    second.remove()
    assert first.is_to_be_written(ONE)
    first.write(ONE)
    assert find_url() == ONE.nats_url
    assert [file.name for file in directory.iterdir() if file.is_file()] == ["first"]


def test_who_ends_first_leaves_the_file_of_the_other_where_it_is(directory: Path):
    first, second = StateFiles(directory / "ready"), StateFiles(directory / "ready")
    first.write(ONE)
    second.write(OTHER)
    first.remove()
    assert find_url() == OTHER.nats_url
    assert json.loads((directory / "ready").read_text())["pids"]["supervisor"] == 2
    second.remove()
    assert not STATE_FILE.exists()
    assert not (directory / "ready").exists()


def test_a_directory_that_takes_no_file_is_none_that_anything_runs_in(directory: Path):
    # Nobody, root included, makes a directory below a file.
    STATE_FILE.parent.touch()
    files = StateFiles(directory / "ready")
    files.write(ONE)
    assert json.loads((directory / "ready").read_text())["nats_url"] == ONE.nats_url
    assert not files.is_to_be_written(ONE)
    files.remove()
    assert not (directory / "ready").exists()


def test_a_ready_file_that_cannot_be_written_is_named(directory: Path):
    (directory / "file").touch()
    files = StateFiles(directory / "file" / "ready")
    with pytest.raises(SetupError, match=r"--ready-file .*file/ready: .*Not a directory"):
        files.clear()
    with pytest.raises(SetupError, match=r"--ready-file .*file/ready"):
        files.write(ONE)
