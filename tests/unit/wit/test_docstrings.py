"""Public functions of the toolkit have types and docstrings, its doors name their specification."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3] / "wit"

# The doors of the package: what the guide names.
DOORS = [
    "binary/__init__.py",
    "binary/custom.py",
    "binary/sections.py",
    "binary/writer.py",
    "checking.py",
    "client.py",
    "component.py",
    "embedded.py",
    "json_values.py",
    "names.py",
    "packed.py",
    "subtype.py",
    "text/folder.py",
    "text/parser.py",
    "text/printer.py",
    "text/resolver.py",
    "typed_json.py",
    "types.py",
    "values.py",
    "versions.py",
    "wave.py",
    "wit_value.py",
    "world.py",
]


@pytest.mark.parametrize("name", DOORS)
def test_a_door_says_which_specification_it_follows(name):
    docstring = ast.get_docstring(ast.parse((ROOT / name).read_text(encoding="utf-8"))) or ""
    assert any(word in docstring for word in ("Source: ", "pecification", "golem:rpc/types"))


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda path: path.name)
def test_every_public_name_has_types_and_a_docstring(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            assert ast.get_docstring(node), node.name
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            arguments = [*node.args.args, *node.args.kwonlyargs]
            assert node.returns is not None, node.name
            assert all(each.annotation is not None for each in arguments), node.name
