"""`shem.api.worker.*`: find workers and read their logs."""

import asyncio
from typing import Annotated, Final, final

import msgspec
from msgspec import Meta, Raw, Struct

from actors.api.routes import Routes, route
from actors.api.statuses import COMMITS_PER_TURN_MAX, Statuses, damaged, unknown_worker
from actors.components import ComponentStore
from broker.ports import Request
from oplog.codec import type_name
from oplog.errors import CorruptLogError
from oplog.status import Status

__all__ = ["WorkerApi"]

LIMIT_MAX: Final = 1_000
ANSWER_BYTES_MAX: Final = 512 * 1024

Limit = Annotated[int, Meta(ge=1, le=LIMIT_MAX)]


class ListWorkers(Struct, frozen=True, forbid_unknown_fields=True):
    """Workers of a component in the order of their names, from behind `after`."""

    component: str
    prefix: str = ""
    after: str = ""
    limit: Limit = LIMIT_MAX


class GetWorker(Struct, frozen=True, forbid_unknown_fields=True):
    """One worker."""

    component: str
    worker: str


class ReadOplog(Struct, frozen=True, forbid_unknown_fields=True, rename={"from_": "from"}):
    """Entries from index `from`, at most `limit`; with `types` only those of these types."""

    component: str
    worker: str
    from_: Annotated[int, Meta(ge=1)] = 1
    limit: Limit = LIMIT_MAX
    types: tuple[str, ...] = ()


class Page(Struct, frozen=True, omit_defaults=True):
    """Entries and, if there are more, where to go on."""

    entries: list[dict[str, int | Raw]]
    next: int | None = None


@final
class WorkerApi:
    """Workers as their logs show them."""

    def __init__(self, statuses: Statuses, store: ComponentStore) -> None:
        self._statuses = statuses
        self._store = store

    def routes(self) -> Routes:
        """Return the operations of this noun."""
        return {
            "worker.list": route(ListWorkers, self._list),
            "worker.get": route(GetWorker, self._get),
            "worker.oplog": route(ReadOplog, self._oplog),
        }

    async def _list(self, body: ListWorkers, _request: Request) -> object:
        names = await self._statuses.names(body.component, prefix=body.prefix, after=body.after)
        if not names and not body.prefix and not body.after:
            # Raises for a component that does not exist: a typing error should be told.
            await self._store.get(body.component, fresh=True)
        listed: list[dict[str, object]] = []
        for start in range(0, len(names), body.limit):
            part = names[start : start + body.limit]
            found = await self._statuses.find_all(body.component, part)
            listed += [_describe(each.worker, each.status) for each in found]
            if len(listed) >= body.limit:
                break
        listed = listed[: body.limit]
        more = bool(listed) and listed[-1]["worker"] != names[-1] and len(listed) == body.limit
        return {"workers": listed, **({"next": listed[-1]["worker"]} if more else {})}

    async def _get(self, body: GetWorker, _request: Request) -> object:
        status = await self._statuses.get(body.component, body.worker)
        return {"component": body.component, **_describe(body.worker, status)}

    async def _oplog(self, body: ReadOplog, _request: Request) -> object:
        log = await self._statuses.log(body.component, body.worker)
        if log is None:
            raise unknown_worker(body.component, body.worker)
        wanted = set(body.types)
        page: list[dict[str, int | Raw]] = []
        size = 0
        try:
            for number, (commit, _) in enumerate(log.commits(after=body.from_ - 1)):
                for index, entry in enumerate(commit.entries, commit.first):
                    if index < body.from_ or (wanted and type_name(entry) not in wanted):
                        continue
                    data = msgspec.json.encode(entry)
                    size += len(data)
                    if page and (len(page) >= body.limit or size > ANSWER_BYTES_MAX):
                        return Page(entries=page, next=index)
                    page.append({"index": index, "entry": Raw(data)})
                if number % COMMITS_PER_TURN_MAX == 0:
                    await asyncio.sleep(0)
        except CorruptLogError as error:
            raise damaged(body.component, body.worker, error) from error
        return Page(entries=page)


def _describe(worker: str, status: Status) -> dict[str, object]:
    fields: dict[str, object] = msgspec.to_builtins(status)
    fields.pop("state", None)
    return {"worker": worker, "status": status.state, **fields}
