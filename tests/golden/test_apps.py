"""What a build generates, word for word: WIT of classes, assembled WIT, clients, bindings.

`apps/source` is an app, `apps/generated` all that its build generates. Texts may become better: run

    python -m tests.golden.test_apps

which writes the files anew, and read what changed. Components that are built against generated WIT
must go on to work, so names and types in it do not change.
"""

import asyncio
import shutil
import sys
import tempfile
from pathlib import Path

import pytest

from shem.build.builder import Builder
from shem.build.steps import Step
from shem.manifest.application import load

ROOT = Path(__file__).parent / "apps"
SOURCE, GENERATED = ROOT / "source", ROOT / "generated"
# Files of their language would be looked at by its tools.
SUFFIX = ".txt"


def generated(folder: Path) -> dict[str, str]:
    """Return what is generated in a copy of the app in this folder: text by path."""
    for each in SOURCE.rglob(f"*{SUFFIX}"):
        copy = folder / each.relative_to(SOURCE).with_suffix("")
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(each, copy)
    app = load(folder / "shem.yaml")
    builder = Builder(app, on_done=lambda _: None)
    asyncio.run(builder.build(list(app.components.values()), [Step.GEN_WIT, Step.GEN_RPC]))
    return {
        each.relative_to(folder).as_posix() + SUFFIX: each.read_text(encoding="utf-8")
        for place in folder.glob("*/build")
        for each in place.rglob("*")
        if each.is_file()
    }


def golden() -> dict[str, str]:
    return {
        each.relative_to(GENERATED).as_posix(): each.read_text(encoding="utf-8")
        for each in GENERATED.rglob(f"*{SUFFIX}")
    }


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return generated(tmp_path_factory.mktemp("app"))


def test_just_these_files_are_generated(made: dict[str, str]) -> None:
    assert sorted(made) == sorted(golden())


@pytest.mark.parametrize("file", sorted(golden()))
def test_the_text_is_that_of_the_golden_file(file: str, made: dict[str, str]) -> None:
    assert made[file] == golden()[file]


if __name__ == "__main__":
    shutil.rmtree(GENERATED, ignore_errors=True)
    with tempfile.TemporaryDirectory() as scratch:
        for name, text in generated(Path(scratch).resolve()).items():
            path = GENERATED / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            sys.stdout.write(f"{path}\n")
