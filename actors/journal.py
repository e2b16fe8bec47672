"""The worker's journal as host calls see it: the replay cursor until it ends, then the writer."""

from collections.abc import Mapping
from typing import final

from msgspec import UNSET, Raw, UnsetType

from actors.ledger import Ledger
from actors.limits import UNCOMMITTED_ENTRIES_MAX
from oplog import payloads
from oplog.entries import Asks, Log
from oplog.replay import Cursor

__all__ = ["WorkerJournal"]


@final
class WorkerJournal:
    """Answers from the log while it lasts; the first call beyond it makes the worker live."""

    def __init__(
        self,
        replay: Cursor,
        ledger: Ledger,
        references: Mapping[bytes, Raw],
    ) -> None:
        self._replay = replay
        self._ledger = ledger
        self._writer = ledger.writer
        self._clock = ledger.clock
        self._references = references
        self._live = False

    @property
    def recorded_ms(self) -> int:
        """Time stamp of the newest consumed or recorded entry, in milliseconds of Unix time."""
        return self._ledger.recorded_ms or self._replay.consumed_ms

    def answer(self, function: str, request: Raw | UnsetType) -> Raw | None:
        """Return the recorded answer, None when live."""
        if self._live:
            return None
        recorded = self._replay.answer(function, request)
        if recorded is None:
            self._live = True
        elif payloads.is_reference(recorded):
            return self._references[bytes(recorded)]
        return recorded

    def record(self, function: str, kind: str, request: Raw | UnsetType, response: Raw) -> None:
        """Record the answer of a call that has just run."""
        self._ledger.called(function, kind, request, response)

    @property
    def answered_index(self) -> int:
        """The index of the entry that `answer` returned last."""
        return self._replay.index

    def ask(
        self, function: str, kind: str, request: Raw | UnsetType, response: Raw, asks: Asks | None
    ) -> int:
        """Record a call that asks something of the world; return its index."""
        return self._ledger.called(function, kind, request, response, asks=asks)

    def settle(self, function: str, kind: str, response: Raw, index: int) -> None:
        """Record the answer to entry `index` as observed."""
        self._ledger.called(function, kind, UNSET, response, settles=index)

    async def committed(self) -> None:
        """Return when everything recorded so far is committed."""
        await self._writer.flush()

    async def throttle(self) -> None:
        """Wait while far more is recorded than committed."""
        writer = self._writer
        if writer.last_index - writer.committed_index > UNCOMMITTED_ENTRIES_MAX:
            await writer.wait_committed(writer.last_index - UNCOMMITTED_ENTRIES_MAX // 2)

    def output(self, level: str, message: str, *, context: str = "") -> None:
        """Record what the guest prints, unless the log shows that it was printed before."""
        if not self._live and self._replay.already_logged(level, message, context=context):
            return
        self._writer.add(
            Log(at_ms=self._clock.stamp_ms(), level=level, message=message, context=context)
        )
