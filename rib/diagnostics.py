"""What is wrong with a program: stable codes, places, causes, and the text that shows them."""

from enum import Enum
from typing import Final, Literal

from msgspec import Struct

from rib.limits import SHOWN_CHARACTERS_MAX
from rib.syntax import Span

__all__ = ["PARSE_CODES", "Code", "Diagnostic", "diagnostic", "snippet"]


class Code(Enum):
    """The stable name of a kind of error. `docs/guide/rib.md` explains each."""

    SYNTAX = "RIB0101"
    KEYWORD = "RIB0102"
    TRAILING_SEMICOLON = "RIB0103"
    ESCAPE = "RIB0104"
    UNTERMINATED = "RIB0105"
    TOO_LARGE = "RIB0106"
    UNDETERMINED = "RIB0201"
    MISMATCH = "RIB0202"
    AMBIGUOUS = "RIB0203"
    NUMBER_RANGE = "RIB0204"
    MISSING_FIELDS = "RIB0205"
    UNKNOWN_FIELD = "RIB0206"
    UNKNOWN_TYPE = "RIB0207"
    INVALID_CALL = "RIB0301"
    FUNCTION_NOT_FOUND = "RIB0302"
    AMBIGUOUS_FUNCTION = "RIB0303"
    INVALID_METHOD = "RIB0304"
    ARGUMENT_COUNT = "RIB0305"
    RESERVED = "RIB0306"
    RETURNS_INSTANCE = "RIB0307"
    RETURNS_RESOURCE = "RIB0308"
    UNKNOWN_NAME = "RIB0309"
    NON_EXHAUSTIVE = "RIB0401"
    DEAD_CODE = "RIB0402"
    PATTERN = "RIB0403"
    REDUNDANT_ARM = "RIB0404"
    INPUT_MISSING = "RIB0501"
    INDEX = "RIB0502"
    INFINITE = "RIB0503"
    ARITHMETIC = "RIB0504"
    CAST = "RIB0505"
    CALL_FAILED = "RIB0506"
    LIMIT = "RIB0507"
    INPUT_INVALID = "RIB0508"
    ASSERTION = "RIB0509"


# Findings about the text alone, whatever components there are.
PARSE_CODES: Final = frozenset(
    {
        *(Code.SYNTAX, Code.KEYWORD, Code.TRAILING_SEMICOLON, Code.ESCAPE),
        *(Code.UNTERMINATED, Code.TOO_LARGE),
    }
)


class Diagnostic(Struct, frozen=True):
    """One finding. Offsets count characters from 0, line and column from 1."""

    code: Code
    cause: str
    start: int
    end: int
    line: int
    column: int
    expression: str
    parent: str = ""
    details: tuple[str, ...] = ()
    help: tuple[str, ...] = ()
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        """Return the text for people, several lines, without a newline at the end."""
        kind = "error in" if self.severity == "error" else "warning for"
        lines = [f"{kind} the following rib found at line {self.line}, column {self.column}"]
        lines.append(f"`{self.expression}`")
        if self.parent:
            lines += ["found within:", f"`{self.parent}`"]
        lines.append(f"cause: {self.cause}")
        lines += self.details
        lines += [f"help: {line}" for line in self.help]
        return "\n".join(lines)


def diagnostic(
    text: str,
    span: Span,
    code: Code,
    cause: str,
    *,
    parent: Span | None = None,
    details: tuple[str, ...] = (),
    help: tuple[str, ...] = (),  # noqa: A002 - the word of the error format
    severity: Literal["error", "warning"] = "error",
) -> Diagnostic:
    """Return the finding for a range of a text."""
    line_start = text.rfind("\n", 0, span.start) + 1
    return Diagnostic(
        code=code,
        cause=cause,
        start=span.start,
        end=span.end,
        line=text.count("\n", 0, span.start) + 1,
        column=span.start - line_start + 1,
        expression=snippet(text, span),
        parent="" if parent is None else snippet(text, parent),
        details=details,
        help=help,
        severity=severity,
    )


def snippet(text: str, span: Span) -> str:
    """Return the text of a range, cut in its middle where it is long."""
    found = text[span.start : span.end].strip()
    if len(found) <= SHOWN_CHARACTERS_MAX:
        return found
    half = SHOWN_CHARACTERS_MAX // 2
    return f"{found[:half]} … {found[-half:]}"
