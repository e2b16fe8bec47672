"""Integers, names and lists as bytes: the inverse of `wit.binary.cursor`."""

from collections.abc import Iterable

__all__ = ["name", "signed", "sized", "unsigned", "vector"]


def unsigned(number: int) -> bytes:
    """Return an unsigned LEB128."""
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def signed(number: int) -> bytes:
    """Return a non-negative number as a signed LEB128, like type indices inside types."""
    encoded = unsigned(number)
    # Bit 6 of the last byte is the sign.
    if encoded[-1] & 0x40:
        return encoded[:-1] + bytes([encoded[-1] | 0x80, 0])
    return encoded


def sized(body: bytes) -> bytes:
    """Return bytes with their count in front."""
    return unsigned(len(body)) + body


def name(text: str) -> bytes:
    """Return a UTF-8 string with its length in front."""
    return sized(text.encode())


def vector(items: Iterable[bytes]) -> bytes:
    """Return a list with its length in front."""
    parts = list(items)
    return unsigned(len(parts)) + b"".join(parts)
