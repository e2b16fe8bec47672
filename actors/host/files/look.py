"""A worker's files as its operator sees them: lists and pieces, nothing changes."""

import base64
from typing import Any, Final

from actors.host.files.errors import FileError
from actors.host.files.filesystem import FileSystem
from actors.host.files.nodes import Directory, File, Node, Symlink
from actors.host.files.paths import find

__all__ = ["ENTRIES_MAX", "PIECE_BYTES_MAX", "list_files", "read_file"]

# What one answer carries, so that it stays below the broker's message.
ENTRIES_MAX: Final = 1_000
PIECE_BYTES_MAX: Final = 256 * 1024


def list_files(filesystem: FileSystem, path: str, *, after: str = "") -> dict[str, Any]:
    """Return what lies in a directory, by name from behind `after`, or the file itself.

    Raises:
        FileError: there is nothing at the path.
    """
    node = _find(filesystem, path)
    if not isinstance(node, Directory):
        return {"entries": [_entry(path.rstrip("/").rpartition("/")[2], node)]}
    names = sorted(name for name in node.entries if name > after)
    entries = [_entry(name, node.entries[name]) for name in names[:ENTRIES_MAX]]
    more = len(names) > ENTRIES_MAX
    return {"entries": entries, **({"next": entries[-1]["name"]} if more else {})}


def read_file(filesystem: FileSystem, path: str, *, offset: int, length: int) -> dict[str, Any]:
    """Return size and time of a file, and bytes of it as Base64, at most `PIECE_BYTES_MAX`.

    Raises:
        FileError: there is no file at the path.
    """
    node = _find(filesystem, path)
    if not isinstance(node, File):
        raise FileError("is-directory" if isinstance(node, Directory) else "invalid")
    data = node.content.read(offset, min(length, PIECE_BYTES_MAX))
    return {
        "size": node.size,
        "modified-ms": node.modified_ns // 1_000_000,
        "data": base64.b64encode(data).decode(),
    }


def _find(filesystem: FileSystem, path: str) -> Node:
    relative = path.strip("/")
    if not relative:
        return filesystem.root
    # Links of the guest lead nowhere else than for the guest: never above the root.
    return find(filesystem.root, relative, follow=True).existing


def _entry(name: str, node: Node) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "name": name,
        "type": node.type,
        "size": node.size,
        "modified-ms": node.modified_ns // 1_000_000,
    }
    if isinstance(node, File) and node.is_read_only:
        entry["read-only"] = True
    if isinstance(node, Symlink):
        entry["target"] = node.target
    return entry
