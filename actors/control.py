"""The levers that a guest has on its own history and on other workers."""

import secrets
import uuid
from collections.abc import Mapping, Sequence
from typing import Final, NoReturn, final

import msgspec
from msgspec import UNSET, Raw, UnsetType

from actors.directory import Directory, facts_of
from actors.durability import begin_batch, end_batch
from actors.engine.errors import GuestTrap
from actors.errors import BadPlaceError, RestartGuest
from actors.fork import Forks
from actors.host.control import Facts, LogEntry, PersistenceLevel, SpanStart, SpanTold
from actors.identity import component_uuid, own_trace
from actors.journal import WorkerJournal
from actors.ledger import Ledger
from actors.retry import rule_of
from actors.tracing import GuestSpan, Tracing, cause_of
from actors.waiting import Waiting
from oplog.entries import (
    Asks,
    BeginAtomicRegion,
    ChangeRetryPolicy,
    EndAtomicRegion,
    FinishSpan,
    NoOp,
    Order,
    Promise,
    RetryRule,
    SetSpanAttribute,
    StartSpan,
)

__all__ = ["WorkerControl"]

_NOTHING: Final = Raw(b"null")
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode
_decode_bytes = msgspec.json.Decoder(bytes).decode


@final
class WorkerControl:
    """Implements `actors.host.control.Control` for one instance."""

    def __init__(
        self,
        journal: WorkerJournal,
        ledger: Ledger,
        waiting: Waiting,
        *,
        directory: Directory,
        forks: Forks,
        tracing: Tracing,
    ) -> None:
        self._journal = journal
        self._ledger = ledger
        self._waiting = waiting
        self._directory = directory
        self._forks = forks
        self._tracing = tracing
        self._regions: list[int] = []

    @property
    def is_live(self) -> bool:
        """Whether what the guest does next is new."""
        return self._journal.is_live

    @property
    def index(self) -> int:
        """The entry that was consumed or recorded last."""
        return self._journal.index

    @property
    def level(self) -> PersistenceLevel:
        """What of the guest's host calls is recorded."""
        return self._journal.level

    @property
    def idempotent(self) -> bool:
        """Whether a remote write without known outcome may be repeated."""
        return self._journal.idempotent

    @property
    def retry(self) -> RetryRule:
        """The policy that counts for this worker now."""
        return self._ledger.retry or rule_of(self._ledger.own_retry)

    def _require_durable(self, name: str) -> None:
        if self._ledger.is_ephemeral:
            raise GuestTrap(f"{name}: {self._ledger.id} is ephemeral: nothing of it is repeated")

    def reserve(self, name: str) -> int:
        """Record that host call `name` took an index, and return it."""
        return self._journal.mark(NoOp(function=name))[0]

    async def go_back(self, index: int) -> NoReturn:
        """Leave out everything behind entry `index` and start again from there."""
        self._require_durable("set-oplog-index")
        try:
            self._journal.go_back(index)
        except BadPlaceError as error:
            raise GuestTrap(f"set-oplog-index: {error}") from error
        await self._journal.committed()
        raise RestartGuest

    def begin_atomic(self) -> int:
        """Begin what is done as a whole."""
        self._require_recording("mark-begin-operation")
        begin, _ = self._journal.mark(BeginAtomicRegion())
        self._regions.append(begin)
        return begin

    def end_atomic(self, begin: int) -> None:
        """End it."""
        self._require_recording("mark-end-operation")
        if begin not in self._regions:
            raise GuestTrap(f"mark-end-operation: no atomic region that began at {begin} is open")
        self._regions.remove(begin)
        self._journal.mark(EndAtomicRegion(begin_index=begin))

    def begin_remote(self, name: str) -> int:
        """Begin a remote write."""
        return begin_batch(self._journal, name)

    def end_remote(self, begin: int) -> None:
        """End it."""
        end_batch(self._journal, begin)

    async def choose_level(self, level: PersistenceLevel) -> None:
        """Record other host calls from now on."""
        self._journal.choose_level(level)
        if self.is_live:
            await self._journal.committed()

    def choose_idempotence(self, name: str, idempotent: bool) -> None:  # noqa: FBT001 - as in WIT
        """Say whether remote writes may be repeated."""
        if self._journal.answer(name, UNSET) is None:
            self._journal.record(name, "write-local", UNSET, Raw(_encode(idempotent)))
        self._journal.idempotent = idempotent

    def choose_retry(
        self,
        *,
        max_attempts: int,
        min_delay_ns: int,
        max_delay_ns: int,
        multiplier: float,
        max_jitter_factor: float | None,
    ) -> None:
        """Choose when failures are tried again."""
        rule = RetryRule(
            max_attempts=max_attempts,
            min_delay_ns=min_delay_ns,
            max_delay_ns=max_delay_ns,
            multiplier=multiplier,
            max_jitter_factor=max_jitter_factor,
        )
        self._journal.mark(ChangeRetryPolicy(policy=rule))
        self._ledger.retry = rule

    def next_key(self) -> str:
        """Return an idempotency key derived from the running one and the next index."""
        return self._ledger.next_key()

    async def create_promise(self, name: str) -> int:
        """Make a promise."""
        return self._ask(name, Promise())

    def is_own(self, component: uuid.UUID, worker: str) -> bool:
        """Whether these are this worker's names."""
        me = self._ledger.id
        return worker == me.worker and component == component_uuid(me.component)

    def knows_promise(self, index: int) -> bool:
        """Whether this worker made a promise at `index`."""
        return index in self._ledger.promises or self._ledger.waits.is_promise(index)

    async def wait_for_promise(self, index: int) -> bytes:
        """Wait until it is completed."""
        while (data := self.completed_promise(index)) is None:
            await self._waiting.wait((index,))
        return data

    def completed_promise(self, index: int) -> bytes | None:
        """Return what it is completed with."""
        result = self._ledger.promises.get(index)
        return None if result is None else _decode_bytes(result)

    def complete_promise(self, name: str, index: int, data: bytes) -> bool:
        """Complete an own promise."""
        encoded = Raw(_encode(data))
        recorded = self._journal.answer(name, encoded)
        if recorded is not None:
            return bytes(recorded) == b"true"
        return self._journal.complete(name, index, encoded)

    def forget_promise(self, name: str, index: int) -> None:
        """Say that nobody waits for it any more."""
        if self._journal.answer(name, UNSET) is None:
            self._journal.settle(name, "write-local", _NOTHING, index)
        self._ledger.promises.pop(index, None)

    async def order(
        self, name: str, component: uuid.UUID, worker: str, command: Mapping[str, object]
    ) -> object:
        """Have a worker obey a command and return what it answers."""
        if self.is_own(component, worker):
            raise GuestTrap(f"{name}: a worker that runs cannot do that to itself")
        recorded = self._journal.answer(name, UNSET)
        if recorded is None:
            target = await self._directory.component_name(component)
            if target is None:
                raise GuestTrap(f"{name}: no component has the id {component}")
            order = Order(component=target, worker=worker, body=_encode(command).decode())
            index = self._journal.ask(name, "write-remote", UNSET, _NOTHING, order)
        else:
            index = self._journal.answered_index
        answer = self._journal.answer(f"{name}.answer", UNSET)
        if answer is None:
            await self._waiting.wait((index,))
            found = self._ledger.waits.answer(index)
            assert found is not None, "an order has no deadline"
            told = {"result": found.result} if found.error is None else {"error": found.error}
            if isinstance(told.get("result"), UnsetType):
                told = {}
            answer = Raw(_encode(told))
            self._journal.settle(f"{name}.answer", "read-remote", answer, index)
        body = _decode(answer)
        if "error" in body:
            raise GuestTrap(f"{name}: {body['error']['kind']}: {body['error']['message']}")
        return body.get("result")

    async def fork(self, name: str, worker: str) -> bool:
        """Make a copy of this worker up to here. True in the copy."""
        self._require_durable("fork")
        recorded = self._journal.answer(name, UNSET)
        if recorded is not None:
            return bytes(recorded) == b'"forked"'
        await self._journal.committed()
        ledger = self._ledger
        problem = await self._forks.fork_self(
            ledger.id, name, worker, begun_index=ledger.begun_index, quota=ledger.quota
        )
        if problem is not None:
            raise GuestTrap(f"fork: {problem}")
        self._journal.record(name, "write-remote", UNSET, Raw(b'"original"'))
        await self._journal.committed()
        return False

    def own_facts(self) -> Facts:
        """Return what is known of this worker now."""
        created = self._ledger.created
        assert created is not None, "a guest belongs to a created worker"
        return Facts(
            component=component_uuid(self._ledger.id.component),
            worker=self._ledger.id.worker,
            args=created.args,
            env=created.env,
            status="running",
            component_version=self._ledger.component_version,
            retry_count=self._ledger.attempts_before,
            created_at_ms=created.at_ms,
        )

    async def facts(self, component: uuid.UUID, worker: str) -> Facts | None:
        """Return what the log of a worker says; None if there is none."""
        if self.is_own(component, worker):
            return self.own_facts()
        found = await self._directory.find(component, worker)
        return None if found is None else facts_of(component, worker, found)

    async def page(
        self, component: uuid.UUID, *, after: str, limit: int, precise: bool
    ) -> tuple[Sequence[Facts], str | None]:
        """Return workers in the order of their names, and behind which to go on."""
        return await self._directory.page(component, after=after, limit=limit, precise=precise)

    async def component_id(self, reference: str) -> uuid.UUID | None:
        """Return the component that a reference names."""
        return await self._directory.component_id(reference)

    async def entries(
        self, component: uuid.UUID, worker: str, *, start: int, limit: int, query: str | None
    ) -> tuple[Sequence[LogEntry], int | None]:
        """Return entries of a worker's log from `start` on, and where to go on."""
        if self.is_own(component, worker):
            await self._journal.committed()
        return await self._directory.entries(
            component, worker, start=start, limit=limit, query=query
        )

    def read_persisted(self) -> tuple[LogEntry, Raw]:
        """Return the next entry of the log, which has to be a host call, and its response."""
        if self._journal.level == "persist-nothing":
            raise GuestTrap("a persisted call cannot be read while nothing is persisted")
        try:
            index, entry, response = self._journal.next_call()
        except BadPlaceError as error:
            raise GuestTrap(f"read-persisted-durable-function-invocation: {error}") from error
        fields: dict[str, object] = {
            "function": entry.function,
            "kind": entry.kind,
            "at-ms": entry.at_ms,
            "begin-index": entry.begin_index,
        }
        return LogEntry(index, "imported-function-invoked", fields), response

    def persist(self, name: str, kind: str, request: Raw, response: Raw, begin: int | None) -> None:
        """Record a host call that the guest made itself."""
        if self._journal.level != "persist-nothing":
            self._journal.record(name, kind, request, response, begin=begin)

    def start_span(self, name: str, parent: str | None) -> SpanStart:
        """Begin a span."""
        ours = StartSpan(span_id=secrets.token_hex(8), name=name, parent=parent)
        _, span = self._journal.mark(ours)
        return SpanStart(span.span_id, span.at_ms)

    def finish_span(self, span_id: str, told: SpanTold) -> None:
        """End it."""
        # At replay it was exported by the life in which it ended.
        is_new = self._journal.is_live
        _, ended = self._journal.mark(FinishSpan(span_id=span_id))
        if is_new:
            running = self._ledger.running
            cause = None if running is None else cause_of(running)
            times = told.started_at_ms, ended.at_ms
            span = GuestSpan(span_id, told.name, told.parent, *times, told.attributes)
            ledger = self._ledger
            self._tracing.guest_span(ledger.id, cause, self.trace, span, ledger.trace)

    def set_span_attribute(self, span_id: str, key: str, value: str) -> None:
        """Give it an attribute."""
        self._journal.mark(SetSpanAttribute(span_id=span_id, key=key, value=value))

    @property
    def trace(self) -> tuple[str, str, str | None]:
        """The trace id, the span id and the trace state of the running invocation."""
        running = self._journal.running
        parts = [] if running is None or not running.traceparent else running.traceparent.split("-")
        if running is None or len(parts) != 4:
            # Without a caller's trace the worker has one of its own, the same at replay.
            own = own_trace(self._ledger.id, "" if running is None else running.idempotency_key)
            return own, own[:16], None
        return parts[1], parts[2], running.tracestate

    @property
    def attributes(self) -> Mapping[str, str]:
        """What whoever invoked says of the running invocation."""
        running = self._journal.running
        return {} if running is None else dict(running.attributes)

    def _ask(self, name: str, asks: Asks) -> int:
        if self._journal.answer(name, UNSET) is not None:
            return self._journal.answered_index
        return self._journal.ask(name, "write-local", UNSET, _NOTHING, asks)

    def _require_recording(self, what: str) -> None:
        if self._journal.level == "persist-nothing":
            raise GuestTrap(f"{what}: nothing is recorded at the level persist-nothing")
