"""The files of one worker and what can be done with them, by path."""

from collections.abc import Iterator
from typing import final

from actors.host.files.content import Content, FixedContent, Store
from actors.host.files.errors import FileError
from actors.host.files.limits import DESCRIPTORS_MAX, NODES_MAX
from actors.host.files.nodes import Directory, File, Node, Symlink
from actors.host.files.paths import Place, check_path, find
from actors.host.saving import saveable

__all__ = ["FileSystem"]


@saveable(
    "files/filesystem",
    "store",
    "root",
    "_nodes_made",
    "_nodes_alive",
    "_descriptors",
    "_latest_ns",
)
@final
class FileSystem:
    """A tree of nodes under `root`. Times are given by the caller, in Unix nanoseconds."""

    def __init__(self, store: Store | None = None) -> None:
        self.store = store or Store()
        self._nodes_made = 0
        self._nodes_alive = 0
        self._descriptors = 0
        self._latest_ns = 0
        self.root = Directory(self._new_number(), 0)
        self.root.links = 1

    def tick(self, recorded_ns: int) -> int:
        """Return the time of a change: recorded time, always later than that of the last change.

        Without it, everything done between two entries of the log would have the same time, and
        tools that compare times of files would see no order.
        """
        self._latest_ns = max(recorded_ns, self._latest_ns + 1)
        return self._latest_ns

    def opened(self) -> None:
        """Count a descriptor."""
        if self._descriptors >= DESCRIPTORS_MAX:
            raise FileError("insufficient-memory", f"{DESCRIPTORS_MAX} descriptors are open")
        self._descriptors += 1

    def closed(self) -> None:
        """Count a descriptor that is gone."""
        self._descriptors -= 1

    def create_file(
        self, place: Place, now_ns: int, content: Content | FixedContent | None = None
    ) -> File:
        """Make a file at a place where nothing is; it is empty unless its content is given."""
        name = _vacant(place)
        if place.wants_directory:
            raise FileError("is-directory", "the path of a file ends in a slash")
        node = File(self._new_number(), now_ns, content or Content(self.store))
        place.parent.add(name, node, now_ns)
        return node

    def create_directory(self, base: Directory, path: str, now_ns: int) -> Directory:
        """Make a directory."""
        place = find(base, path, follow=False)
        name = _vacant(place)
        node = Directory(self._new_number(), now_ns, place.parent)
        place.parent.add(name, node, now_ns)
        return node

    def create_symlink(self, base: Directory, target: str, path: str, now_ns: int) -> None:
        """Make a link that says `target`, whether that exists or not."""
        check_path(target)
        place = find(base, path, follow=False)
        name = _vacant(place)
        if place.wants_directory:
            raise FileError("no-entry", "the path of a link ends in a slash")
        place.parent.add(name, Symlink(self._new_number(), now_ns, target), now_ns)

    def create_link(
        self, base: Directory, path: str, new_base: Directory, new_path: str, now_ns: int
    ) -> None:
        """Give a file or symbolic link another name."""
        node = find(base, path, follow=False).existing
        if isinstance(node, Directory):
            raise FileError("not-permitted", "directories have one name")
        place = find(new_base, new_path, follow=False)
        name = _vacant(place)
        if place.wants_directory:
            raise FileError("no-entry", "the path of a link ends in a slash")
        place.parent.add(name, node, now_ns)
        node.changed_ns = now_ns

    def remove_file(self, base: Directory, path: str, now_ns: int) -> None:
        """Take away a name of a file or symbolic link."""
        place = find(base, path, follow=False)
        node = place.existing
        if isinstance(node, Directory) or place.name is None:
            raise FileError("is-directory")
        _check_changeable(node)
        self._forget(place.parent.remove(place.name, now_ns))

    def remove_directory(self, base: Directory, path: str, now_ns: int) -> None:
        """Remove an empty directory."""
        place = find(base, path, follow=False)
        node = place.existing
        if not isinstance(node, Directory):
            raise FileError("not-directory")
        if place.name is None:
            raise FileError("invalid", "a path to be removed ends in a name")
        self._remove_directory(place.parent, place.name, node, now_ns)

    def rename(
        self, base: Directory, path: str, new_base: Directory, new_path: str, now_ns: int
    ) -> None:
        """Move a node to another name, in the place of what is there."""
        source = find(base, path, follow=False)
        target = find(new_base, new_path, follow=False)
        node = source.existing
        if source.name is None or target.name is None:
            raise FileError("busy", "a path to be renamed ends in a name")
        if target.node is node:
            return
        if isinstance(node, Directory):
            if target.parent.is_within(node):
                raise FileError("invalid", "a directory cannot be moved into itself")
        elif target.wants_directory:
            raise FileError("not-directory")
        _check_changeable(node)
        if target.parent.is_removed:
            raise FileError("no-entry", "the directory was removed")
        if target.node is not None:
            self._make_room(target.parent, target.name, target.node, node, now_ns)
        # The new name comes first, so that a file never is without one and keeps its bytes.
        target.parent.add(target.name, node, now_ns)
        source.parent.remove(source.name, now_ns)
        if isinstance(node, Directory):
            node.parent = target.parent

    def read_link(self, base: Directory, path: str) -> str:
        """Return what a symbolic link says."""
        node = find(base, path, follow=False).existing
        if not isinstance(node, Symlink):
            raise FileError("invalid", "no symbolic link")
        return node.target

    def walk(self) -> Iterator[tuple[str, Node]]:
        """Yield every path from the root, without leading slash, with its node; in order."""
        waiting: list[tuple[str, Node]] = [("", self.root)]
        while waiting:
            path, node = waiting.pop()
            if path:
                yield path, node
            if isinstance(node, Directory):
                below = sorted(node.entries.items(), reverse=True)
                waiting.extend((f"{path}/{name}".lstrip("/"), child) for name, child in below)

    def _make_room(self, parent: Directory, name: str, old: Node, new: Node, now_ns: int) -> None:
        if isinstance(old, Directory):
            if not isinstance(new, Directory):
                raise FileError("is-directory")
            self._remove_directory(parent, name, old, now_ns)
            return
        if isinstance(new, Directory):
            raise FileError("not-directory")
        _check_changeable(old)
        self._forget(parent.remove(name, now_ns))

    def _remove_directory(self, parent: Directory, name: str, node: Directory, now_ns: int) -> None:
        if node.entries:
            raise FileError("not-empty")
        parent.remove(name, now_ns)
        node.is_removed = True
        node.parent = None
        self._forget(node)

    def _forget(self, node: Node) -> None:
        if not node.links:
            self._nodes_alive -= 1

    def _new_number(self) -> int:
        if self._nodes_alive >= NODES_MAX:
            raise FileError("insufficient-space", f"a worker may have {NODES_MAX} files")
        self._nodes_alive += 1
        self._nodes_made += 1
        return self._nodes_made


def _vacant(place: Place) -> str:
    if place.node is not None or place.name is None:
        raise FileError("exist")
    if place.parent.is_removed:
        raise FileError("no-entry", "the directory was removed")
    return place.name


def _check_changeable(node: Node) -> None:
    if isinstance(node, File) and node.is_read_only:
        raise FileError("not-permitted", "the component's files of this kind stay as they are")
