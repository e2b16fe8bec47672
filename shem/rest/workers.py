"""Workers over REST: create, find, look at, command, delete."""

from typing import Annotated, Final, Literal, TypeAlias, final

from msgspec import Meta, Struct, field

from gateway.errors import RequestError
from gateway.rest.operation import Call, Count, No, Operation, Reply, Role, operations_of, rest
from shem.client import Client, Worker
from shem.records import OplogEntry, WorkerStatus
from shem.rest.params import (
    COUNT_DEFAULT,
    ComponentPath,
    Env,
    Index,
    Millis,
    Name,
    VersionNumber,
    WorkerPath,
    exactly_one,
    pairs,
)

__all__ = ["ONE", "operations"]

MANY: Final = "/components/{component}/workers"
ONE: Final = "/components/{component}/workers/{worker}"

State = Literal["idle", "running", "suspended", "interrupted", "retrying", "failed", "exited"]


class Filter(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"):
    """Which workers; what is given has to hold of each. `cursor`: the `next` of the page before."""

    prefix: str = ""
    status: tuple[State, ...] = ()
    version: VersionNumber | None = None
    name_contains: str = ""
    env: tuple[Env, ...] = ()
    created_after_ms: Millis | None = None
    created_before_ms: Millis | None = None
    cursor: str = ""
    count: Count = COUNT_DEFAULT


class Workers(Struct, frozen=True, kw_only=True):
    """Workers by name; go on with `next` as `cursor`."""

    workers: list[WorkerStatus]
    next: str | None = None


class NewWorker(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A worker to be created."""

    name: Name
    env: dict[str, str] = field(default_factory=dict[str, str])
    args: tuple[str, ...] = ()
    version: VersionNumber | None = None


class Recover(Struct, frozen=True, forbid_unknown_fields=True):
    """`recover`: drop the worker from memory and bring it back at once."""

    recover: bool = False


class Update(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"):
    """The version to run. `dry-run`: only say whether an automatic update would go well."""

    version: VersionNumber
    mode: Literal["automatic", "snapshot-based"] = "automatic"
    dry_run: bool = False


class Rehearsed(Struct, frozen=True, kw_only=True):
    """`started`: the outcome stands in the worker's status. `reason`: why it would not go well."""

    started: bool
    diverges: bool = False
    reason: str | None = None


class Revert(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"):
    """Undo everything behind an entry, or the last invocations: one of the two."""

    last_oplog_index: Index | None = None
    invocations: Index | None = None


OneRevert: TypeAlias = Annotated[Revert, exactly_one("last-oplog-index", "invocations")]


class RetryPolicy(Struct, frozen=True, forbid_unknown_fields=True):
    """When failures are tried again: `never` or as `attempts=5,max=1m`; empty: not said here."""

    policy: Annotated[str, Meta(max_length=1_000)]


class Reverted(Struct, frozen=True):
    """How many entries were undone."""

    reverted: int


class Fork(Struct, frozen=True, forbid_unknown_fields=True):
    """Copy the worker up to entry `at`, by default all of it, under another name."""

    worker: Name
    at: Index | None = None


class Complete(Struct, frozen=True, forbid_unknown_fields=True):
    """What the promise made by an entry is completed with: Base64, or text."""

    data: bytes | None = None
    text: str | None = None


class Completed(Struct, frozen=True):
    """False: it was completed before."""

    completed: bool


class PromisePath(Struct, frozen=True, forbid_unknown_fields=True):
    """A promise of a worker: the index of the entry that made it."""

    component: Name
    worker: Name
    index: Index


class OplogQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Entries from index `from`, those that `types` and `query` select; `text`: as lines, too."""

    from_: Index = field(default=1, name="from")
    count: Count = COUNT_DEFAULT
    type: tuple[str, ...] = ()
    query: Annotated[str, Meta(max_length=10_000)] | None = None
    text: bool = False


class Oplog(Struct, frozen=True, kw_only=True):
    """Entries in order; go on with `next` as `from`. Those before `begins` were purged."""

    entries: list[OplogEntry]
    next: int | None = None
    begins: int = 1


@final
class _Workers:
    def __init__(self, client: Client) -> None:
        self._client = client

    def _at(self, path: WorkerPath | PromisePath) -> Worker:
        return self._client.worker(path.component, path.worker)

    @rest("worker.list", "GET", MANY, Role.VIEWER)
    async def list(self, call: Call[ComponentPath, Filter, No]) -> Workers:
        """List the workers of a component."""
        wanted = call.query
        found: list[WorkerStatus] = []
        async for each in self._client.workers(
            call.path.component,
            prefix=wanted.prefix,
            status=wanted.status,
            version=wanted.version,
            name_contains=wanted.name_contains,
            env=pairs(wanted.env),
            created_after_ms=wanted.created_after_ms,
            created_before_ms=wanted.created_before_ms,
            after=wanted.cursor,
        ):
            if len(found) == wanted.count:
                return Workers(workers=found, next=found[-1].worker)
            found.append(each)
        return Workers(workers=found)

    @rest("worker.create", "POST", MANY, Role.OPERATOR, status=201, answer=WorkerStatus)
    async def create(self, call: Call[ComponentPath, No, NewWorker]) -> Reply:
        """Create a worker without invoking it."""
        body = call.body
        worker = self._client.worker(call.path.component, body.name)
        await worker.create(env=body.env, args=body.args, version=body.version)
        return Reply(value=await worker.status(), status=201)

    @rest("worker.get", "GET", ONE, Role.VIEWER)
    async def get(self, call: Call[WorkerPath, No, No]) -> WorkerStatus:
        """Return what a worker's log says of it."""
        return await self._at(call.path).status()

    @rest("worker.delete", "DELETE", ONE, Role.OPERATOR)
    async def delete(self, call: Call[WorkerPath, No, No]) -> None:
        """End a worker and forget its state."""
        await self._at(call.path).delete()

    @rest("worker.interrupt", "POST", f"{ONE}/interrupt", Role.OPERATOR)
    async def interrupt(self, call: Call[WorkerPath, Recover, No]) -> None:
        """Stop what runs until it is resumed."""
        await self._at(call.path).interrupt(recover=call.query.recover)

    @rest("worker.resume", "POST", f"{ONE}/resume", Role.OPERATOR)
    async def resume(self, call: Call[WorkerPath, No, No]) -> None:
        """Go on after an interrupt."""
        await self._at(call.path).resume()

    @rest("worker.update", "POST", f"{ONE}/update", Role.OPERATOR)
    async def update(self, call: Call[WorkerPath, No, Update]) -> Rehearsed:
        """Have a worker run another version."""
        worker, body = self._at(call.path), call.body
        if body.dry_run:
            reason = await worker.rehearse_update(body.version)
            return Rehearsed(started=False, diverges=reason is not None, reason=reason)
        await worker.update(body.version, mode=body.mode)
        return Rehearsed(started=True)

    @rest("worker.revert", "POST", f"{ONE}/revert", Role.OPERATOR)
    async def revert(self, call: Call[WorkerPath, No, OneRevert]) -> Reverted:
        """Undo a worker's last entries or invocations."""
        body = call.body
        return Reverted(
            await self._at(call.path).revert(
                last_oplog_index=body.last_oplog_index, invocations=body.invocations
            )
        )

    @rest("worker.set-retry-policy", "PUT", f"{ONE}/retry-policy", Role.OPERATOR)
    async def set_retry_policy(self, call: Call[WorkerPath, No, RetryPolicy]) -> None:
        """Choose when this worker's failures are tried again."""
        await self._at(call.path).set_retry_policy(call.body.policy)

    @rest("worker.fork", "POST", f"{ONE}/fork", Role.OPERATOR, status=201, answer=WorkerStatus)
    async def fork(self, call: Call[WorkerPath, No, Fork]) -> Reply:
        """Copy a worker."""
        await self._at(call.path).fork(call.body.worker, at=call.body.at)
        copy = self._client.worker(call.path.component, call.body.worker)
        return Reply(value=await copy.status(), status=201)

    @rest("promise.complete", "POST", f"{ONE}/promises/{{index}}/complete", Role.OPERATOR)
    async def complete(self, call: Call[PromisePath, No, Complete]) -> Completed:
        """Complete a promise of a worker."""
        body = call.body
        if body.data is not None and body.text is not None:
            raise RequestError(400, "bad-request", "body: one of data and text, not both")
        data = (body.text or "").encode() if body.data is None else body.data
        return Completed(await self._at(call.path).complete_promise(call.path.index, data))

    @rest("worker.oplog", "GET", f"{ONE}/oplog", Role.VIEWER)
    async def oplog(self, call: Call[WorkerPath, OplogQuery, No]) -> Oplog:
        """Return a page of a worker's journal."""
        wanted = call.query
        found: list[OplogEntry] = []
        begins = await self._at(call.path).oplog_begins()
        entries = self._at(call.path).oplog(
            start=wanted.from_,
            types=wanted.type,
            query=wanted.query,
            with_text=wanted.text,
            page=wanted.count + 1,
        )
        async for entry in entries:
            if len(found) == wanted.count:
                return Oplog(entries=found, next=entry.index, begins=begins)
            found.append(entry)
        return Oplog(entries=found, begins=begins)


def operations(client: Client) -> list[Operation]:
    """Return the operations of this noun."""
    return operations_of(_Workers(client))
