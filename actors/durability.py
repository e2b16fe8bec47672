"""Live or replay: the only file that knows the difference.

Every host function that a component imports is bound here, by its kind, to a call that first asks
the worker's journal. If the oplog holds the answer, the world is not touched; otherwise the
function runs and its answer is recorded.

| kind | live | replay | crash in between |
|---|---|---|---|
| pure | runs | runs again | runs again |
| read-local, write-local, read-remote | runs, answer recorded | recorded answer | runs again |
| write-remote | waits until everything before is committed, runs, answer recorded and committed | \
recorded answer | runs again, with the same idempotency key |
| write-remote-batched | begin committed, runs, answer recorded, end committed | recorded answer | \
the whole batch runs again |
| write-remote-transaction | a part of its transaction: runs, answer recorded | recorded answer | \
unless the other side has committed, the whole transaction runs again |
| blocking | waits, answer recorded | recorded answer, no waiting | waits again, same deadline |

A batch of several calls begins with `begin_batch` and ends with `end_batch`, a transaction lies
between `begin_transaction` and `commit` or `rollback`; the steps in between name them. In
non-idempotent mode a write-remote has a begin and an end, too, and one without end is never
repeated: the worker fails. What the guest's persistence level leaves out is neither recorded nor
asked for: it runs, and runs again at replay.

Recorded answers are not committed at once (write-remote apart): nothing that depends on them leaves
the executor before the commit, so losing them is as if the call had not happened.
"""

from collections.abc import Awaitable, Callable
from inspect import isawaitable
from typing import Any, Protocol, TypeAlias, TypeVar

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from actors.engine.port import HostCall
from actors.errors import InternalError
from actors.host.interface import HostFunction, Kind
from oplog.entries import (
    BeginRemoteTransaction,
    BeginRemoteWrite,
    CommittedRemoteTransaction,
    EndRemoteWrite,
    Mark,
    PreCommitRemoteTransaction,
    PreRollbackRemoteTransaction,
    RolledBackRemoteTransaction,
)
from wit.json_values import codec_for
from wit.type_walk import holds_resource
from wit.types import FunctionType, Type

__all__ = [
    "Journal",
    "JournalHolder",
    "Transaction",
    "begin_batch",
    "begin_transaction",
    "bind",
    "commit",
    "end_batch",
    "rollback",
    "step",
    "waiting_step",
]

M = TypeVar("M", bound=Mark)


class Journal(Protocol):
    """The oplog as host calls see it."""

    def answer(self, function: str, request: Raw | UnsetType) -> Raw | None:
        """Return the recorded answer of the next call, or None: it is new.

        Raises:
            DivergenceError: the oplog holds something else at this place.
        """
        ...

    def record(
        self,
        function: str,
        kind: str,
        request: Raw | UnsetType,
        response: Raw,
        *,
        begin: int | None = None,
    ) -> None:
        """Record the answer of a call that has just run; `begin` is what it is a part of."""
        ...

    def mark(self, ours: M) -> tuple[int, M]:
        """Return the recorded mark at this place and its index; when live, record ours."""
        ...

    def settle_unknown(
        self, found: tuple[int, BeginRemoteTransaction], ours: BeginRemoteTransaction, *, done: bool
    ) -> tuple[int, BeginRemoteTransaction]:
        """Say whether the transaction `found` has been committed; if not, `ours` replaces it."""
        ...

    @property
    def has_unknown(self) -> bool:
        """Whether the transaction that was begun last waits for `settle_unknown`."""
        ...

    @property
    def is_live(self) -> bool:
        """Whether what is done next is new."""
        ...

    @property
    def unrecorded(self) -> frozenset[Kind]:
        """The kinds that are not recorded now, by the guest's own choice."""
        ...

    @property
    def idempotent(self) -> bool:
        """Whether a remote write without known outcome may be repeated."""
        ...

    async def committed(self) -> None:
        """Return when everything recorded so far is committed."""
        ...


class JournalHolder(Protocol):
    """What the engine hands to host calls: the worker's context, with its journal."""

    @property
    def journal(self) -> Journal:
        """The worker's journal."""
        ...


Run: TypeAlias = Callable[..., Any]
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


