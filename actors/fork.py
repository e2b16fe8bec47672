"""Copies of workers: the beginning of one worker's log as the log of another.

The copy says in its first entry how many entries it is made of. Until it has them it is no worker
yet: nothing runs, and whoever copies goes on where a crash has left it. Its incarnation is derived
from the original's and from its name, so that both know whose work it is. Once it has them, its log
is its own: who asks again for the same copy is told that it is there, and who asks for another one
that the name is taken.
"""

import hashlib
from collections.abc import Awaitable, Callable
from typing import Final, final

import msgspec
from msgspec import UNSET, Raw

from actors.errors import QuotaError, TerminalError
from actors.identity import WorkerId, check_worker_name
from actors.keys import foreign_key
from actors.quota_policy import Quota
from broker import subjects
from broker.errors import FencedError
from broker.ports import Broker
from oplog.commit import Head
from oplog.entries import (
    ClientMessage,
    CommandDone,
    Create,
    Entry,
    ErrorEntry,
    ExportedFunctionCompleted,
    ExportedFunctionInvoked,
    ImportedFunctionInvoked,
    InvocationRejected,
    Snapshot,
    SnapshotFailed,
    Suspend,
)
from oplog.reader import LoadedLog, load
from oplog.writer import Writer

__all__ = ["CUT_OFF_MIN", "Forks"]

CUT_OFF_MIN: Final = 2
# What is said of a worker that has done nothing meanwhile.
_SAID: Final = (CommandDone, Snapshot, SnapshotFailed, Suspend)


@final
class Forks:
    """Makes copies of workers."""

    def __init__(
        self,
        broker: Broker,
        *,
        next_message_id: Callable[[], str],
        admit: Callable[[WorkerId, Quota], Awaitable[None]],
    ) -> None:
        self._broker = broker
        self._next_message_id = next_message_id
        self._admit = admit

    async def fork_self(
        self, me: WorkerId, function: str, worker: str, *, begun_index: int, quota: Quota
    ) -> str | None:
        """Copy a running worker up to its last committed entry; its copy is told so by `function`.

        A copy that was made since `begun_index`, where its invocation begins, is the one. Returns
        why it cannot be done, None when it is done.
        """
        subject = subjects.log(me.component, me.worker, self._broker.partitions)
        log = await load(self._broker.journal, self._broker.blobs, subject)
        told = ImportedFunctionInvoked(
            function=function, kind="write-remote", request=UNSET, response=Raw(b'"forked"')
        )
        target = WorkerId(me.component, worker)
        return await self._copy(log, target, begun_index, log.head.last_index, told, quota=quota)

    async def copy(
        self, log: LoadedLog, target: WorkerId, *, last: int | None, quota: Quota
    ) -> str | None:
        """Copy entries up to index `last` (None: all), within the `quota` of the component.

        Returns why it cannot be done, None when it is done. Doing it again does nothing, if the
        worker has done nothing since or its entries up to `last` were copied before.
        """
        if last is not None:
            return await self._copy(log, target, last, last, quota=quota)
        return await self._copy(log, target, _last_done(log), log.head.last_index, quota=quota)

    async def _copy(
        self,
        log: LoadedLog,
        target: WorkerId,
        least: int,
        last: int,
        told: Entry | None = None,
        *,
        quota: Quota,
    ) -> str | None:
        """Copy entries up to index `last`, and one more that only the copy has.

        A copy of `least` entries at least is the one that is asked for.
        """
        problem = _problem(log, target, last)
        if problem is not None:
            return problem
        journal = self._broker.journal
        subject = subjects.log(target.component, target.worker, self._broker.partitions)
        found = await load(journal, self._broker.blobs, subject)
        incarnation = _derived(log.head.incarnation, target)
        taken = f"there is a worker {target} already"
        copied = _copied(found)
        if found.stored:
            cut_at = copied if told is None else copied - 1
            if found.head.incarnation != incarnation or not least <= cut_at <= last:
                return taken
            # What is half done is done as it was begun, whatever was recorded since.
            last = cut_at
        if copied > found.head.last_index or not found.stored:
            try:
                await self._admit(target, quota)
                await self._write(subject, found.head, await self._entries(log, target, last, told))
            except QuotaError as error:
                return str(error)
            except FencedError:
                return taken
        # Whoever owns the copy looks at it now, and goes on with what was running.
        await journal.publish(
            subjects.control(target.component, target.worker),
            b'{"command":"resume"}',
            message_id=f"{incarnation}:forked",
        )
        return None

    async def _entries(
        self, log: LoadedLog, target: WorkerId, last: int, told: Entry | None
    ) -> list[Entry]:
        entries = [
            await log.internalise(entry) for index, entry, _ in log.entries() if index <= last
        ]
        incarnation = _derived(log.head.incarnation, target)
        entries = _adapted([*entries, told] if told else entries, target, incarnation)
        if self._is_same_stream(log, target):
            return entries
        return [_estranged(index, entry) for index, entry in enumerate(entries, 1)]

    def _is_same_stream(self, log: LoadedLog, target: WorkerId) -> bool:
        sharding = self._broker.sharding
        create = next((entry for _, entry, _ in log.entries()), None)
        if sharding.is_single or not isinstance(create, Create):
            return sharding.is_single
        numbers = (
            subjects.partition_of(component, worker, sharding.partitions)
            for component, worker in (
                (create.component, create.worker),
                (target.component, target.worker),
            )
        )
        return len({sharding.stream_of(number) for number in numbers}) == 1

    async def _write(self, subject: str, head: Head, entries: list[Entry]) -> None:
        failures: list[BaseException] = []
        sent = _sent_mark(entries)
        writer = Writer(
            journal=self._broker.journal,
            blobs=self._broker.blobs,
            subject=subject,
            head=head,
            next_message_id=self._next_message_id,
            sent_mark=lambda: sent,
            on_commit=lambda _commit, _sequence: None,
            on_failure=failures.append,
        )
        try:
            for entry in entries[head.last_index :]:
                writer.add(entry)
            await writer.flush()
        finally:
            await writer.close()


