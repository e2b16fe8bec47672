"""Tokens of a program, read one at a time, and the errors of reading.

Strings are not tokens: their interpolations contain whole programs, so the parser reads them. The
cursor therefore never looks further ahead than it is asked to.
"""

import re
from typing import Final, NamedTuple, NoReturn

from rib.diagnostics import Code, diagnostic
from rib.errors import CompileError
from rib.limits import NESTING_MAX, TEXT_CHARACTERS_MAX
from rib.syntax import Span
from wit.types import Primitive

__all__ = ["KEYWORDS", "NAME", "PRIMITIVES", "Cursor", "Token"]

KEYWORDS: Final = frozenset(
    {
        *("if", "then", "else", "match", "ok", "some", "err", "none", "let", "for", "yield"),
        *("reduce", "instance", "true", "false"),
    }
)
PRIMITIVES: Final = tuple(primitive.value for primitive in Primitive)

# A dash joins words only between letters and digits, so that `a- b` is a subtraction.
NAME: Final = r"[A-Za-z][A-Za-z0-9_]*(?:-+[A-Za-z0-9_]+)*"

# Possessive: a comment must not be given back to find a token inside it.
_SKIP: Final = re.compile(r"(?>\s+|//[^\n]*|/\*(?s:.*?)\*/)*+")
_TOKEN: Final = re.compile(
    rf"(?P<name>{NAME})"
    r"|(?P<number>[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)"
    r"""|(?P<op>\.\.=|\.\.|=>|==|!=|<=|>=|&&|\|\||[-+*/%<>=!.,;:()\[\]{}@_"'])"""
)
_NUMBER_TYPE: Final = re.compile(r"(?:[su](?:8|16|32|64)|f(?:32|64))(?![A-Za-z0-9_])")


class Token(NamedTuple):
    """`kind` is `name`, `number`, `op` or `end`."""

    kind: str
    text: str
    start: int
    end: int


class Cursor:
    """A place in a text, with the token that stands there."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._depth = 0
        # Where the last token that was taken ends: nodes end there.
        self.last_end = 0
        if len(text) > TEXT_CHARACTERS_MAX:
            reason = f"the program has {len(text)} characters, at most {TEXT_CHARACTERS_MAX}"
            self.token = Token("end", "", 0, 0)
            self.fail(reason, Span(0, 0), Code.TOO_LARGE)
        self.token = self._read(0)

    def move(self, offset: int) -> None:
        """Continue at an offset."""
        self.token = self._read(offset)

    def take(self) -> Token:
        """Return the token and go on to the next."""
        token = self.token
        self.last_end = token.end
        self.token = self._read(token.end)
        return token

    def peek(self) -> Token:
        """Return the token after this one."""
        return self._read(self.token.end)

    def at(self, *texts: str) -> bool:
        """Return whether the token is one of these."""
        return self.token.text in texts and self.token.kind != "number"

    def accept(self, text: str) -> bool:
        """Take the token if it is this one."""
        if self.at(text):
            self.take()
            return True
        return False

    def expect(self, text: str, why: str) -> Token:
        """Take the token that must be this one.

        Raises:
            CompileError: it is another one; `why` completes the message.
        """
        if not self.at(text):
            self.unexpected(f"`{text}` {why}")
        return self.take()

    def name(self, what: str) -> Token:
        """Take a name that a program may choose.

        Raises:
            CompileError: there is none, or it is a keyword.
        """
        token = self.token
        if token.kind != "name":
            self.unexpected(what)
        if token.text in KEYWORDS:
            span = Span(token.start, token.end)
            helps = ("choose another name",)
            self.fail(f"{token.text} is a keyword", span, Code.KEYWORD, helps)
        return self.take()

    def label(self, what: str) -> Token:
        """Take a name that a component chose, keyword or not."""
        if self.token.kind != "name":
            self.unexpected(what)
        return self.take()

    def enter(self) -> None:
        """Go one level deeper; the caller leaves by `leave`."""
        self._depth += 1
        if self._depth > NESTING_MAX:
            reason = f"nested more than {NESTING_MAX} levels deep"
            helps = ("name inner parts by `let`",)
            self.fail(reason, Span(self.token.start, self.token.end), Code.TOO_LARGE, helps)

    def leave(self) -> None:
        """Come back from one level."""
        self._depth -= 1

    def start_over(self) -> None:
        """Forget all levels: what was nested was given up."""
        self._depth = 0

    def number_type(self, offset: int) -> str | None:
        """Return the type name that is glued to a number, as in `1u8`."""
        found = _NUMBER_TYPE.match(self.text, offset)
        return None if found is None else found[0]

    def unexpected(self, expected: str) -> NoReturn:
        """Report the token, saying what should stand in its place."""
        token = self.token
        found = "the end of the text" if token.kind == "end" else f"`{token.text}`"
        self.fail(f"expected {expected}, found {found}", Span(token.start, token.end))

    def fail(
        self,
        reason: str,
        span: Span,
        code: Code = Code.SYNTAX,
        helps: tuple[str, ...] = (),
    ) -> NoReturn:
        """Report a place in the text."""
        # What is missing at the end of the text has no place of its own.
        end = min(span.end, len(self.text))
        place = Span(min(span.start, end), end)
        raise CompileError((diagnostic(self.text, place, code, reason, help=helps),))

    def _read(self, offset: int) -> Token:
        skipped = _SKIP.match(self.text, offset)
        assert skipped is not None
        start = skipped.end()
        if start == len(self.text):
            return Token("end", "", start, start)
        if self.text.startswith("/*", start):
            self.fail("this comment has no `*/`", Span(start, start + 2), Code.UNTERMINATED)
        found = _TOKEN.match(self.text, start)
        if found is None:
            character = self.text[start]
            self.fail(f"unexpected character {character!r}", Span(start, start + 1))
        assert found.lastgroup is not None
        return Token(found.lastgroup, found[0], start, found.end())
