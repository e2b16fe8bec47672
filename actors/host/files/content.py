"""The bytes of files: small ones in memory, larger ones as pages of one unnamed file on disk."""

import hashlib
import os
import tempfile
import weakref
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, final

from actors.engine.errors import SnapshotRefusedError, SnapshotUnusableError
from actors.host.files.errors import FileError
from actors.host.files.limits import (
    FILE_BYTES_MAX,
    INLINE_BYTES_MAX,
    PAGE_BYTES,
    SAVED_BYTES_MAX,
    WORKER_BYTES_MAX,
)
from actors.host.saving import saveable_with

__all__ = ["Content", "FixedContent", "Store"]


def _save_store(store: "Store") -> dict[str, int]:
    if store.bytes_used > SAVED_BYTES_MAX:
        raise SnapshotRefusedError(
            f"the worker's files take {store.bytes_used} bytes, at most {SAVED_BYTES_MAX} are saved"
        )
    return {"bytes_max": store.bytes_max, "bytes_used": store.bytes_used}


def _load_store(store: "Store", state: dict[str, int], _given: object) -> None:
    store.bytes_max, store.bytes_used = state["bytes_max"], state["bytes_used"]


def _no_file() -> None:
    return None


def _save_content(content: "Content") -> dict[str, Any]:
    return content.save()


def _load_content(content: "Content", state: dict[str, Any], _given: object) -> None:
    content.load(state)


def _save_fixed(content: "FixedContent") -> str:
    return content.digest


def _load_fixed(content: "FixedContent", digest: str, given: Any) -> None:
    # What lies with the component is not saved with each of its workers.
    known: bytes | None = given.get(digest) if given else None
    if known is None:
        raise SnapshotUnusableError(f"the component has no file with SHA-256 {digest}")
    content.fill(known)


@saveable_with(
    "files/store",
    save=_save_store,
    load=_load_store,
    fresh={"_file": _no_file, "_pages": int, "_free": list},
)
@final
class Store:
    """Where the contents of one worker lie, and how much they may be together.

    The file on disk has no name, so that nothing is left after a crash: replay fills a new one.
    """

    def __init__(self, *, bytes_max: int = WORKER_BYTES_MAX) -> None:
        self.bytes_max = bytes_max
        self.bytes_used = 0
        self._file: int | None = None
        self._pages = 0
        self._free: list[int] = []

    def take(self, count: int) -> None:
        """Count `count` more bytes (fewer, if negative) against the quota."""
        if self.bytes_used + count > self.bytes_max:
            raise FileError("quota", f"all files together are limited to {self.bytes_max} bytes")
        self.bytes_used += count

    def new_page(self) -> int:
        """Return the number of a page whose bytes are undefined."""
        if self._free:
            return self._free.pop()
        self._pages += 1
        return self._pages - 1

    def free_page(self, page: int) -> None:
        """Let it be used again."""
        self._free.append(page)

    def read_page(self, page: int, start: int, stop: int) -> bytes:
        """Return a part of a page."""
        return os.pread(self._descriptor(), stop - start, page * PAGE_BYTES + start)

    def write_page(self, page: int, start: int, data: bytes | memoryview) -> None:
        """Replace a part of a page."""
        view = memoryview(data)
        position = page * PAGE_BYTES + start
        while view:
            # A full disk is no answer to the guest, since replay elsewhere would find room: the
            # error ends the call, and it is tried again like any failure of the host.
            written = os.pwrite(self._descriptor(), view, position)
            view, position = view[written:], position + written

    def _descriptor(self) -> int:
        if self._file is None:
            descriptor, path = tempfile.mkstemp(prefix="shem-files-")
            Path(path).unlink()
            weakref.finalize(self, os.close, descriptor)
            self._file = descriptor
        return self._file


