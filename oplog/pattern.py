r"""Regular expressions whose matching time is linear in the text.

Queries come from whoever may look at a log, and the standard library's engine lets a short pattern
run for years. Here a pattern becomes a nondeterministic automaton, and the sets of places where it
can be become the states of a deterministic one, made as they are reached and forgotten when there
are too many.

Known: literals, `.`, `[a-z]`, `[^a-z]`, `\d \w \s \D \W \S`, `\n \r \t`, `^`, `$`, `( )`,
`(?: )`, `|`, `*`, `+`, `?`, `{m}`, `{m,}`, `{m,n}` (a `?` behind them changes nothing, since only
whether there is a match counts), and `(?i)` at the start. Not known: back references, assertions.
"""

from collections.abc import Callable
from typing import Final, TypeAlias, final

from msgspec import Struct

from oplog.errors import QueryError
from oplog.limits import PATTERN_NODES_MAX, PATTERN_STATES_MAX, QUERY_DEPTH_MAX

__all__ = ["Pattern"]

_Test: TypeAlias = Callable[[str], bool]

_CLASSES: Final[dict[str, _Test]] = {
    "d": str.isdecimal,
    "w": lambda c: c.isalnum() or c == "_",
    "s": str.isspace,
    "D": lambda c: not c.isdecimal(),
    "W": lambda c: not (c.isalnum() or c == "_"),
    "S": lambda c: not c.isspace(),
}
_ESCAPES: Final = {"n": "\n", "r": "\r", "t": "\t"}


class _Character(Struct, frozen=True):
    test: _Test


class _Start(Struct, frozen=True):
    pass


class _End(Struct, frozen=True):
    pass


class _Sequence(Struct, frozen=True):
    parts: tuple["_Tree", ...]


class _Choice(Struct, frozen=True):
    options: tuple["_Tree", ...]


class _Repeat(Struct, frozen=True):
    part: "_Tree"
    least: int
    most: int | None


_Tree: TypeAlias = _Character | _Start | _End | _Sequence | _Choice | _Repeat


@final
class _Parser:
    def __init__(self, text: str, *, fold: bool) -> None:
        self._text = text
        self._at = 0
        self._depth = 0
        self._fold = fold

    def parse(self) -> _Tree:
        tree = self._choice()
        if self._at < len(self._text):
            raise self._error("unmatched )")
        return tree

    def _error(self, problem: str) -> QueryError:
        return QueryError(f"pattern: {problem}", column=self._at + 1)

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _next(self) -> str:
        character = self._peek()
        if not character:
            raise self._error("ends too early")
        self._at += 1
        return character

    def _takes(self, token: str) -> bool:
        if not self._text.startswith(token, self._at):
            return False
        self._at += len(token)
        return True

    def _choice(self) -> _Tree:
        self._depth += 1
        if self._depth > QUERY_DEPTH_MAX:
            raise self._error(f"nested deeper than {QUERY_DEPTH_MAX}")
        options = [self._sequence()]
        while self._takes("|"):
            options.append(self._sequence())
        self._depth -= 1
        return options[0] if len(options) == 1 else _Choice(tuple(options))

    def _sequence(self) -> _Tree:
        parts: list[_Tree] = []
        while self._peek() not in {"", "|", ")"}:
            parts.append(self._repeated(self._atom()))
        return _Sequence(tuple(parts))

    def _repeated(self, part: _Tree) -> _Tree:
        while True:
            if self._takes("*"):
                part = _Repeat(part, 0, None)
            elif self._takes("+"):
                part = _Repeat(part, 1, None)
            elif self._takes("?"):
                part = _Repeat(part, 0, 1)
            elif self._takes("{"):
                part = self._counted(part)
            else:
                return part
            self._takes("?")

    def _counted(self, part: _Tree) -> _Tree:
        least = self._number()
        most: int | None = least
        if self._takes(","):
            most = None if self._peek() == "}" else self._number()
        if not self._takes("}"):
            raise self._error("expected }; write \\{ for the character")
        if most is not None and most < least:
            raise self._error(f"a count from {least} to {most}")
        return _Repeat(part, least, most)

    def _number(self) -> int:
        start = self._at
        while self._peek().isdecimal() and self._at - start < 4:
            self._at += 1
        if start == self._at:
            raise self._error("expected a number; write \\{ for the character")
        return int(self._text[start : self._at])

    def _atom(self) -> _Tree:
        character = self._next()
        match character:
            case "(":
                if self._peek() == "?" and not self._takes("?:"):
                    raise self._error("only (?: ) is known of the groups with (?")
                tree = self._choice()
                if not self._takes(")"):
                    raise self._error("expected )")
                return tree
            case "[":
                return _Character(self._set())
            case ".":
                return _Character(lambda c: c != "\n")
            case "^":
                return _Start()
            case "$":
                return _End()
            case "*" | "+" | "?" | "{":
                self._at -= 1
                raise self._error(f"{character} has nothing to repeat")
            case "\\":
                return _Character(self._escaped(self._next()))
            case _:
                return _Character(self._literal(character))

    def _literal(self, character: str) -> _Test:
        if self._fold:
            return character.lower().__eq__
        return character.__eq__

    def _escaped(self, character: str) -> _Test:
        if character in _CLASSES:
            return _CLASSES[character]
        if character.isalnum() and character not in _ESCAPES:
            raise self._error(f"\\{character} is not known")
        return self._literal(_ESCAPES.get(character, character))

    def _set(self) -> _Test:
        negated = self._takes("^")
        tests: list[_Test] = []
        while not tests or self._peek() != "]":
            first = self._next()
            if first == "\\":
                escaped = self._next()
                if escaped in _CLASSES:
                    tests.append(_CLASSES[escaped])
                    continue
                first = _ESCAPES.get(escaped, escaped)
            last = first
            if self._peek() == "-" and self._text[self._at + 1 : self._at + 2] not in {"", "]"}:
                self._at += 1
                last = self._next()
                if last == "\\":
                    escaped = self._next()
                    last = _ESCAPES.get(escaped, escaped)
            if last < first:
                raise self._error(f"a range from {first} to {last}")
            tests.append(self._range(first, last))
        self._at += 1
        return lambda c: any(test(c) for test in tests) is not negated

    def _range(self, first: str, last: str) -> _Test:
        if not self._fold:
            return lambda c: first <= c <= last
        return lambda c: first <= c <= last or first <= c.upper() <= last


