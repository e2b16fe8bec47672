"""Tests that share a system are run by one process, and those that take long begin first."""

import os
import subprocess
import sys
from pathlib import Path

from tests.support.arranging import rank

ROOT = Path(__file__).parents[2]
ARRANGING = """
from tests.support.arranging import Arranged


def pytest_xdist_make_scheduler(config, log):
    return Arranged(config, log)
"""
SHARING = """
import os
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def system():
    with Path("started").open("a") as file:
        file.write("x")


@pytest.mark.parametrize("number", range(6))
def test_it(system, number):
    pass
"""


def test_slow_folders_begin_first() -> None:
    files = (
        "unit/test_tidy.py",
        "integration/rest/test_kill.py",
        "integration/test_guests.py",
        "integration/shem/test_languages.py",
    )
    ranks = [rank(f"tests/{file}::test_it") for file in files]
    assert ranks == sorted(ranks, reverse=True)
    assert len(set(ranks)) == len(ranks)


def test_what_the_tests_of_a_file_share_is_started_once(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(ARRANGING)
    for name in ("test_one.py", "test_two.py"):
        (tmp_path / name).write_text(SHARING)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "xdist", "-n", "2", "-c", os.devnull],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "12 passed" in done.stdout, done.stdout + done.stderr
    assert (tmp_path / "started").read_text() == "xx"
