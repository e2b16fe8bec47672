"""The high-water marks of the partitions of one executor: raised, and compared with the stream.

    commit, delivery ─▶ memory ─▶ once a second ─▶ bucket
                          │
    partition acquired, connection made anew, append fenced off ─▶ compare before anything is loaded

While this process lives it knows exactly what was acknowledged; a successor knows what was written
down, which lacks the last second at most.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Final, Protocol, final

import structlog

from broker.errors import BrokerError, UnavailableError
from broker.ports import Broker
from oplog.high_water import (
    Loss,
    Mark,
    find_loss,
    note_loss,
    raise_marks,
    read_high_water,
    read_losses,
)

__all__ = ["HighWater"]

WRITE_S: Final = 1.0
FINISH_S: Final = 2.0
# A loss is one that is still there a while later.
LOOKS: Final = 4
LOOK_AGAIN_S: Final = 1.0

log = structlog.get_logger(__name__)


class Held(Protocol):
    """A partition that is ours."""

    @property
    def number(self) -> int:
        """Which one."""
        ...

    @property
    def seen(self) -> int:
        """The newest sequence that was delivered."""
        ...


@final
class HighWater:
    """What this process knows of how far its partitions have come."""

    def __init__(self, broker: Broker, *, wall_ms: Callable[[], int]) -> None:
        self._broker = broker
        self._wall_ms = wall_ms
        self.on_loss: Callable[[int], None] = lambda _: None
        """Give a partition up, of which acknowledged work is gone."""
        # A commit costs a place in a dictionary: no struct is made before it is written.
        self._commits: dict[int, tuple[int, str, int, str]] = {}
        self._held: dict[int, Held] = {}
        self._written: dict[int, Mark] = {}
        # Of partitions that were ours a moment ago.
        self._left: dict[int, Mark] = {}
        self._doubts: set[int] = set()
        self._looking = asyncio.Lock()

    def committed(
        self, partition: int, sequence: int, subject: str, index: int, hash_: str
    ) -> None:
        """A commit is stored."""
        known = self._commits.get(partition)
        if known is None or known[0] < sequence:
            self._commits[partition] = sequence, subject, index, hash_

    def acquired(self, partition: Held) -> None:
        """A partition is ours."""
        self._held[partition.number] = partition

    def lost(self, partition: Held) -> None:
        """A partition is ours no more; what we know of it is written all the same."""
        if self._held.get(partition.number) is partition:
            mark = self._known(partition.number)
            self._forget(partition.number)
            if mark is not None:
                self._left[partition.number] = mark

    def doubt(self, partitions: Iterable[int]) -> None:
        """Something may have become of the stream: nothing is loaded before it was compared."""
        self._doubts.update(partitions)

    async def admits(self, partition: int) -> bool:
        """Whether workers of the partition may be loaded; compares if that is in doubt.

        Raises:
            UnavailableError: the broker does not answer now.
        """
        if partition not in self._doubts:
            return True
        async with self._looking:
            if partition not in self._doubts:
                return True
            if await self.examine(partition) is None:
                self._doubts.discard(partition)
                return True
        self.on_loss(partition)
        return False

    async def examine(self, partition: int) -> Loss | None:
        """Compare the stream with all that is known of a partition; keep what is found to be lost.

        Raises:
            UnavailableError: the broker does not answer now.
        """
        loss = (await read_losses(self._broker.workers)).get(partition)
        is_kept = True
        if loss is None:
            loss = await self._find(partition)
            if loss is not None:
                is_kept = await note_loss(self._broker.workers, partition, loss)
        if loss is not None:
            # From here on what is written down counts, which an operator can accept.
            self._forget(partition)
            if not is_kept:
                log.info("a loss was accepted while it was looked at", partition=partition)
                return loss
            log.error(
                "acknowledged work is gone: this partition is served by nobody until it is "
                "restored, or `shem oplog accept-loss` says to go on without",
                partition=partition,
                lost=loss.message,
            )
        return loss

    async def _find(self, partition: int) -> Loss | None:
        # Whoever accepts takes away what is written down: nothing else is compared.
        bucket = self._broker.workers
        known = self._known(partition)
        if known is not None:
            await raise_marks(bucket, {partition: known})
        mark = (await read_high_water(bucket)).get(partition)
        return None if mark is None else await self._confirmed_loss(partition, mark)

    async def _confirmed_loss(self, partition: int, mark: Mark) -> Loss | None:
        """Return a loss that stays: a new leader may not have all of its stream yet.

        Raises:
            UnavailableError: the leader that says so may be none any more.
        """
        journal = self._broker.journal
        loss = None
        for look in range(LOOKS):
            if look:
                await asyncio.sleep(LOOK_AGAIN_S)
            loss = await find_loss(journal, partition, mark, at_ms=self._wall_ms())
            if loss is None:
                return None
            if not await journal.is_led(partition):
                text = "a leader that hears nobody cannot say what is lost"
                raise UnavailableError(f"partition {partition}: {text}")
        return loss

    async def run(self) -> None:
        """Write what has changed, for ever."""
        while True:
            await asyncio.sleep(WRITE_S)
            try:
                await self.write()
            except BrokerError as error:
                log.info("high-water marks wait", error=str(error))

    async def finish(self) -> None:
        """Write what is left, if that is quickly done."""
        try:
            async with asyncio.timeout(FINISH_S):
                await self.write()
        except (BrokerError, TimeoutError) as error:
            log.info("high-water marks are left behind", error=str(error))

    async def write(self) -> None:
        """Raise the marks of the partitions that have come further.

        Raises:
            BrokerError: they are raised the next time.
        """
        left, self._left = self._left, {}
        news: dict[int, Mark] = {}
        for number in self._held:
            mark = self._known(number)
            if (
                mark is not None
                and number not in self._doubts
                and mark != self._written.get(number)
            ):
                news[number] = mark
        if news or left:
            await raise_marks(self._broker.workers, {**left, **news})
            self._written.update(news)

    def _forget(self, partition: int) -> None:
        self._commits.pop(partition, None)
        self._held.pop(partition, None)
        self._written.pop(partition, None)
        self._left.pop(partition, None)
        self._doubts.discard(partition)

    def _known(self, partition: int) -> Mark | None:
        held = self._held.get(partition)
        delivered = 0 if held is None else held.seen
        sequence, subject, index, hash_ = self._commits.get(partition, (0, "", 0, ""))
        seen = max(delivered, sequence)
        if not seen:
            return None
        return Mark(seen=seen, sequence=sequence, subject=subject, index=index, hash=hash_)
