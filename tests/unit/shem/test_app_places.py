"""`shem app`: in folders that are gone or cannot be written to, and what its help names."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer import Context
from typer.core import TyperGroup
from typer.main import get_command
from typer.testing import CliRunner, Result

from shem.cli.app import app
from shem.scaffold.catalogue import LANGUAGES, TEMPLATES


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["app", *arguments], prog_name="shem")


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An app in C, in which one stands."""
    monkeypatch.chdir(tmp_path)
    assert run("new", "shop", "c").exit_code == 0
    monkeypatch.chdir(tmp_path / "shop")
    return tmp_path / "shop"


@pytest.mark.parametrize(
    "command", ["list", "build", "clean", "diagnose", "dev", "new shop c", "x"]
)
def test_a_folder_that_is_gone_is_told(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    gone = tmp_path / "gone"
    gone.mkdir()
    os.chdir(gone)
    gone.rmdir()
    done = run(*command.split())
    assert isinstance(done.exception, SystemExit), done.exception
    if command == "x":
        assert "No such command" in done.output
    else:
        assert done.exit_code == 1
        assert "the folder that you stand in is gone" in done.output


@pytest.mark.parametrize("place", ["shem-temp", "components/counter/build"])
def test_a_place_that_cannot_be_written_to_is_named(place: str, made: Path) -> None:
    (made / place).write_text("a file, where a folder is to be")
    done = run("build")
    assert isinstance(done.exception, SystemExit), done.exception
    assert done.exit_code == 1
    assert str(made / place) in done.output.replace("\n", "")


def test_the_help_names_every_template_and_language() -> None:
    for group, command in (("app", "new"), ("component", "new")):
        told = CliRunner().invoke(app, [group, command, "--help"], prog_name="shem").output
        words = set(re.findall(r"[a-z-]+", told))
        every = {*TEMPLATES, *LANGUAGES}
        assert words >= every, every - words


def _options(command: Any, name: str = "shem") -> Iterator[tuple[str, Any]]:
    """Yield the options of a command and of all below it, with its name."""
    for each in command.params:
        if each.param_type_name == "option":
            yield f"{name} {each.opts[0]}", each
    if isinstance(command, TyperGroup):
        lazy = getattr(command, "lazy", {})
        for below in command.list_commands(Context(command)):
            found = lazy[below].load(below) if below in lazy else command.commands[below]
            yield from _options(found, f"{name} {below}")


def test_every_option_has_help() -> None:
    options = dict(_options(get_command(app)))
    assert "shem worker invoke --key" in options
    assert [name for name, each in options.items() if not each.help] == []
