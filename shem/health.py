"""Whether a process lives and whether it is ready, told by its event loop to other threads."""

import asyncio
import time
from typing import Final, final

__all__ = ["Health"]

BEAT_S: Final = 0.5
STUCK_AFTER_S: Final = 15.0


@final
class Health:
    """Whether the event loop turns and whether the process does its work. Thread-safe."""

    def __init__(self) -> None:
        self._beaten_at = time.monotonic()
        self._ready = False

    def ready(self) -> None:
        """It does its work from now on."""
        self._ready = True

    def leaving(self) -> None:
        """It takes nothing new any more."""
        self._ready = False

    @property
    def is_ready(self) -> bool:
        """Whether it does its work."""
        return self._ready and self.is_alive

    @property
    def is_alive(self) -> bool:
        """Whether the loop has turned lately."""
        return time.monotonic() - self._beaten_at < STUCK_AFTER_S

    async def beat(self) -> None:
        """Tell for ever that the loop turns; run it as a task."""
        while True:
            self._beaten_at = time.monotonic()
            await asyncio.sleep(BEAT_S)
