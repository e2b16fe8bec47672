"""A guest at work: replay what the log holds, then take invocations from the mailbox.

Strictly one invocation after the other. The next one may run while the commit of the last is in
flight: what accumulates meanwhile goes into one message. A session ends when the guest is of no use
any more, when an operator stops it, or when the worker is to leave memory.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from enum import Enum, auto
from typing import Final, TypeVar, final

import msgspec
import structlog
from msgspec import UNSET, Raw, UnsetType

from actors.calls import BoundFunction, CallTable
from actors.commands import Commands
from actors.enclosed import HEADER
from actors.engine.errors import CapacityError, GuestTrap, SnapshotUnusableError
from actors.errors import (
    IncompleteWriteError,
    LeaveGuest,
    RejectedError,
    RestartGuest,
    SuspendGuest,
)
from actors.failures import exit_failure, is_final, trap_text
from actors.guest import Guest
from actors.host.context import ExitRequest
from actors.ledger import Ledger
from actors.limits import (
    INVOCATIONS_PER_TURN_MAX,
    PAYLOAD_BYTES_MAX,
    RESULT_BYTES_MAX,
    UNCOMMITTED_ENTRIES_MAX,
)
from actors.mailbox import Mailbox
from actors.memory_policy import is_full
from actors.message import Malformed, understand
from actors.options import ExecutorOptions
from actors.quotas import too_long
from actors.recurrence import is_missed
from actors.snapshots import Snapshots
from actors.tracing import Cause, InvocationTrace, Tracing, cause_of, trace_id_of
from broker.errors import FencedError, RetryableError
from broker.ports import Message
from oplog.entries import ExportedFunctionInvoked, Failure, PendingUpdate
from oplog.errors import DivergenceError, WriterStoppedError
from oplog.replay import Cursor
from wit.values import Value

__all__ = ["Ended", "Session"]

log = structlog.get_logger(__name__)


_LOST: Final = Failure(
    kind="lost", message="the executor died while this ran; an ephemeral worker does not go on"
)


Result = TypeVar("Result")


class Ended(Enum):
    """Why a session ended."""

    REST = auto()
    """Nothing to do now: the worker can leave memory."""
    AGAIN = auto()
    """The log says how to go on: load it again."""


class _Interrupted(Exception):  # noqa: N818 - control flow inside this file
    """A command stopped the guest."""


_NOT_THE_GUEST = (
    FencedError,
    RetryableError,
    WriterStoppedError,
    CapacityError,
    SnapshotUnusableError,
)


@final
class Session:
    """One guest from its instantiation to its end."""

    def __init__(
        self,
        ledger: Ledger,
        mailbox: Mailbox,
        commands: Commands,
        cursor: Cursor,
        *,
        options: ExecutorOptions,
        attempts_before: int,
        is_leaving: Callable[[], bool],
        next_work: Callable[[Guest | None], Awaitable[None]],
        snapshots: Snapshots | None = None,
        on_invocation: Callable[[], None],
        tracing: Tracing,
        is_ephemeral: bool = False,
    ) -> None:
        self._is_ephemeral = is_ephemeral
        self._ledger = ledger
        self._mailbox = mailbox
        self._commands = commands
        self._cursor = cursor
        self._options = options
        self._attempts_before = attempts_before
        self._is_leaving = is_leaving
        self._next_work = next_work
        self._snapshots = snapshots
        self._on_invocation = on_invocation
        self._tracing = tracing
        self._trace: InvocationTrace | None = None
        self._task: asyncio.Task[object] | None = None
        self._is_calling = False
        self._stopped_by_command = False

    def commanded(self) -> None:
        """A command has come in: obey it at once, or stop the guest for it."""
        if not self._is_calling or self._task is None:
            return
        if self._commands.stops_guest:
            self._stopped_by_command = True
            self._task.cancel()
        else:
            self._commands.obey()

    async def run(self, start: Callable[[], Awaitable[Guest]]) -> Ended:
        """Start the guest, replay, then work."""
        try:
            if self._is_ephemeral:
                self._give_up(_LOST)
                ended = await self._work(None, start)
                self._ledger.leave_behind()
                return ended
            begun_ns = time.time_ns()
            guest = await self._interruptibly(start())
            replayed = 0
            while (invoked := self._cursor.next_invocation()) is not None:
                bound, arguments = guest.recall(invoked)
                if self._tracing.enabled and self._is_open(invoked):
                    # The log may end anywhere inside of it: what it still replays counts as run.
                    self._replayed(cause_of(invoked), begun_ns, replayed)
                    self._begin_trace(invoked)
                result = await self._execute(guest, bound, arguments)
                if self._cursor.completed(result=result) is None:
                    self._ledger.updated()
                    self._complete(invoked, result)
                    replayed = 0
                    break
                replayed += 1
                if replayed % INVOCATIONS_PER_TURN_MAX == 0:
                    await asyncio.sleep(0)
            if self._tracing.enabled and replayed:
                self._trace_replay(begun_ns, replayed)
            self._ledger.updated()
            snapshots = self._snapshots
            if self._cursor.index and snapshots is not None and snapshots.is_due(guest):
                # What was replayed now is not replayed again.
                await snapshots.take(guest)

            return await self._work(guest, start)
        except _Interrupted:
            self._commands.obey()
            return Ended.AGAIN
        except SuspendGuest as suspension:
            self._ledger.suspend(suspension.wake_at_ms, suspension.waits_for)
            return Ended.AGAIN
        except RestartGuest:
            return Ended.AGAIN
        except LeaveGuest:
            return Ended.REST
        except ExitRequest as request:
            return self._exited(request)
        except GuestTrap as trap:
            return self._failed(self._failure_of(trap))
        except DivergenceError as error:
            return self._failed(Failure(kind="divergence", message=str(error)))
        except IncompleteWriteError as error:
            # Trying again finds the same log: an operator has to decide.
            return self._failed(Failure(kind="incomplete-write", message=str(error)))
        except RejectedError as error:
            # A recorded function or its parameters no longer fit the component.
            return self._failed(error.failure)
        except _NOT_THE_GUEST:
            # Nothing that the guest did, a broker that is away included: the worker is loaded
            # again, here or elsewhere, and this counts as no attempt.
            raise
        except Exception as error:  # noqa: BLE001 - logged, and told to the caller
            self._log().exception("a host function failed")
            return self._failed(
                Failure(kind="internal", message=f"{type(error).__name__}: {error}")
            )
        finally:
            if self._trace is not None:
                self._trace.left()

    async def _work(self, resident: Guest | None, start: Callable[[], Awaitable[Guest]]) -> Ended:
        """Take one invocation after the other; without a resident guest each gets a new one."""
        turns = 0
        while True:
            if resident is None:
                self._commands.refuse_questions()
            else:
                if self._ledger.wanted is not None:
                    return await self._save(resident, self._ledger.wanted)
                if self._commands.questions:
                    self._commands.answer_questions(resident.files)
            await self._next_work(resident)
            if self._commands.obey():
                return Ended.AGAIN
            if self._is_leaving():
                if resident is not None and self._snapshots is not None:
                    await self._snapshots.when_leaving(resident)
                return Ended.REST
            message = self._mailbox.next_invocation()
            if message is None:
                continue
            guest = await start() if resident is None else resident
            await self._take(guest, message)
            if resident is None:
                if self._mailbox.is_empty:
                    return Ended.REST
            elif self._snapshots is not None and self._snapshots.is_due(resident):
                await self._snapshots.take(resident)
            turns += 1
            if turns >= INVOCATIONS_PER_TURN_MAX:
                turns = 0
                await asyncio.sleep(0)
            writer = self._ledger.writer
            if writer.last_index - writer.committed_index > UNCOMMITTED_ENTRIES_MAX:
                await writer.wait_committed(writer.last_index - UNCOMMITTED_ENTRIES_MAX // 2)

    async def _save(self, guest: Guest, update: PendingUpdate) -> Ended:
        """Have the old version describe its state for the new one."""
        try:
            snapshot = await self._interruptibly(guest.save_custom())
        except (GuestTrap, RejectedError) as error:
            told = trap_text(error) if isinstance(error, GuestTrap) else str(error)
            self._ledger.update_failed(update.target_version, f"save: {told}")
            return Ended.AGAIN
        encoded = Raw(msgspec.json.encode(snapshot))
        self._ledger.want_update(msgspec.structs.replace(update, snapshot=encoded))
        return Ended.AGAIN

    async def _take(self, guest: Guest, message: Message) -> None:
        understood = understand(message)
        envelope = understood.envelope
        if envelope.key in self._ledger.keys:
            self._ledger.repeats.answer(envelope)
            return
        if HEADER in message.headers:
            try:
                # Whatever stops the guest stops this, too: nothing may begin behind it.
                whole = await self._interruptibly(self._ledger.enclosed(message))
            except RejectedError as error:
                self._ledger.reject(envelope, error.failure)
                return
            understood = understand(whole, bytes_max=PAYLOAD_BYTES_MAX)
        if isinstance(understood, Malformed):
            self._ledger.reject(envelope, understood.failure)
            return
        if envelope.repeat is not None and is_missed(
            envelope.repeat, self._ledger.clock.stamp_ms()
        ):
            text = "this occurrence is over, and the rule says not to catch up"
            self._ledger.reject(envelope, Failure(kind="missed", message=text))
            return
        exceeded = too_long(self._ledger, self._ledger.quota)
        if exceeded is not None:
            self._ledger.reject(envelope, exceeded, function=understood.call.function)
            return
        try:
            bound, arguments, params = guest.calls.bind(understood.call, guest.resources)
        except RejectedError as error:
            self._ledger.reject(envelope, error.failure, function=understood.call.function)
            return
        except Exception as error:
            # A bug of ours, and the guest has not run: one message must not fail its worker.
            log.exception("cannot bind a call", function=understood.call.function)
            failure = Failure(kind="internal", message=f"{type(error).__name__}: {error}")
            self._ledger.reject(envelope, failure, function=understood.call.function)
            return
        invoked = self._ledger.begin(envelope, bound.name, params)
        if self._tracing.enabled:
            self._tracing.queued(self._ledger.id, cause_of(envelope), since_ns=message.time_ns)
            self._begin_trace(invoked)
        self._complete(invoked, await self._execute(guest, bound, arguments))

    async def _execute(
        self, guest: Guest, bound: BoundFunction, arguments: list[Value]
    ) -> Raw | UnsetType:
        if self._mailbox.has_commands and self._commands.stops_guest:
            raise _Interrupted
        if self._task is None:
            self._task = asyncio.current_task()
        self._is_calling = True
        try:
            return await guest.call(bound, arguments)
        except asyncio.CancelledError:
            if not self._stopped_by_command or self._task is None:
                raise
            self._task.uncancel()
            raise _Interrupted from None
        finally:
            self._is_calling = False

    async def _interruptibly(self, work: Awaitable[Result]) -> Result:
        """Wait for what a guest does outside of invocations, unless an operator stops it."""
        self._task = asyncio.current_task()
        self._is_calling = True
        try:
            return await work
        except asyncio.CancelledError:
            if not self._stopped_by_command or self._task is None:
                raise
            self._task.uncancel()
            raise _Interrupted from None
        finally:
            self._is_calling = False

    def _complete(self, invoked: ExportedFunctionInvoked, result: Raw | UnsetType) -> None:
        self._on_invocation()
        failure = CallTable.too_large(result, limit_bytes=RESULT_BYTES_MAX)
        self._conclude(invoked, result if failure is None else UNSET, failure)

    def _conclude(
        self,
        invoked: ExportedFunctionInvoked,
        result: Raw | UnsetType,
        failure: Failure | None,
    ) -> None:
        index = self._ledger.complete(invoked, result=result, error=failure)
        if self._trace is not None:
            self._trace.completed(failure)
            self._ledger.writer.when_committed(index, self._trace.committed)
            self._trace = None

    def _is_open(self, invoked: ExportedFunctionInvoked) -> bool:
        running = self._ledger.running
        return running is not None and running.sequence == invoked.sequence

    def _begin_trace(self, invoked: ExportedFunctionInvoked) -> None:
        ledger = self._ledger
        self._trace = ledger.trace = self._tracing.execute(ledger.id, invoked)

    def _trace_replay(self, begun_ns: int, invocations: int) -> None:
        waiting = self._mailbox.waiting()
        cause = cause_of(understand(waiting[0]).envelope) if waiting else None
        self._replayed(cause, begun_ns, invocations)

    def _replayed(self, cause: Cause | None, begun_ns: int, invocations: int) -> None:
        self._tracing.replayed(
            self._ledger.id,
            cause,
            since_ns=begun_ns,
            invocations=invocations,
            entries=self._cursor.index,
        )

    def _failure_of(self, trap: GuestTrap) -> Failure:
        limit = self._ledger.memory.limit(self._options.worker_memory_bytes_max)
        lacked = trap.lacked_memory
        if not (is_full(trap.memory_bytes, limit) if lacked is None else lacked):
            return Failure(kind="trap", message=trap_text(trap))
        text = f"it has {trap.memory_bytes} of {limit} bytes of memory: {trap_text(trap)}"
        return Failure(kind="out-of-memory", message=text)

    def _exited(self, request: ExitRequest) -> Ended:
        if not self._is_ephemeral:
            self._ledger.exit(request.code)
        self._give_up(exit_failure(request.code, request.last_words))
        return Ended.AGAIN

    def _failed(self, failure: Failure) -> Ended:
        if self._ledger.trying is not None:
            # The old version goes on as if nothing had been tried.
            self._log().warning("update failed", version=self._ledger.trying, kind=failure.kind)
            self._ledger.update_failed(self._ledger.trying, f"{failure.kind}: {failure.message}")
            return Ended.AGAIN
        if self._is_ephemeral:
            self._log().warning("ephemeral guest failed", kind=failure.kind)
            self._give_up(failure)
            return Ended.AGAIN
        progressed = self._ledger.progressed
        attempt = 1 if progressed else self._attempts_before + 1
        delay_ms = None
        gives_up = failure.kind == "out-of-memory" and self._ledger.memory.full == "fail"
        if not gives_up and not is_final(failure.kind):
            policy = self._ledger.retry_policy
            delay_ms = policy.delay_ms(attempt, random=random.random())  # noqa: S311
        retry_at_ms = None if delay_ms is None else self._ledger.clock.stamp_ms() + delay_ms
        self._log().warning(
            "guest failed", kind=failure.kind, attempt=attempt, retry_in_ms=delay_ms
        )
        self._ledger.fail(failure, attempt=attempt, retry_at_ms=retry_at_ms)
        if self._trace is not None:
            self._trace.failed(failure)
        if retry_at_ms is None:
            self._give_up(failure)
            if self._ledger.wanted is not None:
                text = f"save: the worker failed before it could: {failure.kind}"
                self._ledger.update_failed(self._ledger.wanted.target_version, text)
        return Ended.AGAIN

    def _log(self) -> structlog.stdlib.BoundLogger:
        """Return the logger that names what runs: bound when needed, since invocations are many."""
        running = self._ledger.running
        bound: structlog.stdlib.BoundLogger = log.bind()
        if running is not None:
            bound = bound.bind(key=running.idempotency_key, function=running.function)
            if running.traceparent is not None:
                bound = bound.bind(trace_id=trace_id_of(running.traceparent))
        return bound

    def _give_up(self, failure: Failure) -> None:
        running = self._ledger.running
        if running is not None:
            self._conclude(running, UNSET, failure)
