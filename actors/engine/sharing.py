"""How compiled code and plans are packed for others: compressed, under a checksum.

The checksum finds damage, not malice: who may write to the shared store is trusted.
"""

import hashlib
from typing import Final

import zstandard

__all__ = ["SHARED_BYTES_MAX", "pack", "unpack"]

SHARED_BYTES_MAX: Final = 1 << 30
"""Unpacked bytes of one module or plan."""

_LEVEL: Final = 3
_CHECKSUM_BYTES: Final = 32


def pack(data: bytes) -> bytes:
    """Return bytes for the shared store."""
    packed = zstandard.ZstdCompressor(level=_LEVEL).compress(data)
    return hashlib.sha256(packed).digest() + packed


def unpack(packed: bytes) -> bytes | None:
    """Return what was packed, None if it is damaged."""
    checksum, body = packed[:_CHECKSUM_BYTES], packed[_CHECKSUM_BYTES:]
    if hashlib.sha256(body).digest() != checksum:
        return None
    try:
        return zstandard.ZstdDecompressor().decompress(body, max_output_size=SHARED_BYTES_MAX)
    except zstandard.ZstdError:
        return None
