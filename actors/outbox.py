"""What leaves the executor because of committed entries: outcomes, events, wake-up schedules.

An entry comes first, the message after its commit. Durable messages carry the id
`<incarnation>:<index>`, so that sending them again after a crash is noticed by the receiver. `mark`
is the index up to which everything is known to be sent; it travels in the next commit, and recovery
sends again what is above it.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, final

import msgspec
import structlog
from msgspec import UNSET, Raw, UnsetType

from actors.calls import CallTable
from actors.errors import RejectedError
from actors.following import Followers, Pace, only_call
from actors.handing import Handing
from actors.identity import WorkerId
from actors.limits import EMITTED_PER_TURN_MAX, LOAD_BACKOFF_S, OUTCOME_OVERHEAD_BYTES
from actors.outcome import Outcome
from actors.recurrence import is_another, rule_in
from actors.requests import (
    Sending,
    answer_of,
    answer_to,
    inherited_headers,
    message_to_client,
    occurrence,
    order_for,
    request_for,
)
from actors.telling import AnswerHere, Telling
from actors.waits import Answer
from broker import subjects
from broker.errors import BrokerError, RetryableError, TerminalError
from broker.ports import Broker
from oplog.entries import (
    Caller,
    ClientMessage,
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
from oplog.payloads import reference_to
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
        answer_here: AnswerHere,
        horizon_ms: Callable[[], int],
        telling: Telling,
        pace: Pace,
    ) -> None:
        self._broker = broker
        self._signals = broker.signals
        self._id = worker_id
        self._spawn = spawn
        self._on_sent = on_sent
        self._horizon_ms = horizon_ms
        self._telling = telling
        self._followers = Followers(broker.journal, pace, spawn=spawn)
        self._handing = Handing(
            telling, answer_here, on_recorded=self._has_left, on_unheard=self._send_answer
        )
        self.listens = self._handing.listens
        self._sharding = broker.sharding
        self._stream = self._stream_of(worker_id)
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
            "Shem-Component": _in_header(worker_id.component),
            "Shem-Worker": _in_header(worker_id.worker),
        }
        self.incarnation = ""
        self.calls: CallTable | None = None
        self._heeded: list[tuple[str, int]] = []
        self.lasting = 0
        """The newest entry whose message nobody drops who gets it again much later."""

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
        # The frequent ones first: each case is a comparison of its own.
        match entry:
            case ExportedFunctionInvoked():
                self._invoked = entry
                if entry.repeat is not None:
                    self._again(index, entry.repeat)
            case ExportedFunctionCompleted():
                self._completed(index, entry)
            case ImportedFunctionInvoked(asks=None):
                pass
            case ImportedFunctionInvoked(asks=RemoteCall() as call):
                if not call.awaits or call.run_at_ms is not None:
                    self.lasting = index
                self.send(index, self._request(index, call, entry.request))
            case ImportedFunctionInvoked(asks=Order() as order):
                self.send(index, order_for(self._caller(index), order))
            case ImportedFunctionInvoked(asks=ClientMessage() as sent):
                if sent.incarnation == self.incarnation:
                    self.send(index, message_to_client(sent, index, entry.request))
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
            case InvocationRejected():
                self.reply(entry.caller, index, entry.function, UNSET, entry.error)
                if entry.repeat is not None:
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

    def appending(self, first: int, entries: Sequence[Entry], message_id: str) -> None:
        """A commit is about to be sent: a request that it causes may leave right behind it."""
        found = only_call(first, entries)
        if found is None:
            return
        index, entry, call = found
        # Behind earlier ones to its worker it waits for its turn.
        if (
            self._lies_near(call)
            and subjects.invoke(call.component, call.worker) not in self._lanes
            and self._followers.may()
        ):
            request = self._request(index, call, entry.request)
            self._followers.send(index, request, behind=message_id)

    def _lies_near(self, call: RemoteCall) -> bool:
        """Say whether a mailbox lies in the stream of our log: only there is anything behind it."""
        return self._sharding.is_single or self._stream == self._stream_of(call)

    def _stream_of(self, who: RemoteCall | WorkerId) -> int:
        partitions = self._sharding.partitions
        partition = subjects.partition_of(who.component, who.worker, partitions)
        return self._sharding.stream_of(partition)

    def _caller(self, index: int) -> Caller:
        names = {"component": self._id.component, "worker": self._id.worker}
        return Caller(**names, incarnation=self.incarnation, index=index)

    def _request(self, index: int, call: RemoteCall, params: Raw | UnsetType) -> Sending:
        return request_for(
            self._caller(index), call, params, self._inherited, tell_at=self._telling.inbox
        )

    async def emit_again(
        self,
        entries: Sequence[tuple[int, Entry]],
        whole: Callable[[Entry], Awaitable[Entry]],
    ) -> None:
        """Send what entries cause that a former owner may not have sent.

        Mostly there are a few, but one message that the broker never took makes them many: other
        workers get their turn in between.
        """
        for number, (index, entry) in enumerate(entries, 1):
            self.emit(index, await whole(entry))
            if number % EMITTED_PER_TURN_MAX == 0:
                await asyncio.sleep(0)

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
        answer = self._answer(caller, function, result, error)
        if index is None:
            self.send(None, self._message(caller, None, answer))
            self._handing.tell(caller, answer)
        elif self._handing.hand(index, caller, answer):
            self._unsent.add(index)
        else:
            self._send_answer(index, caller, answer)

    def _send_answer(self, index: int, caller: Caller, answer: Answer) -> None:
        self.send(index, self._message(caller, index, answer))

    def _has_left(self, index: int) -> None:
        self._unsent.discard(index)
        self._on_sent()

    def close(self) -> None:
        """Send nothing more by itself, and tell nobody of what is still on its way."""
        self._handing.close()
        self._on_sent = _nobody

    async def answer_reader(
        self,
        caller: Caller,
        function: str,
        result: Raw | UnsetType,
        error: Failure | None,
        *,
        tell_at: str | None,
    ) -> None:
        """Answer a worker that called a read-only function; return when the broker has it.

        Raises:
            BrokerError: it has not.
        """
        answer = self._answer(caller, function, result, error)
        message = self._message(caller, None, answer)
        # It may know it at once: the request is there until the broker has the answer.
        self.listens(caller, tell_at)
        self._handing.tell(caller, answer)
        await self._broker.journal.publish(
            message.subject, message.data, message_id=message.message_id, headers=message.headers
        )

    def tell_output(self, level: str, message: str, context: str) -> None:
        """Let others hear what a guest prints that is not recorded."""
        kind = level if level in {"stdout", "stderr"} else "log"
        self._event({"type": kind, "level": level, "message": message, "context": context})

    def _answer(
        self,
        caller: Caller,
        function: str | None,
        result: Raw | UnsetType,
        error: Failure | None,
    ) -> Answer:
        answer = answer_of(caller, function=function, result=result, error=error, calls=self.calls)
        if answer.error is None and self._surely_fits(answer.result):
            return answer
        size = len(_encode(answer))
        if size > self._outcome_bytes_max:
            # Node lists are many times larger than the JSON that was small enough to be recorded.
            text = f"the answer has {size} bytes, {self._outcome_bytes_max} can be sent"
            failure = Failure(kind="too-large", message=text)
            answer = answer_of(caller, function=function, result=UNSET, error=failure, calls=None)
        return answer

    def _surely_fits(self, result: Raw | UnsetType) -> bool:
        """Whether an answer with this result needs no look at its size as a message."""
        room = self._outcome_bytes_max - OUTCOME_OVERHEAD_BYTES // 2
        return isinstance(result, UnsetType) or len(result) <= room

    def _message(self, caller: Caller, index: int | None, answer: Answer) -> Sending:
        # Not what an entry causes: it repeats an answer, or there is no log to record one in.
        again = f":{caller.incarnation}:{caller.index}"
        message_id = f"{self.incarnation}:{index}" if index else f"{self.incarnation}{again}"
        return answer_to(caller, answer, message_id=message_id)

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
        self,
        outcome: Outcome,
        *,
        result_to: str | None,
        traceparent: str | None = None,
        index: int | None = None,
    ) -> None:
        """Announce an outcome on the result subject, and to the inbox that asked for it.

        `index` is the entry that has it: a result that no message can carry is told by reference.
        """
        data = _encode(outcome)
        if outcome.wave is not None and len(data) > self._outcome_bytes_max:
            # The result is told once, as JSON: twice would not fit into a message.
            outcome = msgspec.structs.replace(outcome, wave=None)
            data = _encode(outcome)
        result, is_too_large = outcome.result, len(data) > self._outcome_bytes_max
        if is_too_large and index is not None and isinstance(result, Raw):
            at = reference_to(result, self.incarnation, index)
            data = _encode(msgspec.structs.replace(outcome, result=UNSET, result_at=at))
        headers = {**self._headers, "Shem-Key": outcome.key}
        if traceparent is not None:
            headers["traceparent"] = traceparent
        self._signals.publish(self._result_subject, data, headers=headers)
        if result_to is not None:
            self._signals.publish(result_to, data, headers=headers)

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
                subjects.wake_up(*names, index),
                _encode(body),
                target=subjects.reply(*names),
                at_ns=wake_at_ms * 1_000_000,
                message_id=f"{self.incarnation}:{index}",
            )
        except TerminalError:
            # Stays unsent: the worker keeps its anchor and stays recoverable.
            log.exception("cannot schedule a wake-up", worker=str(self._id), index=index)
            return
        self._has_left(index)

    def _again(self, index: int, repeat: Repeat) -> None:
        self.lasting = index
        self.send(index, occurrence(self._id, f"{self.incarnation}:{index}", repeat))

    async def _send_lane(self, subject: str) -> None:
        lane = self._lanes[subject]
        while lane:
            index, message = lane[0]
            if await self._followers.has_stored(index) or await self._send(message):
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
        """Whether an operator has paused, cancelled or replaced what would be scheduled now.

        Asked until the broker answers, as what is published is repeated.
        """
        while True:
            try:
                return await self._heeds(message)
            except RetryableError as error:
                log.warning("cannot see what is scheduled, trying again", error=str(error))
                await asyncio.sleep(LOAD_BACKOFF_S)

    def forget_heeded(self) -> None:
        """Remove what operators have left, of which the log says by now that it was heeded."""
        if not self._heeded:
            return
        heeded, self._heeded = self._heeded, []
        for schedule, sequence in heeded:
            self._spawn(self._remove(schedule, sequence))

    async def _remove(self, schedule: str, sequence: int) -> None:
        try:
            # Another rule may have come in its place.
            await self._broker.journal.purge(schedule, up_to_sequence=sequence)
        except BrokerError as error:
            # It does no harm: a new rule of that id removes it.
            log.info("an order of an operator stays", subject=schedule, error=str(error))

    async def _heeds(self, message: Sending) -> bool:
        journal = self._broker.journal
        left = await journal.last(message.schedule, leader=True)
        order = None if left is None else left.headers.get("Shem-Hold")
        if order == "cancel" and left is not None:
            self._heeded.append((message.schedule, left.sequence))
        elif order == "pause":
            await journal.publish(
                message.schedule,
                message.data,
                message_id=message.message_id,
                headers={**message.headers, "Shem-Hold": "pause"},
            )
        if order is None and left is not None:
            # While this occurrence waited another rule may have come in the place of its own.
            return is_another(
                rule_in(left.headers, left.data), rule_in(message.headers, message.data)
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
            index=index,
        )
        if invoked is not None and invoked.caller is not None:
            self.reply(invoked.caller, index, entry.function, entry.result, entry.error)

    def _status(self, status: str) -> None:
        self._event({"type": "status", "status": status})

    def _event(self, body: dict[str, object]) -> None:
        self._signals.publish(self._event_subject, _encode(body), headers=self._headers)


def _in_header(name: str) -> str:
    """Return a name as a header can carry it: one with a line break as in subjects."""
    return subjects.encode_token(name) if "\n" in name or "\r" in name else name


def _nobody() -> None:
    """Nobody waits any more for what was sent."""
