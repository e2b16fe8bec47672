"""Requests that leave right behind the commit that causes them, before it is acknowledged.

A request may only be stored if its commit is. The broker sees to that: it takes the request on
condition that the newest message of the stream is that commit. Where nothing comes between, which
is the rule on a broker that is not busy, a round trip to the broker is saved; where something does,
the request is sent after the commit as ever. On a busy broker nearly every attempt would be in
vain, so that each one that fails has more of the next ones left out.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final, final

from actors.requests import Sending
from broker.ports import Journal
from oplog.entries import Entry, ImportedFunctionInvoked, RemoteCall

__all__ = ["Followers", "Pace", "only_call"]

SKIPPED_MAX: Final = 64


@final
class Pace:
    """Whether it is worth trying, for all workers of one executor."""

    def __init__(self) -> None:
        self._skips = 0
        self._penalty = 0

    def may(self) -> bool:
        """Whether to try now. Each question counts."""
        if self._skips:
            self._skips -= 1
            return False
        return True

    def told(self, *, stored: bool) -> None:
        """Learn what came of an attempt."""
        self._penalty = 0 if stored else min(2 * self._penalty + 1, SKIPPED_MAX)
        self._skips = self._penalty


@final
class Followers:
    """The requests of one worker that have left behind a commit under way."""

    def __init__(
        self, journal: Journal, pace: Pace, *, spawn: Callable[[Coroutine[Any, Any, None]], object]
    ) -> None:
        self._journal = journal
        self._pace = pace
        self._spawn = spawn
        self._sent: dict[int, asyncio.Future[bool]] = {}

    def may(self) -> bool:
        """Whether to send one now."""
        return self._pace.may()

    def send(self, index: int, message: Sending, *, behind: str) -> None:
        """Send what entry `index` causes, behind the commit with the id `behind`.

        That commit has to be written to the connection before the event loop's next turn.
        """
        stored: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._sent[index] = stored
        self._spawn(self._follow(message, behind, stored))

    async def has_stored(self, index: int | None) -> bool:
        """Wait for the one that entry `index` caused, if there is one; say whether it is stored."""
        stored = None if index is None else self._sent.pop(index, None)
        return stored is not None and await stored

    async def _follow(self, message: Sending, behind: str, stored: asyncio.Future[bool]) -> None:
        found = await self._journal.follow(
            message.subject,
            message.data,
            behind=behind,
            message_id=message.message_id,
            headers=message.headers,
        )
        self._pace.told(stored=found)
        if not stored.done():
            stored.set_result(found)


def only_call(
    first: int, entries: Sequence[Entry]
) -> tuple[int, ImportedFunctionInvoked, RemoteCall] | None:
    """Return the call in a commit, with its index, if there is one alone that is due now."""
    found = None
    for index, entry in enumerate(entries, first):
        # Asked of every commit; most hold none.
        if type(entry) is not ImportedFunctionInvoked:
            continue
        call = entry.asks
        if isinstance(call, RemoteCall) and call.run_at_ms is None:
            if found is not None:
                # The second could not follow the commit, since the first one does.
                return None
            found = index, entry, call
    return found