class _Node(Struct):
    """A place in the automaton: one that reads a character, or a fork without reading."""

    kind: type[_Character | _Start | _End] | None
    test: _Test | None
    onward: tuple[int, ...]


class _State(Struct):
    nodes: frozenset[int]
    matches: bool
    matches_at_end: bool
    onward: dict[str, "_State"]


_MATCH: Final = 0


@final
class Pattern:
    """A compiled expression. Not to be shared between threads: it learns while it matches."""

    def __init__(self, text: str) -> None:
        self._fold = text.startswith("(?i)")
        tree = _Parser(text.removeprefix("(?i)"), fold=self._fold).parse()
        self._nodes = [_Node(None, None, ())]
        self._first = self._build(tree, _MATCH)
        self._states: dict[frozenset[int], _State] = {}
        self._transitions = 0
        self._start = self._state({self._first}, at_start=True)

    def search(self, text: str) -> bool:
        """Whether the pattern matches anywhere in `text`."""
        state = self._start
        for character in text.lower() if self._fold else text:
            if state.matches:
                return True
            state = state.onward.get(character) or self._step(state, character)
        return state.matches or state.matches_at_end

    def _step(self, state: _State, character: str) -> _State:
        if self._transitions >= PATTERN_STATES_MAX * 16 or len(self._states) > PATTERN_STATES_MAX:
            self._states.clear()
            self._transitions = 0
            self._start.onward.clear()
        # The first node again, since a match may begin behind any character.
        reached = {self._first}
        for index in state.nodes:
            node = self._nodes[index]
            if node.test is not None and node.test(character):
                reached.update(node.onward)
        onward = self._state(reached, at_start=False)
        state.onward[character] = onward
        self._transitions += 1
        return onward

    def _state(self, reached: set[int], *, at_start: bool) -> _State:
        nodes = self._closure(reached, at_start=at_start, at_end=False)
        known = self._states.get(nodes)
        if known is None:
            final_nodes = self._closure(reached, at_start=at_start, at_end=True)
            known = _State(nodes, _MATCH in nodes, _MATCH in final_nodes, {})
            if not at_start:
                self._states[nodes] = known
        return known

    def _closure(self, reached: set[int], *, at_start: bool, at_end: bool) -> frozenset[int]:
        found = set(reached)
        waiting = list(reached)
        while waiting:
            node = self._nodes[waiting.pop()]
            blocked = (
                node.test is not None
                or (node.kind is _Start and not at_start)
                or (node.kind is _End and not at_end)
            )
            if not blocked:
                new = [index for index in node.onward if index not in found]
                found.update(new)
                waiting.extend(new)
        return frozenset(found)

    def _add(
        self,
        onward: tuple[int, ...],
        kind: type[_Character | _Start | _End] | None = None,
        test: _Test | None = None,
    ) -> int:
        if len(self._nodes) >= PATTERN_NODES_MAX:
            raise QueryError(f"pattern: needs more than {PATTERN_NODES_MAX} nodes", column=1)
        self._nodes.append(_Node(kind, test, onward))
        return len(self._nodes) - 1

    def _build(self, tree: _Tree, onward: int) -> int:
        """Add the nodes of `tree`, which go on to `onward`, and return the first."""
        match tree:
            case _Character():
                return self._add((onward,), _Character, tree.test)
            case _Start() | _End():
                return self._add((onward,), type(tree))
            case _Sequence(parts=()):
                return self._add((onward,))
            case _Sequence():
                for part in reversed(tree.parts):
                    onward = self._build(part, onward)
                return onward
            case _Choice():
                return self._add(tuple(self._build(option, onward) for option in tree.options))
            case _Repeat():
                return self._build_repeat(tree, onward)

    def _build_repeat(self, tree: _Repeat, onward: int) -> int:
        # Every repetition has a node of its own, even of nothing: the limit on nodes then bounds
        # the work that nested counts can cause.
        onward = self._add((onward,))
        if tree.most is None:
            loop = self._add(())
            self._nodes[loop].onward = (self._build(tree.part, loop), onward)
            first = loop
        else:
            first = onward
            for _ in range(tree.most - tree.least):
                first = self._add((self._build(tree.part, first), onward))
        for _ in range(tree.least):
            first = self._build(tree.part, first)
        return first
