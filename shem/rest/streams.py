"""What a worker does, as it happens: over server-sent events or a websocket, with what came before.

Everything is told from the worker's log, so that nothing is missing and the id of an event, the
index of its entry, is where to go on after a disconnect.
"""

from collections.abc import AsyncIterator
from typing import Annotated, final

from msgspec import Meta, Struct

from gateway.errors import RequestError
from gateway.rest.events import EVENT_STREAM, Event, Events
from gateway.rest.operation import Call, No, Operation, Role, operations_of, rest
from oplog.entries import (
    Create,
    Deleted,
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
from oplog.public import timestamp
from shem.client import Client
from shem.client.follow import Followed
from shem.rest.params import WorkerPath
from shem.rest.workers import ONE

__all__ = ["operations"]

BACKLOG_DEFAULT = 128


class StreamQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`after`: an index; else the last `backlog` entries. `access_token` is for browsers."""

    after: Annotated[int, Meta(ge=0, le=1 << 53)] | None = None
    backlog: Annotated[int, Meta(ge=0, le=10_000)] = BACKLOG_DEFAULT
    access_token: str | None = None


@final
class _Streams:
    def __init__(self, client: Client) -> None:
        self._client = client

    @rest("worker.events", "GET", f"{ONE}/events", Role.VIEWER, answer=bytes, produces=EVENT_STREAM)
    async def events(self, call: Call[WorkerPath, StreamQuery, No]) -> Events:
        """Stream what a worker does, as server-sent events or frames of a websocket."""
        after = call.query.after
        given = call.headers.get("last-event-id")
        if given is not None:
            if not given.isdecimal():
                raise RequestError(400, "bad-request", "Last-Event-ID: expected a number")
            after = int(given)
        # A component that does not exist is a mistake; a worker may still come to be.
        await self._client.components.get(call.path.component)
        worker = self._client.worker(call.path.component, call.path.worker)
        return Events(_events(worker.follow(after=after, backlog=call.query.backlog)))


async def _events(entries: AsyncIterator[Followed]) -> AsyncIterator[Event]:
    async for each in entries:
        told = _told(each.entry)
        if told is not None:
            kind, fields = told
            at = timestamp(each.entry.at_ms)
            yield Event(type=kind, id=str(each.index), fields={"timestamp": at, **fields})


def _told(entry: Entry) -> tuple[str, dict[str, object]] | None:
    match entry:
        case Log(level="stdout" | "stderr" as stream, message=message):
            return stream, {"message": message}
        case Log(level=level, context=context, message=message):
            return "log", {"level": level, "context": context, "message": message}
        case ExportedFunctionInvoked(function=function, idempotency_key=key):
            return "invocation-started", {"function": function, "key": key}
        case ExportedFunctionCompleted(idempotency_key=key, function=function, error=error):
            return "invocation-finished", _finished(key, function, error)
        case InvocationRejected(idempotency_key=key, function=function, error=error):
            return "invocation-finished", _finished(key, function, error)
        case _:
            status = _status(entry)
            return None if status is None else ("status", {"status": status})


def _finished(key: str, function: str | None, error: Failure | None) -> dict[str, object]:
    failed = {} if error is None else {"error": {"kind": error.kind, "message": error.message}}
    return {"function": function, "key": key, **failed}


def _status(entry: Entry) -> str | None:
    match entry:
        case Create():
            return "created"
        case Deleted():
            return "deleted"
        case Suspend():
            return "suspended"
        case ErrorEntry(retry_at_ms=retry):
            return "failed" if retry is None else "retrying"
        case Interrupted():
            return "interrupted"
        case Exited():
            return "exited"
        case Restart():
            return "idle"
        case _:
            return None


def operations(client: Client) -> list[Operation]:
    """Return the operations of this noun."""
    return operations_of(_Streams(client))
