"""The worker as its host functions see it: the executor's implementation of `HostContext`."""

import asyncio
import os
import uuid
from collections.abc import Awaitable, Callable, Sequence
from hashlib import sha256
from typing import Any, Final, final

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from actors.clock import WorkerClock
from actors.durability import begin_batch, end_batch, step, waiting_step
from actors.enclosed import enclosure_prefix
from actors.errors import SuspendGuest
from actors.host.context import (
    SECRET_PREFIX,
    Answered,
    CallRequest,
    LogLevel,
    OutgoingSpan,
    OutputStream,
    Refused,
    SharedStores,
)
from actors.host.control import Control
from actors.host.interface import Kind
from actors.host.rpc.patience import call_timeout_ms
from actors.identity import WorkerId
from actors.journal import WorkerJournal
from actors.last_words import LastWords
from actors.limits import LOG_MESSAGE_BYTES_MAX
from actors.remote import Remote
from actors.secrets import Pinned, SecretStore
from actors.tracing import Tracing, cause_of
from actors.waiting import Waiting
from actors.waits import Answer
from oplog.entries import Asks, ClientMessage, Failure
from wit.types import Type

__all__ = ["WorkerContext"]


class _Settled(Struct, omit_defaults=True):
    """An answer as it is recorded."""

    result: Raw | UnsetType = UNSET
    error: Failure | None = None


_NOTHING: Final = Raw(b"{}")
_NOT_YET: Final = Raw(b"null")
# Shorter values would conceal half of what is printed.
_CONCEALED_MIN: Final = 4
_CONCEALED: Final = "[secret]"
_decode = msgspec.json.Decoder(Answered).decode
_decode_pinned = msgspec.json.Decoder(Pinned | None).decode


def _encode(value: Struct) -> Raw:
    return Raw(msgspec.json.encode(value))


