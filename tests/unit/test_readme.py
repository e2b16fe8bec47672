"""The README names commands, files and code that exist. What it shows is run elsewhere, whole."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from shem.cli.app import app
from tests.support.readme import README, Command, blocks, commands

ROOT = README.parent
COUNTER = ROOT / "examples" / "counter"
SHOWN = [command for block in blocks("console") for command in commands(block)]


@pytest.mark.parametrize(
    "command", [each for each in SHOWN if each.words[0] == "shem"], ids=lambda each: each.line
)
def test_the_command_line_understands(command: Command, tmp_path, monkeypatch):
    (tmp_path / "counter.wasm").touch()
    monkeypatch.chdir(tmp_path)
    parser = typer.main.get_command(app)
    words = command.words[1:]
    while True:
        context = parser.make_context("shem", list(words))
        if not hasattr(parser, "resolve_command"):
            return
        _, parser, words = parser.resolve_command(context, list(words))


def test_the_readme_shows_each_kind_of_command():
    assert {command.words[0] for command in SHOWN} == {"shem", "kill", "componentize-py"}
    assert len(SHOWN) > 12


def test_make_targets_of_the_readme_exist():
    named = set(re.findall(r"\bmake ([a-z]+)", README.read_text()))
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {"demo", "test", "setup"} <= named <= targets


def pages() -> Iterator[Path]:
    yield from ROOT.glob("*.md")
    for folder in ("docs", "examples", "deploy", "tests"):
        yield from (ROOT / folder).rglob("*.md")


@pytest.mark.parametrize("page", sorted(pages()), ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files(page: Path):
    prose = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text(), flags=re.DOTALL)
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", prose)
    missing = [link for link in links if ":" not in link and not (page.parent / link).exists()]
    assert not missing


def test_the_shown_interface_is_a_part_of_the_example():
    shown = blocks("wit")[0].text.splitlines()
    whole = (COUNTER / "wit" / "counter.wit").read_text().splitlines()
    assert len(shown) > 5
    assert set(shown) <= set(whole)


def test_the_shown_component_is_a_part_of_the_example():
    shown = functions(next(block.text for block in blocks("python") if "exports" in block.text))
    whole = functions((COUNTER / "app.py").read_text())
    assert {"add", "roll", "nap"} == set(shown)
    for name, body in shown.items():
        assert body == whole[name], name


def functions(source: str) -> dict[str, str]:
    found = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef)]
    return {node.name: ast.unparse(node) for node in found}
