"""Memories as the pages that differ from a new instance's."""

import ctypes
from typing import Final

import zstandard

from actors.engine import bindings
from actors.engine.bindings import Address
from actors.engine.errors import SnapshotUnusableError
from actors.engine.snapshot.image import MemoryImage

__all__ = ["PAGE_BYTES", "apply", "changed_pages", "pack"]

PAGE_BYTES: Final = 4096
_BLOCK_BYTES: Final = 64 * 1024
_LEVEL: Final = 1

_ZEROES: Final = ctypes.create_string_buffer(_BLOCK_BYTES)
_ZEROES_ADDRESS: Final = ctypes.addressof(_ZEROES)


def changed_pages(memory: Address, size: int, fresh: Address, fresh_size: int) -> list[int]:
    """Return the numbers of the pages of `memory` that differ from those of a new instance.

    What a new instance does not have counts as zeroes, which is what growing gives.
    """
    compare = bindings.compare_bytes
    changed: list[int] = []
    for block in range(0, size, _BLOCK_BYTES):
        # Memories grow by whole blocks, but a custom page size may cut the last one.
        length = min(_BLOCK_BYTES, size - block)
        known = block + length <= fresh_size
        if compare(memory + block, fresh + block if known else _ZEROES_ADDRESS, length) == 0:
            continue
        for page in range(block, block + length, PAGE_BYTES):
            count = min(PAGE_BYTES, size - page)
            other = fresh + page if page + count <= fresh_size else _ZEROES_ADDRESS
            if compare(memory + page, other, count):
                changed.append(page // PAGE_BYTES)
    return changed


def pack(memory: Address, size: int, pages: list[int]) -> bytes:
    """Return the contents of `pages`, compressed."""
    if not pages:
        return b""
    view = memoryview((ctypes.c_char * size).from_address(memory)).cast("B")
    parts = b"".join([view[page * PAGE_BYTES : (page + 1) * PAGE_BYTES] for page in pages])
    return zstandard.ZstdCompressor(level=_LEVEL).compress(parts)


def apply(image: MemoryImage, memory: Address) -> None:
    """Write the pages of `image` into a memory of its size.

    Raises:
        SnapshotUnusableError: pages and contents do not fit each other or the memory.
    """
    pages = memoryview(image.pages)
    if len(pages) % 4:
        raise SnapshotUnusableError(f"memory {image.name!r}: its list of pages is cut off")
    numbers = pages.cast("I")
    lengths = [max(0, min(PAGE_BYTES, image.size - page * PAGE_BYTES)) for page in numbers]
    expected = sum(lengths)
    if not numbers:
        return
    if not all(lengths):
        raise SnapshotUnusableError(f"memory {image.name!r}: a page lies beyond its end")
    try:
        if zstandard.frame_content_size(image.data) != expected:
            raise SnapshotUnusableError(
                f"memory {image.name!r}: its contents do not fit its {len(numbers)} pages"
            )
        data = zstandard.ZstdDecompressor().decompress(image.data, max_output_size=expected)
    except zstandard.ZstdError as error:
        raise SnapshotUnusableError(f"memory {image.name!r}: {error}") from error
    target = memoryview((ctypes.c_char * image.size).from_address(memory)).cast("B")
    source, position = memoryview(data), 0
    for page, length in zip(numbers, lengths, strict=True):
        start = page * PAGE_BYTES
        target[start : start + length] = source[position : position + length]
        position += length
