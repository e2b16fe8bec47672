"""Following a path from a directory, never above it."""

from collections import deque

from msgspec import Struct

from actors.host.files.errors import FileError
from actors.host.files.limits import LINKS_FOLLOWED_MAX, NAME_BYTES_MAX, PATH_BYTES_MAX
from actors.host.files.nodes import Directory, Node, Symlink

__all__ = ["Place", "check_path", "find"]


class Place(Struct, frozen=True):
    """Where a path leads: `name` in `parent`, and the node that is there, if any.

    `name` is None when the path ends in the directory itself, as `.` and `a/..` do. With
    `wants_directory` the path ended in a slash.
    """

    parent: Directory
    name: str | None
    node: Node | None
    wants_directory: bool = False

    @property
    def existing(self) -> Node:
        """The node.

        Raises:
            FileError: there is none, or it is no directory although the path ended in a slash.
        """
        if self.node is None:
            raise FileError("no-entry")
        if self.wants_directory and not isinstance(self.node, Directory):
            raise FileError("not-directory")
        return self.node


def check_path(path: str) -> None:
    """Refuse what is no path relative to a directory."""
    if not path:
        raise FileError("no-entry", "the path is empty")
    if "\0" in path:
        raise FileError("invalid", "the path contains a zero byte")
    if len(path.encode()) > PATH_BYTES_MAX:
        raise FileError("name-too-long", f"a path may have {PATH_BYTES_MAX} bytes")
    if path.startswith("/"):
        raise FileError("not-permitted", "paths are relative to a directory")


def find(base: Directory, path: str, *, follow: bool) -> Place:
    """Walk from `base` along `path`; `follow` says whether a link at its end is followed.

    Raises:
        FileError: `not-permitted` where the path, or a link on its way, leaves `base`; otherwise as
            in POSIX. A missing node at the very end is no error.
    """
    check_path(path)
    wants_directory = path.endswith("/")
    follow = follow or wants_directory
    above = [base]
    names = deque(_split(path))
    links_followed = 0
    while names:
        name = names.popleft()
        if name == "..":
            above.pop()
            if not above:
                raise FileError("not-permitted", "the path leaves its directory")
            continue
        node = above[-1].entries.get(name)
        if isinstance(node, Symlink) and (names or follow):
            links_followed += 1
            if links_followed > LINKS_FOLLOWED_MAX:
                raise FileError("loop")
            wants_directory = wants_directory or (not names and node.target.endswith("/"))
            names.extendleft(reversed(_split(node.target)))
        elif not names:
            return Place(above[-1], name, node, wants_directory)
        else:
            above.append(_directory(node))
    return Place(above[-1], None, above[-1], wants_directory)


def _split(path: str) -> list[str]:
    names = [name for name in path.split("/") if name and name != "."]
    for name in names:
        if len(name.encode()) > NAME_BYTES_MAX:
            raise FileError("name-too-long", f"a name may have {NAME_BYTES_MAX} bytes")
    return names


def _directory(node: Node | None) -> Directory:
    if node is None:
        raise FileError("no-entry")
    if not isinstance(node, Directory):
        raise FileError("not-directory")
    return node
