"""Forms as records: `application/x-www-form-urlencoded` and `multipart/form-data`.

A field takes the values of its name like a query variable does. In multipart forms a part of JSON
is read as JSON, bytes are taken as they are, and a record of `filename`, `content-type` and `data`
(any of them) is all of an uploaded file.
"""

from collections.abc import Mapping, Sequence
from email.message import Message
from typing import Final, Protocol, final
from urllib.parse import parse_qsl

import python_multipart.exceptions
from msgspec import Struct
from python_multipart.multipart import MultipartParser

from gateway.errors import RequestError
from gateway.texts import MisfitError, read_all, read_text
from wit.errors import WitError
from wit.json_values import decode_json
from wit.type_text import type_text
from wit.types import ListType, OptionType, Primitive, RecordType, Type
from wit.values import Value

__all__ = ["read_form", "read_multipart"]

FIELDS_MAX: Final = 1_000
BOUNDARY_CHARACTERS_MAX: Final = 70
_FILE: Final = frozenset({"filename", "content-type", "data"})


class Source(Protocol):
    """Where the values of a form come from, by name."""

    def names(self) -> Sequence[str]:
        """Return the names of the fields that were sent."""
        ...

    def value(self, name: str, type_: Type) -> Value:
        """Return what stands under a name. Raises MisfitError."""
        ...


def read_form(type_: RecordType, body: bytes) -> Value:
    """Return the record that an urlencoded form says.

    Raises:
        RequestError: 400, it does not fit, with the field and its type.
    """
    if body.lstrip().startswith((b"{", b"[")):
        # What curl says of a body unless it is told better; no field's name begins like that.
        detail = "body: it looks like JSON, not like a form; send it as application/json"
        raise RequestError(400, "bad-request", detail)
    try:
        pairs = parse_qsl(
            body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=FIELDS_MAX
        )
    except (UnicodeDecodeError, ValueError) as error:
        raise RequestError(400, "bad-request", f"body: it is no form: {error}") from error
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return _record(type_, _Texts(found))


def read_multipart(type_: RecordType, boundary: object, body: bytes) -> Value:
    """Return the record that a multipart form says; `boundary` is what the content type names.

    Raises:
        RequestError: 400, it does not fit, with the field and its type.
    """
    if not isinstance(boundary, str) or not 0 < len(boundary) <= BOUNDARY_CHARACTERS_MAX:
        detail = "body: multipart/form-data needs a boundary of 1 to 70 characters"
        raise RequestError(400, "bad-request", detail)
    collected = _Parts()
    try:
        parser = collected.parser(boundary)
        parser.write(body)
        parser.finalize()
    except python_multipart.exceptions.FormParserError as error:
        raise RequestError(400, "bad-request", f"body: it is no form: {error}") from error
    if not collected.is_complete:
        raise RequestError(400, "bad-request", "body: the form has no end")
    return _record(type_, _Files(collected.parts))


def _record(type_: RecordType, source: Source) -> Value:
    known = {field.name for field in type_.fields}
    for name in source.names():
        if name not in known:
            expected = ", ".join(sorted(known))
            detail = f"body: unknown field {name!r}, expected one of {expected}"
            raise RequestError(400, "bad-request", detail)
    made: dict[str, Value] = {}
    for field in type_.fields:
        try:
            made[field.name] = source.value(field.name, field.type)
        except MisfitError as error:
            detail = f"body.{field.name}: expected {type_text(field.type)}, {error}"
            raise RequestError(400, "bad-request", detail) from error
    return made


@final
class _Texts:
    def __init__(self, found: Mapping[str, Sequence[str]]) -> None:
        self._found = found

    def names(self) -> Sequence[str]:
        return list(self._found)

    def value(self, name: str, type_: Type) -> Value:
        return read_all(self._found.get(name, ()), type_)


class _Part(Struct, frozen=True):
    name: str
    filename: str | None
    kind: str
    data: bytes


@final
class _Files:
    def __init__(self, parts: Sequence[_Part]) -> None:
        self._found: dict[str, list[_Part]] = {}
        for part in parts:
            self._found.setdefault(part.name, []).append(part)

    def names(self) -> Sequence[str]:
        return list(self._found)

    def value(self, name: str, type_: Type) -> Value:
        return self._all(self._found.get(name, ()), type_)

    def _all(self, parts: Sequence[_Part], type_: Type) -> Value:
        match type_:
            case OptionType(some):
                return (self._all(parts, some),) if parts else None
            case ListType(element) if element is not Primitive.U8:
                return [_one(part, element) for part in parts]
            case _:
                pass
        if not parts:
            raise MisfitError("it is missing")
        if len(parts) > 1:
            raise MisfitError(f"it stands there {len(parts)} times")
        return _one(parts[0], type_)


def _one(part: _Part, type_: Type) -> Value:
    if part.kind == "application/json" or part.kind.endswith("+json"):
        try:
            return decode_json(part.data, type_)
        except WitError as error:
            raise MisfitError(str(error)) from error
    if type_ == ListType(Primitive.U8):
        return part.data
    if isinstance(type_, RecordType) and {each.name for each in type_.fields} <= _FILE:
        return {each.name: _facet(part, each.name, each.type) for each in type_.fields}
    return read_text(_decoded(part.data), type_)


def _facet(part: _Part, name: str, type_: Type) -> Value:
    if name == "data":
        return (
            part.data if type_ == ListType(Primitive.U8) else read_text(_decoded(part.data), type_)
        )
    text = part.filename if name == "filename" else part.kind
    return read_all([] if text is None else [text], type_)


def _decoded(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise MisfitError(f"it is no UTF-8: {error}") from error


@final
class _Parts:
    """Collects what the parser tells piece by piece."""

    def __init__(self) -> None:
        self.parts: list[_Part] = []
        self.is_complete = False
        self._headers = Message()
        self._name = bytearray()
        self._value = bytearray()
        self._data = bytearray()

    def parser(self, boundary: str) -> MultipartParser:
        """Return a parser that tells us."""
        return MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_field": self._on_name,
                "on_header_value": self._on_value,
                "on_header_end": self._on_header,
                "on_part_data": self._on_data,
                "on_part_end": self._end,
                "on_end": self._complete,
            },
        )

    def _begin(self) -> None:
        if len(self.parts) == FIELDS_MAX:
            detail = f"body: the form has more than {FIELDS_MAX} parts"
            raise RequestError(400, "bad-request", detail)
        self._headers = Message()
        self._data.clear()

    def _on_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _on_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header(self) -> None:
        # Browsers write the names of files as UTF-8.
        self._headers[self._name.decode("latin-1")] = self._value.decode("utf-8", "replace")
        self._name.clear()
        self._value.clear()

    def _on_data(self, data: bytes, start: int, end: int) -> None:
        self._data += data[start:end]

    def _end(self) -> None:
        name = self._headers.get_param("name", header="content-disposition")
        if not isinstance(name, str):
            raise RequestError(400, "bad-request", "body: a part of the form has no name")
        filename = self._headers.get_filename()
        kind = self._headers.get_content_type() if "content-type" in self._headers else "text/plain"
        self.parts.append(_Part(name, filename, kind, bytes(self._data)))

    def _complete(self) -> None:
        self.is_complete = True
