"""The connection between one client and the in-memory broker, up or down."""

import asyncio
from typing import final

from broker.errors import OutcomeUnknownError, UnavailableError

__all__ = ["Link"]


@final
class Link:
    """Whether requests get through. Every crossing takes one turn of the event loop."""

    def __init__(self) -> None:
        self._up = asyncio.Event()
        self._up.set()
        self._closed = False

    @property
    def is_up(self) -> bool:
        """Whether the connection stands."""
        return self._up.is_set() and not self._closed

    def cut(self) -> None:
        """Go down."""
        self._up.clear()

    def restore(self) -> None:
        """Come back."""
        self._up.set()

    def close(self) -> None:
        """Go down for ever and wake whoever waits for the connection."""
        self._closed = True
        self._up.set()

    async def turn(self) -> None:
        """Cross the connection once.

        Raises:
            UnavailableError: it is down.
        """
        await asyncio.sleep(0)
        if not self.is_up:
            raise UnavailableError("the in-memory broker is disconnected")

    async def wait_until_up(self) -> None:
        """Wait for the connection.

        Raises:
            OutcomeUnknownError: it was closed for good.
        """
        await asyncio.sleep(0)
        await self._up.wait()
        if self._closed:
            raise OutcomeUnknownError("the connection was closed while an append was under way")
