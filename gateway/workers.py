"""What a gateway needs of the system behind it; whoever composes the gateway gives it."""

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Protocol

from msgspec import Struct

import rib
from actors.stored_bodies import StoredBody

__all__ = ["FileVersion", "Workers"]


class FileVersion(Struct, frozen=True):
    """A file as it is now: its size in bytes, its entity tag, and its bytes from an offset on.

    Reading raises when the file changes meanwhile.
    """

    size: int
    tag: str
    read: Callable[[int], AsyncIterator[bytes]]


class Workers(Protocol):
    """The workers, reached durably."""

    def port(
        self, key: str, *, timeout_s: float, attributes: Mapping[str, str] | None = None
    ) -> rib.Port:
        """Return how one run of a program calls workers; each call may take `timeout_s`.

        The keys of the calls follow from `key`, so a run that is repeated under it does nothing
        again. `attributes` are said of each invocation.
        """
        ...

    def explain(self, error: rib.RunError) -> tuple[int, str]:
        """Return what a failed run means for the client: a status and the kind of the problem."""
        ...

    async def store_body(
        self, component: str, worker: str, key: str, pieces: AsyncIterator[bytes]
    ) -> StoredBody:
        """Store the body of a request as it comes, and return where it lies.

        Repeated under its key it lies where it was stored first.

        Raises:
            RequestError: 503, it cannot be stored now; or what `pieces` raises.
        """
        ...

    def stored_body(self, body: StoredBody) -> AsyncIterator[bytes]:
        """Yield a body that lies in the object store. Reading raises when it is gone."""
        ...

    async def initial_file(
        self, component: str, path: str, *, with_writable: bool
    ) -> FileVersion | None:
        """Return a file that the newest version of a component brings, None if it brings none.

        Without `with_writable` only one that no worker can change.

        Raises:
            RequestError: nobody can be asked.
        """
        ...

    async def worker_file(self, component: str, worker: str, path: str) -> FileVersion | None:
        """Return a file of a worker, None if there is none, or no such worker.

        Raises:
            RequestError: 503, the worker is busy, or nobody can be asked.
        """
        ...
