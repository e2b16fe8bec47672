"""Pieces of a text for editors: what to colour how, and what is still open at its end.

Reads any text, right or wrong, and never fails; the parser decides what a program is.
"""

import re
from collections.abc import Iterator
from typing import Final, Literal, NamedTuple, TypeAlias

from rib.lexer import KEYWORDS, NAME, PRIMITIVES

__all__ = ["Kind", "Piece", "is_complete", "next_statement", "open_at_end", "scan"]

Kind: TypeAlias = Literal[
    "keyword", "type", "function", "field", "name", "number", "string", "escape", "comment", "mark"
]

_TYPES: Final = frozenset({*PRIMITIVES, "list", "option", "result", "tuple"})
# Words that mean something only in their place; elsewhere they are names.
_SOFT_KEYWORDS: Final = frozenset({"in", "from"})

_CODE: Final = re.compile(
    rf"(?P<comment>//[^\n]*|/\*(?s:.*?)(?:\*/|\Z))|(?P<name>{NAME})"
    r"|(?P<number>[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?(?:[su](?:8|16|32|64)|f(?:32|64))?)"
    r"|(?P<character>'(?:\\(?:u\{[^}'\n]*\}|.)|[^'\\\n])'?)"
    r"|(?P<space>\s+)|(?P<mark>\.\.=|\.\.|=>|==|!=|<=|>=|&&|\|\||.)"
)
_TEXT: Final = re.compile(
    r"(?P<escape>\\(?:u\{[^}\"\n]*\}|(?s:.))|\\\Z)|(?P<open>\$\{)|(?P<end>\")|(?P<text>[^\\\"$]+|\$)"
)
_CLOSING: Final = {")": "(", "]": "[", "}": "{"}


class Piece(NamedTuple):
    """A stretch of the text, offsets in characters, `end` exclusive."""

    kind: Kind
    start: int
    end: int


def scan(text: str) -> Iterator[Piece]:
    """Yield the pieces of a text in order; white space belongs to none."""
    yield from _scan(text, [])


def open_at_end(text: str) -> list[str]:
    """Return what a text has opened and not closed, the innermost last.

    Brackets stand for themselves, `"` for a string, `${` for an interpolation, `/*` for a comment.
    """
    opened: list[str] = []
    for piece in _scan(text, opened):
        if piece.kind == "comment" and text.startswith("/*", piece.start):
            is_closed = piece.end - piece.start >= 4 and text.endswith("*/", 0, piece.end)
            if not is_closed:
                return [*opened, "/*"]
    return opened


def next_statement(text: str, start: int, after: int) -> int | None:
    """Return where the statement behind the one at `start` begins, the `;` being behind `after`.

    None: nothing at this level of brackets follows.
    """
    opened: list[str] = []
    for piece in _scan(text[start:], opened):
        is_end = piece.kind == "mark" and not opened and text[start + piece.start] == ";"
        if is_end and start + piece.start >= after:
            return start + piece.end
    return None


def is_complete(text: str) -> bool:
    """Return whether a person who presses Enter has finished: nothing is open any more."""
    return not open_at_end(text) and not re.search(r"(?:[-+*/%=<>.,]|&&|\|\|)\s*\Z", text)


def _scan(text: str, opened: list[str]) -> Iterator[Piece]:
    offset, after_dot = 0, False
    while offset < len(text):
        if opened and opened[-1] == '"':
            found = _TEXT.match(text, offset)
            assert found is not None, offset
            yield _in_text(found, opened)
            offset = found.end()
            continue
        found = _CODE.match(text, offset)
        assert found is not None, offset
        offset = found.end()
        kind = found.lastgroup
        if kind == "space":
            continue
        if kind == "mark":
            yield _mark(found, opened)
            after_dot = found[0] == "."
            continue
        yield Piece(_kind(text, found, after_dot=after_dot), found.start(), offset)
        after_dot = after_dot and kind == "comment"


def _in_text(found: "re.Match[str]", opened: list[str]) -> Piece:
    match found.lastgroup:
        case "escape":
            return Piece("escape", found.start(), found.end())
        case "open":
            opened.append("${")
            return Piece("mark", found.start(), found.end())
        case "end":
            opened.pop()
            return Piece("string", found.start(), found.end())
        case _:
            return Piece("string", found.start(), found.end())


def _mark(found: "re.Match[str]", opened: list[str]) -> Piece:
    mark = found[0]
    if mark == '"':
        opened.append(mark)
        return Piece("string", found.start(), found.end())
    if mark in "([{":
        opened.append(mark)
    elif mark in _CLOSING and opened:
        wanted = {_CLOSING[mark], "${"} if mark == "}" else {_CLOSING[mark]}
        if opened[-1] in wanted:
            opened.pop()
    return Piece("mark", found.start(), found.end())


def _kind(text: str, found: "re.Match[str]", *, after_dot: bool) -> Kind:
    word = found[0]
    match found.lastgroup:
        case "comment":
            return "comment"
        case "number":
            return "number"
        case "character":
            return "string"
        case _:
            pass
    if after_dot:
        return "function" if re.match(r"\s*[(\[]", text[found.end() : found.end() + 8]) else "field"
    if word in KEYWORDS or word in _SOFT_KEYWORDS:
        return "keyword"
    if word in _TYPES:
        return "type"
    is_called = text.startswith("(", found.end())
    return "function" if is_called else "name"