def _problem(log: LoadedLog, target: WorkerId, last: int) -> str | None:
    try:
        check_worker_name(target.worker)
    except TerminalError as error:
        return str(error)
    if log.plan().purged:
        return f"entries 1 to {log.plan().purged} were purged, and a copy needs all of them"
    if last < CUT_OFF_MIN:
        return f"a copy needs at least {CUT_OFF_MIN} entries, not {last}"
    return log.plan().problem_with(last, log.head.last_index)


def _derived(incarnation: str, target: WorkerId) -> str:
    return hashlib.sha256(f"{incarnation} {target}".encode()).hexdigest()[:16]


def _copied(found: LoadedLog) -> int:
    """Return of how many entries a log is to be a copy; 0: it is none, or the beginning is gone."""
    create = next((entry for _, entry, _ in found.entries()), None)
    return create.copied if isinstance(create, Create) else 0


def _last_done(log: LoadedLog) -> int:
    """Return the index of the last entry that says what the worker did, not what was said of it."""
    done = (index for index, entry, _ in log.entries() if not isinstance(entry, _SAID))
    return max(done, default=0)


def _adapted(entries: list[Entry], target: WorkerId, incarnation: str) -> list[Entry]:
    """Return the entries as those of the copy.

    It answers nobody for what the original was asked, and what comes again comes to the original.
    """
    adapted: list[Entry] = []
    for entry in entries:
        match entry:
            case Create():
                adapted.append(
                    msgspec.structs.replace(
                        entry,
                        incarnation=incarnation,
                        worker=target.worker,
                        parent=f"{entry.component}/{entry.worker}",
                        copied=len(entries),
                    )
                )
            case ExportedFunctionInvoked() | InvocationRejected():
                adapted.append(
                    msgspec.structs.replace(entry, result_to=None, caller=None, repeat=None)
                )
            case CommandDone():
                adapted.append(msgspec.structs.replace(entry, caller=None))
            case _:
                adapted.append(entry)
    return adapted


def _estranged(index: int, entry: Entry) -> Entry:
    """Return an entry without what could be taken for a message of the copy's own stream.

    Another stream has the same sequences for other messages, and keys made up of them.
    """
    match entry:
        case ExportedFunctionInvoked() | InvocationRejected():
            key = foreign_key(entry.idempotency_key)
            return msgspec.structs.replace(entry, sequence=-index, idempotency_key=key)
        case ExportedFunctionCompleted():
            return msgspec.structs.replace(
                entry, idempotency_key=foreign_key(entry.idempotency_key)
            )
        case _:
            return entry


def _sent_mark(entries: list[Entry]) -> int:
    """Return the index up to which the copy has nothing to send.

    Calls without answer are made again under its own name, with the same keys, and it gets wake-ups
    of its own; outcomes are not told again.
    """
    settled = {
        entry.settles
        for entry in entries
        if isinstance(entry, ImportedFunctionInvoked) and entry.settles is not None
    }
    waiting = [
        index
        for index, entry in enumerate(entries, 1)
        if isinstance(entry, ImportedFunctionInvoked)
        and entry.asks is not None
        and not isinstance(entry.asks, ClientMessage)
        and index not in settled
    ]
    last = entries[-1]
    if isinstance(last, Suspend | ErrorEntry):
        waiting.append(len(entries))
    return min(waiting) - 1 if waiting else len(entries)
