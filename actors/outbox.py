"""What leaves the executor because of committed entries: outcomes, events, wake-up schedules.

An entry comes first, the message after its commit. Durable messages carry the id
`<incarnation>:<index>`, so that sending them again after a crash is noticed by the receiver. `mark`
is the index up to which everything is known to be sent; it travels in the next commit, and recovery
sends again what is above it.
"""

from collections.abc import Callable, Coroutine
from typing import Any, final

import msgspec
import structlog
from msgspec import Raw, UnsetType

from actors.calls import CallTable
from actors.errors import RejectedError
from actors.identity import WorkerId
from actors.limits import OUTCOME_OVERHEAD_BYTES
from actors.outcome import Outcome
from broker import subjects
from broker.errors import TerminalError
from broker.ports import Broker
from oplog.entries import (
    Entry,
    ErrorEntry,
    Exited,
    ExportedFunctionCompleted,
    ExportedFunctionInvoked,
    Failure,
    Interrupted,
    InvocationRejected,
    Log,
    Restart,
    Suspend,
)

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
        horizon_ms: Callable[[], int],
    ) -> None:
        self._broker = broker
        self._id = worker_id
        self._spawn = spawn
        self._on_sent = on_sent
        self._horizon_ms = horizon_ms
        self._outcome_bytes_max = broker.payload_bytes_max - OUTCOME_OVERHEAD_BYTES // 2
        self._unsent: set[int] = set()
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
        return not self._unsent

    def mark(self, committed: int) -> int:
        """Return the index up to which everything is sent, of `committed` entries."""
        return min(self._unsent) - 1 if self._unsent else committed

    def emit(self, index: int, entry: Entry) -> None:
        """Send what a committed entry causes. Called once per entry, in order."""
        match entry:
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
            case ExportedFunctionCompleted():
                self._completed(entry)
            case InvocationRejected():
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
            except RejectedError:
                # The component was updated to a version without this function.
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

    def _completed(self, entry: ExportedFunctionCompleted) -> None:
        invoked, self._invoked = self._invoked, None
        if invoked is not None and invoked.idempotency_key != entry.idempotency_key:
            invoked = None
        self.answer(
            self.outcome_of(entry.idempotency_key, entry.function, entry.result, entry.error),
            result_to=None if invoked is None else invoked.result_to,
            traceparent=None if invoked is None else invoked.traceparent,
        )

    def _status(self, status: str) -> None:
        self._event({"type": "status", "status": status})

    def _event(self, body: dict[str, object]) -> None:
        self._broker.signals.publish(self._event_subject, _encode(body), headers=self._headers)
