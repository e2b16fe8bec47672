"""Partitions in memory: who holds one, what is delivered and not yet acknowledged."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Final, final

from broker.layout import partition_filter
from broker.memory.clock import NS_PER_S, Clock, Timer
from broker.memory.faults import Faults
from broker.memory.link import Link
from broker.memory.stream import MemoryStream
from broker.ports import Delivery, Message

__all__ = ["MemoryConsumer", "Partition"]

ACK_WAIT_S: Final = 30
PIN_TIMEOUT_S: Final = 2
DELIVERIES_UNACKNOWLEDGED_MAX: Final = 10_000


@final
class Partition:
    """What the broker knows of one partition: unacknowledged messages and the holder."""

    def __init__(self, number: int, stream: MemoryStream, clock: Clock, faults: Faults) -> None:
        self.number = number
        self._clock = clock
        self._faults = faults
        self._stream = stream
        self._waiting: dict[int, int] = {
            message.sequence: 0 for message in stream.select(partition_filter(number))
        }
        self._delivered: dict[int, Timer] = {}
        self._holder: MemoryConsumer | None = None
        self._holder_timer: Timer | None = None
        self._freed = asyncio.Event()
        self._pumping = False
        self._gap = False

    @property
    def holder(self) -> "MemoryConsumer | None":
        """Whoever the partition is pinned to."""
        return self._holder

    async def wait_until_free(self, claimant: "MemoryConsumer") -> None:
        """Wait until nobody else holds the partition."""
        while self._holder not in {None, claimant}:
            self._freed.clear()
            await self._freed.wait()

    def pin(self, claimant: "MemoryConsumer") -> None:
        """Give the partition to `claimant` and deliver everything unacknowledged again."""
        previous, self._holder = self._holder, claimant
        self._stop_timer()
        if previous is not None and previous is not claimant:
            previous.lose()
        self._back_to_floor()
        self._pump_soon()

    def unpin(self) -> None:
        """Free the partition at once."""
        self._holder = None
        self._stop_timer()
        self._back_to_floor()
        self._freed.set()

    def expire_pin(self, holder: "MemoryConsumer") -> None:
        """Free the partition once the holder has been silent for the pin's time-out."""
        if self._holder is not holder or self._holder_timer is not None:
            return
        when_ns = self._clock.now_ns() + PIN_TIMEOUT_S * NS_PER_S
        self._holder_timer = self._clock.call_at(when_ns, self.unpin)

    def refresh_pin(self) -> None:
        """Go on with the same holder, who is back in time."""
        self._stop_timer()
        self._back_to_floor()
        self._pump_soon()

    def stored(self, message: Message) -> None:
        """Take in a new mailbox message."""
        self._waiting[message.sequence] = 0
        self._pump_soon()

    def acknowledge(self, sequence: int) -> None:
        """Forget a message, whoever it was delivered to."""
        self._waiting.pop(sequence, None)
        timer = self._delivered.pop(sequence, None)
        if timer is not None:
            timer.cancel()
            self._pump_soon()

    def _stop_timer(self) -> None:
        if self._holder_timer is not None:
            self._holder_timer.cancel()
            self._holder_timer = None

    def _back_to_floor(self) -> None:
        self._gap = False
        for timer in self._delivered.values():
            timer.cancel()
        self._delivered.clear()
        # As in the real broker, a takeover forgets how often a message was delivered.
        self._waiting = dict.fromkeys(self._waiting, 0)

    def _redeliver(self, sequence: int) -> None:
        self._delivered.pop(sequence, None)
        self._pump_soon()

    def _pump_soon(self) -> None:
        if not self._pumping and self._holder is not None:
            self._pumping = True
            asyncio.get_running_loop().call_soon(self._pump)

    def _pump(self) -> None:
        self._pumping = False
        for sequence in [s for s in self._waiting if s not in self._delivered]:
            holder = self._holder
            if holder is None or not holder.is_listening:
                return
            if len(self._delivered) >= DELIVERIES_UNACKNOWLEDGED_MAX:
                return
            message = self._stream.get(sequence)
            if message is None:
                del self._waiting[sequence]
                continue
            when_ns = self._clock.now_ns() + ACK_WAIT_S * NS_PER_S
            self._delivered[sequence] = self._clock.call_at(
                when_ns, partial(self._redeliver, sequence)
            )
            self._waiting[sequence] += 1
            if self._faults.drops_delivery():
                # As in the real broker, the next delivery's number tells that one is missing.
                self._gap = True
                continue
            gap, self._gap = self._gap, False
            holder.deliver(message, redelivered=self._waiting[sequence] > 1, missed=gap)


@final
class MemoryConsumer:
    """One connection's view of one partition."""

    def __init__(
        self,
        partition: Partition,
        link: Link,
        on_delivery: Callable[[Delivery], None],
        on_lost: Callable[[], None],
    ) -> None:
        self._partition = partition
        self._link = link
        self._on_delivery = on_delivery
        self._on_lost = on_lost
        self._wants = False

    @property
    def is_listening(self) -> bool:
        """Whether deliveries reach anybody."""
        return self._wants and self._link.is_up

    async def acquire(self, *, owner_is_dead: bool) -> None:
        """Take the partition; wait while a living owner holds it."""
        await self._link.turn()
        if not owner_is_dead:
            await self._partition.wait_until_free(self)
        self._wants = True
        self._partition.pin(self)

    async def release(self) -> None:
        """Stop and free the partition at once, if it is still ours."""
        self._wants = False
        await self._link.turn()
        if self._partition.holder is self:
            self._partition.unpin()

    def stop(self) -> None:
        """Stop; the pin runs out by itself."""
        self._wants = False
        self._partition.expire_pin(self)

    def acknowledge(self, token: str) -> None:
        """Mark a delivery as done."""
        if self._link.is_up:
            self._partition.acknowledge(int(token.rpartition(".")[2]))

    def deliver(self, message: Message, *, redelivered: bool, missed: bool) -> None:
        """Hand a message to the owner."""
        token = f"{self._partition.number}.{message.sequence}"
        self._on_delivery(
            Delivery(message=message, token=token, redelivered=redelivered, missed=missed)
        )

    def lose(self) -> None:
        """Hear that somebody else holds the partition, now or when the connection is back."""
        if self._wants and self._link.is_up:
            self._wants = False
            asyncio.get_running_loop().call_soon(self._on_lost)

    def link_down(self) -> None:
        """Start the pin's time-out, as a broker does for a silent client."""
        if self._wants:
            self._partition.expire_pin(self)

    def doubt(self) -> None:
        """Go on where we were, or learn that the partition has gone to somebody else."""
        if self._link.is_up:
            self.link_up()

    def link_up(self) -> None:
        """Go on where we were, or learn that the partition has gone to somebody else."""
        if not self._wants:
            return
        if self._partition.holder is self:
            self._partition.refresh_pin()
        elif self._partition.holder is None:
            self._partition.pin(self)
        else:
            self.lose()
