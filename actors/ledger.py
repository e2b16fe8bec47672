"""The writing side of a worker: what is recorded, and what leaves because of it.

Every method records entries and returns at once; their messages leave after the commit. It keeps
the books of the worker's keys, so that an outcome is recorded once and repeated for ever.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import final

import msgspec
from msgspec import UNSET, Raw, UnsetType

from actors.clock import WorkerClock
from actors.components import ComponentRecord
from actors.enclosed import enclosed
from actors.errors import RestartGuest
from actors.failures import last_failure
from actors.history import History
from actors.identity import Address, WorkerId
from actors.keys import Keys, derived_key
from actors.limits import (
    OUTCOME_OVERHEAD_BYTES,
    RESULT_BYTES_MAX,
    UPDATE_DETAILS_CHARACTERS_MAX,
    WAKE_AT_MS_MAX,
)
from actors.memory_policy import MemoryPolicy
from actors.message import Envelope
from actors.outbox import Outbox
from actors.past import Past
from actors.programs import Prepared
from actors.quota_policy import NO_QUOTA
from actors.recurrence import following
from actors.repeats import Repeats
from actors.retention import kept_s
from actors.retry import RetryPolicy, policy_of, rule_of
from actors.saved_worker import SavedWorker
from actors.secrets import SecretStore
from actors.services import Services
from actors.stored_logs import NOT_COUNTED, StoredSize
from actors.tracing import InvocationTrace, Tracing
from actors.waits import Waits
from broker.ports import Message
from oplog.commit import Commit, Head
from oplog.entries import (
    Asks,
    Caller,
    CommandDone,
    Create,
    ErrorEntry,
    Exited,
    ExportedFunctionCompleted,
    ExportedFunctionInvoked,
    FailedUpdate,
    Failure,
    ImportedFunctionInvoked,
    Interrupted,
    InvocationRejected,
    Jump,
    PendingUpdate,
    PromiseCompleted,
    Repeat,
    Restart,
    Revert,
    SuccessfulUpdate,
    Suspend,
    WorkerRetryPolicy,
    has_answer,
)
from oplog.status import Status
from oplog.writer import Writer

__all__ = ["Ledger"]


def _keys(past: Past, saved: SavedWorker | None, *, invoked: int) -> Keys:
    if saved is None:
        return Keys(past.outcomes, invoked=invoked)
    known = {**past.outcomes, **dict(saved.open_keys)}
    return Keys(known, invoked=invoked, packed=saved.keys())


@final
class Ledger:
    """The log of one worker while it is in memory."""

    quota = NO_QUOTA
    """How much the worker may take up."""
    stored: Callable[[], StoredSize] = staticmethod(lambda: NOT_COUNTED)
    memory = MemoryPolicy()
    """What becomes of it when its memory is full."""
    _component_retry: RetryPolicy | None = None
    is_ephemeral = False
    """Whether nothing brings the worker back: it lives for one invocation at a time."""
    is_rehearsal = False
    """Whether a version is tried without consequences: the guest ends before it is live."""
    rehearsed: str | None = None
    """Why it would fail."""
    trying: int | None = None
    """The version that this life tries, until it has turned out well."""
    trace: InvocationTrace | None = None
    """The span of what runs, or ran last."""
    recorded_ms = 0
    """Time stamp of the newest entry recorded here that replay consumes; 0: none yet."""

    def __init__(
        self,
        worker_id: WorkerId,
        address: Address,
        services: Services,
        *,
        head: Head,
        past: Past,
        saved: SavedWorker | None = None,
        references: Mapping[bytes, Raw],
        on_quiet: Callable[[], None],
        on_failure: Callable[[BaseException], None],
    ) -> None:
        self.id = worker_id
        self.address = address
        self.created = past.created
        self._services = services
        self._partition = address.partition
        self._on_quiet = on_quiet
        now_ms = services.time.wall_ns() // 1_000_000
        created_ms = now_ms if past.created is None else past.created.at_ms
        floor_ms = now_ms - 1 if past.created is None else past.last_ms
        self.clock = WorkerClock(services.time, created_ms=created_ms, floor_ms=floor_ms)
        self.keys = _keys(past, saved, invoked=head.marks.invoked)
        self.history = History(past)
        """The log in short, as far as it is committed."""
        services.index.loaded(worker_id, self.history, head.log_sequence, copy=past.is_fresh_copy)
        self.outbox = Outbox(
            services.broker,
            worker_id,
            spawn=services.spawn,
            on_sent=self._sent,
            answer_here=services.answer_here,
            horizon_ms=partial(self.clock.later_ms, services.options.suspend_after_s),
            telling=services.telling,
            pace=services.pace,
        )
        self.outbox.incarnation = head.incarnation
        self.waits = Waits(past.outstanding)
        self.waits.incarnation = head.incarnation
        self.promises = {
            **({} if saved is None else {at: Raw(result) for at, result in saved.promises}),
            **{at: references.get(bytes(result), result) for at, result in past.promises.items()},
        }
        """What promises are completed with, by the entry that made them."""
        self.retry = past.status.retry
        """The retry policy that the guest chose, if it did."""
        self._ordered_retry = past.status.ordered_retry
        self.component_version = past.status.status().component_version
        """What the worker runs."""
        pending = past.plan.pending
        self.wanted = None if pending is None or past.tries_update else pending.entry
        """An update for which the guest has to save its state, once it is idle."""
        self.attempts_before = past.status.attempt
        """How often in a row it has failed."""
        self.asked_before = past.asked_before
        """Under which keys earlier attempts at the running invocation asked the outside."""
        self.outbox.resume(past.open)
        if past.created is not None:
            self.outbox.inherit(past.created)
        self.writer = Writer(
            journal=services.broker.journal,
            blobs=services.broker.blobs,
            subject=address.log,
            head=head,
            next_message_id=services.next_message_id,
            sent_mark=self._sent_mark,
            on_commit=self._committed,
            on_failure=on_failure,
            on_append=self.outbox.appending,
        )
        self.repeats = Repeats(self.keys, self.writer, self.outbox, services, address.log)
        self.repeats.purged_to = past.plan.purged
        # Entries other than hints since the load: a failure after progress is a first failure.
        self.progressed = False
        self.completed_index = past.completed_index
        """The entry after which the guest is as it is between two invocations."""
        self.running = past.open
        """The invocation that has begun and has no outcome."""
        self.begun_index = past.begun_index
        """The index of the invocation that began last."""

    @property
    def own_retry(self) -> RetryPolicy:
        """The policy that counts where the guest chose none: its component's, or the executor's."""
        return self._component_retry or self._services.options.retry

    @property
    def retry_policy(self) -> RetryPolicy:
        """The policy that counts: an operator's for this worker before the guest's own."""
        ordered = None if self._ordered_retry is None else self._ordered_retry.policy
        rule = ordered or self.retry
        return self.own_retry if rule is None else policy_of(rule)

    @property
    def is_quiet(self) -> bool:
        """Whether everything recorded is committed, and everything it causes has left."""
        return not self.writer.busy and self.outbox.is_empty

    def runs(self, key: str) -> bool:
        """Whether a message of this key only asks for the outcome of what has begun."""
        return self.running is not None and self.running.idempotency_key == key

    @property
    def result_bytes_max(self) -> int:
        """The largest result, as JSON, that an outcome message can carry."""
        room = self._services.broker.payload_bytes_max - OUTCOME_OVERHEAD_BYTES
        return min(RESULT_BYTES_MAX, room)

    def horizon_ms(self) -> int:
        """Return the Unix time from which on a wait is long enough to leave memory for it."""
        return self.clock.later_ms(self._services.options.suspend_after_s)

    async def enclosed(self, message: Message) -> Message:
        """Return a message with its payload, which lies in the object store, inside.

        Raises:
            RejectedError: it is not there, or not what was sent.
        """
        blobs, worker = self._services.broker.blobs, self.id
        return await enclosed(message, blobs, component=worker.component, worker=worker.worker)

    def create(self, record: ComponentRecord, envelope: Envelope | None) -> None:
        """Record that the worker comes to be, with what its first message says of args and env."""
        given = {} if envelope is None else dict(envelope.environment)
        environment = {
            **record.env,
            **given,
            "SHEM_COMPONENT_NAME": record.name,
            "SHEM_COMPONENT_VERSION": str(record.version),
            "SHEM_WORKER_NAME": self.id.worker,
        }
        self.created = Create(
            at_ms=self.clock.stamp_ms(),
            incarnation=self._services.new_incarnation(),
            component=self.id.component,
            worker=self.id.worker,
            component_version=record.version,
            args=() if envelope is None else envelope.arguments,
            env=tuple(environment.items()),
        )
        self.component_version = record.version
        self.outbox.inherit(self.created)
        self.waits.incarnation = self.created.incarnation
        # The invocation for which it comes to be is in most cases over before its commit is due.
        self.writer.add(self.created, hurry=False)

    def obey_component(self, prepared: Prepared) -> None:
        """Take over what the component says of its workers, and how their outcomes are told."""
        self.outbox.calls = prepared.calls
        self.memory = prepared.memory
        self.quota = prepared.quota
        self.stored = partial(self._services.stored_logs.of, self.id.component, prepared.quota)
        self._component_retry = prepared.retry

    def begin(self, envelope: Envelope, function: str, params: Raw) -> ExportedFunctionInvoked:
        """Record that an invocation begins."""
        entry = ExportedFunctionInvoked(
            at_ms=self.clock.stamp_ms(),
            function=function,
            params=params,
            idempotency_key=envelope.key,
            sequence=envelope.sequence,
            result_to=envelope.result_to,
            caller=envelope.caller,
            chain=envelope.chain,
            traceparent=envelope.traceparent,
            tracestate=envelope.tracestate,
            repeat=None if envelope.repeat is None else self._next_occurrence(envelope.repeat),
            attributes=envelope.attributes,
        )
        self.outbox.listens(envelope.caller, envelope.tell_at)
        self.progressed = True
        self.recorded_ms = entry.at_ms
        self.begun_index = self.writer.add(entry, invoked=envelope.sequence)
        self.running = entry
        return entry

    def complete(
        self,
        invoked: ExportedFunctionInvoked,
        *,
        result: Raw | UnsetType,
        error: Failure | None = None,
    ) -> int:
        """Record the outcome of the running invocation; return the entry's index."""
        entry = ExportedFunctionCompleted(
            at_ms=self.clock.stamp_ms(),
            idempotency_key=invoked.idempotency_key,
            function=invoked.function,
            result=result,
            error=error,
        )
        self.progressed = True
        self.running = None
        self.asked_before.begins()
        self.recorded_ms = entry.at_ms
        self.completed_index = index = self.writer.add(entry)
        self.keys.decided(index, entry)
        return index

    def reject(
        self,
        envelope: Envelope,
        error: Failure,
        *,
        function: str | None = None,
        consumed: bool = True,
    ) -> None:
        """Record an outcome without running anything.

        `consumed` False: the message stays in the queue, and its key makes it a duplicate there.
        """
        entry = InvocationRejected(
            at_ms=self.clock.stamp_ms(),
            idempotency_key=envelope.key,
            sequence=envelope.sequence,
            error=error,
            result_to=envelope.result_to,
            caller=envelope.caller,
            function=function,
            repeat=None if envelope.repeat is None else self._next_occurrence(envelope.repeat),
        )
        self.outbox.listens(envelope.caller, envelope.tell_at)
        index = self.writer.add(entry, invoked=envelope.sequence if consumed else None)
        self.keys.decided(index, entry)

    def _next_occurrence(self, repeat: Repeat) -> Repeat | None:
        return following(repeat, self.clock.stamp_ms())

    @property
    def tracing(self) -> Tracing:
        """The executor's."""
        return self._services.tracing

    def fail(self, error: Failure, *, attempt: int, retry_at_ms: int | None) -> None:
        """Record that the guest failed, and when it is tried again; None gives up."""
        self.writer.add(
            ErrorEntry(
                at_ms=self.clock.stamp_ms(), error=error, attempt=attempt, retry_at_ms=retry_at_ms
            )
        )

    def suspend(self, wake_at_ms: int | None, waits_for: tuple[int, ...] = ()) -> None:
        """Record that the worker leaves memory until a point in time, or for answers."""
        wake_at_ms = None if wake_at_ms is None else min(wake_at_ms, WAKE_AT_MS_MAX)
        self._services.has_suspended(self.id)
        self.writer.add(
            Suspend(at_ms=self.clock.stamp_ms(), wake_at_ms=wake_at_ms, waits_for=waits_for)
        )

    def called(
        self,
        function: str,
        kind: str,
        request: Raw | UnsetType,
        response: Raw,
        *,
        asks: Asks | None = None,
        settles: int | None = None,
        begin: int | None = None,
        completes: int | None = None,
        is_progress: bool = True,
    ) -> int:
        """Record a host call, what it asks of the world and whose answer it observes.

        `completes`: a promise is completed by it, with its request.
        """
        self.progressed = self.progressed or is_progress
        self.recorded_ms = at_ms = self.clock.stamp_ms()
        index = self.writer.add(
            ImportedFunctionInvoked(
                at_ms=at_ms,
                function=function,
                kind=kind,
                request=request,
                response=response,
                asks=asks,
                settles=settles,
                begin_index=begin,
                completes=completes,
            )
        )
        if asks is not None and has_answer(asks):
            self.waits.asked(index, asks)
        if settles is not None and (told := self.waits.settled(settles)) is not None:
            self.writer.when_committed(index, told)
        if completes is not None and isinstance(request, Raw):
            self.promises[completes] = request
            self.waits.settled(completes)
        return index

    def command_done(
        self,
        command: str,
        caller: Caller | None,
        result: Raw | UnsetType = UNSET,
        error: Failure | None = None,
    ) -> int:
        """Record a command, and what a worker gets for it; return the entry's index."""
        if caller is not None:
            self.keys.obeyed(caller)
        return self.writer.add(
            CommandDone(
                at_ms=self.clock.stamp_ms(),
                command=command,
                caller=caller,
                result=result,
                error=error,
            )
        )

    def complete_promise(
        self, index: int, result: Raw, *, control: int | None = None
    ) -> bool | None:
        """Record that a promise is completed; False: it was before, None: there is none."""
        if index in self.promises:
            return False
        if not self.waits.is_promise(index):
            return None
        entry = PromiseCompleted(at_ms=self.clock.stamp_ms(), promise_index=index, result=result)
        self.writer.add(entry, control=control)
        self.promises[index] = result
        self.waits.settled(index)
        return True

    async def cancel_schedule(self, subject: str) -> None:
        """Take back what is stored at `subject` to be sent later."""
        await self._services.broker.journal.purge(subject)

    def next_key(self) -> str:
        """Return the key of what the entry recorded next causes."""
        return self.key_of(self.writer.last_index + 1)

    def key_of(self, index: int) -> str:
        """Return the key of what entry `index` causes."""
        base = self.outbox.incarnation if self.running is None else self.running.idempotency_key
        return derived_key(base, self.outbox.incarnation, index)

    def conclude_running(self, status: Status) -> None:
        """Record the outcome that an executor did not live to record after it had given up."""
        if self.running is not None:
            self.complete(self.running, result=UNSET, error=last_failure(status))

    def exit(self, code: int) -> None:
        """Record that the guest ended its process."""
        self.writer.add(Exited(at_ms=self.clock.stamp_ms(), code=code))

    def interrupt(self, *, control: int) -> int:
        """Record that an operator stopped the worker; return the entry's index."""
        return self.writer.add(Interrupted(at_ms=self.clock.stamp_ms()), control=control)

    def restart(self, *, control: int) -> int:
        """Record that an operator let the worker go on; return the entry's index."""
        return self.writer.add(Restart(at_ms=self.clock.stamp_ms()), control=control)

    def order_retry(self, text: str, policy: RetryPolicy | None, *, control: int) -> int:
        """Record the retry policy that an operator chose; return the entry's index."""
        rule = None if policy is None else rule_of(policy)
        entry = WorkerRetryPolicy(at_ms=self.clock.stamp_ms(), text=text, policy=rule)
        self._ordered_retry = None if rule is None else entry
        return self.writer.add(entry, control=control)

    def revert(self, start: int, end: int, *, control: int) -> int:
        """Record that entries never happened; return the entry's index. The life has to end."""
        entry = Revert(at_ms=self.clock.stamp_ms(), start=start, end=end)
        return self.writer.add(entry, control=control)

    def want_update(self, entry: PendingUpdate) -> int:
        """Record that another version is to be run; return the entry's index."""
        return self.writer.add(msgspec.structs.replace(entry, at_ms=self.clock.stamp_ms()))

    def leave_out(self, start: int, end: int) -> None:
        """Record that replay passes over entries from now on."""
        self.writer.add(Jump(at_ms=self.clock.stamp_ms(), start=start, end=end))

    def updated(self, *, component_size: int = 0) -> None:
        """Record that the version that was tried is the worker's own, if one is tried."""
        if self.trying is None:
            return
        if self.is_rehearsal:
            raise RestartGuest
        version, self.trying = self.trying, None
        self.component_version = version
        self.completed_index = self.writer.add(
            SuccessfulUpdate(
                at_ms=self.clock.stamp_ms(), target_version=version, component_size=component_size
            )
        )

    def update_failed(self, version: int, details: str) -> None:
        """Record why a version could not be run."""
        self.trying = None
        if self.is_rehearsal:
            self.rehearsed = details
            return
        details = details[:UPDATE_DETAILS_CHARACTERS_MAX]
        self.writer.add(
            FailedUpdate(at_ms=self.clock.stamp_ms(), target_version=version, details=details)
        )

    def cannot_rehearse(self, reason: str) -> None:
        """End a rehearsal that cannot be without consequences from here on."""
        if self.is_rehearsal:
            self.rehearsed = f"cannot be told beforehand: {reason}"
            raise RestartGuest

    @property
    def version_to_run(self) -> int | None:
        """The version that is tried, or else that of the worker."""
        return self.component_version if self.trying is None else self.trying

    @property
    def secrets(self) -> SecretStore:
        """The secrets of components."""
        return self._services.secrets

    def leave_behind(self) -> None:
        """Have the log of an ephemeral worker removed in a while."""
        if self.created is not None:
            kept_for_s = kept_s(self.created.env, self._services.options)
            self._services.ephemeral_done(self.id, kept_for_s)

    def _sent_mark(self) -> int:
        return self.outbox.mark(self.writer.committed_index)

    def _committed(self, commit: Commit, sequence: int) -> None:
        self.keys.committed(commit, sequence)
        self.history.committed(commit)
        self._services.index.committed(self.id, self.history, sequence)
        self._services.high_water.committed(
            self._partition, sequence, self.address.log, commit.last, commit.hash
        )
        emit = self.outbox.emit
        for index, entry in enumerate(commit.entries, commit.first):
            if type(entry) is ImportedFunctionInvoked and entry.asks is not None:
                self.waits.committed(index, sequence)
            emit(index, entry)
        if self.is_quiet:
            self._on_quiet()

    def _sent(self) -> None:
        if self.is_quiet:
            self._on_quiet()