@saveable_with("files/content", save=_save_content, load=_load_content)
@final
class Content:
    """The bytes of one file, with holes that read as zeroes."""

    def __init__(self, store: Store, initial: bytes = b"") -> None:
        self._store = store
        self.size = 0
        # Invariant: as long as the content is inline its length is `size`; then it is None.
        self._inline: bytearray | None = bytearray()
        self._pages: dict[int, int] = {}
        if initial:
            self.write(0, initial)

    def read(self, offset: int, length: int) -> bytes:
        """Return the bytes from `offset` on, fewer than `length` at the end."""
        stop = min(offset + length, self.size)
        if offset >= stop:
            return b""
        if self._inline is not None:
            return bytes(self._inline[offset:stop])
        return b"".join(self._read_part(*part) for part in _parts(offset, stop))

    def write(self, offset: int, data: bytes) -> None:
        """Replace the bytes from `offset` on, beyond the end too; all or nothing."""
        stop = offset + len(data)
        if stop > FILE_BYTES_MAX:
            raise FileError("file-too-large", f"a file may have {FILE_BYTES_MAX} bytes")
        if not data:
            return
        if self._inline is not None and stop <= INLINE_BYTES_MAX:
            self._resize_inline(self._inline, max(self.size, stop))
            self._inline[offset:stop] = data
            return
        self._leave_memory()
        self._add_pages(offset, stop)
        view = memoryview(data)
        for page, start, end in _parts(offset, stop):
            self._store.write_page(self._pages[page], start, view[: end - start])
            view = view[end - start :]
        self.size = max(self.size, stop)

    def resize(self, size: int) -> None:
        """Cut off the end, or add a hole."""
        if size > FILE_BYTES_MAX:
            raise FileError("file-too-large", f"a file may have {FILE_BYTES_MAX} bytes")
        if self._inline is not None and size <= INLINE_BYTES_MAX:
            self._resize_inline(self._inline, size)
            return
        self._leave_memory()
        last, used = divmod(size, PAGE_BYTES)
        for page in [number for number in self._pages if number * PAGE_BYTES >= size]:
            self._store.free_page(self._pages.pop(page))
            self._store.take(-PAGE_BYTES)
        if size < self.size and last in self._pages:
            # What grows back later has to read as zeroes.
            self._store.write_page(self._pages[last], used, bytes(PAGE_BYTES - used))
        self.size = size

    def save(self) -> dict[str, Any]:
        """Return everything, the bytes of its pages included."""
        pages = [(page, self._store.read_page(at, 0, PAGE_BYTES)) for page, at in self._numbered()]
        inline = None if self._inline is None else bytes(self._inline)
        return {"store": self._store, "size": self.size, "inline": inline, "pages": pages}

    def _numbered(self) -> list[tuple[int, int]]:
        return sorted(self._pages.items())

    def load(self, state: dict[str, Any]) -> None:
        """Fill a blank content. What it takes of the quota is counted by the store's own state."""
        self._store, self.size = state["store"], state["size"]
        self._inline = None if state["inline"] is None else bytearray(state["inline"])
        self._pages = {}
        for page, data in state["pages"]:
            number = self._pages[page] = self._store.new_page()
            self._store.write_page(number, 0, data)

    def release(self) -> None:
        """Give everything back: nobody can reach the file any more."""
        self.resize(0)
        self._inline = bytearray()

    def _resize_inline(self, inline: bytearray, size: int) -> None:
        self._store.take(size - self.size)
        if size < self.size:
            del inline[size:]
        else:
            inline.extend(bytes(size - self.size))
        self.size = size

    def _leave_memory(self) -> None:
        if self._inline is None:
            return
        inline = bytes(self._inline)
        if inline:
            # One page holds all of it, as INLINE_BYTES_MAX does not exceed PAGE_BYTES.
            self._store.take(PAGE_BYTES - len(inline))
            page = self._store.new_page()
            self._store.write_page(page, 0, inline.ljust(PAGE_BYTES, b"\0"))
            self._pages[0] = page
        self._inline = None

    def _add_pages(self, offset: int, stop: int) -> None:
        new = [part for part in _parts(offset, stop) if part[0] not in self._pages]
        self._store.take(len(new) * PAGE_BYTES)
        for page, start, end in new:
            number = self._pages[page] = self._store.new_page()
            if end - start < PAGE_BYTES:
                self._store.write_page(number, 0, bytes(PAGE_BYTES))

    def _read_part(self, page: int, start: int, stop: int) -> bytes:
        number = self._pages.get(page)
        if number is None:
            return bytes(stop - start)
        return self._store.read_page(number, start, stop)


@saveable_with("files/fixed", save=_save_fixed, load=_load_fixed)
@final
class FixedContent:
    """Bytes that never change, shared by all workers of a component and free of quota."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the bytes, in hex: how a saved worker names them."""
        return hashlib.sha256(self._data).hexdigest()

    @property
    def size(self) -> int:
        """Bytes."""
        return len(self._data)

    def read(self, offset: int, length: int) -> bytes:
        """Return the bytes from `offset` on, fewer than `length` at the end."""
        return self._data[offset : offset + length]

    def fill(self, data: bytes) -> None:
        """Give a blank content its bytes."""
        self._data = data

    def write(self, offset: int, data: bytes) -> None:
        """Refuse."""
        del offset, data
        raise FileError("read-only")

    def resize(self, size: int) -> None:
        """Refuse."""
        del size
        raise FileError("read-only")

    def release(self) -> None:
        """Do nothing: others read them."""


def _parts(offset: int, stop: int) -> Iterator[tuple[int, int, int]]:
    """Cut a range at the borders of pages: page, start and end within it."""
    while offset < stop:
        page, start = divmod(offset, PAGE_BYTES)
        end = min(PAGE_BYTES, start + stop - offset)
        yield page, start, end
        offset += end - start
