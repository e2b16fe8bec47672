"""`shem.api.executor.*`: who is alive."""

from typing import final

import msgspec
from msgspec import Struct

from actors.api.routes import Routes, route
from broker.ports import Bucket, Request

__all__ = ["ExecutorApi"]


class ListExecutors(Struct, frozen=True, forbid_unknown_fields=True):
    """No parameters."""


@final
class ExecutorApi:
    """Reads the membership bucket."""

    def __init__(self, members: Bucket) -> None:
        self._members = members

    def routes(self) -> Routes:
        """Return the operations of this noun."""
        return {"executor.list": route(ListExecutors, self._list)}

    async def _list(self, _body: ListExecutors, _request: Request) -> object:
        executors: list[dict[str, object]] = []
        for key in await self._members.keys():
            entry = await self._members.get(key)
            # It may have expired between the two reads.
            if entry is not None and entry.data is not None:
                about = msgspec.json.decode(entry.data, type=dict[str, object])
                executors.append({"executor": key, **about})
        return {"executors": executors}
