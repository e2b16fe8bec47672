"""WIT text to the tree of one file, with errors that say what was expected.

Source: component-model specification, WIT.md, "Lexical structure" and "Top-level items".
"""

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, Final, final

from wit.errors import ParseError
from wit.excerpt import parse_error
from wit.text.builder import Builder, MisplacedError, PackageHead, Token
from wit.text.lexer import KEYWORDS, MARKS, check_identifier, words
from wit.text.nodes import Attributes, FileNode, Item, TypeNode
from wit.text.table import END, NOTHING, Rule, load

__all__ = ["parse", "parse_type_node"]


def parse(text: str, file: str = "") -> FileNode:
    """Return the tree of one WIT file.

    Args:
        text: The whole file.
        file: Its name, for errors.

    Raises:
        ParseError: with file, line, column and what was expected there.
    """
    parts: list[Any] = _parsed(text, file, "start")
    return _file(parts, text, file)


def parse_type_node(text: str) -> TypeNode:
    """Return the tree of a type expression, `list<tuple<item, u32>>`.

    Raises:
        ParseError: with line, column and what was expected there.
    """
    node: TypeNode = _parsed(text, "", "type")
    return node


def _parsed(text: str, file: str, start: str) -> Any:
    parser = _Parser(start)
    try:
        for token in _tokens(text, file):
            parser.feed(token)
        return parser.feed(_token(END, "", len(text), ""))
    except _UnexpectedError as error:
        raise _unexpected(error.token, parser.accepted(), text, file) from None
    except MisplacedError as error:
        raise parse_error(
            error.reason, text, error.offset, length=error.length, file=file
        ) from None


class _UnexpectedError(Exception):
    """No sentence of the grammar goes on with this token."""

    def __init__(self, token: Token) -> None:
        super().__init__(token)
        self.token = token


@cache
def _callbacks() -> dict[str, Callable[[list[Any]], Any]]:
    builder = Builder()
    names = {rule.callback for rule in load().rules if rule.callback}
    return {"": _children} | {name: getattr(builder, name) for name in names}


def _children(children: list[Any]) -> list[Any]:
    return children


@final
class _Parser:
    """Follows the table of the grammar, token by token."""

    def __init__(self, start: str) -> None:
        self._table = load()
        self._callbacks = _callbacks()
        self._end = self._table.ends[start]
        self._states = [self._table.starts[start]]
        self._values: list[Any] = []
        # The state before the last token, as reductions go on until one is found to be in vain.
        self._before = list(self._states)

    def feed(self, token: Token) -> Any:
        """Take one token; return the value of the whole text if it is the end.

        Raises:
            _UnexpectedError: the token fits nowhere here.
        """
        states, rows, kind = self._states, self._table.rows, token.type
        self._before = list(states)
        while kind != END or states[-1] != self._end:
            target = rows[states[-1]].get(kind)
            if target is None:
                raise _UnexpectedError(token)
            if target >= 0:
                states.append(target)
                self._values.append(token)
                return None
            self._reduce(self._table.rules[-1 - target])
        return self._values[-1]

    def accepted(self) -> set[str]:
        """Return the terminals that could have stood in the place of the last token."""
        symbols = {symbol for row in self._table.rows for symbol in row if symbol.isupper()}
        return {symbol for symbol in symbols if self._would_take(symbol)}

    def _would_take(self, kind: str) -> bool:
        states, table = list(self._before), self._table
        while kind != END or states[-1] != self._end:
            target = table.rows[states[-1]].get(kind)
            if target is None:
                return False
            if target >= 0:
                return True
            rule = table.rules[-1 - target]
            del states[len(states) - rule.size :]
            following = table.rows[states[-1]].get(rule.origin)
            if following is None:
                return False
            states.append(following)
        return True

    def _reduce(self, rule: Rule) -> None:
        values, states = self._values, self._states
        first = len(values) - rule.size
        children: list[Any] = []
        for place, slot in enumerate(rule.slots):
            if slot == NOTHING:
                children.append(None)
            elif place in rule.inlined:
                children += values[first + slot]
            else:
                children.append(values[first + slot])
        del values[first:]
        del states[first + 1 :]
        values.append(self._callbacks[rule.callback](children))
        states.append(self._table.rows[states[-1]][rule.origin])


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
