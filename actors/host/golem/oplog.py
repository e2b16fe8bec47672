"""`golem:api/oplog`: logs of workers as values."""

import uuid
from collections.abc import Callable, Sequence
from typing import Any, Final

from actors.host.context import HostContext
from actors.host.golem import ids
from actors.host.golem.entries import entry_of
from actors.host.interface import HostInterface, Kind
from actors.host.saving import saveable
from wit.types import Field, ListType, OptionType, Primitive, RecordType
from wit.values import Value, some

__all__ = ["OPLOG"]

OPLOG = HostInterface("golem:api/oplog", version="1.1.6", other_versions=("0.2.0",))

_PAGE_ENTRIES: Final = 100
# Entries are recorded as the text of their JSON: their shape is the log's own affair.
_PAGE: Final = RecordType(
    (
        Field("entries", ListType(Primitive.STRING)),
        Field("next", OptionType(Primitive.U64)),
    )
)


@saveable("golem/oplog-reader", "component", "worker", "start", "query")
class Reader:
    """How far a guest has read a log."""

    def __init__(self, worker_id: Value, start: int, query: str | None) -> None:
        component, self.worker = ids.worker_parts(worker_id)
        self.component = str(component)
        self.start: int | None = max(start, 1)
        self.query = query

    async def next(self, context: HostContext, name: str) -> list[tuple[int, Value]] | None:
        """Return the next page, None at the end."""
        if self.start is None:
            return None
        page = await context.record_wait(name, Kind.READ_REMOTE, _PAGE, self._live(context))
        self.start = None if page["next"] is None else page["next"][0]
        entries = [entry_of(text) for text in page["entries"]]
        return entries or None

    def _live(self, context: HostContext) -> Callable[[], Any]:
        async def live() -> Value:
            found, following = await context.control.entries(
                uuid.UUID(self.component),
                self.worker,
                start=self.start or 1,
                limit=_PAGE_ENTRIES,
                query=self.query,
            )
            return {
                "entries": [each.text() for each in found],
                "next": None if following is None else some(following),
            }

        return live


@OPLOG.function("[constructor]get-oplog", Kind.PURE)
def get_oplog(context: HostContext, worker_id: Value, start: int) -> Reader:
    """Begin to read at an index."""
    del context
    return Reader(worker_id, start, None)


@OPLOG.function("[method]get-oplog.get-next", Kind.PURE, blocking=True)
async def get_next(context: HostContext, reader: Reader) -> Value:
    """Return some more entries, none at the end."""
    page = await reader.next(context, "golem:api/oplog#[method]get-oplog.get-next")
    return None if page is None else some([entry for _, entry in page])


@OPLOG.function("[constructor]search-oplog", Kind.PURE)
def search_oplog(context: HostContext, worker_id: Value, text: str) -> Reader:
    """Begin to read what matches a query."""
    del context
    return Reader(worker_id, 1, text)


@OPLOG.function("[method]search-oplog.get-next", Kind.PURE, blocking=True)
async def search_next(context: HostContext, reader: Reader) -> Value:
    """Return some more matches with their indices, none at the end."""
    page: Sequence[tuple[int, Value]] | None
    page = await reader.next(context, "golem:api/oplog#[method]search-oplog.get-next")
    return None if page is None else some(list(page))