def bind(function: HostFunction, type_: FunctionType, _import_name: str) -> HostCall:
    """Return the call that the engine links for an import of `function`."""
    match function.kind:
        case Kind.PURE:
            return HostCall(run=function.run, blocking=function.blocking)
        case Kind.READ_LOCAL | Kind.WRITE_LOCAL | Kind.READ_REMOTE:
            if function.blocking:
                return HostCall(run=_Step(function, type_).wait, blocking=True)
            return HostCall(run=_Step(function, type_).run)
        case Kind.BLOCKING:
            return HostCall(run=_Step(function, type_).wait, blocking=True)
        case Kind.WRITE_REMOTE:
            return HostCall(run=_Step(function, type_).write, blocking=True)
        case Kind.WRITE_REMOTE_BATCHED:
            return HostCall(run=_Step(function, type_).batch, blocking=True)
        case Kind.WRITE_REMOTE_TRANSACTION:
            return HostCall(run=_Step(function, type_).part, blocking=True)


def step(
    journal: Journal,
    name: str,
    kind: Kind,
    type_: Type,
    live: Callable[[], Any],
    *,
    begin: int | None = None,
    request: Raw | UnsetType = UNSET,
) -> Any:
    """Return what `live()` returns, recorded as a host call `name` of its own.

    `begin` names the batch or transaction that it is a part of, `request` what it was asked.
    """
    if kind in journal.unrecorded:
        return live()
    codec = codec_for(type_)
    recorded = journal.answer(name, request)
    if recorded is not None:
        return codec.from_json(_decode(recorded))
    value = live()
    journal.record(name, kind.value, request, Raw(_encode(codec.to_json(value))), begin=begin)
    return value


async def waiting_step(
    journal: Journal,
    name: str,
    kind: Kind,
    type_: Type,
    live: Callable[[], Awaitable[Any]],
    *,
    begin: int | None = None,
) -> Any:
    """Like `step`, for what has to wait; after a crash in mid-wait `live` is called again."""
    if kind in journal.unrecorded:
        return await live()
    codec = codec_for(type_)
    recorded = journal.answer(name, UNSET)
    if recorded is not None:
        return codec.from_json(_decode(recorded))
    value = await live()
    journal.record(name, kind.value, UNSET, Raw(_encode(codec.to_json(value))), begin=begin)
    return value


def begin_batch(journal: Journal, function: str) -> int:
    """Begin something outside that takes several calls; return the index that names it.

    Nothing may go outside before `Journal.committed`. If the log ends before the batch's end, the
    caller is live from here on, and all steps of the batch run again.

    Raises:
        IncompleteWriteError: it has begun before, and must not be repeated.
    """
    index, _ = journal.mark(BeginRemoteWrite(function=function, idempotent=journal.idempotent))
    return index


def end_batch(journal: Journal, begin: int) -> None:
    """End a batch at a point of the guest's own course: what it recorded is kept from now on."""
    journal.mark(EndRemoteWrite(begin_index=begin))


class Transaction(Struct):
    """A transaction of another system, which knows it as `id`."""

    begin: int
    id: str
    committed: bool = False
    """The other system says that it has committed, and the log does not."""


async def begin_transaction(
    journal: Journal,
    function: str,
    *,
    new_id: Callable[[], str],
    was_committed: Callable[[str], Awaitable[bool]],
) -> Transaction:
    """Begin a transaction; the caller opens it at the other side if `Journal.is_live`.

    If the log ends between the intent to commit and the end, `was_committed` asks the other side
    about the identifier; unless it confirms, a new transaction begins.
    """
    ours = BeginRemoteTransaction(function=function, transaction_id=new_id())
    found = journal.mark(ours)
    done = False
    if journal.has_unknown:
        done = await was_committed(found[1].transaction_id)
        found = journal.settle_unknown(found, ours, done=done)
    if journal.is_live:
        await journal.committed()
    index, entry = found
    return Transaction(index, entry.transaction_id, committed=done)


async def commit(
    journal: Journal, transaction: Transaction, run: Callable[[], Awaitable[None]]
) -> None:
    """Commit by `run`, unless the other side has committed before a crash."""
    journal.mark(PreCommitRemoteTransaction(begin_index=transaction.begin))
    if journal.is_live and not transaction.committed:
        await journal.committed()
        await run()
    journal.mark(CommittedRemoteTransaction(begin_index=transaction.begin))
    await journal.committed()


