r"""The query language for searching a log.

| query | matches an entry in which |
|---|---|
| `term` | some text contains it, whatever the case, or some number is written like it |
| `"phrase"` | some text contains it exactly; `\"` is a quotation mark |
| `/regex/` | some text or number matches (see `oplog.pattern`); `\/` is a slash |
| `field:clause`, `field=clause` | the clause matches below that field |
| `a b`, `a AND b` | both match |
| `a OR b` | one of them matches |
| `NOT a` | it does not match |
| `( )` | grouping |

NOT binds tightest, then AND, then OR, then standing side by side: `a OR b c` is `(a OR b) AND c`.
A field is a path of names with dots between, found at any depth and with others between them:
`response.zone.name:x`, `response.name:x` and `name:x` find the same. Items of lists are below the
list's own name. A term ends at white space, parentheses,
`:` and `=`; whatever holds one of these, like a function name, is written as a phrase.

Searched are all fields of the public view of an entry: its index and type, names, keys, error and
log texts, and the values of requests and responses.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias, assert_never, cast, final

from msgspec import Struct

from oplog.errors import QueryError
from oplog.limits import QUERY_CHARACTERS_MAX, QUERY_DEPTH_MAX
from oplog.pattern import Pattern

__all__ = ["Query", "parse"]

_Path: TypeAlias = tuple[str, ...]


class _Leaf(Struct, frozen=True):
    """A text or number of an entry and the names that lead to it."""

    path: _Path
    text: str
    is_text: bool


class _Match(Struct, frozen=True):
    path: _Path
    test: Callable[[_Leaf], bool]


class _And(Struct, frozen=True):
    parts: tuple["_Tree", ...]


class _Or(Struct, frozen=True):
    parts: tuple["_Tree", ...]


class _Not(Struct, frozen=True):
    part: "_Tree"


_Tree: TypeAlias = _Match | _And | _Or | _Not

_TOKEN: Final = re.compile(
    r"""\s*(?:
        (?P<open>\() | (?P<close>\))
      | "(?P<phrase>(?:[^"\\]|\\.)*)"
      | /(?P<regex>(?:[^/\\]|\\.)*)/
      | (?P<word>[^\s()"/:=][^\s():=]*)
      | (?P<separator>[:=])
    )""",
    re.VERBOSE | re.DOTALL,
)
_KEYWORDS: Final = frozenset({"AND", "OR", "NOT"})


class _Token(Struct, frozen=True):
    kind: str
    text: str
    column: int


@final
class Query:
    """A parsed query."""

    def __init__(self, tree: _Tree) -> None:
        self._tree = tree

    def matches(self, index: int, entry: Mapping[str, Any]) -> bool:
        """Whether the public view of entry `index` matches."""
        leaves = [_Leaf(("index",), str(index), is_text=False), *_leaves((), entry)]
        return _holds(self._tree, leaves)


def parse(text: str) -> Query:
    """Return the query; an empty one matches everything.

    Raises:
        QueryError: not in the language, or above a limit.
    """
    if len(text) > QUERY_CHARACTERS_MAX:
        raise QueryError(
            f"query has {len(text)} characters, at most {QUERY_CHARACTERS_MAX} are allowed",
            column=QUERY_CHARACTERS_MAX + 1,
        )
    return Query(_Parser(list(_tokens(text)), len(text)).parse())


def _tokens(text: str) -> Iterator[_Token]:
    end = len(text.rstrip())
    at = 0
    while at < end:
        found = _TOKEN.match(text, at)
        if found is None or found.lastgroup is None:
            raise QueryError(
                f"query: no token begins with {text[at:].lstrip()[:1]!r}", column=at + 1
            )
        kind = found.lastgroup
        token = found[kind]
        if kind == "word" and token in _KEYWORDS:
            kind = token
        yield _Token(kind, token, found.start(found.lastgroup) + 1)
        at = found.end()


@final
class _Parser:
    def __init__(self, tokens: list[_Token], length: int) -> None:
        self._tokens = [*tokens, _Token("end", "", length + 1)]
        self._at = 0
        self._depth = 0

    def parse(self) -> _Tree:
        if self._kind() == "end":
            return _And(())
        tree = self._side_by_side(())
        if self._kind() != "end":
            raise self._error("unmatched )")
        return tree

    def _kind(self, ahead: int = 0) -> str:
        return self._tokens[min(self._at + ahead, len(self._tokens) - 1)].kind

    def _error(self, problem: str) -> QueryError:
        return QueryError(f"query: {problem}", column=self._tokens[self._at].column)

    def _takes(self, kind: str) -> bool:
        if self._kind() != kind:
            return False
        self._at += 1
        return True

    def _side_by_side(self, path: _Path) -> _Tree:
        parts = [self._either(path)]
        while self._kind() not in {"end", "close"}:
            parts.append(self._either(path))
        return parts[0] if len(parts) == 1 else _And(tuple(parts))

    def _either(self, path: _Path) -> _Tree:
        parts = [self._both(path)]
        while self._takes("OR"):
            parts.append(self._both(path))
        return parts[0] if len(parts) == 1 else _Or(tuple(parts))

    def _both(self, path: _Path) -> _Tree:
        parts = [self._negated(path)]
        while self._takes("AND"):
            parts.append(self._negated(path))
        return parts[0] if len(parts) == 1 else _And(tuple(parts))

    def _negated(self, path: _Path) -> _Tree:
        negations = 0
        while self._takes("NOT"):
            negations += 1
        tree = self._primary(path)
        return _Not(tree) if negations % 2 else tree

    def _primary(self, path: _Path) -> _Tree:
        # Grouping and nested fields are the only ways to get deeper.
        self._depth += 1
        if self._depth > QUERY_DEPTH_MAX:
            raise self._error(f"nested deeper than {QUERY_DEPTH_MAX}")
        tree = self._group(path) if self._kind() == "open" else self._clause(path)
        self._depth -= 1
        return tree

    def _group(self, path: _Path) -> _Tree:
        self._at += 1
        tree = self._side_by_side(path)
        if not self._takes("close"):
            raise self._error("expected )")
        return tree

    def _clause(self, path: _Path) -> _Tree:
        token = self._tokens[self._at]
        if token.kind == "word" and self._kind(1) == "separator":
            self._at += 2
            return self._primary((*path, *token.text.split(".")))
        match token.kind:
            case "word":
                test = _term(token.text)
            case "phrase":
                test = _phrase(_unescaped(token.text, '"'))
            case "regex":
                test = _regex(token)
            case "end":
                raise self._error("ends where something to search for should follow")
            case _:
                raise self._error(f"{token.text!r} stands where something to search for should")
        self._at += 1
        return _Match(path, test)


def _unescaped(text: str, quote: str) -> str:
    return text.replace(f"\\{quote}", quote).replace("\\\\", "\\")


def _term(text: str) -> Callable[[_Leaf], bool]:
    wanted = text.lower()
    return lambda leaf: wanted in leaf.text.lower() if leaf.is_text else wanted == leaf.text.lower()


def _phrase(text: str) -> Callable[[_Leaf], bool]:
    return lambda leaf: text in leaf.text if leaf.is_text else text == leaf.text


def _regex(token: _Token) -> Callable[[_Leaf], bool]:
    try:
        pattern = Pattern(token.text.replace("\\/", "/"))
    except QueryError as error:
        raise QueryError(str(error), column=token.column) from error
    return lambda leaf: pattern.search(leaf.text)


def _leaves(path: _Path, value: Any) -> Iterator[_Leaf]:
    # Values come from JSON, which the decoder has already bounded in depth.
    match value:
        case str():
            yield _Leaf(path, value, is_text=True)
        case bool() | None:
            yield _Leaf(path, {True: "true", False: "false", None: "null"}[value], is_text=False)
        case int() | float():
            yield _Leaf(path, str(value), is_text=False)
        case list() | tuple():
            for item in cast("Sequence[object]", value):
                yield from _leaves(path, item)
        case dict():
            for name, item in cast("dict[str, object]", value).items():
                yield from _leaves((*path, name), item)
        case _:
            raise AssertionError(f"{type(value)} is no JSON")


def _below(wanted: _Path, path: _Path) -> bool:
    # Consuming one iterator asks for the names in their order, with any others between them.
    names = iter(path)
    return all(name in names for name in wanted)


def _holds(tree: _Tree, leaves: list[_Leaf]) -> bool:
    match tree:
        case _Match():
            return any(_below(tree.path, leaf.path) and tree.test(leaf) for leaf in leaves)
        case _And():
            return all(_holds(part, leaves) for part in tree.parts)
        case _Or():
            return any(_holds(part, leaves) for part in tree.parts)
        case _Not():
            return not _holds(tree.part, leaves)
        case _:
            assert_never(tree)
