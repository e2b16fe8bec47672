"""What generated code calls by name: checks and conversions that need no memory."""

from collections.abc import Callable, Iterable
from typing import NoReturn, TypeVar

from actors.engine.errors import GuestTrap

__all__ = ["NAMESPACE", "flags_reader", "flags_writer", "trap"]

Item = TypeVar("Item")

_WORD_BITS = 32


def trap(message: str) -> NoReturn:
    """End the guest's call: it broke the canonical ABI."""
    raise GuestTrap(message, kind="abi")


def bad_case(tag: int) -> NoReturn:
    """Refuse a discriminant past the cases of its type."""
    trap(f"discriminant {tag} is out of range")


def pick(cases: tuple[Item, ...], tag: int) -> Item:
    """Return the case of that discriminant."""
    if tag >= len(cases):
        bad_case(tag)
    return cases[tag]


def character(code: int) -> str:
    """Return the character of a code point that is a Unicode scalar value."""
    if 0xD800 <= code <= 0xDFFF or code > 0x10FFFF:
        trap(f"{code:#x} is no Unicode scalar value")
    return chr(code)


def code_point(value: str) -> int:
    """Return the code point of a `char`."""
    code = ord(value)
    if 0xD800 <= code <= 0xDFFF:
        raise ValueError(f"a char cannot be the surrogate {code:#x}")
    return code


def bad_value(value: object) -> NoReturn:
    """Refuse a variant value of the host."""
    raise ValueError(f"{value!r} is no case of its type")


def flags_reader(labels: tuple[str, ...]) -> Callable[..., frozenset[str]]:
    """Return a function from words to the set of labels."""
    bits = tuple(enumerate(labels))
    if len(labels) <= _WORD_BITS:

        def read(word: int) -> frozenset[str]:
            return frozenset([label for bit, label in bits if word >> bit & 1])

        return read

    def read_many(*words: int) -> frozenset[str]:
        return frozenset(
            [label for bit, label in bits if words[bit // _WORD_BITS] >> bit % _WORD_BITS & 1]
        )

    return read_many


def flags_writer(labels: tuple[str, ...]) -> Callable[[Iterable[str]], tuple[int, ...]]:
    """Return a function from a set of labels to words."""
    places = {label: (bit // _WORD_BITS, 1 << bit % _WORD_BITS) for bit, label in enumerate(labels)}
    count = max(1, (len(labels) + _WORD_BITS - 1) // _WORD_BITS)

    def write(value: Iterable[str]) -> tuple[int, ...]:
        words = [0] * count
        for label in value:
            word, bit = places[label]
            words[word] |= bit
        return tuple(words)

    return write


NAMESPACE = {
    "bad_case": bad_case,
    "bad_value": bad_value,
    "character": character,
    "code_point": code_point,
    "pick": pick,
}
