"""How long a client lives: what waits when it is closed ends then, instead of for ever."""

import asyncio
from collections.abc import Callable
from typing import final

from shem.errors import RefusedError

__all__ = ["Lifetime", "closed_error"]


def closed_error(more: str = "connect another one", *, key: str | None = None) -> RefusedError:
    """Return what somebody is told who asks a closed client, or still waits for it."""
    return RefusedError(f"the client is closed; {more}", kind="client-closed", key=key)


@final
class Lifetime:
    """Known to all parts of a client."""

    def __init__(self) -> None:
        self.is_over = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: set[Callable[[], None]] = set()

    def begin(self) -> None:
        """The client belongs to the event loop that runs now."""
        self._loop = asyncio.get_running_loop()

    def check(self, *, key: str | None = None) -> None:
        """Go on while the client is open, where it was opened.

        Raises:
            RefusedError: it is closed, or another event loop's.
        """
        if self.is_over:
            raise closed_error(key=key)
        self.check_loop(key=key)

    def check_loop(self, *, key: str | None = None) -> None:
        """Go on where the client was opened.

        In another event loop a message would leave, and its answer be heard by nobody.

        Raises:
            RefusedError: it is another event loop's.
        """
        if self._loop is not None and self._loop is not asyncio.get_running_loop():
            text = (
                "the client belongs to the event loop in which it was connected; connect another "
                "one here, or use `asyncio.run_coroutine_threadsafe`. Nothing was sent"
            )
            raise RefusedError(text, kind="other-event-loop", key=key)

    def at_end(self, call: Callable[[], None]) -> Callable[[], None]:
        """Have something called when the client is closed; return what takes that back."""
        self._waiting.add(call)
        return lambda: self._waiting.discard(call)

    def end(self) -> None:
        """The client is closed."""
        self.is_over = True
        waiting, self._waiting = self._waiting, set()
        for call in waiting:
            call()
