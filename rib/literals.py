"""Literals and type annotations, the part of the grammar without choices."""

import re
from typing import Final

from rib.diagnostics import Code
from rib.lexer import PRIMITIVES, Cursor
from rib.limits import LITERAL_DIGITS_MAX
from rib.syntax import Boolean, Character, Expression, Number, Span, String, TypeText

__all__ = ["LiteralParser"]

_PLAIN: Final = re.compile(r'[^"\\$]+')
_UNICODE: Final = re.compile(r"\\u\{([0-9A-Fa-f]{1,6})\}")
_ESCAPES: Final = {
    "n": "\n",
    "t": "\t",
    "r": "\r",
    "\\": "\\",
    '"': '"',
    "'": "'",
    "$": "$",
    "{": "{",
    "}": "}",
}
_ESCAPE_HELP: Final = ('the escapes are \\n \\t \\r \\\\ \\" \\$ \\{ \\} and \\u{…}',)
# How many arguments each type takes.
_ARITIES: Final = {"list": (1, 1), "option": (1, 1), "result": (0, 2), "tuple": (1, 64)}


class LiteralParser(Cursor):
    """Reads numbers, characters, strings and types."""

    def number(self) -> Number:
        """Read digits with an optional type suffix."""
        token = self.token
        if len(token.text) > LITERAL_DIGITS_MAX:
            span = Span(token.start, token.end)
            self.fail(f"a number of more than {LITERAL_DIGITS_MAX} digits", span, Code.TOO_LARGE)
        suffix = self.number_type(token.end)
        self.take()
        if suffix is not None:
            self.take()
        return Number(token.text, suffix, span=Span(token.start, self.last_end))

    def boolean(self) -> Boolean:
        """Read `true` or `false`."""
        token = self.take()
        return Boolean(token.text == "true", span=Span(token.start, token.end))

    def character(self) -> Character:
        """Read a character in single quotes."""
        start = self.token.start
        offset = start + 1
        if self.text.startswith("\\", offset):
            value, offset = self._escape(offset)
        else:
            value, offset = self.text[offset : offset + 1], offset + 1
        if value in {"", "\n"} or not self.text.startswith("'", offset):
            reason = "a character is one character in single quotes"
            self.fail(reason, Span(start, offset), Code.UNTERMINATED, ('write texts as "text"',))
        return Character(value, span=self._resume(start, offset + 1))

    def string(self, *, interpolated: bool = True) -> String:
        """Read a string and the programs inside it.

        Args:
            interpolated: Whether `${…}` is allowed; patterns have none.
        """
        start = self.token.start
        offset = start + 1
        parts: list[str | Expression] = []
        text: list[str] = []
        while not self.text.startswith('"', offset):
            if offset >= len(self.text):
                self.fail('this string has no closing `"`', Span(start, offset), Code.UNTERMINATED)
            plain = _PLAIN.match(self.text, offset)
            if plain is not None:
                text.append(plain[0])
                offset = plain.end()
            elif self.text[offset] == "\\":
                value, offset = self._escape(offset)
                text.append(value)
            elif self.text.startswith("${", offset):
                if not interpolated:
                    reason = "a pattern cannot be interpolated"
                    self.fail(reason, Span(offset, offset + 2), Code.PATTERN)
                if text:
                    parts.append("".join(text))
                    text.clear()
                inner, offset = self._interpolation(offset)
                parts.append(inner)
            else:
                text.append("$")
                offset += 1
        if text:
            parts.append("".join(text))
        return String(tuple(parts), span=self._resume(start, offset + 1))

    def interpolated(self) -> Expression:
        """Read what stands between `${` and `}`; the parser of expressions knows how."""
        # A literal has no way to read expressions: only the parser, which extends this, has.
        raise NotImplementedError

    def _interpolation(self, offset: int) -> tuple[Expression, int]:
        self.enter()
        self.move(offset + 2)
        if self.at("}"):
            self.unexpected("an expression inside `${}`")
        inner = self.interpolated()
        if not self.at("}"):
            self.unexpected("`}` after the interpolated expression")
        self.leave()
        return inner, self.token.end

    def _escape(self, offset: int) -> tuple[str, int]:
        found = _UNICODE.match(self.text, offset)
        if found is not None:
            number = int(found[1], 16)
            if number > 0x10FFFF or 0xD800 <= number <= 0xDFFF:
                span = Span(offset, found.end())
                self.fail(f"{found[0]} is no Unicode character", span, Code.ESCAPE)
            return chr(number), found.end()
        value = _ESCAPES.get(self.text[offset + 1 : offset + 2])
        if value is None:
            shown = self.text[offset : offset + 2]
            span = Span(offset, min(offset + 2, len(self.text)))
            self.fail(f"unknown escape `{shown}`", span, Code.ESCAPE, _ESCAPE_HELP)
        return value, offset + 2

    def _resume(self, start: int, end: int) -> Span:
        self.move(end)
        self.last_end = end
        return Span(start, end)

    def type(self) -> TypeText:
        """Read a type."""
        self.enter()
        token = self.token
        if token.text != "_" and token.kind != "name":
            self.unexpected("a type")
        self.take()
        arguments: list[TypeText] = []
        if token.text in _ARITIES:
            if self.accept("<"):
                arguments.append(self.type())
                while self.accept(","):
                    arguments.append(self.type())
                self._close_angle()
            self._check_arity(token.text, len(arguments), Span(token.start, self.last_end))
        self.leave()
        return TypeText(token.text, tuple(arguments), span=Span(token.start, self.last_end))

    def _check_arity(self, name: str, count: int, span: Span) -> None:
        least, most = _ARITIES[name]
        if not least <= count <= most:
            wanted = f"{least}" if least == most else f"{least} to {most}"
            self.fail(f"`{name}` takes {wanted} types, found {count}", span)

    def _close_angle(self) -> None:
        # In `let x: list<u8>=[1]` the lexer sees `>=`.
        if self.token.text == ">=":
            self.last_end = self.token.start + 1
            self.move(self.token.start + 1)
        else:
            self.expect(">", "after the types inside `<`")

    def at_type(self) -> bool:
        """Return whether a built-in type stands here."""
        return self.token.text in PRIMITIVES or self.token.text in _ARITIES
