"""Reads that are answered, until their messages are deleted from the mailbox.

Outlives the lives of a worker, which would answer them again. The message that anchors the worker
stays: with it, nothing would bring the worker back after a crash.
"""

from collections.abc import Callable, Coroutine
from typing import Any, final

import structlog

from broker.errors import BrokerError
from broker.ports import Journal

__all__ = ["AnsweredReads"]

log = structlog.get_logger(__name__)


@final
class AnsweredReads:
    """Those of one worker in memory, by stream sequence."""

    def __init__(
        self,
        journal: Journal,
        mailbox: str,
        *,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
        is_anchor: Callable[[int], bool],
    ) -> None:
        self._journal = journal
        self._mailbox = mailbox
        self._spawn = spawn
        self._is_anchor = is_anchor
        self._known: set[int] = set()
        self._leaving: set[int] = set()

    def __contains__(self, sequence: int) -> bool:
        return sequence in self._known

    def add(self, sequence: int) -> None:
        """Its answer has left."""
        self._known.add(sequence)

    def sweep(self) -> None:
        """Delete what can be deleted now."""
        for sequence in self._known - self._leaving:
            if not self._is_anchor(sequence):
                self._leaving.add(sequence)
                self._spawn(self._delete(sequence))

    async def _delete(self, sequence: int) -> None:
        try:
            await self._journal.remove(self._mailbox, sequence)
            self._known.discard(sequence)
        except BrokerError as error:
            log.info("a read stays in the mailbox", error=str(error))
        finally:
            self._leaving.discard(sequence)
