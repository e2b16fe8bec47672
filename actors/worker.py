"""A worker in memory: one task that lives one life after the other, each rebuilt from the log.

A *life* (see `actors.life`) begins with the log as the broker has it and ends when there is nothing
to do, when the guest failed or suspended, or when an operator says so. Whatever happens to the
process in between, the next life begins from the same log, here or at another owner.
"""

import asyncio
from collections.abc import Callable
from typing import final

import structlog

from actors.answered_reads import AnsweredReads
from actors.burial import bury_damaged
from actors.damage import is_damage, tell_waiting
from actors.engine.errors import CapacityError
from actors.errors import PartitionLostError
from actors.identity import Address, WorkerId
from actors.intake import Delivered
from actors.life import Life, Next
from actors.limits import LOAD_BACKOFF_S, QUEUE_MESSAGES_MAX
from actors.partition import Partition
from actors.remembered import Leaving
from actors.secrets import SecretKeyError
from actors.services import Services
from actors.waits import Answer
from broker.errors import BrokerError, FencedError, RetryableError
from broker.ports import Message
from oplog.errors import CorruptLogError, WriterStoppedError

__all__ = ["Worker"]

log = structlog.get_logger(__name__)


@final
class Worker:
    """The resident of a partition for one worker id. `run` is its task; it never raises."""

    def __init__(
        self,
        worker_id: WorkerId,
        partition: Partition,
        services: Services,
        *,
        recovering: bool,
    ) -> None:
        self.id = worker_id
        self.task: asyncio.Task[None] | None = None
        self._partition = partition
        self._services = services
        self._address = Address.of(worker_id, services.broker.partitions)
        self._life: Life | None = None
        self._recovering = recovering
        self._leaving = False
        self._dropped = False
        self._failure: BaseException | None = None
        recalled = partition.recall(worker_id)
        self._log = None if recalled is None else recalled.log
        """The log of a worker that has been here before, until there is a life."""
        self._is_trusted = recalled is not None and recalled.trust == partition.trust
        """Whether nothing that came in since then was missed."""
        self._delivered: list[tuple[str, Message]] | None = []
        """All that comes in until there is a life; None: some of it may be missing."""
        self._leaving_behind: Leaving | None = None
        # Blobs of snapshots that did not load.
        self._rejected: set[str] = set()
        self._answered = AnsweredReads(
            services.broker.journal,
            self._address.mailbox_invoke,
            spawn=services.spawn,
            is_anchor=lambda sequence: partition.is_anchor(worker_id, sequence),
        )

    def offer(self, kind: str, message: Message) -> None:
        """Take a mailbox message in; before the first load it is kept for that."""
        if self._life is not None:
            self._life.offer(kind, message)
        elif self._delivered is not None:
            self._delivered.append((kind, message))
            if len(self._delivered) > QUEUE_MESSAGES_MAX:
                # As a mailbox does: they lie in the stream, and are read again.
                self._delivered = None

    def answer(self, answer: Answer, observed: Callable[[], None] | None) -> bool:
        """Take an answer in, ahead of its delivery; `observed` is told once it is recorded."""
        return self._life is not None and self._life.answer(answer, observed)

    def distrust_deliveries(self) -> None:
        """Read the mailbox again before the next message is taken."""
        self._delivered = None
        if self._life is not None:
            self._life.distrust_deliveries()

    def drain(self) -> None:
        """Finish the running invocation, then end."""
        self._leave()

    def evict(self) -> bool:
        """Leave memory if idle; False if it is busy."""
        if self._life is None or not self._life.is_idle:
            return False
        self._leave(makes_room=True)
        return True

    def drop(self) -> None:
        """End at once: nothing more may be written or sent."""
        self._dropped = True
        if self._life is not None:
            self._life.stop_writing()
        if self.task is not None:
            self.task.cancel()

    async def run(self) -> None:
        """Live until there is nothing to do, or the worker was dropped."""
        stumbled = False
        bound = structlog.contextvars.bind_contextvars(worker=str(self.id))
        try:
            while not self._leaving and await self._live() is Next.AGAIN:
                pass
        except asyncio.CancelledError:
            if self._failure is None or self.task is None or self._dropped:
                raise
            # Cancelled by `_failed`: what the writer met is the reason, not the cancellation.
            self.task.uncancel()
            self._count(self._failure)
            log.info("writer failed", error=str(self._failure))
            stumbled = True
        except PartitionLostError as error:
            log.info("not loaded", error=str(error))
            stumbled = True
        except SecretKeyError as error:
            log.warning("a secret cannot be read here: trying again", error=str(error))
            stumbled = True
        except (FencedError, WriterStoppedError, RetryableError, CapacityError) as error:
            # Another owner has written, or may have: only the log knows the truth now.
            self._count(error)
            log.info("fenced", error=str(error))
            stumbled = True
        except CorruptLogError as error:
            log.error(  # noqa: TRY400 - told, not traced
                "the log is damaged: the worker is not run until that is mended, see "
                "`shem oplog verify`",
                error=str(error),
            )
            stumbled = True
            await self._tell_waiting(error)
        except Exception:
            log.exception("worker cannot go on")
            stumbled = True
        finally:
            structlog.contextvars.reset_contextvars(**bound)
            self._services.residency.left(self)
            if self._leaving_behind is not None and not stumbled:
                self._partition.remember(self.id, self._leaving_behind)
            self._partition.ended(self.id, reload=stumbled and not self._dropped)

    async def _live(self) -> Next:
        life = await self._load()
        self._recovering = False
        self._services.has_come_back(self.id)
        self._partition.told_of_damage.pop(self.id, None)
        self._life = life
        if self._delivered is not None:
            life.delivered = Delivered(self._delivered, self._is_trusted)
        self._log = self._delivered = None
        try:
            following = await life.run()
            # In the same turn: whatever comes in from now on has an anchor, and whatever is missed
            # makes the trust another one.
            ending = life.log_to_remember() if following is Next.END else None
            if ending is not None:
                self._leaving_behind = Leaving(ending, self._partition.trust)
        finally:
            # What this life leaves in its mailbox is in no other memory.
            self._life, self._delivered, self._is_trusted = None, [], False
            await life.close()
            self._services.residency.left(self)
        return following

    async def _load(self) -> Life:
        while True:
            try:
                if not await self._services.high_water.admits(self._partition.number):
                    raise PartitionLostError("acknowledged work of the partition is gone")
                return await Life.load(
                    self.id,
                    self._address,
                    self._services,
                    rejected=self._rejected,
                    remembered=self._log,
                    heard=None if self._delivered is None else tuple(self._delivered),
                    answered=self._answered,
                    resident=self,
                    recovering=self._recovering,
                    settle=self._settle,
                    on_failure=self._failed,
                )
            except CorruptLogError:
                if not await bury_damaged(
                    self.id, self._address, self._services, on_failure=self._failed
                ):
                    raise
            except RetryableError as error:
                log.warning("cannot load the log, trying again", error=str(error))
                await asyncio.sleep(LOAD_BACKOFF_S)

    async def _tell_waiting(self, damage: CorruptLogError) -> None:
        if not is_damage(damage):
            return
        told = self._partition.told_of_damage
        told.setdefault(self.id, 0)
        try:
            told[self.id] = await tell_waiting(
                self._services.broker, self.id, self._address, damage, behind=told[self.id]
            )
        except BrokerError as error:
            log.info("who waits was not told of the damage", error=str(error))

    def _settle(self) -> None:
        self._partition.settle(self.id)
        self._answered.sweep()

    def _failed(self, error: BaseException) -> None:
        self._failure = error
        if self.task is not None:
            self.task.cancel()

    def _count(self, error: BaseException) -> None:
        if isinstance(error, FencedError):
            # The log may have ended elsewhere because its end is gone.
            self._services.high_water.doubt([self._partition.number])
            labels = {"shem.component": self.id.component}
            self._services.metrics.fence_conflicts.add(1, labels)

    def _leave(self, *, makes_room: bool = False) -> None:
        self._leaving = True
        if self._life is not None:
            self._life.leave(makes_room=makes_room)
