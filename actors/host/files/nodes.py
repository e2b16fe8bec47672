"""What the tree is made of: files, directories and symbolic links."""

from typing import Final, TypeAlias, final

from actors.host.files.content import Content, FixedContent
from actors.host.files.errors import FileError
from actors.host.saving import saveable

__all__ = ["Directory", "File", "Node", "Symlink"]


# What all nodes are saved with.
_NODE: Final = ("number", "links", "accessed_ns", "modified_ns", "changed_ns")


class _Node:
    """Number, links and times (Unix nanoseconds)."""

    def __init__(self, number: int, now_ns: int) -> None:
        self.number = number
        self.links = 0
        self.accessed_ns = now_ns
        self.modified_ns = now_ns
        self.changed_ns = now_ns

    def touch(self, now_ns: int) -> None:
        """What it holds was changed."""
        self.modified_ns = now_ns
        self.changed_ns = now_ns


@saveable("files/file", *_NODE, "content", "_users")
@final
class File(_Node):
    """Bytes. They live as long as a name or an open descriptor leads to them."""

    type = "regular-file"

    def __init__(self, number: int, now_ns: int, content: Content | FixedContent) -> None:
        super().__init__(number, now_ns)
        self.content = content
        self._users = 0

    @property
    def is_read_only(self) -> bool:
        """Whether it is part of the component and stays as it is."""
        return isinstance(self.content, FixedContent)

    @property
    def size(self) -> int:
        """Bytes."""
        return self.content.size

    def use(self) -> None:
        """A descriptor or stream was opened."""
        self._users += 1

    def unuse(self) -> None:
        """One was closed."""
        self._users -= 1
        self.release_if_unreachable()

    def release_if_unreachable(self) -> None:
        """Free the bytes once nothing leads to them."""
        if not self.links and not self._users:
            self.content.release()


@saveable("files/directory", *_NODE, "parent", "entries", "is_removed")
@final
class Directory(_Node):
    """Names. `parent` is None at the root and after removal."""

    type = "directory"

    def __init__(self, number: int, now_ns: int, parent: "Directory | None" = None) -> None:
        super().__init__(number, now_ns)
        self.parent = parent
        self.entries: dict[str, Node] = {}
        self.is_removed = False

    @property
    def size(self) -> int:
        """Of no meaning for a directory."""
        return 0

    def add(self, name: str, node: "Node", now_ns: int) -> None:
        """Give `node` a name here, in the place of whatever had it."""
        if self.is_removed:
            raise FileError("no-entry", "the directory was removed")
        self.entries[name] = node
        node.links += 1
        if isinstance(node, Directory):
            node.parent = self
        self.touch(now_ns)

    def remove(self, name: str, now_ns: int) -> "Node":
        """Take a name away; a file that nothing leads to any more loses its bytes."""
        node = self.entries.pop(name)
        node.links -= 1
        node.changed_ns = now_ns
        self.touch(now_ns)
        if isinstance(node, File):
            node.release_if_unreachable()
        return node

    def is_within(self, other: "Directory") -> bool:
        """Tell whether it is `other` or lies below it."""
        above: Directory | None = self
        while above is not None:
            if above is other:
                return True
            above = above.parent
        return False


@saveable("files/symlink", *_NODE, "target")
@final
class Symlink(_Node):
    """A path, relative to where the link lies."""

    type = "symbolic-link"

    def __init__(self, number: int, now_ns: int, target: str) -> None:
        super().__init__(number, now_ns)
        self.target = target

    @property
    def size(self) -> int:
        """Bytes of the path."""
        return len(self.target.encode())


Node: TypeAlias = File | Directory | Symlink
