"""Open files and directories, and streams over files."""

from typing import final

from actors.host.buffered import Share
from actors.host.context import HostContext
from actors.host.files.errors import FileError
from actors.host.files.filesystem import FileSystem
from actors.host.files.limits import ENTRY_BYTES
from actors.host.files.nodes import Directory, File, Node
from actors.host.saving import saveable
from actors.host.streams import CLOSED, InputSource, IoError, OutputSink, failed
from wit.values import Value, ok

__all__ = ["Descriptor", "DirectoryListing", "FileInput", "FileOutput"]


@saveable("files/descriptor", "filesystem", "node", "flags")
@final
class Descriptor:
    """The resource `descriptor`: a node and what may be done with it."""

    def __init__(self, filesystem: FileSystem, node: Node, flags: frozenset[str]) -> None:
        filesystem.opened()
        self.filesystem = filesystem
        self.node = node
        self.flags = flags
        if isinstance(node, File):
            node.use()

    def file(self, wanted: str) -> File:
        """Return the file, if the descriptor was opened for `wanted`, read or write."""
        if not isinstance(self.node, File):
            raise FileError("is-directory")
        if wanted not in self.flags:
            raise FileError("not-permitted", f"not opened for {wanted}")
        return self.node

    def directory(self) -> Directory:
        """Return the directory."""
        if not isinstance(self.node, Directory):
            raise FileError("not-directory")
        return self.node

    def mutable_directory(self) -> Directory:
        """Return the directory, if what lies in it may be changed."""
        directory = self.directory()
        if "mutate-directory" not in self.flags:
            raise FileError("read-only", "the directory was opened for reading only")
        return directory

    def close(self) -> None:
        """The guest dropped its handle."""
        self.filesystem.closed()
        if isinstance(self.node, File):
            self.node.unuse()


@saveable("files/directory-listing", "share", "_names", "_position")
@final
class DirectoryListing:
    """The resource `directory-entry-stream`: the names at the time of asking, in order."""

    def __init__(self, directory: Directory) -> None:
        self._names = sorted((name, node.type) for name, node in directory.entries.items())
        self._position = 0
        self.share = Share()

    @property
    def size(self) -> int:
        """What it has in memory, about."""
        return sum(len(name) + ENTRY_BYTES for name, _ in self._names)

    def next(self) -> Value:
        """Return the next entry as an option."""
        if self._position >= len(self._names):
            return None
        name, type_ = self._names[self._position]
        self._position += 1
        return ({"type": type_, "name": name},)


@saveable("files/input", "_file", "_offset")
@final
class FileInput(InputSource):
    """Reads a file from an offset on."""

    def __init__(self, file: File, offset: int) -> None:
        file.use()
        self._file = file
        self._offset = offset

    def read(self, context: HostContext, length: int) -> Value:
        """Return the next bytes, as far as the file reaches now."""
        del context
        data = self._file.content.read(self._offset, length)
        if not data and length:
            return CLOSED
        self._offset += len(data)
        return ok(data)

    def close(self, context: HostContext) -> None:
        """Let go of the file."""
        del context
        self._file.unuse()


@saveable("files/output", "_filesystem", "_file", "_offset", "_is_broken")
@final
class FileOutput(OutputSink):
    """Writes a file from an offset on, or always at its end (offset None)."""

    def __init__(self, filesystem: FileSystem, file: File, offset: int | None) -> None:
        file.use()
        self._filesystem = filesystem
        self._file = file
        self._offset = offset
        self._is_broken = False

    def check_write(self, context: HostContext) -> Value:
        """Permit, unless a write failed before."""
        return CLOSED if self._is_broken else super().check_write(context)

    def write(self, context: HostContext, data: bytes) -> Value:
        """Write; the first failure closes the stream."""
        if self._is_broken:
            return CLOSED
        offset = self._file.size if self._offset is None else self._offset
        try:
            self._file.content.write(offset, data)
        except FileError as error:
            self._is_broken = True
            return failed(IoError(str(error), filesystem_code=error.code))
        self._file.touch(self._filesystem.tick(context.recorded_wall_ns))
        if self._offset is not None:
            self._offset += len(data)
        return ok()

    def close(self, context: HostContext) -> None:
        """Let go of the file."""
        del context
        self._file.unuse()
