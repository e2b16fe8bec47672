"""`shem.api.worker.*`: find workers and read their logs."""

import asyncio
from collections.abc import Callable
from typing import Annotated, Final, final

import msgspec
from msgspec import Meta, Struct

from actors.api.routes import Routes, route
from actors.components import ComponentStore
from actors.errors import ApiError
from actors.statuses import Statuses, damaged, unknown_worker
from actors.worker_index.listing import WorkerListing
from actors.worker_index.rebuild import rebuild
from broker.ports import Broker, Request
from oplog.errors import CorruptLogError, QueryError
from oplog.public import PublicEntry, public
from oplog.render import line
from oplog.search import parse
from oplog.status import State, Status

__all__ = ["WorkerApi"]

LIMIT_MAX: Final = 1_000
ANSWER_BYTES_MAX: Final = 512 * 1024
# Looking for something rare goes on with the next request, so that none takes too long.
SCANNED_MAX: Final = 20_000
# Decoding and matching is CPU work on the executor's loop: guests get their turn in between.
ENTRIES_PER_TURN_MAX: Final = 100

Limit = Annotated[int, Meta(ge=1, le=LIMIT_MAX)]


class ListWorkers(Struct, frozen=True, forbid_unknown_fields=True):
    """Workers of a component in the order of their names, from behind `after`.

    What is given has to hold of each. Times are Unix time in milliseconds. `precise` reads the log
    of each worker instead of the index.
    """

    component: str
    prefix: str = ""
    after: str = ""
    limit: Limit = LIMIT_MAX
    status: tuple[State, ...] = ()
    version: int | None = None
    name_contains: str = ""
    env: dict[str, str] = {}
    created_after_ms: int | None = None
    created_before_ms: int | None = None
    precise: bool = False

    def lets_pass(self, name: str, found: Status) -> bool:
        """Whether a worker is wanted."""
        return (
            self.name_contains in name
            and (not self.status or found.state in self.status)
            and self.version in {None, found.component_version}
            and all(found.env.get(name) == value for name, value in self.env.items())
            and (self.created_after_ms is None or found.created_at_ms >= self.created_after_ms)
            and (self.created_before_ms is None or found.created_at_ms < self.created_before_ms)
        )


class Reindex(Struct, frozen=True, forbid_unknown_fields=True):
    """Make the index of a component's workers anew, for some thousand names behind `after`."""

    component: str
    after: str = ""


class GetWorker(Struct, frozen=True, forbid_unknown_fields=True):
    """One worker."""

    component: str
    worker: str


class ReadOplog(Struct, frozen=True, forbid_unknown_fields=True, rename={"from_": "from"}):
    """Entries from index `from`, at most `limit`.

    `types` and `query` (see `oplog.search`) select entries; `text`: as lines for people, too.
    """

    component: str
    worker: str
    from_: Annotated[int, Meta(ge=1)] = 1
    limit: Limit = LIMIT_MAX
    types: tuple[str, ...] = ()
    query: str | None = None
    text: bool = False


class Item(Struct, frozen=True, omit_defaults=True):
    """An entry in its public view."""

    index: int
    entry: dict[str, object]
    text: str | None = None


class Page(Struct, frozen=True, omit_defaults=True):
    """Entries and, if there may be more, where to go on. May be empty although there are more.

    The log begins with entry `begins`: those before were purged.
    """

    entries: list[Item]
    next: int | None = None
    begins: int = 1


@final
class WorkerApi:
    """Workers as their logs show them."""

    def __init__(self, broker: Broker, statuses: Statuses, store: ComponentStore) -> None:
        self._broker = broker
        self._statuses = statuses
        self._listing = WorkerListing(broker, statuses)
        self._store = store

    def routes(self) -> Routes:
        """Return the operations of this noun."""
        return {
            "worker.list": route(ListWorkers, self._list),
            "worker.reindex": route(Reindex, self._reindex),
            "worker.get": route(GetWorker, self._get),
            "worker.oplog": route(ReadOplog, self._oplog),
        }

    async def _list(self, body: ListWorkers, _request: Request) -> object:
        page = await self._listing.page(
            body.component,
            body.lets_pass,
            prefix=body.prefix,
            after=body.after,
            limit=body.limit,
            precise=body.precise,
        )
        if not page.workers and not body.prefix and not body.after:
            # Raises for a component that does not exist: a typing error should be told.
            await self._store.get(body.component, fresh=True)
        listed = [_describe(each.worker, each.status) for each in page.workers]
        more = {} if page.next is None else {"next": page.next}
        return {"workers": listed, **more}

    async def _reindex(self, body: Reindex, _request: Request) -> object:
        await self._store.get(body.component, fresh=True)
        return await rebuild(self._broker, self._statuses, body.component, after=body.after)

    async def _get(self, body: GetWorker, _request: Request) -> object:
        status = await self._statuses.get(body.component, body.worker)
        return {"component": body.component, **_describe(body.worker, status)}

    async def _oplog(self, body: ReadOplog, _request: Request) -> object:
        wants = _selection(body)
        log = await self._statuses.log(body.component, body.worker)
        if log is None:
            raise unknown_worker(body.component, body.worker)
        found: list[Item] = []
        size = 0
        try:
            begins = log.plan().purged + 1
            for scanned, (index, entry, _) in enumerate(log.entries(after=body.from_ - 1)):
                if scanned == SCANNED_MAX:
                    return Page(entries=found, next=index, begins=begins)
                if scanned % ENTRIES_PER_TURN_MAX == 0:
                    await asyncio.sleep(0)
                shown = public(index, entry)
                if not wants(shown):
                    continue
                size += len(msgspec.json.encode(shown))
                if found and (len(found) >= body.limit or size > ANSWER_BYTES_MAX):
                    return Page(entries=found, next=index, begins=begins)
                found.append(Item(index, shown.entry, line(index, entry) if body.text else None))
        except CorruptLogError as error:
            raise damaged(body.component, body.worker, error) from error
        return Page(entries=found, begins=begins)


def _selection(body: ReadOplog) -> Callable[[PublicEntry], bool]:
    types = frozenset(body.types)
    try:
        query = None if body.query is None else parse(body.query)
    except QueryError as error:
        raise ApiError("bad-request", f"query: {error}") from error

    def wants(shown: PublicEntry) -> bool:
        if types and shown.entry["type"] not in types:
            return False
        return query is None or query.matches(shown.index, shown.entry)

    return wants


def _describe(worker: str, status: Status) -> dict[str, object]:
    fields: dict[str, object] = msgspec.to_builtins(status)
    fields.pop("state", None)
    return {"worker": worker, "status": status.state, **fields}
