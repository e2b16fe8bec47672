"""The parser: from text to the tree of a program.

Written by hand, so that each error can say what would have been right at its place. Operators bind
as everywhere; from weak to strong: `||`, `&&`, comparison, range, `+ -`, `* / %`, unary, suffix.
"""

import re
from collections.abc import Callable
from typing import Final

from rib.diagnostics import Code, Diagnostic
from rib.errors import CompileError
from rib.lexer import KEYWORDS, NAME, Cursor
from rib.limits import DIAGNOSTICS_MAX, NODES_MAX, TREE_DEPTH_MAX
from rib.pattern_parser import PatternParser
from rib.scan import next_statement
from rib.syntax import (
    Arm,
    Binary,
    Block,
    Call,
    DirectCall,
    Entry,
    Err,
    Expression,
    FieldAccess,
    Flags,
    For,
    If,
    Index,
    Instance,
    Let,
    ListLiteral,
    Match,
    Method,
    Name,
    Nothing,
    Ok,
    Range,
    Record,
    Reduce,
    Some,
    Span,
    TupleLiteral,
    Typed,
    Unary,
    walk,
)

__all__ = ["Parser", "check_size", "parse"]

COMPARISONS: Final = ("==", "!=", "<", "<=", ">", ">=")
_COMPARISON_LEVEL: Final = 3
_RANGE_LEVEL: Final = 4
_LEVELS: Final = {
    "||": 1,
    "&&": 2,
    "..": _RANGE_LEVEL,
    "..=": _RANGE_LEVEL,
    **dict.fromkeys(COMPARISONS, _COMPARISON_LEVEL),
    "+": 5,
    "-": 5,
    "*": 6,
    "/": 6,
    "%": 6,
}
# What can begin the end of a range. A brace cannot: in `for i in 1.. {` it begins the body.
_RANGE_ENDS: Final = ("(", "[", '"', "'", "-", "!")

_PACKAGE: Final = rf"{NAME}(?::{NAME})+"
_VERSION: Final = r"(?:@[0-9A-Za-z.+-]+)?"
_PARAMETER: Final = re.compile(rf"\s*\[\s*({NAME}(?::{NAME})*(?:/{NAME})*{_VERSION})\s*\]\s*(?=\()")
_DIRECT: Final = re.compile(rf"({_PACKAGE}/{NAME}{_VERSION})\s*\.\s*\{{")
_RAW: Final = re.compile(rf"\[(?:constructor|method|static|drop)\]{NAME}(?:\.{NAME})?")


def parse(text: str, *, tolerant: bool = False) -> Block:
    """Return the program that a text says.

    Args:
        text: One or more expressions separated by `;`.
        tolerant: Allow a `;` at the end, as people at a prompt write it.

    Raises:
        CompileError: with the place and what was expected there.
    """
    parser = Parser(text)
    program = parser.program(tolerant=tolerant)
    check_size(parser, program)
    return program


def check_size(parser: Cursor, program: Block) -> None:
    """Refuse a program that later steps could not walk through.

    Raises:
        CompileError: it is too deep or too long, with the place.
    """
    for count, (node, _, depth) in enumerate(walk(program), 1):
        if depth > TREE_DEPTH_MAX:
            reason = f"nested more than {TREE_DEPTH_MAX} levels deep"
            parser.fail(reason, node.span, Code.TOO_LARGE, ("name inner parts by `let`",))
        if count > NODES_MAX:
            reason = f"the program has more than {NODES_MAX} expressions"
            parser.fail(reason, node.span, Code.TOO_LARGE)


