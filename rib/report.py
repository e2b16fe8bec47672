"""Findings as people read them at a terminal: code, place, and the line with a mark."""

from collections.abc import Iterable

from rib.diagnostics import Diagnostic
from wit.excerpt import excerpt

__all__ = ["report"]


def report(findings: Iterable[Diagnostic], text: str, *, file: str = "") -> str:
    """Return findings of a program with excerpts of its text, without a newline at the end.

    Args:
        findings: What was found, errors and warnings.
        text: The program.
        file: The name to show before line and column.
    """
    return "\n".join(_one(each, text, file) for each in findings)


def _one(finding: Diagnostic, text: str, file: str) -> str:
    line, column = finding.line, finding.column
    place = f"{file}:{line}:{column}" if file else f"line {line}, column {column}"
    lines = [f"{finding.severity}[{finding.code.value}] {place}: {finding.cause}"]
    lines.append(excerpt(text, finding.start, finding.end - finding.start))
    lines += [f"  note: {each}" for each in finding.details]
    lines += [f"  help: {each}" for each in finding.help]
    return "\n".join(lines)
