"""One partition that this executor owns: its deliveries, its workers, its anchors.

An *anchor* is the newest delivered, unacknowledged message of a worker; older ones are acknowledged
when a newer one arrives. As long as a worker has anything to do or to send, its anchor stays, so
that the broker delivers it to the next owner if this one dies; a deep queue holds one message of
the consumer's pending window, not thousands.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Protocol, final

import structlog

from actors.identity import WorkerId, worker_id_of
from actors.limits import DRAIN_WAIT_S, RELOAD_DELAY_S, RELOAD_DOUBLINGS_MAX
from actors.remembered import Leaving, Remembered
from actors.waits import Answer
from broker.ports import Consumer, Delivery, Message

__all__ = ["Partition", "Resident"]

log = structlog.get_logger(__name__)


class Resident(Protocol):
    """A worker in memory, as its partition sees it."""

    def offer(self, kind: str, message: Message) -> None:
        """Take a mailbox message in."""
        ...

    def answer(self, answer: Answer, observed: Callable[[], None] | None) -> bool:
        """Take an answer in that a worker of this executor gives, ahead of its delivery.

        True: `observed` is called once the worker has recorded it, if its life lasts that long.
        """
        ...

    def distrust_deliveries(self) -> None:
        """Read the mailbox again before the next message is taken: some may have been missed."""
        ...

    def drain(self) -> None:
        """Finish what runs, take nothing new, then end."""
        ...

    def drop(self) -> None:
        """End at once: nothing more may be written or sent."""
        ...


@final
class Partition:
    """The workers of one partition while it is ours."""

    def __init__(
        self,
        number: int,
        *,
        open_consumer: Callable[["Partition"], Consumer],
        start_worker: Callable[["Partition", WorkerId, bool], Resident],
        belongs: Callable[[WorkerId, int], bool],
        on_lost: Callable[["Partition"], None],
        remembered: Remembered,
    ) -> None:
        self.number = number
        self.draining = False
        self.lost = False
        self.seen = 0
        """The newest sequence that was delivered."""
        self.trust = 0
        """Another number whenever deliveries may have been missed."""
        self.workers: dict[WorkerId, Resident] = {}
        self.told_of_damage: dict[WorkerId, int] = {}
        """Workers whose logs are damaged, and up to where in their mailboxes callers know it."""
        self._anchors: dict[WorkerId, Delivery] = {}
        # Hashes of the workers that ended here with everything sent. All others may have been left
        # by a dead owner between commit and sending: their last messages are sent again.
        self._clean: set[int] = set()
        self._stumbles: Counter[WorkerId] = Counter()
        self._start_worker = start_worker
        self._belongs = belongs
        self._on_lost = on_lost
        self._remembered = remembered
        self._tenure = object()
        self._acquiring: asyncio.Future[None] | None = None
        self._empty = asyncio.Event()
        self._empty.set()
        self._consumer = open_consumer(self)

    async def acquire(self, *, owner_is_dead: bool) -> None:
        """Take the partition; everything unacknowledged is delivered again.

        Returns without it if it is given up or lost in the meantime: going on would take
        deliveries that nobody handles, and keep everybody else from having them.
        """
        if self.lost or self.draining:
            return
        self._acquiring = asyncio.ensure_future(self._consumer.acquire(owner_is_dead=owner_is_dead))
        try:
            await self._acquiring
        except asyncio.CancelledError:
            if not (self._acquiring.cancelled() and self.lost):
                raise
        finally:
            self._acquiring.cancel()
            self._acquiring = None

    def deliver(self, delivery: Delivery) -> None:
        """Route a mailbox message to its worker, waking the worker if it is not in memory."""
        if self.lost:
            return
        if delivery.missed:
            self.missed_deliveries()
        message = delivery.message
        self.seen = max(self.seen, message.sequence)
        try:
            worker_id, kind = worker_id_of(message.subject)
        except ValueError as error:
            log.warning("undecodable worker name", subject=message.subject, error=str(error))
            self._consumer.acknowledge(delivery.token)
            return
        worker = self.workers.get(worker_id)
        if worker is None and not self._belongs(worker_id, self.number):
            # Where the account sorts for several streams, senders may name any partition.
            log.warning("message in the mailbox of another partition", subject=message.subject)
            self._consumer.acknowledge(delivery.token)
            return
        anchor = self._anchors.get(worker_id)
        if anchor is not None and anchor.message.sequence > message.sequence:
            self._consumer.acknowledge(delivery.token)
        else:
            self._anchors[worker_id] = delivery
            if anchor is not None and anchor.message.sequence != message.sequence:
                self._consumer.acknowledge(anchor.token)
        worker = worker or self._wake(worker_id)
        if worker is not None:
            worker.offer(kind, message)

    def answer(
        self, worker_id: WorkerId, answer: Answer, observed: Callable[[], None] | None
    ) -> bool:
        """Hand an answer to a worker, if it is in memory; otherwise its delivery wakes it.

        True: there need be no delivery once `observed` has been called. It may be called only if
        the worker has an anchor: for one that waits without, the delivery is the next one.
        """
        worker = self.workers.get(worker_id)
        if worker is None or self.lost:
            return False
        return worker.answer(answer, None if self.is_settled(worker_id) else observed)

    def settle(self, worker_id: WorkerId) -> None:
        """Acknowledge the worker's anchor: it has nothing to do and nothing to send."""
        anchor = self._anchors.pop(worker_id, None)
        if anchor is not None and not self.lost:
            self._consumer.acknowledge(anchor.token)
        self._stumbles.pop(worker_id, None)

    def is_settled(self, worker_id: WorkerId) -> bool:
        """Whether the worker has no unacknowledged delivery."""
        return worker_id not in self._anchors

    def occupy(self, worker_id: WorkerId, resident: Resident) -> bool:
        """Let `resident` stand for a worker until `ended`; False if the worker is in memory."""
        if worker_id in self.workers or self.lost or self.draining or self._anchors.get(worker_id):
            return False
        self._remembered.forget(worker_id)
        self.workers[worker_id] = resident
        self._empty.clear()
        return True

    def is_anchor(self, worker_id: WorkerId, sequence: int) -> bool:
        """Whether the message is the one that brings the worker back if this executor dies."""
        anchor = self._anchors.get(worker_id)
        return anchor is not None and anchor.message.sequence == sequence

    def remember(self, worker_id: WorkerId, leaving: Leaving) -> None:
        """Keep the log of a worker that leaves memory, unless something has come in for it.

        Its trust is that of the moment when the worker looked for the last time.
        """
        if worker_id not in self._anchors:
            self._remembered.keep(worker_id, self._tenure, leaving)

    def recall(self, worker_id: WorkerId) -> Leaving | None:
        """Return what a worker has left here that comes back.

        If that was in the trust of now, whatever has come in since is delivered to it now.
        """
        return self._remembered.recall(worker_id, self._tenure)

    def ended(self, worker_id: WorkerId, *, reload: bool) -> None:
        """A worker has left memory. `reload`: it could not go on, but its work is not done."""
        self.workers.pop(worker_id, None)
        if reload:
            self._clean.discard(hash(worker_id))
        else:
            self._clean.add(hash(worker_id))
        if not self.workers:
            self._empty.set()
        pending = worker_id in self._anchors
        if (reload or pending) and not (self.lost or self.draining):
            delay = self._reload_delay_s(worker_id) if reload else 0.0
            asyncio.get_running_loop().call_later(delay, self._wake_again, worker_id)

    def _reload_delay_s(self, worker_id: WorkerId) -> float:
        """Wait longer each time: a worker that can never be loaded costs next to nothing."""
        self._stumbles[worker_id] += 1
        doublings = min(self._stumbles[worker_id] - 1, RELOAD_DOUBLINGS_MAX)
        return RELOAD_DELAY_S * (1 << doublings)

    def missed_deliveries(self) -> None:
        """Make every worker read its mailbox again; the consumer may have skipped messages."""
        self.trust += 1
        for worker in self.workers.values():
            worker.distrust_deliveries()

    def doubt(self) -> None:
        """Find out whether the partition is still ours; everything goes on meanwhile."""
        self.missed_deliveries()
        self._consumer.doubt()

    async def release(self) -> None:
        """Hand the partition over: running work is finished or abandoned, then it is given up."""
        self.draining = True
        for worker in list(self.workers.values()):
            worker.drain()
        try:
            async with asyncio.timeout(DRAIN_WAIT_S):
                await self._empty.wait()
        except TimeoutError:
            log.info("abandoning workers at hand-over", count=len(self.workers))
        self.lose()
        await self._consumer.release()

    def lose(self) -> None:
        """Drop everything at once, send nothing more."""
        if not self.lost:
            self.lost = True
            if self._acquiring is not None:
                self._acquiring.cancel()
            self._consumer.stop()
            for worker in list(self.workers.values()):
                worker.drop()
            self._anchors.clear()

    def taken(self) -> None:
        """Somebody else holds the partition now."""
        self.lose()
        self._on_lost(self)

    def _wake(self, worker_id: WorkerId) -> Resident | None:
        if self.lost or self.draining:
            return None
        recovering = hash(worker_id) not in self._clean
        worker = self._start_worker(self, worker_id, recovering)
        self.workers[worker_id] = worker
        self._empty.clear()
        return worker

    def _wake_again(self, worker_id: WorkerId) -> None:
        if worker_id not in self.workers:
            self._wake(worker_id)
