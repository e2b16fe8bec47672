"""The door to lark: WIT text to the tree of one file, with errors that say what was expected."""

from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Any, Final, cast, final

from lark import Lark
from lark.exceptions import UnexpectedToken
from lark.lexer import Lexer

from wit.errors import ParseError
from wit.excerpt import parse_error
from wit.text.builder import Builder, MisplacedError, PackageHead, Token
from wit.text.lexer import KEYWORDS, MARKS, check_identifier, words
from wit.text.nodes import Attributes, FileNode, Item

__all__ = ["parse"]


def parse(text: str, file: str = "") -> FileNode:
    """Return the tree of one WIT file.

    Args:
        text: The whole file.
        file: Its name, for errors.

    Raises:
        ParseError: with file, line, column and what was expected there.
    """
    parser: Any = cast("Any", _grammar()).parse_interactive("")
    try:
        for token in _tokens(text, file):
            parser.feed_token(token)
        end = _token("$END", "", len(text), "")
        parts: list[Any] = parser.feed_token(end)
    except UnexpectedToken as error:
        token = cast("Token", error.token)
        raise _unexpected(token, parser.accepts(), text, file) from None
    except MisplacedError as error:
        raise parse_error(
            error.reason, text, error.offset, length=error.length, file=file
        ) from None
    return _file(parts, text, file)


@final
class _NoLexer(Lexer):
    """Stands where lark wants a lexer: tokens are fed to the parser one by one."""

    def __init__(self, _configuration: object) -> None:
        pass

    def lex(self, _lexer_state: object, _parser_state: object) -> Iterator[Any]:  # pyright: ignore[reportIncompatibleMethodOverride] - never called
        return iter(())


@cache
def _grammar() -> Lark:
    grammar = files("wit.text").joinpath("wit.lark").read_text(encoding="utf-8")
    return Lark(grammar, parser="lalr", lexer=_NoLexer, transformer=cast("Any", Builder()))


def _token(kind: str, text: str, offset: int, docs: str) -> Token:
    token = Token(text)
    token.type = kind
    token.offset = offset
    token.docs = docs
    return token


def _tokens(text: str, file: str) -> Iterator[Token]:
    for kind, word, offset, docs in words(text, file):
        if kind == "ID":
            name = word.removeprefix("%")
            check_identifier(name, offset, text, file)
            yield _token(kind, name, offset, docs)
        else:
            yield _token(kind, word, offset, docs)


def _file(parts: list[Any], text: str, file: str) -> FileNode:
    items: list[Item] = []
    head: PackageHead | None = None
    for part in parts:
        if not isinstance(part, PackageHead):
            items.append(part)
            continue
        if head is not None or items:
            reason = "`package …;` stands once, before everything else; others take braces"
            offset = part.attributes.offset
            raise parse_error(reason, text, offset, length=len("package"), file=file)
        head = part
    attributes = Attributes() if head is None else head.attributes
    return FileNode(None if head is None else head.name, tuple(items), attributes, file, text)


_TEXTS: Final = (
    {kind: f"`{mark}`" for mark, kind in MARKS.items()}
    | {kind: f"`{word}`" for word, kind in KEYWORDS.items()}
    | {
        "ID": "a name",
        "INT": "a number",
        "VERSION": "a version like 1.0.0",
        "STRING": "a string",
        "MAP": "`map`",
        "$END": "end of file",
    }
)

# What stands for many terminals at once, the larger groups first.
_GROUPS: Final = (
    (
        frozenset({"TYPE", "RECORD", "VARIANT", "ENUM", "FLAGS", "RESOURCE", "USE", "ID"}),
        "a type, a function, `use`",
    ),
    (
        frozenset({"TYPE", "RECORD", "VARIANT", "ENUM", "FLAGS", "RESOURCE", "USE"}),
        "a type, `use`",
    ),
    (frozenset({"TYPE", "RECORD", "VARIANT", "ENUM", "FLAGS", "RESOURCE"}), "a type"),
    (frozenset({"PRIMITIVE", "LIST", "OPTION", "TUPLE", "RESULT", "BORROW"}), "a type"),
)
_TYPE_WORDS: Final = frozenset({"MAP", "OWN", "FUTURE", "STREAM", "ERROR_CONTEXT"})


def _unexpected(token: Token, accepted: set[str], text: str, file: str) -> ParseError:
    remaining = set(accepted)
    phrases: list[str] = []
    for group, phrase in _GROUPS:
        if group <= remaining:
            phrases.append(phrase)
            remaining -= group
            if "PRIMITIVE" in group:
                remaining -= _TYPE_WORDS | {"ID"}
    if not phrases:
        # Gates may stand before most items: worth a word only where nothing else may.
        remaining -= {"_AT"} if len(remaining) > 1 and "INTERFACE" not in remaining else set[str]()
    else:
        remaining.discard("_AT")
    phrases += sorted(_TEXTS[kind] for kind in remaining)
    expected = " or ".join(filter(None, [", ".join(phrases[:-1]), phrases[-1]]))
    got = f"`{token}`" if token.type != "$END" else "end of file"
    hint = ""
    if "ID" in accepted and token in KEYWORDS and token.type != "UNDERSCORE":
        hint = f": it is a keyword, as a name write `%{token}`"
    reason = f"expected {expected}, got {got}{hint}"
    return parse_error(reason, text, token.offset, length=len(token), file=file)
