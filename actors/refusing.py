"""What stands in for the log of a guest that only reads: every question to it is a violation."""

from collections.abc import Callable
from typing import NoReturn, final

from msgspec import UNSET, Raw, UnsetType

from actors.errors import ReadOnlyError
from oplog.attempts import Cut
from oplog.entries import ExportedFunctionInvoked, Mark
from oplog.marks import describe_mark
from oplog.plan import NOTHING_SKIPPED

__all__ = ["Refusing"]


@final
class Refusing:
    """Has the questions of `oplog.replay.Cursor` that a journal asks, and refuses them.

    Output is handed to `tell(level, message, context)`: it is heard, but not recorded.
    """

    at_end = False
    plan = NOTHING_SKIPPED
    cut: Cut | None = None
    current: ExportedFunctionInvoked | None = None

    def __init__(self, index: int, consumed_ms: int, tell: Callable[[str, str, str], None]) -> None:
        self.index = index
        self.consumed_ms = consumed_ms
        self._tell = tell

    def answer(self, function: str, _request: Raw | UnsetType = UNSET) -> NoReturn:
        """Refuse a host call that is recorded."""
        raise ReadOnlyError(function)

    def mark(self, ours: Mark) -> NoReturn:
        """Refuse what belongs to the course of things."""
        raise ReadOnlyError(describe_mark(ours))

    def next_call(self) -> NoReturn:
        """Refuse to read the log as the guest's own."""
        raise ReadOnlyError("reading a persisted call")

    def require_end(self, got: str) -> NoReturn:
        """Refuse what no log holds."""
        raise ReadOnlyError(got)

    def drop_rest(self) -> None:
        """Nothing is left."""

    def already_logged(self, level: str, message: str, *, context: str = "") -> bool:
        """Pass output on, and say that it need not be recorded."""
        self._tell(level, message, context)
        return True
