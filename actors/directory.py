"""Other workers and components as a guest may ask for them: read from logs and buckets."""

import uuid
from collections.abc import Sequence
from typing import final

from actors.components import ComponentStore
from actors.engine.errors import GuestTrap
from actors.errors import ApiError
from actors.host.control import Facts, LogEntry
from actors.identity import component_uuid
from actors.statuses import Statuses
from actors.worker_index.listing import WorkerListing
from broker.ports import Broker
from oplog.errors import QueryError
from oplog.public import public
from oplog.search import Query, parse
from oplog.status import Status

__all__ = ["Directory", "facts_of"]


def facts_of(component: uuid.UUID, worker: str, status: Status) -> Facts:
    """Return what guests learn of a worker."""
    return Facts(
        component=component,
        worker=worker,
        args=status.args,
        env=tuple(status.env.items()),
        status=status.state,
        component_version=status.component_version,
        retry_count=status.attempt,
        created_at_ms=status.created_at_ms,
    )


@final
class Directory:
    """Finds workers and components. Answers are those of the moment."""

    def __init__(self, broker: Broker, components: ComponentStore) -> None:
        self._statuses = Statuses(broker)
        self._listing = WorkerListing(broker, self._statuses)
        self._components = components

    async def component_name(self, identity: uuid.UUID) -> str | None:
        """Return the name of the component that guests know under a UUID."""
        for fresh in (False, True):
            for name in await self._components.names(fresh=fresh):
                if component_uuid(name) == identity:
                    return name
        return None

    async def component_id(self, reference: str) -> uuid.UUID | None:
        """Return the component that a reference names; projects and accounts are not told apart."""
        name = reference.rpartition("/")[2]
        for fresh in (False, True):
            if name in await self._components.names(fresh=fresh):
                return component_uuid(name)
        return None

    async def find(self, component: uuid.UUID, worker: str) -> Status | None:
        """Return the status of a worker, None if there is none."""
        name = await self.component_name(component)
        return None if name is None else await self._statuses.find(name, worker)

    async def page(
        self, component: uuid.UUID, *, after: str, limit: int, precise: bool
    ) -> tuple[Sequence[Facts], str | None]:
        """Return workers in the order of their names, and behind which to go on."""
        name = await self.component_name(component)
        if name is None:
            return (), None
        page = await self._listing.page(name, after=after, limit=limit, precise=precise)
        return [facts_of(component, each.worker, each.status) for each in page.workers], page.next

    async def entries(
        self, component: uuid.UUID, worker: str, *, start: int, limit: int, query: str | None
    ) -> tuple[Sequence[LogEntry], int | None]:
        """Return entries of a worker's log from `start` on, and where to go on.

        Raises:
            GuestTrap: the query is malformed, the log is damaged, or there is no such worker.
        """
        name = await self.component_name(component)
        try:
            parsed: Query | None = None if query is None else parse(query)
            log = None if name is None else await self._statuses.log(name, worker)
        except (QueryError, ApiError) as error:
            raise GuestTrap(str(error)) from error
        if log is None:
            raise GuestTrap(f"there is no worker {worker!r} of the component {component}")
        found: list[LogEntry] = []
        for index, entry, _ in log.entries(after=max(start, 1) - 1):
            shown = public(index, entry)
            if parsed is not None and not parsed.matches(index, shown.entry):
                continue
            if len(found) == limit:
                return found, index
            fields = dict(shown.entry)
            fields["at-ms"] = entry.at_ms
            found.append(LogEntry(index, str(fields.pop("type")), fields))
        return found, None
