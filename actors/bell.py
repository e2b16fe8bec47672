"""A bell for one task: rung by anybody, heard by whoever waits for it next.

An `asyncio.Event` serves any number of tasks and looks up its loop for each of them; a worker waits
once per invocation, alone.
"""

import asyncio
from typing import final

__all__ = ["Bell"]


@final
class Bell:
    """Create it inside a running event loop."""

    __slots__ = ("_loop", "_rung", "_waiter")

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._rung = False
        self._waiter: asyncio.Future[None] | None = None

    def ring(self) -> None:
        """End the wait, or the next one."""
        self._rung = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def wait(self) -> None:
        """Return once it has been rung since the last wait; a cancelled wait hears nothing."""
        assert self._waiter is None, "one task waits for a bell"
        if not self._rung:
            self._waiter = self._loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        self._rung = False
