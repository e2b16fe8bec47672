"""Errors of the wit package.

WitError                     everything below; terminal: the same input fails again
├── ParseError               text that is no WIT, WAVE or function name: has line, column, hint
├── BinaryError              bytes that are no component: has the offset
├── ValueMismatchError       a value that does not fit its type: has the path to the place
└── UnknownFunctionError     a function name that no export answers to: has the candidates
"""

__all__ = ["BinaryError", "ParseError", "UnknownFunctionError", "ValueMismatchError", "WitError"]


class WitError(ValueError):
    """Bad input to the wit package. Never worth a retry."""


class ParseError(WitError):
    """Text that does not parse. `line` and `column` count from 1.

    `reason` is the message without place and excerpt; `file` is empty for text without a name.
    """

    def __init__(
        self, message: str, *, line: int = 1, column: int = 1, reason: str = "", file: str = ""
    ) -> None:
        super().__init__(message)
        self.line = line
        self.column = column
        self.reason = reason or message
        self.file = file


class BinaryError(WitError):
    """Bytes that are no valid component. `offset` counts from the start of the file."""

    def __init__(self, message: str, *, offset: int) -> None:
        super().__init__(f"{message} (at byte {offset:#x})")
        self.reason = message
        self.offset = offset

    def moved(self, start: int) -> "BinaryError":
        """Return the error for bytes that begin at `start` of a larger file."""
        return BinaryError(self.reason, offset=self.offset + start)


class ValueMismatchError(WitError):
    """A value that does not fit its type. `path` names the place, like `items[2].price`."""

    def __init__(self, message: str, *, path: str) -> None:
        super().__init__(f"{path}: {message}" if path else message)
        self.path = path


class UnknownFunctionError(WitError):
    """No export answers to the name, or several do. `candidates` are the possible full names."""

    def __init__(self, message: str, *, candidates: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.candidates = candidates
