"""What a guest wrote to stderr last, where languages say why they trap or exit."""

from types import TracebackType
from typing import Final, final

from actors.engine.errors import GuestTrap
from actors.host.context import ExitRequest

__all__ = ["LAST_WORDS_BYTES_MAX", "LastWords"]

# A stack of JavaScript is some 4 KiB, with the reason in front.
LAST_WORDS_BYTES_MAX: Final = 8192


@final
class LastWords:
    """The end of what is written to stderr within a `with`, which a trap or an exit takes along."""

    def __init__(self) -> None:
        self._end = b""
        self._is_cut = False

    def __enter__(self) -> None:
        """Begin anew, as an invocation does."""
        if self._end:
            self._end, self._is_cut = b"", False

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Tell a trap, or the end of its process."""
        if isinstance(error, GuestTrap | ExitRequest):
            error.last_words = self.text

    def hear(self, data: bytes) -> None:
        """Take in what is written."""
        end = self._end + data
        if len(end) > LAST_WORDS_BYTES_MAX:
            end = end[-LAST_WORDS_BYTES_MAX:]
            self._is_cut = True
        self._end = end

    @property
    def text(self) -> str:
        """Whole lines, the last 8 KiB of them; bytes that are no UTF-8 show as U+FFFD."""
        end = self._end
        if self._is_cut:
            _, line_break, rest = end.partition(b"\n")
            end = b"...\n" + (rest if line_break else end)
        return end.decode(errors="replace").strip()
