"""When a worker's delivery may be acknowledged: it has nothing to do, or waits for answers alone.

An answer is a delivery itself and brings its worker back. But one from a worker of this process is
recorded in a moment and need not become a message at all, if the delivery that the caller has is
kept so long. So a worker that waits is patient before it settles.
"""

import asyncio
from collections.abc import Callable
from typing import final

from actors.ledger import Ledger
from actors.limits import BLOCKED_SETTLE_S

__all__ = ["Settling"]


@final
class Settling:
    """The delivery of one worker. What is asked is told by the callbacks."""

    def __init__(
        self,
        ledger: Ledger,
        settle: Callable[[], None],
        *,
        has_nothing_to_do: Callable[[], bool],
        is_blocked: Callable[[], bool],
    ) -> None:
        self._ledger = ledger
        self._settle = settle
        self._has_nothing_to_do = has_nothing_to_do
        self._is_blocked = is_blocked
        self._timer: asyncio.TimerHandle | None = None

    def look(self) -> None:
        """Settle if the worker has nothing to do, or soon if it is blocked."""
        if self._ledger.is_quiet:
            self.became_quiet()

    def became_quiet(self) -> None:
        """Do the same: everything that was recorded is committed, and what it causes has left."""
        if self._has_nothing_to_do():
            self._settle()
        elif self._timer is None and self._is_blocked():
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(BLOCKED_SETTLE_S, self._look_again)

    def close(self) -> None:
        """Settle no more by itself."""
        if self._timer is not None:
            self._timer.cancel()

    def _look_again(self) -> None:
        self._timer = None
        if self._is_blocked() and self._ledger.is_quiet:
            self._settle()
