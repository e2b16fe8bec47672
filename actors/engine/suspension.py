"""Awaitables of blocking imports: stepped once in place, then handed to the task that waits.

Most "blocking" calls do not block (a write to a buffer, a poll of something ready). Stepping the
coroutine inside the host callback finds that out without a turn of the event loop.
"""

from collections.abc import Generator
from typing import Any, final

__all__ = ["Pending"]


@final
class Pending:
    """An awaitable that has been stepped once and has yielded. Await it in the same task."""

    __slots__ = ("_iterator", "_yielded")

    def __init__(self, yielded: Any, iterator: Any) -> None:
        self._yielded = yielded
        self._iterator = iterator

    def __await__(self) -> Generator[Any, Any, Any]:
        iterator, yielded = self._iterator, self._yielded
        while True:
            try:
                sent = yield yielded
            except BaseException as error:  # noqa: BLE001 - goes into the awaitable, as `yield from` does
                resume, value = iterator.throw, error
            else:
                resume, value = iterator.send, sent
            try:
                yielded = resume(value)
            except StopIteration as stop:
                return stop.value

    def close(self) -> None:
        """Abandon the awaitable, running its `finally` blocks."""
        close = getattr(self._iterator, "close", None)
        if close is not None:
            close()
