"""Component values as JSON, both ways: compiled once per type, because each host call needs it.

The mapping is written down in `docs/VALUES.md`. Owns the cache of codecs, the bytes and the
parameters of calls; the closures live in `wit.json_readers` and `wit.json_writers`.

Source: docs/VALUES.md.
"""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final, cast, final

import msgspec

from wit.checking import check
from wit.errors import ParseError, ValueMismatchError
from wit.json_readers import HandleNames, reader_for
from wit.json_writers import writer_for
from wit.limits import JSON_BYTES_MAX
from wit.misfit import Misfit, shown, unknown_name
from wit.type_walk import walk
from wit.types import Borrow, FunctionType, OptionType, Own, Type
from wit.values import Value

__all__ = [
    "HandleNames",
    "JsonCodec",
    "codec_for",
    "decode_json",
    "encode_json",
    "from_json",
    "parameters_from_json",
    "parameters_to_json",
    "parse_json",
    "to_json",
]

# Codecs are small, but uploaded components bring types without end.
_CODECS_MAX: Final = 4096

# What writers stumble over when a value does not have its type. Misfit comes from refused types.
_WRONG_VALUE: Final = (Misfit, TypeError, ValueError, KeyError, AttributeError, OverflowError)

_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder().decode


@final
class JsonCodec:
    """Converter between the values of one type and their JSON form. Immutable, free to share."""

    __slots__ = ("_handles", "_read", "_type", "_write")

    def __init__(self, type_: Type, handles: HandleNames | None = None) -> None:
        self._type = type_
        self._handles = handles
        try:
            self._read = reader_for(type_, handles)
            self._write = writer_for(type_, handles)
        except Misfit as misfit:
            raise misfit.mismatch() from None

    @property
    def is_plain(self) -> bool:
        """Whether every value is its own JSON form."""
        return self._write is None

    def from_json(self, json: object, *, root: str = "") -> Value:
        """Return the value that decoded JSON stands for.

        Args:
            json: What a JSON decoder returns. Parts of it may be used in the value.
            root: What the path in errors begins with.

        Raises:
            ValueMismatchError: it does not fit the type.
        """
        try:
            return self._read(json)
        except Misfit as misfit:
            raise misfit.mismatch(root) from None

    def to_json(self, value: Value, *, root: str = "") -> object:
        """Return the JSON form of a value, ready for a JSON encoder.

        The value is trusted: where it already is its own JSON form it is returned unread. Use
        `wit.checking.check` first for values that did not come from an engine or a reader.

        Raises:
            ValueMismatchError: the value has another shape, or contains a handle that cannot be
                named.
        """
        if self._write is None:
            return value
        try:
            return self._write(value)
        except Misfit as misfit:
            raise misfit.mismatch(root) from None
        except _WRONG_VALUE:
            check(value, self._type, root=root)
            raise

    def encode(self, value: Value) -> bytes:
        """Return the JSON text of a value. Errors as for `to_json`."""
        json = self.to_json(value)
        try:
            return _encode(json)
        except _WRONG_VALUE:
            check(value, self._type)
            raise

    def decode(self, data: bytes) -> Value:
        """Return the value that JSON text stands for.

        Raises:
            ParseError: it is no JSON, or larger than `JSON_BYTES_MAX`.
            ValueMismatchError: it does not fit the type.
        """
        return self.from_json(parse_json(data))


@lru_cache(maxsize=_CODECS_MAX)
def _shared_codec(type_: Type) -> JsonCodec:
    return JsonCodec(type_)


def codec_for(type_: Type, handles: HandleNames | None = None) -> JsonCodec:
    """Return the codec of a type, the same one for equal types unless `handles` is given."""
    return _shared_codec(type_) if handles is None else JsonCodec(type_, handles)


def to_json(value: Value, type_: Type, handles: HandleNames | None = None) -> object:
    """Return the JSON form of a value; see `JsonCodec.to_json`."""
    return codec_for(type_, handles).to_json(value)


def from_json(json: object, type_: Type, handles: HandleNames | None = None) -> Value:
    """Return the value that decoded JSON stands for; see `JsonCodec.from_json`."""
    return codec_for(type_, handles).from_json(json)


def encode_json(value: Value, type_: Type, handles: HandleNames | None = None) -> bytes:
    """Return the JSON text of a value; see `JsonCodec.encode`."""
    return codec_for(type_, handles).encode(value)


