"""Where the scalar parts of values lie, as one `struct` format.

A value is read by one `unpack` of all its scalars (the *leaves*) and an expression that builds the
Python value from them; it is written by one `pack`. Two arrangements exist: in memory, by natural
alignment; and flat, one slot of 16 bytes per core value. Payloads of variants with several payload
cases, and lists of fixed length, are one leaf of raw bytes that is unpacked when the case is known.
"""

import struct
from typing import Final, NamedTuple

from actors.engine.abi.signature import (
    CODE_BYTES,
    align,
    alternatives,
    discriminant_code,
    flag_words,
    flatten,
    members,
    payload_size,
    scalar_code,
    size_of,
)
from wit.types import (
    Borrow,
    EnumType,
    FixedListType,
    FlagsType,
    ListType,
    MapType,
    OptionType,
    Own,
    Primitive,
    RecordType,
    ResultType,
    TupleType,
    Type,
    VariantType,
)

__all__ = ["SLOT_BYTES", "Layout", "Leaf", "has_raw_payload"]

SLOT_BYTES: Final = 16

# In a slot a small integer is a whole i32: writing must fill it, reading looks at the low bytes.
_WIDENED: Final = {"B": "I", "H": "I", "b": "i", "h": "i"}


class Leaf(NamedTuple):
    """A `struct` code, possibly `<n>s`, at an offset."""

    offset: int
    code: str

    @property
    def is_raw(self) -> bool:
        """Whether the leaf is bytes."""
        return self.code.endswith("s")


def has_raw_payload(type_: VariantType | OptionType | ResultType) -> bool:
    """Return whether more than one case has a payload, so that its layout depends on the case."""
    return sum(case.type is not None for case in alternatives(type_)) > 1


class Layout:
    """Collects leaves of one or more values."""

    def __init__(self, *, flat: bool, writing: bool) -> None:
        self.leaves: list[Leaf] = []
        self.bytes = 0
        self._flat = flat
        self._widen = flat and writing

    def add(self, type_: Type) -> None:
        """Add a value behind those added before."""
        code = scalar_code(type_)
        if code is not None:
            if type_ is Primitive.BOOL or isinstance(type_, EnumType):
                code = self._whole(code)
            self.leaf(code, CODE_BYTES[code], CODE_BYTES[code])
            return
        if not self._flat:
            self.bytes = align(self.bytes, size_of(type_).alignment)
        start = self.bytes
        match type_:
            case RecordType() | TupleType():
                for member in members(type_):
                    self.add(member)
            case VariantType() | OptionType() | ResultType():
                self._add_cases(type_)
            case FlagsType():
                for _ in range(flag_words(len(type_.labels))):
                    self.leaf("I", 4, 4)
            case FixedListType():
                size = self._size(type_)
                self.leaf(f"{size}s", size, size_of(type_).alignment)
            case Primitive() | ListType() | MapType():
                self.leaf("I", 4, 4)
                self.leaf("I", 4, 4)
            case EnumType() | Own() | Borrow():
                raise AssertionError(type_)
            case _:
                raise AssertionError(type_)
        self.bytes = start + self._size(type_)

    def _whole(self, code: str) -> str:
        """Return the code of a value that counts as a whole: 256 is no discriminant 0."""
        return "I" if self._flat else code

    def leaf(self, code: str, size: int, alignment: int) -> None:
        """Add one scalar, or raw bytes."""
        if self._flat:
            self.leaves.append(Leaf(self.bytes, _WIDENED.get(code, code) if self._widen else code))
            self.bytes += max(SLOT_BYTES, size)
        else:
            self.bytes = align(self.bytes, alignment)
            self.leaves.append(Leaf(self.bytes, code))
            self.bytes += size

    def _add_cases(self, type_: VariantType | OptionType | ResultType) -> None:
        cases = alternatives(type_)
        code = self._whole(discriminant_code(len(cases)))
        self.leaf(code, CODE_BYTES[code], CODE_BYTES[code])
        payloads = [case.type for case in cases if case.type is not None]
        if has_raw_payload(type_):
            size = self.payload_bytes(type_)
            self.leaf(f"{size}s", size, payload_size(type_).alignment)
        elif payloads:
            # The payload starts at the common alignment even though there is only one.
            self.add(payloads[0])

    def payload_bytes(self, type_: VariantType | OptionType | ResultType) -> int:
        """Return the bytes of the largest payload in this arrangement."""
        if self._flat:
            return SLOT_BYTES * (len(flatten(type_)) - 1)
        return payload_size(type_).bytes

    def _size(self, type_: Type) -> int:
        return SLOT_BYTES * len(flatten(type_)) if self._flat else size_of(type_).bytes

    def format(self, size: int | None = None) -> struct.Struct:
        """Return the format of all leaves, padded to `size` bytes."""
        text, offset = "<", 0
        for leaf in self.leaves:
            if leaf.offset > offset:
                text += f"{leaf.offset - offset}x"
            text += leaf.code
            offset = leaf.offset + struct.calcsize("<" + leaf.code)
        end = self.bytes if size is None else size
        return struct.Struct(text + (f"{end - offset}x" if end > offset else ""))
