"""Words and marks of WIT text, with the documentation comments before them.

Written by hand because block comments nest, and because a comment belongs to the word behind it.

Source: component-model specification, WIT.md, "Lexical structure".
"""

import re
from collections.abc import Iterator
from typing import Final

from wit.errors import ParseError
from wit.excerpt import parse_error
from wit.limits import TYPE_DEPTH_MAX, WIT_CHARACTERS_MAX

__all__ = ["KEYWORDS", "MARKS", "Word", "check_identifier", "words"]

KEYWORDS: Final = {
    "as": "_AS",
    "async": "ASYNC",
    "borrow": "BORROW",
    "constructor": "CONSTRUCTOR",
    "enum": "ENUM",
    "error-context": "ERROR_CONTEXT",
    "export": "EXPORT",
    "flags": "FLAGS",
    "func": "FUNC",
    "future": "FUTURE",
    "import": "IMPORT",
    "include": "INCLUDE",
    "interface": "INTERFACE",
    "list": "LIST",
    "option": "OPTION",
    "own": "OWN",
    "package": "PACKAGE",
    "record": "RECORD",
    "resource": "RESOURCE",
    "result": "RESULT",
    "static": "STATIC",
    "stream": "STREAM",
    "tuple": "TUPLE",
    "type": "TYPE",
    "use": "USE",
    "variant": "VARIANT",
    "with": "_WITH",
    "world": "WORLD",
    "_": "UNDERSCORE",
} | dict.fromkeys(
    ["bool", "s8", "u8", "s16", "u16", "s32", "u32", "s64", "u64", "f32", "f64", "char", "string"],
    "PRIMITIVE",
)

MARKS: Final = {
    "@": "_AT",
    ";": "_SEMICOLON",
    ":": "_COLON",
    ",": "_COMMA",
    ".": "_DOT",
    "=": "_EQUALS",
    "/": "_SLASH",
    "->": "_ARROW",
    "{": "_BRACE_OPEN",
    "}": "_BRACE_CLOSE",
    "(": "_OPEN",
    ")": "_CLOSE",
    "<": "_LESS",
    ">": "_GREATER",
}

_TOKEN: Final = re.compile(
    r"""(?P<space>[ \t\r\n]+)
      | (?P<docs>///[^\n]*)
      | (?P<comment>//[^\n]*)
      | (?P<block>/\*)
      | (?P<word>%?[A-Za-z_][A-Za-z0-9_-]*)
      | (?P<version>[0-9]+\.[0-9]+\.[0-9]+
          (?:-[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?)
      | (?P<number>[0-9]+)
      | (?P<string>"(?:[^"\\\n]|\\.)*")
      | (?P<mark>->|[@;:,.=/{}()<>])""",
    re.VERBOSE,
)
_IDENTIFIER: Final = re.compile(r"(?:[a-z][a-z0-9]*|[A-Z][A-Z0-9]*)(?:-(?:[a-z0-9]+|[A-Z0-9]+))*")
_COMMENT_EDGE: Final = re.compile(r"/\*|\*/")
_MAP_FOLLOWS: Final = re.compile(r"\s*<")

Word = tuple[str, str, int, str]
"""Kind of the terminal, text, offset, documentation before it."""


def words(text: str, file: str) -> Iterator[Word]:
    """Yield the words and marks of a text.

    Raises:
        ParseError: a character that begins nothing, an open comment, or too long a text.
    """
    if len(text) > WIT_CHARACTERS_MAX:
        reason = f"{len(text)} characters, at most {WIT_CHARACTERS_MAX} are read"
        raise parse_error(reason, text, 0, file=file)
    offset, end = 0, len(text)
    depth = 0
    docs: list[str] = []
    find = _TOKEN.match
    while offset < end:
        found = find(text, offset)
        if found is None:
            raise parse_error(f"unexpected character {text[offset]!r}", text, offset, file=file)
        kind, word = found.lastgroup, found[0]
        start, offset = offset, found.end()
        match kind:
            case "space" | "comment":
                continue
            case "docs":
                docs.append(_doc_line(word))
                continue
            case "block":
                offset = _block_end(text, start, file)
                if text.startswith("/**", start) and not text.startswith("/**/", start):
                    docs.extend(_block_docs(text[start + 3 : offset - 2]))
                continue
            case "word":
                yield (_word_kind(word, text, offset), word, start, "\n".join(docs))
            case "mark":
                depth = _type_depth(word, depth)
                if depth > TYPE_DEPTH_MAX:
                    reason = f"types nest deeper than {TYPE_DEPTH_MAX} levels"
                    raise parse_error(reason, text, start, file=file)
                yield (MARKS[word], word, start, "")
                if word == "@":
                    # Documentation before a gate goes on to the word behind the mark.
                    continue
            case "version":
                yield ("VERSION", word, start, "")
            case "number":
                yield ("INT", word, start, "")
            case _:
                yield ("STRING", word, start, "")
        if docs:
            docs = []


def check_identifier(name: str, offset: int, text: str, file: str) -> None:
    """Refuse names that are not in kebab-case.

    Raises:
        ParseError: words must be all lower or all upper case, joined by single dashes.
    """
    if _IDENTIFIER.fullmatch(name) is None:
        raise _bad_identifier(name, offset, text, file)


def _bad_identifier(name: str, offset: int, text: str, file: str) -> ParseError:
    hint = re.sub("[^a-z0-9]+", "-", re.sub("([a-z])([A-Z])", r"\1-\2", name).lower()).strip("-")
    meant = f", write `{hint}`" if _IDENTIFIER.fullmatch(hint) else ""
    reason = f"`{name}` is no name: names are words joined by dashes{meant}"
    return parse_error(reason, text, offset, length=len(name), file=file)


def _type_depth(mark: str, depth: int) -> int:
    if mark == "<":
        return depth + 1
    if mark == ">":
        return depth - 1
    # A bracket that is never closed must not count for the rest of the file.
    return 0 if mark == ";" else depth


def _word_kind(word: str, text: str, end: int) -> str:
    if word == "map" and _MAP_FOLLOWS.match(text, end):
        # Older packages use the word as a name; only before `<` is it the type.
        return "MAP"
    return KEYWORDS.get(word, "ID")


def _doc_line(token: str) -> str:
    body = token[3:].rstrip()
    return body.removeprefix(" ")


def _block_end(text: str, start: int, file: str) -> int:
    depth, offset = 1, start + 2
    while depth:
        edge = _COMMENT_EDGE.search(text, offset)
        if edge is None:
            raise parse_error("the comment is never closed by `*/`", text, start, file=file)
        depth += 1 if edge[0] == "/*" else -1
        offset = edge.end()
    return offset


def _block_docs(body: str) -> list[str]:
    lines = [line.strip() for line in body.split("\n")]
    stripped = [line[1:].removeprefix(" ") if line.startswith("*") else line for line in lines]
    while stripped and not stripped[0]:
        stripped.pop(0)
    while stripped and not stripped[-1]:
        stripped.pop()
    return stripped
