"""Test files: Rib with `test` blocks and assertions.

    component counter from "counter.wasm";

    let worker = instance("alice");

    test "it adds" {
      assert worker.add(2) == 2;
      assert fails worker.fail() with "asked to fail";
    }

What stands outside of tests is run at the beginning of each test, in the order of the file.
"""

from collections.abc import Mapping
from typing import Final, final

from msgspec import Struct

from rib.catalog import Catalog
from rib.diagnostics import Code, diagnostic
from rib.emit import emit
from rib.errors import CompileError
from rib.globals import Globals
from rib.lexer import Token
from rib.parser import Parser, check_size
from rib.program import Program
from rib.syntax import Assert, Block, Expression, Span, String
from rib.typecheck import infer_types
from wit.world import World

__all__ = ["Requirement", "Test", "TestFile", "compile_test", "parse_test_at", "parse_tests"]

TESTS_MAX: Final = 1_000
_NOTHING: Final = Globals(roots=frozenset())


class Requirement(Struct, frozen=True):
    """A component that the tests of a file call: its name, and its file beside the test file."""

    name: str
    file: str
    is_ephemeral: bool
    span: Span


class Test(Struct, frozen=True, eq=False):
    """One test, with what stands before it outside of tests."""

    # Pytest would take the class for one of its own.
    __test__ = False

    name: str
    line: int
    program: Block


class TestFile(Struct, frozen=True, eq=False):
    """A parsed test file."""

    __test__ = False

    text: str
    requirements: tuple[Requirement, ...]
    tests: tuple[Test, ...]


def parse_tests(text: str) -> TestFile:
    """Return the tests of a file.

    Raises:
        CompileError: with the place and what was expected there.
    """
    return _TestParser(text).file()


def compile_test(file: TestFile, test: Test, components: Mapping[str, World]) -> Program:
    """Return a test ready to run; its places are those of the file.

    Raises:
        CompileError: all independent errors at once.
    """
    inference = infer_types(file.text, test.program, Catalog(components), _NOTHING)
    if inference.diagnostics:
        found = sorted(inference.diagnostics, key=lambda each: (each.start, each.end))
        raise CompileError(tuple(found))
    return Program(emit(inference, test.program))


def parse_test_at(text: str, offset: int) -> Block:
    """Return the program of the test that an offset lies in: for editors.

    Raises:
        CompileError: the file does not parse, or the offset is in none of its tests.
    """
    file = parse_tests(text)
    for test in file.tests:
        if test.program.span.start <= offset <= test.program.span.end:
            return test.program
    reason = "here is no test"
    raise CompileError((diagnostic(text, Span(0, 0), Code.SYNTAX, reason),))


@final
class _TestParser(Parser):
    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._before: list[Expression] = []
        self._requirements: list[Requirement] = []
        self._tests: list[Test] = []

    def file(self) -> TestFile:
        """Read everything."""
        while self.token.kind != "end":
            following = self._following()
            if self.at("test") and following.kind == "op" and following.text == '"':
                self._test()
            elif self.at("component") and following.kind == "name":
                self._requirement()
            else:
                self._before.append(self.statement())
                self.expect(";", "after a statement outside of tests")
        return TestFile(self.text, tuple(self._requirements), tuple(self._tests))

    def statement(self) -> Expression:
        following = self._following()
        is_assertion = self.at("assert") and (
            following.kind in {"name", "number"} or following.text in _BEGINNINGS
        )
        return self._assert() if is_assertion else super().statement()

    def _following(self) -> Token:
        """Return the token after this one, without going there."""
        if self.token.kind == "end":
            return self.token
        return self.peek()

    def _assert(self) -> Expression:
        start = self.take().start
        fails = self.at("fails") and self._following().text not in _ENDINGS
        if fails:
            self.take()
        subject = self.expression()
        text = self.expression() if fails and self.accept("with") else None
        return Assert(subject, fails, text, span=self.to_here(start))

    def _test(self) -> None:
        start = self.take().start
        name = self._plain_string("the name of a test")
        self.expect("{", "after the name of the test")
        statements: list[Expression] = []
        while not self.at("}"):
            statements.append(self.statement())
            if not self.accept(";"):
                break
        self.expect("}", "or `;` after a statement")
        span = self.to_here(start)
        if not statements:
            self.fail("a test needs at least one statement", span)
        if any(test.name == name for test in self._tests):
            self.fail(f"there are two tests {name!r}", span)
        if len(self._tests) == TESTS_MAX:
            self.fail(f"a file of more than {TESTS_MAX} tests", span, Code.TOO_LARGE)
        program = Block((*self._before, *statements), span=span)
        check_size(self, program)
        self._tests.append(Test(name, self.text.count("\n", 0, start) + 1, program))

    def _requirement(self) -> None:
        start = self.take().start
        name = self.name("the name of a component").text
        self.expect("from", "and the file of the component")
        file = self._plain_string("the file of the component")
        is_ephemeral = self.accept("ephemeral")
        self.expect(";", "after the component")
        self._requirements.append(Requirement(name, file, is_ephemeral, self.to_here(start)))

    def _plain_string(self, what: str) -> str:
        if not self.at('"'):
            self.unexpected(f"{what} in quotes")
        found: String = self.string(interpolated=False)
        return "".join(part for part in found.parts if isinstance(part, str))


# What may follow `assert` if it is the assertion and not a variable of that name.
_BEGINNINGS: Final = frozenset({"(", "[", "{", '"', "'", "!", "-"})
# What may follow a variable called `fails`.
_ENDINGS: Final = frozenset({";", "}", ".", "==", "!=", "&&", "||", "<", ">", "<=", ">="})