async def rollback(
    journal: Journal, transaction: Transaction, run: Callable[[], Awaitable[None]]
) -> None:
    """Roll back by `run`; one that was lost in a crash has rolled back by itself."""
    journal.mark(PreRollbackRemoteTransaction(begin_index=transaction.begin))
    if journal.is_live:
        await journal.committed()
        await run()
    journal.mark(RolledBackRemoteTransaction(begin_index=transaction.begin))


class _Step:
    """One recorded host function with the converters of its type."""

    def __init__(self, function: HostFunction, type_: FunctionType) -> None:
        self.name = f"{function.interface}#{function.name}"
        self._kind = function.kind
        self._live: Run = function.run
        self._after = function.after
        result = type_.result
        if result is not None and holds_resource(result):
            raise InternalError(f"{self.name}: a recorded answer cannot hold a resource")
        self._result = None if result is None else codec_for(result)
        plain = not any(holds_resource(parameter.type) for parameter in type_.parameters)
        self._parameters = [codec_for(p.type) for p in type_.parameters] if plain else []

    def run(self, context: JournalHolder, *arguments: Any) -> Any:
        result = self._run(context, arguments)
        if self._after is not None:
            self._after(context, arguments, result)
        return result

    def _run(self, context: JournalHolder, arguments: tuple[Any, ...]) -> Any:
        journal = context.journal
        if self._kind in journal.unrecorded:
            return self._live(context, *arguments)
        request = self._request(arguments)
        recorded = journal.answer(self.name, request)
        if recorded is not None:
            return self._value(recorded)
        result = self._live(context, *arguments)
        journal.record(self.name, self._kind.value, request, self._json(result))
        return result

    async def wait(self, context: JournalHolder, *arguments: Any) -> Any:
        result = await self._wait(context, arguments)
        if self._after is not None:
            self._after(context, arguments, result)
        return result

    async def _wait(self, context: JournalHolder, arguments: tuple[Any, ...]) -> Any:
        journal = context.journal
        if self._kind in journal.unrecorded:
            return await self._live(context, *arguments)
        request = self._request(arguments)
        recorded = journal.answer(self.name, request)
        if recorded is not None:
            return self._value(recorded)
        result = await self._live(context, *arguments)
        journal.record(self.name, self._kind.value, request, self._json(result))
        return result

    async def write(self, context: JournalHolder, *arguments: Any) -> Any:
        journal = context.journal
        if not journal.idempotent and self._kind not in journal.unrecorded:
            return await self.batch(context, *arguments)
        return await self._write(context, arguments, begin=None)

    async def batch(self, context: JournalHolder, *arguments: Any) -> Any:
        journal = context.journal
        begin = begin_batch(journal, self.name)
        result = await self._write(context, arguments, begin=begin)
        end_batch(journal, begin)
        if journal.is_live:
            await journal.committed()
        return result

    async def part(self, context: JournalHolder, transaction: Any, *arguments: Any) -> Any:
        """Run a method of a resource that has the `begin` of its transaction."""
        request = self._request((transaction, *arguments))
        journal = context.journal
        recorded = journal.answer(self.name, request)
        if recorded is not None:
            return self._value(recorded)
        result = await _awaited(self._live(context, transaction, *arguments))
        journal.record(
            self.name, self._kind.value, request, self._json(result), begin=transaction.begin
        )
        return result

    async def _write(
        self, context: JournalHolder, arguments: tuple[Any, ...], *, begin: int | None
    ) -> Any:
        journal = context.journal
        if self._kind in journal.unrecorded:
            return await _awaited(self._live(context, *arguments))
        request = self._request(arguments)
        recorded = journal.answer(self.name, request)
        if recorded is not None:
            return self._value(recorded)
        await journal.committed()
        result = await _awaited(self._live(context, *arguments))
        journal.record(self.name, self._kind.value, request, self._json(result), begin=begin)
        if begin is None:
            await journal.committed()
        return result

    def _request(self, arguments: tuple[Any, ...]) -> Raw | UnsetType:
        if not self._parameters:
            return UNSET
        parts = [
            codec.to_json(argument)
            for codec, argument in zip(self._parameters, arguments, strict=True)
        ]
        return Raw(_encode(parts))

    def _json(self, result: Any) -> Raw:
        return Raw(b"null") if self._result is None else Raw(_encode(self._result.to_json(result)))

    def _value(self, recorded: Raw) -> Any:
        return None if self._result is None else self._result.from_json(_decode(recorded))


async def _awaited(result: Any) -> Any:
    return await result if isawaitable(result) else result
