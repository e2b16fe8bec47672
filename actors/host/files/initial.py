"""The files that a component's workers begin with."""

from collections.abc import Iterable

from msgspec import Struct

from actors.host.files.content import Content, FixedContent
from actors.host.files.errors import FileError
from actors.host.files.filesystem import FileSystem
from actors.host.files.paths import find

__all__ = ["InitialFile", "new_filesystem"]


class InitialFile(Struct, frozen=True, kw_only=True):
    """A file by its absolute path. Without `is_writable` all workers share one copy."""

    path: str
    data: bytes
    is_writable: bool = False


def new_filesystem(files: Iterable[InitialFile] = ()) -> FileSystem:
    """Make the files of a new worker: the initial ones, and an empty `/tmp` that programs expect.

    They are as old as time itself, so that they are the same at every replay.

    Raises:
        FileError: a path is taken twice, leads through a file, or is none.
    """
    filesystem = FileSystem()
    filesystem.create_directory(filesystem.root, "tmp", 0)
    for file in files:
        path = file.path.lstrip("/")
        _make_parents(filesystem, path)
        place = find(filesystem.root, path, follow=False)
        content = (
            Content(filesystem.store, file.data) if file.is_writable else FixedContent(file.data)
        )
        filesystem.create_file(place, 0, content)
    return filesystem


def _make_parents(filesystem: FileSystem, path: str) -> None:
    names = path.split("/")[:-1]
    for count in range(1, len(names) + 1):
        parent = "/".join(names[:count])
        try:
            filesystem.create_directory(filesystem.root, parent, 0)
        except FileError as error:
            if error.code != "exist":
                raise