@final
class WorkerContext:
    """Handed to every host call of one instance, as its `data`."""

    def __init__(
        self,
        worker_id: WorkerId,
        *,
        journal: WorkerJournal,
        clock: WorkerClock,
        arguments: Sequence[str],
        environment: Sequence[tuple[str, str]],
        suspend_after_s: float,
        stores: SharedStores,
        waiting: Waiting,
        remote: Remote,
        control: Control,
        tracing: Tracing,
        secrets: SecretStore,
        allows_sockets: bool = False,
        entropy: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self.component = worker_id.component
        self.worker = worker_id.worker
        self.journal = journal
        self.clock = clock
        self.arguments = arguments
        self.environment = environment
        self.stores = stores
        self.allows_sockets = allows_sockets
        self.last_words = LastWords()
        self.state: dict[object, Any] = {}
        self.random_bytes = entropy
        self.control = control
        self._worker_id = worker_id
        self._tracing = tracing
        self._secrets = secrets
        # Values that the guest has read, which it may print by mistake.
        self._revealed: set[str] = set()
        self._remote = remote
        self._waiting = waiting
        self._closing: list[Callable[[], None]] = []
        self._suspend_after_ns = round(suspend_after_s * 1e9)

    def secret(self, name: str) -> str | None:
        """Return a secret of the component, None if there is none of that name.

        Recorded is which version was read, never what it says; at replay that version is read.

        Raises:
            SecretGoneError: the version cannot be read any more.
        """
        call = f"wasi:config/store#get {SECRET_PREFIX}{name}"
        if Kind.READ_REMOTE in self.journal.unrecorded:
            pinned = self._secrets.newest(self.component, name)
        else:
            recorded = self.journal.answer(call, UNSET)
            if recorded is None:
                pinned = self._secrets.newest(self.component, name)
                answer = Raw(msgspec.json.encode(pinned))
                self.journal.record(call, Kind.READ_REMOTE.value, UNSET, answer)
            else:
                pinned = _decode_pinned(recorded)
        if pinned is None:
            return None
        value = self._secrets.read(self.component, name, pinned).decode()
        if len(value) >= _CONCEALED_MIN:
            self._revealed.add(value)
        return value

    def _concealed(self, text: str) -> str:
        for value in self._revealed:
            text = text.replace(value, _CONCEALED)
        return text

    def write_output(self, stream: OutputStream, data: bytes) -> None:
        """Emit guest output in pieces that fit an entry; bytes that are no UTF-8 show as U+FFFD.

        Secrets that the guest has read are left out, as far as they are written in one go.
        """
        if self._revealed:
            data = self._concealed(data.decode(errors="surrogateescape")).encode(
                errors="surrogateescape"
            )
        if stream == "stderr":
            self.last_words.hear(data)
        for start in range(0, len(data), LOG_MESSAGE_BYTES_MAX):
            piece = data[start : start + LOG_MESSAGE_BYTES_MAX]
            self.journal.output(stream, piece.decode(errors="replace"))

    def write_log(self, level: LogLevel, context: str, message: str) -> None:
        """Emit a line of the guest's log, cut where it would not fit an entry."""
        message = self._concealed(message)
        self.journal.output(
            level, message[:LOG_MESSAGE_BYTES_MAX], context=self._concealed(context)
        )

    async def committed(self) -> None:
        """Return when everything recorded so far is committed."""
        await self.journal.committed()

    async def pace(self) -> None:
        """Let others run; a guest far ahead of its commits waits for the broker."""
        await asyncio.sleep(0)
        await self.journal.throttle()

    def on_close(self, callback: Callable[[], None]) -> None:
        """Call `callback` when the instance ends, however it ends."""
        self._closing.append(callback)

    def close(self) -> None:
        """Run what was asked for at the end, newest first."""
        while self._closing:
            self._closing.pop()()

    @property
    def recorded_wall_ns(self) -> int:
        """Unix time of the newest entry that replay consumes, in nanoseconds."""
        return self.journal.recorded_ms * 1_000_000

    def request_key(self, name: str, content: Raw, begin: int) -> str:
        """Return the key of a request, the same at every attempt to send it."""
        return self.journal.request_key(name, content, begin)

    @property
    def answer_place(self) -> str | None:
        """The name below which the running invocation stores what it answers with."""
        running = self.journal.running
        if running is None or self.journal.only_reads:
            return None
        key = sha256(running.idempotency_key.encode()).hexdigest()[:32]
        prefix = enclosure_prefix(self.component, self.worker)
        return f"{prefix}answer/{self._remote.incarnation}-{key}"

    @property
    def is_answered_already(self) -> bool:
        """Whether the outcome of the invocation is in the log."""
        return self.journal.is_answered_already

    def outgoing_span(self, method: str, target: str, index: int) -> OutgoingSpan:
        """Begin the span of a request that entry `index` causes."""
        running = self.journal.running
        cause = None if running is None else cause_of(running)
        return self._tracing.request(
            self._worker_id, cause, method=method, target=target, key=self.journal.key_of(index)
        )

    def begin_batch(self, name: str) -> int:
        """Begin something outside that takes several steps; return the index that names it."""
        return begin_batch(self.journal, name)

    def end_batch(self, begin: int) -> None:
        """End a batch."""
        end_batch(self.journal, begin)

    def record(
        self,
        name: str,
        kind: Kind,
        type_: Type,
        live: Callable[[], Any],
        *,
        begin: int | None = None,
        request: Raw | UnsetType = UNSET,
    ) -> Any:
        """Return what `live()` returns, recorded; at replay the recorded value."""
        return step(self.journal, name, kind, type_, live, begin=begin, request=request)

    async def record_wait(
        self,
        name: str,
        kind: Kind,
        type_: Type,
        live: Callable[[], Awaitable[Any]],
        *,
        begin: int | None = None,
    ) -> Any:
        """Like `record`, for what has to wait."""
        return await waiting_step(self.journal, name, kind, type_, live, begin=begin)

    async def ask(
        self,
        name: str,
        request: Raw | UnsetType,
        prepare: Callable[[], Awaitable[Callable[[], Asks] | Failure]],
    ) -> int | Refused:
        """Record a call that asks something of the world; return the index of its entry.

        What `prepare` returns is called when the entry is recorded, nothing in between.
        """
        recorded = self.journal.answer(name, request)
        if recorded is not None:
            error = _decode(recorded).error
            return self.journal.answered_index if error is None else error
        prepared = await prepare()
        kind = Kind.WRITE_REMOTE.value
        if isinstance(prepared, Failure):
            response = _encode(_Settled(error=prepared))
            self.journal.ask(name, kind, request, response, None)
            return Refused(prepared.kind, prepared.message)
        return self.journal.ask(name, kind, request, _NOTHING, prepared())

    async def call(self, name: str, request: CallRequest) -> int | Refused:
        """Call another worker, with the patience that the guest has chosen."""
        timeout_ms = call_timeout_ms(self)
        if timeout_ms is not None and request.awaits:
            request = msgspec.structs.replace(request, timeout_ms=timeout_ms)
        return await self.ask(name, request.params, lambda: self._remote.prepare(request))

    async def send_to_client(self, name: str, client: str, message: Raw) -> Refused | None:
        """Send to a connected client, after the commit."""

        async def prepare() -> Callable[[], Asks] | Failure:
            if not await self._remote.clients.has(client):
                return Failure(kind="gone", message=f"the client {client} is gone")
            incarnation = self._remote.incarnation
            return lambda: ClientMessage(client=client, incarnation=incarnation)

        sent = await self.ask(name, message, prepare)
        return sent if isinstance(sent, Refused) else None

    def tell(self, name: str, request: CallRequest) -> None:
        """Call another worker by its component's name, without waiting for anything."""
        if self.journal.answer(name, request.params) is None:
            asks = self._remote.tell(request)
            self.journal.ask(name, Kind.WRITE_REMOTE.value, request.params, _NOTHING, asks)

    def is_answered(self, index: int) -> bool:
        """Whether the answer to entry `index` is there, or its time is over."""
        return self._waiting.is_over(index)

    async def wait_for_answers(
        self, indices: Sequence[int], monotonic_ns: int | None = None
    ) -> None:
        """Wait until one of the entries is answered, or for a point of the worker's clock."""
        deadline_ms = None if monotonic_ns is None else self.clock.unix_ms(monotonic_ns)
        await self._waiting.wait(indices, deadline_ms)

    async def take_answer(self, name: str, index: int, *, wait: bool) -> Answered | None:
        """Observe the answer to entry `index`, None if it is not there; recorded."""
        recorded = self.journal.answer(name, UNSET)
        if recorded is None:
            if wait:
                await self._waiting.wait((index,))
            elif not self.is_answered(index):
                self.journal.record(name, Kind.READ_REMOTE.value, UNSET, _NOT_YET)
                return None
            recorded = self._settle(name, index)
        return None if bytes(recorded) == bytes(_NOT_YET) else _decode(recorded)

    async def wait_and_take_answer(self, name: str, index: int) -> Answered:
        """Wait for the answer to entry `index` and observe it; recorded."""
        recorded = self.journal.answer(name, UNSET)
        if recorded is None:
            await self._waiting.wait((index,))
            recorded = self._settle(name, index)
        return _decode(recorded)

    def forget_answer(self, name: str, index: int) -> None:
        """Say that nobody wants the answer to entry `index` any more; recorded."""
        if self.journal.answer(name, UNSET) is None:
            self.journal.settle(name, Kind.WRITE_LOCAL.value, _NOTHING, index)

    async def cancel_scheduled(
        self, name: str, component: str | uuid.UUID, worker: str | None, index: int
    ) -> None:
        """Take back the call scheduled at entry `index`; recorded and committed."""
        if self.journal.answer(name, UNSET) is None:
            await self.journal.committed()
            await self._remote.cancel(component, worker, index)
            self.journal.settle(name, Kind.WRITE_REMOTE.value, _NOT_YET, index)
            await self.journal.committed()

    def _settle(self, name: str, index: int) -> Raw:
        book = self._waiting.book
        answer = book.answer(index)
        if answer is None:
            call = book.call(index)
            place = "" if call is None else f" of {call.function} on {call.component}/{call.worker}"
            text = f"the call{place} was not answered in time"
            answer = Answer(index=index, error=Failure(kind="timed-out", message=text))
        response = _encode(_Settled(result=answer.result, error=answer.error))
        self.journal.settle(name, Kind.READ_REMOTE.value, response, index)
        return response

    async def sleep_until(self, monotonic_ns: int) -> None:
        """Wait for a point of the worker's clock; long waits leave the guest by `SuspendGuest`."""
        while (remaining_ns := monotonic_ns - self.clock.monotonic_ns()) > 0:
            if remaining_ns >= self._suspend_after_ns and self.journal.may_suspend:
                raise SuspendGuest(self.clock.unix_ms(monotonic_ns))
            await asyncio.sleep(remaining_ns / 1e9)
