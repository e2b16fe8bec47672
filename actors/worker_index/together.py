"""Requests made at the same time, of which some may fail."""

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any

__all__ = ["together"]


async def together(works: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Wait for all of them, whether or not others fail; raise a group of what failed.

    No `TaskGroup`: before Python 3.13, one of which a task fails while it waits for the others
    leaves its parent marked as cancelled for good, and one that fails while its parent is cancelled
    tells of the failure alone. Whoever then goes on after a failure either never ends or ends at
    the first one.
    """
    outcomes = await asyncio.gather(*works, return_exceptions=True)
    failures = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
    if failures:
        raise ExceptionGroup("of requests made at the same time", failures)
