"""Patterns of match arms."""

from rib.diagnostics import Code
from rib.lexer import KEYWORDS
from rib.literals import LiteralParser
from rib.syntax import (
    Alias,
    Binding,
    Constructor,
    Expression,
    ListPattern,
    LiteralPattern,
    Pattern,
    PatternEntry,
    RecordPattern,
    Span,
    TuplePattern,
    Unary,
    Wildcard,
)

__all__ = ["PatternParser"]


class PatternParser(LiteralParser):
    """Reads patterns, on top of literals."""

    def pattern(self) -> Pattern:
        """Read one pattern."""
        self.enter()
        token = self.token
        match token.text:
            case "_":
                self.take()
                found: Pattern = Wildcard(span=self._since(token.start))
            case "(":
                found = TuplePattern(self._patterns("(", ")"), span=self._since(token.start))
            case "[":
                found = ListPattern(self._patterns("[", "]"), span=self._since(token.start))
            case "{":
                found = RecordPattern(self._pattern_entries(), span=self._since(token.start))
            case _ if token.kind == "name" and token.text not in {"true", "false"}:
                found = self._named()
            case _:
                found = LiteralPattern(self._literal(), span=self._since(token.start))
        self.leave()
        return found

    def _since(self, start: int) -> Span:
        return Span(start, self.last_end)

    def _patterns(self, opening: str, closing: str) -> tuple[Pattern, ...]:
        self.expect(opening, "before the patterns")
        items: list[Pattern] = []
        while not self.at(closing):
            items.append(self.pattern())
            if not self.accept(","):
                break
        self.expect(closing, "after the patterns")
        return tuple(items)

    def _pattern_entries(self) -> tuple[PatternEntry, ...]:
        self.expect("{", "before the fields")
        entries: list[PatternEntry] = []
        while not self.at("}"):
            name = self.label("the name of a field")
            self.expect(":", "after the name of the field")
            pattern = self.pattern()
            entries.append(PatternEntry(name.text, pattern, span=self._since(name.start)))
            if not self.accept(","):
                break
        self.expect("}", "after the fields")
        return tuple(entries)

    def _named(self) -> Pattern:
        token = self.token
        if token.text in {"some", "none", "ok", "err"}:
            self.take()
            arguments = self._patterns("(", ")") if token.text != "none" and self.at("(") else ()
            return Constructor(token.text, arguments, span=self._since(token.start))
        if token.text in KEYWORDS:
            span = Span(token.start, token.end)
            self.fail(f"{token.text} is a keyword", span, Code.KEYWORD)
        self.take()
        if self.at("("):
            arguments = self._patterns("(", ")")
            return Constructor(token.text, arguments, span=self._since(token.start))
        if self.accept("@"):
            return Alias(token.text, self.pattern(), span=self._since(token.start))
        return Binding(token.text, span=self._since(token.start))

    def _literal(self) -> Expression:
        token = self.token
        if token.text in {"true", "false"}:
            return self.boolean()
        if token.kind == "number":
            return self.number()
        if token.text == '"':
            return self.string(interpolated=False)
        if token.text == "'":
            return self.character()
        if self.accept("-"):
            if self.token.kind != "number":
                self.unexpected("a number after `-`")
            return Unary("-", self.number(), span=self._since(token.start))
        return self.unexpected("a pattern")
