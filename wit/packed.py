"""Component values as compact bytes, for storage: about as long as the data, and nothing else.

The bytes do not say their type, it must be kept elsewhere. The format is that of value definitions
in component binaries:

| type | bytes |
|---|---|
| `bool` | 0 or 1 |
| `u8`, `s8` | one byte |
| `u16` … `u64`, `s16` … `s64` | LEB128, as short as possible |
| `f32`, `f64` | little-endian, the canonical NaN alone |
| `char` | its UTF-8 bytes |
| `string` | length, UTF-8 bytes |
| `list<T>` | count, elements; `list<u8>` thus is a length with the bytes |
| `list<T, N>`, `tuple`, `record` | the parts |
| `map<K, V>` | count, keys and values in their order |
| `variant`, `enum`, `result` | number of the case, payload |
| `option` | 0, or 1 and the payload |
| `flags` | one bit each, in as many bytes as it takes |
| handles | their URN as a string, where the host has names for them |

The form is canonical: a value has one form, and every other one is refused. The order of a map's
entries is kept, because a guest sees it.

Source: component-model specification, Binary.md, "Value Definitions".
"""

from functools import lru_cache
from typing import Final, final

from wit.checking import check
from wit.errors import ValueMismatchError
from wit.json_readers import HandleNames
from wit.limits import PACKED_BYTES_MAX
from wit.misfit import Misfit
from wit.packed_readers import reader_for
from wit.packed_writers import writer_for
from wit.types import Type
from wit.values import Value

__all__ = ["PackedCodec", "pack", "packed_codec_for", "unpack"]

# Codecs are small, but uploaded components bring types without end.
_CODECS_MAX: Final = 4096

_WRONG_VALUE: Final = (TypeError, ValueError, KeyError, AttributeError, OverflowError)


@final
class PackedCodec:
    """Converter between the values of one type and their packed form. Immutable, free to share.

    Raises:
        ValueMismatchError: the type nests deeper than `TYPE_DEPTH_MAX`.
    """

    __slots__ = ("_read", "_type", "_write")

    def __init__(self, type_: Type, handles: HandleNames | None = None) -> None:
        self._type = type_
        try:
            self._read = reader_for(type_, handles)
            self._write = writer_for(type_, handles)
        except Misfit as misfit:
            raise misfit.mismatch() from None

    def pack(self, value: Value) -> bytes:
        """Return the bytes of a value.

        Raises:
            ValueMismatchError: the value has another shape, with the path of the place, or
                contains a handle that cannot be named.
        """
        out = bytearray()
        try:
            self._write(out, value)
        except Misfit as misfit:
            raise misfit.mismatch() from None
        except _WRONG_VALUE:
            check(value, self._type)
            raise
        return bytes(out)

    def unpack(self, data: bytes) -> Value:
        """Return the value of bytes that `pack` made of a value of this type.

        Raises:
            ValueMismatchError: they are none, with the path and the offset of the place, or more
                than `PACKED_BYTES_MAX`.
        """
        if len(data) > PACKED_BYTES_MAX:
            reason = f"{len(data)} bytes, at most {PACKED_BYTES_MAX} are read"
            raise ValueMismatchError(reason, path="")
        try:
            value, end = self._read(data, 0)
        except Misfit as misfit:
            raise misfit.mismatch() from None
        if end != len(data):
            reason = f"{len(data) - end} bytes too many (at byte {end})"
            raise ValueMismatchError(reason, path="")
        return value


@lru_cache(maxsize=_CODECS_MAX)
def _shared_codec(type_: Type) -> PackedCodec:
    return PackedCodec(type_)


def packed_codec_for(type_: Type, handles: HandleNames | None = None) -> PackedCodec:
    """Return the codec of a type, the same one for equal types unless `handles` is given.

    Raises:
        ValueMismatchError: the type nests deeper than `TYPE_DEPTH_MAX`.
    """
    return _shared_codec(type_) if handles is None else PackedCodec(type_, handles)


def pack(value: Value, type_: Type, handles: HandleNames | None = None) -> bytes:
    """Return the bytes of a value; see `PackedCodec.pack`."""
    return packed_codec_for(type_, handles).pack(value)


def unpack(data: bytes, type_: Type, handles: HandleNames | None = None) -> Value:
    """Return the value of packed bytes; see `PackedCodec.unpack`."""
    return packed_codec_for(type_, handles).unpack(data)
