"""Bodies of requests, read in the type that a program needs.

| content type | becomes |
|---|---|
| JSON, or none | any type |
| form, multipart | a record whose fields are the form's |
| text | a string, or what the text says |
| any other | a string or bytes, as it is |
"""

from collections.abc import Mapping
from email.message import Message
from typing import Final

from gateway.errors import RequestError
from gateway.forms import read_form, read_multipart
from gateway.texts import MisfitError, read_text
from wit.errors import WitError
from wit.json_values import decode_json
from wit.type_text import type_text
from wit.types import ListType, OptionType, Primitive, RecordType, Type
from wit.values import Value

__all__ = ["read_body"]

_SCALARS: Final = frozenset(Primitive)
_FORM: Final = "application/x-www-form-urlencoded"
_MULTIPART: Final = "multipart/form-data"


def read_body(type_: Type, headers: Mapping[str, str], body: bytes) -> Value:
    """Return the value of a body.

    Raises:
        RequestError: 400, it does not fit, with the place and the expected type; 415, a body of
            this content type cannot become a value of this type.
    """
    if isinstance(type_, OptionType) and not body:
        return None
    if headers.get("content-encoding", "identity") != "identity":
        detail = "body: send it without a content encoding"
        raise RequestError(
            415, "unsupported-media-type", detail, (("accept-encoding", "identity"),)
        )
    told = _content_type(headers.get("content-type", ""))
    kind = told.get_content_type() if "content-type" in told else ""
    if kind in {"", "application/json"} or kind.endswith("+json"):
        return _json(type_, body)
    if isinstance(type_, OptionType):
        return (_other(type_.some, told, kind, body),)
    return _other(type_, told, kind, body)


def _content_type(text: str) -> Message:
    """Return a content type with its parameters, as the standard library takes it apart."""
    told = Message()
    if text.strip():
        told["content-type"] = text.replace("\r", " ").replace("\n", " ")
    return told


def _json(type_: Type, body: bytes) -> Value:
    if not body:
        raise RequestError(400, "bad-request", f"body: expected {type_text(type_)}, it is missing")
    try:
        return decode_json(body, type_)
    except WitError as error:
        raise RequestError(400, "bad-request", f"body: {error}") from error


def _other(type_: Type, told: Message, kind: str, body: bytes) -> Value:
    match type_:
        case RecordType() if kind == _FORM:
            return read_form(type_, body)
        case RecordType() if kind == _MULTIPART:
            return read_multipart(type_, told.get_param("boundary"), body)
        case ListType(element) if element is Primitive.U8:
            return body
        case Primitive.STRING:
            return _text(told, body)
        case _ if type_ in _SCALARS and kind.startswith("text/"):
            return _scalar(type_, _text(told, body).strip())
        case _:
            detail = f"body: cannot read {kind!r} as {type_text(type_)}; send application/json"
            accepted = (("accept", "application/json"),)
            raise RequestError(415, "unsupported-media-type", detail, accepted)


def _text(told: Message, body: bytes) -> str:
    charset = str(told.get_content_charset("utf-8"))
    if charset not in {"utf-8", "us-ascii", "iso-8859-1"}:
        detail = f"body: the charset is {charset}; send utf-8"
        raise RequestError(415, "unsupported-media-type", detail)
    try:
        return body.decode(charset)
    except UnicodeDecodeError as error:
        raise RequestError(
            400, "bad-request", f"body: it is no {charset.upper()}: {error}"
        ) from error


def _scalar(type_: Type, text: str) -> Value:
    try:
        return read_text(text, type_)
    except MisfitError as error:
        detail = f"body: expected {type_text(type_)}, {error}"
        raise RequestError(400, "bad-request", detail) from error
