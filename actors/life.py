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
from collections.abc import Awaitable, Callable, Mapping
from enum import Enum, auto
from typing import Final, final

import msgspec
import structlog
from msgspec import UNSET, Raw

from actors.burial import bury_worker
from actors.commands import Commands
from actors.engine.errors import ComponentError, SnapshotUnusableError
from actors.errors import ComponentUnknownError
from actors.failures import refusal
from actors.guest import Guest
from actors.identity import Address, WorkerId
from actors.knots import Knots, Probe
from actors.ledger import Ledger
from actors.limits import MAILBOX_PURGE_MIN
from actors.mailbox import Mailbox
from actors.message import Envelope, understand
from actors.orders import Orders
from actors.outcome import Outcome
from actors.programs import Prepared
from actors.recovery import Recovered, cursor_of, recover
from actors.remote import Remote, call_timeout_s
from actors.residency import Evictable
from actors.services import Services
from actors.session import Ended, Session
from actors.snapshots import Snapshots
from actors.waiting import Waiting
from actors.waits import Answer, Wake
from broker.errors import BrokerError
from broker.ports import Message
from oplog import payloads
from oplog.commit import Marks
from oplog.entries import Failure
from oplog.replay import Cursor
from oplog.status import Status

__all__ = ["Life", "Next"]

log = structlog.get_logger(__name__)


class Next(Enum):
    """What follows a life."""

    END = auto()
    AGAIN = auto()


class _Plan(Enum):
    REST = auto()
    WAIT = auto()
    REFUSE = auto()
    RUN = auto()


_NEVER_MS: Final = 1 << 62
_decode_answer = msgspec.json.Decoder(Answer | Probe | Wake).decode