class Parser(PatternParser):
    """Reads expressions; test files add statements."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._primaries: Final[dict[str, Callable[[], Expression]]] = {
            '"': self.string,
            "'": self.character,
            "(": self._parentheses,
            "[": self._list,
            "{": self._braces,
            "true": self.boolean,
            "false": self.boolean,
            "if": self._if,
            "match": self._match,
            "for": self._for,
            "reduce": self._reduce,
            "some": self._some,
            "none": self._none,
            "ok": self._result_side,
            "err": self._result_side,
            "let": self._misplaced_let,
            "instance": self._instance,
        }

    def program(self, *, tolerant: bool) -> Block:
        """Read everything."""
        if self.token.kind == "end":
            self.unexpected("an expression")
        statements: list[Expression] = []
        findings: list[Diagnostic] = []
        while True:
            start = self.token.start
            try:
                statements.append(self.statement())
                if not self._goes_on(tolerant=tolerant):
                    break
            except CompileError as error:
                findings += error.diagnostics
                is_full = len(findings) >= DIAGNOSTICS_MAX
                if is_full or not self._recover(start, error.diagnostics[0]):
                    break
        if findings:
            raise CompileError(tuple(findings))
        return Block(tuple(statements), span=Span(statements[0].span.start, self.last_end))

    def _goes_on(self, *, tolerant: bool) -> bool:
        """Take the `;` behind a statement; return whether another statement follows."""
        if not self.at(";"):
            if self.token.kind != "end":
                self.unexpected("an operator, `;` or the end of the text")
            return False
        semicolon = self.take()
        if self.token.kind != "end":
            return True
        if not tolerant:
            span = Span(semicolon.start, semicolon.end)
            reason = "unexpected `;` at the end of rib expression"
            helps = ("remove it: the last expression is the result",)
            self.fail(reason, span, Code.TRAILING_SEMICOLON, helps)
        return False

    def _recover(self, start: int, finding: Diagnostic) -> bool:
        """Go to the statement behind a wrong one; return whether there is one."""
        if finding.code in {Code.TOO_LARGE, Code.UNTERMINATED, Code.TRAILING_SEMICOLON}:
            return False
        following = next_statement(self.text, start, finding.start)
        if following is None:
            return False
        self.start_over()
        try:
            self.move(following)
        except CompileError:
            return False
        return self.token.kind != "end"

    def interpolated(self) -> Expression:
        """Read what stands between `${` and `}`."""
        start = self.token.start
        statements = self._statements()
        if len(statements) == 1:
            return statements[0]
        return Block(tuple(statements), span=self.to_here(start))

    def _statements(self) -> list[Expression]:
        statements = [self.statement()]
        while self.accept(";"):
            if self.at("}"):
                self.unexpected("an expression: there is no `;` after the last one")
            statements.append(self.statement())
        return statements

    def statement(self) -> Expression:
        """Read what stands between two `;`."""
        return self._let() if self.at("let") else self.expression()

    def to_here(self, start: int) -> Span:
        """Return the range from an offset to the end of what was taken last."""
        return Span(start, self.last_end)

    # Operators

    def expression(self) -> Expression:
        """Read a value."""
        self.enter()
        found = self._binary(1)
        self.leave()
        return found

    def _binary(self, least: int) -> Expression:
        left = self._unary()
        while True:
            operator = self.token
            level = _LEVELS.get(operator.text, 0) if operator.kind == "op" else 0
            if level < least:
                return left
            self.take()
            if level == _RANGE_LEVEL:
                left = self._range(left, operator.text)
                continue
            right = self._binary(level + 1)
            left = Binary(operator.text, left, right, span=self.to_here(left.span.start))
            if level == _COMPARISON_LEVEL and self.at(*COMPARISONS):
                span = Span(self.token.start, self.token.end)
                reason = "comparisons cannot be chained"
                self.fail(reason, span, helps=("combine them by `&&`: `a < b && b < c`",))

    def _range(self, first: Expression, operator: str) -> Expression:
        starts = self.token.kind in {"name", "number"} or self.at(*_RANGE_ENDS)
        if self.token.text in KEYWORDS and self.token.text not in self._primaries:
            starts = False
        inclusive = operator == "..="
        if inclusive and not starts:
            self.unexpected("the last element of the range")
        last = self._binary(_RANGE_LEVEL + 1) if starts else None
        return Range(first, last, inclusive, span=self.to_here(first.span.start))

    def _unary(self) -> Expression:
        if not self.at("!", "-"):
            return self._suffixed()
        self.enter()
        operator = self.take()
        if operator.text == "-" and self.token.kind == "number":
            # The sign belongs to the number: `-128: s8` is one literal.
            number = self.number()
            span = self.to_here(operator.start)
            self.leave()
            return self._suffixes(Unary("-", number, span=span))
        operand = self._unary()
        self.leave()
        return Unary(operator.text, operand, span=self.to_here(operator.start))

    # Suffixes

    def _suffixed(self) -> Expression:
        return self._suffixes(self._primary())

    def _suffixes(self, found: Expression) -> Expression:
        start = found.span.start
        while True:
            if self.at("."):
                found = self._member(found)
            elif self.at("["):
                self.take()
                index = self.expression()
                self.expect("]", "after the index")
                found = Index(found, index, span=self.to_here(start))
            elif self.at(":"):
                self.take()
                type_ = self.type()
                found = Typed(found, type_, span=self.to_here(start))
            else:
                return found

    def _member(self, target: Expression) -> Expression:
        self.take()
        name = self.label("the name of a field or method")
        parameter = self._type_parameter(name.end)
        start = target.span.start
        if parameter is None and not self.at("("):
            return FieldAccess(target, name.text, span=self.to_here(start))
        arguments = self._arguments()
        return Method(target, name.text, parameter, arguments, span=self.to_here(start))

    def _type_parameter(self, offset: int) -> str | None:
        found = _PARAMETER.match(self.text, offset)
        if found is None:
            return None
        self.move(found.end())
        return found[1]

    def _arguments(self) -> tuple[Expression, ...]:
        self.expect("(", "before the arguments")
        return self._items(")", "the arguments")

    def _items(self, closing: str, what: str) -> tuple[Expression, ...]:
        items: list[Expression] = []
        while not self.at(closing):
            items.append(self.expression())
            if not self.accept(","):
                break
        self.expect(closing, f"after {what}")
        return tuple(items)

    # Primaries

    def _primary(self) -> Expression:
        token = self.token
        if token.kind == "number":
            return self.number()
        rule = self._primaries.get(token.text)
        if rule is not None:
            return rule()
        if token.kind != "name":
            self.unexpected("an expression")
        if token.text in KEYWORDS:
            span = Span(token.start, token.end)
            self.fail(f"{token.text} is a keyword", span, Code.KEYWORD)
        direct = _DIRECT.match(self.text, token.start)
        if direct is not None:
            return self._direct_call(direct[1], direct.end())
        self.take()
        if self.at("("):
            arguments = self._arguments()
            return Call(token.text, arguments, span=self.to_here(token.start))
        return Name(token.text, span=self.to_here(token.start))

    def _direct_call(self, interface: str, offset: int) -> Expression:
        start = self.token.start
        raw = _RAW.match(self.text, offset)
        owner: tuple[Expression, ...] | None = None
        if raw is not None:
            function = raw[0]
            self.move(raw.end())
        else:
            self.move(offset)
            function = self.label("the name of a function").text
            if self.at("("):
                owner = self._arguments()
            if self.accept("."):
                function += "." + self.label("the name of a method").text
        self.expect("}", "after the name of the function")
        arguments = self._arguments()
        return DirectCall(interface, function, owner, arguments, span=self.to_here(start))

    def _parentheses(self) -> Expression:
        start = self.take().start
        first = self.expression()
        if self.accept(")"):
            return first
        if not self.at(","):
            self.unexpected("`)` or `,`")
        self.take()
        items = (first, *self._items(")", "the elements of the tuple"))
        return TupleLiteral(items, span=self.to_here(start))

    def _list(self) -> Expression:
        start = self.take().start
        return ListLiteral(self._items("]", "the elements"), span=self.to_here(start))

    def _braces(self) -> Expression:
        start = self.take().start
        if self.at('"'):
            self._refuse_quoted_key()
        if self.at("}"):
            self.unexpected("flags, a record or a block inside `{}`")
        token = self.token
        if token.kind == "name" and token.text not in KEYWORDS:
            self.take()
            if self.at(",", "}"):
                return self._flags(start, token.text)
            if self.at(":") and not self._is_typed_statement():
                self.move(token.start)
                return self._record(start)
            self.move(token.start)
        statements = self._statements()
        if len(statements) < 2 and self.at("}"):
            reason = "a block has at least two expressions"
            helps = ("write the expression without braces, or in parentheses",)
            self.fail(reason, Span(start, self.token.end), helps=helps)
        self.expect("}", "at the end of the block")
        return Block(tuple(statements), span=self.to_here(start))

    def _is_typed_statement(self) -> bool:
        """Return whether `{name: type` begins a block; leaves the cursor anywhere."""
        self.take()
        if self.at_type():
            self.type()
            return not self.at(",", "}")
        if self.token.kind != "name":
            return False
        # A type that a component declares looks like a value, but a record has no `;`.
        self.take()
        return self.at(";")

    def _refuse_quoted_key(self) -> None:
        """Report `{"key": value`; a block may begin with a string, typed or not."""
        start = self.token.start
        key = self.string()
        if self.accept(":") and not self.at_type():
            reason = "the keys of a record are unquoted"
            self.fail(reason, key.span, helps=("write `{name: value}`",))
        self.move(start)

    def _flags(self, start: int, first: str) -> Expression:
        labels = [first]
        while self.accept(","):
            if self.at("}"):
                break
            label = self.name("the name of a flag")
            if label.text in labels:
                self.fail(f"flag `{label.text}` stands twice", Span(label.start, label.end))
            labels.append(label.text)
        self.expect("}", "after the flags")
        return Flags(tuple(labels), span=self.to_here(start))

    def _record(self, start: int) -> Expression:
        entries: list[Entry] = []
        while not self.at("}"):
            if self.at('"'):
                span = Span(self.token.start, self.token.start + 1)
                self.fail("the keys of a record are unquoted", span)
            name = self.name("the name of a field")
            if any(entry.name == name.text for entry in entries):
                self.fail(f"field `{name.text}` stands twice", Span(name.start, name.end))
            self.expect(":", "after the name of the field")
            value = self.expression()
            entries.append(Entry(name.text, value, span=self.to_here(name.start)))
            if not self.accept(","):
                break
        self.expect("}", "after the fields")
        return Record(tuple(entries), span=self.to_here(start))

    def _some(self) -> Expression:
        start = self.take().start
        return Some(self._payload("some"), span=self.to_here(start))

    def _none(self) -> Expression:
        token = self.take()
        return Nothing(span=Span(token.start, token.end))

    def _result_side(self) -> Expression:
        token = self.take()
        value = self._payload(token.text) if self.at("(") else None
        span = self.to_here(token.start)
        return Ok(value, span=span) if token.text == "ok" else Err(value, span=span)

    def _payload(self, constructor: str) -> Expression:
        self.expect("(", f"after `{constructor}`")
        value = self.expression()
        self.expect(")", f"after the value of `{constructor}`")
        return value

    def _instance(self) -> Expression:
        token = self.token
        parameter = self._type_parameter(token.end)
        if parameter is None:
            self.take()
        arguments = self._arguments() if self.at("(") else None
        return Instance(parameter, arguments, span=self.to_here(token.start))

    # Control

    def _let(self) -> Expression:
        start = self.take().start
        name = self.name("the name of a variable")
        type_ = self.type() if self.accept(":") else None
        self.expect("=", "after the name of the variable")
        value = self.expression()
        return Let(name.text, type_, value, span=self.to_here(start))

    def _misplaced_let(self) -> Expression:
        span = Span(self.token.start, self.token.end)
        helps = ("put it before this expression, or both into a block: `{ let x = 1; x }`",)
        self.fail("a `let` is a statement, not a value", span, helps=helps)

    def _if(self) -> Expression:
        start = self.take().start
        condition = self.expression()
        self.expect("then", "after the condition")
        yes = self.expression()
        self.expect("else", "after the value for `then`: an `if` always has both")
        no = self.expression()
        return If(condition, yes, no, span=self.to_here(start))

    def _match(self) -> Expression:
        start = self.take().start
        subject = self.expression()
        self.expect("{", "after the value to match")
        arms: list[Arm] = []
        while not arms or not self.at("}"):
            pattern = self.pattern()
            self.expect("=>", "after the pattern")
            body = self.expression()
            arms.append(Arm(pattern, body, span=self.to_here(pattern.span.start)))
            if not self.accept(","):
                break
        self.expect("}", "or `,` after an arm")
        return Match(subject, tuple(arms), span=self.to_here(start))

    def _for(self) -> Expression:
        start = self.take().start
        name = self.name("the name of the element")
        self.expect("in", "after the name of the element")
        iterable = self.expression()
        statements, result = self._body("for")
        span = self.to_here(start)
        return For(name.text, iterable, tuple(statements), result, span=span)

    def _reduce(self) -> Expression:
        start = self.take().start
        accumulator = self.name("the name of the accumulator")
        self.expect(",", "after the name of the accumulator")
        name = self.name("the name of the element")
        self.expect("in", "after the name of the element")
        iterable = self.expression()
        self.expect("from", "and the initial value after what is reduced")
        initial = self.expression()
        statements, result = self._body("reduce")
        span = self.to_here(start)
        return Reduce(
            accumulator.text, name.text, iterable, initial, tuple(statements), result, span=span
        )

    def _body(self, construct: str) -> tuple[list[Expression], Expression]:
        self.expect("{", f"before the body of `{construct}`")
        statements: list[Expression] = []
        while not self.at("yield"):
            if self.at("}"):
                self.unexpected(f"`yield` and a value: each `{construct}` ends with one")
            statements.append(self.statement())
            self.expect(";", "after the statement")
        self.take()
        result = self.expression()
        self.accept(";")
        self.expect("}", "after the yielded value")
        return statements, result
