"""Waiting between attempts."""

import asyncio
import random
from typing import final

from broker.jetstream.limits import BACKOFF_MAX_S, BACKOFF_MIN_S

__all__ = ["Backoff", "Patience"]


@final
class Backoff:
    """Doubles from one attempt to the next, with jitter so that many waiters spread out."""

    def __init__(self, *, first_s: float = BACKOFF_MIN_S, max_s: float = BACKOFF_MAX_S) -> None:
        self.attempts = 0
        self._delay_s = first_s
        self._max_s = max_s

    async def wait(self) -> None:
        """Sleep before the next attempt."""
        self.attempts += 1
        # Jitter is no secret.
        delay_s = self._delay_s * random.uniform(0.7, 1.3)  # noqa: S311  # not for cryptography
        self._delay_s = min(self._delay_s * 2, self._max_s)
        await asyncio.sleep(delay_s)


@final
class Patience:
    """A backoff that ends: for what is asked again until a time is over."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.renew()

    def renew(self) -> None:
        """Begin anew, since there was progress."""
        self._backoff = Backoff()
        self._end = asyncio.get_running_loop().time() + self._seconds

    async def wait(self, error: Exception) -> None:
        """Sleep before the next attempt; raises `error`, the last one's, when the time is over."""
        if asyncio.get_running_loop().time() >= self._end:
            raise error
        await self._backoff.wait()
