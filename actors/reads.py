"""Read-only functions of one worker: run beside its queue, on copies of its guest.

    mailbox ─▶ taken ─▶ view of the newest committed state ─▶ copy ─▶ answer ─▶ message deleted

Nothing of it is recorded. The message stays in the mailbox until its answer has left, so that a
crash in between has it answered by the next owner, perhaps once more and from a newer state. It is
deleted by itself and not passed by the watermark, since invocations before it may still wait.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Final, final

import structlog
from msgspec import UNSET, Raw, UnsetType

from actors.answered_reads import AnsweredReads
from actors.calls import CallTable
from actors.engine.errors import (
    CapacityError,
    ComponentError,
    GuestTrap,
    SnapshotRefusedError,
    SnapshotUnusableError,
)
from actors.errors import ComponentUnknownError, ReadOnlyError, RejectedError, StopGuest
from actors.failures import exit_failure, trap_text
from actors.guest import Guest
from actors.host.context import ExitRequest
from actors.ledger import Ledger
from actors.limits import (
    BOUNDARY_WAIT_S,
    LOAD_BACKOFF_S,
    READ_S_MAX,
    READS_AT_ONCE_MAX,
    READS_WAITING_MAX,
)
from actors.mailbox import Mailbox
from actors.message import Envelope, Invocation, understand
from actors.outcome import Outcome
from actors.programs import Prepared
from actors.services import Services
from actors.tracing import cause_of
from actors.view import View, Views
from broker.errors import BrokerError, RetryableError
from broker.ports import Message
from oplog.entries import Failure
from oplog.errors import DivergenceError, WriterStoppedError

__all__ = ["Reads"]

log = structlog.get_logger(__name__)


@final
class Reads:
    """The reads of one life."""

    def __init__(
        self,
        ledger: Ledger,
        services: Services,
        views: Views,
        *,
        answered: AnsweredReads,
        on_done: Callable[[], None],
        is_working: Callable[[], bool],
    ) -> None:
        self._ledger = ledger
        self._services = services
        self._views = views
        self._answered = answered
        self._on_done = on_done
        self._is_working = is_working
        self._prepared: Prepared | None = None
        # By stream sequence; those that run are among them.
        self._waiting: dict[int, Invocation] = {}
        self._queue: deque[Invocation] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._view: View | None = None
        self._has_begun = False
        self._looking = asyncio.Lock()
        self._unsaveable = -1
        """The entry after which the guest could not be copied."""
        self._between: Guest | None = None
        # Somebody waits for the end of an invocation: the next one may begin in the same turn.
        self._wants = False
        self._reached = asyncio.Event()

    async def learn(self) -> None:
        """Find out what the component is, and which functions only read: to read the queue."""
        ledger, programs = self._ledger, self._services.programs
        version = None if ledger.created is None else ledger.component_version
        try:
            record = await programs.components.get(ledger.id.component, version)
            ledger.is_ephemeral = record.kind == "ephemeral"
            if record.read_only:
                prepared = await programs.prepare(record.name, record.version)
                self.choose(prepared)
                ledger.outbox.calls = prepared.calls
        except (ComponentUnknownError, ComponentError) as error:
            log.info("what only reads is not known", error=str(error))

    def choose(self, prepared: Prepared | None) -> None:
        """Learn which functions only read."""
        self._prepared = prepared if prepared is not None and prepared.read_only else None

    @property
    def are_declared(self) -> bool:
        """Whether the component has functions that only read."""
        return self._prepared is not None

    @property
    def is_empty(self) -> bool:
        """Whether all that came in is answered."""
        return not self._waiting

    @property
    def oldest(self) -> int | None:
        """The smallest stream sequence of what is not answered; None: nothing."""
        return min(self._waiting, default=None)

    def first_envelope(self, mailbox: Mailbox) -> Envelope | None:
        """Return what the headers of the oldest invocation say, or else of the oldest read."""
        queued = mailbox.waiting()
        if queued:
            return understand(queued[0]).envelope
        return self._waiting[min(self._waiting)].envelope if self._waiting else None

    @property
    def memory_bytes(self) -> int:
        """What is kept to copy the guest from."""
        return 0 if self._view is None else len(self._view.saved.image) + len(self._view.saved.host)

    def takes(self, message: Message) -> bool:
        """Take a message of the mailbox if it calls a function that only reads."""
        if self._prepared is None:
            return False
        if message.sequence in self._answered or message.sequence in self._waiting:
            return True
        understood = understand(message)
        if not isinstance(understood, Invocation) or understood.envelope.repeat is not None:
            return False
        try:
            bound = self._prepared.calls.find(understood.call.function)
        except RejectedError:
            return False
        if bound.name not in self._prepared.read_only:
            return False
        full = len(self._waiting) >= READS_WAITING_MAX
        self._waiting[message.sequence] = understood
        if full:
            text = f"{READS_WAITING_MAX} reads of the worker wait already"
            self._spawn(
                self._conclude(understood, None, UNSET, Failure(kind="worker-busy", message=text))
            )
        else:
            self._queue.append(understood)
            self._start()
        return True

    def between(self, guest: Guest | None) -> None:
        """The guest is between two invocations; None: it is not any more."""
        self._between = guest
        if guest is not None and self._wants:
            self._wants = False
            self._capture(guest)
            self._reached.set()

    async def refuse(self, failure: Failure) -> None:
        """Answer all that waits with the reason why nothing runs any more."""
        await self._stop()
        for read in list(self._waiting.values()):
            await self._conclude(read, None, UNSET, failure)

    async def close(self) -> None:
        """Abandon what is not answered: it lies in the mailbox."""
        await self._stop()
        self._view = None

    async def _stop(self) -> None:
        self._queue.clear()
        running = tuple(self._tasks)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def begin(self) -> None:
        """Serve what has come in: it is known now whether the guest runs, and the worker exists."""
        self._has_begun = self._ledger.created is not None
        self._start()

    def _start(self) -> None:
        while self._has_begun and self._queue and len(self._tasks) < READS_AT_ONCE_MAX:
            self._spawn(self._serve(self._queue.popleft()))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._services.spawn(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        self._start()

    async def _serve(self, read: Invocation) -> None:
        envelope = read.envelope
        if envelope.key in self._ledger.keys:
            # It was no read when it ran for the first time.
            self._ledger.repeats.answer(envelope, consumed=False)
            self._forget(envelope.sequence)
            return
        begun_ns = time.time_ns()
        name: str | None = None
        result: Raw | UnsetType = UNSET
        failure: Failure | None = None
        try:
            async with self._services.reading, asyncio.timeout(READ_S_MAX):
                name, result = await self._run(read)
        except _NOT_NOW as error:
            log.info("cannot read now, trying again", error=str(error))
            await asyncio.sleep(LOAD_BACKOFF_S)
            self._queue.append(read)
            return
        except (Exception, ExitRequest, StopGuest) as error:  # noqa: BLE001 - told to the caller
            failure = _failure_of(error)
        function = name or read.call.function
        self._services.tracing.read(
            self._ledger.id,
            cause_of(envelope),
            function,
            since_ns=begun_ns,
            failure=failure,
        )
        await self._conclude(read, name, result, failure)

    async def _run(self, read: Invocation) -> tuple[str, Raw | UnsetType]:
        prepared, guest = await self._copy()
        try:
            bound, arguments, _ = prepared.calls.bind(read.call, guest.resources)
            if bound.name not in prepared.read_only:
                text = f"{bound.name} is not read-only in version {prepared.record.version}"
                raise RejectedError(Failure(kind="unknown-function", message=text))
            result = await guest.call(bound, arguments)
            failure = CallTable.too_large(result, limit_bytes=self._ledger.result_bytes_max)
            if failure is not None:
                raise RejectedError(failure)
            self._services.count_invocation()
            return bound.name, result
        finally:
            guest.close()

    async def _copy(self) -> tuple[Prepared, Guest]:
        """Return a guest of its own for one read."""
        writer = self._ledger.writer
        async with self._looking:
            # Before the first outcome, the state is that of a worker which has just been created.
            wanted = max(self._ledger.completed_index, 1)
            await writer.wait_committed(wanted)
            view = await self._newest(wanted)
            if view is None:
                return await self._replayed(wanted)
        # It may be taken of what is on its way to the broker.
        await writer.wait_committed(view.index)
        try:
            return view.prepared, await self._views.open(view)
        except SnapshotUnusableError as error:
            log.warning("a copy of the guest does not load", error=str(error))
            self._view, self._unsaveable = None, view.index
            return await self._replayed(view.index)

    async def _newest(self, wanted: int) -> View | None:
        """Return a view that shows at least the outcome of entry `wanted`, if one can be had."""
        if self._view is not None and self._view.index >= wanted:
            return self._view
        if self._unsaveable >= wanted:
            return None
        if self._between is not None:
            self._capture(self._between)
        else:
            await self._wait_for_boundary()
        fresh = self._view is not None and self._view.index >= wanted
        return self._view if fresh else None

    async def _wait_for_boundary(self) -> None:
        """Return when the running invocation has ended, unless that takes long."""
        while self._is_working():
            self._wants = True
            self._reached.clear()
            try:
                async with asyncio.timeout(BOUNDARY_WAIT_S):
                    await self._reached.wait()
                    return
            except TimeoutError:
                if self._ledger.running is not None:
                    break
        self._wants = False

    def _capture(self, guest: Guest) -> None:
        index, prepared = self._ledger.completed_index, self._prepared
        if prepared is None or (self._view is not None and self._view.index == index):
            return
        try:
            self._view = View(index, prepared, guest.save(to_read=True))
        except SnapshotRefusedError as error:
            self._unsaveable = index
            log.info("the guest cannot be copied, it is replayed for each read", reason=str(error))

    async def _replayed(self, wanted: int) -> tuple[Prepared, Guest]:
        index, prepared, guest = await self._views.replay()
        index = max(index, wanted)
        if self._unsaveable < index:
            try:
                self._view = View(index, prepared, guest.save(to_read=True))
            except SnapshotRefusedError as error:
                self._unsaveable = index
                log.info("the guest cannot be copied", reason=str(error))
        return prepared, guest

    async def _conclude(
        self,
        read: Invocation,
        name: str | None,
        result: Raw | UnsetType,
        failure: Failure | None,
    ) -> None:
        envelope, outbox = read.envelope, self._ledger.outbox
        function = name or read.call.function
        if name is not None:
            outcome = outbox.outcome_of(envelope.key, name, result, failure)
        else:
            outcome = Outcome(key=envelope.key, function=function, error=failure)
        outbox.answer(outcome, result_to=envelope.result_to, traceparent=envelope.traceparent)
        if envelope.caller is not None:
            try:
                await outbox.answer_reader(
                    envelope.caller, function, result, failure, tell_at=envelope.tell_at
                )
            except BrokerError as error:
                # Stays in the mailbox, and is answered once more by whoever loads the worker.
                log.warning("cannot answer a read", error=str(error))
                self._done(envelope.sequence)
                return
        self._forget(envelope.sequence)

    def _forget(self, sequence: int) -> None:
        self._answered.add(sequence)
        self._done(sequence)
        self._answered.sweep()

    def _done(self, sequence: int) -> None:
        self._waiting.pop(sequence, None)
        self._on_done()


_NOT_NOW: Final = (RetryableError, WriterStoppedError, CapacityError)


def _failure_of(error: BaseException) -> Failure:
    match error:
        case RejectedError():
            return error.failure
        case ReadOnlyError():
            return Failure(kind="read-only", message=str(error))
        case GuestTrap():
            return Failure(kind="trap", message=trap_text(error))
        case TimeoutError():
            text = f"a read-only function may run for {READ_S_MAX:.0f} s"
            return Failure(kind="timed-out", message=text)
        case ExitRequest():
            return exit_failure(error.code, error.last_words)
        case DivergenceError():
            return Failure(kind="divergence", message=str(error))
        case ComponentUnknownError():
            return Failure(kind="unknown-component", message=str(error))
        case ComponentError():
            return Failure(kind="bad-component", message=str(error))
        case _:
            log.error("a read has failed", exc_info=error)
            return Failure(kind="internal", message=f"{type(error).__name__}: {error}")
