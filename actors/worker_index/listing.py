"""The reading side of the index: pages of a component's workers.

What the index does not have yet is read from the logs: the marks say from where on there may be
news, and only the workers that have some are looked at. So a listing is as good as reading all logs
unless there are more than `EXACT_MAX` news in a page; for those, rows of some seconds ago count. No
worker is ever left out: one without a row is looked at, however many there are.
"""

import asyncio
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Final, final

from msgspec import Struct, structs

from actors.errors import ApiError
from actors.statuses import Statuses, Summary
from actors.worker_index.marks import read_marks
from actors.worker_index.rows import Row, decode_chunk
from broker import subjects
from broker.ports import Broker
from oplog.entries import Failure
from oplog.status import Status

__all__ = ["WorkerListing", "WorkerPage"]

EXACT_MAX: Final = 1_000
NEWS_MESSAGES_MAX: Final = 5_000
# How long what was read is kept in memory for the next page.
KEPT_S: Final = 30.0
ROWS_PER_TURN_MAX: Final = 1_000


class WorkerPage(Struct, frozen=True):
    """Workers by name, and behind which name to go on, if there are more."""

    workers: Sequence[Summary]
    next: str | None = None


@final
class _Known:
    """The chunks of one component as they were read last."""

    def __init__(self) -> None:
        self._behind = 0
        self._chunks: dict[str, frozenset[str]] = {}
        self._rows: dict[str, Row] = {}
        self._names: list[str] = []
        self._lock = asyncio.Lock()
        self.expiry: asyncio.TimerHandle | None = None

    async def refresh(self, broker: Broker, component: str) -> None:
        """Read what has changed."""
        async with self._lock:
            changed = await broker.workers_of(component).changes(behind=self._behind)
            for number, entry in enumerate(changed, 1):
                rows = {} if entry.data is None else decode_chunk(entry.data)
                for name in self._chunks.get(entry.key, frozenset()) - rows.keys():
                    self._rows.pop(name, None)
                self._rows.update(rows)
                self._chunks[entry.key] = frozenset(rows)
                self._behind = max(self._behind, entry.revision)
                if number % 8 == 0:
                    await asyncio.sleep(0)
            if changed:
                self._names = sorted(self._rows)

    @property
    def names(self) -> Sequence[str]:
        """All names, sorted, those of deleted workers included."""
        return self._names

    def __contains__(self, name: str) -> bool:
        return name in self._rows

    def status(self, name: str) -> Status | None:
        """Return how a worker was; None if it is unknown or deleted."""
        row = self._rows.get(name)
        return None if row is None else row.status()


class _Walk(Struct, frozen=True):
    """What is looked for. At most `exact_max` of the `news` are read from their logs."""

    component: str
    wants: Callable[[str, Status], bool]
    limit: int
    known: _Known | None
    news: set[str]
    exact_max: int

    def has_row(self, name: str) -> bool:
        """Whether the index knows the worker."""
        return self.known is not None and name in self.known


@final
class WorkerListing:
    """Lists workers. Any process can, whoever owns them."""

    def __init__(self, broker: Broker, statuses: Statuses) -> None:
        self._broker = broker
        self._statuses = statuses
        self._known: dict[str, _Known] = {}

    async def page(
        self,
        component: str,
        wants: Callable[[str, Status], bool] = lambda _name, _status: True,
        *,
        prefix: str = "",
        after: str = "",
        limit: int,
        precise: bool = False,
    ) -> WorkerPage:
        """Return at most `limit` workers that are wanted, by name, from behind `after`.

        `precise` reads the log of each, which takes a millisecond per worker.

        A worker whose log is damaged is listed as failed.
        """
        if precise:
            names = await self._statuses.names(component, prefix=prefix, after=after)
            walk = _Walk(component, wants, limit, None, set(names), len(names))
            return await self._walk(names, walk)
        news = await self._news(component)
        known = self._known_of(component)
        await known.refresh(self._broker, component)
        names = list(known.names[bisect_right(known.names, after) :])
        missing = [name for name in news if name > after and name not in known]
        if missing:
            names = sorted(chain(names, missing))
        if prefix:
            names = [name for name in names if name.startswith(prefix)]
        walk = _Walk(component, wants, limit, known, news, EXACT_MAX)
        return await self._walk(names, walk)

    async def _walk(self, names: Sequence[str], walk: "_Walk") -> WorkerPage:
        found: list[Summary] = []
        exact = 0
        for start in range(0, len(names), ROWS_PER_TURN_MAX):
            part = names[start : start + ROWS_PER_TURN_MAX]
            fresh: list[str] = []
            for name in part:
                if name in walk.news and (exact < walk.exact_max or not walk.has_row(name)):
                    exact += 1
                    fresh.append(name)
            looked = await asyncio.gather(
                *(self._find(walk.component, name, walk.known) for name in fresh)
            )
            statuses: dict[str, Status | None] = dict(zip(fresh, looked, strict=True))
            for name in part:
                if name in statuses:
                    status = statuses[name]
                else:
                    status = None if walk.known is None else walk.known.status(name)
                if status is None or not walk.wants(name, status):
                    continue
                if len(found) == walk.limit:
                    return WorkerPage(found, found[-1].worker)
                found.append(Summary(name, status))
            await asyncio.sleep(0)
        return WorkerPage(found)

    async def _find(self, component: str, name: str, known: "_Known | None") -> Status | None:
        """Read a worker's status. One whose log is damaged must not hide the others."""
        try:
            return await self._statuses.find(component, name)
        except ApiError as error:
            row = None if known is None else known.status(name)
            failure = Failure(kind=error.kind, message=str(error))
            return structs.replace(row or Status(), state="failed", last_error=failure)

    async def _news(self, component: str) -> set[str]:
        """Name the workers of which the index may not know the newest."""
        journal = self._broker.journal
        marks = await read_marks(self._broker.workers)
        subjects_: set[str] = set()
        for partition in range(self._broker.partitions):
            if marks and partition not in marks:
                pattern = subjects.logs_of_component(component, partition)
                subjects_.update(await journal.subjects(pattern))
        pattern = subjects.logs_of_component(component)
        if not marks:
            subjects_.update(await journal.subjects(pattern))
        else:
            read = 0
            async for message in journal.read(pattern, from_sequence=self._starts(marks)):
                subjects_.add(message.subject)
                read += 1
                if read == NEWS_MESSAGES_MAX:
                    # What more there is may be old news of those that have rows; names are cheap.
                    subjects_.update(await journal.subjects(pattern))
                    break
        return {subjects.worker_of(subject)[1] for subject in subjects_}

    def _starts(self, marks: Mapping[int, int]) -> Sequence[int]:
        """Return for each stream from where on there may be news."""
        sharding = self._broker.sharding
        starts: dict[int, int] = {}
        for partition, mark in marks.items():
            stream = sharding.stream_of(partition)
            starts[stream] = min(starts.get(stream, mark), mark)
        return [starts.get(stream, 0) + 1 for stream in range(sharding.streams)]

    def _known_of(self, component: str) -> _Known:
        known = self._known.setdefault(component, _Known())
        if known.expiry is not None:
            known.expiry.cancel()
        loop = asyncio.get_running_loop()
        known.expiry = loop.call_later(KEPT_S, self._known.pop, component, None)
        return known
