"""Places in text: line and column of an offset, and the line itself with a caret below."""

from wit.errors import ParseError

__all__ = ["excerpt", "parse_error", "place"]

# Wider lines are cut around the caret.
_WIDTH_MAX = 96


def place(text: str, offset: int) -> tuple[int, int]:
    """Return line and column of an offset, both counted from 1, columns in characters."""
    line_start = text.rfind("\n", 0, offset) + 1
    return text.count("\n", 0, offset) + 1, offset - line_start + 1


def excerpt(text: str, offset: int, length: int = 1) -> str:
    """Return the line of an offset with carets under `length` characters of it."""
    line_number, column = place(text, offset)
    line_start = offset - column + 1
    line_end = text.find("\n", offset)
    line = text[line_start : line_end if line_end >= 0 else len(text)].rstrip("\r")
    cut = max(0, column - 1 - _WIDTH_MAX // 2) if len(line) > _WIDTH_MAX else 0
    seen = line[cut : cut + _WIDTH_MAX]
    before = seen[: column - 1 - cut]
    # Tabs are kept, so that the caret stands below its character at any tab width.
    indent = "".join("\t" if character == "\t" else " " for character in before)
    carets = "^" * max(1, min(length, len(seen) - len(before)))
    margin = " " * len(str(line_number))
    return f"  {line_number} | {seen}\n  {margin} | {indent}{carets}"


def parse_error(
    reason: str, text: str, offset: int, *, length: int = 1, file: str = ""
) -> ParseError:
    """Return the error that shows the place: `file:line:column: reason` and the excerpt."""
    line, column = place(text, offset)
    prefix = f"{file}:" if file else ""
    message = f"{prefix}{line}:{column}: {reason}\n{excerpt(text, offset, length)}"
    return ParseError(message, line=line, column=column, reason=reason, file=file)
