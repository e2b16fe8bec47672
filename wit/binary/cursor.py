"""Bounded reading of bytes: integers, names and lists. Knows nothing of components."""

from collections.abc import Callable
from typing import TypeVar

from wit.binary.limits import DEFINITIONS_MAX, ITEMS_MAX, NAME_BYTES_MAX
from wit.errors import BinaryError

__all__ = ["Budget", "Cursor"]

Item = TypeVar("Item")


class Budget:
    """Counts definitions over all cursors of one file."""

    __slots__ = ("left",)

    def __init__(self, limit: int = DEFINITIONS_MAX) -> None:
        self.left = limit

    def spend(self, offset: int) -> None:
        """Take one.

        Raises:
            BinaryError: nothing is left.
        """
        if self.left == 0:
            raise BinaryError(f"more than {DEFINITIONS_MAX} definitions", offset=offset)
        self.left -= 1


class Cursor:
    """A place in `data` that moves forward, never to or past `end`.

    Every method raises `BinaryError` when the bytes do not hold what it reads.
    """

    __slots__ = ("budget", "data", "end", "position")

    def __init__(self, data: bytes, position: int, end: int, budget: Budget) -> None:
        self.data = data
        self.position = position
        self.end = end
        self.budget = budget

    def inside(self, end: int) -> "Cursor":
        """Return a cursor from here to `end`, which must not lie past the own end."""
        assert self.position <= end <= self.end
        return Cursor(self.data, self.position, end, self.budget)

    def error(self, message: str, *, offset: int | None = None) -> BinaryError:
        """Return the error to raise for something wrong here, or at `offset`."""
        return BinaryError(message, offset=self.position if offset is None else offset)

    def byte(self) -> int:
        """Read one byte."""
        position = self.position
        if position >= self.end:
            raise self.error("unexpected end, expected one more byte")
        self.position = position + 1
        return self.data[position]

    def peek(self) -> int:
        """Return the next byte without moving."""
        if self.position >= self.end:
            raise self.error("unexpected end, expected one more byte")
        return self.data[self.position]

    def expect(self, byte: int, what: str) -> None:
        """Read one byte that must be `byte`."""
        found = self.byte()
        if found != byte:
            raise self.error(
                f"expected {what} ({byte:#04x}), found {found:#04x}", offset=self.position - 1
            )

    def flag(self, what: str) -> bool:
        """Read a byte that must be 0 or 1."""
        found = self.byte()
        if found > 1:
            raise self.error(
                f"expected 0x00 or 0x01 for {what}, found {found:#04x}", offset=self.position - 1
            )
        return found == 1

    def u32(self) -> int:
        """Read an unsigned 32-bit LEB128."""
        return self._unsigned(32)

    def u64(self) -> int:
        """Read an unsigned 64-bit LEB128."""
        return self._unsigned(64)

    def _unsigned(self, bits: int) -> int:
        start = self.position
        result = shift = 0
        while True:
            byte = self.byte()
            if shift + 7 > bits and byte >> (bits - shift):
                raise self.error(f"integer does not fit {bits} bits", offset=start)
            result |= (byte & 0x7F) << shift
            if byte < 0x80:
                return result
            shift += 7

    def type_index(self) -> int:
        """Read a non-negative signed 33-bit LEB128, which is how type indices are spelled."""
        start = self.position
        result = shift = 0
        while True:
            byte = self.byte()
            if shift == 28 and byte & 0xF0:
                raise self.error("type index does not fit 32 bits", offset=start)
            result |= (byte & 0x7F) << shift
            if byte < 0x80:
                break
            shift += 7
        if shift < 28 and byte & 0x40:
            raise self.error(
                f"expected a type index, found type code {byte & 0x7F:#04x}", offset=start
            )
        return result

    def name(self) -> str:
        """Read a UTF-8 string with its length in front."""
        size = self.u32()
        start = self.position
        if size > NAME_BYTES_MAX:
            raise self.error(f"name of {size} bytes, at most {NAME_BYTES_MAX} are allowed")
        if size > self.end - start:
            raise self.error(
                f"name of {size} bytes reaches past the end, {self.end - start} are left"
            )
        self.position = start + size
        try:
            return self.data[start : start + size].decode()
        except UnicodeDecodeError as error:
            raise self.error("name is no UTF-8", offset=start + error.start) from error

    def count(self, limit: int = ITEMS_MAX) -> int:
        """Read the length of a list whose items take at least one byte each."""
        start = self.position
        count = self.u32()
        if count > limit:
            raise self.error(f"list of {count} items, at most {limit} are allowed", offset=start)
        if count > self.end - self.position:
            raise self.error(
                f"list of {count} items, but only {self.end - self.position} bytes are left",
                offset=start,
            )
        return count

    def items(self, read: Callable[[], Item], limit: int = ITEMS_MAX) -> tuple[Item, ...]:
        """Read a list with its length in front."""
        return tuple([read() for _ in range(self.count(limit))])
