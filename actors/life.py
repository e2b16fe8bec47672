"""One life of a worker: from its log as the broker has it until there is nothing more to do.

    load ─▶ read mailbox ─▶ obey commands ─▶ plan ─┬▶ rest: nothing to do, leave memory
                                                   ├▶ wait: a retry is due in a moment
                                                   ├▶ refuse: failed or exited, answer the queue
                                                   └▶ run: instantiate, replay, then live

The plan needs no guest. A guest that fails, suspends or is interrupted ends the life: what it did
is in the log, and the next life begins from there like after a crash, so that there is one way to
recover and it is used all the time.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from enum import Enum, auto
from typing import final

import structlog
from msgspec import Raw

from actors.answered_reads import AnsweredReads
from actors.bell import Bell
from actors.burial import bury_worker
from actors.commands import Commands
from actors.engine.errors import ComponentError, SnapshotUnusableError
from actors.errors import ComponentUnknownError, QuotaError
from actors.failures import refusal
from actors.guest import Guest
from actors.holdings import KINDS_READ, Holdings
from actors.identity import Address, WorkerId
from actors.intake import Delivered, Intake
from actors.knots import Knots
from actors.ledger import Ledger
from actors.leftovers import Leftovers
from actors.life_plan import LifePlan, Plan
from actors.mailbox import Mailbox
from actors.marking import Marking
from actors.orders import Orders
from actors.programs import Prepared
from actors.quotas import refuse_above, refuse_beyond
from actors.reads import Reads
from actors.recovery import Recovered, cursor_of, recall, recover
from actors.refusals import cannot_run, refuse_all
from actors.remembered import LogCopy
from actors.remote import Remote, call_timeout_s
from actors.residency import Evictable
from actors.services import Services
from actors.session import Ended, Session
from actors.settling import Settling
from actors.snapshots import Snapshots
from actors.view import Views
from actors.waiting import Waiting
from actors.waits import Answer
from broker.ports import Message
from oplog.entries import Create, Failure
from oplog.replay import Cursor
from oplog.status import Status

__all__ = ["Life", "Next"]

log = structlog.get_logger(__name__)


class Next(Enum):
    """What follows a life."""

    END = auto()
    AGAIN = auto()


@final
class Life:
    """Everything of a worker that is in memory. `run` once, then `close`.

    `unread` are the kinds of messages of which more may be in the mailbox than was delivered.
    """

    def __init__(
        self,
        worker_id: WorkerId,
        address: Address,
        services: Services,
        recovered: Recovered,
        *,
        references: Mapping[bytes, Raw],
        rejected: set[str],
        answered: AnsweredReads,
        resident: Evictable,
        recovering: bool,
        settle: Callable[[], None],
        on_failure: Callable[[BaseException], None],
        unread: Sequence[str],
    ) -> None:
        self.id = worker_id
        self._is_idle = self._leaving = False
        self.delivered: Delivered | None = None
        """What came in before this life; None: some of it may be missing."""
        self._address = address
        self._services = services
        self._loaded = loaded = recovered.log
        self._past = past = recovered.past
        self._saved, self._saved_guest = recovered.saved, recovered.guest
        self._rejected, self._references = rejected, references
        self._resident = resident
        self._recovering, self._unread = recovering, unread
        self._settle = settle
        self._bell, self._quieted = Bell(), asyncio.Event()
        self._guest: Guest | None = None
        self._session: Session | None = None
        journal, marks = services.broker.journal, loaded.head.marks
        self.mailbox = mailbox = Mailbox(invoked=marks.invoked, control=marks.control)
        self.ledger = ledger = Ledger(
            worker_id,
            address,
            services,
            head=loaded.head,
            past=past,
            saved=recovered.saved,
            references=references,
            on_quiet=self._became_quiet,
            on_failure=on_failure,
        )
        self._settling = Settling(
            ledger,
            settle,
            has_nothing_to_do=self._has_nothing_to_do,
            is_blocked=self._is_blocked,
        )
        self._marking = Marking(ledger)
        self._copy = self._new_copy(has_snapshots=recovered.pointer_sequence > 0)
        self._leftovers = Leftovers(ledger, mailbox, journal)
        self._reads = Reads(
            ledger,
            services,
            Views(ledger, services, rejected=rejected),
            answered=answered,
            on_done=self._read_done,
            is_working=lambda: self._session is not None,
        )
        self._snapshots = Snapshots(ledger, address, services, recovered)
        self.waiting = Waiting(
            ledger.waits,
            ledger.clock,
            suspend_after_s=services.options.suspend_after_s,
            reread=self._read_answers,
            on_blocked=self._blocked,
        )
        self._knots = Knots(ledger, mailbox, services, waits_for=self._waits_for)
        self._commands = Commands(
            ledger,
            mailbox,
            services.broker.signals,
            past=past,
            on_completed=self.waiting.nudge,
        )
        self._orders = Orders(
            worker_id, services, ledger, self._commands, recovered=recovered, references=references
        )
        self._intake = Intake(
            address, journal, past, mailbox, self._reads, waiting=self.waiting, knots=self._knots
        )
        self._life_plan = LifePlan(past, ledger, self._intake, self._commands)

    @staticmethod
    async def load(
        worker_id: WorkerId,
        address: Address,
        services: Services,
        *,
        rejected: set[str],
        answered: AnsweredReads,
        resident: Evictable,
        recovering: bool,
        settle: Callable[[], None],
        on_failure: Callable[[BaseException], None],
        remembered: tuple[bytes, ...] | None,
        heard: Sequence[tuple[str, Message]] | None,
    ) -> "Life":
        """Read the log, from the newest snapshot on whose blob is not `rejected`.

        Nothing is read if it is `remembered`. `heard` are all deliveries of the worker up to now,
        None if some may be missing.

        Raises:
            CorruptLogError: it cannot be believed.
            UnavailableError: the broker does not answer now.
        """
        broker = services.broker
        async with services.loading:
            if remembered is None:
                holdings = None if heard is None else await Holdings.count(broker.journal, address)
                recovered = await recover(
                    broker, address, services.secrets, rejected=rejected, holdings=holdings
                )
            else:
                holdings = None
                recovered = await recall(broker, address, remembered)
        references = await recovered.past.referenced(broker.blobs)
        return Life(
            worker_id,
            address,
            services,
            recovered,
            references=references,
            rejected=rejected,
            answered=answered,
            resident=resident,
            recovering=recovering,
            settle=settle,
            on_failure=on_failure,
            unread=KINDS_READ if holdings is None else holdings.unread(heard or ()),
        )

    @property
    def is_idle(self) -> bool:
        """Whether the worker is in memory and has nothing to do."""
        return self._is_idle and self._reads.is_empty

    def offer(self, kind: str, message: Message) -> None:
        """Take a mailbox message in."""
        if kind == "reply":
            self._intake.answered_by(message)
        elif kind != "invoke" or not self._reads.takes(message):
            self.mailbox.offer(kind, message)
            pending = self.ledger.quota.pending
            if pending is not None and kind == "invoke":
                refuse_above(self.ledger, self.mailbox, message, pending=pending)
        if kind == "control" and self._session is not None:
            self._session.commanded()
        self._bell.ring()
        if self.waiting.blocked_on:
            self._settling.look()

    def answer(self, answer: Answer, observed: Callable[[], None] | None) -> bool:
        """Take an answer in that a worker of this executor gives, ahead of its delivery.

        True: `observed` is called once it is recorded, if this life lasts that long.
        """
        told = self.waiting.offer(answer, observed if self._session is not None else None)
        self._bell.ring()
        return told

    def distrust_deliveries(self) -> None:
        """Read the mailbox again before the next message is taken."""
        self.delivered = None
        self._intake.trusted = False
        self.waiting.distrust_deliveries()
        self._bell.ring()

    def leave(self, *, makes_room: bool = False) -> None:
        """Finish the running invocation, take nothing new, end."""
        self._snapshots.makes_room = makes_room
        self._leaving = True
        self.waiting.leave()
        self._bell.ring()

    def _new_copy(self, *, has_snapshots: bool) -> LogCopy | None:
        if not self._services.residency.is_crowded:
            # Where there is room for all, nobody leaves to make some, and a copy is for nothing.
            return None
        copy = LogCopy(self._loaded, has_snapshots=has_snapshots)
        self.ledger.writer.on_stored = copy.stored
        return copy

    def log_to_remember(self) -> tuple[bytes, ...] | None:
        """Return the log of a worker that left memory to make room, with nothing in its mailbox.

        None if the next life has to read it: it is long, there is more to know than it says, or
        there was much room when this life began.
        """
        is_done = (
            self._leaving
            and self._snapshots.makes_room
            and self._intake.trusted
            and self.mailbox.is_empty
            and self._reads.is_empty
            and self.ledger.is_quiet
            and self.ledger.running is None
            and self.ledger.created is not None
            and not self.ledger.is_ephemeral
        )
        if self._copy is None or not is_done or self._snapshots.are_any:
            return None
        return self._copy.packed()

    def stop_writing(self) -> None:
        """Let nothing more be written: somebody else owns the worker."""
        self.ledger.writer.stop()

    async def close(self) -> None:
        """Free everything."""
        self._knots.close()
        self._settling.close()
        self._marking.close()
        self.ledger.outbox.close()
        await self._reads.close()
        await self.ledger.writer.close()
        # Nothing of it is asked for any more. Its parts hold each other, and would stay in memory
        # until a search for garbage finds them, which holds up all workers for as long as there
        # are objects: a second and more where thousands of workers come and go.
        self.__dict__.clear()

    async def run(self) -> Next:
        """Do what is to be done; return what follows."""
        if not self._past.is_unfinished_copy:
            await self._reads.learn()
        delivered = () if self.delivered is None else self.delivered.messages
        await self._intake.begin(delivered, unread=self._kinds_to_read())
        if (self._recovering or self._past.is_fresh_copy) and self._past.unsent:
            await self._learn_calls()
            unsent = tuple(self._past.unsent.items())
            if self._past.unsent_of is not None:
                self.ledger.outbox.resume(self._past.unsent_of)
            await self.ledger.outbox.emit_again(unsent, self._loaded.internalise)
        ended = await self._act()
        self._commands.refuse_questions()
        if self._commands.burial is not None:
            await self._reads.refuse(Failure(kind="deleted", message="the worker was deleted"))
            await self._bury(self._commands.burial)
            return Next.AGAIN
        await self.ledger.writer.flush()
        if ended is Ended.REST:
            return await self._rest()
        # The next life knows nothing of what this one is still sending, and might settle before it.
        await self._until_quiet()
        return Next.AGAIN

    def _kinds_to_read(self) -> Sequence[str]:
        if self.delivered is None:
            return KINDS_READ
        if self.delivered.are_all:
            return ()
        # Whoever has answered a read takes it out of the mailbox, so that numbers prove nothing.
        return KINDS_READ if self._reads.are_declared else self._unread

    async def _act(self) -> Ended:
        while True:
            if self._commands.obey(at_start=True):
                if self._commands.order is None or await self._orders.carry_out():
                    return Ended.AGAIN
                continue
            match self._life_plan.choose(leaving=self._leaving):
                case Plan.REST:
                    self._reads.begin()
                    return Ended.REST
                case Plan.WAIT:
                    self._reads.begin()
                    await self._wait_for_retry()
                case Plan.REFUSE:
                    await self._learn_calls()
                    await self._refuse(self._past.status.status())
                case Plan.RUN:
                    return await self._run_guest()

    async def _run_guest(self) -> Ended:
        plan = self._past.plan
        if self._past.tries_update:
            plan = plan.trying()
            self.ledger.trying = plan.version
        try:
            prepared = await self._prepare()
        except (ComponentUnknownError, ComponentError, QuotaError) as error:
            if self.ledger.trying is not None:
                self.ledger.update_failed(self.ledger.trying, str(error))
                return Ended.AGAIN
            await self._reads.refuse(cannot_run(error))
            refuse_all(self.ledger, self.mailbox, cannot_run(error))
            return Ended.REST
        created = self._obey(prepared)
        cursor = cursor_of(self._loaded, self._past, plan, self._saved)
        session = Session(
            self.ledger,
            self.mailbox,
            self._commands,
            cursor,
            options=self._services.options,
            attempts_before=self._past.status.attempt,
            is_leaving=lambda: self._leaving,
            next_work=self._next_work,
            snapshots=self._snapshots,
            on_invocation=self._services.count_invocation,
            tracing=self._services.tracing,
            is_ephemeral=prepared.is_ephemeral,
        )
        self._snapshots.choose(prepared)
        self._reads.choose(prepared)
        if prepared.is_ephemeral:
            cursor = Cursor(())
            self.waiting.stay()

        async def start() -> Guest:
            if self._guest is not None:
                self._guest.close()
            async with self._services.loading:
                self._guest = await Guest.start(
                    prepared,
                    self.ledger,
                    replay=cursor,
                    references=self._references,
                    options=self._services.options,
                    stores=self._services.broker,
                    attempts=self._past.attempts,
                    base=plan.base,
                    waiting=self.waiting,
                    directory=self._services.directory,
                    forks=self._services.forks,
                    remote=Remote(
                        self.ledger,
                        self._services,
                        timeout_s=call_timeout_s(created, self._services.options),
                    ),
                    saved=self._saved_guest,
                    tracing=self._services.tracing,
                )
            self._services.residency.entered(self._resident, self._memory_bytes)
            return self._guest

        self._session = session
        self._reads.begin()
        return await self._run(session, start)

    async def _run(self, session: Session, start: Callable[[], Awaitable[Guest]]) -> Ended:
        try:
            return await session.run(start)
        except SnapshotUnusableError as error:
            await self._reject_snapshot(str(error))
            return Ended.AGAIN
        finally:
            self._session = None
            self._reads.between(None)
            if self._guest is not None:
                self._guest.close()
                self._guest = None

    async def _reject_snapshot(self, reason: str) -> None:
        base = self._loaded.base
        assert base is not None, "only a snapshot can be of no use"
        log.warning("snapshot does not load", blob=base.blob, error=reason)
        self._rejected.add(base.blob)
        await self._snapshots.reject(base.blob, reason)

    async def _next_work(self, guest: Guest | None) -> None:
        """Return when there may be something to do; idle until then."""
        self._reads.between(guest)
        while True:
            if not self._intake.trusted or (self.mailbox.overflowed and not len(self.mailbox)):
                await self._intake.read_mailbox()
                self._refuse_beyond()
            if not self.mailbox.is_empty or self._leaving:
                break
            self._is_idle = True
            self._settling.look()
            # Among them is the anchor, without which nothing brings back what is still to be sent.
            if self._leftovers.are_many(stays=True) and self.ledger.is_quiet:
                await self._purge()
            self._services.residency.settled(self._resident, self._memory_bytes)
            after_s = None if guest is None else self._snapshots.idle_after_s(guest)
            if guest is None or after_s is None:
                await self._bell.wait()
            else:
                await self._snapshots.while_idle(guest, self._bell, after_s)
            self._is_idle = False
            self._services.residency.woke(self._resident)
        self._reads.between(None)

    def _obey(self, prepared: Prepared) -> Create:
        """Be a worker of this component, a new one if there is none; return how it began."""
        if self.ledger.created is None:
            self.ledger.create(prepared.record, self._reads.first_envelope(self.mailbox))
        assert self.ledger.created is not None
        self.ledger.obey_component(prepared)
        self._refuse_beyond()
        return self.ledger.created

    def _refuse_beyond(self) -> None:
        pending = self.ledger.quota.pending
        if pending is not None:
            refuse_beyond(self.ledger, self.mailbox, pending=pending)

    @property
    def _memory_bytes(self) -> int:
        # Of the guest, what is kept of it for reads, and what grows with each invocation.
        guest = 0 if self._guest is None else self._guest.memory_bytes
        return guest + self._reads.memory_bytes + self.ledger.keys.memory_bytes

    async def _prepare(self) -> Prepared:
        is_new = self.ledger.created is None
        version = None if is_new else self.ledger.version_to_run
        return await self._services.prepare(self.id, version, is_new=is_new)

    async def _learn_calls(self) -> None:
        """Outcomes are told as WAVE too, for which the component's types are needed."""
        if self.ledger.created is None or self.ledger.outbox.calls is not None:
            return
        try:
            self.ledger.outbox.calls = (await self._prepare()).calls
        except (ComponentUnknownError, ComponentError) as error:
            log.info("outcomes are told without WAVE", error=str(error))

    async def _refuse(self, status: Status) -> None:
        """Answer what runs and all that waits with the reason why nothing runs any more."""
        self.ledger.conclude_running(status)
        await self._reads.refuse(refusal(status))
        refuse_all(self.ledger, self.mailbox, refusal(status))

    async def _wait_for_retry(self) -> None:
        wake_at_ms = self._past.status.status().wake_at_ms or 0
        delay_s = max(0, wake_at_ms - self.ledger.clock.stamp_ms()) / 1_000
        with suppress(TimeoutError):
            async with asyncio.timeout(delay_s):
                await self._bell.wait()

    async def _read_answers(self) -> None:
        await self._intake.read_answers()

    def _waits_for(self) -> tuple[int, ...]:
        """Return the entries without whose answers the worker does nothing, now or until loaded."""
        if self._session is not None:
            return self.waiting.blocked_on
        status = self._past.status.status()
        is_out = status.state == "suspended" and status.wake_at_ms is None
        return self._past.waits_for if is_out else ()

    def _blocked(self) -> None:
        self._settling.look()
        self._knots.blocked()

    async def _rest(self) -> Next:
        """Leave memory, unless something came in meanwhile."""
        # The last of a circle to leave memory finds it: afterwards nobody looks.
        self._knots.look()
        await self._until_quiet()
        if self._marking.write():
            await self._until_quiet()
        await self._until_read()
        if self._leftovers.are_many(stays=False):
            await self._purge()
        if self._leaving:
            # With an open invocation the anchor was settled before, unless it may time out.
            done = self.mailbox.is_empty and self._reads.is_empty
            if done and self.ledger.running is None:
                self._settle()
            return Next.END
        if self._has_news():
            return Next.AGAIN
        self._settle()
        return Next.END

    async def _until_read(self) -> None:
        """Let reads of a worker that does nothing itself end, until there is something to do."""
        while not (self._reads.is_empty or self._leaving or self._has_news()):
            await self._bell.wait()

    def _has_news(self) -> bool:
        plan = self._life_plan.choose(leaving=self._leaving)
        is_at_rest = plan is Plan.REST and self._intake.trusted
        return not is_at_rest or self.mailbox.has_commands

    def _read_done(self) -> None:
        self._bell.ring()
        self._settling.look()

    async def _until_quiet(self) -> None:
        while not self.ledger.is_quiet:
            self._quieted.clear()
            await self._quieted.wait()

    def _became_quiet(self) -> None:
        self._quieted.set()
        self._settling.became_quiet()
        self._marking.look()

    def _has_nothing_to_do(self) -> bool:
        done = self._is_idle and self.mailbox.is_empty and self._reads.is_empty
        return done and not self._marking.is_owed

    def _is_blocked(self) -> bool:
        blocked = self.waiting.blocked_on and not self.mailbox.has_commands
        return bool(blocked and self._reads.is_empty and not self._marking.is_owed)

    async def _purge(self) -> None:
        between = self._past.open is None and self.ledger.running is None
        await self._leftovers.remove(before=self._reads.oldest, answers=between)

    async def _bury(self, order: Message) -> None:
        """Delete the worker."""
        await bury_worker(
            order,
            address=self._address,
            services=self._services,
            ledger=self.ledger,
            mailbox=self.mailbox,
            until_quiet=self._until_quiet,
        )
        self._commands.answer(order)
