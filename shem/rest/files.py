"""Files of workers over REST."""

from collections.abc import AsyncIterator
from typing import final

from msgspec import Struct

from gateway.rest.operation import Call, No, Operation, Role, Streamed, operations_of, rest
from shem.client import Client
from shem.records import FileEntry
from shem.rest.params import Name
from shem.rest.workers import ONE

__all__ = ["operations"]


class FilePath(Struct, frozen=True, forbid_unknown_fields=True):
    """A file or directory of a worker, without the first slash."""

    component: Name
    worker: Name
    path: str


class Files(Struct, frozen=True):
    """What lies in a directory, or the file itself."""

    files: list[FileEntry]


@final
class _Files:
    def __init__(self, client: Client) -> None:
        self._client = client

    @rest("file.list", "GET", f"{ONE}/files/{{+path}}", Role.VIEWER)
    async def list(self, call: Call[FilePath, No, No]) -> Files:
        """List a directory of an idle worker."""
        worker = self._client.worker(call.path.component, call.path.worker)
        return Files([each async for each in worker.files(f"/{call.path.path}")])

    @rest(
        "file.read",
        "GET",
        f"{ONE}/file-contents/{{+path}}",
        Role.VIEWER,
        answer=bytes,
        produces="application/octet-stream",
    )
    async def read(self, call: Call[FilePath, No, No]) -> Streamed:
        """Return the bytes of a file of an idle worker."""
        worker = self._client.worker(call.path.component, call.path.worker)
        pieces = worker.read_file(f"/{call.path.path}")
        # The first piece is read before the answer begins: that it is not there is a 404.
        first = await anext(pieces, b"")

        async def all_pieces() -> AsyncIterator[bytes]:
            yield first
            async for piece in pieces:
                yield piece

        return Streamed(pieces=all_pieces())


def operations(client: Client) -> list[Operation]:
    """Return the operations of this noun."""
    return operations_of(_Files(client))
