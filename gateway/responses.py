"""From the value of a program to an HTTP response."""

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Final

from msgspec import Struct

from gateway.errors import RequestError
from wit.json_readers import INTEGER_RANGES
from wit.json_values import encode_json
from wit.types import ListType, OptionType, Primitive, RecordType, Type
from wit.values import Value
from wit.wave import format_value

__all__ = ["Response", "check_accepted", "check_response", "offered_for", "respond", "said_headers"]

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_PARTS: Final = frozenset({"status", "headers", "body"})
# Statuses that have no body.
_BARE: Final = frozenset({204, 304})
# Said by the server, from the body that is sent.
_OURS: Final = frozenset({"content-length", "transfer-encoding", "connection"})


class Response(Struct, frozen=True):
    """Status, headers and body, ready to be sent.

    A body in pieces is sent as they come; who gives it says its length in the headers, if known.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes | AsyncIterator[bytes]


def check_response(type_: Type | None) -> str:
    """Return why no response can be made of a type, empty if one can."""
    parts = _parts(type_)
    if parts is None:
        return ""
    status = parts.get("status")
    if status is not None and not _is_integer(status):
        return "`status` must be an integer"
    headers = parts.get("headers")
    if headers is not None and not isinstance(headers, RecordType):
        return "`headers` must be a record"
    return ""


def check_accepted(type_: Type | None, accept: str) -> None:
    """Refuse what could not be answered, as far as a program's type says.

    Raises:
        RequestError: 406.
    """
    parts = _parts(type_)
    body = type_ if parts is None else parts.get("body")
    headers = None if parts is None else parts.get("headers")
    if body is None or (isinstance(headers, RecordType) and _says_content_type(headers)):
        return
    _negotiated(accept, body)


def respond(value: Value, type_: Type | None, accept: str) -> Response:
    """Return the response that a program's value says.

    A record of nothing but `status`, `headers` and `body` says all of it; any other value is the
    body. No value is an empty 200.

    Raises:
        RequestError: 500, it says an impossible response; 406, the client takes no such body.
    """
    if type_ is None:
        return Response(200, (), b"")
    parts = _parts(type_)
    if parts is None:
        headers, body = _body(value, type_, accept, [])
        return Response(200, headers, body)
    status = int(value["status"]) if "status" in parts else 200
    if not 200 <= status <= 599:
        raise RequestError(500, "bad-response", f"the program answers with status {status}")
    given: Sequence[tuple[str, str]] = ()
    if "headers" in parts:
        given = said_headers(value["headers"], parts["headers"])
    if "body" not in parts or status in _BARE:
        return Response(status, tuple(given), b"")
    headers, body = _body(value["body"], parts["body"], accept, given)
    return Response(status, headers, body)


def _parts(type_: Type | None) -> dict[str, Type] | None:
    if not isinstance(type_, RecordType):
        return None
    fields = {field.name: field.type for field in type_.fields}
    return fields if fields and fields.keys() <= _PARTS else None


def _is_integer(type_: Type) -> bool:
    return type_ in INTEGER_RANGES


def _header_texts(value: Value, kind: Type) -> Sequence[str]:
    if kind is Primitive.STRING:
        return [value]
    return value if kind == ListType(Primitive.STRING) else [format_value(value, kind)]


def _says_content_type(headers: RecordType) -> bool:
    return any(field.name.lower() == "content-type" for field in headers.fields)


def said_headers(value: Mapping[str, Value], type_: Type) -> Sequence[tuple[str, str]]:
    """Return the headers of a record; a list of strings is as many headers, such as cookies."""
    assert isinstance(type_, RecordType)
    found: list[tuple[str, str]] = []
    for field in type_.fields:
        each, kind = value[field.name], field.type
        if isinstance(kind, OptionType):
            if each is None:
                continue
            each, kind = each[0], kind.some
        for text in _header_texts(each, kind):
            if _TOKEN.fullmatch(field.name) is None or not text.isprintable() or not text.isascii():
                detail = f"the program answers with a header {field.name}: {text!r}"
                raise RequestError(500, "bad-response", detail)
            if field.name.lower() in _OURS:
                detail = f"the program answers with the header {field.name}, which is the server's"
                raise RequestError(500, "bad-response", detail)
            found.append((field.name.lower(), text))
    return found


def _body(
    value: Value, type_: Type, accept: str, given: Sequence[tuple[str, str]]
) -> tuple[tuple[tuple[str, str], ...], bytes]:
    kind = dict(given).get("content-type", "")
    is_text = type_ is Primitive.STRING
    is_bytes = type_ == ListType(Primitive.U8)
    headers = tuple(given)
    if not kind:
        kind = _negotiated(accept, type_)
        headers += (("content-type", kind),)
    plain = kind.partition(";")[0].strip()
    if is_text and not (plain == "application/json" or plain.endswith("+json")):
        return headers, value.encode()
    if is_bytes and plain != "application/json":
        return headers, value
    return headers, encode_json(value, type_)


def offered_for(type_: Type) -> list[str]:
    """Return the content types in which a body can be sent, the preferred one first."""
    if type_ is Primitive.STRING:
        return ["application/json", "text/plain; charset=utf-8"]
    if type_ == ListType(Primitive.U8):
        return ["application/octet-stream", "application/json"]
    return ["application/json"]


def _negotiated(accept: str, type_: Type) -> str:
    offered = offered_for(type_)
    wanted = _accepted(accept)
    best = max(
        offered, key=lambda each: _quality(wanted, each.partition(";")[0]), default=offered[0]
    )
    if _quality(wanted, best.partition(";")[0]) <= 0:
        detail = f"the response is {' or '.join(offered)}, the client accepts {accept}"
        raise RequestError(406, "not-acceptable", detail)
    return best


def _accepted(accept: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for part in accept.split(","):
        kind, *parameters = (each.strip().lower() for each in part.split(";"))
        if kind:
            quality = next((each[2:] for each in parameters if each.startswith("q=")), "1")
            found[kind] = float(quality) if re.fullmatch(r"[01](\.\d{0,3})?", quality) else 1.0
    return found or {"*/*": 1.0}


def _quality(wanted: Mapping[str, float], kind: str) -> float:
    family = f"{kind.partition('/')[0]}/*"
    return wanted.get(kind, wanted.get(family, wanted.get("*/*", 0.0)))