@final
class Life:
    """Everything of a worker that is in memory. `run` once, then `close`."""

    def __init__(
        self,
        worker_id: WorkerId,
        address: Address,
        services: Services,
        recovered: Recovered,
        *,
        references: Mapping[bytes, Raw],
        rejected: set[str],
        resident: Evictable,
        recovering: bool,
        settle: Callable[[], None],
        on_failure: Callable[[BaseException], None],
    ) -> None:
        self.id = worker_id
        self.is_idle = False
        self._address = address
        self._services = services
        loaded, past = recovered.log, recovered.past
        self._loaded = loaded
        self._past = past
        self._saved = recovered.saved
        self._rejected = rejected
        self._references = references
        self._resident = resident
        self._recovering = recovering
        self._settle = settle
        self._trusted = False
        self._leaving = False
        self._event = asyncio.Event()
        self._quieted = asyncio.Event()
        self._guest: Guest | None = None
        self._session: Session | None = None
        self._woken: set[int] = set()
        self._purged = 0
        marks = loaded.head.marks
        self.mailbox = Mailbox(invoked=marks.invoked, control=marks.control)
        self.ledger = Ledger(
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
        self._snapshots = Snapshots(self.ledger, address, services, recovered)
        self.waiting = Waiting(
            self.ledger.waits,
            self.ledger.clock,
            suspend_after_s=services.options.suspend_after_s,
            reread=self._read_answers,
            on_blocked=self._blocked,
        )
        self._knots = Knots(self.ledger, self.mailbox, services, waits_for=self._waits_for)
        self._commands = Commands(
            self.ledger,
            self.mailbox,
            services.broker.signals,
            past=past,
            on_completed=self.waiting.nudge,
        )
        self._orders = Orders(
            worker_id,
            services,
            self.ledger,
            self._commands,
            loaded=loaded,
            past=past,
            references=references,
        )

    @staticmethod
    async def load(
        worker_id: WorkerId,
        address: Address,
        services: Services,
        *,
        rejected: set[str],
        resident: Evictable,
        recovering: bool,
        settle: Callable[[], None],
        on_failure: Callable[[BaseException], None],
    ) -> "Life":
        """Read the log, from the newest snapshot on whose blob is not `rejected`.

        Raises:
            CorruptLogError: it cannot be believed.
            UnavailableError: the broker does not answer now.
        """
        broker = services.broker
        async with services.loading:
            recovered = await recover(broker, address, rejected=rejected)
        references = {
            reference: await payloads.fetch(Raw(reference), broker.blobs)
            for reference in recovered.past.references
        }
        return Life(
            worker_id,
            address,
            services,
            recovered,
            references=references,
            rejected=rejected,
            resident=resident,
            recovering=recovering,
            settle=settle,
            on_failure=on_failure,
        )

    @property
    def memory_bytes(self) -> int:
        """What the guest holds now."""
        return 0 if self._guest is None else self._guest.memory_bytes

    def offer(self, kind: str, message: Message) -> None:
        """Take a mailbox message in."""
        if kind == "reply":
            self._answered_by(message)
        else:
            self.mailbox.offer(kind, message)
        if kind == "control" and self._session is not None:
            self._session.commanded()
        self._event.set()
        if self.waiting.blocked_on:
            self._settle_if_done()

    def answer(self, data: bytes) -> None:
        """Take an answer in that a worker of this executor gives, ahead of its delivery."""
        answer: Answer | Probe | Wake = _decode_answer(data)
        if isinstance(answer, Answer):
            self.waiting.offer(answer)
            self._event.set()

    def distrust_deliveries(self) -> None:
        """Read the mailbox again before the next message is taken."""
        self._trusted = False
        self.waiting.distrust_deliveries()
        self._event.set()

    def leave(self, *, makes_room: bool = False) -> None:
        """Finish the running invocation, take nothing new, end."""
        self._snapshots.makes_room = makes_room
        self._leaving = True
        self.waiting.leave()
        self._event.set()

    def stop_writing(self) -> None:
        """Let nothing more be written: somebody else owns the worker."""
        self.ledger.writer.stop()

    async def close(self) -> None:
        """Free everything."""
        self._knots.close()
        await self.ledger.writer.close()

    async def run(self) -> Next:
        """Do what is to be done; return what follows."""
        await self._read_mailbox()
        if (self._recovering or self._past.is_fresh_copy) and self._past.unsent:
            await self._learn_calls()
            for index, entry in self._past.unsent:
                self.ledger.outbox.emit(index, await self._loaded.internalise(entry))
        ended = await self._act()
        self._commands.refuse_questions()
        if self._commands.burial is not None:
            await self._bury(self._commands.burial)
            return Next.AGAIN
        await self.ledger.writer.flush()
        if ended is Ended.REST:
            return await self._rest()
        # The next life knows nothing of what this one is still sending, and might settle before it.
        await self._until_quiet()
        return Next.AGAIN

    async def _act(self) -> Ended:
        while True:
            if self._commands.obey(at_start=True):
                if self._commands.order is None or await self._orders.carry_out():
                    return Ended.AGAIN
                continue
            match self._plan():
                case _Plan.REST:
                    return Ended.REST
                case _Plan.WAIT:
                    await self._wait_for_retry()
                case _Plan.REFUSE:
                    await self._learn_calls()
                    self._refuse(self._past.status.status())
                case _Plan.RUN:
                    return await self._run_guest()

    def _plan(self) -> _Plan:
        if self._past.is_unfinished_copy:
            return _Plan.REST
        if self._past.tries_update and self._past.status.state != "interrupted":
            return _Plan.REST if self._leaving else _Plan.RUN
        status = self._past.status.status()
        # Without a point in time only a message can wake it: later than any clock.
        wake_at_ms = _NEVER_MS if status.wake_at_ms is None else status.wake_at_ms
        match status.state:
            case "suspended" if self.ledger.waits.is_answered(self._past.waits_for):
                return _Plan.REST if self._leaving else _Plan.RUN
            case "failed" | "exited":
                owed = not self._leaving and (len(self.mailbox) or self.ledger.running)
                return _Plan.REFUSE if owed else _Plan.REST
            case "interrupted":
                return _Plan.REST
            case "suspended" | "retrying" if wake_at_ms >= self.ledger.horizon_ms():
                if self._past.waiting_since in self._woken:
                    # Our clock is behind the broker's: its schedule has fired and is gone.
                    self._woken.clear()
                    self.ledger.suspend(wake_at_ms, self._past.waits_for)
                return _Plan.REST
            case "retrying" if wake_at_ms > self.ledger.clock.stamp_ms():
                return _Plan.REST if self._leaving else _Plan.WAIT
            case _:
                work = (
                    self._past.open is not None
                    or len(self.mailbox)
                    or self._past.plan.pending is not None
                    or bool(self._commands.questions)
                )
                return _Plan.RUN if work and not self._leaving else _Plan.REST

    async def _run_guest(self) -> Ended:
        plan = self._past.plan
        if self._past.tries_update:
            plan = plan.trying()
            self.ledger.trying = plan.version
        try:
            prepared = await self._prepare()
        except (ComponentUnknownError, ComponentError) as error:
            if self.ledger.trying is not None:
                self.ledger.update_failed(self.ledger.trying, str(error))
                return Ended.AGAIN
            return await self._refuse_unrunnable(error)
        if self.ledger.created is None:
            self.ledger.create(prepared.record, self._first_envelope())
        assert self.ledger.created is not None
        self.ledger.outbox.calls = prepared.calls
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
        if prepared.is_ephemeral:
            cursor = Cursor(())
            self.waiting.stay()

        created = self.ledger.created

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
                        self._services.programs.components,
                        timeout_s=call_timeout_s(created, self._services.options),
                    ),
                    saved=None if self._saved is None else self._saved.guest,
                    tracing=self._services.tracing,
                )
            self._services.residency.entered(self._resident)
            return self._guest

        self._session = session
        return await self._run(session, start)

    async def _run(self, session: Session, start: Callable[[], Awaitable[Guest]]) -> Ended:
        try:
            return await session.run(start)
        except SnapshotUnusableError as error:
            await self._reject_snapshot(str(error))
            return Ended.AGAIN
        finally:
            self._session = None
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
        while True:
            if not self._trusted or (self.mailbox.overflowed and not len(self.mailbox)):
                await self._read_mailbox()
            if not self.mailbox.is_empty or self._leaving:
                return
            self.is_idle = True
            self._settle_if_done()
            if self._purge_is_due():
                await self._purge_consumed()
            self._services.residency.settled(self._resident)
            await self._snapshots.idle(guest, self._event)
            self._event.clear()
            self.is_idle = False
            self._services.residency.woke(self._resident)

    async def _prepare(self) -> Prepared:
        version = None if self.ledger.created is None else self.ledger.component_version
        if self.ledger.trying is not None:
            version = self.ledger.trying
        return await self._services.programs.prepare(self.id.component, version)

    async def _learn_calls(self) -> None:
        """Outcomes are told as WAVE too, for which the component's types are needed."""
        if self.ledger.created is None or self.ledger.outbox.calls is not None:
            return
        try:
            self.ledger.outbox.calls = (await self._prepare()).calls
        except (ComponentUnknownError, ComponentError) as error:
            log.info("outcomes are told without WAVE", error=str(error))

    def _first_envelope(self) -> Envelope | None:
        waiting = self.mailbox.waiting()
        return understand(waiting[0]).envelope if waiting else None

    def _refuse(self, status: Status) -> None:
        """Answer what runs and all that waits with the reason why nothing runs any more."""
        self.ledger.conclude_running(status)
        self._reject_all(refusal(status))

    def _reject_all(self, failure: Failure) -> None:
        while (message := self.mailbox.next_invocation()) is not None:
            envelope = understand(message).envelope
            if envelope.key in self.ledger.keys:
                self.ledger.repeat_outcome(envelope)
            else:
                self.ledger.reject(envelope, failure)

    async def _refuse_unrunnable(self, error: Exception) -> Ended:
        kind = "unknown-component" if isinstance(error, ComponentUnknownError) else "bad-component"
        failure = Failure(kind=kind, message=str(error))
        if self.ledger.created is not None:
            self._reject_all(failure)
            return Ended.REST
        # There is no log to record an outcome in, since there is no worker; without its message in
        # the mailbox it cannot be answered twice.
        while (message := self.mailbox.next_invocation()) is not None:
            envelope = understand(message).envelope
            outcome = Outcome(key=envelope.key, error=failure)
            self.ledger.outbox.answer(outcome, result_to=envelope.result_to)
            self.ledger.outbox.reply(envelope.caller, None, None, UNSET, failure)
        return Ended.REST

    async def _wait_for_retry(self) -> None:
        wake_at_ms = self._past.status.status().wake_at_ms or 0
        delay_s = max(0, wake_at_ms - self.ledger.clock.stamp_ms()) / 1_000
        try:
            async with asyncio.timeout(delay_s):
                await self._event.wait()
        except TimeoutError:
            return
        self._event.clear()

    async def _read_mailbox(self) -> None:
        self._trusted = True
        self.mailbox.begin_read()
        # One exact subject after the other: the broker finds their first message by an index, but
        # searches the stream for a wildcard. What comes in between is delivered as well. Everything
        # is known before anything is taken, so the order of the kinds does not matter.
        start = self.mailbox.invoked + 1
        read = self._services.broker.journal.read
        async for message in read(self._address.mailbox_control, from_sequence=start):
            self.mailbox.offer("control", message)
        async for message in read(self._address.mailbox_invoke, from_sequence=start):
            self.mailbox.offer("invoke", message)
        await self._read_answers()

    async def _read_answers(self) -> None:
        """Answers have no watermark, since they overtake invocations: read what can matter."""
        start = self.ledger.waits.read_from
        if self._past.status.state in {"suspended", "retrying"}:
            start = min(start or self.mailbox.invoked + 1, self.mailbox.invoked + 1)
        if start is None:
            return
        read = self._services.broker.journal.read
        async for message in read(self._address.mailbox_reply, from_sequence=start):
            self._answered_by(message)

    def _answered_by(self, message: Message) -> None:
        try:
            answer: Answer | Probe | Wake = _decode_answer(message.data)
        except (msgspec.DecodeError, UnicodeDecodeError):
            log.warning("unreadable answer", sequence=message.sequence)
            return
        match answer:
            case Wake():
                self._woken.add(answer.index)
            case Probe():
                self._knots.received(answer)
            case Answer():
                self.waiting.offer(answer)

    def _waits_for(self) -> tuple[int, ...]:
        """Return the entries without whose answers the worker does nothing, now or until loaded."""
        if self._session is not None:
            return self.waiting.blocked_on
        return self._past.waits_for if self._past.status.state == "suspended" else ()

    def _blocked(self) -> None:
        self._settle_if_done()
        self._knots.blocked()

    async def _rest(self) -> Next:
        """Leave memory, unless something came in meanwhile."""
        # The last of a circle to leave memory finds it: afterwards nobody looks.
        self._knots.look()
        if self._purge_is_due():
            await self._purge_consumed()
        await self._until_quiet()
        if self._leaving:
            # With an open invocation the anchor was settled before, unless it may time out.
            if self.mailbox.is_empty and self.ledger.running is None:
                self._settle()
            return Next.END
        if self._plan() is not _Plan.REST or self.mailbox.has_commands or not self._trusted:
            return Next.AGAIN
        self._settle()
        return Next.END

    async def _until_quiet(self) -> None:
        while not self.ledger.is_quiet:
            self._quieted.clear()
            await self._quieted.wait()

    def _became_quiet(self) -> None:
        """Something was committed or sent: perhaps nothing of this worker waits any more."""
        self._quieted.set()
        self._settle_if_done()

    def _settle_if_done(self) -> None:
        has_nothing_to_do = self.is_idle and self.mailbox.is_empty
        is_blocked = bool(self.waiting.blocked_on) and not self.mailbox.has_commands
        if (has_nothing_to_do or is_blocked) and self.ledger.is_quiet:
            self._settle()

    def _purge_is_due(self) -> bool:
        """Whether removing consumed messages is worth a request: nobody reads them again.

        A worker that leaves memory forgets how many it has left behind; going by chance, as its
        watermark has it, one that is woken for single messages still leaves only some dozens.
        """
        if self.ledger.created is None:
            return True
        worth = MAILBOX_PURGE_MIN
        if not self.is_idle:
            worth = 1 + self.ledger.writer.head.marks.invoked % (MAILBOX_PURGE_MIN // 8)
        return self.mailbox.consumed - self._purged >= worth

    async def _purge_consumed(self) -> None:
        # Only what is committed as consumed may go; without a worker there is nothing to commit to.
        done = self.ledger.writer.head.marks
        if self.ledger.created is None:
            done = Marks(invoked=self.mailbox.invoked, control=self.mailbox.control)
        journal = self._services.broker.journal
        try:
            if done.invoked > 0:
                await journal.purge(self._address.mailbox_invoke, up_to_sequence=done.invoked)
            if done.control > 0:
                await journal.purge(self._address.mailbox_control, up_to_sequence=done.control)
            if self._past.open is None and self.ledger.running is None:
                wanted_from = self.ledger.waits.read_from
                newest = self.ledger.writer.head.log_sequence
                await journal.purge(
                    self._address.mailbox_reply,
                    up_to_sequence=newest if wanted_from is None else wanted_from - 1,
                )
        except BrokerError as error:
            log.info("cannot purge the mailbox now", error=str(error))
            return
        self._purged = self.mailbox.consumed

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
