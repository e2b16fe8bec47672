"""What leaves the executor because of committed entries: outcomes, events, wake-up schedules.

An entry comes first, the message after its commit. Durable messages carry the id
`<incarnation>:<index>`, so that sending them again after a crash is noticed by the receiver. `mark`
is the index up to which everything is known to be sent; it travels in the next commit, and recovery
sends again what is above it.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, final

import msgspec
import structlog
from msgspec import UNSET, Raw, UnsetType

from actors.calls import CallTable
from actors.errors import RejectedError
from actors.identity import WorkerId
from actors.limits import OUTCOME_OVERHEAD_BYTES
from actors.outcome import Outcome
from actors.requests import (
    Sending,
    answer_to,
    inherited_headers,
    occurrence,
    order_for,
    request_for,
)
from broker import subjects
from broker.errors import TerminalError
from broker.ports import Broker
from oplog.entries import (
    Caller,
    CommandDone,
    Create,
    Entry,
    ErrorEntry,
    Exited,
    ExportedFunctionCompleted,
    ExportedFunctionInvoked,
    Failure,
    ImportedFunctionInvoked,
    Interrupted,
    InvocationRejected,
    Log,
    Order,
    RemoteCall,
    Repeat,
    Restart,
    Suspend,
)
from wit.errors import WitError

__all__ = ["Outbox"]

log = structlog.get_logger(__name__)
_encode = msgspec.json.Encoder().encode


@final
class Outbox:
    """The messages of one worker in memory."""

    def __init__(
        self,
        broker: Broker,
        worker_id: WorkerId,
        *,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
        on_sent: Callable[[], None],
        answer_here: Callable[[WorkerId, bytes], None],
        horizon_ms: Callable[[], int],
    ) -> None:
        self._broker = broker
        self._id = worker_id
        self._spawn = spawn
        self._on_sent = on_sent
        self._answer_here = answer_here
        self._horizon_ms = horizon_ms
        self._outcome_bytes_max = broker.payload_bytes_max - OUTCOME_OVERHEAD_BYTES // 2
        self._unsent: set[int] = set()
        # What waits behind a message to the same subject: each waits for the broker's answer to the
        # one before, so that they are stored in order.
        self._lanes: dict[str, deque[tuple[int | None, Sending]]] = {}
        self._unindexed = 0
        self._sent = asyncio.Event()
        self._inherited: dict[str, str] = {}
        self._invoked: ExportedFunctionInvoked | None = None
        self._result_subject = subjects.result(worker_id.component, worker_id.worker)
        self._event_subject = subjects.event(worker_id.component, worker_id.worker)
        self._headers = {
            "Shem-Component": worker_id.component,
            "Shem-Worker": worker_id.worker,
        }
        self.incarnation = ""
        self.calls: CallTable | None = None

    @property
    def is_empty(self) -> bool:
        """Whether everything durable has been acknowledged by the broker."""
        return not self._unsent and not self._unindexed

    async def wait_sent(self, index: int) -> None:
        """Return when the broker has what committed entry `index` causes."""
        while index in self._unsent:
            self._sent.clear()
            await self._sent.wait()

    def mark(self, committed: int) -> int:
        """Return the index up to which everything is sent, of `committed` entries."""
        return min(self._unsent) - 1 if self._unsent else committed

    def emit(self, index: int, entry: Entry) -> None:
        """Send what a committed entry causes. Called once per entry, in order."""
        match entry:
            case ImportedFunctionInvoked(asks=RemoteCall() as call):
                caller = Caller(
                    component=self._id.component,
                    worker=self._id.worker,
                    incarnation=self.incarnation,
                    index=index,
                )
                self.send(index, request_for(caller, call, entry.request, self._inherited))
            case ImportedFunctionInvoked(asks=Order() as order):
                caller = Caller(
                    component=self._id.component,
                    worker=self._id.worker,
                    incarnation=self.incarnation,
                    index=index,
                )
                self.send(index, order_for(caller, order))
            case CommandDone():
                self.reply(entry.caller, index, None, entry.result, entry.error)
            case Log():
                self._event(
                    {
                        "type": entry.level if entry.level in {"stdout", "stderr"} else "log",
                        "level": entry.level,
                        "message": entry.message,
                        "context": entry.context,
                        "at-ms": entry.at_ms,
                        "index": index,
                    }
                )
            case ExportedFunctionInvoked():
                self._invoked = entry
                self._again(index, entry.repeat)
            case ExportedFunctionCompleted():
                self._completed(index, entry)
            case InvocationRejected():
                self.reply(entry.caller, index, entry.function, UNSET, entry.error)
                self._again(index, entry.repeat)
                self.answer(
                    Outcome(key=entry.idempotency_key, function=entry.function, error=entry.error),
                    result_to=entry.result_to,
                )
            case Suspend():
                self._status("suspended")
                if entry.wake_at_ms is not None:
                    self.wake_at(index, entry.wake_at_ms)
            case ErrorEntry():
                self._status("failed" if entry.retry_at_ms is None else "retrying")
                retry_at = entry.retry_at_ms
                if retry_at is not None and retry_at >= self._horizon_ms():
                    self.wake_at(index, retry_at)
            case Interrupted():
                self._status("interrupted")
            case Exited():
                self._status("exited")
            case Restart():
                self._status("idle")
            case _:
                pass

    def inherit(self, created: Create) -> None:
        """Learn what the workers that this one creates are created with."""
        self.incarnation = created.incarnation
        self._inherited = inherited_headers(created)

    def resume(self, invoked: ExportedFunctionInvoked | None) -> None:
        """Learn which invocation has begun in an earlier life: its outcome is sent by this one."""
        self._invoked = invoked

    def reply(
        self,
        caller: Caller | None,
        index: int | None,
        function: str | None,
        result: Raw | UnsetType,
        error: Failure | None,
    ) -> None:
        """Answer a worker that called, if one did. `index` None: not what an entry causes."""
        if caller is None:
            return
        # Not what an entry causes: it repeats an answer, or there is no log to record one in.
        again = f":{caller.incarnation}:{caller.index}"
        message_id = f"{self.incarnation}:{index}" if index else f"{self.incarnation}{again}"
        answer = answer_to(
            caller,
            message_id=message_id,
            function=function,
            result=result,
            error=error,
            calls=self.calls,
        )
        if len(answer.data) > self._outcome_bytes_max:
            # Node lists are many times larger than the JSON that was small enough to be recorded.
            text = f"the answer has {len(answer.data)} bytes, {self._outcome_bytes_max} can be sent"
            answer = answer_to(
                caller,
                message_id=message_id,
                function=function,
                result=UNSET,
                error=Failure(kind="too-large", message=text),
                calls=None,
            )
        self.send(index, answer)
        # What it tells is committed, and is sent again after any crash: a caller in this process
        # need not wait for the broker to hand it back.
        self._answer_here(WorkerId(caller.component, caller.worker), answer.data)

    def send(self, index: int | None, message: Sending) -> None:
        """Send a durable message that entry `index` causes, behind earlier ones to its subject."""
        if index is None:
            self._unindexed += 1
        else:
            self._unsent.add(index)
        lane = self._lanes.get(message.subject)
        if lane is not None:
            lane.append((index, message))
            return
        self._lanes[message.subject] = deque([(index, message)])
        self._spawn(self._send_lane(message.subject))

    def answer(
        self, outcome: Outcome, *, result_to: str | None, traceparent: str | None = None
    ) -> None:
        """Announce an outcome on the result subject, and to the inbox that asked for it."""
        data = _encode(outcome)
        if outcome.wave is not None and len(data) > self._outcome_bytes_max:
            # The result is told once, as JSON: twice would not fit into a message.
            data = _encode(msgspec.structs.replace(outcome, wave=None))
        headers = {**self._headers, "Shem-Key": outcome.key}
        if traceparent is not None:
            headers["traceparent"] = traceparent
        self._broker.signals.publish(self._result_subject, data, headers=headers)
        if result_to is not None:
            self._broker.signals.publish(result_to, data, headers=headers)

    def outcome_of(
        self, key: str, function: str | None, result: Raw | UnsetType, error: Failure | None
    ) -> Outcome:
        """Return the outcome as callers get it, with the result as WAVE beside the JSON."""
        wave = None
        if not isinstance(result, UnsetType) and function is not None and self.calls is not None:
            try:
                wave = self.calls.find(function).wave_result(result)
            except (RejectedError, WitError):
                # The component was updated to a version without this function, or the result
                # holds handles, which WAVE does not write.
                wave = None
        return Outcome(key=key, function=function, result=result, wave=wave, error=error)

    def wake_at(self, index: int, wake_at_ms: int) -> None:
        """Have the broker wake the worker at a Unix time in milliseconds."""
        self._unsent.add(index)
        self._spawn(self._schedule(index, wake_at_ms))

    async def _schedule(self, index: int, wake_at_ms: int) -> None:
        names = self._id.component, self._id.worker
        body = {"incarnation": self.incarnation, "index": index, "type": "wake"}
        try:
            await self._broker.journal.schedule(
                subjects.schedule(*names, str(index)),
                _encode(body),
                target=subjects.reply(*names),
                at_ns=wake_at_ms * 1_000_000,
                message_id=f"{self.incarnation}:{index}",
            )
        except TerminalError:
            # Stays unsent: the worker keeps its anchor and stays recoverable.
            log.exception("cannot schedule a wake-up", worker=str(self._id), index=index)
            return
        self._unsent.discard(index)
        self._on_sent()

    def _again(self, index: int, repeat: Repeat | None) -> None:
        if repeat is not None:
            self.send(index, occurrence(self._id, f"{self.incarnation}:{index}", repeat))

    async def _send_lane(self, subject: str) -> None:
        lane = self._lanes[subject]
        while lane:
            index, message = lane[0]
            if await self._send(message):
                if index is None:
                    self._unindexed -= 1
                else:
                    self._unsent.discard(index)
            lane.popleft()
            self._sent.set()
            if not lane:
                # Before others are told: what they send begins a lane of its own.
                del self._lanes[subject]
            self._on_sent()

    async def _send(self, message: Sending) -> bool:
        """Return whether the broker has it; otherwise it stays unsent, and so recoverable."""
        journal = self._broker.journal
        try:
            if message.at_ms is None:
                await journal.publish(
                    message.subject,
                    message.data,
                    message_id=message.message_id,
                    headers=message.headers,
                )
            elif not (message.obeys and await self._is_held(message)):
                await journal.schedule(
                    message.schedule,
                    message.data,
                    target=message.subject,
                    at_ns=message.at_ms * 1_000_000,
                    message_id=message.message_id,
                    headers=message.headers,
                )
        except TerminalError:
            log.exception("cannot send", worker=str(self._id), message_id=message.message_id)
            return False
        return True

    async def _is_held(self, message: Sending) -> bool:
        """Whether an operator has paused or cancelled what would be scheduled now."""
        journal = self._broker.journal
        left = await journal.last(message.schedule, leader=True)
        order = None if left is None else left.headers.get("Shem-Hold")
        if order == "cancel":
            await journal.purge(message.schedule)
        elif order == "pause":
            await journal.publish(
                message.schedule,
                message.data,
                message_id=message.message_id,
                headers={**message.headers, "Shem-Hold": "pause"},
            )
        return order is not None

    def _completed(self, index: int, entry: ExportedFunctionCompleted) -> None:
        invoked, self._invoked = self._invoked, None
        if invoked is not None and invoked.idempotency_key != entry.idempotency_key:
            invoked = None
        self.answer(
            self.outcome_of(entry.idempotency_key, entry.function, entry.result, entry.error),
            result_to=None if invoked is None else invoked.result_to,
            traceparent=None if invoked is None else invoked.traceparent,
        )
        if invoked is not None:
            self.reply(invoked.caller, index, entry.function, entry.result, entry.error)

    def _status(self, status: str) -> None:
        self._event({"type": "status", "status": status})

    def _event(self, body: dict[str, object]) -> None:
        self._broker.signals.publish(self._event_subject, _encode(body), headers=self._headers)
