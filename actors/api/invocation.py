"""`shem.api.invocation.*`: what became of one invocation, told by its key."""

import asyncio
from typing import Final, final

from msgspec import UNSET, Raw, Struct, UnsetType

from actors.api.routes import Routes, route
from actors.engine.errors import SnapshotUnusableError
from actors.errors import ApiError
from actors.saved_worker import fetch
from actors.secrets import KeyRing, SecretStore
from actors.statuses import PENDING_MAX, Statuses, damaged, unknown_worker
from broker import subjects
from broker.ports import Broker, Request
from oplog.entries import (
    CancelPendingInvocation,
    Entry,
    ExportedFunctionCompleted,
    ExportedFunctionInvoked,
    Failure,
    InvocationRejected,
)
from oplog.errors import CorruptLogError
from oplog.plan import refuses_what_waits
from oplog.reader import LoadedLog

__all__ = ["InvocationApi"]

# Decoding is CPU work on the executor's loop: guests get their turn in between.
ENTRIES_PER_TURN_MAX: Final = 500


class GetInvocation(Struct, frozen=True, forbid_unknown_fields=True):
    """The invocation of a worker with a key."""

    component: str
    worker: str
    key: str


class Found(Struct, frozen=True, omit_defaults=True):
    """`state` is pending, running or done; then there is `error`, `result`, or none of both."""

    key: str
    state: str
    function: str | None = None
    result: Raw | UnsetType = UNSET
    error: Failure | None = None


@final
class InvocationApi:
    """Invocations as logs and mailboxes show them."""

    def __init__(
        self, broker: Broker, statuses: Statuses, secrets: SecretStore | None = None
    ) -> None:
        self._broker = broker
        self._secrets = secrets or SecretStore(broker.secrets, KeyRing())
        self._statuses = statuses

    def routes(self) -> Routes:
        """Return the operations of this noun."""
        return {"invocation.get": route(GetInvocation, self._get)}

    async def _get(self, body: GetInvocation, _request: Request) -> object:
        log = await self._statuses.log(body.component, body.worker)
        found: Found | None = None
        consumed = 0
        if log is not None:
            consumed = log.head.marks.invoked
            try:
                found = await _search(log, body.key)
            except CorruptLogError as error:
                raise damaged(body.component, body.worker, error) from error
        if found is None and await self._waits(body, consumed):
            found = Found(body.key, "pending")
        if found is not None:
            return found
        if log is None:
            raise unknown_worker(body.component, body.worker)
        place = f"{body.component}/{body.worker}"
        if await self._is_purged(log, body.key):
            text = f"the invocation {body.key!r} of {place} is done; its outcome was purged"
            raise ApiError("purged", text)
        raise ApiError("unknown-invocation", f"{place} knows no invocation {body.key!r}")

    async def _is_purged(self, log: LoadedLog, key: str) -> bool:
        if log.base is None:
            return False
        try:
            saved = await fetch(self._broker.blobs, log.base, self._secrets)
        except SnapshotUnusableError:
            return False
        return saved.keys().find(key) is not None

    async def _waits(self, body: GetInvocation, consumed: int) -> bool:
        subject = subjects.mailbox(body.component, body.worker, self._broker.partitions, "invoke")
        count = 0
        async for message in self._broker.journal.read(subject, from_sequence=consumed + 1):
            if message.headers.get("Shem-Key", f"seq-{message.sequence}") == body.key:
                return True
            count += 1
            if count >= PENDING_MAX:
                break
        return False


async def _search(log: LoadedLog, key: str) -> Found | None:
    deleted = log.plan().deleted
    found: Found | None = None
    for number, (index, entry, _) in enumerate(log.entries()):
        if number % ENTRIES_PER_TURN_MAX == 0:
            await asyncio.sleep(0)
        if index not in deleted or refuses_what_waits(entry, log.head.marks.invoked):
            whole = entry
            if isinstance(entry, ExportedFunctionCompleted) and entry.idempotency_key == key:
                whole = await log.internalise(entry)
            found = _told(whole, key) or found
    return found


def _told(entry: Entry, key: str) -> Found | None:
    """Return what an entry says of the invocation, None if it says nothing of it."""
    match entry:
        case ExportedFunctionInvoked(idempotency_key=of, function=function) if of == key:
            return Found(key, "running", function)
        case ExportedFunctionCompleted(idempotency_key=of) if of == key:
            return Found(key, "done", entry.function, entry.result, entry.error)
        case InvocationRejected(idempotency_key=of) if of == key:
            return Found(key, "done", entry.function, UNSET, entry.error)
        case CancelPendingInvocation(idempotency_key=of) if of == key:
            cancelled = Failure(kind="cancelled", message="it was cancelled before it began")
            return Found(key, "done", None, UNSET, cancelled)
        case _:
            return None
