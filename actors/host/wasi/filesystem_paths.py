"""`wasi:filesystem/types`, what takes a path relative to an open directory."""

from actors.host.context import HostContext
from actors.host.files.descriptor import Descriptor
from actors.host.files.errors import FileError
from actors.host.files.nodes import Directory, File, Symlink
from actors.host.files.paths import Place, find
from actors.host.interface import Kind
from actors.host.wasi.filesystem_types import (
    TYPES,
    answered,
    metadata_hash_of,
    now_of,
    set_times_of,
    stat_of,
)
from wit.values import Value

__all__ = ["TYPES"]


def _find(directory: Directory, path_flags: frozenset[str], path: str) -> Place:
    return find(directory, path, follow="symlink-follow" in path_flags)


@TYPES.function("[method]descriptor.create-directory-at", Kind.PURE)
@answered
def create_directory_at(context: HostContext, base: Descriptor, path: str) -> None:
    """Make a directory."""
    base.filesystem.create_directory(base.mutable_directory(), path, now_of(context))


@TYPES.function("[method]descriptor.stat-at", Kind.PURE)
@answered
def stat_at(context: HostContext, base: Descriptor, path_flags: frozenset[str], path: str) -> Value:
    """Describe what is there."""
    del context
    return stat_of(_find(base.directory(), path_flags, path).existing)


@TYPES.function("[method]descriptor.set-times-at", Kind.PURE)
@answered
def set_times_at(  # noqa: PLR0917 - the parameters are those of WIT
    context: HostContext,
    base: Descriptor,
    path_flags: frozenset[str],
    path: str,
    accessed: Value,
    modified: Value,
) -> None:
    """Change the times of what is there."""
    node = _find(base.mutable_directory(), path_flags, path).existing
    set_times_of(context, node, accessed, modified)


@TYPES.function("[method]descriptor.link-at", Kind.PURE)
@answered
def link_at(  # noqa: PLR0917 - the parameters are those of WIT
    context: HostContext,
    base: Descriptor,
    old_path_flags: frozenset[str],
    old_path: str,
    new_base: Descriptor,
    new_path: str,
) -> None:
    """Give a file another name."""
    if "symlink-follow" in old_path_flags:
        raise FileError("invalid", "hard links to what a symbolic link says are not made")
    base.filesystem.create_link(
        base.mutable_directory(),
        old_path,
        new_base.mutable_directory(),
        new_path,
        now_of(context),
    )


@TYPES.function("[method]descriptor.open-at", Kind.PURE)
@answered
def open_at(  # noqa: PLR0917 - the parameters are those of WIT
    context: HostContext,
    base: Descriptor,
    path_flags: frozenset[str],
    path: str,
    open_flags: frozenset[str],
    flags: frozenset[str],
) -> Descriptor:
    """Open what is there, or make a file."""
    changes = "write" in flags or "mutate-directory" in flags or open_flags & {"create", "truncate"}
    directory = base.mutable_directory() if changes else base.directory()
    if {"create", "directory"} <= open_flags:
        raise FileError("invalid", "directories are made by create-directory-at")
    # An exclusive creation must not be led elsewhere by a link.
    follows = "symlink-follow" in path_flags and not {"create", "exclusive"} <= open_flags
    place = find(directory, path, follow=follows)
    if place.node is None and "create" in open_flags:
        file = base.filesystem.create_file(place, now_of(context))
        return Descriptor(base.filesystem, file, flags - {"mutate-directory"})
    if {"create", "exclusive"} <= open_flags:
        raise FileError("exist")
    return _open_existing(context, base, place, open_flags, flags)


def _open_existing(
    context: HostContext,
    base: Descriptor,
    place: Place,
    open_flags: frozenset[str],
    flags: frozenset[str],
) -> Descriptor:
    node = place.existing
    if isinstance(node, Symlink):
        raise FileError("loop", "a symbolic link that is not to be followed")
    if isinstance(node, Directory):
        if "write" in flags or open_flags & {"create", "truncate"}:
            raise FileError("is-directory")
        # As in POSIX, rights over what lies in a directory are those of the directory it was
        # reached through, whatever was asked for.
        rights = base.flags & {"mutate-directory"}
        return Descriptor(base.filesystem, node, flags | rights)
    if "directory" in open_flags:
        raise FileError("not-directory")
    if node.is_read_only and ("write" in flags or "truncate" in open_flags):
        raise FileError("access", "the component's files of this kind stay as they are")
    descriptor = Descriptor(base.filesystem, node, flags - {"mutate-directory"})
    if "truncate" in open_flags:
        _truncate(context, node)
    return descriptor


def _truncate(context: HostContext, file: File) -> None:
    file.content.resize(0)
    file.touch(now_of(context))


@TYPES.function("[method]descriptor.readlink-at", Kind.PURE)
@answered
def readlink_at(context: HostContext, base: Descriptor, path: str) -> str:
    """Return what a symbolic link says."""
    del context
    return base.filesystem.read_link(base.directory(), path)


@TYPES.function("[method]descriptor.remove-directory-at", Kind.PURE)
@answered
def remove_directory_at(context: HostContext, base: Descriptor, path: str) -> None:
    """Remove an empty directory."""
    base.filesystem.remove_directory(base.mutable_directory(), path, now_of(context))


@TYPES.function("[method]descriptor.rename-at", Kind.PURE)
@answered
def rename_at(
    context: HostContext, base: Descriptor, old_path: str, new_base: Descriptor, new_path: str
) -> None:
    """Move."""
    base.filesystem.rename(
        base.mutable_directory(),
        old_path,
        new_base.mutable_directory(),
        new_path,
        now_of(context),
    )


@TYPES.function("[method]descriptor.symlink-at", Kind.PURE)
@answered
def symlink_at(context: HostContext, base: Descriptor, target: str, path: str) -> None:
    """Make a symbolic link."""
    base.filesystem.create_symlink(base.mutable_directory(), target, path, now_of(context))


@TYPES.function("[method]descriptor.unlink-file-at", Kind.PURE)
@answered
def unlink_file_at(context: HostContext, base: Descriptor, path: str) -> None:
    """Take away a name of a file or symbolic link."""
    base.filesystem.remove_file(base.mutable_directory(), path, now_of(context))


@TYPES.function("[method]descriptor.metadata-hash-at", Kind.PURE)
@answered
def metadata_hash_at(
    context: HostContext, base: Descriptor, path_flags: frozenset[str], path: str
) -> Value:
    """Identify what is there."""
    del context
    return metadata_hash_of(_find(base.directory(), path_flags, path).existing)