def decode_json(data: bytes, type_: Type, handles: HandleNames | None = None) -> Value:
    """Return the value that JSON text stands for; see `JsonCodec.decode`."""
    return codec_for(type_, handles).decode(data)


def parse_json(data: bytes) -> object:
    """Return decoded JSON without looking at any type.

    Raises:
        ParseError: it is no JSON, or larger than `JSON_BYTES_MAX`.
    """
    if len(data) > JSON_BYTES_MAX:
        raise ParseError(f"JSON of {len(data)} bytes, at most {JSON_BYTES_MAX} are read")
    try:
        return _decode(data)
    except RecursionError:
        raise ParseError("the JSON nests too deeply to be read") from None
    # UnicodeDecodeError is a ValueError and comes for text that is no UTF-8.
    except (msgspec.DecodeError, ValueError) as error:
        line, column = _place(data, str(error))
        raise ParseError(f"no JSON: {error}", line=line, column=column) from None


def _place(data: bytes, message: str) -> tuple[int, int]:
    found = re.search(r"\(byte (\d+)\)", message)
    before = data[: int(found[1])] if found else b""
    line_start = before.rfind(b"\n") + 1
    return before.count(b"\n") + 1, len(before) - line_start + 1


def parameters_from_json(
    json: object, function: FunctionType, handles: HandleNames | None = None
) -> list[Value]:
    """Return the arguments of a call in the order of its parameters.

    Args:
        json: An array in the order of the parameters, where trailing options may be left out, or
            an object from parameter name to value, where any option may be left out.
        function: The type of the called function.
        handles: Turns URNs into handles. None refuses handles.

    Raises:
        ValueMismatchError: wrong number, unknown name or wrong type; paths begin with `params`.
    """
    parameters = function.parameters
    names = [parameter.name for parameter in parameters]
    match json:
        case list():
            items = cast("Sequence[object]", json)
            if len(items) > len(names):
                raise ValueMismatchError(_count_text(names, len(items)), path="params")
            given = dict(zip(names, items, strict=False))
            step = {name: f"params[{index}]" for index, name in enumerate(names)}
        case dict():
            given = dict(cast("Mapping[str, object]", json))
            for name in given:
                if name not in names:
                    raise ValueMismatchError(unknown_name("parameter", name, names), path="params")
            step = {name: f"params.{name}" for name in names}
        case _:
            raise ValueMismatchError(
                f"expected an array or an object of parameters, got {shown(json)}", path="params"
            )
    values: list[Value] = []
    for parameter in parameters:
        if parameter.name in given:
            codec = codec_for(parameter.type, _if_needed(handles, parameter.type))
            values.append(codec.from_json(given[parameter.name], root=step[parameter.name]))
        elif isinstance(parameter.type, OptionType):
            values.append(None)
        elif isinstance(json, list):
            raise ValueMismatchError(_count_text(names, len(given)), path="params")
        else:
            raise ValueMismatchError(f"missing parameter {parameter.name}", path="params")
    return values


def parameters_to_json(
    values: Sequence[Value], function: FunctionType, handles: HandleNames | None = None
) -> list[object]:
    """Return the arguments of a call as a JSON array.

    Raises:
        ValueMismatchError: wrong number or wrong type; paths begin with `params`.
    """
    parameters = function.parameters
    if len(values) != len(parameters):
        names = [parameter.name for parameter in parameters]
        raise ValueMismatchError(_count_text(names, len(values)), path="params")
    return [
        codec_for(parameter.type, _if_needed(handles, parameter.type)).to_json(
            value, root=f"params[{index}]"
        )
        for index, (parameter, value) in enumerate(zip(parameters, values, strict=True))
    ]


def _if_needed(handles: HandleNames | None, type_: Type) -> HandleNames | None:
    return handles if handles is not None and _has_handles(type_) else None


@lru_cache(maxsize=_CODECS_MAX)
def _has_handles(type_: Type) -> bool:
    return any(isinstance(part, Own | Borrow) for part in walk(type_))


def _count_text(names: Sequence[str], given: int) -> str:
    if not names:
        return f"expected no parameters, got {given}"
    noun = "parameter" if len(names) == 1 else "parameters"
    return f"expected {len(names)} {noun} ({', '.join(names)}), got {given}"
