"""Finds instructions of a function body that drop segments or grow memories, walking over all.

Only lengths matter: what the instructions mean is wasmtime's business, and code that it will refuse
may be read as anything, or as nothing.

Source: core specification, "Instructions" of the binary format, with the proposals that wasmtime
can read.
"""

from typing import Final, NamedTuple

__all__ = ["Drop", "Grow", "UnreadableError", "drops_of", "grows_of"]

_MISC: Final = 0xFC
_GROW: Final = 0x40
_DATA_DROP: Final = 9
_ELEMENT_DROP: Final = 13


class UnreadableError(Exception):
    """Code that no instruction begins with, or that ends too early."""


class Drop(NamedTuple):
    """Where such an instruction ends, and what it drops."""

    end: int
    is_element: bool
    segment: int


class Grow(NamedTuple):
    """Where such an instruction stands, and which memory it grows."""

    start: int
    end: int
    memory: int


# How many LEB128 integers follow an instruction of one byte.
_INTEGERS: Final = {
    **dict.fromkeys((0x00, 0x01, 0x05, 0x0A, 0x0B, 0x0F, 0x19, 0x1A, 0x1B, 0xD1, 0xD3, 0xD4), 0),
    **dict.fromkeys(range(0x45, 0xC5), 0),
    **dict.fromkeys((0x07, 0x08, 0x09, 0x0C, 0x0D, 0x10, 0x12, 0x14, 0x15, 0x18), 1),
    **dict.fromkeys((*range(0x20, 0x27), 0x3F, 0x41, 0x42, 0xD0, 0xD2, 0xD5, 0xD6), 1),
    **dict.fromkeys((0x11, 0x13), 2),
}
_BLOCKS: Final = frozenset({0x02, 0x03, 0x04, 0x06})
_ACCESSES: Final = frozenset(range(0x28, 0x3F))
_CONSTANTS: Final = {0x43: 4, 0x44: 8}
_MISC_INTEGERS: Final = {
    **dict.fromkeys((*range(8), 19, 20, 21, 22), 0),
    **dict.fromkeys((9, 11, 13, 15, 16, 17, 18), 1),
    **dict.fromkeys((8, 10, 12, 14), 2),
}
_AGGREGATE_INTEGERS: Final = {
    **dict.fromkeys((15, 26, 27, 28, 29, 30), 0),
    **dict.fromkeys((0, 1, 6, 7, 11, 12, 13, 14, 16, 20, 21, 22, 23), 1),
    **dict.fromkeys((2, 3, 4, 5, 8, 9, 10, 17, 18, 19), 2),
}
_VECTOR_ACCESSES: Final = frozenset({*range(12), 92, 93})
_VECTOR_LANE_ACCESSES: Final = frozenset(range(84, 92))
_VECTOR_LANES: Final = frozenset(range(21, 35))
_VECTOR_CONSTANTS: Final = frozenset({12, 13})
_TYPED_REFERENCES: Final = frozenset({0x63, 0x64})
_INDEXED_MEMORY: Final = 0x40
_CATCH_WITH_TAG_MAX: Final = 1


def drops_of(data: bytes, start: int, end: int) -> list[Drop]:
    """Return the drops in a function body: `start` is where its local variables begin.

    Raises:
        UnreadableError: it holds something else than instructions.
    """
    return _walked(data, start, end).found


def grows_of(data: bytes, start: int, end: int) -> list[Grow]:
    """Return where a function body grows memories. As `drops_of`."""
    return _walked(data, start, end).grows


def _walked(data: bytes, start: int, end: int) -> "_Walker":
    walker = _Walker(data, start)
    try:
        walker.locals()
        while walker.at < end:
            walker.instruction()
    except IndexError:
        raise UnreadableError from None
    if walker.at != end:
        raise UnreadableError
    return walker


class _Walker:
    def __init__(self, data: bytes, at: int) -> None:
        self.data = data
        self.at = at
        self.found: list[Drop] = []
        self.grows: list[Grow] = []

    def byte(self) -> int:
        found = self.data[self.at]
        self.at += 1
        return found

    def number(self) -> int:
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    def skip(self, count: int) -> None:
        data, at = self.data, self.at
        for _ in range(count):
            while data[at] >= 0x80:
                at += 1
            at += 1
        self.at = at

    def type(self) -> None:
        if self.byte() in _TYPED_REFERENCES:
            self.skip(1)
        else:
            self.at -= 1
            self.skip(1)

    def access(self) -> None:
        self.skip(2 if self.number() & _INDEXED_MEMORY else 1)

    def locals(self) -> None:
        for _ in range(self.number()):
            self.skip(1)
            self.type()

    def instruction(self) -> None:
        code = self.byte()
        integers = _INTEGERS.get(code)
        if integers is not None:
            self.skip(integers)
        elif code in _ACCESSES:
            self.access()
        elif code in _BLOCKS:
            self.type()
        elif code in _CONSTANTS:
            self.at += _CONSTANTS[code]
        elif code == _MISC:
            self._misc()
        elif code == _GROW:
            start = self.at - 1
            memory = self.number()
            self.grows.append(Grow(start, self.at, memory))
        else:
            self._rare(code)

    def _misc(self) -> None:
        code = self.number()
        if code in {_DATA_DROP, _ELEMENT_DROP}:
            segment = self.number()
            self.found.append(Drop(self.at, code == _ELEMENT_DROP, segment))
            return
        self.skip(_known(_MISC_INTEGERS, code))

    def _rare(self, code: int) -> None:
        match code:
            case 0x0E:
                self.skip(self.number() + 1)
            case 0x1C:
                for _ in range(self.number()):
                    self.type()
            case 0x1F:
                self.type()
                for _ in range(self.number()):
                    self.skip(2 if self.byte() <= _CATCH_WITH_TAG_MAX else 1)
            case 0xFB:
                self._aggregate()
            case 0xFD:
                self._vector()
            case _:
                raise UnreadableError

    def _aggregate(self) -> None:
        code = self.number()
        if code in {24, 25}:
            self.at += 1
            self.skip(3)
        else:
            self.skip(_known(_AGGREGATE_INTEGERS, code))

    def _vector(self) -> None:
        code = self.number()
        if code in _VECTOR_ACCESSES:
            self.access()
        elif code in _VECTOR_LANE_ACCESSES:
            self.access()
            self.at += 1
        elif code in _VECTOR_CONSTANTS:
            self.at += 16
        elif code in _VECTOR_LANES:
            self.at += 1


def _known(integers: dict[int, int], code: int) -> int:
    found = integers.get(code)
    if found is None:
        raise UnreadableError
    return found
