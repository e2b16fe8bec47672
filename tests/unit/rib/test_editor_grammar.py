"""The grammar for editors knows the words of the language, and its patterns are patterns."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from rib.lexer import KEYWORDS, PRIMITIVES

FILE = Path(__file__).parents[3] / "docs" / "editor" / "rib.tmLanguage.json"
GRAMMAR = json.loads(FILE.read_text())


def rules(node: object) -> Iterator[dict[str, str]]:
    if isinstance(node, dict):
        yield node
        for each in node.values():
            yield from rules(each)
    elif isinstance(node, list):
        for each in node:
            yield from rules(each)


def matching(name: str) -> re.Pattern[str]:
    (found,) = [each["match"] for each in rules(GRAMMAR) if each.get("name") == name]
    return re.compile(found)


@pytest.mark.parametrize("word", sorted(KEYWORDS | {"in", "from"}))
def test_every_keyword_is_coloured(word):
    names = ("keyword.control.rib", "constant.language.rib")
    assert any(matching(name).fullmatch(word) for name in names)


@pytest.mark.parametrize("word", [*PRIMITIVES, "list", "option", "result", "tuple"])
def test_every_type_is_coloured(word):
    assert matching("storage.type.rib").fullmatch(word)


def test_words_inside_names_are_not():
    assert not matching("keyword.control.rib").search("if-so notify match_1")


@pytest.mark.parametrize("text", ["7", "2.5", "1e-7", "255u8", "1.5f32"])
def test_numbers(text):
    assert matching("constant.numeric.rib").fullmatch(text)


def test_every_pattern_compiles_and_every_reference_leads_somewhere():
    for rule in rules(GRAMMAR):
        for key in ("match", "begin", "end"):
            if isinstance(rule.get(key), str):
                re.compile(rule[key])
        if isinstance(rule.get("include"), str):
            assert rule["include"].removeprefix("#") in GRAMMAR["repository"]
