"""Errors of the rib package.

RibError                 everything below; terminal: the same program and input fail again
├── CompileError         a program that is none; has every finding
├── RunError             a program that failed while it ran; has the code and the place
└── ProgramFormatError   stored code that this version cannot read: compile the text again
CallError                raised by a port when a worker call failed; the port decides on retries
"""

from rib.diagnostics import Code, Diagnostic

__all__ = ["CallError", "CompileError", "ProgramFormatError", "RibError", "RunError"]


class RibError(Exception):
    """A program or its input is wrong. Never worth a retry."""


class CompileError(RibError):
    """A text is no program. `diagnostics` are all independent findings, in order of the text."""

    def __init__(self, diagnostics: tuple[Diagnostic, ...]) -> None:
        super().__init__("\n\n".join(map(str, diagnostics)))
        self.diagnostics = diagnostics


class RunError(RibError):
    """A program failed at run time. `diagnostic` says where; `code` is its stable name."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        super().__init__(
            f"{diagnostic.cause} (line {diagnostic.line}, column {diagnostic.column}:"
            f" `{diagnostic.expression}`)"
        )
        self.diagnostic = diagnostic
        self.code: Code = diagnostic.code


class ProgramFormatError(RibError):
    """Stored code has another version or another shape. Compiling its text again helps."""


class CallError(Exception):
    """A worker call failed, as a port reports it. The port has done the retries already."""
